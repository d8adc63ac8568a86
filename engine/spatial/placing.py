"""A digit placed on its task's canvas by hand: turned, scaled and moved, or by its corners, or by control points.

References
1. Jaderberg et al. 2015, section 4.1 and appendix A.4: what each task does to a digit. Lecture slides 130-131.
2. Bookstein 1989, "Principal Warps": the spline that takes landmarks to landmarks; SciPy's RBFInterpolator fits it.

Convention
----------
A canvas has S x S pixels (`Task.size`). A placement is a tuple of numbers, by the kind of its task:
"pose" (R, RTS, TC): angle in degrees, counter-clockwise as seen, scale, and shift x, y in pixels as in
`engine.spatial.distortions.Pose`. "corners" (P): where the digit's corners lie, top left, top right, bottom right,
bottom left; "points" (E): where its 4x4 control points lie, row by row; both as x0, y0, x1, y1, ... on the canvas in
normalised coordinates. Ink goes from the digit to the canvas with them; sampling goes the other way.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import RBFInterpolator
from torch import Tensor

from engine.spatial.distortions import DIGIT, PATCH, Pose, Task, homography
from engine.spatial.sampling import Sampling, sample
from engine.spatial.theta import CORNERS
from engine.spatial.transforms import control_points, project, target_points

Numbers = tuple[float, ...]

KIND = {"R": "pose", "RTS": "pose", "TC": "pose", "P": "corners", "E": "points"}
UPRIGHT: dict[str, Numbers] = {"pose": (0.0, 1.0, 0.0, 0.0), "corners": tuple(CORNERS.flatten().tolist()),
                               "points": tuple(control_points().round(decimals=3).flatten().tolist())}  # fmt: skip
SCALES = (0.3, 2.0)
REACH = 2.0  # normalised: how far out corners and points may lie
LEAST = 0.02  # twice the area of a triangle of corners, normalised: less is no corner
APART = 0.05  # the least distance of two control points, normalised
DECIMALS = 3
PIECES = 6  # of TC
INK = 60  # the least mean grey level of a piece


class PlacingError(ValueError):
    """A placement that cannot be used; the message is one clear sentence."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """Distractors of TC. cut: (6, 6, 6) uint8, pieces of other digits; places: columns and rows of their upper left
    pixels."""

    cut: np.ndarray
    places: tuple[tuple[int, int], ...]


def check(task: Task, numbers: Iterable[float]) -> Numbers:
    """A placement on the canvas of `task`, rounded to three decimals. Raises PlacingError, which says what is wrong."""
    kind = KIND[task.name]
    values = tuple(float(v) for v in numbers)
    if len(values) != len(UPRIGHT[kind]):
        raise PlacingError(f"A digit is placed here by {len(UPRIGHT[kind])} numbers, not by {len(values)}.")
    if not all(map(math.isfinite, values)):
        raise PlacingError("Each number of a placement must be finite.")
    wrong = _wrong_pose(task, values) if kind == "pose" else _wrong_places(kind, np.reshape(values, (-1, 2)))
    if wrong:
        raise PlacingError(wrong)
    return tuple(round(v, DECIMALS) + 0.0 for v in values)


def _wrong_pose(task: Task, pose: Numbers) -> str:
    angle, scale, x, y = pose
    if abs(angle) > 180:
        return "The angle must lie between -180 and 180 degrees."
    if not SCALES[0] <= scale <= SCALES[1]:
        return f"The scale must lie between {SCALES[0]} and {SCALES[1]}."
    if max(abs(x), abs(y)) > task.size / 2:
        return "The digit's centre must lie on the canvas."
    return ""


def _wrong_places(kind: str, places: np.ndarray) -> str:
    if np.abs(places).max() > REACH:
        return f"Each place must lie between -{REACH:g} and {REACH:g}."
    if kind == "corners":
        ahead = np.roll(places, -1, 0) - places  # each side as an arrow, clockwise
        after = np.roll(ahead, -1, 0)
        turn = ahead[:, 0] * after[:, 1] - ahead[:, 1] * after[:, 0]
        return "" if turn.min() >= LEAST else "The four corners must stay in their order around the digit."
    apart = np.linalg.norm(places[:, None] - places, axis=-1) + np.diag(np.full(len(places), np.inf))
    return "" if apart.min() >= APART else "Two control points lie in the same place."


def to_url(numbers: Numbers) -> str:
    """A placement as short text for a URL."""
    return "_".join(f"{v:.{DECIMALS}f}".rstrip("0").rstrip(".") for v in numbers)


def from_url(task: Task, text: str) -> Numbers:
    """The placement that `to_url` wrote. Raises PlacingError for any other text."""
    parts = text.split("_", 40)
    if not all(re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]{1,4})?", part) for part in parts):
        raise PlacingError("The pose in this link is not a list of numbers.")
    return check(task, map(float, parts))


def places_in_digit(task: Task, numbers: Numbers) -> Tensor:
    """(S, S, 2) float64: where each pixel of the canvas lies in the digit, normalised (see Convention)."""
    points = target_points(task.size, task.size)
    if KIND[task.name] == "pose":
        pose = Pose(*(torch.tensor([v], dtype=torch.float64) for v in numbers))
        places = project(pose.matrix(task.size), points)[0]
    elif KIND[task.name] == "corners":
        corners = torch.tensor(numbers, dtype=torch.float64).reshape(1, 4, 2)
        places = project(homography(corners, torch.tensor(CORNERS)), points)[0]
    else:
        spline = RBFInterpolator(np.reshape(numbers, (-1, 2)), control_points().numpy(), kernel="thin_plate_spline")
        places = torch.tensor(spline(points.numpy()))
    return places.reshape(task.size, task.size, 2)


def draw(digit: np.ndarray, task: Task, numbers: Numbers, pieces: Pieces | None = None) -> np.ndarray:
    """(S, S) uint8: a digit (28, 28) uint8 at its place on the canvas of `task`, with distractors added, if any."""
    rgb = np.repeat(digit[..., None], 3, 2)
    canvas = sample(rgb, places_in_digit(task, numbers), Sampling())[..., 0].astype(int)
    if pieces is not None:
        for cut, (x, y) in zip(pieces.cut, pieces.places, strict=True):
            canvas[y : y + PATCH, x : x + PATCH] += cut
    return canvas.clip(0, 255).astype(np.uint8)


def scatter(digits: np.ndarray, task: Task, seed: int) -> Pieces:
    """New distractors anywhere on the canvas, cut from digits (N, 28, 28) uint8 where there is ink."""
    dice = np.random.default_rng(seed)
    cut = []
    while len(cut) < PIECES:
        y, x = dice.integers(0, DIGIT - PATCH + 1, 2)
        piece = digits[dice.integers(len(digits)), y : y + PATCH, x : x + PATCH]
        if piece.mean() >= INK:
            cut.append(piece)
    places = dice.integers(0, task.size - PATCH + 1, (PIECES, 2)).tolist()
    return Pieces(np.stack(cut), tuple((x, y) for x, y in places))
