"""The layers page in Chromium: another layer paints another picture, a clicked cell gets a step with its box."""

from __future__ import annotations

import numpy as np

from pages.kit.rooms import LAYERS, ROOT
from tests.browser.rooms import VIEWER, canvas, go_to, middle, new_trace


def visit(page, serve, query: str) -> None:
    """The page once its maps are painted; they have a scale of colours and no legend of classes."""
    page.goto(f"{serve(ROOT / 'app.py')}/{LAYERS.url}?image=landscape&maps=6{query}")
    page.wait_for_selector(VIEWER, timeout=60_000)
    page.get_by_text("mean |value|", exact=True).first.wait_for()


def test_another_layer_paints_another_picture_and_a_cell_shows_its_field(page, serve):
    visit(page, serve, "")
    box = page.locator(f"{VIEWER} canvas").first.bounding_box()
    assert box["y"] + box["height"] < 768, "the picture ends above the fold"
    assert page.locator(f"{VIEWER} .rail button").count() == 8, "the picture, all channels, six of them"
    before = canvas(page)

    layer = page.get_by_role("combobox", name="Layer", exact=True)
    layer.fill("trunk.stages.3.1.dep")
    new_trace(page, LAYERS.url, lambda: layer.press("Enter"))
    assert np.abs(canvas(page) - before).max() > 30
    page.wait_for_function("() => location.search.includes('layer=trunk.stages.3.1.depthwise')")

    page.locator(f"{VIEWER} .rail button").nth(2).click()
    page.wait_for_timeout(250)
    alone = canvas(page)
    channel = page.locator(f"{VIEWER} .rail button").nth(2).text_content()
    new_trace(page, LAYERS.url, lambda: page.mouse.click(*middle(page)))
    assert page.locator(f"{VIEWER} .rail button").last.text_content() == "What it listens to"
    said = page.get_by_text("nine tenths of its gradient").first
    said.wait_for()
    assert said.text_content().startswith(f"{channel} at row ")
    assert "the arithmetic allows 115 x 115" in said.text_content()
    boxes = page.evaluate("""key => window.__saccade.viewers.get(key).film.trace.steps.at(-1).layers
        .filter((l) => l.kind === "boxes").map((l) => Array.from(l.data))""", LAYERS.url)  # fmt: skip
    (inner, outer) = boxes
    assert outer[0] <= inner[0] < inner[2] <= outer[2]
    assert outer[1] <= inner[1] < inner[3] <= outer[3]
    assert np.abs(canvas(page) - alone).max() > 30
    go_to(page, channel)
    assert page.get_attribute(VIEWER, "data-step") == "2"


def test_a_row_of_the_module_tree_chooses_the_layer(page, serve):
    visit(page, serve, "&layer=fc6.0")
    page.get_by_role("tab", name="Module tree").click()
    table = page.locator('[data-testid="stDataFrame"]').first
    table.wait_for()
    table.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    place = table.bounding_box()
    new_trace(page, LAYERS.url, lambda: page.mouse.click(place["x"] + 17, place["y"] + 3.5 * 35))  # trunk.stem
    page.wait_for_function("() => location.search.includes('layer=trunk.stem')")
