"""Networks of random weights for the tests of the room: for each task and family, with or without a past."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from engine.cards import Card, ModelError
from engine.spatial.colocal import Finder, scenes
from engine.spatial.digits_model import DigitModel
from engine.spatial.distortions import TASKS
from engine.spatial.finding_model import FindModel
from engine.spatial.networks import DigitNet, Layout
from engine.spatial.samples import samples
from tests.conftest import card_of


def model_of(task: str, family: str = "", seed: int = 0) -> DigitModel:
    """A network of random weights for a task; its transformers depend on what they see."""
    torch.manual_seed(seed)
    of = TASKS[task]
    net = DigitNet(Layout(of.size, family, channels=of.channels, transformers=of.channels, classes=len(of.classes)))
    for transformer in net.transformers:
        nn.init.normal_(transformer.localise[-1].weight, 0, 0.02)
    return DigitModel(card_of(name=f"digits-{task.lower()}-{family or 'plain'}"), net.eval().requires_grad_(False), of)


def with_past(model: DigitModel | FindModel, name: str, values: tuple[float, ...]) -> DigitModel | FindModel:
    """`model` with as many snapshots as there are values of the share `name`; each is a network of its own."""
    rows = [{"step": 10 * i, "loss": None if i == 0 else 2.0 / i, name: v} for i, v in enumerate(values)]
    card = replace(model.card, settings={"snapshots": rows})
    if isinstance(model, FindModel):
        return replace(model, card=card, past=tuple(finder(i) for i in range(len(rows))))
    family = model.net.layout.family
    return replace(model, card=card, past=tuple(model_of(model.task.name, family, i).net for i in range(len(rows))))


def finder(seed: int = 0) -> Finder:
    """A finder of random weights that looks somewhere else on each picture."""
    torch.manual_seed(seed)
    net = Finder()
    nn.init.normal_(net.localise[-1].weight, 0, 2)
    return net.eval().requires_grad_(False)


def find_model(task: str = "TC") -> FindModel:
    """`finder` as people meet it."""
    return FindModel(card_of(name=f"digits-find-{task.lower()}"), finder(), task)


def pictures_of(task: str, count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """(count, C, S, S) pictures of a task made of sample digits, and their answers."""
    some = samples()
    digits, labels = torch.tensor(some.images[3:100:8][:count]) / 255, torch.tensor(some.labels[3:100:8][:count]).long()
    pictures, answers = TASKS[task].draw(digits, labels, torch.Generator().manual_seed(0))
    return pictures.numpy(), answers.numpy()


def scenes_of(task: str, count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """(count, 1, 84, 84) pictures and (count, 2) centres of their digits."""
    drawn = scenes(torch.tensor(samples().images[::9][:count]) / 255, task, torch.Generator().manual_seed(0))
    return drawn.pictures.numpy(), drawn.centres.numpy()


def small_model(task: str, family: str) -> DigitModel:
    """An untrained network for `task`, with a transformer of `family` or, for "", without."""
    torch.manual_seed(len(task) + 10 * len(family))
    net = DigitNet(Layout(TASKS[task].size, family, (2, 3, 4), 8)).eval().requires_grad_(False)
    for transformer in net.transformers:
        nn.init.normal_(transformer.localise[-1].weight, 0, 0.002 if family == "projective" else 0.03)
        transformer.localise[-1].bias.data[:6] *= 0.8
    name = f"digits-{task.lower()}-{family or 'plain'}"
    card = Card(name, name, "untrained", "", "", "MNIST", "", tuple("0123456789"), {"test_error": 0.5}, sha256=name)
    return DigitModel(card, net, TASKS[task])


def load(name: str, device: str = "cpu") -> DigitModel:
    """`small_model` in the place of `engine.zoo.load`. Raises ModelError for any other name."""
    found = re.fullmatch(r"digits-(r|rts|p|e|tc)-(plain|affine|projective|tps)", name)
    if not found:
        raise ModelError(f"There is no card of a model called {name!r}.")
    return small_model(found[1].upper(), found[2].removeprefix("plain"))
