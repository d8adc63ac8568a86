"""What a browser would never send over its WebSocket: noise, other types, widgets that do not exist, huge JSON."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import suppress

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed

from pages.kit import guard, rooms
from tests.hardening.live import WILD, pour, run, wait
from tests.load.server import Server
from tests.load.visitor import Answer, Visitor

NUMBERS = (0.0, -1.0, 1.5, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), 2.0**63)
DEEP = "[" * 3000 + "]" * 3000
PLACE = {"x": "a", "y": [], "step": 1e400, "row": -1, "n": None, "image": "x", "cells": "9 9", "points": [[1e308] * 9]}
JSON = ("null", "[]", "{}", "1", '"s"', "no json", "NaN", DEEP, '{"a":' * 400 + "1" + "}" * 400,
        *(json.dumps({name: PLACE}) for name in ("pick", "paint", "row", "value", "drag", "strokes", "image")),
        json.dumps({"pick": {"x": float("nan"), "y": 1e999, "step": -1, "n": 10**400}}),
        json.dumps({"paint": {"cells": "1 " * 200_000, "step": 0, "n": 1}}),
        json.dumps({"row": "x" * 500_000}))  # fmt: skip
KINDS = ("slider", "selectbox", "checkbox", "button", "button_group", "text_input", "number_input", "bidi_component",
         "file_uploader", "dataframe", "download_button")  # fmt: skip
PAGES = (rooms.FCN, rooms.CAPTIONS, rooms.GRID, rooms.COMPARE)


def widgets(page: Answer) -> list[tuple[str, str]]:
    """Ids of the widgets of a page, and the fragments that they lie in."""
    return [(e.id, f) for kind, e, f in page.elements if kind in KINDS and getattr(e, "id", "")]


def wrong(rng: random.Random, name: str) -> WidgetState:
    """The state of a widget in some type, most likely not its own."""
    state = WidgetState(id=name)
    kind = rng.randrange(11)
    if kind < 4:
        setattr(state, ("json_value", "json_trigger_value")[kind % 2], rng.choice(JSON))
    elif kind == 4:
        state.string_value = rng.choice(WILD).encode("utf8", "replace").decode()
    elif kind == 5:
        state.double_array_value.data.extend(rng.choices(NUMBERS, k=rng.randrange(4)))
    elif kind == 6:
        state.int_array_value.data.extend(rng.choices((0, -1, 2**40, -(2**62)), k=rng.randrange(1, 4)))
    elif kind == 7:
        state.string_array_value.data.extend(rng.choices(WILD[:10], k=rng.randrange(4)))
    elif kind == 8:
        state.file_uploader_state_value.uploaded_file_info.add(file_id="../app.py", name="<b>", size=2**31)
    elif kind == 9:
        state.bytes_value = rng.randbytes(100)
    else:
        setattr(state, *rng.choice((("int_value", -(2**62)), ("double_value", rng.choice(NUMBERS)),
                                    ("bool_value", True), ("trigger_value", True))))  # fmt: skip
    return state


@pytest.mark.parametrize("page", PAGES, ids=[page.url for page in PAGES])
def test_states_of_other_types(server, page):
    """No message of Streamlit's about an exception reaches anybody; one such visit harms itself at most."""

    async def told() -> None:
        rng = random.Random(page.url)
        async with Visitor(server.url, keep=True) as visitor:
            whole = await visitor.visit(page.url, "image=landscape")
            known = widgets(whole)
            for _ in range(8):
                name, fragment = rng.choice(known)
                message = run(whole, fragment if rng.random() < 0.3 else "")
                message.rerun_script.widget_states.widgets.append(wrong(rng, name))
                with suppress(TimeoutError):  # a fragment that is not there any more does not answer
                    await visitor.socket.send(message.SerializeToString())
                    assert not (await visitor.hear(patience=5)).of("exception"), message
            many = []
            for _ in range(100):
                message = run(whole, rng.choice(("", "nowhere", known[-1][1])))
                for _ in range(rng.randint(1, 4)):
                    name = rng.choice((rng.choice(known)[0], "$$ID-0-nobody", "", "$$ID-" + "x" * 500))
                    message.rerun_script.widget_states.widgets.append(wrong(rng, name))
                many.append(message.SerializeToString())
            await pour(visitor, many)

    wait(told())


def test_noise(server):
    """Thousands of messages that are none, each on a connection that ends at the first that cannot be read."""

    async def told() -> int:
        rng, sent = random.Random(0), 0
        sample = run(Answer(page="x" * 32))
        for i in range(6):
            sample.rerun_script.widget_states.widgets.append(wrong(rng, f"$$ID-{i}"))
        whole = sample.SerializeToString()[:5000]
        for _ in range(150):
            async with Visitor(server.url) as visitor:
                noise = [rng.randbytes(rng.choice((1, 5, 50, 3000))) for _ in range(10)]
                cut = [whole[: rng.randrange(len(whole))] for _ in range(5)]
                flipped = [flip(rng, whole) for _ in range(5)]
                sent += await pour(visitor, rng.sample([*noise, *cut, *flipped], 20))
        return sent

    def flip(rng: random.Random, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(5):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        return bytes(changed)

    assert wait(told()) > 300


def test_a_message_that_is_too_large_ends_its_connection(server):
    async def told() -> None:
        async with Visitor(server.url) as visitor:
            message = run(Answer(page="x"))
            message.rerun_script.widget_states.widgets.add(id="x").bytes_value = bytes(30 * 10**6)
            await visitor.socket.send(message.SerializeToString())
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(visitor.hear(), 10)

    wait(told())


def told_to_wait() -> list[BackMsg]:
    """What a browser may ask of Streamlit and this app does not answer."""
    git, clear, save, shut, skills = BackMsg(), BackMsg(), BackMsg(), BackMsg(), BackMsg()
    git.load_git_info = clear.clear_cache = save.set_run_on_save = shut.debug_shutdown_runtime = True
    skills.backend_operation_request.install_skills.SetInParent()
    names = BackMsg()
    names.file_urls_request.file_names.extend(["x"] * 10_000)
    return [git, clear, save, shut, skills, names]


def test_what_the_app_does_not_answer_never_reaches_streamlit(server):
    async def told(server: Server) -> str | None:
        async with Visitor(server.url) as visitor:
            await visitor.visit("")
            for message in told_to_wait():
                await visitor.socket.send(message.SerializeToString())
            beat = BackMsg(app_heartbeat=True)
            await visitor.socket.send(beat.SerializeToString())
            while (kind := ForwardMsg.FromString(await visitor.socket.recv()).WhichOneof("type")).startswith("session"):
                pass
            return kind

    assert wait(told(server)) == "heartbeat_ack"
    assert not any(guard.passes(message.SerializeToString()) for message in told_to_wait())
    download = BackMsg()
    download.backend_operation_request.deferred_file.file_id = "x"
    assert guard.passes(download.SerializeToString())
    assert guard.passes(run(Answer(page="x")).SerializeToString())


def test_only_so_many_connections_at_once():
    """One more is told to try again later; when one goes there is a place again."""
    sent: list[dict] = []

    async def told() -> None:
        gone = asyncio.Event()

        async def app(*_: object) -> None:
            await gone.wait()

        async def receive() -> dict:
            return {"type": "websocket.connect"}

        async def send(message: dict) -> None:
            sent.append(message)

        guarded, scope = guard.Guard(app), {"type": "websocket", "headers": []}
        there = [asyncio.create_task(guarded(scope, receive, send)) for _ in range(guard.VISITORS)]
        await asyncio.sleep(0)
        await guarded(scope, receive, send)
        assert sent == [{"type": "websocket.close", "code": 1013}]
        gone.set()
        await asyncio.gather(*there)
        await guarded(scope, receive, send)
        assert len(sent) == 1

    wait(told())
