"""Families of transforms: from parameters theta to the place in the input that each output pixel is sampled from.

References
1. Jaderberg et al. 2015, "Spatial Transformer Networks", section 3.2: eq. 1 (affine), eq. 2 (attention); projective and
   thin plate spline as in section 4.1. Lecture slides 119-122.
2. Bookstein 1989, "Principal Warps": thin plate splines; U(r) = r^2 log r.
3. Wahba 1990, "Spline Models for Observational Data", section 2.4: lambda, which lets a spline miss its points.

Convention
----------
Points are (x, y) in normalised coordinates: x from -1 (left edge) to 1 (right edge), y from -1 (top) to 1 (bottom).
With align_corners False the edges are the outer edges of the outer pixels, with True the centres of the outer pixels,
as in `torch.nn.functional.affine_grid`. A transform goes from OUTPUT (target) to INPUT (source): theta says where to
look for each output pixel, so a theta that shrinks the grid enlarges the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CONTROL = 4  # control points of a thin plate spline along each side


def target_points(height: int, width: int, align_corners: bool = False) -> Tensor:
    """(H * W, 2) float64: the centre of each output pixel, row by row, in normalised coordinates (see Convention)."""

    def along(n: int) -> Tensor:
        if n == 1:
            return torch.zeros(1, dtype=torch.float64)
        steps = torch.arange(n, dtype=torch.float64)
        return 2 * steps / (n - 1) - 1 if align_corners else (2 * steps + 1) / n - 1

    ys, xs = torch.meshgrid(along(height), along(width), indexing="ij")
    return torch.stack([xs, ys], -1).reshape(-1, 2)


def control_points() -> Tensor:
    """(16, 2) float64: the regular grid of control points in the output, row by row from (-1, -1) to (1, 1)."""
    return target_points(CONTROL, CONTROL, align_corners=True)


@dataclass(frozen=True)
class Attention:
    """A crop: theta = (s, t_x, t_y) scales both axes alike and moves (reference 1, eq. 2; lecture slide 117)."""

    name: str = "attention"
    identity: tuple[float, ...] = (1.0, 0.0, 0.0)

    def matrix(self, theta: Tensor) -> Tensor:
        """(..., 3, 3) homogeneous matrix, output to input, of theta (..., 3)."""
        s, tx, ty = theta.unbind(-1)
        zero, one = torch.zeros_like(s), torch.ones_like(s)
        return _matrix(s, zero, tx, zero, s, ty, zero, zero, one)

    def __call__(self, theta: Tensor, points: Tensor) -> Tensor:
        """(B, N, 2) places in the input for theta (B, n) and output points (N, 2), both in normalised coordinates."""
        return project(self.matrix(theta), points)


@dataclass(frozen=True)
class Affine(Attention):
    """theta = (a, b, c, d, e, f), the 2x3 matrix row by row (reference 1, eq. 1; lecture slide 121)."""

    name: str = "affine"
    identity: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

    def matrix(self, theta: Tensor) -> Tensor:
        """(..., 3, 3) homogeneous matrix, output to input, of theta (..., 6)."""
        row = theta.new_tensor([0.0, 0.0, 1.0]).expand(*theta.shape[:-1], 3)
        return torch.cat([theta, row], -1).unflatten(-1, (3, 3))


@dataclass(frozen=True)
class Projective(Attention):
    """theta: the first eight entries of a homography row by row, its last being 1 (reference 1, section 4.1)."""

    name: str = "projective"
    identity: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)

    def matrix(self, theta: Tensor) -> Tensor:
        """(..., 3, 3) homogeneous matrix, output to input, of theta (..., 8)."""
        return torch.cat([theta, torch.ones_like(theta[..., :1])], -1).unflatten(-1, (3, 3))


@dataclass(frozen=True)
class ThinPlateSpline:
    """theta: where the 4x4 control points lie in the input, x0, y0, x1, y1, ..., row by row (references 1, 2).

    regularisation: lambda >= 0 of reference 3; with 0 the spline goes through the control points, with more it bends
    less and misses them, until only the best affine transform is left. The grid is linear in theta: see `basis`.
    """

    name: str = "tps"
    regularisation: float = 0.0

    @property
    def identity(self) -> tuple[float, ...]:
        """theta of the transform that changes nothing."""
        return tuple(control_points().flatten().tolist())

    def basis(self, points: Tensor) -> Tensor:
        """(N, 16): how much each control point's place in the input counts for each output point (N, 2)."""
        return self._terms(points) @ self.coefficients().to(points)

    def coefficients(self) -> Tensor:
        """(19, 16) float64: times the places of the control points (16, 2) it gives the 16 weights of U, then the
        plane's 1, x and y."""
        control = control_points()
        k = len(control)
        kernel = _bending(control, control) + self.regularisation * torch.eye(k).to(control)
        plane = torch.cat([torch.ones(k, 1).to(control), control], 1)
        system = torch.cat([torch.cat([kernel, plane], 1), torch.cat([plane.T, torch.zeros(3, 3).to(control)], 1)])
        return torch.linalg.inv(system)[:, :k]

    def slopes(self, points: Tensor) -> Tensor:
        """(N, 2, 16): the derivatives of `basis` by x and by y of each output point (N, 2)."""
        away = points[:, None] - control_points().to(points)  # (N, 16, 2)
        squared = away.square().sum(-1, keepdim=True)
        bending = away * (squared.clamp_min(torch.finfo(squared.dtype).tiny).log() + 1)  # of U = r^2 log r; 0 at r = 0
        plane = points.new_tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).expand(len(points), 3, 2)  # of 1, x and y
        return torch.cat([bending, plane], 1).mT @ self.coefficients().to(points)

    def _terms(self, points: Tensor) -> Tensor:
        """(N, 19): U of the distance to each control point, then 1, x and y."""
        control = control_points().to(points)
        return torch.cat([_bending(points, control), torch.ones(len(points), 1).to(points), points], 1)

    def __call__(self, theta: Tensor, points: Tensor, basis: Tensor | None = None) -> Tensor:
        """(B, N, 2) places in the input for theta (B, 32), output points (N, 2) and their `basis`, if known."""
        weights = self.basis(points.double()).to(theta) if basis is None else basis
        return weights @ theta.unflatten(-1, (-1, 2))


Family = Attention | ThinPlateSpline
FAMILIES: dict[str, Family] = {f.name: f for f in (Attention(), Affine(), Projective(), ThinPlateSpline())}


def project(matrix: Tensor, points: Tensor) -> Tensor:
    """(B, N, 2): points (N, 2) through homogeneous matrices (B, 3, 3); infinite or nan where there is no place."""
    mapped = torch.cat([points, torch.ones_like(points[:, :1])], 1).to(matrix) @ matrix.mT  # (B, N, 3)
    return mapped[..., :2] / mapped[..., 2:]


def sampling_grid(family: Family, theta: Tensor, height: int, width: int, align_corners: bool = False) -> Tensor:
    """(B, H, W, 2): where each pixel of an output of this size is sampled, as `F.grid_sample` wants it."""
    points = target_points(height, width, align_corners).to(theta.device)
    return family(theta, points.to(theta)).unflatten(1, (height, width))


def _matrix(*entries: Tensor) -> Tensor:
    return torch.stack(entries, -1).unflatten(-1, (3, 3))


def _bending(a: Tensor, b: Tensor) -> Tensor:
    """(N, M): U(r) = r^2 log r of the distances between points (N, 2) and (M, 2), 0 at r = 0."""
    squared = (a[:, None] - b[None]).square().sum(-1)
    return 0.5 * torch.xlogy(squared, squared)
