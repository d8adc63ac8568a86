"""The two directions of a transform: how it stretches and folds, and forward mapping, which leaves holes.

References
1. Heckbert 1989, "Fundamentals of Texture Mapping and Image Warping", sections 2 and 3: inverse mapping asks for each
   output pixel where it comes from, forward mapping says for each input pixel where it goes. Lecture slides 119-122.
2. Jaderberg et al. 2015, section 3.2: the grid generator maps from output to input.

Convention
----------
Places are normalised (x, y) as in `engine.spatial.transforms`; a transform goes from OUTPUT to INPUT, and its Jacobian
is d(input)/d(output): [[dx_s/dx_t, dx_s/dy_t], [dy_s/dx_t, dy_s/dy_t]]. Where its determinant is below 0 the picture is
turned over, as in a mirror; where it changes its sign the grid folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from engine.spatial.sampling import TIE, outside
from engine.spatial.transforms import Family, ThinPlateSpline, project, sampling_grid, target_points

STARTS, TURNS, NEAR = 33, 20, 1e-6  # of Newton's method: starts along each side, most turns, normalised error


@dataclass(frozen=True, eq=False)
class Forward:
    """A picture made by forward mapping.

    rgb: (h, w, 3) uint8, black where no input pixel landed. hits: (h, w) int, how many landed; the last one stays.
    holes: (h, w) bool, where none landed though inverse mapping finds a place inside the picture. empty: (h, w) bool,
    where none landed and there is nothing to be had.
    landed: (H, W, 2) float64, where each input pixel goes in the output, normalised; nan where it goes nowhere: behind
    the horizon of a homography, or where Newton's method on a spline did not arrive.
    """

    rgb: np.ndarray
    hits: np.ndarray
    holes: np.ndarray
    empty: np.ndarray
    landed: np.ndarray


def jacobian(family: Family, theta: Tensor, points: Tensor) -> Tensor:
    """(N, 2, 2): the derivative of the transform theta (n,) at output points (N, 2); analytic."""
    if isinstance(family, ThinPlateSpline):
        places = theta.unflatten(-1, (-1, 2))  # (16, 2)
        return (family.slopes(points) @ places).mT
    matrix = family.matrix(theta)
    below = points @ matrix[2, :2] + matrix[2, 2]  # (N,)
    at = project(matrix[None], points)[0]  # (N, 2)
    return (matrix[:2, :2] - at[:, :, None] * matrix[2, :2]) / below[:, None, None]  # quotient rule


def folds(family: Family, theta: Tensor, height: int, width: int, align_corners: bool = False) -> np.ndarray:
    """(h, w) bool: output pixels where theta (n,) folds or turns over: its Jacobian's determinant is <= 0.

    Of a homography also those behind its horizon, where the denominator is <= 0.
    """
    points = target_points(height, width, align_corners).to(theta)
    bad = ~(torch.linalg.det(jacobian(family, theta, points)) > 0)
    if not isinstance(family, ThinPlateSpline):
        last = family.matrix(theta)[2]
        bad |= points @ last[:2] + last[2] <= 0
    return bad.reshape(height, width).numpy()


def inverted(family: Family, theta: Tensor, places: Tensor) -> Tensor:
    """(N, 2): where input places (N, 2) go in the output under theta (n,), nan where nowhere (see `Forward`).

    A matrix is inverted, a spline solved by Newton's method from the nearest of a coarse grid of output points: where
    it folds, several output points come from one place, and one of them is found. Raises torch.linalg.LinAlgError for
    a singular matrix.
    """
    if isinstance(family, ThinPlateSpline):
        return _newton(family, theta, places)
    inverse = torch.linalg.inv(family.matrix(theta))
    ahead = places @ inverse[2, :2] + inverse[2, 2] > 0
    return torch.where(ahead[:, None], project(inverse[None], places)[0], torch.nan)


def forward(rgb: np.ndarray, family: Family, theta: Tensor, height: int, width: int,
            align_corners: bool = False) -> Forward:  # fmt: skip
    """Push each pixel of the picture (H, W, 3) uint8 to the nearest pixel of an output (height, width).

    theta: (n,) float64, output to input, so its inverse is used: see `inverted`. Pixels go row by row; where several
    land on one output pixel the last one stays.
    """
    landed = inverted(family, theta, target_points(*rgb.shape[:2], align_corners))
    size = torch.tensor([width, height])
    index = (landed + 1) / 2 * (size - 1) if align_corners else ((landed + 1) * size - 1) / 2
    index = (index + 0.5 + TIE * size).floor()
    inside = ((index >= 0) & (index < size)).all(-1).numpy()
    column, row = index[inside].long().numpy().T
    out, hits = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), int)
    out[row, column] = rgb.reshape(-1, 3)[inside]
    np.add.at(hits, (row, column), 1)
    beyond = outside(sampling_grid(family, theta[None], height, width, align_corners)[0])
    missed = hits == 0
    return Forward(out, hits, missed & ~beyond, missed & beyond, landed.reshape(*rgb.shape[:2], 2).numpy())


def _newton(family: ThinPlateSpline, theta: Tensor, places: Tensor) -> Tensor:
    starts = target_points(STARTS, STARTS, True)
    found = starts[cKDTree(family(theta[None], starts)[0].numpy()).query(places.numpy())[1]].clone()  # (N, 2)
    left = torch.arange(len(places))
    for _ in range(TURNS):
        error = family(theta[None], found[left])[0] - places[left]
        far = error.norm(dim=-1) > NEAR
        left, error = left[far], error[far]
        if not len(left):
            break
        slopes = jacobian(family, theta, found[left])
        step = torch.linalg.lstsq(slopes, error[..., None]).solution[..., 0]
        found[left] -= step.clamp(-0.25, 0.25)
    found[left] = torch.nan
    return found
