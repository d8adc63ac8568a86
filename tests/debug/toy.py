"""A model that anybody can work out by hand: dark or bright, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from tests.conftest import card_of


@dataclass(frozen=True, eq=False)
class Seen:
    """What the toy encodes."""

    rgb: np.ndarray


class Toy:
    """Its logits are minus and plus (mean level / 64 - 2)."""

    card = card_of(name="toy", classes=("dark", "bright"), settings={"longest": [32, 640]})
    colours = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    variants = scored = ("only",)
    usual = "only"

    def encode(self, rgb):
        return Seen(rgb)

    def scores(self, encoding, variant=None):
        level = torch.tensor(encoding.rgb).float().mean(-1) / 64 - 2
        return torch.stack([-level, level])[None]
