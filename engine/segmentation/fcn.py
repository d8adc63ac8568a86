"""A fully convolutional network with skips: class scores at strides 32, 16 and 8, upsampled by learned filters, added.

References
1. Long, Shelhamer and Darrell 2015, "Fully Convolutional Networks for Semantic Segmentation": section 3.3 (upsampling
   is backwards strided convolution), 4.2 (skips; new score layers start at zero), 4.3 (inner upsampling starts
   bilinear and is learned, the last one stays bilinear).
2. Lecture slides 39-43 (learned upsampling, skips) and 50-57 (convolution transpose).

Convention
----------
All maps cover the same picture with half-pixel centres: cell i of stride s covers input pixels [s * i, s * i + s).
Stride-8 logits go to pixels by ``F.interpolate(mode="bilinear", align_corners=False)``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.trunk import Trunk

VARIANTS = {"32s": (1.0, 0.0, 0.0), "16s": (1.0, 1.0, 0.0), "8s": (1.0, 1.0, 1.0)}  # gains of strides 32, 16, 8


class Scores(NamedTuple):
    """Class scores (B, K, H/s, W/s) that each stride gives by itself, in logits."""

    s32: Tensor
    s16: Tensor
    s8: Tensor


class FCN(nn.Module):
    """EfficientNet-Lite, a 3x3 "fc6", 1x1 score heads, and transposed convolutions between them (reference 1).

    classes: K. size: the Lite variant of the trunk.
    Everything after the score heads is linear, so the logits are exactly the sum of what each stride contributes.
    """

    def __init__(self, classes: int, size: int = 0, width: int = 256) -> None:
        super().__init__()
        self.trunk = Trunk(size)
        _, c8, c16, c32 = self.trunk.channels
        self.fc6 = nn.Sequential(nn.Conv2d(c32, width, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.2))
        self.score32 = nn.Conv2d(width, classes, 1)
        self.score16 = nn.Conv2d(c16, classes, 1)
        self.score8 = nn.Conv2d(c8, classes, 1)
        self.up32 = transposed_bilinear(classes)
        self.up16 = transposed_bilinear(classes)
        for skip in (self.score16, self.score8):  # a new skip starts by changing nothing (section 4.2)
            nn.init.zeros_(skip.weight)
            nn.init.zeros_(skip.bias)

    def scores(self, x: Tensor) -> Scores:
        """(B, 3, H, W) in [-1, 1], H and W multiples of 32 -> the scores of each stride."""
        _, f8, f16, f32 = self.trunk(x)
        return Scores(self.score32(self.fc6(f32)), self.score16(f16), self.score8(f8))

    def contributions(self, scores: Scores) -> Scores:
        """What each stride adds to the logits at stride 8: three maps (B, K, H/8, W/8)."""
        return Scores(self.up16(self.up32(scores.s32)), self.up16(scores.s16), scores.s8)

    def fuse(self, scores: Scores, gains: tuple[float, float, float] = VARIANTS["8s"]) -> Tensor:
        """Logits (B, K, H/8, W/8): each stride's scores times its gain, upsampled and summed. Gain 0 mutes a stride."""
        g32, g16, g8 = gains
        return self.up16(self.up32(g32 * scores.s32) + g16 * scores.s16) + g8 * scores.s8

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> logits (B, K, H/8, W/8) of FCN-8s."""
        return self.fuse(self.scores(x))


def transposed_bilinear(classes: int) -> nn.ConvTranspose2d:
    """A transposed convolution, 4x4, stride 2, pad 1, that starts as bilinear upsampling of each class by itself.

    (B, K, h, w) -> (B, K, 2h, 2w). Inside the border it equals half-pixel bilinear interpolation until it learns.
    """
    layer = nn.ConvTranspose2d(classes, classes, 4, stride=2, padding=1, bias=False)
    tent = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(classes), range(classes)] = tent[:, None] * tent
    return layer
