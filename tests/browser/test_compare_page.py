"""A against B in Chromium: the wipe shows both, zoom is shared side by side, swap, a disagreement lights up."""

import numpy as np
from playwright.sync_api import expect

from pages.kit.rooms import COMPARE, ROOT
from tests.browser.conftest import sent
from tests.browser.rooms import canvas, new_trace, visit

QUERY = "image=landscape&a=fcn-scenes&b=fcn-scenes&vb=32s"
KEYS = ("compare_a", "compare_b")
BOTH = "(keys) => keys.every((k) => window.__saccade?.viewers.get(k)?.refs.wrap.dataset.ready)"


def drag(page, share: float) -> None:
    """Drag the wipe's handle to a share of the picture's width."""
    handle, box = page.locator(".handle").first, page.locator("[data-ready=true] canvas").first.bounding_box()
    at = handle.bounding_box()
    page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + share * box["width"], at["y"] + at["height"] / 2, steps=5)
    page.mouse.up()
    page.mouse.move(5, 5)
    page.wait_for_timeout(300)


def test_the_wipe_shows_a_on_the_left_and_b_on_the_right(page, serve):
    visit(page, serve, COMPARE, QUERY)
    page.wait_for_timeout(800)
    before, pictures = sent(page), {}
    for share in (0.2, 0.5, 0.8):
        drag(page, share)
        pictures[share] = canvas(page)
    width = pictures[0.5].shape[1]
    middle, right = np.s_[:, int(0.27 * width) : int(0.45 * width)], np.s_[:, int(0.57 * width) : int(0.75 * width)]
    # what lies between two places of the line shows B where the line is left of it, and A where it is right of it
    assert np.abs(pictures[0.2][middle] - pictures[0.5][middle]).max() > 40
    assert np.abs(pictures[0.5][right] - pictures[0.8][right]).max() > 40
    assert np.abs(pictures[0.2][right] - pictures[0.5][right]).max() < 4  # B in both
    assert np.abs(pictures[0.5][middle] - pictures[0.8][middle]).max() < 4  # A in both
    assert sent(page) == before
    new_trace(page, "compare", page.get_by_role("button", name="Swap").click)
    page.mouse.move(5, 5)
    page.wait_for_timeout(300)
    swapped = canvas(page)  # the line is at 0.8: what was B's is A's now, left of it
    assert np.abs(swapped[middle] - pictures[0.2][middle]).max() < 4
    assert "va=32s" in page.url


def test_a_chosen_disagreement_is_shown(page, serve):
    visit(page, serve, COMPARE, QUERY)
    page.get_by_role("tab", name="Where they disagree").click()
    table = page.locator("[data-testid=stDataFrame]").first
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    page.mouse.click(box["x"] + 17, box["y"] + 53)  # the first row's box
    page.wait_for_function("() => { const v = window.__saccade.viewers.get('compare'); "
                           "return v.film.trace.steps.length === 8 && v.step === 7 && !v.state.wipe; }")  # fmt: skip
    expect(page.locator("[data-ready=true] .sentences p.now")).to_contain_text("% of the picture: A says")


def test_side_by_side_zoom_and_step_together(page, serve):
    page.goto(f"{serve(ROOT / 'app.py')}/compare?{QUERY}&layout=Side+by+side")
    page.wait_for_function(BOTH, arg=list(KEYS), timeout=60_000)
    page.wait_for_timeout(500)
    look = "(keys) => keys.map((k) => { const v = window.__saccade.viewers.get(k); return [v.step, v.stage.camera]; })"
    a, b = page.evaluate(look, list(KEYS))
    assert a == b
    stage = page.locator(".viewer canvas").first
    stage.focus()
    box = stage.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.6)
    page.mouse.wheel(0, -300)
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(300)
    (step, camera), (step_b, camera_b) = page.evaluate(look, list(KEYS))
    assert camera["zoom"] > 1.5
    assert step == a[0] - 1
    assert (step_b, camera_b) == (step, camera)
