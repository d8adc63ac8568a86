"""Image pyramids: the same picture at one octave after the other, smoothed before each halving.

References
1. Burt and Adelson 1983, "The Laplacian Pyramid as a Compact Image Code".
2. Farabet et al. 2013, section 3.1: Laplacian pyramid in YUV, each band normalised to zero mean and unit deviation in
   15 x 15 neighbourhoods.
3. Lecture slides 28-31.

Convention
----------
Pixel (i, j) of level l covers pixels [2^l i, 2^l (i + 1)) x [2^l j, 2^l (j + 1)) of level 0. The smoothing is that of
``skimage.transform.pyramid_gaussian``, a Gaussian of 2/3 pixel; here edges are repeated, while that one reflects them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SIGMA = 2 / 3  # of the smoothing before each halving: 2 * octave / 6, as scikit-image has it
NEIGHBOURHOOD = 15
# BT.601 luma and colour differences; rows Y, U, V
YUV = ((0.299, 0.587, 0.114), (-0.14713, -0.28886, 0.436), (0.615, -0.51499, -0.10001))


def smooth(x: Tensor) -> Tensor:
    """(B, C, H, W) -> the same size, smoothed with a Gaussian of `SIGMA` pixels."""
    radius = int(4 * SIGMA + 0.5)
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype) / SIGMA) ** 2)
    weights = weights / weights.sum()
    channels = x.shape[1]
    x = F.pad(x, (radius, radius, radius, radius), mode="replicate")
    x = F.conv2d(x, weights.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(x, weights.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)


def gaussian(x: Tensor, levels: int = 3) -> list[Tensor]:
    """(B, C, H, W) -> its pyramid, finest first: (B, C, H / 2^l, W / 2^l).

    H and W must be multiples of 2^(levels - 1), else ValueError.
    """
    if any(side % 2 ** (levels - 1) for side in x.shape[-2:]):
        raise ValueError(f"A picture of {x.shape[-1]} x {x.shape[-2]} has no {levels} whole octaves.")
    pyramid = [x]
    while len(pyramid) < levels:
        pyramid.append(F.avg_pool2d(smooth(pyramid[-1]), 2))
    return pyramid


def laplacian(x: Tensor, levels: int = 3) -> list[Tensor]:
    """(B, C, H, W) -> what each level of `gaussian` holds beyond its own smoothing, finest first."""
    return [level - smooth(level) for level in gaussian(x, levels)]


def yuv(rgb: Tensor) -> Tensor:
    """(B, 3, H, W) RGB of any range -> Y, U, V of that range."""
    return torch.einsum("kc,bchw->bkhw", torch.tensor(YUV, device=rgb.device, dtype=rgb.dtype), rgb)


def normalised(x: Tensor, least: float = 0.02) -> Tensor:
    """(B, C, H, W) -> zero mean and unit deviation within `NEIGHBOURHOOD` squares, each channel by itself.

    Deviations below `least` count as `least`, so that an empty sky does not become noise. At the border the
    neighbourhood is what lies inside the picture.
    """
    options = {"stride": 1, "padding": NEIGHBOURHOOD // 2, "count_include_pad": False}
    centred = x - F.avg_pool2d(x, NEIGHBOURHOOD, **options)
    variance = F.avg_pool2d(centred.square(), NEIGHBOURHOOD, **options)
    return centred / variance.clamp(min=least**2).sqrt()  # in this order the gradient is finite where all is flat
