"""A Trace held against the truth: counts and sentences against numbers made by hand."""

import numpy as np
import pytest

from engine.metrics import boundary_band
from engine.segmentation.scoring import score, with_truth
from engine.trace import VOID, Trace


@pytest.fixture
def truth() -> np.ndarray:
    """10 x 20: class 0 at the left, 1 at the right, one void corner."""
    labels = np.zeros((10, 20), np.uint8)
    labels[:, 10:] = 1
    labels[0, 0] = VOID
    return labels


def test_a_perfect_answer_scores_one(truth):
    right = np.where(truth == VOID, 0, truth)
    scores = score(truth, {"8s": right}, 2).scores["8s"]
    assert (scores.pixel_accuracy, scores.class_accuracy, scores.mean_iou, scores.boundary_accuracy) == (1, 1, 1, 1)


def test_each_variant_is_scored_by_itself(truth):
    half = np.zeros_like(truth)
    result = score(truth, {"32s": half, "8s": np.where(truth == VOID, 1, truth)}, 2)
    assert result.scores["32s"].pixel_accuracy == pytest.approx(99 / 199)
    assert result.scores["8s"].pixel_accuracy == 1
    assert result.confusion["32s"].tolist() == [[99, 0], [100, 0]]


def test_the_errors_are_a_step_with_their_share_near_boundaries(truth):
    trace = Trace(np.zeros((10, 20, 3), np.uint8), {}, (), ("left", "right"), np.zeros((2, 3), np.uint8))
    wrong = np.where(truth == VOID, 0, truth)
    wrong[:, 10] = 0  # 10 pixels at the boundary
    wrong[5, 19] = 0  # 1 pixel far from it
    both = with_truth(trace, truth, wrong, boundary_band(truth, 3)).steps
    assert [s.title for s in both] == ["Ground truth", "Errors"]
    assert "5.5 % of the pixels are wrong; 91 % of the errors" in both[1].sentence
    assert both[1].layers[1].data.sum() == 11
    assert not both[1].layers[1].data[0, 0], "void is never wrong"


def test_a_truth_that_is_void_everywhere_judges_nothing(truth):
    trace = Trace(np.zeros((10, 20, 3), np.uint8), {}, (), ("left", "right"), np.zeros((2, 3), np.uint8))
    void = np.full_like(truth, VOID)
    assert with_truth(trace, void, truth, boundary_band(void)).steps[1].sentence.startswith("No pixel can be judged")
