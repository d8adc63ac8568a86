"""Co-localisation: a transformer that finds what several pictures have in common, though nobody drew a box.

References
1. Jaderberg et al. 2015, appendix A.2, eq. 10: two pictures with the same digit; its crops should resemble each other
   more than a random crop of the same picture. Lecture slide 130.
2. Sohn 2016, "Improved Deep Metric Learning with Multi-class N-pair Loss"; Chen et al. 2020 (SimCLR), eq. 1: a softmax
   over many others in the place of a hinge with one, cosines divided by a temperature.

Convention
----------
Pictures are (B, 1, 84, 84) in [0, 1]. theta is (s, t_x, t_y) of `engine.spatial.transforms.Attention` with s fixed at
28/84, the digit's size; boxes are (x0, y0, x1, y1) in pixels of the picture, x to the right.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from engine.spatial.distortions import DIGIT, clutter, moved, place
from engine.spatial.networks import _block
from engine.spatial.transforms import FAMILIES, target_points

SIZE = 84  # pixels of a picture's side
DISTRACTORS = {"T": 0, "TC": 16}  # patches of other digits, by task
HIT = 0.5  # a digit is found where the boxes' intersection over union is above this
TEMPERATURE = 0.1
WINDOW = DIGIT / SIZE  # s of the attention transform: a window as large as a digit


@dataclass(frozen=True)
class Scenes:
    """Pictures (B, 1, 84, 84) and the centres (B, 2) of their digits in normalised coordinates (x, y)."""

    pictures: Tensor
    centres: Tensor


def scenes(digits: Tensor, task: str, generator: Generator, strength: float = 1) -> Scenes:
    """Each of `digits` (B, 28, 28) anywhere on an 84x84 picture, with the task's distractors (see `DISTRACTORS`).

    strength: from 0, all in the middle, to 1.
    """
    pose = moved(digits, generator, SIZE, strength)
    pictures = clutter(place(digits, pose, SIZE), digits, DISTRACTORS[task], generator)
    return Scenes(pictures, torch.stack([pose.x, pose.y], 1) * 2 / SIZE)


class Finder(nn.Module):
    """Says where to look (`localise`), crops there, and describes the crop (`encode`)."""

    def __init__(self) -> None:
        super().__init__()
        self.localise = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(1, 16, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            _block(16, 32, 3), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Flatten(),
            nn.Linear(32 * 10 * 10, 64), nn.ReLU(), nn.Linear(64, 2))  # fmt: skip
        nn.init.zeros_(self.localise[-1].weight)
        nn.init.zeros_(self.localise[-1].bias)
        self.encode = nn.Sequential(_block(1, 16, 5), _block(16, 32, 3), _block(32, 64, 3), nn.Flatten(),
                                    nn.Linear(64 * 9, 64))  # fmt: skip
        self.register_buffer("points", target_points(DIGIT, DIGIT).float(), persistent=False)

    def centres(self, pictures: Tensor) -> Tensor:
        """(B, 2) where to look, (t_x, t_y), for pictures (B, 1, 84, 84); a tanh keeps the window inside."""
        return torch.tanh(self.localise(pictures)) * (1 - WINDOW)

    def crop(self, pictures: Tensor, centres: Tensor) -> Tensor:
        """(B, 1, 28, 28) sampled around centres (B, 2), differentiable in both."""
        theta = torch.cat([torch.full_like(centres[:, :1], WINDOW), centres], 1)
        grid = FAMILIES["attention"](theta, self.points).unflatten(1, (DIGIT, DIGIT))
        return F.grid_sample(pictures, grid, align_corners=False)


def pair_loss(finder: Finder, pictures: Tensor, partners: Tensor, alike: Tensor, random: Tensor) -> Tensor:
    """How badly the crops found in `pictures` (B, 1, 84, 84) and in `partners` with the same digits tell who is whose.

    For each crop of a picture a softmax over the crops of all partners and a random crop of the picture itself, and for
    each partner's over the crops of all pictures; mean of both cross-entropies (references 1, 2). alike: (B, B) bool,
    which partners show the picture's digit: they are no counter-examples. random: (B, 2) in [-1, 1], where in the room
    that a window has the random crops of `pictures` lie.
    """
    both = torch.cat([pictures, partners])
    crops = torch.cat([finder.crop(both, finder.centres(both)), finder.crop(pictures, random * (1 - WINDOW))])
    first, second, third = F.normalize(finder.encode(crops), dim=1).split(len(pictures))
    own = torch.arange(len(pictures), device=pictures.device)
    others = alike & (own[:, None] != own)
    scores = (first @ second.mT / TEMPERATURE).masked_fill(others, -torch.inf)
    beside = (first * third).sum(1, keepdim=True) / TEMPERATURE
    return (F.cross_entropy(torch.cat([scores, beside], 1), own) + F.cross_entropy(scores.mT, own)) / 2


def overlap(found: Tensor, true: Tensor) -> Tensor:
    """(B,) intersection over union of the 28x28 boxes around two sets of centres (B, 2)."""
    shift = (found - true).abs() * SIZE / 2  # in pixels
    inside = (DIGIT - shift).clamp(min=0).prod(1)
    return inside / (2 * DIGIT**2 - inside)
