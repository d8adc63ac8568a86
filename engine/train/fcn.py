"""Recipes of `fcn-scenes` and `fcn-animals`: train all three variants at once, measure them, write weights and card.

References
1. Long, Shelhamer and Darrell 2015; lecture slides 39-43.
"""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from engine import zoo
from engine.cards import Card, ModelError
from engine.data import Segmentation, stanford, voc
from engine.evaluate import evaluate
from engine.segmentation.fcn import FCN, VARIANTS
from engine.segmentation.fcn_model import FcnModel
from engine.train.segmentation import Recipe, fit
from engine.trunk import imagenet_trunk


@dataclass(frozen=True)
class Plan:
    """What one model is trained from, and the words of its card.

    reader: a module with load(folder, split). recipes: one after the other, each from the averaged weights before it.
    """

    card: Card
    reader: ModuleType
    split: str
    recipes: tuple[Recipe, ...]


_PAPER = "Long, Shelhamer and Darrell 2015, Fully Convolutional Networks for Semantic Segmentation"
_LICENCE = "Weights: MIT, trained by us from EfficientNet-Lite0 ImageNet weights (Apache-2.0). "

PLANS = {
    "fcn-scenes": Plan(
        Card(
            name="fcn-scenes",
            title="FCN, outdoor scenes",
            summary="A toy next to today's segmenters: eight broad classes of outdoor scenes, 497 training pictures.",
            paper=_PAPER,
            slides="39-43",
            data="Stanford Background",
            split="val: every eighth name in order; the rest is train; the authors publish none",
            classes=stanford.LABELS.classes,
            settings={"trunk": 0, "labels": "stanford", "longest": [480, 640]},
            licence=_LICENCE + "Data: Stanford Background (Gould et al. 2009), research use, not shipped.",
            failures=(
                "Indoor pictures: it knows no indoor class and calls furniture foreground or building.",
                "Mountain is rare in the data and often taken for tree or grass.",
                "Foreground is a mixture (people, cars, animals, boats): it is found by contrast, not by kind.",
            ),
        ),
        stanford,
        "train",
        (Recipe(epochs=30, batch=16, crop=320, scale=(0.9, 2.4), weight_decay=0.01),),
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
        (
            Recipe(epochs=10, batch=16, crop=256, scale=(0.7, 1.8)),
            Recipe(epochs=4, batch=16, crop=256, scale=(0.8, 1.8), trunk_rate=1e-4, head_rate=5e-4, seed=1),
        ),
    ),
}


def variants(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """(B, 3, H, W) -> stride-8 logits of 32s, 16s and 8s; the trunk runs once."""
    scores = network.scores(x)
    return {name: network.fuse(scores, gains) for name, gains in VARIANTS.items()}


def train(name: str, data: Path | str, out: Path | str | None = None, device: str = "cpu", resume: bool = False,
          steps: int | None = None) -> Card:  # fmt: skip
    """Train `name` on the data below `data`, checkpoints in `out`; write weights and card into assets; return the card.

    steps: stop each epoch after so many steps and write nothing into assets (smoke test).
    Raises DataError, ModelError.
    """
    if name not in PLANS:
        raise ModelError(f"There is no recipe for {name!r}; there are {', '.join(PLANS)}.")
    plan, started = PLANS[name], time.monotonic()
    zoo.keep_memory()
    pictures, held_out = plan.reader.load(data, plan.split), plan.reader.load(data, "val")
    network = FCN(len(plan.card.classes), plan.card.settings["trunk"])
    network.trunk = imagenet_trunk(plan.card.settings["trunk"])
    for i, recipe in enumerate(plan.recipes):
        folder = Path(out or f"runs/{name}") / f"stage{i}"
        network = fit(network, variants, pictures, recipe, folder, device=device, resume=resume, steps=steps)
    return plan.card if steps is not None else ship(plan, network, held_out, time.monotonic() - started, device)


def ship(plan: Plan, network: FCN, held_out: Segmentation, seconds: float, device: str) -> Card:
    """Write the weights in half precision, measure what was written on `held_out`, and write the card."""
    card = replace(plan.card, sha256=zoo.write_weights(plan.card.name, network))
    network.load_state_dict(zoo.read_weights(card))
    model = FcnModel(card, network, device)
    single, averaged = evaluate(model, held_out), evaluate(model, held_out, average=True)
    cpu = f"CPU, {torch.get_num_threads()} threads"
    training = {
        "recipes": [asdict(recipe) for recipe in plan.recipes], "split": plan.split, "minutes": round(seconds / 60, 1),
        "hardware": torch.cuda.get_device_name() if device.startswith("cuda") else cpu,
        "versions": {"torch": torch.__version__.split("+")[0], "python": platform.python_version()},
    }  # fmt: skip
    dropped = ("model", "data", "split", "seconds")
    figures = {k: v for k, v in single.items() if k not in dropped}
    figures["averaged"] = {k: v for k, v in averaged.items() if k not in dropped}
    card = replace(card, figures=figures, training=training)
    card.write()
    return card
