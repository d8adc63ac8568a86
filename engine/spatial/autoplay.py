"""The paper's video: a digit moves through all that its task does to digits, and the output is held still.

References
1. Jaderberg et al. 2015, section 4.1 and its video. Lecture slides 130-131.

Convention
----------
As in `engine.spatial.curves`: angles counter-clockwise in degrees, grids in the input's pixel frame. The last frame is
followed by the first one: the motion is a closed loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.spatial.curves import cluttered
from engine.spatial.digits_model import DigitModel
from engine.spatial.distortions import DIGIT, Pose, Task, homography, place
from engine.spatial.sampling import to_frame
from engine.spatial.transforms import Family, ThinPlateSpline, control_points, project, target_points

LATTICE = 9  # places along each side of the grid that is drawn
OUTLINE = 16  # places along each edge of its outline
SEED = 3  # of the loops of P and E
SHRUNK = 0.875  # the middle of the scales of P and E
PERSPECTIVE, ELASTIC = 5.0, 1.5  # pixels by which P's corners and E's control points deviate


@dataclass(frozen=True, eq=False)
class Film:
    """A digit on its way, T frames, and what a network with a transformer and a plain one make of each.

    inputs: (T, S, S) uint8. lattice: (T, 9, 9, 2) float32, where a coarse grid of the output lies on the input;
    outline: (T, 65, 2) float32, the output's edge there, from the upper left corner clockwise and back.
    crops: (T, 28, 28) uint8, what the transformer cut out. theta: (T, n) float32. chances, plain: (T, 10) float32;
    plain has no columns where there is no plain network.
    moving, held: how much of the ink changes from frame to frame, of the inputs and of the crops (see `restlessness`).
    """

    inputs: np.ndarray
    lattice: np.ndarray
    outline: np.ndarray
    crops: np.ndarray
    theta: np.ndarray
    chances: np.ndarray
    plain: np.ndarray
    moving: float
    held: float


def autoplay(model: DigitModel, plain: DigitModel | None, digit: np.ndarray, frames: int = 72) -> Film:
    """A digit (28, 28) uint8 once round the loop of the model's task, all frames through the networks in one batch.

    Raises ValueError for a plain model and for a task of two digits.
    """
    if model.task.pairs or not model.net.transformers:
        raise ValueError("Autoplay shows one digit and the network of a spatial transformer.")
    return film(model, plain, loop(torch.tensor(digit).float() / 255, model.task, frames).numpy())


def film(model: DigitModel, plain: DigitModel | None, pictures: np.ndarray) -> Film:
    """What the networks make of pictures (T, 1, S, S) float in [0, 1], one after the other."""
    read = model.read(pictures)
    other = plain.read(pictures).chances if plain else np.zeros((len(pictures), 0), np.float32)
    lattice, outline = drawn_grid(model.net.transformers[0].family, read.theta[0], model.task.size)
    inputs, crops = (_bytes(x[:, 0]) for x in (pictures, read.crops[0]))
    return Film(inputs, lattice, outline, crops, read.theta[0], read.chances, other,
                restlessness(inputs), restlessness(crops))  # fmt: skip


def loop(digit: Tensor, task: Task, frames: int) -> Tensor:
    """(frames, 1, S, S): a digit (28, 28) in [0, 1] once round a smooth closed way through the range of its task.

    R turns it to and fro; RTS turns, scales and moves it; TC moves it among distractors that stay; P and E move corners
    and control points by deviates as large as those of the task, seeded.
    """
    digits, turn = digit.expand(frames, DIGIT, DIGIT), 2 * torch.pi * torch.arange(frames) / frames
    one, nothing = torch.ones(frames), torch.zeros(frames)
    if task.name in ("P", "E"):
        return _bent(digits, task, turn)
    if task.name == "R":
        return place(digits, Pose(90 * turn.sin(), one, nothing, nothing), task.size)
    if task.name == "RTS":
        scale = 0.95 + 0.25 * (2 * turn).sin()
        room = (task.size - DIGIT * scale) / 2
        return place(digits, Pose(45 * turn.sin(), scale, room * turn.cos(), room * (2 * turn).cos()), task.size)
    room = (task.size - DIGIT) / 2
    pictures = place(digits, Pose(nothing, one, room * turn.cos(), room * (2 * turn).sin()), task.size)
    return cluttered(pictures, digits, task, same=True)


def _bent(digits: Tensor, task: Task, turn: Tensor) -> Tensor:
    """(frames, 1, 28, 28): P's or E's distortion with deviates that go round a circle: cos n1 + sin n2."""
    dice = torch.Generator().manual_seed(SEED)
    many, spread = (4, PERSPECTIVE) if task.name == "P" else (len(control_points()), ELASTIC)
    first, second = 2 * spread / DIGIT * torch.randn(2, many, 2, generator=dice)
    away = turn.cos()[:, None, None] * first + turn.sin()[:, None, None] * second  # (frames, points, 2)
    points = target_points(DIGIT, DIGIT).float()
    if task.name == "P":
        corners = torch.tensor([[-1.0, -1.0], [1, -1], [1, 1], [-1, 1]])
        shrink = torch.diag(torch.tensor([1 / SHRUNK, 1 / SHRUNK, 1.0]))
        places = project(shrink @ homography(corners + away, corners), points)
    else:
        theta = ((control_points().float() + away) / SHRUNK).flatten(1)
        places = ThinPlateSpline()(theta, points)
    return F.grid_sample(digits[:, None], places.unflatten(1, (DIGIT, DIGIT)), align_corners=False)


def drawn_grid(family: Family, theta: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(B, 9, 9, 2) lattice and (B, 65, 2) outline of grids theta (B, n) on an input of `size` pixels (see `Film`)."""
    points = target_points(LATTICE, LATTICE, align_corners=True)
    corners = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]], dtype=torch.float64)
    along = torch.arange(OUTLINE, dtype=torch.float64)[:, None] / OUTLINE
    edge = torch.cat([a + along * (b - a) for a, b in pairwise(corners)] + [corners[:1]])  # (65, 2)
    places = to_frame(family(torch.as_tensor(theta, dtype=torch.float64), torch.cat([points, edge])), size, size)
    places = places.float().numpy()
    return places[:, : len(points)].reshape(-1, LATTICE, LATTICE, 2), places[:, len(points) :]


def restlessness(frames: np.ndarray) -> float:
    """Mean absolute difference of successive frames (T, h, w), the last and the first too, over the mean value."""
    frames = frames.astype(np.float64)
    return float(np.abs(frames - np.roll(frames, 1, 0)).mean() / max(frames.mean(), 1e-9))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(255 * values.clip(0, 1)).astype(np.uint8)
