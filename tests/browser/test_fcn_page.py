"""The FCN page in Chromium: what a person does on it, seen in the picture and in the address."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from pages.kit.rooms import FCN, ROOT
from tests.browser.conftest import sent
from tests.browser.rooms import VIEWER, canvas, middle, new_trace, visit


@pytest.fixture
def fcn(page, serve):
    """open(query) -> the page once its picture is painted."""
    return lambda query="image=landscape": visit(page, serve, FCN, query)


def test_a_first_deep_link_shows_the_page_and_no_dialog(fcn):
    page = fcn()
    page.wait_for_timeout(500)
    assert page.get_by_role("dialog").count() == 0
    assert page.get_by_role("heading", name="Fully convolutional network").is_visible()
    box = page.locator(f"{VIEWER} canvas").first.bounding_box()
    assert box["width"] * box["height"] > 0.2 * 1366 * 768
    assert box["y"] + box["height"] < 768, "the picture ends above the fold"
    assert page.locator(f"{VIEWER} .rail button").count() == 8, "six steps, the ground truth and the errors"


def test_muting_a_skip_changes_the_picture_and_the_address_and_keeps_the_step(fcn):
    page = fcn()
    step, trace = page.get_attribute(VIEWER, "data-step"), page.get_attribute(VIEWER, "data-trace")
    before = canvas(page)
    new_trace(page, FCN.url, lambda: page.get_by_role("button", name="FCN-32s").click())
    assert page.get_attribute(VIEWER, "data-step") == step
    assert np.abs(canvas(page) - before).max() > 30
    page.wait_for_function("() => location.search.includes('g8=0') && location.search.includes('g16=0')")
    assert "image=landscape" in page.url
    new_trace(page, FCN.url, lambda: page.get_by_role("button", name="FCN-8s").click())
    assert page.get_attribute(VIEWER, "data-trace") == trace, "the same question has the same answer"


def test_stepping_sends_nothing(fcn):
    page = fcn()
    page.wait_for_timeout(1500)
    before = sent(page)
    page.locator(f"{VIEWER} canvas").first.focus()
    pictures = []
    for key in ("Home", "ArrowRight", "ArrowRight", "End"):
        page.keyboard.press(key)
        page.wait_for_timeout(120)
        pictures.append(canvas(page))
    assert all(np.abs(a - b).max() > 30 for a, b in pairwise(pictures))
    assert sent(page) == before


def test_a_picked_pixel_gets_a_step_of_its_own(fcn):
    page = fcn()
    new_trace(page, FCN.url, lambda: page.mouse.click(*middle(page)))
    page.get_by_text("nine tenths of its gradient").first.wait_for()
    assert page.locator(f"{VIEWER} .rail button").last.text_content() == "What it listens to"
    assert page.get_attribute(VIEWER, "data-step") == "8"


def test_the_address_brings_model_image_and_gains_back(fcn):
    page = fcn("image=chelsea&model=fcn-animals&g8=0.5")
    assert page.get_by_text("Chelsea the cat").first.is_visible()
    page.get_by_text("cat", exact=True).first.wait_for()
    assert page.get_by_role("slider", name="skip, stride 8").get_attribute("aria-valuetext") == "× 0.5"


def test_the_picture_can_be_taken_away(fcn):
    page = fcn()
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as taken:
        page.get_by_role("button", name="Picture (PNG)").click()
    with Image.open(taken.value.path()) as image:
        assert image.format == "PNG"
        assert image.size == (640, 480)
        assert len(np.unique(np.asarray(image.convert("RGB"))[::10, ::10].reshape(-1, 3), axis=0)) > 100


def test_a_small_window_and_the_dark_theme_keep_the_picture(browser, serve):
    context = browser.new_context(viewport={"width": 800, "height": 600}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{serve(ROOT / 'app.py')}/fcn")
    page.wait_for_selector(VIEWER, timeout=60_000)
    background = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert background == "rgb(20, 22, 27)"
    assert page.locator(f"{VIEWER} canvas").first.bounding_box()["width"] > 250
    context.close()
