"""What a change of the picture does to the answer: labels, the probability of a class, mean IoU, and a stability curve.

References
1. Hendrycks and Dietterich 2019, section 4: the answer to a changed picture is held against the first one.
2. Long et al. 2015, section 5: intersection over union (`engine.metrics`).

Convention
----------
All maps lie in the frame of the first picture; pixels that left the frame are not compared. Differences are after minus
before: a positive number means that the change raised it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from engine import tensors
from engine.debug.answers import Answer, answer
from engine.debug.probe import Probe
from engine.metrics import Meter
from engine.trace import VOID


def chance(found: Answer, k: int) -> np.ndarray:
    """(H, W) float32: the probability of class `k` at each pixel."""
    logits = tensors.to_pixels(torch.from_numpy(found.logits)[None], found.rgb.shape[:2])[0]
    return (logits[k] - logits.logsumexp(0)).exp().numpy()


@dataclass(frozen=True, eq=False)
class Change:
    """The answers to a picture before and after a probe, both in its frame.

    known: (H, W) bool, pixels that are compared. watched: index of the class whose probability is looked at.
    """

    probe: Probe
    probed: np.ndarray
    before: Answer
    after: Answer
    known: np.ndarray
    watched: int

    @cached_property
    def differ(self) -> np.ndarray:
        """(H, W) bool: compared pixels whose label is another one."""
        return self.known & (self.before.labels != self.after.labels)

    @property
    def share(self) -> float:
        """The share of the compared pixels whose label is another one."""
        return float(self.differ.sum() / max(self.known.sum(), 1))

    @cached_property
    def chances(self) -> tuple[np.ndarray, np.ndarray]:
        """The watched class's probability (H, W) before and after."""
        return chance(self.before, self.watched), chance(self.after, self.watched)

    @cached_property
    def gain(self) -> np.ndarray:
        """(H, W) float32: by how much the watched class's probability rose; nan where that is not known."""
        before, after = self.chances
        return np.where(self.known, after - before, np.float32(np.nan))

    @cached_property
    def region(self) -> np.ndarray:
        """(H, W) bool: compared pixels that the first answer gave to the watched class; all where there is none."""
        own = self.known & (self.before.labels == self.watched)
        return own if own.any() else self.known

    def mean(self, where: np.ndarray | None = None) -> tuple[float, float]:
        """The watched class's mean probability before and after over `where` (H, W) bool, `region` if None; nan where
        no pixel of it is compared."""
        where = self.region if where is None else where & self.known
        return tuple(float(p[where].mean()) if where.any() else math.nan for p in self.chances)

    @cached_property
    def shares(self) -> np.ndarray:
        """(2, K) float: the share of the compared pixels that each class has, before and after."""
        count = len(self.before.classes)
        return np.array([np.bincount(x.labels[self.known], minlength=count)
                         for x in (self.before, self.after)]) / max(self.known.sum(), 1)  # fmt: skip

    @property
    def labels(self) -> np.ndarray:
        """(H, W) uint8: the labels after; VOID where nothing is compared."""
        return np.where(self.known, self.after.labels, VOID).astype(np.uint8)

    def truth(self, truth: np.ndarray) -> np.ndarray:
        """The ground truth (H, W), 255 = void, where it can be held against both answers; VOID elsewhere."""
        return np.where(self.known, truth, VOID).astype(np.uint8)


def changes(probe: Probe, before: Answer, after: Answer, probed: np.ndarray, watched: int) -> Change:
    """What `probe` did. before: the answer to the picture. after: that to `probed`, in the frame of `probed`.

    watched: index of a class.
    """
    back, known = probe.back(after, before.rgb)
    return Change(probe, probed, before, back, known, watched)


def mean_iou(truth: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """Mean intersection over union of labels (H, W) with `truth` (H, W), 255 = void; nan where nothing is known."""
    meter = Meter(classes)
    meter.add(truth, labels)
    return meter.scores().mean_iou


@dataclass(frozen=True)
class Point:
    """A point of a stability curve: shares from 0 to 1, `truth_iou` None where the truth is not known."""

    strength: float
    unchanged: float
    iou: float
    truth_iou: float | None


def curve(model: Any, before: Answer, probe: Probe, strengths: Sequence[float],
          truth: np.ndarray | None = None) -> Iterator[Point]:  # fmt: skip
    """The points of a stability curve one by one: the same probe at each of `strengths`.

    before: the first answer, of `model`. truth: (H, W) uint8, 255 = void. iou: of the labels with those of the first
    answer as the truth; truth_iou: with `truth`.
    """
    count = len(before.classes)
    for strength in strengths:
        at = replace(probe, strength=strength)
        probed = at.apply(before.rgb)
        found = changes(at, before, answer(model, probed, before.variant), probed, 0)
        iou = mean_iou(found.truth(before.labels), found.after.labels, count)
        known = None if truth is None else mean_iou(found.truth(truth), found.after.labels, count)
        yield Point(strength, 1 - found.share, iou, known)
