"""What the browser tests of the pages share: a page once it is painted, its canvas, and the wait for another answer."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from pages.kit.rooms import ROOT, PageInfo

VIEWER = "[data-ready=true]"
SHOWS_ANOTHER = """([key, id]) => {
    const v = window.__saccade.viewers.get(key); return v?.film && v.film.trace.id !== id; }"""


def visit(page, serve, info: PageInfo, query: str = "image=landscape"):
    """The page of the app once its picture is painted."""
    page.goto(f"{serve(ROOT / 'app.py')}/{info.url}?{query}")
    page.wait_for_selector(VIEWER, timeout=60_000)
    page.wait_for_selector(".panel .legend")
    return page


def canvas(page) -> np.ndarray:
    """The pixels of the viewer's canvas, (H, W, 3)."""
    png = page.locator(f"{VIEWER} canvas").first.screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def new_trace(page, key: str, act) -> None:
    """Do something that asks the server, and wait until the viewer `key` has painted its answer."""
    before = page.get_attribute(VIEWER, "data-trace")
    act()
    page.wait_for_function(SHOWS_ANOTHER, arg=[key, before])
    page.wait_for_timeout(300)


def go_to(page, title: str) -> None:
    """Show the step with this title by its button in the rail."""
    page.locator(f"{VIEWER} .rail button", has_text=title).first.click()
    page.wait_for_timeout(250)


def middle(page) -> tuple[float, float]:
    """The middle of the picture on the screen."""
    box = page.locator(f"{VIEWER} canvas").first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
