"""What can be taken away of a verdict beside its Trace."""

from __future__ import annotations

import numpy as np

from engine import exports
from engine.debug import verdict
from engine.debug.answers import Answer
from engine.debug.verdict import Verdict
from pages.kit.page import Offer


def offers(answer: Answer, truth: np.ndarray, found: Verdict) -> tuple[Offer, ...]:
    """What can be taken away beside the Trace."""
    return (
        ("Classes (CSV)", "classes.csv", "text/csv", lambda: verdict.class_csv(found, answer.classes)),
        ("Confusion matrix (CSV)", "confusion.csv", "text/csv",
         lambda: verdict.confusion_csv(found.matrix, answer.classes)),
        ("Ground truth (indexed PNG)", "truth.png", "image/png", lambda: exports.indexed_png(truth, answer.colours)),
    )  # fmt: skip
