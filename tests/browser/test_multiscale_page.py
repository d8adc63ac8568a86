"""The multi-scale page in Chromium: octaves muted, superpixels made, the tree cut and climbed, all seen in pixels."""

from __future__ import annotations

import numpy as np
import pytest

from pages.kit.rooms import MULTISCALE
from tests.browser.conftest import sent
from tests.browser.rooms import VIEWER, canvas, go_to, middle, new_trace, visit

KEY = MULTISCALE.url


@pytest.fixture
def scales(page, serve):
    """open(query) -> the page once its picture is painted."""
    return lambda query="image=landscape": visit(page, serve, MULTISCALE, query)


def test_the_picture_comes_first_and_all_steps_are_there(scales):
    page = scales()
    box = page.locator(f"{VIEWER} canvas").first.bounding_box()
    assert box["width"] * box["height"] > 0.2 * 1366 * 768
    assert box["y"] + box["height"] < 768, "the picture ends above the fold"
    titles = page.locator(f"{VIEWER} .rail button").all_text_contents()
    assert titles == ["Pyramid", "Octave 1", "Octave 1/2", "Octave 1/4", "Sum", "Who decided", "Superpixels", "Tree",
                      "Cover", "Ground truth", "Errors"]  # fmt: skip


def test_an_octave_is_muted_and_the_address_keeps_it(scales):
    page = scales()
    before = canvas(page)
    new_trace(page, KEY, lambda: page.get_by_text("1/4", exact=True).first.click())
    assert np.abs(canvas(page) - before).max() > 30
    page.wait_for_function("() => location.search.includes('o4=')")
    go_to(page, "Octave 1/4")
    page.get_by_text("Muted: octave 1/4 adds nothing.").first.wait_for()


def test_superpixels_change_with_their_settings(scales):
    page = scales("image=landscape&superpixels=slic&segments=100")
    go_to(page, "Superpixels")
    coarse = canvas(page)
    count = page.locator(".sentences p.now").inner_text()
    page.get_by_role("button", name="Settings").click()
    new_trace(page, KEY, lambda: page.get_by_role("radio", name="felzenszwalb").click(force=True))
    page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    assert page.locator(".sentences p.now").inner_text() != count
    assert np.abs(canvas(page) - coarse).max() > 30


def test_the_tree_is_cut_in_the_browser_and_a_region_is_chosen(scales):
    page = scales()
    go_to(page, "Tree")
    page.wait_for_timeout(1000)
    before = sent(page)
    pictures = []
    for regions in (1, 20, 300):
        page.evaluate(f"(r) => window.__saccade.viewers.get('{KEY}').set({{tree: 'cut', regions: r}})", regions)
        page.wait_for_timeout(250)
        pictures.append(canvas(page))
    assert np.abs(pictures[0] - pictures[1]).max() > 30
    assert np.abs(pictures[1] - pictures[2]).max() > 30
    page.mouse.click(*middle(page))
    page.wait_for_timeout(250)
    assert page.evaluate(f"window.__saccade.viewers.get('{KEY}').state.node") >= 0
    assert sent(page) == before, "cutting and choosing are the browser's business"


def test_a_clicked_pixel_shows_what_each_octave_listens_to(scales):
    page = scales()
    new_trace(page, KEY, lambda: page.mouse.click(*middle(page)))
    page.get_by_text("nine tenths of the gradient of octave 1").first.wait_for()
    assert page.locator(f"{VIEWER} .rail button").last.text_content() == "What it listens to"


def test_the_paper_network_runs_beside_ours(scales):
    page = scales("image=landscape&multiscale_model=multiscale-classic")
    assert page.get_by_text("multiscale-classic").first.is_visible()
    go_to(page, "Octave 1/2")
    assert np.ptp(canvas(page)) > 60
