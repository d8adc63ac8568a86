"""Distorted digits: poses against OpenCV's warp, homographies against OpenCV's, clutter against a loop, ranges."""

import cv2
import numpy as np
import pytest
import torch

from engine.spatial.distortions import DIGIT, PATCH, TASKS, Pose, clutter, homography, place, random_pose


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def digits(n=4, seed=1):
    """Random smooth blobs in the middle of 28x28."""
    rng = np.random.default_rng(seed)
    pictures = np.zeros((n, DIGIT, DIGIT), np.float32)
    pictures[:, 6:22, 6:22] = rng.random((n, 16, 16))
    return torch.tensor(np.stack([cv2.GaussianBlur(p, (0, 0), 1.0) for p in pictures]))


def pose(angle=0.0, scale=1.0, x=0.0, y=0.0):
    return Pose(*(torch.tensor([float(v)]) for v in (angle, scale, x, y)))


@pytest.mark.parametrize(("angle", "scale", "x", "y", "size"), [
    (0, 1, 0, 0, 28), (90, 1, 0, 0, 28), (-37, 1.15, 3.5, -2, 42), (45, 0.7, -9, 9, 42), (0, 1, 16, -16, 60),
])  # fmt: skip
def test_a_pose_against_opencv(angle, scale, x, y, size):
    """`cv2.getRotationMatrix2D` turns counter-clockwise too; its pixel centres lie at whole numbers."""
    picture = digits(1)
    centre, middle = (DIGIT - 1) / 2, (size - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), angle, scale)
    matrix[:, 2] += (middle - centre + x, middle - centre + y)
    wanted = cv2.warpAffine(picture[0].numpy(), matrix, (size, size), flags=cv2.INTER_LINEAR)
    found = place(picture, pose(angle, scale, x, y), size)[0, 0].numpy()
    assert np.abs(found - wanted).max() < 0.03  # OpenCV rounds places to 1/32 pixel


def test_a_homography_against_opencv():
    rng = np.random.default_rng(3)
    target = np.float32([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    source = (target + rng.normal(0, 0.2, (5, 4, 2))).astype(np.float32)
    found = homography(torch.tensor(source), torch.tensor(target)).numpy()
    for one, corners in zip(found, source, strict=True):
        assert one == pytest.approx(cv2.getPerspectiveTransform(corners, target), abs=1e-4)


def test_clutter_adds_pieces_of_digits():
    """What was added is `count` squares of 6x6, each found in a digit, as a loop over all places finds it."""
    source = digits(3)
    empty = torch.zeros(2, 1, 30, 30)
    added = clutter(empty, source, 1, dice(5))
    for picture in added[:, 0]:
        ys, xs = torch.nonzero(picture, as_tuple=True)
        assert len(ys) > 0
        assert int(ys.max() - ys.min()) < PATCH
        assert int(xs.max() - xs.min()) < PATCH
        pieces = source.unfold(1, PATCH, 1).unfold(2, PATCH, 1).reshape(-1, PATCH, PATCH)
        windows = picture.unfold(0, PATCH, 1).unfold(1, PATCH, 1).reshape(-1, PATCH, PATCH)
        windows = windows[windows.sum((1, 2)) > picture.sum() - 1e-4]
        assert min(float((pieces - w).abs().amax((1, 2)).min()) for w in windows) < 1e-6


def test_clutter_stays_within_range_and_leaves_its_input():
    canvas = torch.full((1, 1, 12, 12), 0.9)
    added = clutter(canvas, digits(), 40, dice())
    assert float(added.max()) <= 1
    assert float(added.min()) >= 0.9 - 1e-6
    assert torch.equal(canvas, torch.full((1, 1, 12, 12), 0.9))


@pytest.mark.parametrize("name", TASKS)
def test_a_task_draws_pictures_of_its_size(name):
    task, labels = TASKS[name], torch.tensor([3, 1, 4, 1])
    x, y = task.draw(digits(), labels, dice())
    assert x.shape == (4, task.channels, task.size, task.size)
    assert x.dtype == torch.float32
    assert float(x.min()) >= 0
    assert float(x.max()) <= 1
    assert float(x.max()) > 0.3
    again, answers = task.draw(digits(), labels, dice())
    assert torch.equal(x, again)
    assert torch.equal(y, answers)
    assert not torch.equal(x, task.draw(digits(), labels, dice(1))[0])
    assert all(0 <= int(v) < len(task.classes) for v in y)


def test_a_pair_is_two_of_the_digits_and_their_sum():
    labels = torch.tensor([0, 5, 9, 7])
    x, y = TASKS["SUM"].draw(digits(), labels, dice())
    assert torch.equal(x[:, :1], TASKS["RTS"].draw(digits(), labels, dice())[0])
    assert all(int(s - a) in labels.tolist() for s, a in zip(y, labels, strict=True))
    assert int(y.sum()) == 2 * 21


def test_poses_keep_the_scaled_square_on_the_canvas():
    many = random_pose(torch.zeros(4000, DIGIT, DIGIT), dice(), 42)
    reach = DIGIT * many.scale / 2 + torch.maximum(many.x.abs(), many.y.abs())
    assert float(reach.max()) <= 21 + 1e-4
    assert float(reach.max()) > 20.9
    assert -45 <= float(many.angle.min()) < -44
    assert 44 < float(many.angle.max()) <= 45
    assert 0.7 <= float(many.scale.min()) < 0.71
    assert 1.19 < float(many.scale.max()) <= 1.2


@pytest.mark.parametrize("name", TASKS)
def test_without_strength_a_digit_lies_as_it_is(name):
    task, upright = TASKS[name], pose()
    x, _ = task.draw(digits(1), torch.tensor([3]), dice(7), 0.0)
    still = Pose(*(torch.zeros(1) + v for v in (upright.angle, upright.scale, upright.x, upright.y)))
    wanted = place(digits(1), still, task.size)
    if name == "TC":
        assert bool((x >= wanted - 1e-4).all())
    else:
        assert x[:, :1] == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("name", ["P", "E"])
def test_full_strength_is_more_than_half(name):
    """The mean distance from the undistorted digit grows with the strength."""
    upright = place(digits(4), Pose(*(torch.full((4,), v) for v in (0.0, 1.0, 0.0, 0.0))), DIGIT)
    apart = [float((TASKS[name].distort(digits(4), dice(3), s) - upright).abs().mean()) for s in (0.0, 0.5, 1.0)]
    assert apart == sorted(apart)
    assert apart[1] > 10 * apart[0]
