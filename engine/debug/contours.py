"""Boundary F-score: do the outlines lie where the truth has them, at several widths of tolerance?

References
1. Csurka, Larlus and Perronnin 2013, "What is a good evaluation measure for semantic segmentation?", section 3: for
   each class precision and recall of the contour of its binary map, F1 from the two, then the mean over the classes.
2. Martin, Fowlkes and Malik 2004: the boundary measure of BSDS, which it comes from; there each boundary pixel may be
   matched only once, here (as in reference 1) a pixel counts as found wherever the other contour is near enough.
3. Lecture slide 43.

Convention
----------
The contour of class c: judged pixels of c that have a judged neighbour (4-connected) of another class. Distances lie
between pixel centres; near enough is at most the width, in pixels of the picture.
Void: a border of at most 2 * REACH pixels only says that nobody knows just where a contour runs, so there the truth
counts as the known class nearest to it (VOC's borders have 5). Wider void, what a disc of radius REACH fits into and
its corners, is not judged: it has no contour, makes none beside it, and hides those of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from engine.trace import VOID

WIDTHS = (1, 2, 3, 5, 10)  # pixels
REACH = 5  # pixels: half of the widest border of void that counts as a border


@dataclass(frozen=True, eq=False)
class BoundaryF:
    """widths: W of them, in pixels. precision, recall, f: (K, W) from 0 to 1, nan where there is nothing to judge.

    f is 0 for a class with a contour in only one of truth and answer. mean: (W,) of f over classes whose truth has one.
    """

    widths: tuple[int, ...]
    precision: np.ndarray
    recall: np.ndarray
    f: np.ndarray
    mean: np.ndarray


def boundary_f(truth: np.ndarray, labels: np.ndarray, classes: int, widths: tuple[int, ...] = WIDTHS) -> BoundaryF:
    """Hold the contours of `labels` (H, W) against those of `truth` (H, W) uint8, 255 = void."""
    filled, judged = settled(truth)
    shape = (classes, len(widths))
    precision, recall, f = (np.full(shape, np.nan) for _ in range(3))
    true_edge, called_edge = contour(filled, judged), contour(labels, judged)
    present = []
    for k in range(classes):
        true, called = (np.argwhere(edge & (x == k)) for edge, x in ((true_edge, filled), (called_edge, labels)))
        if len(true):
            present.append(k)
        if len(true) or len(called):
            precision[k], recall[k] = _near(called, true, widths), _near(true, called, widths)
            both = np.nan_to_num(precision[k]) + np.nan_to_num(recall[k])
            f[k] = np.divide(2 * precision[k] * recall[k], both, out=np.zeros(len(widths)), where=both > 0)
    mean = f[present].mean(0) if present else np.full(len(widths), np.nan)
    return BoundaryF(tuple(widths), precision, recall, f, mean)


def settled(truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The truth (H, W) with void filled by the nearest known class, and (H, W) bool: what is judged (Convention)."""
    void = truth == VOID
    if not void.any() or void.all():
        return truth, ~void
    nearest = distance_transform_edt(void, return_distances=False, return_indices=True)
    core = distance_transform_edt(void) > REACH
    wide = void & (distance_transform_edt(~core) <= 1.5 * REACH) if core.any() else core
    return truth[tuple(nearest)], ~wide


def contour(labels: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """(H, W) bool: the contours of all classes of `labels` (H, W) together."""
    edge = np.zeros(labels.shape, bool)
    for a, b in (((slice(None), slice(1, None)), (slice(None), slice(None, -1))), (slice(1, None), slice(None, -1))):
        change = (labels[a] != labels[b]) & judged[a] & judged[b]
        edge[a] |= change
        edge[b] |= change
    return edge


def _near(points: np.ndarray, others: np.ndarray, widths: tuple[int, ...]) -> np.ndarray:
    """(W,) share of `points` (N, 2) with one of `others` (M, 2) at most each width away; nan for no points."""
    if not len(points):
        return np.full(len(widths), np.nan)
    if not len(others):
        return np.zeros(len(widths))
    distance, _ = cKDTree(others).query(points, distance_upper_bound=max(widths) + 0.5)
    return (distance[:, None] <= np.array(widths)).mean(0)
