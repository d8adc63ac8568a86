"""Training of the networks that read distorted digits, and the plans of all of them.

References
1. Jaderberg et al. 2015, section 4.1, appendices A.1 and A.4: the tasks; there 150,000 steps of SGD, batch 256. Ours is
   shorter: AdamW and one cycle.
2. Smith and Topin 2018, "Super-Convergence": the one-cycle schedule.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine import zoo
from engine.cards import Card
from engine.data import mnist
from engine.data.mnist import Digits
from engine.spatial.digits_evaluate import error_rate
from engine.spatial.distortions import TASKS, Task
from engine.spatial.networks import DigitNet, Layout
from engine.train.plans import record
from engine.train.running import Snapshots, keep, restore

KINDS = ("plain", "affine", "projective", "tps")
SPLIT = "train: the first 55,000 of the published training digits; val: the last 5,000; test: the published 10,000"
# hidden units of the plain networks: with them they have about as many parameters as those with a transformer
HIDDEN = {"R": 320, "RTS": 88, "P": 320, "E": 320, "TC": 60, "SUM": 132}
WIDTHS = dict.fromkeys(("R", "RTS", "SUM"), (24, 48, 64))  # of the classifiers, where the narrow ones were worse
EPOCHS = {"R": 20, "RTS": 24, "P": 14, "E": 16, "TC": 24, "SUM": 14}  # the same for all networks of a task
SLOW = {"TC": 3e-4}  # rates of the transformers where the usual one loses the picture
WATCHED = ("RTS", "TC")  # tasks whose affine network ships with what it was on the way
LICENCE = "Weights: ours, MIT. Data: MNIST (LeCun et al. 1998), not shipped."
PAPER = "Jaderberg et al. 2015, Spatial Transformer Networks"


@dataclass(frozen=True)
class DigitRecipe:
    """What a training depends on besides the data; all of it goes on the card.

    rate: of the classifier, at the cycle's peak; transformer_rate: of the transformers, which lose the picture for good
    when they learn too fast: where a grid lies outside there is no gradient (lecture slide 128).
    snapshots: so many times, from before the first step to after the last, closer together at first, the weights are
    kept.
    """

    epochs: int = 25
    batch: int = 128
    rate: float = 2e-3
    transformer_rate: float = 1e-3
    weight_decay: float = 1e-2
    snapshots: int = 0
    seed: int = 0


def tensors(digits: Digits) -> tuple[Tensor, Tensor]:
    """(N, 28, 28) float32 in [0, 1] and (N,) int64."""
    return torch.tensor(digits.images).float() / 255, torch.tensor(digits.labels).long()


def fit(net: DigitNet, task: Task, data: Digits, held_out: Digits, recipe: DigitRecipe, out: Path, *,
        device: str = "cpu", resume: bool = False, steps: int | None = None) -> Snapshots:  # fmt: skip
    """Train `net` on `data`, each digit distorted anew each time; returns the snapshots on the way.

    Writes out/checkpoint.pt after each epoch; `resume` goes on from it. `steps` bounds each epoch (smoke test).
    """
    torch.manual_seed(recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    net.to(device, memory_format=torch.channels_last).train()
    rates = [recipe.rate, *[recipe.transformer_rate] * len(net.transformers)]
    optimizer = torch.optim.AdamW([{"params": part.parameters()} for part in (net.classify, *net.transformers)],
                                  weight_decay=recipe.weight_decay)  # fmt: skip
    images, labels = tensors(data)
    per_epoch = max(1, len(data) // recipe.batch)
    total = per_epoch * recipe.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=total + 1, pct_start=0.2)
    taken = Snapshots()
    wanted = taken.at(total, recipe.snapshots)
    state = {"net": net, "optimizer": optimizer, "schedule": schedule, "snapshots": taken}
    first = restore(out / "checkpoint.pt", state) if resume else 0
    for epoch in range(first, recipe.epochs):
        dice, started, losses = torch.Generator().manual_seed(recipe.seed + 1000 * epoch), time.monotonic(), []
        order = torch.randperm(len(data), generator=dice)[: per_epoch * recipe.batch].split(recipe.batch)
        for step, rows in enumerate(order):
            if step == steps:
                return taken
            x, y = task.draw(images[rows], labels[rows], dice)
            if per_epoch * epoch + step in wanted:
                _snapshot(net, task, held_out, taken, per_epoch * epoch + step, losses)
            x = x.to(device, memory_format=torch.channels_last)
            losses.append(_step(net, x, y.to(device), optimizer, schedule))
        keep(out / "checkpoint.pt", epoch + 1, state)
        print(f"epoch {epoch + 1}/{recipe.epochs} loss {np.mean(losses):.4f} "
              f"{time.monotonic() - started:.0f} s", flush=True)  # fmt: skip
    if wanted:
        _snapshot(net, task, held_out, taken, total, losses)
    return taken


def _step(net: nn.Module, x: Tensor, y: Tensor, optimizer, schedule) -> float:
    loss = F.cross_entropy(net(x), y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimizer.step()
    schedule.step()
    return float(loss.detach())


def _snapshot(net: DigitNet, task: Task, held_out: Digits, taken: Snapshots, step: int, losses: list[float]) -> None:
    """Keep the weights (half precision, as they ship) after `step` steps, and measure them as they stand."""
    error = error_rate(net.eval(), task, held_out)
    net.train()
    taken.take(net, step, losses, {"error": error})


@dataclass(frozen=True)
class DigitPlan:
    """What one network for digits is trained from."""

    card: Card
    recipe: DigitRecipe

    def train(self, data: Path | str, out: Path, device: str, resume: bool, steps: int | None) -> Card:
        """See `engine.train.plans.train`."""
        started = time.monotonic()
        net = DigitNet(Layout(**self.card.settings["layout"]))
        task = TASKS[self.card.settings["task"]]
        train, held_out = mnist.load(data, "train"), mnist.load(data, "val")
        taken = fit(net, task, train, held_out, self.recipe, out, device=device, resume=resume, steps=steps)
        if steps is not None:
            return self.card
        return self.ship(net, taken, mnist.load(data, "test"), held_out, time.monotonic() - started, device)

    def ship(self, net: DigitNet, taken: Snapshots, test: Digits, held_out: Digits, seconds: float,
             device: str) -> Card:  # fmt: skip
        """Write the weights in half precision, with the snapshots, measure what was written, and write the card."""
        settings = {**self.card.settings, "snapshots": taken.rows}
        sha256 = zoo.write_weights(self.card.name, net, taken.tensors())
        card = replace(self.card, sha256=sha256, settings=settings)
        model = zoo.build(card, device)
        figures = {"error": error_rate(model.net, model.task, held_out),
                   "test_error": error_rate(model.net, model.task, test),
                   "parameters": sum(p.numel() for p in net.parameters())}  # fmt: skip
        card = replace(card, figures=figures, training=record([self.recipe], "train", seconds, device))
        card.write()
        return card


def _plan(task: Task, kind: str, recipe: DigitRecipe) -> DigitPlan:
    family = "" if kind == "plain" else kind
    layout = {"size": task.size, "family": family, "hidden": 128 if family else HIDDEN[task.name],
              "widths": list(WIDTHS.get(task.name, Layout.widths)), "channels": task.channels,
              "transformers": task.channels, "classes": len(task.classes)}  # fmt: skip
    name = f"digits-{task.name.lower()}-{kind}"
    what = f"A spatial transformer ({kind}) and a CNN behind it" if family else "A plain CNN"
    return DigitPlan(Card(
        name=name, title=f"{'ST-CNN' if family else 'CNN'} {kind} on {task.name}",
        summary=f"{what}, for digits {task.words}.", paper=PAPER, slides="126-131",
        data=f"MNIST {task.name}", split=SPLIT, classes=task.classes, settings={"task": task.name, "layout": layout},
        licence=LICENCE,
        failures=("Knows ten digits and nothing else: whatever is drawn is called a digit.",
                  "A 6 turned by 90 degrees and a 9 turned back by 90 look alike.") if task.name == "R" else
                 ("Knows ten digits and nothing else: whatever is drawn is called a digit.",),
    ), recipe)  # fmt: skip


def _recipe(task: Task, kind: str) -> DigitRecipe:
    watched = kind == "affine" and task.name in WATCHED
    rate = SLOW.get(task.name, DigitRecipe.transformer_rate)
    return DigitRecipe(EPOCHS[task.name], transformer_rate=rate, snapshots=20 * watched)


_ALL = (_plan(task, kind, _recipe(task, kind)) for task in TASKS.values() for kind in KINDS)
PLANS = {plan.card.name: plan for plan in _ALL if plan.card.name in zoo.names()}
