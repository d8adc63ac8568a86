"""The same network again and again: it gets the picture and its own last answer, and answers anew.

References
1. Pinheiro and Collobert 2014, "Recurrent Convolutional Neural Networks for Scene Labeling": section 3.2, equation 6
   (the input of pass p is the picture and the label planes of pass p - 1), weights shared, a loss at each pass.
2. Lecture slides 34-38.

Convention
----------
The answer fed back is softmax(logits) - 1 / K at stride 8, so that the empty start, which knows nothing, is zero. The
layers that see only the picture give the same maps in each pass and are computed once.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.trunk import Trunk

PASSES = 3  # that it is trained for


class Recurrent(nn.Module):
    """EfficientNet-Lite up to stride 16 sees the picture, dilated convolutions see the last answer; both are mixed.

    classes: K. size: the Lite variant of the trunk. width: of the maps at stride 8.
    After the trunk each cell sees its neighbours only through what was answered there, so each pass looks further.
    """

    stride = 8

    def __init__(self, classes: int, size: int = 0, width: int = 96) -> None:
        super().__init__()
        self.classes = classes
        self.trunk = Trunk(size, stages=5)
        _, c8, c16 = self.trunk.channels
        self.fine = nn.Conv2d(c8, width, 1)
        self.deep = nn.Conv2d(c16, width, 1)
        inner = width // 2
        widths = (classes, inner, inner, inner, width)
        self.context = nn.Sequential()
        for inputs, outputs, dilation in zip(widths, widths[1:], (1, 2, 4, 8), strict=False):
            self.context.append(nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation))
            self.context.append(nn.ReLU())
        self.mix = nn.Conv2d(width, width, 1)
        self.score = nn.Conv2d(width, classes, 1)

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1], sides multiples of 16 -> what is seen of the picture, (B, width, H/8, W/8)."""
        _, f8, f16 = self.trunk(x)
        return self.fine(f8) + F.interpolate(self.deep(f16), f8.shape[-2:], mode="bilinear", align_corners=False)

    def once(self, features: Tensor, answer: Tensor) -> Tensor:
        """One pass: features (B, width, h, w) and the last answer (B, K, h, w) -> logits (B, K, h, w)."""
        x = F.relu(features + self.context(answer))
        return self.score(F.relu(self.mix(x)))

    def passes(self, features: Tensor, answer: Tensor, count: int = PASSES) -> list[Tensor]:
        """The logits (B, K, h, w) of `count` passes from the start `answer` (B, K, h, w)."""
        logits = []
        for _ in range(count):
            logits.append(self.once(features, answer))
            answer = fed_back(logits[-1])
        return logits

    def forward(self, x: Tensor, count: int = PASSES) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> logits (B, K, H/8, W/8) of pass number `count` from the empty start."""
        features = self.features(x)
        return self.passes(features, empty(features, self.classes), count)[-1]


def fed_back(logits: Tensor) -> Tensor:
    """(B, K, h, w) logits -> the answer that the next pass gets: probabilities less what knowing nothing would give."""
    return logits.softmax(1) - 1 / logits.shape[1]


def empty(features: Tensor, classes: int) -> Tensor:
    """(B, K, h, w) zeros: the answer of somebody who knows nothing."""
    return torch.zeros(len(features), classes, *features.shape[-2:], device=features.device, dtype=features.dtype)
