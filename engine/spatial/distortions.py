"""Distorted digits, made on the fly: turned, scaled, moved, in perspective, elastic, cluttered, in pairs.

References
1. Jaderberg et al. 2015, section 4.1 and appendices A.1 (addition), A.2 (co-localisation) and A.4 (the distortions).

Convention
----------
A canvas is S x S pixels, a digit 28 x 28; pixel centres lie at whole numbers + 0.5 from the left and upper edge. A
pose scales a digit, turns it by an angle in degrees, counter-clockwise as seen, and moves its centre by (x, y) pixels,
to the right and down from the canvas's centre. Pictures are sampled bilinearly, output to input, zeros outside.
Matrices are homogeneous and go from the canvas to the digit, in normalised coordinates (see
`engine.spatial.transforms`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from engine.spatial.transforms import ThinPlateSpline, control_points, project, target_points

DIGIT = 28  # pixels of a digit's side
PATCH = 6  # pixels of a distractor's side


@dataclass(frozen=True)
class Pose:
    """Where digits lie: angle in degrees, scale, and shift x, y in pixels (see Convention), each (B,)."""

    angle: Tensor
    scale: Tensor
    x: Tensor
    y: Tensor

    def matrix(self, size: int) -> Tensor:
        """(B, 3, 3): from a canvas of `size` pixels to the digit, in normalised coordinates."""
        turn = torch.deg2rad(self.angle)
        ratio = size / DIGIT / self.scale
        c, s = torch.cos(turn) * ratio, torch.sin(turn) * ratio
        x, y = 2 * self.x / size, 2 * self.y / size
        zero, one = torch.zeros_like(c), torch.ones_like(c)
        rows = (c, -s, s * y - c * x, s, c, -s * x - c * y, zero, zero, one)
        return torch.stack(rows, -1).unflatten(-1, (3, 3))


@dataclass(frozen=True)
class Task:
    """One distortion. size: pixels of the canvas's side; words: what it does, for people.

    distort: (digits (B, 28, 28) in [0, 1], generator, strength) -> canvases (B, 1, size, size) in [0, 1], all on the
    CPU. strength: from 0, digits as they are, to 1, all that the task has.
    pairs: two digits, each distorted by itself, are the two channels of one picture, and their sum is asked for.
    """

    name: str
    size: int
    words: str
    distort: Callable[[Tensor, Generator, float], Tensor]
    pairs: bool = False

    @property
    def channels(self) -> int:
        """Of a picture: 1, or 2 for pairs."""
        return 2 if self.pairs else 1

    @property
    def classes(self) -> tuple[str, ...]:
        """The answers: ten digits, or the sums of two."""
        return tuple(str(i) for i in range(19 if self.pairs else 10))

    def draw(self, digits: Tensor, labels: Tensor, generator: Generator, strength: float = 1) -> tuple[Tensor, Tensor]:
        """Pictures (B, channels, size, size) and answers (B,) for digits (B, 28, 28) with labels (B,)."""
        first = self.distort(digits, generator, strength)
        if not self.pairs:
            return first, labels
        other = torch.randperm(len(digits), generator=generator)
        return torch.cat([first, self.distort(digits[other], generator, strength)], 1), labels + labels[other]


def place(digits: Tensor, pose: Pose, size: int) -> Tensor:
    """(B, 1, size, size): digits (B, 28, 28) drawn on empty canvases at their poses."""
    return _warp(digits, project(pose.matrix(size), target_points(size, size).float().to(digits)), size)


def clutter(canvases: Tensor, digits: Tensor, count: int, generator: Generator) -> Tensor:
    """Canvases (B, 1, S, S) with `count` patches of 6x6 cut from `digits` (N, 28, 28), added at random places."""
    b, size = len(canvases), canvases.shape[-1]

    def dice(most: int) -> Tensor:
        return torch.randint(most, (b, count, 1, 1), generator=generator)

    source, dy, dx = dice(len(digits)), dice(DIGIT - PATCH + 1), dice(DIGIT - PATCH + 1)
    row, column = torch.arange(PATCH)[:, None], torch.arange(PATCH)
    patches = digits[source, dy + row, dx + column]  # (B, count, 6, 6)
    y, x = dice(size - PATCH + 1) + row, dice(size - PATCH + 1) + column
    index = (torch.arange(b)[:, None, None, None], y, x)
    added = canvases[:, 0].index_put(index, patches, accumulate=True)
    return added.clamp(max=1)[:, None]


def turned(digits: Tensor, generator: Generator, strength: float = 1) -> Tensor:
    """R: turned by up to 90 degrees to either side."""
    angle = strength * _uniform(digits, -90, 90, generator)
    zero = torch.zeros_like(angle)
    return place(digits, Pose(angle, zero + 1, zero, zero), DIGIT)


def posed(digits: Tensor, generator: Generator, strength: float = 1, size: int = 42) -> Tensor:
    """RTS: turned by up to 45 degrees, scaled by 0.7 to 1.2, anywhere on 42x42."""
    full = random_pose(digits, generator, size)
    less = Pose(strength * full.angle, 1 + strength * (full.scale - 1), strength * full.x, strength * full.y)
    return place(digits, less, size)


def random_pose(digits: Tensor, generator: Generator, size: int = 42) -> Pose:
    """Poses as RTS draws them: the digit's scaled square stays on the canvas before it is turned."""
    angle, scale = _uniform(digits, -45, 45, generator), _uniform(digits, 0.7, 1.2, generator)
    room = (size - DIGIT * scale) / 2
    return Pose(angle, scale, room * _uniform(digits, -1, 1, generator), room * _uniform(digits, -1, 1, generator))


def projected(digits: Tensor, generator: Generator, strength: float = 1) -> Tensor:
    """P: scaled by 0.75 to 1, then each corner of the picture moves by normal deviates of 5 pixels."""
    corners = torch.tensor([[-1.0, -1.0], [1, -1], [1, 1], [-1, 1]]).to(digits)
    moved = corners + _normal(digits, 4, 5.0 * strength, generator)
    shrink = 1 / (1 - strength * _uniform(digits, 0, 0.25, generator))
    matrix = torch.diag_embed(torch.stack([shrink, shrink, torch.ones_like(shrink)], -1)) @ homography(moved, corners)
    return _warp(digits, project(matrix, target_points(DIGIT, DIGIT).float().to(digits)), DIGIT)


def elastic(digits: Tensor, generator: Generator, strength: float = 1) -> Tensor:
    """E: scaled by 0.75 to 1, then 16 control points of a thin plate spline move by normal deviates of 1.5 pixels."""
    points = target_points(DIGIT, DIGIT)
    shrink = 1 / (1 - strength * _uniform(digits, 0, 0.25, generator))
    moved = control_points().to(digits) + _normal(digits, len(control_points()), 1.5 * strength, generator)
    theta = (moved * shrink[:, None, None]).flatten(1)
    spline = ThinPlateSpline()
    return _warp(digits, spline(theta, points, spline.basis(points).to(digits)), DIGIT)


def cluttered(digits: Tensor, generator: Generator, strength: float = 1, size: int = 60, count: int = 6) -> Tensor:
    """TC: anywhere on 60x60, with six patches of other digits."""
    return clutter(place(digits, moved(digits, generator, size, strength), size), digits, count, generator)


def moved(digits: Tensor, generator: Generator, size: int, strength: float = 1) -> Pose:
    """Poses of digits moved by whole pixels to anywhere on the canvas; strength: share of the way that they go."""
    room = (size - DIGIT) // 2
    ways = (torch.randint(-room, room + 1, (len(digits),), generator=generator).to(digits) for _ in range(2))
    x, y = ((strength * way).round() for way in ways)
    return Pose(torch.zeros_like(x), torch.ones_like(x), x, y)


TASKS = {
    task.name: task
    for task in (
        Task("R", DIGIT, "turned by up to ±90°", turned),
        Task("RTS", 42, "turned by up to ±45°, scaled by 0.7 to 1.2, moved", posed),
        Task("P", DIGIT, "in perspective", projected),
        Task("E", DIGIT, "bent elastically", elastic),
        Task("TC", 60, "moved, with six pieces of other digits", cluttered),
        Task("SUM", 42, "two digits, each turned, scaled and moved", posed, pairs=True),
    )
}


def homography(source: Tensor, target: Tensor) -> Tensor:
    """(B, 3, 3), last entry 1: the homographies that take four points `source` (B, 4, 2) to `target` (4, 2)."""
    x, y = source.unbind(-1)
    u, v = (t.expand_as(x) for t in target.unbind(-1))
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    upper = torch.stack([x, y, one, zero, zero, zero, -x * u, -y * u], -1)
    lower = torch.stack([zero, zero, zero, x, y, one, -x * v, -y * v], -1)
    solved = torch.linalg.solve(torch.cat([upper, lower], 1).double(), torch.cat([u, v], 1).double())
    return torch.cat([solved, torch.ones(len(x), 1).to(solved)], 1).unflatten(1, (3, 3)).to(source)


def _warp(digits: Tensor, places: Tensor, size: int) -> Tensor:
    """(B, 1, size, size): digits (B, 28, 28) sampled at places (B, size * size, 2)."""
    return F.grid_sample(digits[:, None], places.unflatten(1, (size, size)), align_corners=False)


def _uniform(digits: Tensor, low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(len(digits), generator=generator).to(digits)


def _normal(digits: Tensor, points: int, pixels: float, generator: Generator) -> Tensor:
    """(B, points, 2) normal deviates of so many pixels of a digit, in normalised coordinates."""
    return torch.randn(len(digits), points, 2, generator=generator).to(digits) * (2 * pixels / DIGIT)
