"""The patches page in Chromium: a click moves the window, the run can be stopped, the steps stay in the browser."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from pages.kit.rooms import PATCHES
from tests.browser.conftest import sent
from tests.browser.rooms import VIEWER, canvas, go_to, middle, new_trace, visit

KEY = PATCHES.url
CROP = "img[alt='The patch in the window']"
POINT = "window.__saccade.viewers.get('patches').film.trace.steps[0].layers.find((l) => l.kind === 'points').data[0]"


@pytest.fixture
def patches(page, serve):
    """open(query) -> the page once its picture is painted."""
    return lambda query="image=landscape&window=75": visit(page, serve, PATCHES, query)


def open_tab(page, label: str) -> None:
    page.get_by_role("tab", name=label).click()


def layer(page, title: str, kind: str) -> list[float]:
    """The numbers of the first layer of a kind in the step with this title."""
    return page.evaluate(
        """([title, kind]) => {
            const { steps } = window.__saccade.viewers.get('patches').film.trace;
            return Array.from(steps.find((s) => s.title === title).layers.find((l) => l.kind === kind).data); }""",
        [title, kind],
    )


def test_the_picture_stands_above_the_fold(patches):
    page = patches()
    assert page.get_by_role("heading", name=PATCHES.title).is_visible()
    box = page.locator(f"{VIEWER} canvas").first.bounding_box()
    assert box["width"] * box["height"] > 0.2 * 1366 * 768
    assert box["y"] + box["height"] < 768
    assert page.locator(CROP).bounding_box()["y"] < 500, "the patch is beside it"
    assert page.locator(f"{VIEWER} .rail button").count() == 11, "nine steps, the ground truth and the errors"


def test_a_click_moves_the_window_and_all_that_belongs_to_it(patches):
    page = patches()
    crop, box, sentence = page.get_attribute(CROP, "src"), layer(page, "Window", "boxes"), page.inner_text(VIEWER)
    x, y = middle(page)
    new_trace(page, KEY, lambda: page.mouse.click(x - 150, y + 120))
    page.wait_for_function("(src) => document.querySelector(`img[alt='The patch in the window']`).src !== src",
                           arg=page.evaluate("(src) => new URL(src, location.href).href", crop))  # fmt: skip
    moved = layer(page, "Window", "boxes")
    assert moved[0] < box[0] - 50
    assert moved[1] > box[1] + 50
    assert moved[2] - moved[0] == pytest.approx(box[2] - box[0]), "of the same size"
    assert page.inner_text(VIEWER) != sentence
    page.wait_for_function("() => /[?&]x=\\d+/.test(location.search) && /[?&]y=\\d+/.test(location.search)")
    address = page.url
    again = patches(address.split("?")[1])
    assert layer(again, "Window", "boxes") == pytest.approx(moved), "the address brings the window back"


def test_enter_at_the_keyboards_cross_moves_the_window(patches):
    page = patches()
    before = layer(page, "Window", "points")
    page.locator(f"{VIEWER} canvas").first.focus()
    for _ in range(12):
        page.keyboard.press("Shift+ArrowRight")
    new_trace(page, KEY, lambda: page.keyboard.press("Enter"))
    assert layer(page, "Window", "points") != before


def test_arrow_keys_slide_the_window_along_a_row(patches):
    page = patches()
    x0, y0 = layer(page, "Window", "points")
    page.locator(".st-key-x input").focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => location.search.includes('x=332')")
    page.wait_for_function(f"() => {POINT} > {x0 + 9}")
    x1, y1 = layer(page, "Window", "points")
    assert x1 - x0 == pytest.approx(12, abs=2)
    assert y1 == y0


def test_another_window_is_another_picture(patches):
    page = patches()
    before = canvas(page)
    page.get_by_role("slider", name="Window, pixels").focus()
    new_trace(page, KEY, lambda: page.keyboard.press("Home"))
    assert np.abs(canvas(page) - before).max() > 30
    page.wait_for_function("() => location.search.includes('window=19')")
    go_to(page, "Window")
    page.get_by_text("A window of 19 x 19 pixels").first.wait_for()


def test_the_steps_go_from_one_patch_to_the_stitched_picture_without_the_server(patches):
    page = patches()
    page.wait_for_timeout(1500)
    before, pictures = sent(page), []
    page.locator(f"{VIEWER} canvas").first.focus()
    page.keyboard.press("Home")
    for _ in range(9):
        page.wait_for_timeout(200)
        pictures.append(canvas(page))
        page.keyboard.press("ArrowRight")
    assert all(np.abs(a - b).max() > 30 for a, b in pairwise(pictures))
    assert sent(page) == before
    go_to(page, "Stitched")
    page.get_by_text("the largest difference from the dense pass is").first.wait_for()
    labels = [np.array(layer(page, title, "labels")) for title in ("Shift 1", "Shift 2", "Shift 4", "Stitched")]
    assert [round(float((x != 255).mean()), 4) for x in labels] == [1 / 16, 2 / 16, 4 / 16, 1]
    for known in labels[:-1]:
        assert (known == labels[-1])[known != 255].all(), "what is known stays"


def test_patch_by_patch_shows_progress_and_can_be_stopped(patches):
    page = patches("image=landscape&window=139&crop=64")
    open_tab(page, "Same answer, other price")
    page.get_by_role("button", name="Run").click()
    page.get_by_text("of 4,096 patches").first.wait_for(timeout=60_000)
    page.wait_for_function("() => /[1-9][0-9,]* of 4,096 patches/.test(document.body.innerText)", timeout=60_000)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("heading", name="One pass is").wait_for()
    page.get_by_role("button", name="Stop").wait_for(state="detached")
    page.wait_for_selector("[data-testid=stProgress]:has-text('patches')", state="detached")
    said = page.get_by_text("The logits of").first.inner_text()
    done = int(said.split("The logits of ")[1].split(" ")[0].replace(",", ""))
    assert 0 < done < 4096
    page.wait_for_timeout(1500)
    assert page.get_by_text("The logits of").first.inner_text() == said, "it has stopped for good"


def test_patch_by_patch_agrees_with_the_dense_pass_and_costs_many_times_as_much(patches):
    page = patches("image=landscape&window=43&crop=16")
    open_tab(page, "Same answer, other price")
    page.get_by_role("button", name="Run").click()
    said = page.get_by_text("The logits of 256 patches")
    said.wait_for(timeout=120_000)
    assert float(said.inner_text().split("at most ")[1].rstrip(".")) < 1e-4
    ratio = page.get_by_role("heading", name="One pass is").inner_text().split("One pass is ")[1].split(" ")[0]
    assert float(ratio.replace(",", "")) > 1, "how many times depends on what else the machine does"


def test_the_curve_and_the_costs_are_shown(patches):
    page = patches()
    open_tab(page, "How large a window?")
    page.wait_for_selector(".js-plotly-plot .scatterlayer .trace", timeout=20_000)
    assert page.locator(".js-plotly-plot").count() == 2, "our validation pictures, and this one"
    open_tab(page, "Shift and stitch")
    page.get_by_role("button", name="Time them here").click()
    page.get_by_text("Multiply-adds of the convolutions").wait_for()
    page.wait_for_selector("[data-testid=stDataFrame]")


def test_a_small_window_and_the_dark_theme_keep_the_picture(browser, serve):
    context = browser.new_context(viewport={"width": 800, "height": 600}, color_scheme="dark")
    page = visit(context.new_page(), serve, PATCHES)
    assert page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor") == "rgb(20, 22, 27)"
    assert page.locator(f"{VIEWER} canvas").first.bounding_box()["width"] > 250
    context.close()
