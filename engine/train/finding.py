"""Training of the finders: pairs of pictures with the same digit, and no boxes.

References
1. Jaderberg et al. 2015, appendix A.2, eq. 10: crops of one digit alike, and unlike a random crop. With that hinge
   alone the finder learns to look at nothing, which all pictures have in common too; so crops of other digits are told
   apart as well (`colocal.pair_loss`): same or different, as lecture slide 130 has it.
2. Bengio et al. 2009, "Curriculum Learning": the first pictures have their digit in the middle, later ones further and
   further away, since the sampler's gradient is local (lecture slide 128). A window that shrinks from the whole picture
   to a digit's size needs no such pictures; it found few digits among distractors (1.4 % after 2,500 steps).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor, nn

from engine import zoo
from engine.cards import Card
from engine.data import mnist
from engine.data.mnist import Digits
from engine.spatial.colocal import DISTRACTORS, Finder, pair_loss, scenes
from engine.spatial.finding_model import found_share
from engine.train.digits import LICENCE, PAPER, SPLIT, tensors
from engine.train.plans import record
from engine.train.running import Snapshots, keep, restore

CHECKPOINT = 500  # steps from one to the next


@dataclass(frozen=True)
class FindRecipe:
    """What a training depends on besides the data; all of it goes on the card.

    growing: the share of the steps over which digits come to lie anywhere (reference 2).
    """

    steps: int = 3000
    batch: int = 64
    rate: float = 2e-3
    finder_rate: float = 1e-3
    weight_decay: float = 1e-2
    growing: float = 0.6
    snapshots: int = 20
    seed: int = 0

    def strength(self, step: int) -> float:
        """How far from the middle digits lie after so many steps: 0 to 1."""
        return min(1.0, step / (self.steps * self.growing))


def pairs(labels: Tensor, count: int, dice: Generator) -> tuple[Tensor, Tensor]:
    """Indices (count,) and (count,) of random digits of the same class; all classes among labels (N,) alike."""
    order = labels.argsort(stable=True)
    sizes = labels.bincount(minlength=10)
    starts = sizes.cumsum(0) - sizes
    present = sizes.nonzero()[:, 0]
    digit = present[torch.randint(len(present), (count,), generator=dice)]

    def draw() -> Tensor:
        return order[starts[digit] + (torch.rand(count, generator=dice) * sizes[digit]).long()]

    return draw(), draw()


def fit(finder: Finder, task: str, data: Digits, held_out: Digits, recipe: FindRecipe, out: Path, *,
        device: str = "cpu", resume: bool = False, steps: int | None = None) -> Snapshots:  # fmt: skip
    """Train `finder` on pictures of `task`; returns the snapshots on the way.

    Writes out/checkpoint.pt now and then; `resume` goes on from it. `steps`: stop after so many (smoke test).
    """
    torch.manual_seed(recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    finder.to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW([{"params": finder.encode.parameters()}, {"params": finder.localise.parameters()}],
                                  weight_decay=recipe.weight_decay)  # fmt: skip
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [recipe.rate, recipe.finder_rate], pct_start=0.2,
                                                   total_steps=recipe.steps + 1)  # fmt: skip
    images, labels = tensors(data)
    taken, losses, started = Snapshots(), [], time.monotonic()
    wanted = taken.at(recipe.steps, recipe.snapshots)
    state = {"finder": finder, "optimizer": optimizer, "schedule": schedule, "snapshots": taken}
    first = restore(out / "checkpoint.pt", state) * CHECKPOINT if resume else 0
    for step in range(first, recipe.steps + 1):
        if step in wanted:
            taken.take(finder, step, losses, {"found": found_share(finder.eval(), task, held_out)["all"]})
            finder.train()
        if step in (steps, recipe.steps):
            break
        dice = torch.Generator().manual_seed(recipe.seed + 100_000 * step)
        losses.append(_step(finder, task, images, labels, recipe, step, dice, optimizer, device))
        schedule.step()
        if (step + 1) % CHECKPOINT == 0:
            keep(out / "checkpoint.pt", (step + 1) // CHECKPOINT, state)
            print(f"step {step + 1}/{recipe.steps} loss {np.mean(losses[-100:]):.4f} "
                  f"found {taken.rows[-1]['found']:.3f} {time.monotonic() - started:.0f} s", flush=True)  # fmt: skip
    return taken


def _step(finder: nn.Module, task: str, images: Tensor, labels: Tensor, recipe: FindRecipe, step: int,
          dice: Generator, optimizer, device: str) -> float:  # fmt: skip
    rows = pairs(labels, recipe.batch, dice)
    drawn = (scenes(images[some], task, dice, recipe.strength(step)).pictures for some in rows)
    alike = labels[rows[0]][:, None] == labels[rows[1]]
    random = torch.rand(recipe.batch, 2, generator=dice) * 2 - 1
    loss = pair_loss(finder, *(part.to(device) for part in (*drawn, alike, random)))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(finder.parameters(), 5.0)
    optimizer.step()
    return float(loss.detach())


@dataclass(frozen=True)
class FindPlan:
    """What one finder is trained from."""

    card: Card
    recipe: FindRecipe

    def train(self, data: Path | str, out: Path, device: str, resume: bool, steps: int | None) -> Card:
        """See `engine.train.plans.train`."""
        started, finder, task = time.monotonic(), Finder(), self.card.settings["task"]
        held_out = mnist.load(data, "val")
        taken = fit(finder, task, mnist.load(data, "train"), held_out, self.recipe, out, device=device, resume=resume,
                    steps=steps)  # fmt: skip
        if steps is not None:
            return self.card
        settings = {**self.card.settings, "snapshots": taken.rows}
        card = replace(self.card, settings=settings,
                       sha256=zoo.write_weights(self.card.name, finder, taken.tensors()))  # fmt: skip
        written = zoo.build(card, device).finder
        test = found_share(written, task, mnist.load(data, "test"))
        figures = {"found": found_share(written, task, held_out)["all"], "test_found": test.pop("all"),
                   "by_digit": test}  # fmt: skip
        seconds = time.monotonic() - started
        card = replace(card, figures=figures, training=record([self.recipe], "train", seconds, device))
        card.write()
        return card


def _plan(task: str, recipe: FindRecipe) -> FindPlan:
    words = f"with {DISTRACTORS[task]} pieces of other digits" if DISTRACTORS[task] else "and nothing else"
    return FindPlan(Card(
        name=f"digits-find-{task.lower()}", title=f"Co-localisation {task}",
        summary=f"Finds a digit on 84x84 pixels, {words}; learned from pairs with the same digit, without boxes.",
        paper=PAPER, slides="130", data=f"MNIST {task}", split=SPLIT, classes=tuple(str(i) for i in range(10)),
        settings={"task": task}, licence=LICENCE,
        failures=("The size of its window is given, only its place is learned.",
                  "Its first pictures had the digit in the middle; from pictures with digits anywhere it learned less.",
                  "It finds one digit in each picture; of two it takes one."),
    ), recipe)  # fmt: skip


PLANS = {plan.card.name: plan for plan in (_plan("T", FindRecipe()), _plan("TC", FindRecipe()))}
