"""A small patch classifier that can be read after windows of six sizes, and its three ways to label a whole picture.

References
1. Ciresan et al. 2012 and Farabet et al. 2013: label a pixel from the window around it.
2. Sermanet et al. 2014, "OverFeat", section 3; Long et al. 2015, section 3.2 (shift-and-stitch is filter rarefaction):
   a coarse output for each shift of the input, interleaved, equals the network "à trous".
3. Lecture slides 22-27 (patches, then fully convolutional), 57 (shift and interleave).

Convention
----------
Window W (odd) around pixel index (column i, row j) covers [i - (W-1)/2, i + (W-1)/2] in each direction; outside the
picture lies grey (0 after normalisation). Convolutions of `valid` pad nothing: a window gives one cell, a larger input
one cell for every fourth pixel (`STRIDE`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 4
WINDOWS = (19, 27, 43, 75, 139, 267)  # after the second pooling, and after each later convolution
_DILATIONS = (1, 2, 4, 8, 16)
MARGIN = (WINDOWS[-1] - 1) // 2  # pixels that the largest window needs on each side


class Patches(nn.Module):
    """Two convolutions with pooling, then five residual 3x3 ones, ever more dilated; class scores after each."""

    def __init__(self, classes: int, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 5)
        self.second = nn.Conv2d(32, width, 5)
        self.later = nn.ModuleList(nn.Conv2d(width, width, 3, dilation=d) for d in _DILATIONS)
        self.scores = nn.ModuleList(nn.Conv2d(width, classes, 1) for _ in WINDOWS)

    def maps(self, x: Tensor, *, dense: bool = False, padded: bool = False) -> Iterator[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> the feature map after each of `WINDOWS`, (B, width, h, w).

        dense: "à trous", pooling with stride 1 and filters with holes: a cell for every pixel, not every fourth.
        padded: around each map lies what nothing but grey gives, so that cell i lies at pixel 4 i whatever the window:
        for training, next to the border a little less than whole windows give; not with `dense`.
        """
        holes, stride = (2, 1) if dense else (1, 2)
        grey = x.new_zeros(1, 3, 1, 1)  # what the map holds where its windows see nothing but grey

        def convolve(layer: nn.Conv2d, x: Tensor, holes: int) -> Tensor:
            nonlocal grey
            dilation = layer.dilation[0] * holes
            if not padded:
                return F.relu(F.conv2d(x, layer.weight, layer.bias, dilation=dilation))
            flat = F.conv2d(grey, layer.weight.sum((2, 3), keepdim=True), layer.bias)
            padding = dilation * (layer.kernel_size[0] // 2)
            x = F.relu(F.conv2d(x - grey, layer.weight, padding=padding, dilation=dilation) + flat)
            grey = F.relu(flat)
            return x

        x = convolve(self.first, x, 1)
        x = F.max_pool2d(x, 3, stride, int(padded))
        x = convolve(self.second, x, holes)
        x = F.max_pool2d(x, 3, stride, int(padded), dilation=holes)
        yield x
        for layer in self.later:
            cut = 0 if padded else layer.dilation[0] * holes * holes
            before = grey
            x = convolve(layer, x, holes * holes) + x[..., cut : x.shape[-2] - cut, cut : x.shape[-1] - cut]
            grey = grey + before
            yield x

    def valid(self, x: Tensor, *, dense: bool = False) -> list[Tensor]:
        """(B, 3, H, W) -> logits (B, K, h, w) for each of `WINDOWS`, from nothing but whole windows.

        Cell (i, j) belongs to the window whose top left corner is pixel (s i, s j), s = `STRIDE`, or 1 if `dense`.
        """
        return [score(x) for score, x in zip(self.scores, self.maps(x, dense=dense), strict=True)]

    def only(self, x: Tensor, window: int, *, dense: bool = False) -> Tensor:
        """The one of `valid` for `window`, and no layer more: (B, 3, H, W), sides from `window` on -> (B, K, h, w)."""
        which = WINDOWS.index(window)
        *_, features = islice(self.maps(x, dense=dense), which + 1)
        return self.scores[which](features)

    def everywhere(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> logits (B, K, H, W) for each of `WINDOWS`: of every pixel, in one dense pass."""
        height, width = x.shape[-2:]
        logits = []
        for window, score, features in zip(WINDOWS, self.scores, self.maps(surrounded(x, WINDOWS[-1]), dense=True),
                                           strict=True):  # fmt: skip
            cut = MARGIN - window // 2  # the map of a smaller window reaches into the grey
            logits.append(score(features[..., cut : cut + height, cut : cut + width]))
        return logits

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> logits (B, K, H/4, W/4) for each of `WINDOWS`; cell (i, j) at pixel (4 i, 4 j)."""
        return [score(x) for score, x in zip(self.scores, self.maps(x, padded=True), strict=True)]


def surrounded(x: Tensor, window: int) -> Tensor:
    """(B, 3, H, W) -> (B, 3, H + window - 1, W + window - 1): with the grey that windows at the border reach into."""
    half = window // 2
    return F.pad(x, (half, half, half, half))
