"""Co-localisation: a transformer that finds what several pictures have in common, though nobody drew a box.

References
1. Jaderberg et al. 2015, appendix A.2, eq. 10: two pictures with the same digit; its crops should resemble each other
   more than a random crop of the same picture. Lecture slide 130.

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
MARGIN = 1.0
WINDOW = DIGIT / SIZE  # s of the attention transform: a window as large as a digit


@dataclass(frozen=True)
class Scenes:
    """Pictures (B, 1, 84, 84) and the centres (B, 2) of their digits in normalised coordinates (x, y)."""

    pictures: Tensor
    centres: Tensor


def scenes(digits: Tensor, task: str, generator: Generator) -> Scenes:
    """Each of `digits` (B, 28, 28) anywhere on an 84x84 picture, with the task's distractors (see `DISTRACTORS`)."""
    pose = moved(digits, generator, SIZE)
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

    def centres(self, pictures: Tensor, scale: float = WINDOW) -> Tensor:
        """(B, 2) where to look, (t_x, t_y), for pictures (B, 1, 84, 84); a tanh keeps the window inside."""
        return torch.tanh(self.localise(pictures)) * (1 - scale)

    def crop(self, pictures: Tensor, centres: Tensor, scale: float = WINDOW) -> Tensor:
        """(B, 1, 28, 28) sampled around centres (B, 2), differentiable in both."""
        theta = torch.cat([torch.full_like(centres[:, :1], scale), centres], 1)
        grid = FAMILIES["attention"](theta, self.points).unflatten(1, (DIGIT, DIGIT))
        return F.grid_sample(pictures, grid, align_corners=False)


def triplet_loss(finder: Finder, pictures: Tensor, partners: Tensor, random: Tensor, scale: float = WINDOW) -> Tensor:
    """Hinge loss of reference 1, eq. 10: mean over pictures (B, 1, 84, 84) and `partners` with the same digits.

    random: (B, 2) in [-1, 1], where in the room that a window has the random crops of `pictures` lie.
    """
    both = torch.cat([pictures, partners])
    found = finder.crop(both, finder.centres(both, scale), scale)
    codes = finder.encode(torch.cat([found, finder.crop(pictures, random * (1 - scale), scale)]))
    first, second, third = codes.split(len(pictures))
    near, far = (first - second).square().sum(1), (first - third).square().sum(1)
    return F.relu(near - far + MARGIN).mean()


def overlap(found: Tensor, true: Tensor) -> Tensor:
    """(B,) intersection over union of the 28x28 boxes around two sets of centres (B, 2)."""
    shift = (found - true).abs() * SIZE / 2  # in pixels
    inside = (DIGIT - shift).clamp(min=0).prod(1)
    return inside / (2 * DIGIT**2 - inside)
