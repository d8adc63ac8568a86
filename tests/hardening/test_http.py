"""Paths, methods, headers and uploads that no browser would send: refused, and nothing of the machine given away."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from websockets.exceptions import InvalidStatus

from pages.kit import guard
from tests.hardening.live import SECRETS, form, request, token, wait
from tests.load.visitor import Visitor

PREFIXES = ("", "/media", "/component", "/component/saccade_viewer", "/_stcore", "/_stcore/bidi-components",
            "/_stcore/bidi-components/saccade_viewer", "/static", "/app/static", "/_stcore/upload_file/x")  # fmt: skip
CLIMBS = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "%252e%252e%252f", "..%5c", "..\\", "....//", "..;/", "%c0%ae%c0%ae/",
          "/", "%2f", "%00/", "~root/", "file:%2f%2f/", "C:%5c")  # fmt: skip
TARGETS = ("etc/passwd", "proc/self/environ", "app.py")


def test_no_path_leads_out(server):
    """Every way up from every folder that is served."""
    ways = itertools.product(PREFIXES, CLIMBS, (1, 9), TARGETS)
    found = set()
    for prefix, climb, times, target in ways:
        path = f"{prefix}/{climb * times}{target}"
        status, body, _ = request(server, "GET", path)
        found.add(status)
        assert not any(secret in body for secret in SECRETS), path
    assert found <= {200, 301, 400, 404}  # 200: Streamlit's own index.html for what it does not know


def test_methods_and_strange_heads(server):
    for method, path in itertools.product(("POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "X" * 200),
                                          ("/", "/fcn", "/media/x", "/_stcore/health", "/_stcore/stream",
                                           "/_stcore/metrics", "/_stcore/upload_file/a/b")):  # fmt: skip
        status, _, _ = request(server, method, path, b"x" * 100)
        assert 400 <= status < 500, (method, path, status)
    for heads in ({"X": "y" * 200_000}, {f"X{i}": "y" for i in range(3000)}, {"Range": "bytes=9-1"},
                  {"Cookie": "_streamlit_user=" + "x" * 5000}, {"Content-Length": "x"}):  # fmt: skip
        try:
            status, _, _ = request(server, "GET", "/media/x", headers=heads)
        except OSError:
            continue  # hung up
        assert 400 <= status < 500, next(iter(heads))


@pytest.mark.parametrize("path", ["/", "/fcn", "/media/none", "/_stcore/health", "/_stcore/host-config"])
def test_every_answer_carries_the_headers(server, path):
    heads = request(server, "GET", path, headers={"Origin": "http://evil.example"})[2]
    for name, value in guard.headers():
        if name != b"content-security-policy":
            assert heads[name.decode()] == value.decode()
    policy = heads["content-security-policy"]
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    assert "'unsafe-eval'" not in policy
    assert "access-control-allow-origin" not in heads


def test_another_site_cannot_open_a_session(server):
    from websockets.sync.client import connect

    address = server.url.replace("http", "ws") + "/_stcore/stream"
    for origin in ("http://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1:1"):
        with pytest.raises(InvalidStatus, match="403"), connect(address, origin=origin):
            pass
    with connect(address, origin=server.url):
        pass


def test_uploads_need_the_token_a_session_and_a_size(server):
    async def told() -> None:
        async with Visitor(server.url) as visitor:
            session = (await visitor.visit("")).session
            await asyncio.to_thread(attack, session)

    def attack(session: str) -> None:
        body, kind = form(b"x" * 1000)
        right = {"Content-Type": kind, "Cookie": f"_streamlit_xsrf={mine}", "X-Xsrftoken": mine}
        place = f"/_stcore/upload_file/{session}/"

        endless = itertools.chain([body[: body.index(b"xxx")]], itertools.repeat(b"x" * 2**20, 140))

        def put(path: str, heads: dict, data: object = body) -> int:
            return request(server, "PUT", path, data, heads)[0]

        assert put(place + "a", {"Content-Type": kind}) == 403
        assert put(place + "a", right | {"X-Xsrftoken": "2|0|0|0"}) == 403
        assert put(place + "a", right | {"Cookie": ""}) == 403
        assert request(server, "DELETE", place + "a")[0] == 403
        assert put("/_stcore/upload_file/nobody/a", right) == 400
        assert put(place + "..%2f..%2fapp.py", right) == 400
        assert put(place + "a", right | {"Content-Length": str(10**9)}) == 413
        assert put(place + "a", right, endless) == 413
        assert put(place + "a", right, b"no form at all") == 400
        assert put(place + "a", right, form(b"x" * 1000, files=2)[0]) in (204, 400)
        assert put(place + "a", right) == 204
        large, kind = form(b"x" * 50 * 2**20)
        answers = [put(f"{place}{i}", right | {"Content-Type": kind}, large) for i in range(4)]
        assert answers == [204] * 3 + [413], answers  # 128 MiB of one visit, and the one that goes past it
        status, text, _ = request(server, "PUT", place + "more", body, right)
        assert (status, text) == (413, b"Too many uploads at the moment.")

    mine = token(server)
    wait(told())
