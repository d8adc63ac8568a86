"""Scoring a model on a data set: figures against the metrics themselves, other class lists, limits."""

import json

import numpy as np
import pytest
from PIL import Image

from engine import evaluate as scoring
from engine.data import DataError, LabelSet, Segmentation, stanford, voc
from engine.metrics import Meter
from engine.trace import VOID
from tests.conftest import card_of


class Known:
    """A model whose answers are files: variant "good" is the truth turned into its classes, "bad" is all class 0."""

    variants = ("bad", "good")

    def __init__(self, classes, answers, card=None):
        self.card = card or card_of(classes=classes)
        self.answers, self.asked = answers, []

    def predict(self, rgb, average=False):
        self.asked.append(average)
        good = self.answers[int(rgb[0, 0, 0])]
        return {"bad": np.zeros_like(good), "good": good}


def data_of(tmp_path, truths, labels=stanford.LABELS) -> Segmentation:
    items = []
    for i, truth in enumerate(truths):
        Image.fromarray(np.full((*truth.shape, 3), i, np.uint8)).save(tmp_path / f"{i}.png")
        np.save(tmp_path / f"{i}.npy", truth)
        items.append((tmp_path / f"{i}.png", tmp_path / f"{i}.npy"))
    return Segmentation("Made", "val", labels, tuple(items), np.load)


@pytest.fixture
def truths():
    dice = np.random.default_rng(0)
    maps = [dice.integers(0, 8, (6, 9)).astype(np.uint8) for _ in range(3)]
    maps[0][0] = VOID
    return maps


def test_figures_are_those_of_the_metrics(tmp_path, truths):
    dice = np.random.default_rng(1)
    answers = [np.where(dice.random(t.shape) < 0.6, t, 0) % 8 for t in truths]
    said = []
    result = scoring.evaluate(Known(stanford.LABELS.classes, answers), data_of(tmp_path, truths), progress=said.append)
    meter = Meter(8)
    for truth, answer in zip(truths, answers, strict=True):
        meter.add(truth, answer)
    scores = meter.scores()
    for key in ("pixel_accuracy", "class_accuracy", "mean_iou", "fw_iou", "boundary_accuracy"):
        assert result[key] == result["variants"]["good"][key] == pytest.approx(getattr(scores, key), abs=1e-5)
        assert result["variants"]["bad"][key] < result[key]
    assert list(result["iou"]) == list(stanford.LABELS.classes)
    assert (result["data"], result["split"], result["images"]) == ("Made", "val", 3)
    assert said == [s for s in said if s.startswith("3 of 3 pictures")]
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_limit_and_an_average_are_passed_on(tmp_path, truths):
    model = Known(stanford.LABELS.classes, truths)
    data = data_of(tmp_path, truths)
    assert scoring.evaluate(model, data, limit=2, average=True, progress=str)["images"] == 2
    assert model.asked == [True, True]
    assert scoring.evaluate(model, data, limit=99, progress=str)["images"] == 3
    for bad in (0, -1):
        with pytest.raises(DataError, match="At least one"):
            scoring.evaluate(model, data, limit=bad, progress=str)


def test_what_cannot_be_judged_is_null(tmp_path):
    void = [np.full((4, 4), VOID, np.uint8)]
    result = scoring.evaluate(Known(stanford.LABELS.classes, [void[0] * 0]), data_of(tmp_path, void), progress=str)
    assert result["mean_iou"] is None
    assert json.dumps(result, allow_nan=False)


def test_a_model_of_more_classes_is_asked_the_datas_question(tmp_path):
    theirs = ("background", "aeroplane", "cat", "person", "sofa")
    ours = voc.LABELS.classes
    table = scoring.reduction(theirs, ours)
    assert table[:5].tolist() == [0, 0, ours.index("cat"), ours.index("person"), 0]
    assert (table[5:] == VOID).all()
    truth = np.array([[0, 0, 1, 6, VOID, 1]], np.uint8)
    answer = np.array([[1, 0, 2, 3, 3, 4]], np.uint8)  # aeroplane on background; sofa on a cat
    result = scoring.evaluate(Known(theirs, [answer]), data_of(tmp_path, [truth], voc.LABELS), progress=str)
    assert result["pixel_accuracy"] == pytest.approx(4 / 5)


def test_the_same_classes_stay_as_they_are():
    classes = stanford.LABELS.classes
    assert scoring.reduction(classes, classes)[:8].tolist() == list(range(8))
    assert scoring.reduction(classes[::-1], classes)[:8].tolist() == list(range(8))[::-1]


@pytest.mark.parametrize("ours", [stanford.LABELS.classes, ("background", "boat")])
def test_classes_that_do_not_meet_are_refused(ours):
    with pytest.raises(DataError, match="cannot be scored"):
        scoring.reduction(voc.LABELS.classes, ours)


def test_the_card_says_which_data(tmp_path):
    with pytest.raises(DataError, match="no data set"):
        scoring.data_for(card_of(settings={}), tmp_path)
    (tmp_path / "other/VOCdevkit").mkdir(parents=True)
    with pytest.raises(DataError, match="PASCAL"):  # a model of one's own is scored on what lies there
        scoring.data_for(card_of(settings={}), tmp_path / "other")
    for labels, words in (("stanford", "Stanford"), ("animals", "PASCAL"), ("voc", "PASCAL")):
        with pytest.raises(DataError, match=words):
            scoring.data_for(card_of(settings={"labels": labels}), tmp_path)
    assert isinstance(LabelSet("x", (), np.zeros((0, 3))), LabelSet)


def test_a_real_network_is_scored(tmp_path, model, truths):
    result = scoring.evaluate(model, data_of(tmp_path, truths), limit=1, progress=str)
    assert list(result["variants"]) == ["32s", "16s", "8s"]
    assert result["pixel_accuracy"] == result["variants"]["8s"]["pixel_accuracy"]
