"""The Content Security Policy in Chromium: the app works under it, and what is injected does not run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hardening.conftest import APP
from tests.load.server import Server

READY = "[data-ready=true]"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The app behind its guard."""
    with Server(APP) as guarded:
        yield guarded


def test_pages_work_and_injected_scripts_do_not_run(browser, server):
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    refused: list[str] = []
    page.on("console", lambda m: refused.append(m.text) if "Content Security Policy" in m.text else None)
    try:
        for url in ("fcn?image=landscape", "captions?image=landscape"):
            page.goto(f"{server.url}/{url}")
            page.wait_for_selector(READY, timeout=60_000)
        assert refused == []
        page.evaluate("""() => {
            const box = document.createElement('div');
            box.innerHTML = '<img src="x:" onerror="window.__hit = 1">';
            document.body.append(box);
            const script = document.createElement('script');
            script.textContent = 'window.__hit = 2';
            document.body.append(script);
        }""")
        page.wait_for_timeout(200)
        assert page.evaluate("window.__hit") is None
        assert len(refused) >= 2
        sent = page.evaluate("fetch('https://example.invalid/').then(() => 'sent', () => 'refused')")
        assert sent == "refused"
        assert any("connect-src" in text for text in refused)
    finally:
        page.close()
