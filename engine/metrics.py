"""How a segmentation is scored: confusion matrix, accuracies, intersection over union, accuracy near boundaries.

References
1. Long et al. 2015, section 5: pixel accuracy, mean accuracy, mean IU, frequency-weighted IU from n_ij.
2. Kohli, Ladicky and Torr 2009, "Robust Higher Order Potentials", section 5: accuracy in a band around boundaries.
3. Lecture slide 43: "how is it scored?"

Convention
----------
Labels are (H, W) integers below K; 255 is void: no such pixel of the truth counts anywhere.
Rows of a confusion matrix are the truth, columns the prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from engine.trace import VOID

BAND = 5.0  # pixels on each side of a boundary


def confusion(truth: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(K, K) int64 counts n_ij of pixels of true class i that were called j.

    Raises ValueError on unequal shapes, and where a label that counts is not below `classes`.
    """
    if truth.shape != labels.shape:
        raise ValueError(f"The truth is {truth.shape[::-1]} and the labels are {labels.shape[::-1]}.")
    known = truth != VOID
    if known.any() and max(truth[known].max(), labels[known].max()) >= classes:
        raise ValueError(f"There are labels outside the {classes} classes.")
    joint = truth[known].astype(np.int64) * classes + labels[known]
    return np.bincount(joint, minlength=classes * classes).reshape(classes, classes)


def boundary_band(truth: np.ndarray, width: float = BAND) -> np.ndarray:
    """(H, W) bool: known pixels less than `width` pixels, centre to centre, from a pixel that touches a boundary.

    So a straight boundary has `width` pixels on each side. A boundary lies between two neighbours (4-connected) of
    different classes. Void counts as the known class nearest to it, so that the contour which VOC hides below a border
    of void runs along the middle of that border.
    """
    known = truth != VOID
    if not known.any():
        return known
    if not known.all():
        truth = truth[tuple(distance_transform_edt(~known, return_distances=False, return_indices=True))]
    edge = np.zeros(truth.shape, bool)
    across, down = truth[:, 1:] != truth[:, :-1], truth[1:] != truth[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    if not edge.any():
        return edge
    return (distance_transform_edt(~edge) < width) & known


@dataclass(frozen=True)
class Scores:
    """Figures of one or many pictures, each a share from 0 to 1; nan where nothing could be judged.

    mean_iou: over the classes that occur in the truth, so that a false alarm of another class costs nothing of its own.
    """

    pixel_accuracy: float
    class_accuracy: float
    mean_iou: float
    fw_iou: float
    boundary_accuracy: float
    iou: tuple[float, ...]  # of each class, nan where it occurs in neither truth nor prediction

    @property
    def mean_iou_truth_or_prediction(self) -> float:
        """Mean IoU over the classes that occur in truth or prediction: one that was called and is not there counts 0.

        No field, so that the figures that models' cards hold stay what they were.
        """
        return _mean(np.array([iou for iou in self.iou if not np.isnan(iou)]))


class Meter:
    """Adds up pictures; `scores` gives the figures over all their pixels together, as the papers do."""

    def __init__(self, classes: int, width: float = BAND) -> None:
        self.matrix = np.zeros((classes, classes), np.int64)
        self.width = width
        self.band = np.zeros(2, np.int64)  # right pixels, all pixels near boundaries

    def add(self, truth: np.ndarray, labels: np.ndarray) -> None:
        """Count one picture: two (H, W) label maps."""
        self.matrix += confusion(truth, labels, len(self.matrix))
        band = boundary_band(truth, self.width)
        self.band += (int((truth[band] == labels[band]).sum()), int(band.sum()))

    def scores(self) -> Scores:
        """The figures of reference 1 and the boundary accuracy of reference 2. Classes without truth do not count."""
        matrix = self.matrix.astype(float)
        hit, true, called = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            recall, iou = hit / true, hit / (true + called - hit)
            present = true > 0
            total = true.sum()
            return Scores(
                pixel_accuracy=float(hit.sum() / total),
                class_accuracy=_mean(recall[present]),
                mean_iou=_mean(iou[present]),
                fw_iou=float((true[present] * iou[present]).sum() / total),
                boundary_accuracy=float(self.band[0] / self.band[1]) if self.band[1] else float("nan"),
                iou=tuple(iou),
            )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
