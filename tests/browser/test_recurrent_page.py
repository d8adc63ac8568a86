"""Recurrent refinement in Chromium: passes stepped, a start chosen, labels painted, and the network going on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from pages.kit.rooms import RECURRENT
from tests.browser.conftest import sent
from tests.browser.rooms import VIEWER, canvas, go_to, middle, new_trace, visit

KEY = RECURRENT.url


@pytest.fixture
def passes(page, serve):
    """open(query) -> the page once its picture is painted."""
    return lambda query="image=landscape": visit(page, serve, RECURRENT, query)


def test_passes_are_stepped_without_the_server(passes):
    page = passes("image=landscape&passes=6")
    titles = page.locator(f"{VIEWER} .rail button").all_text_contents()
    assert titles == ["Start, empty", *(f"Pass {i}" for i in range(1, 7)), "Ground truth", "Errors"]
    page.wait_for_timeout(1500)
    before, pictures = sent(page), []
    page.locator(f"{VIEWER} canvas").first.focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "End"):
        page.keyboard.press(key)
        page.wait_for_timeout(150)
        pictures.append(canvas(page))
    assert all(np.abs(a - b).max() > 20 for a, b in pairwise(pictures))
    assert sent(page) == before


def test_a_wrong_start_is_shown_and_kept_in_the_address(passes):
    page = passes()
    new_trace(page, KEY, lambda: page.get_by_role("radio", name="wrong").click(force=True))
    page.wait_for_function("() => location.search.includes('start=wrong')")
    go_to(page, "Start, wrong")
    page.get_by_text("told a wrong class everywhere").first.wait_for()


def test_painted_labels_go_back_in(passes):
    page = passes()
    go_to(page, "Pass 2")
    page.locator(f"{VIEWER} canvas").first.focus()
    page.keyboard.press("b")
    x, y = middle(page)
    before = sent(page)
    page.mouse.move(x - 60, y)
    page.mouse.down()
    for i in range(13):
        page.mouse.move(x - 60 + 10 * i, y)
    page.mouse.up()
    page.wait_for_timeout(200)
    assert sent(page) == before, "strokes stay in the browser"
    new_trace(page, KEY, lambda: page.get_by_role("button", name="Go on from here").click())
    titles = page.locator(f"{VIEWER} .rail button").all_text_contents()
    assert titles[:7] == ["Start, empty", "Pass 1", "Pass 2", "Painted", "Pass 3", "Pass 4", "Pass 5"]
    assert page.get_attribute(VIEWER, "data-step") == "4", "the first pass after the painting is shown"
    go_to(page, "Painted")
    page.locator(".sentences p.now", has_text="of the picture was painted").wait_for()
    new_trace(page, KEY, lambda: page.get_by_role("button", name="Forget it").click())
    assert "Painted" not in page.locator(f"{VIEWER} .rail button").all_text_contents()


def test_the_curves_are_drawn(passes):
    page = passes()
    page.get_by_role("tab", name="Pass by pass").click()
    page.wait_for_selector(".js-plotly-plot .scatterlayer .trace", state="attached", timeout=40_000)
    assert page.locator(".js-plotly-plot").count() == 2
