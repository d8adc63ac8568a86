"""The page on ground truth in Chromium: a polygon is judged, a clicked cell lights up, a chosen region is near."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from pages.kit.rooms import ROOT, TRUTH
from tests.browser.rooms import VIEWER, canvas, go_to, new_trace

CAMERA = "window.__saccade.viewers.get('truth').stage.camera"
LANDSCAPE = "image=landscape&model=fcn-scenes"


@pytest.fixture
def truth(page, serve):
    """open(query) -> the page once its picture is there, to look at or to draw on."""

    def opened(query: str = LANDSCAPE):
        page.goto(f"{serve(ROOT / 'app.py')}/{TRUTH.url}?{query}")
        page.wait_for_selector(".annotate[data-ready=true]" if "Draw" in query else VIEWER, timeout=60_000)
        page.get_by_role("tab", name="Figures").wait_for(timeout=60_000)
        return page

    return opened


def clear(page) -> np.ndarray:
    """The canvas without the pointer's reading."""
    page.mouse.move(5, 5)
    page.wait_for_timeout(300)
    return canvas(page)


def test_a_clicked_cell_of_the_matrix_lights_up_its_pixels(truth):
    page = truth()
    page.get_by_role("tab", name="Confusion matrix").click()
    plot = page.locator(".js-plotly-plot")
    plot.locator(".heatmaplayer image").wait_for(state="attached", timeout=30_000)
    plot.evaluate("e => e.scrollIntoView({block: 'end'})")
    page.wait_for_timeout(500)
    box = plot.locator(".nsewdrag").bounding_box()
    row, column = 6, 3  # classes that occur, most true pixels first: water, tree
    x, y = box["x"] + box["width"] * (column + 0.5) / 8, box["y"] + box["height"] * (row + 0.5) / 8
    page.mouse.move(x, y)
    page.get_by_text("water called tree").wait_for()
    new_trace(page, TRUTH.url, lambda: page.mouse.click(x, y))
    page.locator(f"{VIEWER} .sentences p.now", has_text="1,732 pixels of water were called tree").wait_for()
    assert page.get_attribute(VIEWER, "data-step") == "4"
    page.wait_for_function("() => location.search.includes('true=water')")
    page.locator(f"{VIEWER} canvas").first.evaluate("e => e.scrollIntoView()")
    lit = clear(page)
    page.get_by_label("pixels of this cell").uncheck()
    page.wait_for_timeout(300)
    share = (np.abs(clear(page) - lit).max(2) > 20).mean()
    assert 0.5 * 1732 / (480 * 640) < share < 2 * 1732 / (480 * 640)


def test_a_row_beside_the_picture_looks_at_a_region_closely_again_and_again(truth):
    page = truth()
    go_to(page, "Worst regions")
    rows = page.locator(".panel table.choices button")
    assert rows.count() == 30
    new_trace(page, TRUTH.url, lambda: rows.nth(4).click())
    page.wait_for_function(f"() => {CAMERA}.zoom > 2")
    near = page.evaluate(CAMERA)
    page.locator(f"{VIEWER} canvas").first.dblclick()
    page.wait_for_function(f"() => {CAMERA}.zoom === 1")
    rows.nth(4).click()
    page.wait_for_function(f"() => {CAMERA}.zoom > 2")
    assert page.evaluate(CAMERA) == near
    assert "Number 5 of" in page.locator(f"{VIEWER} .sentences p.now").inner_text()


def test_a_drawn_polygon_is_judged(truth):
    page = truth(f"{LANDSCAPE}&truth_source=Draw")
    page.wait_for_timeout(1000)
    box = page.locator(".annotate canvas").bounding_box()
    x, y, w, h = box["x"], box["y"], box["width"], box["height"]
    corners = [(0.25, 0.05), (0.75, 0.05), (0.75, 0.2), (0.25, 0.2)]  # in the sky
    for cx, cy in corners:
        page.mouse.click(x + cx * w, y + cy * h)
    page.keyboard.press("Enter")
    page.get_by_text("Your truth:").wait_for()
    accuracy = page.locator("[data-testid=stMetricValue]").first
    page.wait_for_function("e => parseFloat(e.textContent) > 98", arg=accuracy.element_handle())


def test_tables_and_truth_can_be_taken_away(truth):
    page = truth()
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as taken:
        page.get_by_role("button", name="Classes (CSV)").click()
    rows = {row["class"]: row for row in csv.DictReader(taken.value.path().read_text().splitlines())}
    assert len(rows) == 8
    assert 0.94 < float(rows["sky"]["iou"]) < 0.96
    with page.expect_download() as taken:
        page.get_by_role("button", name="Ground truth (indexed PNG)").click()
    with Image.open(taken.value.path()) as image:
        assert (image.mode, image.size) == ("P", (640, 480))
        assert sorted(np.unique(np.asarray(image))) == list(range(8))
