"""Polygons become labels exactly: against scikit-image on pixel centres, and back and forth without a pixel lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import points_in_poly

from engine.debug import polygons as p
from engine.debug.polygons import IGNORED, UNTOUCHED, Drawing, Polygon, blank, inside, outlined, rasterise, snap

H, W = 19, 26
CENTRES = np.stack(np.meshgrid(np.arange(W) + 0.5, np.arange(H) + 0.5), -1)
places = st.tuples(st.floats(-9, W + 9), st.floats(-9, H + 9))
on_grid = st.tuples(st.integers(-4, 2 * W + 4), st.integers(-4, 2 * H + 4)).map(lambda p: (p[0] / 2, p[1] / 2))


def clear_of(points: np.ndarray, reach: float = 1e-6) -> np.ndarray:
    """(H, W) bool: the pixel centres that no edge passes more closely than `reach`."""
    clear = np.ones((H, W), bool)
    for a, b in zip(points, np.roll(points, -1, 0), strict=True):
        along, off = b - a, CENTRES - a
        t = np.clip(off @ along / max(along @ along, 1e-300), 0, 1)
        clear &= np.hypot(*np.moveaxis(off - t[..., None] * along, -1, 0)) > reach
    return clear


@settings(max_examples=120, deadline=None)
@given(st.lists(places, min_size=3, max_size=12))
def test_any_polygon_holds_the_pixels_whose_centres_lie_inside(points):
    points = np.array(points)
    got, want = inside(points, (H, W)), points_in_poly(CENTRES.reshape(-1, 2), points).reshape(H, W)
    clear = clear_of(points)
    assert np.array_equal(got[clear], want[clear])


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_star_is_filled_by_the_even_odd_rule(step):
    """{9/k} stars: the middle is wound k times around, so it is filled for odd k only."""
    angle = 2 * np.pi * step * np.arange(9) / 9 + 0.1
    points = np.array([W / 2, H / 2]) + 9 * np.stack([np.cos(angle), np.sin(angle)], -1)
    got = inside(points, (H, W))
    assert got[H // 2, W // 2] == (step % 2 == 1)
    assert np.array_equal(got, points_in_poly(CENTRES.reshape(-1, 2), points).reshape(H, W))


def test_a_rectangle_holds_left_and_upper_edges_but_not_the_others():
    got = inside(np.array([[2.5, 3.5], [7.5, 3.5], [7.5, 6.5], [2.5, 6.5]]), (H, W))
    want = np.zeros((H, W), bool)
    want[3:6, 2:7] = True
    assert np.array_equal(got, want)


@settings(max_examples=200, deadline=None)
@given(st.lists(on_grid | places, min_size=4, max_size=4), st.integers(-3, 2 * W).map(lambda x: x / 2), st.data())
def test_neighbours_share_an_edge_without_gap_or_overlap(rim, x, data):
    """A path cuts the whole picture in two; every pixel belongs to exactly one half, on whatever the path runs."""
    path = [(x, -5.0), *data.draw(st.lists(on_grid, max_size=6)), *rim, (x, H + 5.0)]
    left = inside(np.array([*path, (-50.0, H + 5.0), (-50.0, -5.0)]), (H, W))
    right = inside(np.array([*reversed(path), (80.0, -5.0), (80.0, H + 5.0)]), (H, W))
    assert (left ^ right).all()


@pytest.mark.parametrize("points", [[], [[3, 3]], [[3, 3], [9, 9]], [[3, 3]] * 5, [[0, 4], [20, 4], [9, 4]],
                                    [[4, 0], [4, 18], [4, 3]], [[-90, -90], [-50, -90], [-50, -50]]])  # fmt: skip
def test_what_has_no_area_labels_nothing(points):
    assert not inside(np.array(points, float).reshape(-1, 2), (H, W)).any()


def box(x0, y0, x1, y1):
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)


def test_later_polygons_and_then_the_brush_lie_above_and_ignore_takes_away():
    cells = np.full((H, W), UNTOUCHED, np.uint8)
    cells[5, :8], cells[6, :8] = 4, IGNORED
    drawing = Drawing((Polygon(1, box(0, 0, 9, 9)), Polygon(2, box(4, 0, 20, 9)), Polygon(255, box(6, 0, 8, 9))), cells)
    want = np.full((H, W), 255, np.uint8)
    want[:9, :9], want[:9, 4:20], want[:9, 6:8], want[5, :8], want[6, :8] = 1, 2, 255, 4, 255
    assert np.array_equal(rasterise(drawing), want)
    assert not drawing.empty
    assert blank((H, W)).empty
    assert (rasterise(blank((H, W))) == 255).all()


def test_snap_takes_the_superpixel_under_the_point():
    regions = np.arange(H)[:, None] // 7 * 10 + np.arange(W) // 9
    assert np.array_equal(snap(regions, 9.0, 6.99), regions == 1)
    assert snap(regions, W, 0.0) is None
    assert snap(regions, 0.0, -0.01) is None


@settings(max_examples=150, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.sampled_from([0, 0, 0, 3, 255])))
def test_outlines_make_the_same_labels_again(labels):
    assert np.array_equal(rasterise(blank(labels.shape, outlined(labels))), labels)


def test_outlines_of_smooth_areas_are_short_and_exact():
    y, x = np.mgrid[:300, :400]
    labels = np.where(np.hypot(x - 200, y - 150) < 120, 1, 0).astype(np.uint8)
    labels[np.hypot(x - 200, y - 150) < 60] = 255  # a hole in a hole of another area
    polygons = outlined(labels)
    assert [polygon.label for polygon in polygons] == [0, 1]
    rim = np.count_nonzero(labels[1:] != labels[:-1]) + np.count_nonzero(labels[:, 1:] != labels[:, :-1])
    assert sum(len(polygon.points) for polygon in polygons) < 0.6 * rim
    assert np.array_equal(rasterise(blank(labels.shape, polygons)), labels)


def test_too_many_areas_are_refused_in_a_sentence():
    labels = np.indices((60, 60)).sum(0).astype(np.uint8) % 2
    with pytest.raises(ValueError, match=f"more than {p.MOST_POLYGONS} separate areas"):
        outlined(labels)
    y, x = np.mgrid[:300, :640]
    hatched = ((x % 2 == 0) & ((x + y) % 9 < 7) | (y % 9 == 0)).astype(np.uint8)
    with pytest.raises(ValueError, match="more than 20,000 points"):
        outlined(hatched, 0)
