"""Descent of theta: a near target is reached, a far one is not, blur and a pyramid help; gradients by differences."""

import time

import numpy as np
import pytest
import torch
from PIL import Image

from engine import gallery
from engine.spatial.descent import BORDER, SIDE, Course, Descent, descend, pulls, reach
from engine.spatial.descent_steps import SHOWN, trace
from engine.spatial.presets import presets
from engine.spatial.sampling import Sampling, sampled
from engine.spatial.theta import moved
from engine.spatial.transforms import FAMILIES, Affine, Attention, ThinPlateSpline, sampling_grid, target_points
from engine.trace import Trace

CROP = (0.5, 0.0, -0.3, 0.0, 0.5, 0.0)


def photograph(slug: str) -> np.ndarray:
    """(H, W, 3) uint8, 256 pixels on its longer side."""
    picture = Image.fromarray(gallery.get(slug).load().rgb)
    picture.thumbnail((256, 256))
    return np.asarray(picture)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return photograph("astronaut")


@pytest.fixture(scope="module")
def stalled(astronaut) -> Descent:
    return descend(astronaut, Affine(), CROP, moved(Affine(), CROP, 0.35, 0.1), Course())


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_near_target_is_reached(astronaut, family):
    start = presets(family)["zoom in"]
    found = descend(astronaut, family, start, moved(family, start, 0.03, -0.02), Course())
    assert found.apart[0] == pytest.approx(128 * np.hypot(0.03, 0.02))
    assert found.arrived
    assert found.apart[-1] < 0.2
    assert found.losses[-1] < found.losses[0] / 100
    assert found.thetas.shape == (151, len(family.identity))


def test_a_far_target_stalls_and_blur_or_a_pyramid_gets_there(astronaut, stalled):
    assert not stalled.arrived
    assert stalled.apart[-1] > 10
    for course in (Course(blur=8), Course(pyramid=True)):
        found = descend(astronaut, Affine(), CROP, stalled.target, course)
        assert found.arrived
        assert found.apart[-1] < 0.5


def test_a_thin_line_pulls_only_where_it_nearly_is():
    """One bright column; the target sees it 2 or 20 pixels aside: the far one pulls to neither side, but if blurred."""
    rgb = np.zeros((32, 64, 3), np.uint8)
    rgb[:, 30:33] = 255
    between = 1 / 64  # half a pixel, where sampling has one slope

    def pull(pixels: int, blur: float) -> float:
        course = Course(steps=1, blur=blur)
        (found,) = pulls(rgb, descend(rgb, Attention(), (1, between, 0), (1, between + pixels / 32, 0), course), [0])
        return -found.gradient[..., 0].sum() / np.abs(found.gradient).max()

    assert pull(2, 0) > 10
    assert abs(pull(20, 0)) < 1e-9
    assert pull(20, 8) > 10


def test_at_the_target_nothing_moves(astronaut):
    found = descend(astronaut, Affine(), CROP, CROP, Course(steps=5))
    assert found.losses.tolist() == [0] * 6
    assert found.apart.max() == 0
    assert np.allclose(found.thetas, CROP)


def test_a_target_in_another_light_leaves_a_loss(astronaut):
    target = moved(Affine(), CROP, 0.03, 0.0)
    found = descend(astronaut, Affine(), CROP, target, Course(brightness=1.3))
    assert found.losses[-1] > 1e-3
    assert found.losses[-1] < found.losses[0]


def test_the_pyramid_halves_its_blur_and_ends_sharp(astronaut):
    found = descend(astronaut, Attention(), (0.5, 0, 0), (0.5, 0.1, 0), Course(steps=50, pyramid=True))
    assert np.unique(found.sigmas[:-1], return_counts=True)[1].tolist() == [10] * 5
    assert found.sigmas[0] == pytest.approx(256 / 12)
    assert found.sigmas[-1] == 0
    steps = found.sigmas[:40:10]
    assert np.allclose(steps[1:], steps[:-1] / 2)


@pytest.mark.parametrize("size", [(256, 12, 3), (12, 256, 3), (9, 8, 3)])
def test_odd_pictures(size):
    rgb = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    found = descend(rgb, Affine(), CROP, moved(Affine(), CROP, 0.1, 0), Course(steps=10, pyramid=True))
    assert np.isfinite(found.losses).all()
    assert trace(found, rgb, {}).image.shape[0] == size[0]


def test_a_wild_rate_ends_in_numbers_or_nan_but_not_in_an_error(astronaut):
    family = FAMILIES["projective"]
    course = Course(steps=50, rate=1.0)
    found = descend(astronaut, family, family.identity, presets(family)["turn 90°"], course)
    assert not found.arrived
    assert len(trace(found, astronaut, {}).steps) == SHOWN


def test_one_descent_is_quick(astronaut):
    start = time.perf_counter()
    family = ThinPlateSpline()
    descend(astronaut, family, family.identity, presets(family)["swirl"], Course(pyramid=True))
    assert time.perf_counter() - start < 6  # 1.5 s on an idle core; the machine may be busy


def test_the_pull_is_the_gradient_by_differences(astronaut, stalled):
    (pulled,) = pulls(astronaut, stalled, [3])
    h, w = pulled.places.shape[:2]
    assert (h, w) == (SIDE, SIDE)
    picture = torch.from_numpy(pulled.picture).movedim(-1, 0)[None]
    wanted = torch.from_numpy(pulled.wanted)

    def loss(places: np.ndarray) -> float:
        output = sampled(picture, torch.from_numpy(places)[None], BORDER)[0].movedim(0, -1)
        return float((output - wanted).square().mean())

    assert loss(pulled.places) == pytest.approx(stalled.losses[3])
    step = 1e-6
    for y, x in ((10, 20), (40, 7), (63, 63)):
        for axis in (0, 1):
            there, back = pulled.places.copy(), pulled.places.copy()
            there[y, x, axis] += step
            back[y, x, axis] -= step
            by_pixel = (loss(there) - loss(back)) / (2 * step) * 2 / 256  # 256 pixels for 2 of normalised length
            assert pulled.gradient[y, x, axis] == pytest.approx(by_pixel, rel=1e-4, abs=1e-10)


@pytest.mark.parametrize(("mode", "count"), [("bilinear", 4), ("nearest", 1), ("bicubic", 16)])
def test_one_output_pixel_reaches_that_many_input_pixels(mode, count):
    rgb = np.zeros((20, 24, 3), np.uint8)
    theta = torch.tensor([[0.37, 0.05, 0.011, -0.06, 0.41, 0.023]], dtype=torch.float64)
    grid = sampling_grid(Affine(), theta, 20, 24)[0]
    slope = reach(rgb, grid, 9, 5, Sampling(mode))
    assert np.count_nonzero(slope) == count
    assert slope.sum() == pytest.approx(1)
    rows, columns = np.nonzero(slope)
    assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == np.sqrt(count)


def test_beyond_the_four_the_loss_does_not_know_the_picture():
    """Another picture everywhere but at the neighbours of the sampled places gives the same gradient by theta."""
    rng = np.random.default_rng(0)
    grid = sampling_grid(Affine(), torch.tensor([[0.3, 0, 0.01, 0, 0.3, 0.02]], dtype=torch.float64), 4, 4)[0]
    touched = sum(reach(np.zeros((30, 30, 3), np.uint8), grid, x, y, Sampling()) > 0 for y, x in np.ndindex(4, 4)) > 0
    assert 16 < touched.sum() <= 64
    one, other = rng.random((2, 30, 30))
    other[touched] = one[touched]

    def slope(picture: np.ndarray) -> torch.Tensor:
        theta = torch.tensor([0.3, 0, 0.01, 0, 0.3, 0.02], dtype=torch.float64, requires_grad=True)
        places = sampling_grid(Affine(), theta[None], 4, 4)
        (found,) = torch.autograd.grad(sampled(torch.tensor(picture)[None, None], places, Sampling()).sum(), theta)
        return found

    assert torch.equal(slope(one), slope(other))


def test_the_trace_shows_the_descent(astronaut, stalled, tmp_path):
    found = trace(stalled, astronaut, {"name": "sampling-grid"})
    assert len(found.steps) == SHOWN
    assert found.steps[0].title == "Step 0"
    assert found.steps[-1].title == "Step 150"
    h, w = astronaut.shape[:2]
    assert found.image.shape[0] == h
    assert np.array_equal(found.image[:, :w], astronaut)
    for number, step in ((0, found.steps[0]), (150, found.steps[-1])):
        assert f"{stalled.apart[number]:.1f} px" in step.sentence
        layers = {layer.name: layer for layer in step.layers}
        outline = layers["Grid of theta"].data
        corner = target_points(2, 2, True)[:1]
        theta = torch.tensor(stalled.thetas[number][None])
        wanted = (Affine()(theta, corner)[0, 0].numpy() + 1) / 2 * (w, h)
        inside = ((wanted >= 0) & (wanted <= (w, h))).all()
        assert inside == bool(np.isclose(outline, wanted).all(1).any())
        assert layers["Output"].data.shape == (SIDE, SIDE, 3)
        assert np.nanmax(outline[:, 0]) <= w
    before, after = ({x.name: x.data for x in s.layers}["Output"] for s in (found.steps[0], found.steps[-1]))
    assert not np.array_equal(before, after)
    assert len(Trace.load(found.save(tmp_path)).steps) == SHOWN


def test_arrows_point_downhill(astronaut):
    """Where the target lies to the right, a bright edge pulls to the right on average."""
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[:, 30:34] = 255
    blurred = descend(rgb, Attention(), (1, 0, 0), (1, 0.06, 0), Course(steps=1, blur=3))
    (pulled,) = pulls(rgb, blurred, [0])
    assert -pulled.gradient[..., 0].sum() > 0
    assert blurred.thetas[1, 1] > blurred.thetas[0, 1]
    arrows = trace(blurred, rgb, {}).steps[0].layers[-1]
    assert arrows.name == "Pull on each place"
    tail, tip = arrows.data[0::7], arrows.data[1::7]
    assert np.nansum((tip - tail)[:, 0]) > 0


def test_blur_is_shown_where_it_is(astronaut):
    found = trace(descend(astronaut, Affine(), CROP, CROP, Course(steps=10, pyramid=True)), astronaut, {})
    assert found.steps[0].layers[0].name == "Blurred picture"
    assert found.steps[-1].layers[0].name == "Target"
