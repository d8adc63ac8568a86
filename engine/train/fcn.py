"""Recipes of `fcn-scenes` and `fcn-animals`: all three variants are trained at once.

References
1. Long, Shelhamer and Darrell 2015; lecture slides 39-43.
"""

from __future__ import annotations

from torch import Tensor, nn

from engine.cards import Card
from engine.data import stanford, voc
from engine.segmentation.fcn import FCN, VARIANTS
from engine.train.plans import Plan
from engine.train.segmentation import Recipe
from engine.trunk import imagenet_trunk

_PAPER = "Long, Shelhamer and Darrell 2015, Fully Convolutional Networks for Semantic Segmentation"
_LICENCE = "Weights: MIT, trained by us from EfficientNet-Lite0 ImageNet weights (Apache-2.0). "


def network(card: Card) -> FCN:
    """The network of `card` on ImageNet features. Raises ImportError without their package."""
    made = FCN(len(card.classes), card.settings["trunk"])
    made.trunk = imagenet_trunk(card.settings["trunk"])
    return made


def variants(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """(B, 3, H, W) -> stride-8 logits of 32s, 16s and 8s; the trunk runs once."""
    scores = model.scores(x)
    return {name: model.fuse(scores, gains) for name, gains in VARIANTS.items()}


PLANS = {
    "fcn-scenes": Plan(
        Card(
            name="fcn-scenes",
            title="FCN, outdoor scenes",
            summary="A toy next to today's segmenters: eight broad classes of outdoor scenes, 497 training pictures.",
            paper=_PAPER,
            slides="39-43",
            data="Stanford Background",
            split=stanford.SPLIT,
            classes=stanford.LABELS.classes,
            settings={"trunk": 0, "labels": "stanford", "longest": [480, 640]},
            licence=_LICENCE + stanford.TERMS,
            failures=(
                "Indoor pictures: it knows no indoor class and calls furniture foreground or building.",
                "Mountain is rare in the data and often taken for tree or grass.",
                "Foreground is a mixture (people, cars, animals, boats): it is found by contrast, not by kind.",
            ),
        ),
        stanford,
        "train",
        network,
        variants,
        (Recipe(epochs=30, batch=16, crop=320, scale=(0.9, 2.4), weight_decay=0.01),),
        views=True,
    ),
    "fcn-animals": Plan(
        Card(
            name="fcn-animals",
            title="FCN, animals and people",
            summary="A toy next to today's segmenters: five animals, people and background, 3,131 training pictures.",
            paper=_PAPER,
            slides="39-43",
            data="PASCAL VOC 2012, animals",
            split="val: VOC's own, pictures with these animals; trained on trainaug; other VOC classes are void",
            classes=voc.LABELS.classes,
            settings={"trunk": 0, "labels": "animals", "longest": [320, 448]},
            licence=_LICENCE + "Data: PASCAL VOC 2012 and SBD masks, research use, not shipped.",
            failures=(
                "Every training picture holds an animal: where there is none it may see one in a textured object.",
                "Animals of one class that touch become one region, as the lecture says (slide 20).",
                "Cow, horse and sheep are confused when small or seen from behind.",
            ),
        ),
        voc,
        "trainaug",
        network,
        variants,
        (
            Recipe(epochs=10, batch=16, crop=256, scale=(0.7, 1.8)),
            Recipe(epochs=4, batch=16, crop=256, scale=(0.8, 1.8), trunk_rate=1e-4, head_rate=5e-4, seed=1),
        ),
        views=True,
    ),
}
