"""What a small screen and a phone show: titles whole and free, every tab in sight."""

from __future__ import annotations

import pytest

from pages.kit.rooms import CAPTIONS, ROOT


@pytest.fixture
def opened(page, serve):
    """open(width, height) -> the captions page, which has the most tabs, on a screen of this size."""

    def at(width: int, height: int):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"{serve(ROOT / 'app.py')}/{CAPTIONS.url}")
        page.get_by_role("tab", name="Code that ran").wait_for(timeout=60_000)
        return page

    return at


def test_all_tabs_are_in_sight_on_a_small_screen(opened):
    page = opened(1366, 768)
    inside = page.locator("[role=tablist]").first.bounding_box()
    for tab in page.get_by_role("tab").all():
        box = tab.bounding_box()
        assert inside["x"] - 1 <= box["x"]
        assert box["x"] + box["width"] <= inside["x"] + inside["width"] + 1


def test_nothing_lies_over_the_title_on_a_phone(opened):
    page = opened(390, 844)
    title = page.locator("h1").first.bounding_box()
    for name in ("stHeaderLogo", "stExpandSidebarButton"):
        box = page.get_by_test_id(name).bounding_box()
        assert box["y"] + box["height"] <= title["y"], name
