"""What each model is trained from, and the one way from there to weights and card: train, write, measure.

References
1. One recipe per model in the modules beside this one; `engine.train.segmentation` runs them.
"""

from __future__ import annotations

import importlib
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from engine import zoo
from engine.cards import Card, ModelError
from engine.data import Segmentation
from engine.evaluate import evaluate
from engine.train.segmentation import Recipe, Variants, fit
from engine.trunk import Trunk
from engine.wording import many

# name -> the module whose PLANS holds it
_PLANS = {
    "fcn-scenes": "engine.train.fcn",
    "fcn-animals": "engine.train.fcn",
    "patches": "engine.train.patches",
    "multiscale": "engine.train.multiscale",
    "multiscale-classic": "engine.train.multiscale",
    "recurrent": "engine.train.recurrent",
    "caption-encoder": "engine.train.captioners",
    "caption-plain": "engine.train.captioners",
    "caption-soft": "engine.train.captioners",
    "caption-hard": "engine.train.captioners",
    **{
        name: "engine.train.finding" if name.startswith("digits-find") else "engine.train.digits"
        for name in zoo.names()
        if name.startswith("digits-")
    },
}


@dataclass(frozen=True)
class Plan:
    """What one model is trained from, and the words of its card.

    reader: a module with load(folder, split). network: the untrained network for the card. variants: see `fit`.
    recipes: one after the other, each from the averaged weights before it. soup: ship the mean of the weights that each
    of them left (Wortsman et al. 2022, "Model soups"), not the last. views: also measure the mean over views.
    """

    card: Card
    reader: ModuleType
    split: str
    network: Callable[[Card], nn.Module]
    variants: Variants
    recipes: tuple[Recipe, ...]
    soup: bool = False
    views: bool = False

    def train(self, data: Path | str, out: Path, device: str, resume: bool, steps: int | None) -> Card:
        """See `train`."""
        started = time.monotonic()
        pictures, held_out = self.reader.load(data, self.split), self.reader.load(data, "val")
        network = self.network(self.card)
        left = []
        for i, recipe in enumerate(self.recipes):
            folder = out / f"stage{i}"
            network = fit(network, self.variants, pictures, recipe, folder, device=device, resume=resume, steps=steps)
            left.append({k: v.clone() for k, v in network.state_dict().items()})
        if self.soup:
            network.load_state_dict({k: sum(state[k] for state in left) / len(left) for k in left[0]})
        return self.card if steps is not None else ship(self, network, held_out, time.monotonic() - started, device)


def plan(name: str) -> Any:
    """The plan of the model called `name`, a `Plan` or what else has its `card` and `train`. Raises ModelError."""
    if name not in _PLANS:
        raise ModelError(f"There is no recipe for {name!r}; there are {', '.join(_PLANS)}.")
    return importlib.import_module(_PLANS[name]).PLANS[name]


def train(name: str, data: Path | str, out: Path | str | None = None, device: str = "cpu", resume: bool = False,
          steps: int | None = None) -> Card:  # fmt: skip
    """Train `name` on the data below `data`, checkpoints in `out`; write weights and card into assets; return the card.

    steps: stop each epoch after so many steps and write nothing into assets (smoke test).
    Raises DataError, ModelError.
    """
    zoo.keep_memory()
    return plan(name).train(data, Path(out or f"runs/{name}"), device, resume, steps)


def ship(plan: Plan, network: nn.Module, held_out: Segmentation, seconds: float, device: str) -> Card:
    """Write the weights in half precision, measure what was written on `held_out`, and write the card."""
    card = replace(plan.card, sha256=zoo.write_weights(plan.card.name, network))
    model = zoo.build(card, device)
    dropped = ("model", "data", "split", "seconds")
    figures = {k: v for k, v in evaluate(model, held_out).items() if k not in dropped}
    if plan.views:
        averaged = evaluate(model, held_out, average=True)
        figures["averaged"] = {k: v for k, v in averaged.items() if k not in dropped}
    card = replace(card, figures=figures, training=record(plan.recipes, plan.split, seconds, device))
    card.write()
    return card


def record(recipes: Sequence[Any], split: str, seconds: float, device: str) -> dict[str, Any]:
    """What a card says about a training: its recipes (dataclasses), data, minutes, hardware and versions."""
    cpu = f"CPU, {many(torch.get_num_threads(), 'thread')}"
    return {
        "recipes": [asdict(recipe) for recipe in recipes], "split": split, "minutes": round(seconds / 60, 1),
        "hardware": torch.cuda.get_device_name() if device.startswith("cuda") else cpu,
        "versions": {"torch": torch.__version__.split("+")[0], "python": platform.python_version()},
    }  # fmt: skip


def start_trunk(trunk: Trunk, name: str = "fcn-scenes") -> None:
    """Give `trunk`, which may end early, the weights that the shipped model `name` has there. Raises ModelError."""
    weights = zoo.read_weights(Card.read(name))
    trunk.load_state_dict({k: weights[f"trunk.{k}"] for k in trunk.state_dict()})
