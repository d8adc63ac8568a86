"""Paintings and rows come from the browser and so from anybody: what is one is read exactly, all else is nothing."""

from itertools import groupby

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import palette
from pages.kit import viewer
from pages.kit.payload import image_id
from pages.kit.viewer import MOST, UNTOUCHED, Brush, Row, chosen_row, painted, read_painting, read_row

K = 8


def runs(labels: np.ndarray) -> str:
    return " ".join(f"{label} {len(list(run))}" for label, run in groupby(labels.ravel().tolist()))


def message(labels: np.ndarray, **changes) -> dict:
    height, width = labels.shape
    return {"height": height, "width": width, "step": 3, "n": 17, "data": runs(labels)} | changes


maps = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 255))


@settings(max_examples=100, deadline=None)
@given(maps)
def test_a_painting_is_read_cell_by_cell(labels):
    got = read_painting(message(labels), K)
    assert (got.step, got.n, got.labels.dtype) == (3, 17, np.uint8)
    assert np.array_equal(got.labels, np.where(labels < K, labels, UNTOUCHED))


def test_the_largest_and_noisiest_painting_is_read():
    labels = np.random.default_rng(0).choice([0, 7, UNTOUCHED], (MOST, MOST)).astype(np.uint8)
    assert np.array_equal(read_painting(message(labels), K).labels, labels)
    assert (read_painting(message(np.full((MOST, MOST), 255, np.uint8)), K).labels == UNTOUCHED).all()


GOOD = message(np.arange(12, dtype=np.uint8).reshape(3, 4))
WILD = st.one_of(st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(), st.text(max_size=30),
                 st.lists(st.integers(), max_size=3))  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(GOOD)), WILD)
def test_a_wild_field_gives_a_whole_painting_or_none(name, value):
    got = read_painting(GOOD | {name: value}, K)
    if got is not None:  # another whole number where any will do
        assert name in ("step", "n")
        assert type(value) is int
        assert value >= 0
        assert got.labels.shape == (3, 4)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789 -.x\n", max_size=60))
def test_wild_text_never_gives_more_or_less_cells_than_it_says(text):
    got = read_painting(GOOD | {"data": text}, K)
    assert got is None or (got.labels.shape == (3, 4) and sum(map(int, text.split()[1::2])) == 12)


@pytest.mark.parametrize("changes", [
    {"height": MOST + 1, "width": 1, "data": f"0 {MOST + 1}"}, {"height": 0, "width": 0, "data": ""}, {"height": -3},
    {"height": True}, {"data": "255 99999"}, {"data": "255 11"}, {"data": "255 13"}, {"data": "255 12 "[:-1] + "\n"},
    {"data": "1000 12"}, {"data": "-1 12"}, {"data": "255"}, {"data": "0 6 0 6 "[1:]}, {"data": "0 0 " * 100 + "0 12"},
    {"data": "٣ 12"}, {"step": -1}, {"step": 10**5}, {"n": 0}, {"n": 2**53}, {"n": 1.0}, {"data": b"255 12"},
])  # fmt: skip
def test_what_is_no_painting_is_ignored(changes):
    assert read_painting(GOOD | changes, K) is None


@pytest.fixture
def session(monkeypatch):
    values = {}
    monkeypatch.setattr(viewer.st, "session_state", values)
    return values


def test_only_a_painting_of_this_picture_counts(session):
    image = np.zeros((6, 8, 3), np.uint8)
    assert painted("key", image, K) is None
    session["key"] = {"paint": GOOD | {"image": image_id(image)}}
    assert painted("key", image, K).n == 17
    assert painted("key", image + 1, K) is None
    assert painted("other", image, K) is None
    for wrong in (None, [], "x", GOOD, {"image": image_id(image)}):
        session["key"] = {"paint": wrong}
        assert painted("key", image, K) is None


def test_a_brush_has_bounds():
    assert Brush().cells == MOST
    for cells in (0, -1, MOST + 1):
        with pytest.raises(ValueError, match="1 to 256 cells"):
            Brush(cells=cells)
    assert len(Brush(names=("a",) * UNTOUCHED).names) == UNTOUCHED
    with pytest.raises(ValueError, match="up to 255 names"):
        Brush(names=("a",) * 256)


def test_names_of_a_brush_come_with_colours():
    mount = Brush(names=("look here", "hide this")).mount()
    assert mount["names"] == ("look here", "hide this")
    assert mount["colours"] == palette.safe(2).tolist()
    assert Brush().mount()["colours"] == []


CHOICE = {"step": 3, "row": 2, "n": 17}


def test_only_a_row_of_this_picture_counts(session):
    image = np.zeros((6, 8, 3), np.uint8)
    assert chosen_row("key", image) is None
    session["key"] = {"row": CHOICE | {"image": image_id(image)}}
    assert chosen_row("key", image) == Row(3, 2, 17)
    assert chosen_row("key", image + 1) is None
    assert chosen_row("other", image) is None
    for wrong in (None, [], "x", CHOICE, {"image": image_id(image)}):
        session["key"] = {"row": wrong}
        assert chosen_row("key", image) is None


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(CHOICE)), WILD)
def test_a_wild_field_gives_a_row_within_bounds_or_none(name, value):
    got = read_row(CHOICE | {name: value})
    if got is not None:
        assert type(value) is int
        assert 0 <= got.step < 10_000
        assert 0 <= got.row < 10_000
        assert 0 < got.n < 2**53


@pytest.mark.parametrize("changes", [{"step": -1}, {"step": 10**4}, {"row": -1}, {"row": 10**4}, {"row": True},
                                     {"n": 0}, {"n": 2**53}, {"row": 1.0}, {"row": "1"}])  # fmt: skip
def test_what_is_no_row_is_ignored(changes):
    assert read_row(CHOICE | changes) is None
