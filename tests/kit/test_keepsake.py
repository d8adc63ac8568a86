"""What a tab hands back is put in hand again where it is what it says; nothing in it is trusted."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from engine import gallery
from pages.kit import keepsake, picker, truths

RGB = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
LABELS = np.tile(np.array([0, 1, 255], np.uint8), (40, 20))


@pytest.fixture
def visit(monkeypatch):
    """A visit without a page: its session and its address are dictionaries."""
    state = {}
    for module in (keepsake, picker, truths, keepsake.owned):
        monkeypatch.setattr(module.st, "session_state", state)
        monkeypatch.setattr(module.st, "query_params", {})
    return state


def text(array: np.ndarray) -> str:
    return base64.b64encode(keepsake._png(array)).decode()


def kept(**other) -> dict:
    """What a tab with a picture and a truth hands back."""
    return {
        "session": "a",
        "picture": {"title": "street.png", "original": [600, 400], "data": text(RGB)},
        "truths": [{"classes": ["one", "two"], "data": text(LABELS)}],
        "lost": {"models": 0, "trace": False, "many": False},
    } | other


def test_picture_and_truth_come_back_as_they_were(visit):
    said = keepsake.take(kept())
    chosen = picker.in_hand()
    assert np.array_equal(chosen.rgb, RGB)
    assert (chosen.title, chosen.slug, chosen.original) == ("street.png", None, (600, 400))
    assert np.array_equal(truths.get(chosen.key, ("one", "two")), LABELS)
    assert said.sentence == ("Your last visit has ended: the picture and its ground truth came back from this tab.")
    assert said.name == ""


def test_what_cannot_come_back_is_said(visit):
    said = keepsake.take(kept(lost={"models": 2, "trace": True, "many": True}, truths=[]))
    assert said.sentence == (
        "Your last visit has ended: the picture came back from this tab; "
        "your 2 models, the Trace that was open and the pictures of Many images must be brought again."
    )
    assert truths.everything() == {}
    said = keepsake.take(kept(picture={"title": "x" * 500, "data": ""}, lost={"models": 1}))
    assert said.sentence == "Your last visit has ended: the picture and your model must be brought again."
    assert said.name == "x" * 80


@pytest.mark.parametrize(
    "truth",
    [
        None, [], {"classes": []}, {"classes": [1], "data": text(LABELS)},
        {"classes": ["a"] * 257, "data": text(LABELS)},
        {"classes": ["one"], "data": text(LABELS)},  # a label that is no class
        {"classes": ["one", "two"], "data": text(LABELS[:20])}, {"classes": ["one", "two"], "data": text(RGB)},
        {"classes": ["one", "two"], "data": "not base64"}, {"classes": ["one", "two"], "data": "A" * 10**7},
        {"classes": ["one", "two"], "data": base64.b64encode(b"GIF89a").decode()},
    ],
)  # fmt: skip
def test_a_truth_that_is_none_of_this_picture_stays_away(visit, truth):
    said = keepsake.take(kept(truths=[truth]))
    assert not truths.everything()
    assert "truth" not in said.sentence


def test_the_truth_of_a_picture_of_the_gallery_comes_back_to_it(visit):
    labels = np.zeros(gallery.get("landscape").load().rgb.shape[:2], np.uint8)
    message = kept(picture=None, slug="landscape", truths=[{"classes": ["one"], "data": text(labels)}])
    assert keepsake.take(message).sentence == "Your last visit has ended: the ground truth came back from this tab."
    assert np.array_equal(truths.get("landscape", ("one",)), labels)


@pytest.mark.parametrize("original", [None, [1], [0, 5], [10**9, 5], ["5", "5"], [True, 5], "xx"])
def test_a_size_that_is_none_is_that_of_the_picture(visit, original):
    keepsake.take(kept(picture={"title": "x", "original": original, "data": text(RGB)}))
    assert picker.in_hand().original == (60, 40)


@pytest.mark.parametrize("message", [{}, {"picture": 3, "truths": 4, "lost": 5}, {"lost": {"models": 10**9}}])
def test_nonsense_changes_nothing(visit, message):
    assert keepsake.take(message) is None
    assert picker.in_hand() is None
