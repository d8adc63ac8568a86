"""What the live digit sends may come from anybody; what it gets are the film's own numbers."""

import base64
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.spatial.autoplay import film
from engine.spatial.curves import linear_part
from engine.spatial.distortions import PATCH, TASKS
from engine.spatial.placing import KIND, PIECES, UPRIGHT
from pages.kit.digit import Moved, pack_film, read_moved
from tests.spatial.untrained import small_model

PAD = np.arange(784).astype(np.uint8)
TEXT = base64.b64encode(PAD.tobytes()).decode()
GOOD = {"task": "TC", "digit": "ab12", "numbers": [10, 1.5, 0.25, -3], "places": [[0, 54]] * 6, "drawn": TEXT,
        "film": False, "done": True, "n": 17}  # fmt: skip
WILD = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 10**400), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=8), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=20,
)


def test_a_message_is_read():
    got = read_moved(GOOD)
    assert (got.task, got.digit, got.numbers) == ("TC", "ab12", (10.0, 1.5, 0.25, -3.0))
    assert got.places == ((0, 54),) * 6
    assert np.array_equal(got.drawn.ravel(), PAD)
    assert (got.film, got.done, got.n) == (False, True, 17)
    assert read_moved(GOOD | {"drawn": None, "places": []}).drawn is None


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(GOOD)), WILD)
def test_a_wild_field_gives_a_whole_message_or_none(name, value):
    got = read_moved(GOOD | {name: value})
    if got is None:
        return
    assert isinstance(got, Moved)
    assert len(got.numbers) == len(UPRIGHT[KIND[got.task]])
    assert np.isfinite(got.numbers).all()
    assert len(got.places) in (0, PIECES)
    assert all(0 <= v <= TASKS[got.task].size - PATCH for place in got.places for v in place)
    assert got.drawn is None or (got.drawn.shape == (28, 28) and got.drawn.dtype == np.uint8)
    assert type(got.film) is type(got.done) is bool
    assert got.n > 0


@settings(max_examples=200, deadline=None)
@given(WILD)
def test_a_wild_message_is_none(message):
    assert read_moved(message) is None


@pytest.mark.parametrize("bad", [
    {"task": "SUM"}, {"task": "R", "places": [[0, 23]] * 6}, {"numbers": [1] * 3}, {"numbers": [1, 1, 1, float("nan")]},
    {"numbers": [1, 1, 1, True]}, {"places": [[0, 55]] * 6}, {"places": [[0, 0]] * 5}, {"places": [[0, 0.5]] * 6},
    {"places": [[0, True]] * 6}, {"drawn": TEXT[:-4]}, {"drawn": "!" * len(TEXT)}, {"drawn": "é" * len(TEXT)},
    {"digit": "x" * 65}, {"n": 0}, {"n": 2**53}, {"film": 1},
])  # fmt: skip
def test_what_is_no_message_is_refused(bad):
    assert read_moved(GOOD | bad) is None


@pytest.mark.parametrize("family", ["affine", "projective", "tps"])
def test_a_film_is_packed_whole(family):
    model, plain = small_model("RTS", family), small_model("RTS", "")
    pictures = torch.rand(3, 1, 42, 42, generator=torch.Generator().manual_seed(0)).numpy()
    made = film(model, plain, pictures)
    head, data = pack_film(made, model.net.transformers[0].family)
    json.dumps(head)
    at, parts = 0, {}
    for name, width, each in head["parts"]:
        count = head["frames"] * width
        parts[name] = np.frombuffer(data, "<f4" if each == 4 else np.uint8, count, at).reshape(3, width)
        at += count * each
    assert at == len(data)
    assert np.array_equal(parts["input"].reshape(3, 42, 42), made.inputs)
    assert np.array_equal(parts["crop"].reshape(3, 28, 28), made.crops)
    for name in ("lattice", "outline", "theta", "chances", "plain"):
        assert np.array_equal(parts[name], getattr(made, name).reshape(3, -1)), name
    linear, shift = linear_part(model.net.transformers[0].family, made.theta)
    assert parts["linear"].reshape(3, 2, 3) == pytest.approx(np.concatenate([linear, shift[..., None]], 2), abs=1e-5)
    for row, matrix in zip(parts["summary"], linear, strict=True):
        u, _, v = np.linalg.svd(matrix)
        turn = u @ v  # the nearest rotation: cos, sin; -sin, cos, counter-clockwise with y down
        assert row[0] == pytest.approx(np.degrees(np.arctan2(turn[0, 1], turn[0, 0])), abs=1e-3)
        assert row[1] ** 2 == pytest.approx(abs(np.linalg.det(matrix)) * 1.5**2, abs=1e-4)
    assert parts["summary"][:, 2:] == pytest.approx(shift * 21, abs=1e-4)
