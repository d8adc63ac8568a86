"""Two answers to one picture: where they differ, how often, who is surer, and who is right where the truth is known.

References
1. Long et al. 2015, section 5: intersection over union; `engine.metrics` computes it.
2. `engine.evaluate`, Convention: how a model of other classes is asked the same question.

Convention
----------
A and B are compared in classes that both know by name. What only one of them knows counts as background, where both
have that, and else as "other". The answer of each is the class of its own highest logit, renamed; its certainty is
that class's own probability. Signs go from A to B: a positive number means that B has more.
Labels are (H, W) uint8 in the picture's pixel frame; 255 in a truth is void, which nobody may judge.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.debug.answers import Answer
from engine.metrics import confusion
from engine.segmentation.scoring import Scored, score
from engine.trace import VOID

BACKGROUND, OTHER = "background", "other"
GREY = (128, 128, 128)  # the colour of "other"
OUTCOMES = ("both right", "only A right", "only B right", "both wrong")  # `Judged.outcome` counts from 0
BOTH_RIGHT, ONLY_A, ONLY_B, BOTH_WRONG = range(4)


class Incomparable(ValueError):
    """These two answers cannot be compared pixel by pixel; the message is one clear sentence."""


@dataclass(frozen=True)
class Common:
    """The classes that A and B are compared in, and one sentence that says so. rest: the name for all that only one
    of them knows, "" where there is no such class."""

    classes: tuple[str, ...]
    rest: str
    sentence: str

    def rename(self, labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """(H, W) uint8 labels of `classes` as labels of the common ones; VOID stays VOID."""
        table = np.full(256, VOID, np.uint8)
        for i, name in enumerate(classes):
            table[i] = self.classes.index(name if name in self.classes else self.rest)
        return table[labels]


def common(a: Sequence[str], b: Sequence[str]) -> Common:
    """The classes that two models of classes `a` and `b` are compared in, in the order of `a`; see Convention.

    Raises Incomparable where they share no class but background.
    """
    shared = tuple(name for name in a if name in b)
    if not set(shared) - {BACKGROUND}:
        raise Incomparable("A and B share no class, so that nobody can say where they agree.")
    alone = [len(set(names) - set(shared)) for names in (a, b)]
    if not any(alone):
        return Common(shared, "", f"A and B name the same {len(shared)} classes.")
    rest = BACKGROUND if BACKGROUND in shared else OTHER
    theirs = " and ".join(f"{n} of {who}" for n, who in zip(alone, "AB", strict=True) if n)
    return Common(shared if rest in shared else (*shared, rest), rest,
                  f"A and B share {len(shared)} classes by name; {theirs} that the other does not know count as "
                  f"{rest}.")  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A says class `a` where B says class `b` (indices of the common classes): so many pixels, and their share."""

    a: int
    b: int
    pixels: int
    share: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """A and B, called `names`, on one picture. left, right: their labels (H, W) uint8 in `common.classes`."""

    a: Answer
    b: Answer
    names: tuple[str, str]
    common: Common
    left: np.ndarray
    right: np.ndarray

    @cached_property
    def differ(self) -> np.ndarray:
        """(H, W) bool: A and B say different things."""
        return self.left != self.right

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """All disagreements, the largest first; equal ones in the order of the classes."""
        counts = confusion(self.left, self.right, len(self.common.classes))
        np.fill_diagonal(counts, 0)
        order = np.argsort(-counts, axis=None, kind="stable")[: np.count_nonzero(counts)]
        found = ((*divmod(int(i), len(counts)), int(counts.flat[i])) for i in order)
        return tuple(Pair(a, b, pixels, pixels / self.differ.size) for a, b, pixels in found)

    @cached_property
    def surer(self) -> np.ndarray:
        """(H, W) float32 in (-1, 1): certainty of B minus that of A."""
        return self.b.certainty - self.a.certainty

    @cached_property
    def shares(self) -> np.ndarray:
        """(2, K) float: the share of the picture that A and B give to each common class."""
        count = len(self.common.classes)
        return np.array([np.bincount(x.ravel(), minlength=count) for x in (self.left, self.right)]) / self.differ.size

    def of(self, pair: Pair) -> np.ndarray:
        """(H, W) bool: the pixels of one disagreement."""
        return (self.left == pair.a) & (self.right == pair.b)

    @cached_property
    def colours(self) -> np.ndarray:
        """(K, 3) uint8: the colours of A's classes, grey for "other"."""
        of = {OTHER: GREY, **dict(zip(self.a.classes, self.a.colours.tolist(), strict=True))}
        return np.array([of[name] for name in self.common.classes], np.uint8)


def compare(a: Answer, b: Answer, names: tuple[str, str] | None = None) -> Comparison:
    """Compare two answers to one picture. names: of A and B, as they stand in sentences; usually model and variant.

    Raises Incomparable where the pictures are not of one size, or no class is shared.
    """
    if a.rgb.shape != b.rgb.shape:
        raise Incomparable("A and B saw pictures of different sizes, so their pixels are not the same places.")
    shared = common(a.classes, b.classes)
    names = names or tuple(f"{x.card['name']}, {x.variant}" for x in (a, b))
    return Comparison(a, b, names, shared, shared.rename(a.labels, a.classes), shared.rename(b.labels, b.classes))


@dataclass(frozen=True, eq=False)
class Judged:
    """A comparison held against the truth.

    truth: (H, W) uint8 in the common classes. outcome: (H, W) uint8, index of `OUTCOMES`, VOID where nobody may judge.
    counts: (K, 4) int, pixels of each true class and outcome. scored: figures and confusion of "A" and "B".
    """

    truth: np.ndarray
    outcome: np.ndarray
    counts: np.ndarray
    scored: Scored

    @property
    def shares(self) -> np.ndarray:
        """(4,) float: the share of the judged pixels with each outcome; nan where nothing can be judged."""
        total = self.counts.sum()
        return self.counts.sum(0) / total if total else np.full(4, math.nan)

    @property
    def change(self) -> np.ndarray:
        """(K,) float: IoU of B minus that of A for each class; nan where a class is in neither truth nor one answer."""
        a, b = (np.array(self.scored.scores[name].iou) for name in "AB")
        return b - a


def judge(comparison: Comparison, truth: np.ndarray, classes: Sequence[str]) -> Judged:
    """Hold both answers against `truth` (H, W) uint8 in `classes`, 255 = void.

    Raises Incomparable where the truth's size is not the picture's, or where it has classes that have no place here.
    """
    if truth.shape != comparison.left.shape:
        raise Incomparable("The ground truth and the picture are not of one size.")
    shared = comparison.common
    if not shared.rest and set(classes) - set(shared.classes):
        raise Incomparable("The ground truth names classes that neither A nor B knows.")
    truth = shared.rename(truth, classes)
    right = [labels == truth for labels in (comparison.left, comparison.right)]
    outcome = np.where(right[0], np.where(right[1], BOTH_RIGHT, ONLY_A), np.where(right[1], ONLY_B, BOTH_WRONG))
    outcome = np.where(truth == VOID, VOID, outcome).astype(np.uint8)
    known, count = truth != VOID, len(shared.classes)
    joint = truth[known].astype(np.int64) * 4 + outcome[known]
    counts = np.bincount(joint, minlength=4 * count).reshape(count, 4)
    scored = score(truth, {"A": comparison.left, "B": comparison.right}, count)
    return Judged(truth, outcome, counts, scored)


def csv_text(comparison: Comparison, judged: Judged | None = None) -> str:
    """The numbers of a comparison with the columns figure, of A, of B, A, B, B minus A; shares from 0 to 1.

    A disagreement is a line with the two classes and, as A, its pixels and, as B, its share of the picture.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("figure", "class of A", "class of B", "A", "B", "B minus A"))
    writer.writerow(("name", "", "", *comparison.names, ""))
    writer.writerows(_lines(comparison, judged))
    writer.writerow(("disagreement", "class of A", "class of B", "pixels", "share", ""))
    classes = comparison.common.classes
    writer.writerows(("disagreement", classes[p.a], classes[p.b], p.pixels, round(p.share, 6), "")
                     for p in comparison.pairs)  # fmt: skip
    return out.getvalue()


def _lines(comparison: Comparison, judged: Judged | None) -> Iterator[tuple[str | float, ...]]:
    """A line for each figure that A and B both have."""
    for name, *values in zip(comparison.common.classes, *comparison.shares, strict=True):
        yield _line("share", name, *values)
    if judged is None:
        return
    scores = [judged.scored.scores[name] for name in "AB"]
    for figure in ("pixel_accuracy", "class_accuracy", "mean_iou", "mean_iou_truth_or_prediction", "fw_iou",
                   "boundary_accuracy"):  # fmt: skip
        yield _line(figure, "", *(getattr(s, figure) for s in scores))
    for i, name in enumerate(comparison.common.classes):
        yield _line("iou", name, *(s.iou[i] for s in scores))
    for name, share in zip(OUTCOMES, judged.shares, strict=True):
        yield (f"share, {name}", "", "", _number(share), "", "")


def _line(figure: str, name: str, a: float, b: float) -> tuple[str | float, ...]:
    return figure, name, name, _number(a), _number(b), _number(b - a)


def _number(value: float) -> str | float:
    return round(float(value), 6) if math.isfinite(value) else ""
