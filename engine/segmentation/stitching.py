"""From coarse outputs to an answer for every pixel: shift and stitch, its equal à trous, and bilinear upsampling.

References
1. Sermanet et al. 2014, "OverFeat", section 3.3; Long et al. 2015, section 3.2: shift and stitch, and that filters with
   holes ("à trous") give the same.
2. Lecture slide 57: shift the input by single pixels, run each shift, interleave the coarse outputs.

Convention
----------
Shift (dx, dy) moves the picture dx pixels to the left and dy up, so that cell (row i, column j) of its coarse output
is the answer for pixel (column s j + dx, row s i + dy), s = `STRIDE`. Sides of pictures are multiples of `STRIDE`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from types import MappingProxyType

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from engine.segmentation.fcn import transposed_bilinear
from engine.segmentation.patches import STRIDE, Patches, surrounded

Shift = tuple[int, int]
# In an order in which the first 1, 4 and 16 answer every fourth, every second and every pixel of each row and column.
SHIFTS: tuple[Shift, ...] = tuple(sorted(product(range(STRIDE), repeat=2), key=lambda s: (s[0] % 2 or s[1] % 2, s)))
MIDDLE: Shift = (STRIDE // 2, STRIDE // 2)  # half a pixel from the middle of the STRIDE x STRIDE pixels of a cell


def shifted(x: Tensor, window: int, shift: Shift) -> Tensor:
    """(B, 3, H, W) -> the input of one shift, (B, 3, H + window - 4, W + window - 4): moved, grey around it."""
    (dx, dy), (height, width), more = shift, x.shape[-2:], window - STRIDE
    return surrounded(x, window)[..., dy : dy + height + more, dx : dx + width + more]


def coarse(network: Patches, x: Tensor, window: int, shift: Shift = MIDDLE) -> Tensor:
    """(B, 3, H, W) -> logits (B, K, H/4, W/4): one pass of the network as it is."""
    return network.only(shifted(x, window, shift), window)


def stitch(outputs: Mapping[Shift, Tensor]) -> Tensor:
    """Interleave the coarse outputs (B, K, h, w) of all `SHIFTS` to (B, K, 4 h, 4 w)."""
    rows = [torch.stack([outputs[dx, dy] for dx in range(STRIDE)], -1) for dy in range(STRIDE)]  # (B, K, h, w, dx)
    both = torch.stack(rows, 3)  # (B, K, h, dy, w, dx)
    return both.flatten(4, 5).flatten(2, 3)


def coarse_outputs(network: Patches, x: Tensor, window: int) -> dict[Shift, Tensor]:
    """(B, 3, H, W) -> the logits (B, K, H/4, W/4) of each shift."""
    return {shift: coarse(network, x, window, shift) for shift in SHIFTS}


def shift_and_stitch(network: Patches, x: Tensor, window: int) -> Tensor:
    """(B, 3, H, W) -> logits (B, K, H, W) from one coarse pass for each shift."""
    return stitch(coarse_outputs(network, x, window))


def a_trous(network: Patches, x: Tensor, window: int) -> Tensor:
    """(B, 3, H, W) -> logits (B, K, H, W) in one dense pass, filters with holes."""
    return network.only(surrounded(x, window), window, dense=True)


def upsampled(logits: Tensor) -> Tensor:
    """(B, K, h, w) -> (B, K, 4 h, 4 w) by two transposed convolutions that are bilinear (`engine.segmentation.fcn`).

    At the border they fade towards zero, all classes alike.
    """
    up = transposed_bilinear(logits.shape[1]).to(logits.device)
    return up(up(logits))


def coarse_and_bilinear(network: Patches, x: Tensor, window: int) -> Tensor:
    """(B, 3, H, W) -> logits (B, K, H, W) from one coarse pass and upsampling."""
    return upsampled(coarse(network, x, window))


COARSE, DENSE, STITCHED, PATCH_BY_PATCH = "coarse, then bilinear", "à trous", "shift and stitch", "patch by patch"
WAYS: Mapping[str, Callable[[Patches, Tensor, int], Tensor]] = MappingProxyType(
    {COARSE: coarse_and_bilinear, DENSE: a_trous, STITCHED: shift_and_stitch}
)


def multiply_adds(network: Patches, height: int, width: int, window: int) -> dict[str, int]:
    """What each of `WAYS` and `PATCH_BY_PATCH` multiplies and adds in its convolutions to label height x width pixels.

    Counted by torch.utils.flop_counter while the layers run on tensors without data.
    """
    with torch.device("meta"):
        shapes = Patches(network.scores[0].out_channels, network.second.out_channels)

    def count(way: Callable[[Patches, Tensor, int], Tensor], *size: int) -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            way(shapes, torch.empty(1, 3, *size, device="meta"), window)
        return counter.get_total_flops() // 2

    costs = {name: count(way, height, width) for name, way in WAYS.items()}
    return costs | {PATCH_BY_PATCH: height * width * count(Patches.only, window, window)}
