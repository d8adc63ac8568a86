"""Recipe of `patches`: from scratch, the class scores of all window sizes at once.

References
1. Long et al. 2015, section 3.4: training on whole pictures is training on all their patches.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from engine.cards import Card
from engine.data import stanford
from engine.segmentation.patches import STRIDE, WINDOWS, Patches
from engine.train.plans import Plan
from engine.train.segmentation import Recipe


def network(card: Card) -> Patches:
    """The network of `card`, weights random."""
    return Patches(len(card.classes))


def variants(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """(B, 3, H, W) -> logits for each window; shifted so that cell (i, j) lies at pixel (4 i + 2, 4 j + 2)."""
    half = STRIDE // 2
    return {f"window {w}": logits for w, logits in zip(WINDOWS, model(F.pad(x, (-half, half, -half, half))),
                                                       strict=True)}  # fmt: skip


PLANS = {
    "patches": Plan(
        Card(
            name="patches",
            title="Patch classifier, outdoor scenes",
            summary="A toy: seven small convolutions, trained from scratch on 497 pictures to name the pixel in the "
            "middle of a window.",
            paper="Farabet, Couprie, Najman and LeCun 2013; the windows of lecture slides 22-27",
            slides="22-28",
            data="Stanford Background",
            split=stanford.SPLIT,
            classes=stanford.LABELS.classes,
            settings={"labels": "stanford", "longest": [160, 320]},
            licence="Weights: MIT, trained by us from scratch. " + stanford.TERMS,
            failures=(
                "It has seen nothing but 497 outdoor pictures: anything else is named after its colour and texture.",
                "A larger window is also read from a deeper layer: the curve shows both together.",
            ),
        ),
        stanford,
        "train",
        network,
        variants,
        (Recipe(epochs=24, batch=16, crop=256, scale=(0.7, 1.5), head_rate=2e-3, weight_decay=0.01, aside=0.5),),
    ),
}
