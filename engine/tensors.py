"""From a picture to what the networks take, and back to pixels: sizes that fit the strides, scaling, labels.

Convention
----------
Resizing is bilinear with half-pixel centres (align_corners=False); a picture is stretched to multiples of 32, at most
16 pixels a side, rather than padded, so that each map covers exactly the picture.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

MULTIPLE = 32


def working_size(height: int, width: int, longest: tuple[int, int] = (32, 640),
                 multiple: int = MULTIPLE) -> tuple[int, int]:  # fmt: skip
    """(h, w), multiples of `multiple`, at which a network looks at a picture of height x width pixels.

    The longest side is brought into `longest` (least, most) with the aspect ratio kept, then each side is rounded.
    """
    long = max(height, width)
    factor = min(max(long, longest[0]), longest[1]) / long
    return tuple(max(multiple, round(side * factor / multiple) * multiple) for side in (height, width))


def to_input(rgb: np.ndarray, size: tuple[int, int], device: torch.device | str = "cpu") -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, h, w) float32, channels last, x / 127.5 - 1, resized to `size` = (h, w)."""
    x = torch.tensor(rgb, device=device).permute(2, 0, 1)[None].float()
    if x.shape[-2:] != size:
        x = F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
    return (x / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def to_pixels(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, K, h, w) logits -> (B, K, H, W) at `size` = (H, W)."""
    return F.interpolate(logits.float(), size, mode="bilinear", align_corners=False)


def to_labels(logits: Tensor, size: tuple[int, int]) -> np.ndarray:
    """(1, K, h, w) logits -> (H, W) uint8: the class of highest logit at each pixel of `size` = (H, W)."""
    return winners(to_pixels(logits, size)[0]).cpu().numpy()


def winners(maps: Tensor) -> Tensor:
    """(K, H, W) -> (H, W) uint8: the index of the highest. On a CPU `max` is five times as fast here as `argmax`."""
    return maps.max(0).indices.to(torch.uint8)


def at_pixel(maps: Tensor, size: tuple[int, int], x: float, y: float) -> Tensor:
    """(B, K, h, w) maps over a picture of `size` = (H, W) -> (B, K) at the centre of the pixel under (x, y).

    x, y: image pixel frame, clamped into the picture. Equal to `to_pixels(maps, size)[:, :, int(y), int(x)]`.
    """
    h, w = size
    column, row = min(max(int(x), 0), w - 1) + 0.5, min(max(int(y), 0), h - 1) + 0.5
    grid = torch.tensor([2 * column / w - 1, 2 * row / h - 1], device=maps.device).expand(len(maps), 1, 1, 2)
    return F.grid_sample(maps.float(), grid, padding_mode="border", align_corners=False)[:, :, 0, 0]


def to_frame(maps: Tensor, size: tuple[int, int], box: tuple[float, ...] | None = None, smooth: bool = True) -> Tensor:
    """(B, C, h, w) maps that cover `box` = (x0, y0, x1, y1) of a picture -> (B, C, H, W) at its `size` = (H, W).

    Image pixel frame; no box means the whole picture. Outside the box the edges of the maps repeat (see `inside`).
    smooth: bilinear with half-pixel centres, float32; else each pixel takes the cell that its centre lies in.
    """
    if smooth and box is None:
        return to_pixels(maps, size)
    x0, y0, x1, y1 = box or (0, 0, *size[::-1])
    h, w = maps.shape[-2:]
    x = (torch.arange(size[1]) + 0.5 - x0) / (x1 - x0)  # share of the box, 0 to 1
    y = (torch.arange(size[0]) + 0.5 - y0) / (y1 - y0)
    if not smooth:
        rows, columns = ((t * n).floor().long().clamp(0, n - 1) for t, n in ((y, h), (x, w)))
        return maps[..., rows, :][..., columns]
    grid = torch.stack(torch.meshgrid(2 * x - 1, 2 * y - 1, indexing="xy"), -1).to(maps.device)  # (H, W, 2): x, y
    grid = grid.expand(len(maps), -1, -1, -1)
    return F.grid_sample(maps.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


def inside(box: tuple[float, ...], size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: pixels of a picture of `size` = (H, W) whose centre lies in `box` = (x0, y0, x1, y1)."""
    x, y = np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5
    return ((y >= box[1]) & (y < box[3]))[:, None] & ((x >= box[0]) & (x < box[2]))[None]
