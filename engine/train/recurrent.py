"""Recipe of `recurrent`: a loss at each of three passes, from several starts, so that more passes do no harm.

References
1. Pinheiro and Collobert 2014, section 3.2; lecture slides 34-38.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.cards import Card
from engine.data import stanford
from engine.segmentation.recurrent import PASSES, Recurrent, empty, fed_back
from engine.train.plans import Plan, start_trunk
from engine.train.segmentation import Recipe

_STARTS = (
    0.7,
    0.85,
    0.95,
)  # up to these shares: empty, the model's own third answer, noise; the rest: another picture's
_BLIND = 0.15  # share of the squares, _BLOCK cells wide, in which a picture is not seen
_BLOCK = 5


def network(card: Card) -> Recurrent:
    """The network of `card`, its trunk from `fcn-scenes`. Raises ModelError."""
    made = Recurrent(len(card.classes), card.settings["trunk"])
    start_trunk(made.trunk)
    return made


def variants(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """(B, 3, H, W) -> the logits of each pass; most pictures start empty, the others see `starts`."""
    features = blinded(model.features(x))
    passes = model.passes(features, starts(model, features))
    return {f"iteration {i}": logits for i, logits in enumerate(passes, 1)}


def blinded(features: Tensor) -> Tensor:
    """(B, W, h, w) features with random squares of zeros: there only what was answered around them can help.

    After DropBlock (Ghiasi et al. 2018): without it the passes after the first learn to change nothing.
    """
    h, w = features.shape[-2:]
    keep = torch.rand(len(features), 1, -(-h // _BLOCK), -(-w // _BLOCK), device=features.device) >= _BLIND
    return features * F.interpolate(keep.to(features), (h, w), mode="nearest")


@torch.no_grad()
def starts(model: nn.Module, features: Tensor) -> Tensor:
    """(B, W, h, w) features -> the answers (B, K, h, w) that the first pass gets, for each picture by chance."""
    nothing = empty(features, model.classes)
    own = fed_back(model.passes(features, nothing, PASSES)[-1])
    noise = fed_back(3 * torch.randn_like(own))
    dice = torch.rand(len(features), 1, 1, 1, device=features.device)
    chosen = torch.where(dice < _STARTS[0], nothing, own)
    chosen = torch.where((dice >= _STARTS[1]) & (dice < _STARTS[2]), noise, chosen)
    return torch.where(dice >= _STARTS[2], own.roll(1, 0), chosen)


PLANS = {
    "recurrent": Plan(
        Card(
            name="recurrent",
            title="Recurrent refinement, outdoor scenes",
            summary="A toy next to today's segmenters: eight broad classes of outdoor scenes, 497 training pictures, "
            "three passes of the same small network.",
            paper="Pinheiro and Collobert 2014, Recurrent Convolutional Neural Networks for Scene Labeling",
            slides="34-38",
            data="Stanford Background",
            split=stanford.SPLIT,
            classes=stanford.LABELS.classes,
            settings={"trunk": 0, "labels": "stanford", "longest": [480, 640]},
            licence="Weights: MIT, trained by us from fcn-scenes, that is from EfficientNet-Lite0 ImageNet weights "
            "(Apache-2.0). " + stanford.TERMS,
            failures=(
                "Indoor pictures: it knows no indoor class and calls furniture foreground or building.",
                "Mountain is rare in the data and often taken for tree or grass.",
                "A large wrong region that looks certain is kept by the next passes.",
            ),
        ),
        stanford,
        "train",
        network,
        variants,
        (
            Recipe(epochs=26, batch=16, crop=320, scale=(0.9, 2.4), weight_decay=0.01, trunk_rate=2e-4),
            Recipe(
                epochs=8,
                batch=16,
                crop=256,
                scale=(0.9, 2.4),
                weight_decay=0.01,
                trunk_rate=1e-4,
                head_rate=1e-3,
                edge=3.0,
                seed=1,
            ),
        ),
    ),
}
