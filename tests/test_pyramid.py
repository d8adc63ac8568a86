"""Image pyramids against scikit-image's and SciPy's, local normalisation against its definition in loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2yuv
from skimage.filters import gaussian
from skimage.transform import pyramid_gaussian, pyramid_laplacian, resize

from engine import pyramid

fours = st.integers(1, 12).map(lambda n: 4 * n)


def picture(h: int, w: int, seed: int = 0) -> np.ndarray:
    """(h, w, 3) float64 noise from 0 to 1: nothing for a filter to be nearly right about."""
    return np.random.default_rng(seed).uniform(size=(h, w, 3))


def batch(picture: np.ndarray) -> torch.Tensor:
    return torch.tensor(picture).permute(2, 0, 1)[None]


def back(level: torch.Tensor) -> np.ndarray:
    return level[0].permute(1, 2, 0).numpy()


def halved(x: np.ndarray) -> np.ndarray:
    """scikit-image's `pyramid_reduce` from its two parts, since as a whole it cannot repeat edges."""
    smooth = gaussian(x, pyramid.SIGMA, mode="nearest", channel_axis=-1)
    return resize(smooth, (x.shape[0] // 2, x.shape[1] // 2), order=1, mode="edge", anti_aliasing=False)


@settings(max_examples=20, deadline=None)
@given(fours, fours)
def test_it_is_scikit_images_pyramid_with_edges_repeated(h, w):
    wanted = [picture(h, w)]
    for _ in range(2):
        wanted.append(halved(wanted[-1]))
    levels, bands = (f(batch(wanted[0])) for f in (pyramid.gaussian, pyramid.laplacian))
    for s, level, band, want in zip((1, 2, 4), levels, bands, wanted, strict=True):
        assert level.shape == band.shape == (1, 3, h // s, w // s)
        assert np.allclose(back(level), want, atol=1e-5)
        assert np.allclose(back(band), want - gaussian(want, pyramid.SIGMA, mode="nearest", channel_axis=-1), atol=1e-5)


@pytest.mark.parametrize(("ours", "theirs"), [(pyramid.gaussian, pyramid_gaussian),
                                              (pyramid.laplacian, pyramid_laplacian)])  # fmt: skip
def test_away_from_the_border_it_is_scikit_images_pyramid_as_it_comes(ours, theirs):
    x, inner = picture(64, 96), np.s_[6:-6, 6:-6]
    for level, want in zip(ours(batch(x)), theirs(x, max_layer=2, channel_axis=-1), strict=True):
        assert np.allclose(back(level)[inner], want[inner], atol=1e-5)


def test_it_smooths_as_scipy_does():
    x = picture(20, 31)
    wanted = gaussian_filter(x, pyramid.SIGMA, mode="nearest", truncate=4, axes=(0, 1))
    assert np.allclose(back(pyramid.smooth(batch(x))), wanted, atol=1e-9)


@pytest.mark.parametrize(("size", "levels"), [((6, 8), 3), ((8, 6), 3), ((1, 4), 2), ((4, 12), 4)])
def test_there_are_no_half_pixels(size, levels):
    with pytest.raises(ValueError, match=f"A picture of {size[1]} x {size[0]} has no {levels} whole octaves"):
        pyramid.gaussian(torch.zeros(1, 3, *size), levels)


def test_one_level_is_the_picture_itself():
    x = torch.rand(2, 3, 5, 7)
    (level,) = pyramid.gaussian(x, 1)
    assert torch.equal(level, x)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_pictures_stay_constant_and_hold_no_detail(value):
    x = torch.full((1, 3, 8, 4), value, dtype=torch.double)
    for level, band in zip(pyramid.gaussian(x), pyramid.laplacian(x), strict=True):
        assert torch.allclose(level, torch.tensor(value, dtype=torch.double))
        assert torch.allclose(band, torch.zeros_like(band), atol=1e-12)


def test_colours_are_scikit_images():
    x = picture(9, 5)
    assert np.allclose(back(pyramid.yuv(batch(x))), rgb2yuv(x), atol=5e-5)  # they round the matrix later
    assert np.allclose(back(pyramid.yuv(2 * batch(x))), 2 * rgb2yuv(x), atol=1e-4)
    grey = pyramid.yuv(torch.full((1, 3, 2, 2), 0.7))
    assert torch.allclose(grey[:, 0], torch.tensor(0.7))
    assert torch.allclose(grey[:, 1:], torch.zeros(1, 2, 2, 2), atol=1e-5)


def windowed(x: np.ndarray) -> np.ndarray:
    """(H, W) -> at each pixel the mean over the part of its 15 x 15 neighbourhood that lies inside the picture."""
    out = np.zeros_like(x)
    for i, j in np.ndindex(*x.shape):
        out[i, j] = x[max(i - 7, 0) : i + 8, max(j - 7, 0) : j + 8].mean()
    return out


@pytest.mark.parametrize("size", [(20, 33), (4, 40), (1, 1), (1, 18), (18, 1)])
def test_bands_are_normalised_within_their_neighbourhoods(size):
    x = picture(*size)
    x[:, size[1] // 2 :, 2] = 0.01 * x[:, size[1] // 2 :, 2]  # where deviations are too small to count
    ours = back(pyramid.normalised(batch(x)))
    for channel in range(3):
        centred = x[..., channel] - windowed(x[..., channel])
        deviation = np.sqrt(windowed(centred**2))
        assert np.allclose(ours[..., channel], centred / np.maximum(deviation, 0.02), atol=1e-9)


def test_contrast_and_brightness_do_not_matter_to_a_normalised_band():
    x = batch(picture(24, 24))
    assert torch.allclose(pyramid.normalised(x), pyramid.normalised(3 * x - 5))


def test_a_constant_band_is_zero_and_so_flat_that_gradients_stay_finite():
    x = torch.full((1, 3, 20, 20), 0.5, requires_grad=True)
    flat = pyramid.normalised(x)
    assert not flat.any()
    (gradient,) = torch.autograd.grad(flat[0, 0, 10, 10], x)
    assert torch.isfinite(gradient).all()
    assert float(gradient[0, 0, 10, 10]) == pytest.approx((1 - 1 / 225) / 0.02, rel=1e-4)
