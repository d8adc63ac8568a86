"""A Trace held against the truth: two more steps, the figures of each variant, and where the errors lie.

References
1. Lecture slide 43: pixel accuracy, or intersection over union for each class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.metrics import BAND, Meter, Scores
from engine.trace import VOID, Layer, Step, Trace


@dataclass(frozen=True, eq=False)
class Scored:
    """Figures of one picture: for each variant its `Scores` and its (K, K) confusion matrix, rows the truth."""

    scores: dict[str, Scores]
    confusion: dict[str, np.ndarray]


def score(truth: np.ndarray, predictions: dict[str, np.ndarray], classes: int, width: float = BAND) -> Scored:
    """Hold the labels (H, W) of each variant against `truth` (H, W), 255 = void; `width` of the boundary in pixels."""
    meters = {}
    for name, labels in predictions.items():
        meters[name] = Meter(classes, width)
        meters[name].add(truth, labels)
    return Scored({k: m.scores() for k, m in meters.items()}, {k: m.matrix for k, m in meters.items()})


def with_truth(trace: Trace, truth: np.ndarray, labels: np.ndarray, band: np.ndarray) -> Trace:
    """The Trace with two more steps: the ground truth (H, W), and where `labels` (H, W) differ from it.

    band: (H, W) bool, `engine.metrics.boundary_band` of the truth at its usual width: the same for all answers.
    """
    wrong = (labels != truth) & (truth != VOID)
    known = int((truth != VOID).sum())
    photo = Layer("image", "picture", trace.image)
    near = int((wrong & band).sum()) / max(int(wrong.sum()), 1)
    errors = "No pixel can be judged: the truth is void everywhere."
    if known:
        errors = (f"{100 * wrong.sum() / known:.1f} % of the pixels are wrong; {100 * near:.0f} % of the errors lie "
                  f"within {BAND:.0f} pixels of a boundary.")  # fmt: skip
    steps = (
        Step("Ground truth", "What each pixel is said to be; pixels without a label do not count.",
             (photo, Layer("labels", "ground truth", truth))),
        Step("Errors", errors, (photo, Layer("mask", "wrong pixels", wrong))),
    )  # fmt: skip
    return replace(trace, steps=trace.steps + steps)
