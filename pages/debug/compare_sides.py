"""The two sides of a comparison: a model, a variant of it and a picture each; what was computed is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from engine.debug import compare_steps
from engine.debug.answers import Answer, answer
from engine.debug.compare import Comparison, Judged, Pair, compare, judge
from engine.segmentation.fcn import VARIANTS
from engine.segmentation.fcn_model import FcnModel
from engine.trace import Trace
from pages.kit import models, queue
from pages.kit.keeping import once
from pages.kit.picker import Chosen


@dataclass(frozen=True, eq=False)
class Side:
    """A or B. average: over six views. chosen: its picture."""

    who: str
    name: str
    model: Any
    variant: str
    average: bool
    chosen: Chosen

    @property
    def words(self) -> str:
        """What it is called in sentences."""
        return ", ".join((self.name, self.variant, *(["six views"] if self.average else [])))

    @property
    def owner(self) -> tuple:
        """What its answer depends on."""
        return (self.name, self.variant, self.average, self.chosen.key)

    @property
    def truth(self) -> np.ndarray | None:
        """(H, W) uint8 ground truth of its picture in its model's classes, None where nobody labelled it so."""
        return models.truth(self.chosen, self.model.card)

    def encoding(self) -> Any:
        """What the model makes of the picture."""
        options = {"average": True} if self.average else {}
        key = (self.name, self.chosen.key, self.average)  # as `models.encoding` keeps it
        return models.FOUND.get(key, lambda: self.model.encode(self.chosen.rgb, **options))

    def answer(self) -> Answer:
        """What is compared."""
        return models.FOUND.get(("answer", *self.owner), lambda: answer(self.model, self.encoding(), self.variant))

    def whole(self) -> Trace:
        """The model's own Trace, and the answer that is compared as its last step."""

        def make() -> Trace:
            options = {"gains": VARIANTS[self.variant]} if isinstance(self.model, FcnModel) else {}
            options |= {"average": True} if self.average else {}
            full = self.model.trace(self.encoding(), **options)
            return compare_steps.whole(full, self.answer(), self.who, self.words)

        return models.FOUND.get(("whole", self.who, *self.owner), make)


def answers(sides: Sequence[Side]) -> tuple[Answer, Answer]:
    """Both answers, in turn with everybody else's work where they must be made."""
    return _both([side.answer for side in sides], [("answer", *side.owner) for side in sides])


def wholes(sides: Sequence[Side]) -> tuple[Trace, Trace]:
    """Both models' own Traces, waited for as `answers`."""
    return _both([side.whole for side in sides], [("whole", side.who, *side.owner) for side in sides])


def _both(makes: Sequence[Callable[[], Any]], keys: Sequence[tuple]) -> tuple[Any, ...]:
    work = partial(map, lambda make: make(), makes)
    if any(models.FOUND.peek(key) is None for key in keys):
        return queue.run(lambda: tuple(work()), "The networks look at the picture ...")
    return tuple(work())


@dataclass(frozen=True, eq=False)
class Found:
    """A comparison, the same against the truth where that is known, and all that both depend on."""

    comparison: Comparison
    judged: Judged | None
    owner: tuple

    def trace(self, pair: Pair | None = None) -> Trace:
        """The steps of it. pair: a disagreement that is shown as the last step."""
        make = partial(compare_steps.trace, self.comparison, self.judged, pair)
        return once("compare_trace", (self.owner, pair), make)


def compared(sides: Sequence[Side]) -> Found:
    """The comparison of two answers to one picture. Raises Incomparable."""
    (a, b), both = sides, answers(sides)
    names, owner = (a.words, b.words), (a.owner, b.owner)
    comparison = once("compared", owner, lambda: compare(*both, names))
    knowing = next((side for side in sides if side.truth is not None), None)
    if knowing is None:
        return Found(comparison, None, owner)
    truth, classes = knowing.truth, tuple(knowing.model.card.classes)
    owner = (*owner, classes, hashlib.sha256(truth.tobytes()).hexdigest())
    return Found(comparison, once("judged", owner, lambda: judge(comparison, truth, classes)), owner)
