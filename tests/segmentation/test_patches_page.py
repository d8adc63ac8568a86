"""The patches page by AppTest, with random weights: it runs, answers, measures, and says what is missing."""

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine import cards, zoo
from engine.segmentation.patches import WINDOWS
from engine.segmentation.patches_model import SIDE, USUAL, PatchesModel
from engine.segmentation.patchwise import Comparison
from pages.kit import models
from pages.kit.picker import Chosen, _Hand
from pages.kit.rooms import PATCHES
from pages.kit.viewer import Pick
from pages.segmentation import patches_controls as controls
from pages.segmentation import patches_price as price
from tests.segmentation import pages
from tests.segmentation.pages import text_of, visit

FIGURES = {"images": 71, "variants": {
    f"window {w}": {"pixel_accuracy": 0.5 + i / 20, "class_accuracy": 0.4, "boundary_accuracy": None}
    for i, w in enumerate(WINDOWS)
}}  # fmt: skip


@pytest.fixture
def page(monkeypatch, patches) -> AppTest:
    """The page with a model of random weights and a card made by hand."""
    scored = PatchesModel(replace(patches.card, figures=FIGURES), patches.network)
    monkeypatch.setattr(models, "_model", lambda name: scored)
    return visit(PATCHES, image="landscape")


def open_tab(app: AppTest, label: str) -> None:
    pages.open_tab(app, controls.KEY, label)


def tables(app: AppTest) -> list:
    return [d.value for d in app.dataframe]


def test_the_page_runs_and_explains_itself(page):
    page.run()
    assert not page.exception
    assert page.title[0].value == PATCHES.title
    assert "22-28, 57" in text_of(page)
    assert [t.label for t in page.tabs] == ["What you see", "Same answer, other price", "How large a window?",
                                            "Shift and stitch", "Against the truth", "Code that ran"]  # fmt: skip
    assert page.select_slider(key="window").value == USUAL


def test_the_window_and_its_place_are_in_the_url(page):
    page.query_params.update({"window": "43", "x": "17", "y": "300"})
    page.run()
    assert page.select_slider(key="window").value == 43
    assert (page.slider(key="x").value, page.slider(key="y").value) == (17, 300)
    assert "43 x 43" in text_of(page)


def test_nonsense_in_the_url_is_ignored(page):
    page.query_params.update({"window": "44", "x": "left", "y": "-7", "crop": "1e9", "image": "../../etc/passwd"})
    page.run()
    assert not page.exception
    assert page.select_slider(key="window").value == USUAL


def test_a_smaller_picture_keeps_the_window_inside(page):
    page.query_params.update({"x": "639", "y": "479"})
    page.run()
    page.query_params["image"] = "camera"
    page.run()
    assert not page.exception
    assert page.slider(key="x").value <= page.slider(key="x").max


def test_a_click_moves_the_window(page):
    page.run()
    page.session_state["patches_clicked"] = {"x": 12, "y": 34}
    page.run()
    assert (page.slider(key="x").value, page.slider(key="y").value) == (12, 34)


def test_a_pick_counts_once(monkeypatch):
    state = {}
    monkeypatch.setattr(controls.st, "session_state", state)
    assert not controls.clicked(None)
    assert controls.clicked(Pick(12.7, 34.2, 2, 5))
    assert state["patches_clicked"] == {"x": 12, "y": 34}
    assert not controls.clicked(Pick(12.7, 34.2, 2, 5))
    assert controls.clicked(Pick(12.7, 34.2, 2, 6))


def test_the_middle_of_a_patch_is_ringed():
    for window in WINDOWS:
        crop = np.full((window, window, 3), 90, np.uint8)
        crop[window // 2, window // 2] = (1, 2, 3)
        drawn = controls.marked(crop)
        assert drawn.shape == (controls.SIDE, controls.SIDE, 3)
        rows, columns = np.nonzero((drawn == 255).all(-1))
        assert rows.mean() == pytest.approx((controls.SIDE - 1) / 2, abs=0.6)
        assert columns.mean() == pytest.approx((controls.SIDE - 1) / 2, abs=0.6)
        inside = drawn[rows.min() : rows.max(), columns.min() : columns.max()]
        assert (inside == (1, 2, 3)).all(-1).any(), "the pixel itself can be seen"


@pytest.fixture
def at_once(monkeypatch):
    """A run in one piece: AppTest reruns whole scripts, where a fragment may not ask for another piece."""
    monkeypatch.setattr(price, "CHUNK", 1e9)
    monkeypatch.setattr(price.st, "rerun", lambda **scope: None)


def test_every_pixel_of_a_crop_is_run_and_the_figures_shown(page, at_once):
    page.query_params.update({"window": "19", "crop": "8"})
    page.run()
    open_tab(page, "Same answer, other price")
    assert not tables(page)
    page.button(key="price_run").click().run()
    assert not page.exception
    row = tables(page)[0].iloc[0]
    assert row["patches"] == "64 of 64"
    assert row["crop"] == "8 x 8"
    assert float(row["difference"]) < 1e-4
    assert f"One pass is {row['times faster']} times faster" in text_of(page)
    assert f"at most **{row['difference']}**" in text_of(page)
    page.select_slider(key="window").set_value(27).run()
    assert len(tables(page)[0]) == 1, "the former window's run stays"
    page.button(key="price_run").click().run()
    assert list(tables(page)[0]["window"]) == [19, 27]


def test_a_run_that_was_stopped_keeps_what_it_knew(page):
    page.query_params["window"] = "75"
    page.run()
    half = Comparison(75, SIDE, SIDE, 4, 300, 6.0, 0.05, 2e-7, 5000)
    page.session_state["patches_runs"] = {"patches-random landscape": {75: half}}
    open_tab(page, "Same answer, other price")
    assert tables(page)[0].iloc[0]["patches"] == "300 of 1,024"
    assert "One pass is 410 times faster" in text_of(page)
    assert "50 patches a second" in text_of(page)
    assert "whole picture takes 100.0 s" in text_of(page)


def test_accuracy_is_drawn_against_the_window(page):
    page.query_params["window"] = "75"
    page.run()
    open_tab(page, "How large a window?")
    assert not page.exception
    assert len(page.get("plotly_chart")) == 2
    assert r"8 \cdot (1 + 2 + 4) = 75" in page.latex[0].value


def test_without_a_truth_one_curve_is_drawn(page):
    page.query_params["image"] = "chelsea"
    page.run()
    open_tab(page, "How large a window?")
    assert not page.exception
    assert len(page.get("plotly_chart")) == 1
    assert "choose a drawn scene" in text_of(page)


def test_the_ways_are_costed_timed_and_scored(page):
    page.query_params["window"] = "27"
    page.run()
    open_tab(page, "Shift and stitch")
    assert not page.exception
    table = tables(page)[0].set_index("")
    assert list(table.index) == ["coarse, then bilinear", "à trous", "shift and stitch", "patch by patch"]
    assert table.loc["à trous", "of à trous"] == "1.00 times"
    assert float(table.loc["shift and stitch", "difference"]) < 1e-4
    assert table.loc["à trous", "pixels right"].endswith("%")
    assert not table["time here"].any()
    page.button(key="time_ways").click().run()
    assert not page.exception
    assert tables(page)[0].set_index("")["time here"].astype(bool).tolist() == [True, True, True, False]


def test_the_truth_is_scored_for_every_window(page):
    page.run()
    open_tab(page, "Against the truth")
    assert not page.exception
    assert len(tables(page)[-1]) == len(WINDOWS)
    open_tab(page, "Code that ran")
    assert not page.exception


@pytest.mark.parametrize("shape", [(1, 300), (300, 1), (1, 1), (64, 64)])
def test_awkward_pictures(page, at_once, shape):
    picture = np.full((*shape, 3), 130, np.uint8)
    page.session_state["image_in_hand"] = _Hand(Chosen(picture, f"flat {shape}", "flat", thumbnail=_jpeg()))
    del page.query_params["image"]
    for tab in ("What you see", "How large a window?", "Shift and stitch"):
        open_tab(page, tab)
        assert not page.exception
    page.query_params["crop"] = "8"
    open_tab(page, "Same answer, other price")
    page.button(key="price_run").click().run()
    assert not page.exception
    done, total = tables(page)[0].iloc[0]["patches"].split(" of ")
    assert done == total


def _jpeg() -> bytes:
    import io

    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize("with_card", [False, True])
def test_without_weights_the_page_says_so(monkeypatch, tmp_path, with_card):
    from engine.train.patches import PLANS

    monkeypatch.setattr(cards, "ASSETS", tmp_path)
    monkeypatch.setattr(zoo, "ASSETS", tmp_path)
    zoo.LOADED.clear()
    if with_card:
        PLANS["patches"].card.write()
    app = visit(PATCHES).run()
    assert not app.exception
    assert app.title[0].value == PATCHES.title
    assert ("The weights of patches are missing" if with_card else "There is no card") in app.warning[0].value


def test_a_run_goes_on_in_pieces(patches, rgb, monkeypatch):
    monkeypatch.setattr(price, "CHUNK", 0)
    reports, pieces = patches.compare(patches.encode(rgb), 65, 45, 27, 32), []
    while piece := list(price._for_a_while(reports)):
        assert len(piece) == 1
        pieces += piece
    assert len(pieces) > 1
    assert pieces[-1].done == pieces[-1].total == 32 * 32


@pytest.mark.parametrize(("seconds", "words"), [(0.0123, "12.3 ms"), (1, "1.0 s"), (119, "119.0 s"), (120, "2.0 min"),
                                                (7200, "2.0 h"), (86400, "24.0 h")])  # fmt: skip
def test_times_have_a_fitting_unit(seconds, words):
    assert price.in_words(seconds) == words


def test_the_price_says_how_long_it_may_take_before_it_starts(monkeypatch):
    monkeypatch.setattr(PatchesModel, "pace", lambda *args: 0.5)
    page = visit(PATCHES, image="landscape", crop="64").run()
    pages.open_tab(page, controls.KEY, "Same answer, other price")
    assert any("4,096 patches: at most about 34 min." in c.value for c in page.caption)


def test_the_matrix_is_of_the_window_that_the_control_says(monkeypatch):
    asked = []
    from pages.kit import charts

    monkeypatch.setattr(charts, "confusion", lambda result, classes, shown: asked.append(shown) or go.Figure())
    page = visit(PATCHES, image="landscape", window="139").run()
    pages.open_tab(page, controls.KEY, "Against the truth")
    assert not page.exception
    assert asked[-1] == "window 139"
