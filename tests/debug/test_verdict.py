"""The verdict against plain loops: boundary F, calibration, regions, cells; void counts nowhere."""

from __future__ import annotations

import csv
import io
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import exports, render
from engine.debug import contours, verdict_steps
from engine.debug.answers import answer
from engine.debug.contours import REACH, boundary_f, settled
from engine.debug.verdict import calibration, cell, class_csv, confusion_csv, regions, verdict
from engine.debug.verdict_steps import Focus, labelled, with_verdict, worst_confusion
from engine.metrics import boundary_band, confusion
from engine.trace import VOID

K = 4


def pair(seed: int, shape=(17, 23), void: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A blocky truth and an answer that differs here and there."""
    dice = np.random.default_rng(seed)
    small = dice.integers(0, K, (5, 6)).astype(np.uint8)
    truth = np.kron(small, np.ones((4, 4), np.uint8))[: shape[0], : shape[1]]
    labels = np.roll(truth, dice.integers(-2, 3), 1)
    labels[4:9, 6:12] = dice.integers(0, K)
    truth = truth.copy()
    truth[dice.random(truth.shape) < void] = VOID
    return truth, labels


def edge_points(labels: np.ndarray, k: int, judged: np.ndarray) -> list[tuple[int, int]]:
    """Pixels of class k with a neighbour of another class, both judged, by loops."""
    (height, width), found = labels.shape, []
    for i, j in itertools.product(range(height), range(width)):
        if labels[i, j] != k or not judged[i, j]:
            continue
        around = [(i + a, j + b) for a, b in ((0, 1), (0, -1), (1, 0), (-1, 0))]
        if any(0 <= y < height and 0 <= x < width and labels[y, x] != k and judged[y, x] for y, x in around):
            found.append((i, j))
    return found


def share_near(points: list, others: list, width: float) -> float:
    if not points:
        return math.nan
    return sum(any(math.dist(p, q) <= width for q in others) for p in points) / len(points)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.1]))
def test_boundary_f_equals_loops(seed, void):
    truth, labels = pair(seed, void=void)
    widths = (1, 2, 3)
    got = boundary_f(truth, labels, K, widths)
    filled, judged = settled(truth)
    means = []
    for k in range(K):
        true, called = edge_points(filled, k, judged), edge_points(labels, k, judged)
        row = []
        for w, width in enumerate(widths):
            p, r = share_near(called, true, width), share_near(true, called, width)
            f = 2 * p * r / (p + r) if p + r > 0 else 0.0
            if not true and not called:
                f = math.nan
            assert np.allclose([got.precision[k, w], got.recall[k, w], got.f[k, w]], [p, r, f], equal_nan=True)
            row.append(f)
        if true:
            means.append(row)
    assert np.allclose(got.mean, np.mean(means, 0) if means else np.nan, equal_nan=True)


def test_boundary_f_of_a_shifted_edge_is_known_by_hand():
    truth, labels = (np.zeros((9, 20), np.uint8) for _ in range(2))
    truth[:, 10:], labels[:, 13:] = 1, 1  # three pixels too far
    got = boundary_f(truth, labels, 2, (2, 3))
    assert got.mean.tolist() == [0, 1]
    assert boundary_f(truth, truth, 2).mean.tolist() == [1] * 5
    none = boundary_f(truth, np.zeros_like(truth), 2)
    assert np.isnan(none.precision).all()
    assert (none.f == 0).all()
    assert np.isnan(boundary_f(np.full((9, 9), VOID, np.uint8), np.zeros((9, 9), np.uint8), 2).mean).all()


def test_a_thin_border_of_void_hides_a_contour_and_wide_void_has_none():
    truth, labels = (np.zeros((60, 60), np.uint8) for _ in range(2))
    truth[:, 30:], labels[:, 30:] = 1, 1
    truth[:, 28:33] = VOID  # as in VOC: five pixels, and the contour runs in their middle
    assert boundary_f(truth, labels, 2, (1, 2)).mean.tolist() == [1, 1]
    thing = np.zeros((60, 60), np.uint8)
    thing[15:45, 15:45] = VOID  # an unlabelled thing: whatever is said about it is no error
    labels = np.where(thing == VOID, 1, 0).astype(np.uint8)
    filled, judged = settled(thing)
    assert not filled.any()
    assert np.array_equal(judged, thing != VOID)
    assert not contours.contour(labels, judged).any()
    assert 2 * REACH == 10


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20))
def test_calibration_equals_loops(seed, bins):
    truth, labels = pair(seed, void=0.2)
    sure = np.random.default_rng(seed).random(truth.shape).astype(np.float32)
    sure[:2] = np.float32(1.0)
    got = calibration(truth, labels, sure, bins)
    gap, total = 0.0, int((truth != VOID).sum())
    for b in range(bins):
        inside = [(float(s), t == k) for s, t, k in zip(sure.flat, truth.flat, labels.flat, strict=True)
                  if t != VOID and (b / bins < float(s) <= (b + 1) / bins or (b == 0 and s == 0))]  # fmt: skip
        assert got.pixels[b] == len(inside)
        if inside:
            confidence, accuracy = np.mean([s for s, _ in inside]), np.mean([r for _, r in inside])
            assert np.isclose(got.confidence[b], confidence)
            assert np.isclose(got.accuracy[b], accuracy)
            gap += abs(confidence - accuracy) * len(inside)
    assert np.isclose(got.ece, gap / total)


def test_calibration_by_hand():
    truth, labels = np.array([[0, 0, 0, VOID]], np.uint8), np.array([[0, 0, 1, 1]], np.uint8)
    got = calibration(truth, labels, np.array([[0.95, 0.95, 0.55, 0.1]]), 10)
    assert got.ece == pytest.approx((2 * 0.05 + 0.55) / 3)
    assert math.isnan(calibration(np.full((2, 2), VOID), labels[:, :2].repeat(2, 0), np.ones((2, 2))).ece)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_regions_equal_a_flood_fill(seed):
    truth, labels = pair(seed, void=0.15)
    left = {(i, j) for i, j in np.argwhere((truth != VOID) & (truth != labels)).tolist()}
    wanted = []
    while left:
        first = left.pop()
        kind, heap, inside = (truth[first], labels[first]), [first], [first]
        while heap:
            i, j = heap.pop()
            for near in ((i, j + 1), (i, j - 1), (i + 1, j), (i - 1, j)):
                if near in left and (truth[near], labels[near]) == kind:
                    left.remove(near)
                    heap.append(near)
                    inside.append(near)
        ys, xs = zip(*inside, strict=True)
        wanted.append(((min(xs), min(ys), max(xs) + 1, max(ys) + 1), len(inside), *map(int, kind)))
    got = [(r.box, r.area, r.true, r.called) for r in regions(truth, labels)]
    assert sorted(got) == sorted(wanted)
    assert [g[1] for g in got] == sorted((g[1] for g in got), reverse=True)


def test_cells_are_the_confusion_matrix_and_void_is_in_none():
    truth, labels = pair(3, void=0.2)
    matrix = confusion(truth, labels, K)
    cells = np.array([[cell(truth, labels, i, j).sum() for j in range(K)] for i in range(K)])
    assert np.array_equal(cells, matrix)
    covered = sum(cell(truth, labels, i, j) for i in range(K) for j in range(K))
    assert np.array_equal(covered, truth != VOID)


def test_what_lies_in_void_changes_nothing():
    truth, labels = pair(5, (16, 20))
    truth[3:14, 2:16] = VOID
    other = np.where(truth == VOID, (labels + 1) % K, labels).astype(np.uint8)
    sure = np.random.default_rng(0).random(truth.shape)
    a = verdict(truth, labels, sure, K)
    b = verdict(truth, other, np.where(truth == VOID, 0.5, sure), K)
    assert np.array_equal(a.matrix, b.matrix)
    assert a.calibration.ece == b.calibration.ece
    assert a.regions == b.regions
    assert np.array_equal([a.scores.mean_iou, a.scores.fw_iou], [b.scores.mean_iou, b.scores.fw_iou])


def test_precision_and_recall_are_those_of_scikit_learn():
    from sklearn import metrics

    truth, labels = pair(8, void=0.1)
    known = truth != VOID
    found = verdict(truth, labels, np.ones(truth.shape), K)
    precision, recall, _, _ = metrics.precision_recall_fscore_support(
        truth[known], labels[known], labels=range(K), zero_division=np.nan)  # fmt: skip
    assert np.allclose(found.precision, precision, equal_nan=True)
    assert np.allclose(found.recall, recall, equal_nan=True)
    assert found.scores.pixel_accuracy == pytest.approx(metrics.accuracy_score(truth[known], labels[known]))


def test_csv_holds_the_figures():
    truth, labels = pair(9, void=0.1)
    found, names = verdict(truth, labels, np.ones(truth.shape), K), ("a", "b, c", "d", "e")
    rows = list(csv.DictReader(io.StringIO(class_csv(found, names))))
    assert [row["class"] for row in rows] == list(names)
    assert float(rows[1]["iou"]) == pytest.approx(found.scores.iou[1], abs=1e-6)
    assert int(rows[2]["true pixels"]) == (truth == 2).sum()
    head, *body = csv.reader(io.StringIO(confusion_csv(found.matrix, names)))
    assert head[1:] == list(names)
    assert np.array_equal([list(map(int, row[1:])) for row in body], found.matrix)


def test_steps_show_what_they_say(model, rgb):
    said = answer(model, rgb)
    truth = said.labels.copy()
    truth[10:40, 20:60] = 3
    truth[:5] = VOID
    found = verdict(truth, said.labels, said.certainty, len(said.classes))
    true, called = worst_confusion(found.matrix)
    assert found.matrix[true, called] == max(found.matrix[i, j] for i in range(8) for j in range(8) if i != j)
    trace = with_verdict(labelled(said), said, truth, found, boundary_band(truth), Focus(true, called, 0))
    titles = [step.title for step in trace.steps]
    assert titles == ["Labels", "Ground truth", "Errors", "One class", "Confusion", "Sure and wrong", "Worst regions"]
    masks = trace.steps[verdict_steps.CONFUSION].layers[1].data
    assert np.array_equal(masks, (truth == true) & (said.labels == called))
    heat = trace.steps[verdict_steps.CLASS].layers[1].data
    assert np.array_equal(heat == 1, (said.labels == true) & (truth != true) & (truth != VOID))
    assert np.array_equal(heat == -1, (said.labels != true) & (truth == true))
    (box,) = trace.steps[verdict_steps.WORST].layers[-1].data
    assert tuple(box) == found.regions[0].box
    assert len(trace.steps[verdict_steps.WORST].table.rows) == len(found.regions)
    assert all(render.render(trace, i).shape == rgb.shape for i in range(len(trace.steps)))
    assert np.array_equal(exports.last_labels(trace), said.labels)


def test_a_perfect_answer_has_steps_too(model, rgb):
    said = answer(model, rgb)
    found = verdict(said.labels, said.labels, said.certainty, len(said.classes))
    trace = with_verdict(labelled(said), said, said.labels, found, boundary_band(said.labels), Focus())
    assert found.errors == 0
    assert trace.steps[verdict_steps.WORST].sentence == "No pixel is wrong."
    assert "unknown sure" not in trace.steps[verdict_steps.SURE].sentence


def test_classes_of_one_name_are_told_apart_wherever_they_are_listed():
    from pages.debug import truth_charts
    from pages.kit import charts

    truth = np.repeat(np.arange(3, dtype=np.uint8), 20).reshape(3, 20)
    labels = truth.copy()
    labels[0, :5], labels[1, :7] = 2, 0
    names = ("car", "road", "car")
    found = verdict(truth, labels, np.ones(truth.shape), 3)
    rows = list(csv.reader(io.StringIO(class_csv(found, names))))
    assert [row[0] for row in rows[1:]] == ["car", "road", "car (2)"]
    assert next(csv.reader(io.StringIO(confusion_csv(found.matrix, names))))[1:] == ["car", "road", "car (2)"]
    heat = truth_charts.confusion(found, names, (0, 2)).data[0]
    assert len(set(heat.x)) == len(set(heat.y)) == 3
    from engine.segmentation.scoring import score

    for chart in (charts.iou, charts.confusion):
        assert len(set(chart(score(truth, {"8s": labels}, 3), names).data[0].x)) == 3
