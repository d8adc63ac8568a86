"""A descent of theta as a Trace: the grid on its way to the target's, and what pulls at it.

References
1. Jaderberg et al. 2015, "Spatial Transformer Networks", section 3.3. Lecture slides 123-128: gradients are very local.

Convention
----------
The Trace's frame holds the input at the left, in its own pixels, and at the right, half as large, the target above the
output. Arrows point downhill, against the gradient, and their tails stand where the output is sampled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from engine.spatial.descent import Descent, Pull, pulls
from engine.spatial.drawing import GAP, WHITE, dashed, grid_lines, side_by_side, theta_table, within
from engine.spatial.sampling import to_bytes, to_frame
from engine.spatial.transforms import ThinPlateSpline
from engine.trace import Layer, Step, Trace

SHOWN = 30  # steps of a descent that are shown
ARROWS = 12  # along the output's longer side
LONGEST = 0.08  # of the strongest pull, as a share of the picture's longer side


def trace(descent: Descent, rgb: np.ndarray, card: Mapping[str, Any]) -> Trace:
    """About `SHOWN` steps of a descent on its picture (H, W, 3) uint8, the first and the last among them."""
    height, width = rgb.shape[:2]
    half = max(1, width // 2)
    count = len(descent.thetas)
    numbers = np.unique(np.linspace(0, count - 1, min(SHOWN, count)).round().astype(int)).tolist()
    cells = (3, 3) if isinstance(descent.family, ThinPlateSpline) else (1, 1)
    goal = dashed(within(grid_lines(descent.family, descent.target, height, width, cells), height, width))
    steps = []
    for number, pulled in zip(numbers, pulls(rgb, descent, numbers), strict=True):
        theta = tuple(descent.thetas[number].tolist())
        lines = within(grid_lines(descent.family, theta, height, width, cells), height, width)
        left = width + GAP
        right, middle = float(left + half), height / 2
        layers = [Layer("image", "Target", to_bytes(torch.from_numpy(255 * pulled.wanted)), (left, 0, right, middle)),
                  Layer("image", "Output", to_bytes(torch.from_numpy(255 * pulled.output)),
                        (left, middle, right, float(height))),
                  Layer("lines", "Target's grid, dashed", goal), Layer("lines", "Grid of theta", lines),
                  Layer("lines", "Pull on each place", within(_arrows(pulled, rgb.shape), height, width))]  # fmt: skip
        if descent.sigmas[number] > 0:
            blurred = to_bytes(torch.from_numpy(255 * pulled.picture))
            layers.insert(0, Layer("image", "Blurred picture", blurred, (0.0, 0.0, float(width), float(height))))
        steps.append(Step(f"Step {number}", _sentence(descent, number), tuple(layers),
                          theta_table(descent.family, theta)))  # fmt: skip
    blank = np.full((height, half, 3), WHITE, np.uint8)
    return Trace(side_by_side(rgb, blank), card, tuple(steps), settings={"family": descent.family.name})


def _sentence(descent: Descent, number: int) -> str:
    blur = f", blurred by {descent.sigmas[number]:.1f} px" if descent.sigmas[number] > 0 else ""
    return (f"Loss {descent.losses[number]:.5f}{blur}; the grid is {descent.apart[number]:.1f} px from the target's "
            "on average.")  # fmt: skip


def _arrows(pulled: Pull, shape: tuple[int, ...]) -> np.ndarray:
    """(N, 2): a line with a head for the mean pull of each block of the output, the strongest `LONGEST` long."""
    block = max(1, round(max(pulled.gradient.shape[:2]) / ARROWS))
    tail = _means(to_frame(torch.from_numpy(pulled.places), *shape[:2]).numpy(), block)
    pull = -_means(pulled.gradient, block)
    strength = np.linalg.norm(pull, axis=-1)
    pull = pull * LONGEST * max(shape[:2]) / max(strength.max(), 1e-12)
    tip, side = tail + pull, pull[:, ::-1] * (-1, 1)
    nan = np.full_like(tail, np.nan)
    left, right = tip - 0.3 * pull + 0.2 * side, tip - 0.3 * pull - 0.2 * side
    return np.stack([tail, tip, nan, left, tip, right, nan], 1).reshape(-1, 2)


def _means(field: np.ndarray, block: int) -> np.ndarray:
    """(N, 2): means of (h, w, 2) over blocks of block x block, or as much of it as there is."""
    tall, wide = (min(block, n) for n in field.shape[:2])
    h, w = field.shape[0] // tall, field.shape[1] // wide
    return field[: h * tall, : w * wide].reshape(h, tall, w, wide, 2).mean((1, 3)).reshape(-1, 2)
