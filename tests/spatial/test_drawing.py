"""The grid as lines, as SVG and as a Trace: places by hand, files that other libraries read."""

import base64
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from PIL import Image

from engine import render
from engine.spatial.drawing import FINE, GAP, both_ways, dashed, grid_lines, grid_svg, morph, theta_table, within
from engine.spatial.mapping import forward
from engine.spatial.presets import presets
from engine.spatial.sampling import Sampling, sample
from engine.spatial.transforms import FAMILIES, Affine, Attention, Projective, ThinPlateSpline, sampling_grid

SVG = "{http://www.w3.org/2000/svg}"


def lines_of(data: np.ndarray) -> list[np.ndarray]:
    """The polylines between the rows of nan."""
    parts = np.split(data, np.flatnonzero(np.isnan(data[:, 0])))
    return [line for part in parts if len(line := part[~np.isnan(part[:, 0])])]


def test_the_identity_divides_the_picture():
    lines = lines_of(grid_lines(Attention(), (1, 0, 0), 40, 60, (3, 2)))
    assert [len(line) for line in lines] == [FINE] * 7
    assert np.allclose([line[0] for line in lines[:4]], [[0, 0], [20, 0], [40, 0], [60, 0]])
    assert np.allclose([line[-1] for line in lines[4:]], [[60, 0], [60, 20], [60, 40]])


def test_aligned_corners_are_centres_of_pixels():
    lines = lines_of(grid_lines(Attention(), (1, 0, 0), 40, 60, (1, 1), align_corners=True))
    assert lines[0][0] == pytest.approx([0.5, 0.5])
    assert lines[1][-1] == pytest.approx([59.5, 39.5])


def test_lines_of_a_homography_stay_straight_and_those_of_a_spline_bend():
    def bend(line: np.ndarray) -> float:
        along = (line[-1] - line[0]) / np.linalg.norm(line[-1] - line[0])
        away = line - line[0]
        return float(np.abs(away[:, 0] * along[1] - away[:, 1] * along[0]).max())

    tilted = lines_of(grid_lines(Projective(), presets(Projective())["tilt aside"], 50, 50))
    assert max(map(bend, tilted)) < 1e-9
    bulged = lines_of(grid_lines(ThinPlateSpline(), presets(ThinPlateSpline())["bulge"], 50, 50))
    assert max(map(bend, bulged)) > 3


def test_the_pen_is_lifted_outside_and_between_dashes():
    line = np.array([[-1.0, 5], [0, 5], [5, 5], [10, 5], [11, 5]])
    assert np.isnan(within(line, 10, 10)[:, 0]).tolist() == [True, False, False, False, True]
    assert np.isnan(dashed(line, 2, 1)[:, 0]).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("picture", [True, False])
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_the_svg_stands_alone(rgb, family, picture):
    theta = list(presets(family).values())[-1]
    root = ET.fromstring(grid_svg(rgb, family, theta, picture=picture))
    assert root.tag == f"{SVG}svg"
    assert family.name in root.find(f"{SVG}title").text
    box = [float(v) for v in root.get("viewBox").split()]
    assert box == [-130 / 4, -90 / 4, 1.5 * 130, 1.5 * 90]
    paths = root.findall(f"{SVG}path")
    assert [path.get("d").count("M") for path in paths] == [34, 4]  # 17 lines each way, and the outline
    embedded = root.find(f"{SVG}image")
    assert (embedded is not None) == picture
    if picture:
        head, data = embedded.get("href").split(",")
        assert head == "data:image/png;base64"
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), rgb)


def test_the_svg_of_places_at_infinity_holds_numbers_only(rgb):
    text = grid_svg(rgb, Projective(), (1, 0, 0, 0, 1, 0, 1, 0))  # the left edge has no place
    root = ET.fromstring(text)
    assert "nan" not in text[: text.index("base64")] + root.findall(f"{SVG}path")[0].get("d")
    assert "inf" not in root.findall(f"{SVG}path")[0].get("d")


def test_morph_goes_from_one_to_the_other(rgb):
    family, sampling = Affine(), Sampling(padding="border")
    named = presets(family)
    found = morph(rgb, family, named["identity"], named["turn 30°"], 5, sampling)
    assert [step.title for step in found.steps] == ["t = 0.00", "t = 0.25", "t = 0.50", "t = 0.75", "t = 1.00"]
    for step, theta in ((found.steps[0], named["identity"]), (found.steps[-1], named["turn 30°"])):
        output = step.layers[0]
        grid = sampling_grid(family, torch.tensor([theta], dtype=torch.float64), 90, 130)[0]
        assert np.array_equal(output.data, sample(rgb, grid, sampling))
        assert output.box == (130 + GAP, 0, 260 + GAP, 90)
    assert np.array_equal(found.steps[0].layers[0].data, rgb)
    drawn = render.render(found, 0)
    assert np.array_equal(drawn[:, 130 + GAP :], rgb)
    with Image.open(io.BytesIO(render.gif(found, seconds=0.1))) as animation:
        assert animation.n_frames == 5
        assert animation.info["duration"] == 100


def test_both_ways_marks_the_holes(rgb):
    theta = torch.tensor(presets(Affine())["zoom in"], dtype=torch.float64)
    pushed = forward(rgb, Affine(), theta, 90, 130)
    found = both_ways(rgb, rgb, pushed)
    assert found.image.shape == (90, 3 * 130 + 2 * GAP, 3)
    mask = found.steps[0].layers[0]
    assert mask.data.sum() == pushed.holes.sum() > 0
    assert np.array_equal(found.image[:, int(mask.box[0]) : int(mask.box[2])], pushed.rgb)
    assert f"{pushed.holes.sum():,} holes" in found.steps[0].sentence


def test_tables_hold_theta():
    assert theta_table(Affine(), (1.23456, 0, 0.5, 0, 1, -0.00001)).rows[:2] == ((1.235, 0.0, 0.5), (0.0, 1.0, 0.0))
    points = theta_table(ThinPlateSpline(), ThinPlateSpline().identity).rows
    assert points[0] == ("1", -1.0, -1.0)
    assert points[15] == ("16", 1.0, 1.0)
