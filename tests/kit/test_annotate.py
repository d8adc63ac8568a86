"""What the annotation component sends may come from anybody: a drawing is read exactly, or not at all."""

import numpy as np
import pytest
import streamlit as st
from hypothesis import given, settings
from hypothesis import strategies as hs

from engine.debug.polygons import IGNORED, MOST_POINTS, MOST_POLYGONS, Drawing, Polygon, blank, rasterise
from pages.kit import annotate as kit
from pages.kit.annotate import annotate, drawn, read_drawing
from pages.kit.payload import image_id, read_frame

H, W, CLASSES = 6, 8, ("sky", "tree", "water")
SQUARE = [1, 1, 5.5, 1, 5.5, 4, 1, 4]
GOOD = {"polygons": [[2, SQUARE], [255, [0, 0, 8, 0, 8, 2]]], "cells": "255 40 1 5 254 2 255 1"}
WILD = hs.recursive(
    hs.none() | hs.booleans() | hs.integers(-5, 10**400) | hs.floats() | hs.text(max_size=20),
    lambda inner: hs.lists(inner, max_size=8) | hs.dictionaries(hs.text(max_size=5), inner, max_size=3),
    max_leaves=30,
)


def test_a_drawing_is_read():
    got = read_drawing(GOOD, (H, W), 3)
    assert [p.label for p in got.polygons] == [2, 255]
    assert got.polygons[0].points.tolist() == [[1, 1], [5.5, 1], [5.5, 4], [1, 4]]
    assert got.cells.ravel().tolist() == [255] * 40 + [1] * 5 + [254] * 2 + [255]


def test_points_outside_are_clamped_to_the_picture():
    got = read_drawing(GOOD | {"polygons": [[0, [-7, 1, 900, 2.5, 3, 1e8]]]}, (H, W), 3)
    assert got.polygons[0].points.tolist() == [[0, 1], [8, 2.5], [3, 6]]


BAD = [
    *({"polygons": bad} for bad in (
        None, {}, "x", [1], [[1]], [[1, SQUARE, 2]], [["1", SQUARE]], [[True, SQUARE]], [[3, SQUARE]], [[254, SQUARE]],
        [[-1, SQUARE]], [[1.0, SQUARE]], [[1, None]], [[1, [1, 2, 3, 4]]], [[1, [*SQUARE, 1]]],
        [[1, [*SQUARE, 1, "2"]]], [[1, [*SQUARE, 1, float("nan")]]], [[1, [*SQUARE, 1, float("inf")]]],
        [[1, [*SQUARE, 10**400, 1]]], [[1, [*SQUARE, True, 1]]], [[1, SQUARE]] * (MOST_POLYGONS + 1),
        [[1, SQUARE * (MOST_POINTS // 4 + 1)]],
        [[1, SQUARE * (MOST_POINTS // 8)]] * 3)),
    *({"cells": bad} for bad in (
        None, 5, "", "255", "255 47", "255 49", "255 -48", "3 48", "253 48", " 1 48", "1 48x", "1  48", "1 4٨",
        "1 48\n", "1 99999999999", "999 48", "0 1 " * 500)),
]  # fmt: skip


@pytest.mark.parametrize("change", BAD)
def test_what_is_no_drawing_is_refused(change):
    assert read_drawing(GOOD | change, (H, W), 3) is None


def test_as_much_as_is_allowed_is_read():
    most = [[1, SQUARE]] * (MOST_POLYGONS - 1) + [[1, SQUARE * ((MOST_POINTS - 4 * (MOST_POLYGONS - 1)) // 4)]]
    got = read_drawing(GOOD | {"polygons": most, "cells": "0 1 " * 48}, (H, W), 3)
    assert sum(len(p.points) for p in got.polygons) == MOST_POINTS


PAIRS = hs.lists(hs.tuples(hs.integers(-1, 256) | WILD, hs.lists(hs.floats() | hs.integers(), max_size=9)), max_size=3)


@settings(max_examples=120, deadline=None)
@given(hs.sampled_from(["polygons", "cells"]), WILD | hs.text("0123456789 -", max_size=30), PAIRS)
def test_a_wild_field_gives_a_whole_drawing_or_none(name, wild, pairs):
    for value in (wild, [[label, flat] for label, flat in pairs]):
        got = read_drawing(GOOD | {name: value}, (H, W), 3)
        if got is None:
            continue
        assert got.cells.shape == (H, W)
        assert got.cells.dtype == np.uint8
        assert set(np.unique(got.cells)) <= {0, 1, 2, 254, 255}
        for polygon in got.polygons:
            assert polygon.label in (0, 1, 2, 255)
            assert polygon.points.shape[1:] == (2,)
            assert ((polygon.points >= 0) & (polygon.points <= (W, H))).all()
        assert set(np.unique(rasterise(got))) <= {0, 1, 2, 255}


RGB = np.arange(3 * H * W, dtype=np.uint8).reshape(H, W, 3)


@pytest.fixture
def told(monkeypatch):
    """What the component is given; `told.says` puts a message of the browser in its place."""
    heads = []

    def mount(key, data, **_):
        head, end = read_frame(data)
        heads.append((head, [data[end:][sum(head["blobs"][:i]) :][:n] for i, n in enumerate(head["blobs"])]))

    monkeypatch.setattr(kit, "_annotate", mount)
    monkeypatch.setattr(st, "session_state", {})
    return heads


def test_the_last_drawing_of_this_picture_is_returned(told):
    colours = np.zeros((3, 3), np.uint8)
    assert annotate(RGB, "a", CLASSES, colours) is None
    message = GOOD | {"image": image_id(RGB), "n": 7}
    st.session_state["a"] = {"drawn": message}
    assert annotate(RGB, "a", CLASSES, colours).polygons[0].label == 2
    assert drawn("a", RGB, CLASSES).n == 7
    assert drawn("a", 255 - RGB, CLASSES) is None
    assert drawn("b", RGB, CLASSES) is None
    assert drawn("a", RGB, CLASSES[:1]) is None
    for wrong in (GOOD, None, [], "x", message | {"n": 0}, message | {"n": True}, message | {"n": 2**53}):
        st.session_state["a"] = {"drawn": wrong}
        assert drawn("a", RGB, CLASSES) is None


def test_the_browser_gets_picture_superpixels_and_start(told):
    regions = np.arange(H * W).reshape(H, W) * 1000 % 65536
    cells = np.full((H, W), 255, np.uint8)
    cells[2, 3:7], cells[3, 0] = 1, IGNORED
    start = Drawing((Polygon(2, np.array(SQUARE, float).reshape(-1, 2)),), cells)
    st.session_state["a"] = {"drawn": GOOD | {"image": image_id(RGB), "n": 7}}
    for live in (True, False):
        annotate(RGB, "a", CLASSES, np.eye(3, dtype=np.uint8), regions=regions, start=start, live=live)
    (head, (picture, ids)), (quiet, _) = told
    assert picture[:3] == b"\xff\xd8\xff"
    assert np.array_equal(np.frombuffer(ids, "<u2").reshape(H, W), regions)
    assert (head["width"], head["height"], head["classes"], head["n"], quiet["n"]) == (W, H, list(CLASSES), 7, 0)
    again = read_drawing(head["start"], (H, W), 3)
    assert np.array_equal(rasterise(again), rasterise(start))
    assert np.array_equal(again.cells, cells)
    annotate(RGB, "a", CLASSES, np.eye(3), start=blank((H, W)))
    assert told[2][0]["start"]["id"] != head["start"]["id"] == quiet["start"]["id"]


def test_what_does_not_fit_is_refused(told):
    colours = np.zeros((3, 3), np.uint8)
    with pytest.raises(ValueError, match="up to 254 classes"):
        annotate(RGB, "a", tuple("x" * 255), colours)
    with pytest.raises(ValueError, match="superpixels are made for"):
        annotate(RGB, "a", CLASSES, colours, regions=np.zeros((W, H), int))
    for wrong in (-1, 65536):
        with pytest.raises(ValueError, match="0 to 65535"):
            annotate(RGB, "a", CLASSES, colours, regions=np.full((H, W), wrong))
    with pytest.raises(ValueError, match="drawing is made for"):
        annotate(RGB, "a", CLASSES, colours, start=blank((W, H)))
