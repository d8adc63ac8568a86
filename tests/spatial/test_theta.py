"""Theta: what is refused and why, corners, conversions, URLs and formulas; wild inputs end in one clear sentence."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import ProjectiveTransform

from engine.spatial.formulas import formula
from engine.spatial.presets import presets
from engine.spatial.theta import (
    CORNERS,
    TransformError,
    check,
    convert,
    from_corners,
    from_url,
    interpolate,
    moved,
    to_url,
)
from engine.spatial.transforms import (
    FAMILIES,
    Affine,
    Attention,
    Projective,
    ThinPlateSpline,
    control_points,
    target_points,
)

FAMILY = st.sampled_from(list(FAMILIES.values()))
TURNED = CORNERS @ np.array([[0.6, 0.5], [-0.4, 0.7]]) + (0.1, -0.2)  # a parallelogram
FREE = CORNERS + np.array([(0.3, 0.1), (-0.2, 0.4), (0.1, -0.3), (0.2, 0.2)])


def at(family, theta, points) -> np.ndarray:
    return family(torch.tensor(np.array([theta], float)), torch.as_tensor(points, dtype=torch.float64))[0].numpy()


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_every_preset_is_usable_and_survives_a_link(family):
    for name, theta in presets(family, 4 / 3).items():
        assert check(family, theta) == theta
        again = from_url(family, to_url(theta))
        assert again == pytest.approx(theta, abs=5.1e-5), name
        assert to_url(again) == to_url(theta)
        assert len(to_url(theta)) < 300


@pytest.mark.parametrize(
    ("family", "theta", "sentence"),
    [
        (Affine(), (1, 0, 0, 0, 1), "6 parameters, not 5"),
        (Affine(), (1, 0, 0, 0, math.nan, 0), "finite"),
        (Affine(), (1, 0, math.inf, 0, 1, 0), "finite"),
        (Affine(), (1, 0, 101, 0, 1, 0), "between -100 and 100"),
        (Affine(), (1, 2, 0, 2, 4, 0), "singular"),
        (Affine(), (1, 0, 0, 0, "one", 0), "numbers"),
        (Affine(), (10**400, 0, 0, 0, 1, 0), "numbers"),
        (Attention(), (0, 0, 0), "singular"),
        (Projective(), (1, 0, 0, 0, 1, 0, 0.6, 0.6), "horizon"),
        (Projective(), (1, 0, 0, 1, 0, 0, 0, 0), "singular"),
        (ThinPlateSpline(), tuple(np.repeat(np.arange(16) / 16, 2)), "one line"),
        (ThinPlateSpline(), (*ThinPlateSpline().identity[2:4], *ThinPlateSpline().identity[2:]), "1 and 2"),
    ],
)
def test_what_cannot_be_used_says_why(family, theta, sentence):
    with pytest.raises(TransformError, match=sentence):
        check(family, theta)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_wild_numbers_are_used_or_refused(family, data):
    n = len(family.identity)
    wild = st.lists(st.floats(width=64) | st.floats(-2, 2), min_size=n, max_size=n)
    theta = data.draw(wild)
    try:
        used = check(family, theta)
    except TransformError:
        return
    assert np.isfinite(at(family, used, CORNERS)).all()


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60) | st.from_regex(r"[-0-9._e]{0,40}", fullmatch=True), FAMILY)
def test_wild_links_end_in_a_sentence(text, family):
    try:
        theta = from_url(family, text)
    except TransformError:
        return
    assert check(family, theta) == theta


@settings(deadline=None)
@given(st.floats(0.1, 50), st.floats(-50, 50), st.floats(-50, 50))
def test_links_are_short_decimals(s, x, y):
    text = to_url((s, x, y))
    assert set(text) <= set("-.0123456789_")
    assert from_url(Attention(), text) == pytest.approx((s, x, y), abs=5.1e-5)


def test_minus_zero_is_zero_in_a_link():
    assert to_url((1.0, -0.00001, -0.0)) == "1_0_0"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-0.35, 0.35), min_size=8, max_size=8))
def test_a_homography_goes_through_all_four_corners(offsets):
    corners = CORNERS + np.reshape(offsets, (4, 2))
    theta = from_corners(Projective(), corners)
    assert np.allclose(at(Projective(), theta, CORNERS), corners, atol=1e-9)
    oracle = ProjectiveTransform.from_estimate(CORNERS, corners)
    assert np.allclose(theta, (oracle.params / oracle.params[2, 2]).flatten()[:8], atol=1e-6)


def test_homographies_against_opencv():
    cv2 = pytest.importorskip("cv2")
    wanted = cv2.getPerspectiveTransform(CORNERS.astype(np.float32), FREE.astype(np.float32))
    assert np.allclose(from_corners(Projective(), FREE), wanted.flatten()[:8], atol=1e-6)


def test_corners_of_the_other_families():
    assert np.allclose(at(Affine(), from_corners(Affine(), TURNED), CORNERS), TURNED)
    boxed = 0.3 * CORNERS + (0.2, 0.1)
    assert from_corners(Attention(), boxed) == pytest.approx((0.3, 0.2, 0.1))
    assert np.allclose(at(ThinPlateSpline(), from_corners(ThinPlateSpline(), FREE), CORNERS), FREE)
    nearest = at(Affine(), from_corners(Affine(), FREE), CORNERS)
    for change in 0.01 * np.random.default_rng(0).normal(size=(20, 6)):  # least squares: nothing near is better
        other = at(Affine(), np.add(from_corners(Affine(), FREE), change), CORNERS)
        assert np.square(other - FREE).sum() > np.square(nearest - FREE).sum()


@pytest.mark.parametrize(
    "corners",
    [np.zeros((4, 2)), CORNERS[[0, 1, 1, 3]], np.full((4, 2), np.nan), CORNERS[:3], CORNERS[[0, 2, 1, 3]],
     np.array([(-1, -1), (0, 0), (1, 1), (-1, 1.0)])],
    ids=["one point", "two alike", "nan", "three", "crossed", "three on a line"],
)  # fmt: skip
def test_collapsed_corners_are_refused(corners):
    with pytest.raises(TransformError):
        from_corners(Projective(), corners)


EXACT = [("attention", "affine"), ("attention", "projective"), ("affine", "projective"), ("affine", "tps"),
         ("attention", "tps"), ("affine", "affine")]  # fmt: skip


@pytest.mark.parametrize(("source", "target"), EXACT)
def test_conversions_that_lose_nothing(source, target):
    source, target = FAMILIES[source], FAMILIES[target]
    points = target_points(6, 5)
    for theta in presets(source, 4 / 3).values():
        converted = convert(theta, source, target)
        assert np.allclose(at(target, converted, points), at(source, theta, points), atol=1e-9)


@pytest.mark.parametrize("source", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("target", FAMILIES.values(), ids=FAMILIES)
def test_conversions_come_back_or_say_that_nothing_comes_near(source, target):
    for name, theta in presets(source, 4 / 3).items():
        if target.name == "attention" != source.name and name in ("turn 90°", "mirror"):
            with pytest.raises(TransformError, match="comes near"):
                convert(theta, source, target)
            continue
        converted = convert(theta, source, target)
        gone = at(target, converted, control_points()) - at(source, theta, control_points())
        flat = at(Affine(), convert(theta, source, Affine()), control_points()) - at(source, theta, control_points())
        if target.name != "attention":  # as near as the best affine one, at least
            assert np.square(gone).sum() <= np.square(flat).sum() + 1e-9


def test_a_spline_made_of_a_homography_gives_it_back():
    theta = (0.9, 0.1, 0.05, -0.1, 0.8, 0.0, 0.2, -0.3)
    bent = convert(theta, Projective(), ThinPlateSpline())
    assert convert(bent, ThinPlateSpline(), Projective()) == pytest.approx(theta, abs=1e-6)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_moved_moves_every_place(family):
    for theta in presets(family).values():
        apart = at(family, moved(family, theta, 0.2, -0.1), CORNERS) - at(family, theta, CORNERS)
        assert np.allclose(apart, (0.2, -0.1))


def test_interpolation_is_linear_in_theta():
    a, b = (1.0, 0.0, 0.0), (0.5, 0.4, -0.2)
    assert interpolate(a, b, 0) == a
    assert interpolate(a, b, 1) == b
    assert interpolate(a, b, 0.5) == pytest.approx((0.75, 0.2, -0.1))


def test_formulas_hold_the_numbers():
    assert "0.250" in formula(Attention(), (0.25, 0.1, -0.3))
    assert "-0.300" in formula(Attention(), (0.25, 0.1, -0.3))
    affine = formula(Affine(), (1.25, 0.1, -0.3, 0.4, 0.75, 0.6))
    assert all(number in affine for number in ("1.250", "0.100", "-0.300", "0.400", "0.750", "0.600", r"\theta_{11}"))
    assert "w'" in formula(Projective(), Projective().identity)
    spline = formula(ThinPlateSpline(), convert((2.0, 0.5, 0.25, 0, 1, 0), Affine(), ThinPlateSpline()))
    assert r"2.000 & 0.500" in spline
    for family in FAMILIES.values():
        for theta in presets(family).values():
            assert formula(family, theta).count("{") == formula(family, theta).count("}")
            assert "-0.000" not in formula(family, theta)
