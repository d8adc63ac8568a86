"""Angles, scales and shifts read from theta against SciPy and scikit-image, and curves of networks made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import polar
from skimage.transform import AffineTransform, estimate_transform
from torch import nn

from engine.runs import Cancelled
from engine.spatial.autoplay import autoplay, drawn_grid, loop, restlessness
from engine.spatial.curves import TRAINED, TRIED, curve, followed, linear_part, posed, rotation, tried
from engine.spatial.digits_model import DigitModel
from engine.spatial.distortions import TASKS, Pose
from engine.spatial.samples import samples
from engine.spatial.transforms import FAMILIES, control_points
from tests.spatial.untrained import model_of

ONE = [t for t in TASKS.values() if not t.pairs]


class Undo(nn.Module):
    """A localisation network that is told the pose and undoes it; `extra` is added to its angle."""

    def __init__(self, extra: float = 0.0) -> None:
        super().__init__()
        self.extra = extra
        self.next: Pose | None = None

    def forward(self, x):
        pose = Pose(self.next.angle + self.extra, self.next.scale, self.next.x, self.next.y)
        return torch.linalg.inv(pose.matrix(x.shape[-1]).double())[:, :2].flatten(1).float()


def undoing(monkeypatch, task: str, extra: float = 0.0) -> DigitModel:
    """A model whose transformer undoes each pose of `engine.spatial.curves` and `engine.spatial.autoplay`."""
    model = model_of(task, "affine")
    undo = model.net.transformers[0].localise = Undo(extra)
    for module in ("curves", "autoplay"):
        real = __import__(f"engine.spatial.{module}", fromlist=["place"]).place

        def place(digits, pose, size, real=real):
            undo.next = pose
            return real(digits, pose, size)

        monkeypatch.setattr(f"engine.spatial.{module}.place", place)
    return model


@given(st.floats(-179, 179), st.floats(0.2, 3), st.floats(0.2, 3), st.floats(-0.9, 0.9))
def test_rotation_is_the_polar_factor_of_scipy(angle, a, b, shear):
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    linear = np.array([[c, s], [-s, c]]) @ np.array([[a, shear * np.sqrt(a * b)], [shear * np.sqrt(a * b), b]])
    factor = polar(linear)[0]
    assert np.degrees(np.arctan2(factor[0, 1], factor[0, 0])) == pytest.approx(rotation(linear[None])[0], abs=1e-6)
    assert rotation(linear[None])[0] == pytest.approx(angle, abs=1e-6)


def test_the_affine_part_of_each_family():
    dice = np.random.default_rng(0)
    matrix = np.eye(3)[:2] + 0.3 * dice.normal(size=(2, 3))
    for name, theta in (("affine", matrix.ravel()), ("projective", [*matrix.ravel(), 0.0, 0.0])):
        linear, shift = linear_part(FAMILIES[name], np.array([theta]))
        assert linear[0] == pytest.approx(matrix[:, :2])
        assert shift[0] == pytest.approx(matrix[:, 2])
    control = control_points().numpy()
    places = control @ matrix[:, :2].T + matrix[:, 2] + 0.1 * dice.normal(size=control.shape)
    linear, shift = linear_part(FAMILIES["tps"], places.reshape(1, -1))
    fitted: AffineTransform = estimate_transform("affine", control, places)  # total least squares: close, not equal
    assert linear[0] == pytest.approx(fitted.params[:2, :2], abs=0.05)
    plain = np.linalg.lstsq(np.c_[control, np.ones(16)], places)[0]
    assert np.c_[linear[0], shift[0]] == pytest.approx(plain.T)


def test_a_homography_is_replaced_by_its_derivative_at_the_centre():
    theta = np.array([1.1, 0.2, 0.1, -0.3, 0.9, -0.2, 0.25, -0.15])
    family, step = FAMILIES["projective"], 1e-6
    points = torch.tensor([[0.0, 0], [step, 0], [-step, 0], [0, step], [0, -step]], dtype=torch.float64)
    at, right, left, down, up = family(torch.tensor(theta)[None], points)[0].numpy()
    linear, shift = linear_part(family, theta[None])
    assert shift[0] == pytest.approx(at)
    assert linear[0] == pytest.approx(np.stack([right - left, down - up], 1) / (2 * step), abs=1e-6)


@pytest.mark.parametrize(("task", "name"), [("R", "angle"), ("RTS", "angle"), ("RTS", "scale"), ("TC", "shift")])
def test_a_transformer_that_undoes_lies_on_the_diagonal(monkeypatch, task, name):
    model, some = undoing(monkeypatch, task), samples()
    values = np.array({"angle": [-150, -40, 0, 70, 180], "scale": [0.5, 1, 1.5], "shift": [-9, 0, 12]}[name], float)
    found = curve(model, some.images[::10], some.labels[::10], name, values)
    away = (found.undone - values + 180) % 360 - 180 if name == "angle" else found.undone - values
    assert away == pytest.approx(0, abs=1e-3)
    assert found.spread == pytest.approx(0, abs=1e-2)


def test_what_is_always_added_to_the_angle_is_no_error(monkeypatch):
    found = curve(undoing(monkeypatch, "R", 25.0), *_ten(), "angle", np.array([-30.0, 30.0]))
    assert found.undone == pytest.approx([-30, 30], abs=1e-3)


def test_errors_and_chances_are_those_of_the_network():
    model, (images, labels) = model_of("R"), _ten()
    found = curve(model, images, labels, "angle", np.array([0.0, 40.0]))
    for i, value in enumerate((0.0, 40.0)):
        chances = model.read(posed(torch.tensor(images) / 255, "angle", value, model.task).numpy()).chances
        assert found.error[i] == pytest.approx((chances.argmax(1) != labels).mean())
        assert found.chance[i] == pytest.approx(chances[np.arange(10), labels].mean(), abs=1e-6)
    assert np.isnan(found.undone).all()


def test_nothing_is_done_to_a_digit_at_the_middle_of_each_range():
    digits = torch.tensor(_ten()[0]) / 255
    for name, still in (("angle", 0), ("scale", 1), ("shift", 0)):
        assert torch.allclose(posed(digits, name, still, TASKS["R"])[:, 0], digits, atol=1e-4)
    one, other = (posed(digits, "shift", v, TASKS["TC"]) for v in (0, 10))
    differs = (one != other).nonzero()[:, 2]
    assert differs.min() >= 14, "distractors stay: nothing changes above the digit"


def test_values_that_are_tried_hold_the_trained_range_and_keep_digits_in():
    for task, ranges in TRAINED.items():
        for name, (low, high) in ranges.items():
            values = tried(name, TASKS[task])
            assert values[0] <= low < high <= values[-1]
    assert set(TRIED) == {"angle", "scale", "shift"}
    with pytest.raises(ValueError, match="one digit"):
        posed(torch.zeros(2, 28, 28), "angle", 0, TASKS["SUM"])


@pytest.mark.parametrize("task", ONE, ids=lambda task: task.name)
def test_loops_are_smooth_and_closed(task):
    film = loop(torch.tensor(samples().images[73]).float() / 255, task, 72)
    assert film.shape == (72, 1, task.size, task.size)
    jumps = (film - film.roll(1, 0)).abs().mean((1, 2, 3))
    assert jumps.max() < 5 * jumps.median()
    assert jumps.min() > 0
    assert film.min() >= 0
    assert film.max() <= 1


@pytest.mark.parametrize("family", ["affine", "projective", "tps"])
def test_autoplay_gives_all_that_the_browser_needs(family):
    film = autoplay(model_of("RTS", family), model_of("RTS"), samples().images[40], 8)
    assert film.inputs.shape == (8, 42, 42)
    assert film.crops.shape == (8, 28, 28)
    assert film.inputs.dtype == film.crops.dtype == np.uint8
    assert film.lattice.shape == (8, 9, 9, 2)
    assert film.outline.shape == (8, 65, 2)
    assert film.chances.shape == film.plain.shape == (8, 10)
    assert film.theta.shape == (8, len(FAMILIES[family].identity))
    assert np.isfinite(film.lattice).all()


def test_what_is_undone_stands_still(monkeypatch):
    film = autoplay(undoing(monkeypatch, "RTS"), None, samples().images[40], 24)
    assert film.held < 0.35 * film.moving
    assert film.plain.shape == (24, 0)


def test_who_cannot_play():
    with pytest.raises(ValueError, match="transformer"):
        autoplay(model_of("R"), None, samples().images[0])
    with pytest.raises(ValueError, match="one digit"):
        autoplay(model_of("SUM", "tps"), None, samples().images[0])


@pytest.mark.parametrize("family", ["affine", "projective", "tps"])
def test_the_grid_of_the_identity_is_the_picture(family):
    lattice, outline = drawn_grid(FAMILIES[family], np.array([FAMILIES[family].identity]), 42)
    assert lattice[0, 0, 0] == pytest.approx([0, 0], abs=1e-5)
    assert lattice[0, -1, 0] == pytest.approx([0, 42], abs=1e-5)
    assert lattice[0, 4, 4] == pytest.approx([21, 21], abs=1e-5)
    assert outline[0, [0, 16, 32, 48, 64]] == pytest.approx(
        np.array([[0, 0], [42, 0], [42, 42], [0, 42], [0, 0]]), abs=1e-5
    )


def test_restlessness_counts_ink_that_changes():
    still = np.full((3, 4, 4), 7, np.uint8)
    assert restlessness(still) == 0
    blinking = np.array([1, 0], np.uint8)[:, None, None].repeat(4, 1)
    assert restlessness(blinking) == pytest.approx(2)


def _ten() -> tuple[np.ndarray, np.ndarray]:
    """A sample of each digit."""
    return samples().images[::10], samples().labels[::10]


def test_each_transformer_follows_the_digit_that_it_is_told_of(monkeypatch):
    """The first looks where the lower digit lies, the second nowhere in particular."""
    model, poses = model_of("SUM", "affine"), []
    real = __import__("engine.spatial.curves", fromlist=["place"]).place

    def place(digits, pose, size):
        poses.append(pose)
        return real(digits, pose, size)

    def told(x):
        shift = torch.stack([poses[1].x, poses[1].y], 1) / 21
        return torch.cat([torch.tensor([[1.0, 0.0]]).expand(len(x), 2), shift], 1)[:, [0, 1, 2, 1, 0, 3]]

    monkeypatch.setattr("engine.spatial.curves.place", place)
    first = model.net.transformers[0]
    first.localise = nn.Module()
    first.localise.forward = told
    moves = followed(model, samples().images)
    assert moves.shape == (2, 2)
    assert moves[0, 1] == pytest.approx(1)
    assert abs(moves[0, 0]) < 0.2
    with pytest.raises(ValueError, match="no other to follow"):
        followed(model_of("R", "affine"), samples().images)


def test_a_curve_that_nobody_waits_for_ends_at_its_next_value():
    told = []

    def tell(done, total):
        told.append((done, total))
        if done == 2:
            raise Cancelled

    every = samples()
    with pytest.raises(Cancelled):
        curve(model_of("R", "affine"), every.images[:3], every.labels[:3], "angle", np.arange(9.0), tell)
    assert told == [(1, 10), (2, 10)]
