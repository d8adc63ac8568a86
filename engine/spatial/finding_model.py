"""A network that finds what pictures have in common as the app asks it, and how often it finds it.

References
1. Jaderberg et al. 2015, appendix A.2. Lecture slide 130.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from engine import zoo
from engine.cards import Card, ModelError
from engine.data.mnist import Digits
from engine.spatial.colocal import HIT, SIZE, Finder, overlap, scenes
from engine.spatial.digits_evaluate import BATCH, SEED


@dataclass(frozen=True, eq=False)
class FindModel:
    """A trained finder, its task, and the finders that it was on the way (`past`, oldest first, may be none)."""

    card: Card
    finder: Finder
    task: str
    past: tuple[Finder, ...] = field(default=())

    def find(self, pictures: np.ndarray, snapshot: int | None = None) -> np.ndarray:
        """(B, 2) float32 centres (x, y) in [-1, 1] of the boxes found in pictures (B, 1, 84, 84) float in [0, 1].

        snapshot: index into `past`, None for the trained finder. Raises ValueError where the shape is another.
        """
        if pictures.ndim != 4 or pictures.shape[1:] != (1, SIZE, SIZE):
            raise ValueError(f"{self.card.name} looks at pictures of (1, {SIZE}, {SIZE}), not of {pictures.shape[1:]}.")
        finder = self.finder if snapshot is None else self.past[snapshot]
        device = next(finder.parameters()).device
        with torch.inference_mode():
            return finder.centres(torch.as_tensor(pictures, dtype=torch.float32, device=device)).cpu().numpy()

    def trace(self, rgb: np.ndarray) -> NoReturn:
        """Raises ModelError: one picture shares nothing. See `engine.spatial.digits_trace.finding_trace`."""
        raise ModelError(f"{self.card.name} finds what pictures share: the app shows it, one picture is not enough.")


def found_share(finder: Finder, task: str, digits: Digits) -> dict[str, float]:
    """The share of `digits` found (see `colocal.HIT`), of all ("all") and by digit ("0" to "9"), with a fixed seed.

    Each digit lies once on a picture of the task, drawn from a batch's own digits as distractors.
    """
    dice = torch.Generator().manual_seed(SEED)
    device = next(finder.parameters()).device
    images, hits = torch.tensor(digits.images).float() / 255, []
    with torch.inference_mode():
        for rows in torch.arange(len(digits)).split(BATCH):
            drawn = scenes(images[rows], task, dice)
            hits.append(overlap(finder.centres(drawn.pictures.to(device)).cpu(), drawn.centres) > HIT)
    hit = torch.cat(hits).numpy()
    shares = {"all": hit.mean(), **{str(d): hit[digits.labels == d].mean() for d in np.unique(digits.labels)}}
    return {name: round(float(share), 5) for name, share in shares.items()}


def build(card: Card, device: str = "cpu") -> FindModel:
    """The model that `card` describes, with its weights. Raises ModelError."""
    weights = zoo.read_weights(card)
    now = {k: v for k, v in weights.items() if not k.startswith("snapshots.")}
    past = tuple(_finder(zoo.part(weights, f"snapshots.{i}."), device)
                 for i in range(len(card.settings.get("snapshots", ()))))  # fmt: skip
    return FindModel(card, _finder(now, device), card.settings["task"], past)


def _finder(weights: dict[str, Tensor], device: str) -> Finder:
    finder = Finder()
    zoo.fill(finder, weights)
    return finder.eval().requires_grad_(False).to(device)
