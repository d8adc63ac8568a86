"""What the grey square sends may come from anybody; what it gets is the picture, the labels, and where it lies."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.debug.probe import MOST, Patch, grey
from pages.kit import patch
from pages.kit.patch import Moved, Shown, read_moved

GOOD = {"image": "ab12", "x": 40, "y": 0, "side": 96, "done": False, "n": 17}
WILD = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 10**400), st.floats(), st.text(max_size=80)),
    lambda inner: st.one_of(st.lists(inner, max_size=8), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=20,
)


def test_a_message_is_read():
    assert read_moved(GOOD) == Moved("ab12", 40, 0, 96, False, 17)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(GOOD)), WILD)
def test_a_wild_field_gives_a_whole_message_or_none(name, value):
    got = read_moved(GOOD | {name: value})
    if got is None:
        return
    assert all(type(v) is int and 0 <= v <= MOST for v in (got.x, got.y, got.side))
    assert type(got.done) is bool
    assert len(got.image) <= 64
    assert got.n > 0
    Patch(min(got.side, Patch.high), got.x, got.y)  # raises nothing


@settings(max_examples=200, deadline=None)
@given(WILD)
def test_a_wild_message_is_none(message):
    assert read_moved(message) is None


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_field_is_refused(name):
    assert read_moved({k: v for k, v in GOOD.items() if k != name}) is None


@pytest.mark.parametrize(("name", "value"), [("x", -1), ("y", MOST + 1), ("side", 1.5), ("x", True), ("done", 1),
                                             ("n", 0), ("n", 2**53), ("image", "a" * 65), ("image", None)])  # fmt: skip
def test_what_is_out_of_range_is_refused(name, value):
    assert read_moved(GOOD | {name: value}) is None


def test_what_is_sent_is_what_is_shown(monkeypatch, rgb):
    """Half of the labels' rows and columns, all of the rest."""
    sent = {}
    monkeypatch.setattr(patch, "_patch", lambda **call: sent.update(call))
    labels = (np.arange(90)[:, None] // 30 + np.zeros((1, 130), int)).astype(np.uint8)
    changed = labels == 1
    patch.patch(Shown(rgb, Patch(30, 12, 80), labels, changed, ("<b>sky</b>", "tree", "road")), "key", 3, 5)
    (length,) = struct.unpack_from("<I", sent["data"])
    head, rest = json.loads(sent["data"][4 : 4 + length]), sent["data"][4 + length :]
    assert (head["x"], head["y"], head["side"], head["grey"]) == (12, 80, 30, grey(rgb))
    assert (head["width"], head["height"], head["set"], head["n"]) == (130, 90, 3, 5)
    assert head["shares"] == pytest.approx([1 / 3] * 3)
    sizes = dict(head["blobs"])
    assert sum(sizes.values()) == len(rest)
    assert rest[: sizes["picture"]].startswith(b"\xff\xd8\xff")
    cells = np.frombuffer(rest[sizes["picture"] :], np.uint8).reshape(2, *head["cells"][::-1])
    assert np.array_equal(cells[0], labels[::2, ::2])
    assert np.array_equal(cells[1], changed[::2, ::2])
