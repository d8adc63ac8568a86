"""One network with shared weights on every octave of an image pyramid; its maps, upsampled and stacked, are classified.

References
1. Farabet, Couprie, Najman and LeCun 2013, "Learning Hierarchical Features for Scene Labeling": section 3.1 (the
   multiscale convolutional network, equations 2-5), 3.2 (a linear classifier on the stacked maps).
2. Lecture slides 28-33.

Convention
----------
Octave s is the picture shrunk by s = 1, 2, 4 (`engine.pyramid`). The classifier is linear, and upsampling commutes with
it, so the logits are exactly the sum of one part for each octave: what that octave's features say by themselves.
Parts are aligned at `stride` pixels of the finest octave; they are enlarged with half-pixel centres.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine import pyramid
from engine.trunk import Trunk

OCTAVES = (1, 2, 4)
MULTIPLE = 64  # of the input's sides: the coarsest octave still has whole cells of stride 16


class Pyramid(nn.Module):
    """What both networks of this file share: octaves in, one part for each octave, their sum out.

    A subclass has `stride` and gives `levels` (the pyramid as the network sees it) and `score` (one octave's scores).
    """

    stride: int

    def levels(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1], sides multiples of `MULTIPLE` -> one input for each octave, finest first."""
        raise NotImplementedError

    def score(self, level: Tensor, octave: int) -> Tensor:
        """Input of the octave with this index -> its scores (B, K, h, w), in logits."""
        raise NotImplementedError

    def parts(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> what each octave adds to the logits: maps (B, K, H / stride, W / stride), finest first."""
        with torch.autocast(x.device.type, enabled=False):  # half precision would drown the fine bands of a pale sky
            levels = self.levels(x)
        scores = [self.score(level, i) for i, level in enumerate(levels)]
        size = scores[0].shape[-2:]
        return [scores[0]] + [F.interpolate(s, size, mode="bilinear", align_corners=False) for s in scores[1:]]

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> logits (B, K, H / stride, W / stride)."""
        return torch.stack(self.parts(x)).sum(0)


class MultiScale(Pyramid):
    """The paper's scheme on pretrained features: EfficientNet-Lite up to stride 16, with its map of stride 8.

    classes: K. size: the Lite variant. What lies further away than stride 16 sees must come from the coarser octaves.
    """

    stride = 8

    def __init__(self, classes: int, size: int = 0, width: int = 256) -> None:
        super().__init__()
        self.trunk = Trunk(size, stages=5)
        _, c8, c16 = self.trunk.channels
        self.deep = nn.Sequential(nn.Conv2d(c16, width, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.2))
        self.score16 = nn.ModuleList(nn.Conv2d(width, classes, 1) for _ in OCTAVES)
        self.score8 = nn.ModuleList(nn.Conv2d(c8, classes, 1) for _ in OCTAVES)
        for score in (*self.score8, *self.score16[1:]):  # what is added to the first score starts by changing nothing
            nn.init.zeros_(score.weight)
            nn.init.zeros_(score.bias)

    def levels(self, x: Tensor) -> list[Tensor]:
        """The Gaussian pyramid of the picture."""
        return pyramid.gaussian(x, len(OCTAVES))

    def score(self, level: Tensor, octave: int) -> Tensor:
        """(B, 3, h, w) -> scores (B, K, h / 8, w / 8)."""
        _, f8, f16 = self.trunk(level)
        fine = self.score8[octave](f8)
        deep = self.score16[octave](self.deep(f16))
        return fine + F.interpolate(deep, fine.shape[-2:], mode="bilinear", align_corners=False)


class Classic(Pyramid):
    """The paper's own network: three 7x7 convolutions, tanh and two poolings, on a normalised Laplacian pyramid in YUV.

    Here every map sees all maps before it (the paper connects them sparsely, and its classifier may have a hidden
    layer). Outputs are 16, 64 and 256 maps wide; the field of a cell is 46 pixels of its octave.
    """

    stride = 4

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 7, padding=3), nn.Tanh(), nn.MaxPool2d(2),
            nn.Conv2d(16, 64, 7, padding=3), nn.Tanh(), nn.MaxPool2d(2),
            nn.Conv2d(64, 256, 7, padding=3),
        )  # fmt: skip
        self.drop = nn.Dropout2d(0.1)
        self.scores = nn.ModuleList(nn.Conv2d(256, classes, 1) for _ in OCTAVES)

    def levels(self, x: Tensor) -> list[Tensor]:
        """The Laplacian pyramid of the picture in YUV, each band locally normalised."""
        return [pyramid.normalised(band) for band in pyramid.laplacian(pyramid.yuv(x), len(OCTAVES))]

    def score(self, level: Tensor, octave: int) -> Tensor:
        """(B, 3, h, w) -> scores (B, K, h / 4, w / 4)."""
        return self.scores[octave](self.drop(self.features(level)))
