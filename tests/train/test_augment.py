"""Random views: the labels follow the picture, whatever the scale, the place and the mirror."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.trace import VOID
from engine.train import augment

COLOURS = np.array([(20, 30, 40), (230, 40, 60), (50, 220, 70), (60, 80, 240)], np.uint8)


def blocks(h: int, w: int) -> np.ndarray:
    """(h, w) labels in four unequal blocks, so that a mirror or a shift is seen."""
    labels = np.zeros((h, w), np.uint8)
    labels[: h // 3, w // 4 :] = 1
    labels[h // 3 :, : w // 2] = 2
    labels[h // 2 :, w // 2 :] = 3
    return labels


@pytest.fixture
def no_colour(monkeypatch):
    monkeypatch.setattr(augment, "colour", lambda rgb, rng: rgb)


@pytest.mark.usefixtures("no_colour")
@pytest.mark.parametrize("scale", [(0.3, 0.5), (0.7, 1.8), (1.0, 1.0), (2.0, 4.0)])
@pytest.mark.parametrize("size", [(60, 80), (81, 37)])
def test_each_colour_keeps_its_label(scale, size):
    labels = blocks(*size)
    for seed in range(12):
        rgb, target = augment.view(COLOURS[labels], labels, 48, scale, np.random.default_rng(seed))
        assert rgb.shape == (48, 48, 3)
        assert target.shape == (48, 48)
        assert rgb.dtype == target.dtype == np.uint8
        known = target != VOID
        distance = np.linalg.norm(rgb[:, :, None].astype(float) - COLOURS, axis=-1)
        sure = known & (distance.min(-1) < 5)  # not a mixture of two blocks
        assert np.mean(distance.argmin(-1)[sure] == target[sure]) > 0.99
        assert sure.sum() > 0.5 * known.sum()
        grey = np.abs(rgb.astype(int) - 128).max(-1) == 0
        assert np.mean(grey[~known]) > 0.9 if (~known).any() else True


@pytest.mark.usefixtures("no_colour")
def test_views_differ_and_half_are_mirrored():
    labels = blocks(64, 64)
    labels[:] = np.arange(64)[None] // 16
    slopes = []
    for seed in range(60):
        _, target = augment.view(COLOURS[labels], labels, 32, (1.0, 1.0), np.random.default_rng(seed))
        row = target[16][target[16] != VOID].astype(int)
        slopes.append(np.sign(row[-1] - row[0]))
    assert 15 <= slopes.count(-1) <= 45
    assert 15 <= slopes.count(1) <= 45


def test_the_same_dice_give_the_same_view():
    labels = blocks(40, 50)
    a, b = (augment.view(COLOURS[labels], labels, 32, (0.5, 2), np.random.default_rng(7)) for _ in range(2))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 10**6))
def test_any_size_fits(h, w, seed):
    labels = np.ones((h, w), np.uint8)
    rgb, target = augment.view(COLOURS[labels], labels, 32, (0.5, 2.0), np.random.default_rng(seed))
    assert rgb.shape == (32, 32, 3)
    assert set(np.unique(target)) <= {1, VOID}
    assert (target == 1).any()


def test_colours_change_but_stay_in_range():
    rgb = COLOURS[blocks(30, 40)]
    seen = [augment.colour(rgb, np.random.default_rng(i)) for i in range(40)]
    assert all(x.dtype == np.uint8 and x.shape == rgb.shape for x in seen)
    assert len({x.tobytes() for x in seen}) == 40
    spread = [np.ptp(x.astype(int), axis=-1).max() for x in seen]
    assert min(spread) < 40 < max(spread)  # some turn nearly grey
