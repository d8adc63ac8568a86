"""Whoever leaves takes all along: what a visit brought on the pages of the bench is no longer held by the server."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import psutil

from engine.trace import Trace
from pages.kit.rooms import LAYERS, MANY, OWN, REPLAY, TRUTH
from tests.browser.rooms import VIEWER
from tests.browser.test_many_page import packed
from tests.browser.test_own_page import bring, painted
from tests.conftest import card_of
from tests.debug import networks
from tests.load.server import ROOT, Server

PATIENCE = 60.0  # seconds until the server has noticed; it looks every 5


def held(server: Server) -> tuple[int, int]:
    """Processes below the server's, and unnamed temporary files that it has open."""
    process = psutil.Process(server.process.pid)
    links = Path(f"/proc/{process.pid}/fd").iterdir()
    return len(process.children(recursive=True)), sum("(deleted)" in str(link.readlink()) for link in links)


def trace() -> bytes:
    """A Trace of one step, as a file."""
    from engine.trace import Layer, Step

    rgb = np.zeros((40, 60, 3), np.uint8)
    step = Step("A step", "One.", (Layer("image", "picture", rgb),))
    return Trace(rgb, card_of().asdict(), (step,), (), np.zeros((0, 3), np.uint8)).to_zip()


def test_what_was_brought_on_the_bench_ends_with_the_visit(page):
    with Server(ROOT / "app.py", away=1) as server:
        page.goto(f"{server.url}/{OWN.url}?image=landscape")
        page.wait_for_selector(VIEWER, timeout=60_000)
        before = held(server)
        bring(page, networks.conv(classes='["a", "b", "c", "d", "e"]'), "mine.onnx")
        painted(page)
        assert held(server) > before, "its process runs, and its file is kept"
        for info in (LAYERS, TRUTH, MANY):
            page.get_by_test_id("stSidebar").get_by_role("link", name=info.title).click()
            page.get_by_role("heading", name=info.title, level=1).wait_for(timeout=60_000)
        page.get_by_text("Your files").first.click()
        page.set_input_files("input[type=file]", {"name": "a.zip", "mimeType": "application/zip", "buffer": packed(2)})
        page.get_by_role("button", name="Run on 3 pictures").click()
        page.get_by_text("3 of 3 pictures").wait_for(timeout=60_000)
        page.get_by_test_id("stSidebar").get_by_role("link", name=REPLAY.title).click()
        page.get_by_role("heading", name=REPLAY.title, level=1).wait_for(timeout=60_000)
        page.set_input_files("input[type=file]", {"name": "t.zip", "mimeType": "application/zip", "buffer": trace()})
        page.wait_for_selector(VIEWER, timeout=60_000)
        page.goto("about:blank")
        end = time.monotonic() + PATIENCE
        while held(server) != before and time.monotonic() < end:
            time.sleep(0.5)
        assert held(server) == before, "processes and open files are those of a server that nobody visited"
