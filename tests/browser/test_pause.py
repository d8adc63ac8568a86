"""A pause, a reload and a new server: what a visitor had is there again, or a sentence says what is not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pages.kit.rooms import TRUTH
from tests.browser.rooms import VIEWER
from tests.load.server import ROOT, Server

NAME = "my <b>street</b>.png"


@pytest.fixture(scope="module")
def picture() -> bytes:
    """A PNG that nobody else has."""
    rows, columns = np.mgrid[:120, :160]
    out = io.BytesIO()
    Image.fromarray(np.stack([rows * 2, columns, rows + columns // 2], -1).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def mask() -> bytes:
    """Labels for it."""
    labels = np.zeros((120, 160), np.uint8)
    labels[60:] = 3
    out = io.BytesIO()
    Image.fromarray(labels).save(out, "PNG")
    return out.getvalue()


def bring(page, picture: bytes) -> None:
    """Upload a picture on the page that is open."""
    page.get_by_role("button", name="Change").click()
    page.locator(".stDialog input[type=file]").first.set_input_files(
        {"name": NAME, "mimeType": "image/png", "buffer": picture}
    )
    page.get_by_test_id("stSidebar").get_by_text(NAME).wait_for()


def opened(page, server: Server, info=TRUTH, query: str = "truth_source=Upload"):
    page.goto(f"{server.url}/{info.url}?{query}")
    page.wait_for_selector(VIEWER, timeout=60_000)


def has_picture(page) -> None:
    page.get_by_test_id("stSidebar").get_by_text(NAME).wait_for(timeout=60_000)


def bring_mask(page, mask: bytes) -> None:
    page.locator(".stMain input[type=file]").first.set_input_files(
        {"name": "mask.png", "mimeType": "image/png", "buffer": mask}
    )
    page.get_by_role("tab", name="Confusion matrix").wait_for()
    page.wait_for_function("() => JSON.parse(sessionStorage.getItem('saccade_visit')).truths.length")


def has_truth(page) -> None:
    page.get_by_role("tab", name="Confusion matrix").wait_for(timeout=60_000)


def test_a_reload_brings_all_back(page, picture, mask):
    with Server(ROOT / "app.py") as server:
        opened(page, server)
        bring(page, picture)
        bring_mask(page, mask)
        page.reload()
        has_picture(page)
        has_truth(page)
        assert page.get_by_text("Your last visit has ended").count() == 0, "nothing was lost"


def test_a_new_server_gets_picture_and_truth_from_the_tab(page, picture, mask):
    with Server(ROOT / "app.py") as server:
        opened(page, server)
        bring(page, picture)
        bring_mask(page, mask)
    with Server(ROOT / "app.py", port=server.port):
        page.get_by_text("Your last visit has ended").wait_for(timeout=90_000)
        has_picture(page)
        has_truth(page)
        page.get_by_text("the picture and its ground truth came back from this tab").wait_for()
        page.get_by_role("button", name="Close", exact=True).click()
        page.get_by_text("Your last visit has ended").wait_for(state="detached")


def test_a_pause_costs_nothing(page, picture):
    with Server(ROOT / "app.py") as server:
        opened(page, server)
        bring(page, picture)
        session = page.evaluate("JSON.parse(sessionStorage.getItem('saccade_visit')).session")
        page.evaluate("window.__ws.sockets.forEach((socket) => socket.close())")
        page.wait_for_function("() => window.__ws.sockets.length > 1 && window.__ws.sockets.at(-1).readyState === 1")
        page.get_by_role("button", name="Change").wait_for()
        has_picture(page)
        assert page.evaluate("JSON.parse(sessionStorage.getItem('saccade_visit')).session") == session
