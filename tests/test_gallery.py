"""The gallery: every picture loads offline, is credited, and its ground truth fits the pixels."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from engine import drawn, gallery
from engine.trace import VOID


def test_there_are_enough_pictures_and_each_is_credited():
    assert len(gallery.names()) >= 8
    assert gallery.DEFAULT in gallery.names()
    for slug in gallery.names():
        image = gallery.get(slug)
        assert re.fullmatch(r"[a-z0-9-]+", slug)
        assert image.slug == slug
        assert image.title
        assert image.credit
        assert image.licence
        assert image.source.startswith(("https://", "engine/"))


@pytest.mark.parametrize("slug", gallery.names())
def test_each_picture_loads(slug):
    picture = gallery.get(slug).load()
    assert picture.rgb.dtype == np.uint8
    assert picture.rgb.shape == (picture.height, picture.width, 3)
    assert 300 <= max(picture.rgb.shape) <= 640
    assert picture.rgb.std() > 10
    assert not picture.rgb.flags.writeable
    assert gallery.get(slug).load() is picture


def test_unknown_names_get_one_sentence():
    for slug in ("nope", "<script>", "../china", ""):
        with pytest.raises(gallery.GalleryError, match=r"^The gallery has no picture of that name; [^.]*\.$"):
            gallery.get(slug)
    with pytest.raises(gallery.GalleryError, match=r"label set"):
        gallery.get("china").truth("cityscapes")


@pytest.mark.parametrize("labels", gallery.LABELS)
@pytest.mark.parametrize("slug", gallery.names())
def test_truth_fits_its_picture(slug, labels):
    truth = gallery.get(slug).truth(labels)
    if truth is None:
        return
    assert truth.dtype == np.uint8
    assert truth.shape == gallery.get(slug).load().rgb.shape[:2]
    assert set(np.unique(truth)) <= {*range(len(gallery.LABELS[labels])), VOID}
    assert (truth == VOID).mean() < 0.25
    assert not truth.flags.writeable


def test_which_pictures_have_truth():
    having = {(s, n) for s in gallery.names() for n in gallery.LABELS if gallery.get(s).truth(n) is not None}
    assert having == {("china", "stanford"), ("landscape", "stanford"), ("chelsea", "animals"),
                      ("astronaut", "animals"), ("camera", "animals")}  # fmt: skip


# (picture, labels, x, y, class): pixels whose class is plain to see
PLAIN = [
    ("china", "stanford", 400, 60, "sky"), ("china", "stanford", 205, 200, "building"),
    ("china", "stanford", 420, 270, "water"), ("china", "stanford", 480, 380, "tree"),
    ("china", "stanford", 30, 300, "water"), ("china", "stanford", 600, 300, "tree"),
    ("china", "stanford", 206, 40, "building"), ("china", "stanford", 60, 100, "sky"),
    ("chelsea", "animals", 200, 150, "cat"), ("chelsea", "animals", 420, 80, "background"),
    ("chelsea", "animals", 10, 50, "background"), ("astronaut", "animals", 225, 100, "person"),
    ("astronaut", "animals", 100, 400, "person"), ("astronaut", "animals", 420, 120, "background"),
    ("camera", "animals", 220, 100, "person"), ("camera", "animals", 400, 350, "background"),
]  # fmt: skip


@pytest.mark.parametrize(("slug", "labels", "x", "y", "name"), PLAIN)
def test_truth_names_the_right_class(slug, labels, x, y, name):
    assert gallery.LABELS[labels][gallery.get(slug).truth(labels)[y, x]] == name


def edges(rgb: np.ndarray) -> np.ndarray:
    grey = rgb.astype(float).mean(-1)
    return np.hypot(*np.gradient(grey))


@pytest.mark.parametrize(("slug", "labels"), [("china", "stanford"), ("chelsea", "animals"), ("astronaut", "animals"),
                                              ("camera", "animals"), ("landscape", "stanford")])  # fmt: skip
def test_borders_of_the_truth_lie_on_edges_of_the_picture(slug, labels):
    """The picture changes more along the traced borders than along the same borders moved aside by 15 pixels."""
    image = gallery.get(slug)
    rgb, truth = image.load().rgb, image.truth(labels).copy()
    inside = np.zeros(truth.shape, bool)
    inside[20:-20, 20:-20] = True
    border = (np.hypot(*np.gradient(np.where(truth == VOID, 99.0, truth))) > 0) & inside
    strength = edges(rgb)
    here = strength[border].mean()
    aside = [strength[np.roll(border, shift, (0, 1))].mean() for shift in ((0, 15), (0, -15), (15, 0), (-15, 0))]
    assert here > 1.15 * np.mean(aside)


def test_polygons_are_painted_in_order_with_a_band():
    square = {"label": "b", "points": [[4, 4], [12, 4], [12, 12], [4, 12]]}
    drawing = {"size": [16, 16], "band": 1, "polygons": [
        {"label": "a", "points": [[0, 0], [16, 0], [16, 16], [0, 16]]}, square]}  # fmt: skip
    labels = gallery.paint(drawing, ("a", "b"))
    wanted = np.zeros((16, 16), np.uint8)
    wanted[4:12, 4:12] = 1
    band = np.zeros((16, 16), bool)
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        band |= np.roll(wanted, (dy, dx), (0, 1)) != wanted
    wanted[band] = VOID
    assert np.array_equal(labels, wanted)


def test_the_landscape_is_seeded_and_has_every_class():
    rgb, labels = drawn.landscape()
    again = drawn.landscape.__wrapped__()
    assert np.array_equal(rgb, again[0])
    assert np.array_equal(labels, again[1])
    share = np.bincount(labels.ravel(), minlength=8) / labels.size
    assert len(share) == 8
    assert share.min() > 0.005
    assert not np.array_equal(drawn.landscape.__wrapped__(1)[0], rgb)


def test_the_landscape_has_the_colours_of_its_classes():
    rgb, labels = drawn.landscape()
    mean = {name: rgb[labels == i].mean(0) for i, name in enumerate(gallery.LABELS["stanford"])}
    assert mean["sky"][2] > mean["sky"][0] + 20
    assert mean["grass"][1] == mean["grass"].max()
    assert mean["tree"][1] == mean["tree"].max()
    assert np.ptp(mean["road"]) < 12
    assert mean["water"][2] > mean["water"][0]
    assert mean["foreground"][0] > 1.3 * mean["foreground"][1]


def test_drawing_is_quick_and_then_free():
    start = time.process_time()
    drawn.landscape.__wrapped__(3)
    assert time.process_time() - start < 3  # about 1 s on a free core
    drawn.landscape()
    start = time.process_time()
    drawn.landscape()
    assert time.process_time() - start < 0.01


def test_shapes_are_flat_and_bright():
    rgb = drawn.shapes()
    assert rgb.shape == (480, 640, 3)
    hue = np.asarray(Image.fromarray(rgb).convert("HSV"))[..., 0][rgb.max(-1) > rgb.min(-1) + 60]
    assert (np.bincount(hue // 16, minlength=16) > 2000).sum() >= 5


def test_photographs_are_read_without_importing_their_packages():
    code = """
import sys
from engine import gallery
for slug in ("china", "chelsea"):
    gallery.get(slug).load()
assert not {"sklearn", "skimage", "scipy", "streamlit"} & set(sys.modules), "a heavy package was imported"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_tile_of_a_portrait_keeps_the_head_and_of_a_wide_picture_the_middle():
    rows = np.repeat(np.arange(240, dtype=np.uint8)[:, None, None], 120, 1).repeat(3, 2)  # 120 x 240
    tile = gallery.tile(rows, (60, 40))
    assert tile.shape == (40, 60, 3)
    assert tile[0].max() <= 2
    assert abs(int(tile[-1, 0, 0]) - 79) <= 2  # the upper third is shown
    across = gallery.tile(rows.swapaxes(0, 1), (60, 40))
    assert abs(int(across[0, 0, 0]) - 31) <= 3
    assert abs(int(across[0, -1, 0]) - 208) <= 3
