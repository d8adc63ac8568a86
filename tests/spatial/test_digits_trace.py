"""Traces of digits: what is drawn lies where the networks looked, and what is said is what they answered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine import render
from engine.spatial.colocal import HIT, SIZE, overlap
from engine.spatial.contact import BLUE, GREEN, ORANGE, VERMILION, Chart, Sheet, tile
from engine.spatial.digits_trace import area, finding_trace, learning_trace, outline, reading_trace, sum_trace
from engine.spatial.transforms import FAMILIES
from engine.trace import Trace
from tests.spatial.untrained import find_model, model_of, pictures_of, scenes_of, with_past

ERRORS = (0.9, 0.5, 0.2)


def layer(step, name):
    return next(x for x in step.layers if x.name.startswith(name))


def colours_in(picture: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, picture.reshape(-1, 3).tolist()))


@pytest.mark.parametrize("family", ["affine", "projective", "tps"])
def test_outline_goes_round_the_outputs_edge_and_says_up(family):
    lines = outline(FAMILIES[family], np.array(FAMILIES[family].identity), 42)
    kept = lines[~np.isnan(lines).any(1)]
    assert kept.min(0) == pytest.approx([0, 0], abs=1e-4)
    assert kept.max(0) == pytest.approx([42, 42], abs=1e-4)
    assert kept[-2:] == pytest.approx(np.array([[21, 21], [21, 0]]), abs=1e-4)


def test_the_middle_of_an_outline_is_half_as_large():
    theta = np.array([0.5, 0.2, 0.1, -0.2, 0.6, 0.0])
    whole, half = (outline(FAMILIES["affine"], theta, 42, reach) for reach in (1, 0.5))
    middle = np.array([1.1, 1.0]) * 21
    assert half - middle == pytest.approx((whole - middle) / 2, abs=1e-6, nan_ok=True)


def test_area_is_the_determinant():
    assert area(FAMILIES["affine"], np.array([0.5, 0.2, 0.0, -0.2, 0.5, 0.1])) == pytest.approx(0.29)


@pytest.mark.parametrize("family", ["affine", "projective", "tps"])
def test_a_reading_tells_where_it_looked_and_what_both_say(family):
    model, plain, picture = model_of("RTS", family), model_of("RTS"), pictures_of("RTS")[0][5]
    trace = reading_trace(model, picture, plain)
    read, other = model.read(picture[None]), plain.read(picture[None])
    assert [s.title for s in trace.steps] == ["Where it looks", "What it sees"]
    assert trace.steps[1].sentence.startswith(f"The transformer says {read.chances[0].argmax()} with")
    for i, (digit, ours, theirs) in enumerate(trace.steps[0].table.rows):
        assert digit == str(i)
        assert (ours, theirs) == pytest.approx((read.chances[0][i], other.chances[0][i]), abs=1e-4)
    lines = layer(trace.steps[0], "Outline").data
    wanted = outline(model.net.transformers[0].family, read.theta[0][0], 42) * 336 / 42
    inside = ~np.isnan(lines).any(1)
    assert lines[inside] == pytest.approx(wanted[inside], abs=4)
    assert layer(trace.steps[1], "Output").box == (344, 0, 680, 336)
    assert layer(trace.steps[1], "Output").data.shape == (336, 336, 3)
    alone = reading_trace(plain, picture)
    assert [s.layers for s in alone.steps] == [()]
    assert alone.steps[0].sentence.startswith("The plain CNN says")


def test_learning_goes_through_all_snapshots():
    model = with_past(model_of("RTS", "affine"), "error", ERRORS)
    pictures, labels = pictures_of("RTS")
    trace = learning_trace(model, pictures, labels)
    assert [s.title for s in trace.steps] == ["Step 0", "Step 10", "Step 20"]
    assert "error 50.0 %" in trace.steps[1].sentence
    assert "loss" not in trace.steps[0].sentence
    for i, step in enumerate(trace.steps):
        answers = model.read(pictures, i).chances.argmax(1)
        assert f"{(answers == labels).sum()} of these 12" in step.sentence
        assert sum(x.kind == "image" for x in step.layers) == 2
    marks = [layer(s, "This snapshot").data for s in trace.steps]
    assert len(marks[0]) == 1, "there is no loss before the first step"
    assert (np.diff([m[0, 0] for m in marks]) > 0).all(), "the mark moves to the right"
    assert marks[0][0, 1] < marks[2][0, 1], "a smaller error lies lower"
    assert all(render.render(trace, i).shape == trace.image.shape for i in range(3))


def test_answers_are_green_where_they_are_right():
    model = with_past(model_of("RTS", "affine"), "error", ERRORS[:2])
    pictures, _ = pictures_of("RTS", 6)
    answers = model.read(pictures, 0).chances.argmax(1)
    for labels, there, gone in ((answers, GREEN, VERMILION), ((answers + 1) % 10, VERMILION, GREEN)):
        drawn = layer(learning_trace(model, pictures, labels).steps[0], "Outputs").data
        assert there in colours_in(drawn)
        assert gone not in colours_in(drawn)


def test_a_network_without_a_past_has_one_step():
    pictures, labels = pictures_of("TC", 5)
    trace = learning_trace(model_of("TC", "affine"), pictures, labels)
    assert len(trace.steps) == 1
    assert trace.steps[0].title == "Trained"


def test_a_sum_shows_two_grids_on_two_digits():
    model, plain, picture = model_of("SUM", "tps"), model_of("SUM"), pictures_of("SUM")[0][2]
    trace = sum_trace(model, picture, plain)
    read = model.read(picture[None])
    assert len(trace.steps) == 3
    best = trace.steps[2].table.rows[0]
    assert best[0] == str(read.chances[0].argmax())
    assert best[1] == pytest.approx(read.chances[0].max(), abs=1e-4)
    assert {BLUE, ORANGE} <= colours_in(layer(trace.steps[1], "Outlines").data[:, :168])
    assert f"The transformers say {best[0]} with" in trace.steps[2].sentence
    seen = layer(trace.steps[2], "Outputs").data
    for k in range(2):
        for row in range(2):
            x, y, x1, y1 = map(int, Sheet(2, 3, 168, head=24).box(row, k + 1))
            assert np.array_equal(seen[y:y1, x:x1], tile(read.crops[k][0, row], 168))


def test_boxes_are_green_exactly_where_they_hit():
    model = find_model("TC")
    pictures, centres = scenes_of("TC")
    hits = overlap(torch.tensor(model.find(pictures)), torch.tensor(centres)).numpy() > HIT
    trace = finding_trace(model, pictures, centres)
    assert f"{hits.sum()} of these 6 are found" in trace.steps[0].sentence
    found = model.find(pictures)
    for truth, there, gone, many in ((found, GREEN, VERMILION, 6), (-np.sign(found) * 0.6, VERMILION, GREEN, 0)):
        step = finding_trace(model, pictures, truth).steps[0]
        assert there in colours_in(layer(step, "Boxes").data)
        assert gone not in colours_in(layer(step, "Boxes").data)
        assert f"{many} of these 6" in step.sentence


def test_finding_goes_through_all_snapshots():
    model = with_past(find_model("T"), "found", (0.1, 0.6))
    trace = finding_trace(model, *scenes_of("T"))
    assert len(trace.steps) == 2
    assert "found 60.0 %" in trace.steps[1].sentence
    assert not np.array_equal(*(layer(s, "Boxes").data for s in trace.steps))
    assert SIZE == 84


def test_traces_can_be_saved_and_told(tmp_path):
    model = with_past(model_of("RTS", "affine"), "error", ERRORS)
    trace = learning_trace(model, *pictures_of("RTS"))
    back = Trace.load(trace.save(tmp_path))
    assert [s.sentence for s in back.steps] == [s.sentence for s in trace.steps]
    assert "Step 20" in render.csv_text(trace)


def test_a_chart_runs_from_its_lower_to_its_upper_edge():
    chart = Chart((10.0, 20.0, 110.0, 70.0), "error", (None, 1.0, 0.5, 0.0))
    points = chart.points()
    assert np.isnan(points[0]).all()
    assert points[1:, 1] == pytest.approx([20, 45, 70])
    assert points[-1, 0] == 110
    assert np.isfinite(replace(chart, values=(0.0, 0.0)).points()).all()
    assert (chart.paint(np.full((80, 120, 3), 255, np.uint8)) < 255).any()


def test_lines_end_where_their_tile_ends():
    sheet = Sheet(1, 2, 100)
    lines = sheet.shifted(np.array([[0.0, 0], [10, 5], [20, 5]]), 10, 0, 1)
    assert lines[:2].tolist() == [[108, 0], [208, 50]]
    assert np.isnan(lines[2]).all()
