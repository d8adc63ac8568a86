"""What the tabs of the sampling grid's page are about: the picture, the transform on it, and how it is sampled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from engine.spatial.sampling import Sampling
from engine.spatial.theta import Theta
from engine.spatial.transforms import Family, sampling_grid

KEY = "grid"


@dataclass(frozen=True, eq=False)
class Seen:
    """rgb: (H, W, 3) uint8, the picture that is sampled; the output is as large. key: the picture's. full: the picture
    as the user gave it, for exports. theta: of `family`, checked."""

    rgb: np.ndarray
    key: str
    family: Family
    theta: Theta
    sampling: Sampling
    full: np.ndarray | None = None

    @property
    def owner(self) -> tuple:
        """All that an answer depends on."""
        return (self.key, self.family, self.theta, self.sampling)

    @property
    def numbers(self) -> Tensor:
        """(n,) float64: theta."""
        return torch.tensor(self.theta, dtype=torch.float64)

    @cached_property
    def grid(self) -> Tensor:
        """(H, W, 2) float64: where each output pixel is sampled."""
        return sampling_grid(self.family, self.numbers[None], *self.rgb.shape[:2], self.sampling.align_corners)[0]
