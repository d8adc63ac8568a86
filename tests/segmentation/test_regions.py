"""Superpixels at any size, means against SciPy's, strength against scikit-image's colours and a derivative by SciPy."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats
from skimage import color, measure

from engine.segmentation import regions as module
from engine.segmentation.regions import (
    MOST,
    boundary_strength,
    entropy,
    felzenszwalb,
    mean_distribution,
    slic,
    superpixel_labels,
)

sides = st.integers(1, 40)
shapes = st.one_of(st.tuples(st.just(1), sides), st.tuples(sides, st.just(1)), st.tuples(sides, sides))


def noise(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


def check(labels: np.ndarray, shape: tuple[int, int]) -> None:
    """What the file promises of regions: shape, type, every id used, each in one piece by sides."""
    assert labels.shape == shape
    assert labels.dtype == np.int32
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    assert labels.max() < MOST
    assert measure.label(labels, background=-1, connectivity=1).max() == labels.max() + 1


@settings(max_examples=150, deadline=None)
@given(shapes, st.integers(0, 99), st.sampled_from(["noise", "constant", "halves", "blobs"]), st.data())
def test_regions_of_any_picture_are_connected_and_numbered(shape, seed, kind, data):
    rgb = noise(shape, seed)
    if kind == "constant":
        rgb[:] = seed
    elif kind == "halves":
        rgb[:, : shape[1] // 2], rgb[:, shape[1] // 2 :] = 10, 240
    elif kind == "blobs":
        rgb = ndimage.gaussian_filter(rgb, (2, 2, 0))
    least = data.draw(st.integers(1, 30))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = felzenszwalb(rgb, data.draw(st.sampled_from([1, 30, 500])), data.draw(st.sampled_from([0, 0.8])), least)
        clusters = slic(rgb, data.draw(st.integers(1, 3000)), data.draw(st.sampled_from([0.1, 10, 40])))
    check(found, shape)
    assert found.max() == 0 or np.bincount(found.ravel()).min() >= least
    check(clusters, shape)
    if kind == "constant":
        assert found.max() == 0


def test_shapes_on_a_flat_ground_are_found_exactly():
    """No blur: five flat pieces, one of them in two parts that touch by a corner only."""
    rgb, truth = np.full((60, 80, 3), 200, np.uint8), np.zeros((60, 80), int)
    for i, (rows, columns, colour) in enumerate([((5, 25), (5, 30), (20, 20, 200)), ((30, 55), (10, 40), (200, 20, 20)),
                                                 ((5, 20), (50, 60), (20, 120, 20)),
                                                 ((20, 40), (60, 75), (20, 120, 20))], 1):  # fmt: skip
        rgb[slice(*rows), slice(*columns)], truth[slice(*rows), slice(*columns)] = colour, i
    found = felzenszwalb(rgb, sigma=0)
    assert len(np.unique(found * 10 + truth)) == len(np.unique(found)) == 5


def test_specks_that_hang_by_a_corner_join_what_surrounds_them():
    rgb = np.full((30, 30, 3), 250, np.uint8)
    rgb[5:20, 5:20] = 0
    rgb[20, 20] = 0  # 8-connected to the square, 4-connected to the ground only
    found = felzenszwalb(rgb, sigma=0, min_size=5)
    assert found.max() == 1
    assert found[20, 20] == found[25, 25] != found[10, 10]


def test_there_are_never_too_many_and_the_largest_stay(monkeypatch):
    rgb = ndimage.gaussian_filter(noise((80, 100)), (1, 1, 0))
    many = felzenszwalb(rgb, 100, 0, 1)
    assert 200 < many.max() < MOST - 1
    monkeypatch.setattr(module, "MOST", 50)
    few = felzenszwalb(rgb, 100, 0, 1)
    check(few, (80, 100))
    assert few.max() == 49
    size = np.bincount(many.ravel())
    for i in np.argsort(-size, kind="stable")[:50]:
        assert len(np.unique(few[many == i])) == 1, "a region that stays grows and is not cut"


def test_what_has_no_room_joins_across_the_weakest_boundary(monkeypatch):
    rgb = np.repeat(np.uint8([90, 110, 200]), [30, 12, 30])[None, :, None].repeat(20, 0).repeat(3, 2)
    assert felzenszwalb(rgb, sigma=0).max() == 2
    monkeypatch.setattr(module, "MOST", 2)
    found = felzenszwalb(rgb, sigma=0)
    assert np.array_equal(found, np.repeat([0, 1], [42, 30])[None].repeat(20, 0))


def test_noise_in_a_large_picture_stays_within_the_bound():
    rgb = noise((300, 400))
    check(felzenszwalb(rgb, 1, 0, 1), (300, 400))
    check(slic(rgb, 100_000, 0.1), (300, 400))


def test_more_segments_and_smaller_scales_give_more_regions(rgb):
    assert slic(rgb, 20).max() < slic(rgb, 100).max() < slic(rgb, 500).max()
    assert felzenszwalb(rgb, 300, 0.3).max() < felzenszwalb(rgb, 3, 0.3).max()
    assert slic(rgb, 100).max() + 1 == pytest.approx(100, rel=0.3)


@settings(max_examples=50)
@given(shapes, st.integers(1, 9), st.integers(0, 99))
def test_means_are_those_of_scipy(shape, n, seed):
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.ones(5), shape).transpose(2, 0, 1).astype(np.float32)  # (5, H, W)
    _, flat = np.unique(rng.integers(0, n, shape), return_inverse=True)
    labels = flat.reshape(shape).astype(np.int32)
    mean = mean_distribution(probability, labels)
    wanted = np.stack([ndimage.mean(p, labels, np.arange(labels.max() + 1)) for p in probability], 1)
    assert mean.dtype == np.float32
    assert np.allclose(mean, wanted, atol=1e-6)
    assert np.allclose(mean.sum(1), 1, atol=1e-5)


def test_a_superpixel_takes_the_class_of_its_mean_not_of_its_majority():
    labels = np.array([[0, 0, 0, 1]], np.int32)
    first = np.array([[0.55, 0.55, 0.0, 0.9]])
    assert superpixel_labels(np.stack([first, 1 - first]), labels).tolist() == [[1, 1, 1, 0]]
    assert superpixel_labels(np.stack([first, 1 - first]), labels).dtype == np.uint8


def test_entropy_is_that_of_scipy(rgb):
    shares = np.random.default_rng(0).dirichlet(np.full(8, 0.2), (4, 50))
    assert np.allclose(entropy(shares), stats.entropy(shares, axis=-1))
    assert entropy(np.eye(8)).tolist() == [0] * 8
    assert entropy(np.full(8, 1 / 8)) == pytest.approx(math.log(8))


def test_strength_is_the_gradient_of_the_lab_channels(rgb):
    lab = color.rgb2lab(rgb)
    squares = [
        ndimage.gaussian_filter(lab[..., c], 1.0, order, mode="nearest") ** 2
        for c in range(3)
        for order in ((0, 1), (1, 0))
    ]
    strength = boundary_strength(rgb)
    assert strength.dtype == np.float32
    assert np.allclose(strength, np.sqrt(sum(squares)) / 100, atol=1e-5)


def test_strength_of_a_step_is_its_colour_difference_times_the_gaussian():
    colours = np.array([(120, 90, 60), (70, 120, 200)], np.uint8)
    rgb = np.repeat(colours[:, None], 20, 1)[None].repeat(9, 0).reshape(9, 40, 3)
    difference = color.deltaE_cie76(*color.rgb2lab(colours[None])[0])
    strength = boundary_strength(rgb)
    assert np.allclose(strength, strength[:1])
    wanted = difference * stats.norm.pdf(np.arange(40) - 19.5) / 100
    assert np.allclose(strength[0], wanted, atol=0.05 * wanted.max())
    black_white = boundary_strength(np.where(np.arange(40)[None, :, None] < 20, 0, 255).astype(np.uint8).repeat(3, 2))
    assert black_white.max() == pytest.approx(0.36, abs=0.005)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 6)])
def test_a_constant_picture_has_no_boundaries(shape):
    assert boundary_strength(np.full((*shape, 3), 77, np.uint8)).max() < 1e-6
