"""Sampling and the two directions: explanations against `F.grid_sample`, Jacobians against autograd, holes by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.spatial.mapping import folds, forward, inverted, jacobian
from engine.spatial.presets import presets
from engine.spatial.sampling import (
    CUBIC,
    FAR,
    MODES,
    PADDINGS,
    Sampling,
    cubic,
    explain,
    kernel,
    outside,
    sample,
    to_bytes,
    to_frame,
)
from engine.spatial.transforms import FAMILIES, Affine, Projective, ThinPlateSpline, sampling_grid, target_points

ALL = [Sampling(mode, padding, align) for mode in MODES for padding in PADDINGS for align in (False, True)]
NAMED = [(family, name) for family in FAMILIES.values() for name in presets(family)]


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def truth(rgb: np.ndarray, grid: torch.Tensor, s: Sampling) -> np.ndarray:
    """(h, w, 3) float64 by torch alone."""
    images = torch.tensor(rgb).double().movedim(-1, 0)[None]
    return F.grid_sample(images, grid[None], s.mode, s.padding, s.align_corners)[0].movedim(0, -1).numpy()


@pytest.mark.parametrize("sampling", ALL, ids=str)
@pytest.mark.parametrize("size", [(7, 9), (1, 5), (4, 1)])
def test_sums_of_neighbours_against_torch(sampling, size):
    rgb = picture(*size)
    grid = torch.tensor(np.random.default_rng(1).uniform(-3.3, 3.3, (6, 5, 2)))
    wanted = truth(rgb, grid, sampling)
    count = {"bilinear": 4, "nearest": 1, "bicubic": 16}[sampling.mode]
    for y, x in np.ndindex(6, 5):
        found = explain(rgb, grid, x, y, sampling)
        assert found.total == pytest.approx(tuple(wanted[y, x]), abs=1e-9)
        assert len(found.neighbours) == count
        assert sum(n.weight for n in found.neighbours) == pytest.approx(1)
        assert found.normalised == tuple(grid[y, x].tolist())
        for n in found.neighbours:
            inside = 0 <= n.x < size[1] and 0 <= n.y < size[0]
            assert n.value == (tuple(rgb[n.y, n.x].tolist()) if inside else (0, 0, 0))
            assert inside or n.padded
    assert np.array_equal(sample(rgb, grid, sampling), np.clip(np.floor(wanted + 0.5), 0, 255).astype(np.uint8))


def test_nothing_is_padded_within_the_picture():
    rgb, grid = picture(8, 8), torch.tensor([[[0.1, -0.2]]], dtype=torch.float64)
    for sampling in ALL:
        assert not any(n.padded for n in explain(rgb, grid, 0, 0, sampling).neighbours)


def test_rounding_is_half_up_and_clipped():
    values = torch.tensor([-3.0, 0.5, 1.5, 2.4999, 254.5, 300.0])
    assert to_bytes(values).tolist() == [0, 1, 2, 2, 255, 255]


def test_the_nearest_of_two_is_the_one_to_the_right_or_below():
    """Zooming out by two puts every place half-way between pixels, where rounding errors would decide."""
    rgb = picture(8, 8)
    grid = sampling_grid(Affine(), torch.tensor([[2.0, 0, 0, 0, 2, 0]], dtype=torch.float64), 8, 8)[0]
    out = sample(rgb, grid, Sampling("nearest"))
    assert np.array_equal(out[2:6, 2:6], rgb[1::2, 1::2])


def test_places_that_are_no_numbers_are_far_away():
    rgb = np.full((4, 4, 3), 200, np.uint8)
    grid = torch.tensor([[[torch.nan, 0.0], [torch.inf, -torch.inf], [1e300, 0.0]]], dtype=torch.float64)
    assert sample(rgb, grid, Sampling()).max() == 0
    assert (sample(rgb, grid, Sampling(padding="reflection")) == 200).all()
    assert explain(rgb, grid, 1, 0, Sampling()).normalised == (FAR, -FAR)
    assert outside(grid).all()


def test_outside_by_hand_and_the_edge_is_inside():
    grid = torch.tensor([[[-1.0, 1.0], [1.01, 0.0], [0.0, -1.5], [0.3, 0.3]]], dtype=torch.float64)
    assert outside(grid).tolist() == [[False, True, True, False]]


def test_wrong_settings_and_pixels_that_are_not_there():
    for wrong in ({"mode": "cubic"}, {"padding": "wrap"}):
        with pytest.raises(ValueError, match="bilinear, nearest, bicubic"):
            Sampling(**wrong)
    with pytest.raises(IndexError, match="3 x 2 pixels"):
        explain(picture(4, 4), torch.zeros(2, 3, 2, dtype=torch.float64), 3, 0, Sampling())


def test_the_frame_of_a_trace_has_half_pixels():
    points = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    assert to_frame(points, 4, 6).tolist() == [[0, 0], [6, 4]]
    assert to_frame(points, 4, 6, align_corners=True).tolist() == [[0.5, 0.5], [5.5, 3.5]]
    assert torch.allclose(to_frame(target_points(2, 3), 2, 3)[4], torch.tensor([1.5, 1.5], dtype=torch.float64))


def test_kernels_are_a_box_a_tent_and_keys_cubic():
    d = np.linspace(-2.45, 2.45, 98)  # none half-way
    assert np.allclose(kernel("bilinear", d), np.maximum(1 - np.abs(d), 0))
    assert np.allclose(kernel("nearest", d), np.abs(d) < 0.5)
    assert np.allclose(kernel("bicubic", d), [cubic(v) for v in d])
    assert cubic(1.5) == pytest.approx(CUBIC * 0.125)


@pytest.mark.parametrize(("family", "name"), NAMED, ids=lambda v: getattr(v, "name", v))
def test_jacobians_against_autograd(family, name):
    theta = torch.tensor(presets(family)[name], dtype=torch.float64)
    points = target_points(4, 5)
    wanted = torch.func.vmap(torch.func.jacrev(lambda p: family(theta[None], p[None])[0, 0]))(points)
    assert torch.allclose(jacobian(family, theta, points), wanted, atol=1e-9)


def test_only_mirrors_and_folds_turn_over():
    for family in FAMILIES.values():
        for name, theta in presets(family).items():
            share = folds(family, torch.tensor(theta, dtype=torch.float64), 24, 32).mean()
            assert share == (1 if name == "mirror" else pytest.approx(0.2, abs=0.15) if name == "fold" else 0), name


def test_behind_the_horizon_counts_as_folded_even_where_a_mirror_hides_it():
    theta = torch.tensor([-1.0, 0, 0, 0, 1, 0, 2, 0], dtype=torch.float64)  # w = 1 + 2x, below 0 left of -0.5
    assert folds(Projective(), theta, 4, 8).all()
    behind = torch.tensor([1.0, 0, 0, 0, 1, 0, 2, 0], dtype=torch.float64)
    assert folds(Projective(), behind, 4, 8)[0].tolist() == [True] * 2 + [False] * 6


@pytest.mark.parametrize(("family", "name"), NAMED, ids=lambda v: getattr(v, "name", v))
def test_the_inverse_leads_back(family, name):
    theta = torch.tensor(presets(family)[name], dtype=torch.float64)
    places = target_points(11, 9) * 0.9
    back = inverted(family, theta, places)
    known = back.isfinite().all(-1)
    assert torch.allclose(family(theta[None], back[known])[0], places[known], atol=1e-5)
    assert known.double().mean() == 1 or name == "fold"


def test_forward_mapping_leaves_the_holes_that_arithmetic_says():
    """Twice as large: of each 2 x 2 output pixels one is hit; nothing is empty, and each pixel that landed is there."""
    rgb = picture(8, 8)
    zoom = torch.tensor([0.5, 0, 0, 0, 0.5, 0], dtype=torch.float64)
    found = forward(rgb, Affine(), zoom, 8, 8)
    assert found.holes.sum() == 48
    assert found.empty.sum() == 0
    assert np.array_equal(found.rgb[~found.holes].reshape(4, 4, 3), rgb[2:6, 2:6])
    assert (found.rgb[found.holes] == 0).all()
    out = torch.tensor([2.0, 0, 0, 0, 2, 0], dtype=torch.float64)
    shrunk = forward(rgb, Affine(), out, 8, 8)
    assert shrunk.holes.sum() == 0
    assert shrunk.empty.sum() == 48
    assert shrunk.hits.sum() == 64
    assert shrunk.hits.max() == 4


def test_forward_and_inverse_agree_where_nothing_is_stretched():
    rgb = picture(8, 12)
    for name in ("identity", "mirror"):
        theta = torch.tensor(presets(Affine())[name], dtype=torch.float64)
        found = forward(rgb, Affine(), theta, 8, 12)
        assert not found.holes.any()
        assert np.array_equal(found.rgb, sample(rgb, sampling_grid(Affine(), theta[None], 8, 12)[0], Sampling()))


def test_a_spline_pushes_as_the_affine_transform_that_it_is():
    rgb, family = picture(20, 24), ThinPlateSpline()
    for name in ("zoom in", "turn 30°"):
        ours = forward(rgb, family, torch.tensor(presets(family)[name], dtype=torch.float64), 20, 24)
        wanted = forward(rgb, Affine(), torch.tensor(presets(Affine())[name], dtype=torch.float64), 20, 24)
        seen = np.abs(wanted.landed).max(-1) < 1  # further out it is of no use
        assert np.abs(ours.landed - wanted.landed)[seen].max() < 1e-5
        assert (ours.holes != wanted.holes).mean() < 0.01


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6), st.sampled_from(ALL))
def test_any_matrix_gives_a_picture(theta, sampling):
    grid = sampling_grid(Affine(), torch.tensor([theta], dtype=torch.float64), 5, 6, sampling.align_corners)[0]
    rgb = picture(6, 7)
    out = sample(rgb, grid, sampling)
    low, high = (0, 255) if sampling.padding == "zeros" or sampling.mode == "bicubic" else (rgb.min(), rgb.max())
    assert low <= out.min() <= out.max() <= high
