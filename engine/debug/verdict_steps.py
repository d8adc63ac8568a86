"""A verdict as steps of a Trace: truth, errors, one class, one confusion, how sure it was, and the worst regions.

References
1. Lecture slides 43 and 59: answer and ground truth side by side.

Convention
----------
Signed heat: -1 where the class was missed (false negative), +1 where it was called and is not (false positive).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.debug.answers import Answer
from engine.debug.onnx_spec import unique
from engine.debug.verdict import Verdict, cell
from engine.segmentation.scoring import with_truth
from engine.trace import VOID, Layer, Step, Table, Trace

LABELS, TRUTH, ERRORS, CLASS, CONFUSION, SURE, WORST = range(7)  # indices of the steps of `with_verdict(labelled(...))`
FIGURES = ("pixel_accuracy", "class_accuracy", "mean_iou", "mean_iou_truth_or_prediction")  # of `engine.metrics.Scores`
CONFUSIONS = 15  # rows of the table of confusions


@dataclass(frozen=True)
class Focus:
    """What is looked at closely: a cell of the confusion matrix (true, called) and a region of the verdict's, if any.

    The class of the step "One class" is `true`.
    """

    true: int = 0
    called: int = 0
    region: int | None = None


def labelled(answer: Answer, found: Verdict | None = None) -> Trace:
    """A Trace of one step: what the model says, and the headline of the verdict where there is one."""
    words = f"What {answer.card['name']} says ({answer.variant})."
    if found is not None:
        pixel, by_class, iou, either = (_percent(getattr(found.scores, name)) for name in FIGURES)
        words = (f"Right: {pixel} of the pixels, {by_class} over the classes. Mean IoU {iou} over the classes in the "
                 f"truth, {either} over those in truth or answer.")  # fmt: skip
    step = Step("Labels", words, (_photo(answer), answer.layer()))
    return Trace(answer.rgb, answer.card, (step,), answer.classes, answer.colours)


def worst_confusion(matrix: np.ndarray) -> tuple[int, int]:
    """(true, called) of the cell with most wrong pixels of a confusion matrix (K, K)."""
    wrong = matrix - np.diag(matrix.diagonal())
    return tuple(int(i) for i in np.unravel_index(wrong.argmax(), wrong.shape))


def confusions(matrix: np.ndarray) -> list[tuple[int, int]]:
    """(true, called) of the cells of a confusion matrix (K, K) that count errors, the most frequent first."""
    wrong = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
    return [tuple(map(int, np.unravel_index(i, wrong.shape))) for i in order]


def occurring(matrix: np.ndarray) -> list[int]:
    """The classes that occur in truth or answer, most true pixels first."""
    both = matrix.sum(1) + matrix.sum(0)
    return [int(k) for k in np.lexsort((-both, -matrix.sum(1))) if both[k]]


def with_verdict(trace: Trace, answer: Answer, truth: np.ndarray, found: Verdict, band: np.ndarray,
                 focus: Focus) -> Trace:  # fmt: skip
    """The Trace with six more steps that hold `answer` against `truth` (H, W), 255 = void.

    band: (H, W) bool, `engine.metrics.boundary_band` of the truth. focus: what two of the steps show alone.
    """
    trace = with_truth(trace, truth, answer.labels, band)
    steps = (
        _one_class(answer, truth, found, focus.true),
        _confusion(answer, truth, found, focus),
        _sure(answer, truth, found),
        _worst(answer, truth, found, focus.region),
    )
    return replace(trace, steps=trace.steps + steps)


def _one_class(answer: Answer, truth: np.ndarray, found: Verdict, k: int) -> Step:
    known, true, called = truth != VOID, truth == k, answer.labels == k
    hit, extra, missed = true & called, known & called & ~true, true & ~called
    names = unique(answer.classes)
    words = (f"{names[k]}: {hit.sum():,} pixels found, {missed.sum():,} missed (blue), {extra.sum():,} too "
             f"many (orange). IoU {_percent(found.scores.iou[k])}.")  # fmt: skip
    layers = (
        _photo(answer),
        Layer("heat", "missed (-1) and too many (+1)", extra.astype(np.float32) - missed, range=(-1.0, 1.0)),
        Layer("mask", "true positives", hit),
    )
    rows = tuple((names[i], _share(found.precision[i]), _share(found.recall[i]), _share(found.scores.iou[i]))
                 for i in occurring(found.matrix))  # fmt: skip
    return Step("One class", words, layers, Table(("class", "precision", "recall", "IoU"), rows))


def _confusion(answer: Answer, truth: np.ndarray, found: Verdict, focus: Focus) -> Step:
    names, matrix, pixels = unique(answer.classes), found.matrix, cell(truth, answer.labels, focus.true, focus.called)
    share = 100 * matrix[focus.true, focus.called] / max(int(matrix[focus.true].sum()), 1)
    words = (f"{matrix[focus.true, focus.called]:,} pixels of {names[focus.true]} were called {names[focus.called]}: "
             f"{share:.1f} % of {names[focus.true]}.")  # fmt: skip
    rows = tuple((names[t], names[c], int(matrix[t, c])) for t, c in confusions(matrix)[:CONFUSIONS])
    layers = (_photo(answer), Layer("mask", "pixels of this cell", pixels))
    return Step("Confusion", words, layers, Table(("true", "called", "pixels"), rows))


def _sure(answer: Answer, truth: np.ndarray, found: Verdict) -> Step:
    wrong = (answer.labels != truth) & (truth != VOID)
    words = f"Expected calibration error {_percent(found.calibration.ece)}."
    if wrong.any():
        words = f"Where it is wrong it is {_percent(float(answer.certainty[wrong].mean()))} sure on average. {words}"
    heat = np.where(wrong, answer.certainty, 0).astype(np.float32)
    return Step("Sure and wrong", words, (_photo(answer), Layer("heat", "certainty of errors", heat, range=(0.0, 1.0),
                                                                unit="probability")))  # fmt: skip


def _worst(answer: Answer, truth: np.ndarray, found: Verdict, chosen: int | None) -> Step:
    names = unique(answer.classes)
    rows = tuple((names[r.true], names[r.called], r.area) for r in found.regions)
    if not rows:
        return Step("Worst regions", "No pixel is wrong.", (_photo(answer),))
    region = found.regions[chosen or 0]
    words = (f"{'The largest' if not chosen else f'Number {chosen + 1}'} of {found.errors:,}: {region.area:,} pixels "
             f"of {names[region.true]}, called {names[region.called]}.")  # fmt: skip
    others = [r.box for r in found.regions if r is not region]
    x0, y0, x1, y1 = region.box
    wrong = np.zeros(truth.shape, bool)
    wrong[y0:y1, x0:x1] = cell(truth, answer.labels, region.true, region.called)[y0:y1, x0:x1]
    layers = [
        _photo(answer),
        Layer("mask", "its pixels", wrong),
        Layer("boxes", "this region", np.array([region.box], np.float32)),
    ]
    if others:
        layers.insert(1, Layer("boxes", "other regions", np.array(others, np.float32), attributes={"on": 0}))
    return Step("Worst regions", words, tuple(layers), Table(("true", "called", "pixels"), rows))


def _photo(answer: Answer) -> Layer:
    return Layer("image", "picture", answer.rgb)


def _share(value: float) -> float | str:
    return "" if np.isnan(value) else round(float(value), 3)


def _percent(value: float) -> str:
    return "unknown" if np.isnan(value) else f"{100 * value:.1f} %"
