"""What is taken away: COCO's own reader, Pillow and JSON read it back."""

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as coco

from engine import exports, palette
from engine.trace import Layer, Step, Trace
from tests.test_foreign import made


@settings(max_examples=200, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_rle_is_that_of_coco(mask):
    ours = exports.coco_rle(mask)
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert ours == {"size": theirs["size"], "counts": theirs["counts"].decode()}
    assert (coco.decode({**ours, "counts": ours["counts"].encode()}).astype(bool) == mask).all()


@pytest.mark.parametrize("shape", [(480, 640), (1, 5000), (5000, 1)])
def test_rle_of_long_runs(shape):
    mask = np.zeros(shape, bool)
    mask.ravel()[mask.size // 3 :] = True
    assert (coco.decode({**exports.coco_rle(mask)}).astype(bool) == mask).all()


def test_a_coco_file_has_every_class_once():
    labels = np.array([[0, 0, 2], [255, 1, 2]], np.uint8)
    head = json.loads(exports.coco_json(labels, ("background", "cat", "dog"), "picture"))
    assert [c["name"] for c in head["categories"]] == ["background", "cat", "dog"]
    assert [(a["category_id"], a["area"], a["bbox"]) for a in head["annotations"]] == [
        (2, 1, [1, 1, 1, 1]), (3, 2, [2, 0, 1, 2])]  # fmt: skip
    decoded = [coco.decode(a["segmentation"]) for a in head["annotations"]]
    assert (decoded[1].astype(bool) == (labels == 2)).all()


def test_an_indexed_png_holds_the_indices_and_the_colours():
    labels = np.array([[0, 1], [2, 255]], np.uint8)
    colours = palette.safe(3)
    image = Image.open(io.BytesIO(exports.indexed_png(labels, colours)))
    assert image.mode == "P"
    assert (np.asarray(image) == labels).all()
    assert (np.asarray(image.convert("RGB"))[0, 1] == colours[1]).all()


def test_an_animation_has_a_frame_for_each_step():
    trace = made(steps=tuple(Step(str(i), "", (Layer("mask", "m", np.eye(20, 30, i, dtype=bool)),)) for i in range(3)))
    with Image.open(io.BytesIO(exports.webp(trace))) as image:
        assert image.format == "WEBP"
        assert image.n_frames == 3
        assert image.size == (30, 20)


def test_json_holds_the_words_and_the_numbers():
    head = json.loads(exports.json_text(made()))
    assert head["size"] == [30, 20]
    assert head["steps"][0]["table"]["rows"] == [["x", 1.5], ["y", 2]]
    assert [x["kind"] for x in head["steps"][0]["layers"]][:3] == ["image", "labels", "labels"]


def test_the_answer_is_what_came_from_scores_and_not_the_truth():
    scores, truth = np.zeros((2, 2, 2), np.float32), np.ones((2, 2), np.uint8)
    steps = (Step("Labels", "", (Layer("labels", "labels", scores),)),
             Step("Ground truth", "", (Layer("labels", "truth", truth),)))  # fmt: skip
    trace = Trace(np.zeros((4, 4, 3), np.uint8), {}, steps)
    assert (exports.last_labels(trace) == 0).all()
    assert (exports.last_labels(Trace(trace.image, {}, steps[1:])) == 1).all()
    assert exports.last_labels(Trace(trace.image, {}, ())) is None
