"""Figures of segmentation against scikit-learn and against loops."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as oracle

from engine.metrics import Meter, boundary_band, confusion
from engine.trace import VOID

K = 4
shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))
labels = st.integers(0, K - 1)
truths = st.one_of(labels, labels, labels, st.just(VOID))


@st.composite
def pairs(draw):
    shape = draw(shapes)
    return draw(arrays(np.uint8, shape, elements=truths)), draw(arrays(np.uint8, shape, elements=labels))


@given(pairs())
def test_confusion_and_figures_are_those_of_scikit_learn(pair):
    truth, called = pair
    known = truth != VOID
    meter = Meter(K)
    meter.add(truth, called)
    if not known.any():
        assert math.isnan(meter.scores().pixel_accuracy)
        assert math.isnan(meter.scores().mean_iou)
        assert math.isnan(meter.scores().mean_iou_truth_or_prediction)
        return
    t, c, present = truth[known], called[known], np.unique(truth[known])
    assert np.array_equal(meter.matrix, oracle.confusion_matrix(t, c, labels=range(K)))
    scores = meter.scores()
    assert scores.pixel_accuracy == pytest.approx(oracle.accuracy_score(t, c))
    assert scores.class_accuracy == pytest.approx(oracle.recall_score(t, c, labels=present, average="macro"))
    assert scores.mean_iou == pytest.approx(oracle.jaccard_score(t, c, labels=present, average="macro"))
    assert scores.fw_iou == pytest.approx(oracle.jaccard_score(t, c, labels=present, average="weighted"))
    both = np.union1d(t, c)
    over_both = oracle.jaccard_score(t, c, labels=both, average="macro")
    assert scores.mean_iou_truth_or_prediction == pytest.approx(over_both)
    assert np.allclose(np.array(scores.iou)[both], oracle.jaccard_score(t, c, labels=both, average=None))
    assert all(math.isnan(scores.iou[k]) for k in set(range(K)) - set(both.tolist()))


def test_a_false_alarm_costs_one_of_the_two_mean_ious():
    truth = np.zeros((10, 10), np.uint8)
    called = truth.copy()
    called[:2] = 1
    meter = Meter(3)
    meter.add(truth, called)
    assert meter.scores().mean_iou == pytest.approx(0.8)
    assert meter.scores().mean_iou_truth_or_prediction == pytest.approx(0.4)


def looped_fill(truth: np.ndarray) -> np.ndarray:
    """Void as the nearest known class, pixel by pixel; assumes that no two classes are equally near."""
    known = [(y, x) for y, x in np.ndindex(truth.shape) if truth[y, x] != VOID]
    filled = truth.copy()
    for y, x in np.ndindex(truth.shape):
        if truth[y, x] == VOID and known:
            nearest = min((y - v) ** 2 + (x - u) ** 2 for v, u in known)
            classes = {truth[v, u] for v, u in known if (y - v) ** 2 + (x - u) ** 2 == nearest}
            assume(len(classes) == 1)
            filled[y, x] = classes.pop()
    return filled


def looped_band(truth: np.ndarray, width: float) -> np.ndarray:
    """The definition, pixel by pixel."""
    (h, w), filled, touching = truth.shape, looped_fill(truth), []
    for y, x in np.ndindex(truth.shape):
        for v, u in ((y, x + 1), (y + 1, x), (y, x - 1), (y - 1, x)):
            if 0 <= v < h and 0 <= u < w and filled[y, x] != filled[v, u]:
                touching.append((y, x))
    near = np.zeros(truth.shape, bool)
    for y, x in np.ndindex(truth.shape):
        near[y, x] = truth[y, x] != VOID and any(math.hypot(y - v, x - u) < width for v, u in touching)
    return near


@settings(max_examples=60)
@given(arrays(np.uint8, shapes, elements=st.one_of(st.integers(0, 1), st.just(VOID))), st.integers(1, 6))
def test_boundary_band_is_its_definition(truth, width):
    assert np.array_equal(boundary_band(truth, width), looped_band(truth, width))


@pytest.mark.parametrize("width", [1, 3, 5])
def test_a_straight_boundary_has_as_many_pixels_on_each_side(width):
    truth = np.zeros((8, 40), np.uint8)
    truth[:, 20:] = 1
    columns = np.flatnonzero(boundary_band(truth, width).all(0))
    assert columns.tolist() == list(range(20 - width, 20 + width))


def test_a_contour_below_a_border_of_void_is_found():
    """As in VOC: object, five pixels of void, background."""
    truth = np.zeros((9, 41), np.uint8)
    truth[:, 21:] = 1
    truth[:, 18:23] = VOID  # its middle, column 20, is as near to both sides
    columns = set(np.flatnonzero(boundary_band(truth, 5).all(0)))
    assert columns in ({15, 16, 17, 23, 24}, {16, 17, 23, 24, 25})


@pytest.mark.parametrize("truth", [np.zeros((5, 5), np.uint8), np.full((5, 5), VOID, np.uint8),
                                   np.array([[0, VOID, 0]] * 3, np.uint8)])  # fmt: skip
def test_no_boundary_no_band(truth):
    assert not boundary_band(truth).any()
    meter = Meter(2)
    meter.add(truth, np.zeros_like(truth))
    assert math.isnan(meter.scores().boundary_accuracy)


@given(pairs(), pairs())
def test_pictures_add_up_pixel_by_pixel(one, two):
    together = Meter(K)
    for truth, called in (one, two):
        together.add(truth, called)
    assert np.array_equal(together.matrix, confusion(*one, K) + confusion(*two, K))
    bands = [boundary_band(truth) for truth, _ in (one, two)]
    right = sum(int((t == c)[b].sum()) for (t, c), b in zip((one, two), bands, strict=True))
    assert together.band.tolist() == [right, sum(int(b.sum()) for b in bands)]


def test_what_is_void_never_counts():
    truth = np.array([[0, 1, VOID, VOID]], np.uint8)
    a, b = Meter(2), Meter(2)
    a.add(truth, np.array([[0, 1, 0, 0]], np.uint8))
    b.add(truth, np.array([[0, 1, 1, 1]], np.uint8))
    assert a.scores() == b.scores()
    assert a.scores().pixel_accuracy == 1


def test_labels_outside_and_unequal_sizes_are_refused():
    with pytest.raises(ValueError, match="outside the 2 classes"):
        confusion(np.zeros((2, 2), np.uint8), np.full((2, 2), 2, np.uint8), 2)
    with pytest.raises(ValueError, match="outside"):
        confusion(np.full((2, 2), 3, np.uint8), np.zeros((2, 2), np.uint8), 2)
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        confusion(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), 2)
