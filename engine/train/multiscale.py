"""Recipes of `multiscale` and `multiscale-classic`: the sum is trained, and each octave's part by itself as well.

References
1. Farabet, Couprie, Najman and LeCun 2013, sections 3.1, 3.2 and 5; lecture slides 28-33.
"""

from __future__ import annotations

from torch import Tensor, nn

from engine.cards import Card
from engine.data import stanford
from engine.segmentation.multiscale import OCTAVES, Classic, MultiScale
from engine.train.plans import Plan, start_trunk
from engine.train.segmentation import Recipe

_PAPER = "Farabet, Couprie, Najman and LeCun 2013, Learning Hierarchical Features for Scene Labeling"


def network(card: Card) -> MultiScale:
    """The network of `card`, its trunk from `fcn-scenes`. Raises ModelError."""
    made = MultiScale(len(card.classes), card.settings["trunk"])
    start_trunk(made.trunk)
    return made


def classic(card: Card) -> Classic:
    """The network of `card`, weights random."""
    return Classic(len(card.classes))


def variants(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """(B, 3, H, W) -> the logits of each octave by itself, and their sum."""
    parts = model.parts(x)
    return {f"octave {s}": part for s, part in zip(OCTAVES, parts, strict=True)} | {"sum": sum(parts)}


PLANS = {
    "multiscale": Plan(
        Card(
            name="multiscale",
            title="Multi-scale network, outdoor scenes",
            summary="A toy next to today's segmenters: one small trunk on three octaves, eight classes, 497 training "
            "pictures.",
            paper=_PAPER,
            slides="28-33",
            data="Stanford Background",
            split=stanford.SPLIT,
            classes=stanford.LABELS.classes,
            settings={"trunk": 0, "labels": "stanford", "longest": [512, 640]},
            licence="Weights: MIT, trained by us from fcn-scenes, that is from EfficientNet-Lite0 ImageNet weights "
            "(Apache-2.0). " + stanford.TERMS,
            failures=(
                "Indoor pictures: it knows no indoor class and calls furniture foreground or building.",
                "Mountain is rare in the data and often taken for tree or grass.",
                "Superpixels follow colour: where two things look alike they join them.",
            ),
        ),
        stanford,
        "train",
        network,
        variants,
        (
            Recipe(epochs=28, batch=16, crop=320, scale=(0.9, 2.4), weight_decay=0.01, trunk_rate=2e-4),
            Recipe(
                epochs=14,
                batch=16,
                crop=320,
                scale=(0.9, 2.4),
                weight_decay=0.01,
                trunk_rate=1e-4,
                head_rate=1e-3,
                edge=3.0,
                seed=1,
            ),
        ),
    ),
    "multiscale-classic": Plan(
        Card(
            name="multiscale-classic",
            title="The paper's own network, outdoor scenes",
            summary="A toy and a museum piece: three 7x7 convolutions on a Laplacian pyramid, trained from scratch on "
            "497 pictures.",
            paper=_PAPER,
            slides="28-33",
            data="Stanford Background",
            split=stanford.SPLIT,
            classes=stanford.LABELS.classes,
            settings={"labels": "stanford", "longest": [320, 320]},
            licence="Weights: MIT, trained by us from scratch. " + stanford.TERMS,
            failures=(
                "It has seen nothing but 497 outdoor pictures: anything else is named after its colour and texture.",
                "Foreground objects are found by chance rather than by shape.",
            ),
        ),
        stanford,
        "train",
        classic,
        variants,
        (
            Recipe(epochs=40, batch=16, crop=192, scale=(0.6, 1.3), head_rate=1.5e-3, weight_decay=0.01),
            Recipe(epochs=14, batch=16, crop=192, scale=(0.6, 1.3), head_rate=1.5e-3, weight_decay=0.01, seed=1),
            Recipe(epochs=12, batch=16, crop=192, scale=(0.6, 1.3), head_rate=1e-3, weight_decay=0.01, seed=2),
        ),
    ),
}
