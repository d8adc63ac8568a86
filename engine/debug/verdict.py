"""All that can be known of an answer once there is a ground truth: figures, confusions, calibration, worst regions.

References
1. Long et al. 2015, section 5: accuracies and IU (`engine.metrics`); lecture slide 43.
2. Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks", equations 2 to 5: bins of equal
   width of the confidence, (low, high], and the expected calibration error.
3. Csurka et al. 2013: boundary F-scores (`engine.debug.contours`).

Convention
----------
Rows of a confusion matrix are the truth, columns the prediction. Void of the truth (255) counts nowhere.
Boxes are (x0, y0, x1, y1) in the image's pixel frame (`engine.trace`): outer edges of the pixels they hold.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects
from skimage.measure import label

from engine.debug.contours import WIDTHS, BoundaryF, boundary_f
from engine.debug.onnx_spec import unique
from engine.metrics import Meter, Scores
from engine.trace import VOID

BINS = 15  # of the calibration curve, as in reference 2
WORST = 30  # regions that are listed


@dataclass(frozen=True, eq=False)
class Calibration:
    """Bins of equal width of the confidence: pixels in each, mean confidence and accuracy there (nan in empty ones).

    ece: expected calibration error, a share; nan where no pixel is known.
    """

    pixels: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    ece: float


@dataclass(frozen=True)
class Region:
    """Connected wrong pixels of one true class that got one other name. box: see Convention. area: in pixels."""

    box: tuple[int, int, int, int]
    area: int
    true: int
    called: int


@dataclass(frozen=True, eq=False)
class Verdict:
    """What holds of one answer. matrix: (K, K) int64 (Convention). precision, recall: (K,), nan for 0 / 0.

    regions: the largest first, `WORST` at most. errors: how many there are in all.
    """

    matrix: np.ndarray
    scores: Scores
    precision: np.ndarray
    recall: np.ndarray
    boundary: BoundaryF
    calibration: Calibration
    regions: tuple[Region, ...]
    errors: int


def verdict(truth: np.ndarray, labels: np.ndarray, certainty: np.ndarray, classes: int,
            widths: tuple[int, ...] = WIDTHS) -> Verdict:  # fmt: skip
    """Judge `labels` (H, W) by `truth` (H, W), 255 = void. certainty: (H, W), probability of the class that won.

    Raises ValueError on unequal shapes, and where a label that counts is not below `classes`.
    """
    meter = Meter(classes)
    meter.add(truth, labels)
    matrix = meter.matrix
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = matrix.diagonal() / matrix.sum(0), matrix.diagonal() / matrix.sum(1)
    found = regions(truth, labels)
    return Verdict(matrix, meter.scores(), precision, recall, boundary_f(truth, labels, classes, widths),
                   calibration(truth, labels, certainty), found[:WORST], len(found))  # fmt: skip


def calibration(truth: np.ndarray, labels: np.ndarray, certainty: np.ndarray, bins: int = BINS) -> Calibration:
    """How far the probability of the winning class (H, W) says how often it is right (reference 2)."""
    known = truth != VOID
    right, sure = (truth == labels)[known], certainty[known].astype(float)
    index = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    pixels = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence, accuracy = (np.bincount(index, x, minlength=bins) / pixels for x in (sure, right))
    gaps = np.nan_to_num(np.abs(accuracy - confidence))
    return Calibration(pixels, confidence, accuracy, float((pixels * gaps).sum() / known.sum())
                       if known.any() else float("nan"))  # fmt: skip


def regions(truth: np.ndarray, labels: np.ndarray) -> tuple[Region, ...]:
    """All connected (4) regions of wrong pixels of one true and one called class, the largest first."""
    joint = np.where((truth != VOID) & (truth != labels), truth.astype(np.int32) * 256 + labels, -1)
    parts = label(joint, background=-1, connectivity=1)
    areas = np.bincount(parts.ravel())
    found = []
    for i, (rows, columns) in enumerate(find_objects(parts), 1):
        inside = parts[rows, columns] == i
        true, called = divmod(int(joint[rows, columns][inside][0]), 256)
        found.append(Region((columns.start, rows.start, columns.stop, rows.stop), int(areas[i]), true, called))
    return tuple(sorted(found, key=lambda region: (-region.area, region.box)))


def cell(truth: np.ndarray, labels: np.ndarray, true: int, called: int) -> np.ndarray:
    """(H, W) bool: the pixels that one cell of the confusion matrix counts."""
    return (truth == true) & (labels == called)


def class_csv(found: Verdict, classes: tuple[str, ...]) -> str:
    """A row for each class: pixels of truth and answer, hits, IoU, precision, recall, boundary F at each width."""
    head = ("class", "true pixels", "called pixels", "true positives", "iou", "precision", "recall",
            *(f"boundary f {width} px" for width in found.boundary.widths))  # fmt: skip
    true, called, hits = found.matrix.sum(1), found.matrix.sum(0), found.matrix.diagonal()
    rows = [(name, true[k], called[k], hits[k], found.scores.iou[k], found.precision[k], found.recall[k],
             *found.boundary.f[k]) for k, name in enumerate(unique(classes))]  # fmt: skip
    return _csv(head, rows)


def confusion_csv(matrix: np.ndarray, classes: tuple[str, ...]) -> str:
    """The confusion matrix (K, K) in pixels: rows the truth, columns the prediction."""
    names = unique(classes)
    return _csv(("truth, called", *names), [(name, *row) for name, row in zip(names, matrix, strict=True)])


def _csv(head: tuple[str, ...], rows: list[tuple]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([_number(x) for x in row] for row in rows)
    return out.getvalue()


def _number(value: object) -> object:
    """Shares to six digits, and nothing where there is no number."""
    if isinstance(value, float):
        return "" if np.isnan(value) else round(float(value), 6)
    return value
