"""The parameters theta of a transform as people meet them: checked, made from corners, converted, in a URL, in LaTeX.

References
1. Jaderberg et al. 2015, "Spatial Transformer Networks", section 3.2: eq. 1 (affine), eq. 2 (attention); projective and
   thin plate spline as in section 4.1. Lecture slides 119-122.
2. Heckbert 1989, "Fundamentals of Texture Mapping and Image Warping", section 2.2.3: a homography from four points.
3. Bookstein 1989, "Principal Warps": a thin plate spline is a plane and bending that sums to nothing.

Convention
----------
As in `engine.spatial.transforms`: normalised (x, y), from OUTPUT to INPUT. The corners of the output square are in the
order top left, top right, bottom right, bottom left: `CORNERS`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import torch
from scipy.optimize import least_squares

from engine.spatial.transforms import Affine, Attention, Family, Projective, ThinPlateSpline, control_points

CORNERS = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
MOST = 100.0  # the largest entry of theta that is accepted
LEAST = 1e-6  # the smallest determinant, and the smallest denominator of a homography
APART = 1e-4  # the least distance of two control points, and of them all from one line, normalised
TILT = 0.45  # the most that a fitted homography may tilt along x or y, so that its denominator stays above 0.1

Theta = tuple[float, ...]


class TransformError(ValueError):
    """A theta that cannot be used; the message is one clear sentence."""


def check(family: Family, theta: Iterable[float]) -> Theta:
    """theta as a tuple of floats. Raises TransformError where it cannot be used, and says why."""
    try:
        values = tuple(float(v) for v in theta)
    except (TypeError, ValueError, OverflowError):
        raise TransformError("Theta must be numbers.") from None
    if len(values) != len(family.identity):
        raise TransformError(f"This transform has {len(family.identity)} parameters, not {len(values)}.")
    if not all(map(math.isfinite, values)):
        raise TransformError("Each parameter must be a finite number.")
    if max(map(abs, values)) > MOST:
        raise TransformError(f"Each parameter must lie between -{MOST:g} and {MOST:g}.")
    wrong = _wrong_points(values) if isinstance(family, ThinPlateSpline) else _wrong_matrix(family, values)
    if wrong:
        raise TransformError(wrong)
    return values


def _wrong_matrix(family: Attention, theta: Theta) -> str:
    matrix = _matrix(family, theta)
    if abs(np.linalg.det(matrix)) < LEAST:
        return "This matrix is singular: it squeezes the whole grid into a line or a point."
    if (CORNERS @ matrix[2, :2] + matrix[2, 2]).min() < LEAST:
        return "The horizon of this homography runs through the output: its denominator vanishes there."
    return ""


def _wrong_points(theta: Theta) -> str:
    points = np.reshape(theta, (-1, 2))
    distance = np.linalg.norm(points[:, None] - points, axis=-1) + np.diag(np.full(len(points), np.inf))
    if np.linalg.svd(points - points.mean(0), compute_uv=False)[1] < APART * math.sqrt(len(points)):
        return "All control points lie on one line."
    if distance.min() < APART:
        first, second = sorted(np.unravel_index(distance.argmin(), distance.shape))
        return f"The control points {first + 1} and {second + 1} lie in the same place."
    return ""


def from_corners(family: Family, corners: np.ndarray) -> Theta:
    """theta that takes the output square's `CORNERS` to these places (4, 2) in the input.

    Projective: exactly (reference 2). Affine and attention: as near as they can, by least squares. Thin plate spline:
    control points placed bilinearly between the corners. Raises TransformError where no theta does, or it is unusable.
    """
    corners = np.asarray(corners, float)
    if corners.shape != (4, 2) or not np.isfinite(corners).all():
        raise TransformError("Four corners are needed, each with a finite x and y.")
    if isinstance(family, ThinPlateSpline):
        x, y = (control_points().numpy().T[:, :, None] + 1) / 2  # (16, 1), 0..1
        top, bottom = corners[0] + x * (corners[1] - corners[0]), corners[3] + x * (corners[2] - corners[3])
        return check(family, (top + y * (bottom - top)).flatten())
    if isinstance(family, Projective):
        try:
            return check(family, np.linalg.solve(_equations(CORNERS, corners), corners.flatten()))
        except np.linalg.LinAlgError:
            raise TransformError("No homography takes the square to these corners: three are on one line.") from None
    return check(family, _linear_fit(family, CORNERS, corners))


def convert(theta: Theta, source: Family, target: Family) -> Theta:
    """The theta of `target` that does what `theta` of `source` does.

    Exact from attention to affine to projective, and from each affine one to a thin plate spline; else the least
    squares over the 4x4 control points (a spline goes through where they went). Raises TransformError where
    nothing comes near, or it is unusable.
    """
    if source.name == target.name:
        return check(target, theta)
    if not isinstance(source, ThinPlateSpline) and _holds(target, source):
        return check(target, _matrix(source, theta).flatten()[: len(target.identity)])
    control = control_points()
    places = source(torch.tensor([theta], dtype=torch.float64), control)[0].numpy()
    if isinstance(target, ThinPlateSpline):
        return check(target, places.flatten())
    fit = _projective_fit if isinstance(target, Projective) else partial(_linear_fit, target)
    try:
        return check(target, fit(control.numpy(), places))
    except TransformError:
        raise TransformError("No transform of this family comes near the last one.") from None


def moved(family: Family, theta: Theta, dx: float, dy: float) -> Theta:
    """theta with every place in the input moved by (dx, dy), normalised. Raises TransformError where it is unusable."""
    if isinstance(family, ThinPlateSpline):
        return check(family, (np.reshape(theta, (-1, 2)) + np.array([dx, dy])).flatten())
    if family.name == "attention":
        return check(family, (theta[0], theta[1] + dx, theta[2] + dy))
    shift = np.array([(1, 0, dx), (0, 1, dy), (0, 0, 1)])
    return check(family, (shift @ _matrix(family, theta)).flatten()[: len(theta)])


def _holds(target: Family, source: Family) -> bool:
    return isinstance(target, Projective) or (isinstance(target, Affine) and source.name == "attention")


def _linear_fit(family: Family, points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The attention's or affine theta that takes points (N, 2) nearest to places (N, 2); of a homography the affine."""
    n = len(points)
    if family.name == "attention":
        rows = np.zeros((n, 2, 3))
        rows[:, :, 0], rows[:, 0, 1], rows[:, 1, 2] = points, 1, 1
        return np.linalg.lstsq(rows.reshape(-1, 3), places.flatten())[0]
    return np.linalg.lstsq(np.column_stack([points, np.ones(n)]), places)[0].T.flatten()


def _projective_fit(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The homography (8,) that takes points (N, 2) nearest to places (N, 2), from the best affine one on."""

    def error(theta: np.ndarray) -> np.ndarray:
        below = points @ theta[6:] + 1
        return ((points @ theta[:6].reshape(2, 3)[:, :2].T + theta[[2, 5]]) / below[:, None] - places).flatten()

    start = np.append(_linear_fit(Affine(), points, places), (0, 0))
    most = np.array([np.inf] * 6 + [TILT] * 2)
    return least_squares(error, start, bounds=(-most, most), xtol=1e-12, ftol=1e-12, gtol=1e-12).x


def _equations(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(2N, 8): the linear equations of a homography from points (N, 2) to places (N, 2) (reference 2)."""
    rows = np.zeros((len(points), 2, 8))
    rows[:, 0, :2] = rows[:, 1, 3:5] = points
    rows[:, 0, 2] = rows[:, 1, 5] = 1
    rows[:, :, 6:] = -places[:, :, None] * points[:, None, :]
    return rows.reshape(-1, 8)


def _matrix(family: Attention, theta: Sequence[float]) -> np.ndarray:
    """(3, 3) homogeneous matrix of theta."""
    return family.matrix(torch.tensor(theta, dtype=torch.float64)).numpy()


def interpolate(a: Theta, b: Theta, t: float) -> Theta:
    """Between theta a (t = 0) and b (t = 1) of one family, each parameter linearly; half of a turn shrinks the grid."""
    return tuple((1 - t) * p + t * q for p, q in zip(a, b, strict=True))


def to_url(theta: Theta) -> str:
    """theta as short text for a URL: decimals to four places, joined by underscores."""
    return "_".join(f"{round(v, 4) + 0.0:.4f}".rstrip("0").rstrip(".") for v in theta)


def from_url(family: Family, text: str) -> Theta:
    """The theta that `to_url` wrote. Raises TransformError for any other text."""
    parts = text.split("_", len(family.identity))
    if not all(re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]{1,6})?", part) for part in parts):
        raise TransformError("The theta in this link is not a list of numbers.")
    return check(family, map(float, parts))
