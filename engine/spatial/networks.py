"""Networks that read digits, with spatial transformers in front or without.

References
1. Jaderberg et al. 2015, section 3 (localisation network, grid generator, sampler), 4.1 and appendix A.4: the networks
   for distorted digits; A.1: two transformers side by side. Lecture slides 126-131.
2. Ioffe and Szegedy 2015, "Batch Normalization": not in reference 1; it lets training be short.

Convention
----------
Pictures are (B, C, S, S) in [0, 1], ink bright. Grids and theta as in `engine.spatial.transforms`: normalised (x, y),
output to input, align_corners False; samples outside the picture are 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.spatial.distortions import DIGIT
from engine.spatial.transforms import FAMILIES, control_points, target_points


@dataclass(frozen=True)
class Layout:
    """What a network is built from.

    size: pixels of the input's side. family: of `transforms.FAMILIES`, or "" for a plain CNN. widths: of the
    classifier's three convolutions; hidden: units of the layer before the scores. channels: of the input;
    transformers: side by side, each samples all channels.
    """

    size: int
    family: str = ""
    widths: tuple[int, int, int] = (16, 32, 64)
    hidden: int = 128
    channels: int = 1
    transformers: int = 1
    classes: int = 10


@dataclass(frozen=True)
class Look:
    """What a network did with pictures (B, C, S, S).

    logits: (B, classes). theta: one (B, n) for each transformer; grids: one (B, 28, 28, 2) each, where it sampled;
    crops: one (B, C, 28, 28) each, what the classifier saw. A plain CNN has none of these three.
    """

    logits: Tensor
    theta: tuple[Tensor, ...] = ()
    grids: tuple[Tensor, ...] = ()
    crops: tuple[Tensor, ...] = ()


def _block(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution, maximum over 2x2, batch normalisation, ReLU: half the side."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.MaxPool2d(2),
                         nn.BatchNorm2d(outputs), nn.ReLU())  # fmt: skip


class Transformer(nn.Module):
    """A spatial transformer: localisation network, grid generator, sampler (reference 1, figure 2; lecture slide 126).

    It begins as the identity: the last layer's weights are 0 and its bias is the identity's theta.
    """

    def __init__(self, family: str, size: int, channels: int = 1) -> None:
        super().__init__()
        self.family = FAMILIES[family]
        coarse = 1 if size == DIGIT else 2  # larger pictures are halved first: where a digit is needs no more
        side = (size // coarse + 1) // 2 // 2
        self.localise = nn.Sequential(
            nn.AvgPool2d(coarse), nn.Conv2d(channels, 16, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(16),
            nn.ReLU(), _block(16, 32, 3), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Flatten(),
            nn.Linear(32 * side**2, 64), nn.ReLU(), nn.Linear(64, len(self.family.identity)))  # fmt: skip
        nn.init.zeros_(self.localise[-1].weight)
        self.localise[-1].bias.data = torch.tensor(self.family.identity)
        points = target_points(DIGIT, DIGIT)
        self.register_buffer("points", points.float(), persistent=False)
        basis = self.family.basis(points).float() if family == "tps" else None
        self.register_buffer("basis", basis, persistent=False)

    def grid(self, theta: Tensor) -> Tensor:
        """(B, 28, 28, 2): where the pixels of the output are sampled, for theta (B, n)."""
        places = self.family(theta, self.points) if self.basis is None else self.family(theta, self.points, self.basis)
        return places.unflatten(1, (DIGIT, DIGIT))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """theta (B, n), grid (B, 28, 28, 2) and sampled output (B, C, 28, 28) for pictures x (B, C, S, S)."""
        theta = self.localise(x)
        grid = self.grid(theta)
        return theta, grid, F.grid_sample(x, grid, align_corners=False)


class DigitNet(nn.Module):
    """A classifier of digits, behind `layout.transformers` spatial transformers or on the picture as it is."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        many = layout.transformers if layout.family else 0
        self.transformers = nn.ModuleList(Transformer(layout.family, layout.size, layout.channels) for _ in range(many))
        side = DIGIT if layout.family else layout.size
        a, b, c = layout.widths
        self.classify = nn.Sequential(
            _block(layout.channels * max(many, 1), a, 5), _block(a, b, 3), _block(b, c, 3), nn.Flatten(),
            nn.Linear(c * (side // 8) ** 2, layout.hidden), nn.ReLU(),
            nn.Linear(layout.hidden, layout.classes))  # fmt: skip

    def look(self, x: Tensor) -> Look:
        """Everything that happened to pictures x (B, C, S, S)."""
        looks = [transformer(x) for transformer in self.transformers]
        theta, grids, crops = zip(*looks, strict=True) if looks else ((), (), ())
        return Look(self.classify(torch.cat(crops, 1) if crops else x), theta, grids, crops)

    def forward(self, x: Tensor) -> Tensor:
        """(B, classes) logits."""
        return self.look(x).logits


@torch.no_grad()
def begin_as(net: DigitNet, affine: DigitNet) -> None:
    """Give `net`, of the projective or thin plate spline family, what `affine` has learned: it samples the same places.

    Only the layers that give theta change: the affine theta becomes theirs by a linear map. All else must be alike.
    """
    points = F.pad(control_points().float(), (0, 1), value=1.0)  # (16, 3)

    def carried(theta: Tensor) -> Tensor:  # (..., 6) to (..., n)
        if net.layout.family == "projective":
            return F.pad(theta, (0, 2))
        return (points @ theta.unflatten(-1, (2, 3)).mT).flatten(-2)

    net.classify.load_state_dict(affine.classify.state_dict())
    for mine, theirs in zip(net.transformers, affine.transformers, strict=True):
        mine.localise[:-1].load_state_dict(theirs.localise[:-1].state_dict())
        mine.localise[-1].weight.copy_(carried(theirs.localise[-1].weight.mT).mT)
        mine.localise[-1].bias.copy_(carried(theirs.localise[-1].bias))
