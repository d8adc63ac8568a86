"""Gradient descent on theta: a transform learns to look where another one looks, as far as its gradients reach.

References
1. Jaderberg et al. 2015, "Spatial Transformer Networks", section 3.3, eq. 6 and 7: the gradients of bilinear sampling
   by the picture and by the grid. Lecture slides 123-128: each output pixel mixes four input pixels, so gradients are
   very local.
2. Lucas and Kanade 1981, "An Iterative Image Registration Technique": smoothing widens the basin; from coarse to fine.
3. Kingma and Ba 2015, "Adam".

Convention
----------
Normalised (x, y), from OUTPUT to INPUT, align_corners False, as in `engine.spatial.transforms`. Distances are in
pixels of the input. The output has the picture's aspect, `SIDE` pixels on its longer side, and repeats the border
where it looks outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from engine.runs import Tell, quiet
from engine.spatial.sampling import Sampling, sampled
from engine.spatial.theta import Theta
from engine.spatial.transforms import Family, ThinPlateSpline, target_points

SIDE = 64  # pixels of the output's longer side
LEVELS = 5  # of a pyramid: its blur is halved from level to level, and the last one has none
NEAR = 1.0  # pixels of mean distance within which a descent has arrived
BORDER = Sampling("bilinear", "border")


@dataclass(frozen=True)
class Course:
    """How to descend: Adam (reference 3), for `steps` steps, its rate falling to 0 in the last third of a level.

    blur: sigma of a Gaussian in input pixels, of the picture that both outputs are sampled from. pyramid: from that
    blur (or 1/12 of the longer side, if it is 0) down to none in `LEVELS` levels; without it there is one level.
    brightness: factor of the target's values.
    """

    steps: int = 150
    rate: float = 0.02
    blur: float = 0.0
    pyramid: bool = False
    brightness: float = 1.0


@dataclass(frozen=True, eq=False)
class Descent:
    """A descent from thetas[0] to thetas[-1].

    thetas: (steps + 1, n). losses: (steps + 1,), the mean squared difference of output and target, values 0..1, at
    the blur of that step. sigmas: (steps + 1,), that blur in pixels. apart: (steps + 1,), the mean distance of the grid
    from the target's, in input pixels.
    """

    family: Family
    target: Theta
    course: Course
    thetas: np.ndarray
    losses: np.ndarray
    sigmas: np.ndarray
    apart: np.ndarray

    @property
    def arrived(self) -> bool:
        """Whether the mean distance at the end is below `NEAR`."""
        return bool(self.apart[-1] < NEAR)


def descend(rgb: np.ndarray, family: Family, start: Theta, target: Theta, course: Course,
            tell: Tell = quiet) -> Descent:  # fmt: skip
    """Let theta go downhill from `start`, so that the picture (H, W, 3) uint8 looks as it does sampled by `target`.

    tell: called after each step.
    """
    view = _View(rgb, family, target)
    theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([theta], course.rate)
    thetas, losses, sigmas, apart = [], [], [], []
    images, wanted, sigma = Tensor(), Tensor(), -1.0
    for now, share in _schedule(rgb, course):
        if now != sigma:
            sigma, images = now, view.blurred(now)
            wanted = view.wanted(images, course)
            optimiser = torch.optim.Adam([theta], course.rate)
        grid = view.grid(theta)
        loss = (sampled(images, grid, BORDER) - wanted).square().mean()
        thetas.append(theta.detach().numpy().copy())
        losses.append(float(loss.detach()))
        sigmas.append(sigma)
        apart.append(view.distance(grid.detach()))
        if len(thetas) > course.steps:
            break
        tell(len(thetas), course.steps + 1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.param_groups[0]["lr"] = course.rate * min(1.0, 3 * (1 - share))
        optimiser.step()
    return Descent(family, target, course, *map(np.array, (thetas, losses, sigmas, apart)))


def _schedule(rgb: np.ndarray, course: Course) -> Iterator[tuple[float, float]]:
    """(sigma, share of its level that is behind it) of each step, and of the state after the last one."""
    first = course.blur or max(rgb.shape[:2]) / 12
    sigmas = [first / 2**i for i in range(LEVELS - 1)] + [0.0] if course.pyramid else [course.blur]
    for i in range(course.steps + 1):
        level, share = divmod(min(i, course.steps - 1) * len(sigmas) / course.steps, 1)
        yield sigmas[int(level)], share


@dataclass(frozen=True, eq=False)
class Pull:
    """One moment of a descent.

    output, wanted: (h, w, 3) float64, values 0..1. places: (h, w, 2), where the output is sampled, normalised.
    gradient: (h, w, 2), dL/d(x, y) of each sampled place in pixels of the input; downhill is against it.
    picture: (H, W, 3) float64, 0..1, what is sampled: blurred as the step is.
    """

    output: np.ndarray
    wanted: np.ndarray
    places: np.ndarray
    gradient: np.ndarray
    picture: np.ndarray


def pulls(rgb: np.ndarray, descent: Descent, steps: Iterable[int]) -> Iterator[Pull]:
    """What pulls at the grid at each of `steps` (0 to the last) of a descent on this picture (H, W, 3) uint8."""
    view = _View(rgb, descent.family, descent.target)
    size = torch.tensor(rgb.shape[1::-1], dtype=torch.float64)
    images, sigma = Tensor(), -1.0
    for step in steps:
        if sigma != (now := float(descent.sigmas[step])):
            sigma, images = now, view.blurred(now)
        wanted = view.wanted(images, descent.course)
        grid = view.grid(torch.tensor(descent.thetas[step])).requires_grad_()
        output = sampled(images, grid, BORDER)
        (slope,) = torch.autograd.grad((output - wanted).square().mean(), grid)
        yield Pull(*(x[0].detach().movedim(0, -1).numpy() for x in (output, wanted)), grid[0].detach().numpy(),
                   (slope[0] * 2 / size).numpy(), images[0].movedim(0, -1).numpy())  # fmt: skip


def reach(rgb: np.ndarray, grid: Tensor, x: int, y: int, sampling: Sampling) -> np.ndarray:
    """(H, W) float64: the derivative of output pixel (column x, row y) of `sample` by each input pixel, by autograd."""
    images = torch.zeros(1, 1, *rgb.shape[:2], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(sampled(images, grid[None], sampling)[0, 0, y, x], images)
    return slope[0, 0].numpy()


@dataclass(frozen=True, eq=False)
class _View:
    """A picture (H, W, 3) uint8 and the outputs of a family's transforms of it; goal: the theta of the target."""

    rgb: np.ndarray
    family: Family
    goal: Theta

    @cached_property
    def size(self) -> tuple[int, int]:
        """(h, w) of the output."""
        return tuple(max(2, round(SIDE / max(self.rgb.shape[:2]) * n)) for n in self.rgb.shape[:2])

    @cached_property
    def basis(self) -> tuple[Tensor, ...]:
        """What a spline need not compute at each step."""
        return (self.family.basis(target_points(*self.size)),) if isinstance(self.family, ThinPlateSpline) else ()

    @cached_property
    def target(self) -> Tensor:
        """(1, h, w, 2): the target's grid."""
        return self.grid(torch.tensor(self.goal, dtype=torch.float64))

    def grid(self, theta: Tensor) -> Tensor:
        """(1, h, w, 2) of theta (n,)."""
        return self.family(theta[None], target_points(*self.size), *self.basis).unflatten(1, self.size)

    def blurred(self, sigma: float) -> Tensor:
        """(1, 3, H, W) float64, 0..1: the picture after a Gaussian of this sigma in pixels."""
        picture = self.rgb / 255
        if sigma:
            picture = gaussian_filter(picture, (sigma, sigma, 0), mode="nearest")
        return torch.from_numpy(picture).movedim(-1, 0)[None].contiguous()

    def wanted(self, images: Tensor, course: Course) -> Tensor:
        """(1, 3, h, w): what the target looks like."""
        return (course.brightness * sampled(images, self.target, BORDER)).clamp(0, 1)

    def distance(self, grid: Tensor) -> float:
        """The mean distance of a grid (1, h, w, 2) from the target's, in input pixels."""
        half = torch.tensor(self.rgb.shape[1::-1], dtype=torch.float64) / 2
        return float(((grid - self.target) * half).norm(dim=-1).mean())
