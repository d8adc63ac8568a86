"""Digits placed by hand: as the tasks place them, as OpenCV and the spline's own points have it; bad numbers told."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.spatial.distortions import PATCH, TASKS, Pose, place
from engine.spatial.placing import KIND, UPRIGHT, Pieces, PlacingError, check, draw, from_url, places_in_digit, scatter
from engine.spatial.placing import to_url as url_of
from engine.spatial.samples import samples
from engine.spatial.transforms import control_points

NAN = float("nan")
DIGIT = samples().images[73]
BENT = tuple((np.array(UPRIGHT["points"]) * 0.8 + np.random.default_rng(2).normal(0, 0.1, 32)).tolist())
LEANING = (-0.8, -0.6, 0.7, -0.9, 0.9, 0.8, -0.5, 0.7)


@pytest.mark.parametrize("name", ["R", "RTS", "TC"])
def test_a_pose_is_drawn_as_the_task_draws_it(name):
    task, numbers = TASKS[name], (33.0, 0.9, 3.0, -5.0)
    pose = Pose(*(torch.tensor([v], dtype=torch.float64) for v in numbers))
    wanted = place(torch.tensor(DIGIT[None]).double(), pose, task.size)[0, 0].numpy()
    assert np.abs(draw(DIGIT, task, numbers) - wanted).max() <= 0.5 + 1e-6


def test_upright_is_the_digit_itself():
    for name in ("R", "P", "E"):
        assert np.abs(draw(DIGIT, TASKS[name], UPRIGHT[KIND[name]]).astype(int) - DIGIT).max() <= 2  # thirds, rounded


def test_corners_are_opencvs_homography():
    corners = (np.reshape(LEANING, (4, 2)) + 1) * 14 - 0.5  # pixel indices
    square = np.array([(-0.5, -0.5), (27.5, -0.5), (27.5, 27.5), (-0.5, 27.5)])
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), square.astype(np.float32))
    y, x = np.mgrid[:28, :28]
    wanted = cv2.perspectiveTransform(np.stack([x, y], -1).reshape(1, -1, 2).astype(float), matrix)[0]
    got = (places_in_digit(TASKS["P"], LEANING).numpy() + 1) * 14 - 0.5
    inside = (np.abs(wanted - 13.5) < 14).all(-1)
    assert inside.sum() > 200
    assert np.abs(got.reshape(-1, 2) - wanted)[inside].max() < 1e-3


def test_ink_follows_a_control_point():
    places = places_in_digit(TASKS["E"], BENT).numpy()
    centres = (2 * np.arange(28) + 1) / 28 - 1
    for point, of in zip(np.reshape(BENT, (16, 2)), control_points().numpy(), strict=True):
        if np.abs(point).max() < centres[-1]:  # bilinearly between the four centres around it
            x, y = (point - centres[0]) * 14
            i, j = int(x), int(y)
            near = places[j : j + 2, i : i + 2]
            got = np.einsum("a,b,abk->k", [1 - y + j, y - j], [1 - x + i, x - i], near)
            assert np.abs(got - of).max() < 0.04


def test_pieces_are_added_where_they_lie():
    task = TASKS["TC"]
    pieces = scatter(samples().images, task, 4)
    again, other = scatter(samples().images, task, 4), scatter(samples().images, task, 5)
    assert pieces.places == again.places != other.places
    blank, numbers = np.zeros((28, 28), np.uint8), UPRIGHT["pose"]
    moved = Pieces(pieces.cut, (*((0, 10 * i) for i in range(5)), (54, 54)))
    canvas = draw(blank, task, numbers, moved)
    assert np.array_equal(canvas[40:46, :6], pieces.cut[4])
    assert np.array_equal(canvas[54:, 54:], pieces.cut[5])
    assert canvas.sum(dtype=int) == pieces.cut.sum(dtype=int)
    assert (pieces.cut.mean((1, 2)) > 50).all()
    assert draw(np.full((28, 28), 255, np.uint8), task, numbers, Pieces(pieces.cut, ((30, 30),) * 6)).max() == 255
    assert np.array(pieces.places).max() <= task.size - PATCH


@pytest.mark.parametrize(("name", "numbers"), [
    ("R", (0, 1, 0)), ("R", (200, 1, 0, 0)), ("RTS", (0, 0, 0, 0)), ("RTS", (0, 1, 22, 0)), ("TC", (NAN, 1, 0, 0)),
    ("P", (1, -1, -1, -1, 1, 1, -1, 1)), ("P", (0.0,) * 8), ("P", (-1, -1, 3, -1, 1, 1, -1, 1)), ("E", (0.0,) * 32),
    ("E", (5.0, *UPRIGHT["points"][1:])), ("P", (-1, -1, 1, -1, 0, -0.9, -1, 1)),
])  # fmt: skip
def test_bad_placements_are_told(name, numbers):
    with pytest.raises(PlacingError, match=r"^[A-Z].*\.$"):
        check(TASKS[name], numbers)


@pytest.mark.parametrize("name", list(KIND))
def test_a_placement_survives_a_url(name):
    numbers = {"pose": (-33.25, 0.901, 3.5, -5.125), "corners": LEANING, "points": BENT}[KIND[name]]
    numbers = check(TASKS[name], numbers)
    assert from_url(TASKS[name], url_of(numbers)) == numbers
    assert len(url_of(UPRIGHT["pose"])) == 7


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(KIND)), st.text(max_size=60) | st.from_regex(r"-?[0-9_.]{0,40}", fullmatch=True))
def test_any_other_text_is_refused_or_right(name, text):
    said = ""
    try:
        numbers = from_url(TASKS[name], text)
    except PlacingError as error:
        said = str(error)
    assert said.endswith(".") or check(TASKS[name], numbers) == numbers
