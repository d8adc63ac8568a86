"""The script for the back button goes into pages that a browser opens, and into nothing else."""

from __future__ import annotations

import asyncio

import pytest

from pages.kit.guard import inline_scripts
from pages.kit.history import SCRIPT, History

PAGE = b"<!DOCTYPE html><html><head><title>Streamlit</title></head></html>"
BROWSER = [(b"accept", b"text/html,application/xhtml+xml"), (b"accept-encoding", b"gzip")]


def asked(heads: list, kind: bytes, body: bytes, method: str = "GET", status: int = 200) -> tuple[dict, bytes, dict]:
    """Headers and body of an answer that came in two pieces, and the headers that the app behind saw."""
    told, seen = [], {}

    async def app(scope, receive, send):
        seen.update(scope["headers"])
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"etag", b"x")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body[:30], "more_body": True})
        await send({"type": "http.response.body", "body": body[30:]})

    async def send(message):
        told.append(message)

    scope = {"type": "http", "method": method, "path": "/fcn", "headers": heads}
    asyncio.run(History(app)(scope, None, send))
    return dict(told[0]["headers"]), b"".join(message.get("body", b"") for message in told), seen


def test_a_page_gets_the_script():
    heads, body, seen = asked(BROWSER, b"text/html; charset=utf-8", PAGE)
    assert body == PAGE.replace(b"<head>", b"<head>" + SCRIPT.encode())
    assert heads == {b"content-type": b"text/html; charset=utf-8", b"content-length": b"%d" % len(body)}
    assert b"accept-encoding" not in seen  # compressed, it could not be added


@pytest.mark.parametrize("case", [
    (BROWSER, b"image/svg+xml", PAGE), (BROWSER, b"text/html", PAGE, "HEAD"), (BROWSER, b"text/html", PAGE, "GET", 206),
    ([(b"accept", b"*/*")], b"text/html", PAGE),
])  # fmt: skip
def test_nothing_else_does(case):
    assert asked(*case)[1] == PAGE


def test_its_policy_can_name_it():
    assert len(inline_scripts(SCRIPT)) == 1
