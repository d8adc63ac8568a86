"""Sampling a picture at the places of a grid, as `F.grid_sample` does, and what went into each output pixel.

References
1. Jaderberg et al. 2015, "Spatial Transformer Networks", section 3.3, eq. 3 to 5. Lecture slides 123-128.
2. PyTorch, `torch.nn.functional.grid_sample`: modes, padding and align_corners; it computes every picture here.
3. Keys 1981, "Cubic convolution interpolation": the cubic kernel, with a = -0.75 as in reference 2.

Convention
----------
A grid (h, w, 2) holds for each OUTPUT pixel (row, column) the place (x, y) in the INPUT, normalised as in
`engine.spatial.transforms`: -1 and 1 are the outer edges of the outer pixels, with align_corners their centres.
Pixel indices (`Explained.index`): the centre of the pixel in column i, row j is (i, j), as inside `F.grid_sample`. The
frame of `engine.trace` has it at (i + 0.5, j + 0.5): see `to_frame`.
Places that are not finite, or further than `FAR` from the middle, are taken at that distance. The nearest of two pixels
equally near is the one to the right, or below: half-way is found with a tolerance of `TIE`, since rounding errors would
decide otherwise. Grey levels are rounded half up, floor(v + 0.5), and clipped to 0..255.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")
FAR = 1e6  # normalised
TIE = 1e-9  # normalised
CUBIC = -0.75  # a of reference 3

Pair = tuple[float, float]


@dataclass(frozen=True)
class Sampling:
    """How a grid is read: one of `MODES`, one of `PADDINGS`, and where -1 and 1 lie (see Convention).

    Raises ValueError for another mode or padding.
    """

    mode: str = "bilinear"
    padding: str = "zeros"
    align_corners: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES or self.padding not in PADDINGS:
            raise ValueError(f"Sampling is {', '.join(MODES)} with {', '.join(PADDINGS)}, not {self}.")


@dataclass(frozen=True)
class Neighbour:
    """An input pixel that an output pixel is mixed from.

    x, y: its column and row; outside the picture (zeros only) its value is 0. weight: what it counts, summing to 1.
    value: red, green, blue, 0..255. padded: whether the padding supplied it.
    """

    x: int
    y: int
    weight: float
    value: tuple[int, int, int]
    padded: bool


@dataclass(frozen=True)
class Explained:
    """Where one output pixel comes from.

    normalised: its place (x, y) in the input. index: the same as pixel index. read: where it was read after border or
    reflection moved it (bicubic moves each neighbour instead). neighbours: row by row. total: the weighted sum of their
    values before rounding.
    """

    normalised: Pair
    index: Pair
    read: Pair
    neighbours: tuple[Neighbour, ...]
    total: tuple[float, float, float]


def sampled(images: Tensor, grid: Tensor, sampling: Sampling) -> Tensor:
    """(B, C, h, w): images (B, C, H, W) float at grid (B, h, w, 2), by `F.grid_sample`; differentiable in both."""
    places = torch.nan_to_num(grid, nan=FAR, posinf=FAR, neginf=-FAR).clamp(-FAR, FAR)
    if sampling.mode == "nearest":
        places = places + TIE
    return F.grid_sample(images, places.to(images), sampling.mode, sampling.padding, sampling.align_corners)


def sample(rgb: np.ndarray, grid: Tensor, sampling: Sampling) -> np.ndarray:
    """(h, w, 3) uint8: the picture (H, W, 3) uint8 at grid (h, w, 2), computed in float64, rounded half up."""
    images = torch.tensor(rgb).double().movedim(-1, 0)[None]  # (1, 3, H, W)
    return to_bytes(sampled(images, grid[None], sampling)[0].movedim(0, -1))


def to_bytes(values: Tensor) -> np.ndarray:
    """Grey levels of any shape, 0..255, as uint8: rounded half up and clipped."""
    return (values + 0.5).floor().clamp(0, 255).to(torch.uint8).numpy()


def outside(grid: Tensor) -> np.ndarray:
    """(h, w) bool: which places of the grid (h, w, 2) lie beyond -1..1, or are not finite."""
    return (~(grid.abs() <= 1 + TIE).all(-1)).numpy()


def to_frame(points: Tensor, height: int, width: int, align_corners: bool = False) -> Tensor:
    """(..., 2): normalised places in the pixel frame of `engine.trace` of a picture of this size."""
    size = torch.tensor([width, height]).to(points)
    return (points + 1) / 2 * (size - 1) + 0.5 if align_corners else (points + 1) / 2 * size


def explain(rgb: np.ndarray, grid: Tensor, x: int, y: int, sampling: Sampling) -> Explained:
    """Where output pixel (column x, row y) of `sample` comes from. Raises IndexError where there is no such pixel."""
    if not (0 <= y < grid.shape[0] and 0 <= x < grid.shape[1]):
        raise IndexError(f"The output has {grid.shape[1]} x {grid.shape[0]} pixels, and none at ({x}, {y}).")
    height, width = rgb.shape[:2]
    place = torch.nan_to_num(grid[y, x], nan=FAR, posinf=FAR, neginf=-FAR).clamp(-FAR, FAR).tolist()
    nudge = TIE if sampling.mode == "nearest" else 0.0
    index, read, along = [], [], []
    for v, n in zip(place, (width, height), strict=True):
        at = pixel_index(v + nudge, n, sampling.align_corners)
        index.append(pixel_index(v, n, sampling.align_corners))
        read.append(at if sampling.mode == "bicubic" else padded_index(at, n, sampling))
        along.append(_along(at, n, sampling))
    neighbours = []
    for (j, wy, py), (i, wx, px) in product(along[1], along[0]):
        known = 0 <= i < width and 0 <= j < height
        value = tuple(rgb[j, i].tolist()) if known else (0, 0, 0)
        neighbours.append(Neighbour(i, j, wx * wy, value, px or py or not known))
    total = tuple(sum(one.weight * one.value[c] for one in neighbours) for c in range(3))
    return Explained(tuple(place), tuple(index), tuple(read), tuple(neighbours), total)


def pixel_index(v: float, n: int, align_corners: bool) -> float:
    """The pixel index of normalised coordinate v along a side of n pixels."""
    return (v + 1) / 2 * (n - 1) if align_corners else ((v + 1) * n - 1) / 2


def padded_index(at: float, n: int, sampling: Sampling) -> float:
    """Where a pixel index is read along a side of n pixels: clipped to it, or reflected about its ends and clipped.

    With align_corners reflection is about the centres of the outer pixels, else about their outer edges.
    """
    if sampling.padding == "zeros":
        return at
    if sampling.padding == "reflection":
        low, span = (0.0, n - 1) if sampling.align_corners else (-0.5, n)
        turns, rest = divmod(abs(at - low), span) if span else (0, -low)
        at = low + (span - rest if turns % 2 else rest)
    return min(max(at, 0.0), n - 1.0)


def _along(at: float, n: int, sampling: Sampling) -> list[tuple[int, float, bool]]:
    """(pixel, weight, whether padding moved it) of the neighbours along one side of n pixels."""
    if sampling.mode == "bicubic":
        first = math.floor(at)
        places = range(first - 1, first + 3)
        read = [int(padded_index(float(i), n, sampling)) for i in places]
        return [(r, cubic(at - i), r != i) for r, i in zip(read, places, strict=True)]
    read = padded_index(at, n, sampling)
    if sampling.mode == "nearest":
        return [(round(read), 1.0, read != at)]
    first = math.floor(read)
    return [(first, first + 1 - read, read != at), (first + 1, read - first, read != at)]


def cubic(d: float) -> float:
    """The weight of a pixel at distance d in pixels (reference 3, eq. 8 with a = `CUBIC`)."""
    d = abs(d)
    if d <= 1:
        return (CUBIC + 2) * d**3 - (CUBIC + 3) * d**2 + 1
    return CUBIC * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def kernel(mode: str, distances: np.ndarray) -> np.ndarray:
    """(N,): what a pixel counts at a place that lies `distances` (N,) pixels, up to 3, to the right of its centre.

    Read off `F.grid_sample` itself: a row of pixels of which only the middle one is 1.
    """
    row = torch.zeros(1, 1, 1, 9, dtype=torch.float64)
    row[..., 4] = 1
    xs = (2 * (4 + torch.as_tensor(distances, dtype=torch.float64)) + 1) / 9 - 1
    grid = torch.stack([xs, torch.zeros_like(xs)], -1)[None, None]  # (1, 1, N, 2)
    return sampled(row, grid, Sampling(mode))[0, 0, 0].numpy()
