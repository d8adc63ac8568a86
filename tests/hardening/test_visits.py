"""What a visit brought is its own: nobody else's to change or to go on with, bounded however it is sent, and back
after a pause."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hardening.conftest import APP
from tests.hardening.live import form, request, token, wait
from tests.load.server import Server
from tests.load.visitor import Visitor

BASE = "/tool/box"
MEGABYTE = 2**20


@pytest.fixture(scope="module")
def based() -> Iterator[Server]:
    """The app below a path of its own, as a proxy wants it."""
    with Server(APP, base=BASE) as server:
        yield server


def heads(mine: str, kind: str = "") -> dict[str, str]:
    """As a browser with this token sends them."""
    return {"Cookie": f"_streamlit_xsrf={mine}", "X-Xsrftoken": mine} | ({"Content-Type": kind} if kind else {})


def put(server: Server, place: str, data: bytes, mine: str) -> int:
    """The status of an upload."""
    body, kind = form(data)
    return request(server, "PUT", place, body, heads(mine, kind))[0]


def test_nobody_changes_or_goes_on_with_what_another_browser_brought(server):
    mine, other = token(server), token(server)

    async def told() -> None:
        async with Visitor(server.url, token=mine) as visitor:
            session = (await visitor.visit("")).session
            await asyncio.to_thread(attack, session)
        async with Visitor(server.url, token=other, session=session) as visitor:
            assert (await visitor.visit("")).session != session
        async with Visitor(server.url, session=session) as visitor:
            assert (await visitor.visit("")).session != session
        async with Visitor(server.url, token=mine, session=session) as visitor:
            assert (await visitor.visit("")).session == session, "its own browser comes back to it"

    def attack(session: str) -> None:
        place = f"/_stcore/upload_file/{session}/a"
        assert put(server, place, b"another's", other) == 403
        assert put(server, place, b"mine", mine) == 204
        assert put(server, place, b"another's", other) == 403
        assert request(server, "DELETE", place, headers=heads(other))[0] == 403
        assert request(server, "DELETE", place, headers=heads(mine))[0] == 204

    wait(told())


def test_who_came_without_a_cookie_owns_what_it_first_brought(server):
    mine, other = token(server), token(server)

    async def told() -> None:
        async with Visitor(server.url) as visitor:
            place = f"/_stcore/upload_file/{(await visitor.visit('')).session}/a"
            assert await asyncio.to_thread(put, server, place, b"mine", mine) == 204
            assert await asyncio.to_thread(put, server, place, b"another's", other) == 403

    wait(told())


def test_the_limit_of_uploads_holds_below_a_path_and_for_files_sent_at_once(based):
    mine = request(based, "GET", f"{BASE}/_stcore/health")[2]["set-cookie"].split(";")[0].split("=", 1)[1]
    large = b"x" * (50 * MEGABYTE)

    async def told() -> None:
        async with Visitor(based.url, token=mine) as visitor:
            place = f"{BASE}/_stcore/upload_file/{(await visitor.visit('')).session}/"
            with ThreadPoolExecutor(6) as pool:
                answers = list(pool.map(lambda i: put(based, f"{place}{i}", large, mine), range(6)))
            assert sorted(answers) == [204] * 3 + [413] * 3, answers
            assert await asyncio.to_thread(put, based, f"{place}more", b"x", mine) == 413
            answer = await visitor.hear()
            assert "as much for its visitors" in answer.of("toast")[0].body, "a sentence says why"

    wait(told())


def test_media_of_a_visit_are_kept_by_nobody_on_the_way(server):
    async def told() -> str:
        async with Visitor(server.url, keep=True) as visitor:
            images = (await visitor.visit("fcn")).of("imgs")
            return next(image.url for element in images for image in element.imgs if "/media/" in image.url)

    status, _, found = request(server, "GET", wait(told()))
    assert (status, found["cache-control"]) == (200, "private, no-store")
