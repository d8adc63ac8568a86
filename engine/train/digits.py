"""Training of the networks that read distorted digits, and the plans of all of them.

References
1. Jaderberg et al. 2015, section 4.1, appendices A.1 and A.4: the tasks; there 150,000 steps of SGD, batch 256. Ours is
   shorter: AdamW and one cycle, and it needs 3 and 4 to learn to turn digits back: else the classifier learns to read
   them as they lie, and nothing is left to gain by turning.
2. Smith and Topin 2018, "Super-Convergence": the one-cycle schedule.
3. Bengio et al. 2009, "Curriculum Learning": distortions grow from none; the sampler's gradient is local (lecture slide
   128), so a transformer learns from digits that lie a little wrong.
4. Lee et al. 2015, "Deeply-Supervised Nets": a reader of one hidden layer looks at the transformer's output too, and is
   left away afterwards; it reads only what is held still.
5. Projective transforms and thin plate splines begin as the affine network that was trained before, and go on from
   there: all that an affine transform does they do too (`networks.begin_as`). Plain CNNs are trained as long as both
   together.
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
from engine.spatial.distortions import DIGIT, TASKS, Task
from engine.spatial.networks import DigitNet, Layout, begin_as
from engine.train.plans import record
from engine.train.running import Snapshots, keep, restore

KINDS = ("plain", "affine", "projective", "tps")
SPLIT = "train: the first 55,000 of the published training digits; val: the last 5,000; test: the published 10,000"
# hidden units of the plain networks: with them they have about as many parameters as those with a transformer
HIDDEN = {"R": 320, "RTS": 88, "P": 320, "E": 320, "TC": 60, "SUM": 132}
WIDTHS = dict.fromkeys(("R", "RTS", "SUM"), (24, 48, 64))  # of the classifiers, where the narrow ones were worse
# epochs of the affine network of a task, and of those that go on from it (reference 5)
EPOCHS = {"R": (16, 4), "RTS": (16, 4), "P": (8, 5), "E": (8, 5), "TC": (14, 4), "SUM": (12, 0)}
SLOW = {"TC": 5e-4}  # rates of the transformers where the usual one loses the picture
WATCHED = ("RTS", "TC")  # tasks whose affine network ships with what it was on the way
LICENCE = "Weights: ours, MIT. Data: MNIST (LeCun et al. 1998), not shipped."
PAPER = "Jaderberg et al. 2015, Spatial Transformer Networks"


@dataclass(frozen=True)
class DigitRecipe:
    """What a training depends on besides the data; all of it goes on the card.

    rate: of the classifier, at the cycle's peak; transformer_rate: of the transformers, which lose the picture for good
    when they learn too fast: where a grid lies outside there is no gradient (lecture slide 128).
    start: the network that it goes on from, by name, else from scratch (reference 5).
    growing: the share of the steps over which distortions grow to their full strength (reference 3).
    aside: the weight of the reader beside the classifier in the loss (reference 4).
    snapshots: so many times, from before the first step to after the last, closer together at first, the weights are
    kept.
    """

    epochs: int = 25
    batch: int = 128
    rate: float = 2e-3
    transformer_rate: float = 1e-3
    weight_decay: float = 1e-2
    growing: float = 0.5
    aside: float = 1.0
    snapshots: int = 0
    seed: int = 0
    start: str = ""

    def strength(self, done: float) -> float:
        """Of the distortions when the share `done` of the steps is behind."""
        return 1.0 if done >= self.growing else done / self.growing


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
    reader = _reader(net).to(device)
    parts = {recipe.rate: [net.classify, reader], recipe.transformer_rate: net.transformers}
    groups = [{"params": [p for part in some for p in part.parameters()], "lr": rate} for rate, some in parts.items()]
    groups = [group for group in groups if group["params"]]
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    images, labels = tensors(data)
    per_epoch = max(1, len(data) // recipe.batch)
    total = per_epoch * recipe.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [group["lr"] for group in groups], total_steps=total + 1,
                                                   pct_start=0.2)  # fmt: skip
    taken = Snapshots()
    wanted = taken.at(total, recipe.snapshots)
    state = {"net": net, "reader": reader, "optimizer": optimizer, "schedule": schedule, "snapshots": taken}
    first = restore(out / "checkpoint.pt", state) if resume else 0
    for epoch in range(first, recipe.epochs):
        dice, started, losses = torch.Generator().manual_seed(recipe.seed + 1000 * epoch), time.monotonic(), []
        order = torch.randperm(len(data), generator=dice)[: per_epoch * recipe.batch].split(recipe.batch)
        for step, rows in enumerate(order):
            if step == steps:
                return taken
            done = (per_epoch * epoch + step) / total
            x, y = task.draw(images[rows], labels[rows], dice, recipe.strength(done))
            if per_epoch * epoch + step in wanted:
                _snapshot(net, task, held_out, taken, per_epoch * epoch + step, losses)
            x = x.to(device, memory_format=torch.channels_last)
            losses.append(_step(net, reader, x, y.to(device), recipe.aside, optimizer))
            schedule.step()
        keep(out / "checkpoint.pt", epoch + 1, state)
        print(f"epoch {epoch + 1}/{recipe.epochs} loss {np.mean(losses):.4f} "
              f"{time.monotonic() - started:.0f} s", flush=True)  # fmt: skip
    if wanted:
        _snapshot(net, task, held_out, taken, total, losses)
    return taken


def _reader(net: DigitNet) -> nn.Module:
    """Reference 4: what reads the outputs of the network's transformers; nothing for a plain CNN."""
    layout, many = net.layout, len(net.transformers)
    if not many:
        return nn.Identity()
    return nn.Sequential(nn.Flatten(), nn.Linear(many * layout.channels * DIGIT**2, 64), nn.ReLU(),
                         nn.Linear(64, layout.classes))  # fmt: skip


def _step(net: DigitNet, reader: nn.Module, x: Tensor, y: Tensor, aside: float, optimizer) -> float:
    look = net.look(x)
    loss = F.cross_entropy(look.logits, y)
    beside = F.cross_entropy(reader(torch.cat(look.crops, 1)), y) if look.crops else 0.0
    optimizer.zero_grad(set_to_none=True)
    (loss + aside * beside).backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimizer.step()
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
        if self.recipe.start:
            begin_as(net, zoo.build(Card.read(self.recipe.start)).net)
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
    rate = SLOW.get(task.name, DigitRecipe.transformer_rate)
    first, further = EPOCHS[task.name]
    if kind in ("projective", "tps") and further:
        return DigitRecipe(further, rate=1e-3, transformer_rate=rate / 2, growing=0.0,
                           start=f"digits-{task.name.lower()}-affine")  # fmt: skip
    watched = kind == "affine" and task.name in WATCHED
    epochs = first + further if kind == "plain" else first
    return DigitRecipe(epochs, transformer_rate=rate, snapshots=20 * watched)


_ALL = (_plan(task, kind, _recipe(task, kind)) for task in TASKS.values() for kind in KINDS)
PLANS = {plan.card.name: plan for plan in _ALL if plan.card.name in zoo.names()}
