"""What a captioner looks at: a grid of 14 x 14 annotation vectors, one for each square of the picture.

References
1. Xu et al. 2015, "Show, Attend and Tell", section 3.1.1: L = 196 annotation vectors a_i; lecture slides 85-86.
2. EfficientNet-Lite2 (see `engine.trunk`) in the place of the paper's VGG.
3. Fang et al. 2015, "From Captions to Visual Concepts and Back", section 3: what the grid is first trained to tell.

Convention
----------
The picture is squashed to 448 x 448, as the training pictures were to their squares: cell (row, column) of the grid is
usually drawn as the rectangle (column, row, column + 1, row + 1) / 14 of the picture. What it truly saw is larger.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from engine.trunk import SameConv2d, Trunk

SIDE = 448  # pixels of the square that the trunk sees
GRID = 14  # cells along each side
PLACES = GRID * GRID  # L in the paper
WIDTH = 512  # D in the paper: the length of an annotation vector
_HEAD = 1280  # the width of EfficientNet's last convolution


class Encoder(nn.Module):
    """Trunk, the 1x1 convolution that ends EfficientNet, and a narrow linear map to the annotation vectors.

    size: 0 to 4, the Lite variant.
    """

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.trunk = Trunk(size)
        self.head = SameConv2d(self.trunk.channels[-1], _HEAD, 1)
        self.narrow = nn.Conv2d(_HEAD, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1], sides multiples of 32 -> (B, H/32 * W/32, 512), cells row by row."""
        deepest = self.trunk(x)[-1]  # (B, C, H/32, W/32)
        return self.narrow(F.relu6(self.head(deepest))).flatten(2).transpose(1, 2)
