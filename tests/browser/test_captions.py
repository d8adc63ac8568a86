"""The captions page in Chromium: two linked pictures, a word forced by a click, and tabs that open."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from pages.kit.rooms import CAPTIONS, ROOT
from tests.browser.conftest import sent

READY = ".viewer[data-ready=true]"
LEFT, RIGHT = 0, 1


@pytest.fixture
def captions(page, serve):
    """open(query) -> the page once both of its pictures are painted."""

    def opened(query: str = "image=landscape"):
        page.goto(f"{serve(ROOT / 'app.py')}/{CAPTIONS.url}?{query}")
        page.locator(READY).nth(RIGHT).wait_for(timeout=60_000)
        page.locator(".panel table.choices:visible").wait_for()
        return page

    return opened


def pixels(page, side: int) -> np.ndarray:
    png = page.locator(READY).nth(side).locator("canvas").first.screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def caption(page, side: int) -> list[str]:
    """The words above a picture, without the step before the first."""
    return page.locator(READY).nth(side).locator(".words button").all_text_contents()[1:]


def both_at(page, step: int) -> None:
    for side in (LEFT, RIGHT):
        expect(page.locator(READY).nth(side)).to_have_attribute("data-step", str(step))


def test_both_pictures_step_together_without_the_server(captions):
    page = captions()
    both_at(page, 1)
    page.wait_for_timeout(1500)
    before, pictures = sent(page), [[pixels(page, side) for side in (LEFT, RIGHT)]]
    page.locator(READY).first.locator("canvas").first.focus()
    for step in (2, 3):
        page.keyboard.press("ArrowRight")
        both_at(page, step)
        page.wait_for_timeout(200)
        pictures.append([pixels(page, side) for side in (LEFT, RIGHT)])
    page.keyboard.press("Home")
    both_at(page, 0)
    page.wait_for_timeout(200)
    for side in (LEFT, RIGHT):
        assert np.abs(pictures[-1][side] - pixels(page, side)).max() > 20, "a map, and the picture alone"
    assert sent(page) == before


def test_both_pictures_are_above_the_fold(captions):
    page = captions("image=china")
    for side in (LEFT, RIGHT):
        box = page.locator(READY).nth(side).locator("canvas").first.bounding_box()
        words = page.locator(READY).nth(side).locator(".words").bounding_box()
        assert box["y"] + box["height"] < 768
        assert words["y"] + words["height"] < 768
        assert box["width"] > 300


def test_a_clicked_row_is_forced_in_both_captions(captions):
    page = captions()
    page.keyboard.press("ArrowRight")
    both_at(page, 2)
    first = caption(page, LEFT)[0]
    row = page.locator(".panel table.choices:visible tbody tr").nth(4)
    word = row.locator("button").text_content()
    row.locator("button").click()
    expect(page.get_by_role("textbox", name="Begin with these words")).to_have_value(f"{first} {word}")
    for side in (LEFT, RIGHT):
        expect(page.locator(READY).nth(side).locator(".words button").nth(2)).to_have_text(word, timeout=20_000)
        assert caption(page, side)[0] == first
    page.get_by_role("button", name="Tell freely").click()
    expect(page.get_by_role("textbox", name="Begin with these words")).to_have_value("")


def test_numbers_of_the_other_model(captions):
    page = captions()
    page.get_by_role("radio", name="hard").click(force=True)
    page.wait_for_function("() => location.search.includes('numbers=hard')")
    page.locator(".panel table.choices:visible").wait_for()
    assert page.locator(READY).count() == 2


@pytest.mark.parametrize("label", ["Next words", "From soft to hard", "Beam tree", "Is it faithful?"])
def test_tabs_with_charts_open(captions, label):
    page = captions()
    page.get_by_role("tab", name=label, exact=True).click()
    page.wait_for_selector(".js-plotly-plot .plot-container", state="attached", timeout=40_000)
    assert page.locator("[data-testid=stException]").count() == 0


def test_the_slider_of_next_words_stays_in_the_browser(captions):
    page = captions()
    page.get_by_role("tab", name="Next words", exact=True).click()
    page.wait_for_selector(".js-plotly-plot .slider-container", state="attached", timeout=40_000)
    page.wait_for_timeout(1500)
    before, title = sent(page), page.locator(".js-plotly-plot .annotation-text").first.text_content()
    rail = page.locator(".js-plotly-plot .slider-rail-touch-rect").first
    rail.scroll_into_view_if_needed()
    slider = rail.bounding_box()
    page.mouse.click(slider["x"] + slider["width"] * 0.5, slider["y"] + slider["height"] / 2)
    expect(page.locator(".js-plotly-plot .annotation-text").first).not_to_have_text(title)
    assert sent(page) == before
