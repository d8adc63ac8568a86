"""What the tests of this package share: a server under attack, and the proof that it still serves others."""

from __future__ import annotations

import asyncio
import http.client
import random
import re
from collections.abc import Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed

from pages.kit.guard import SORRY
from tests.load.server import Server
from tests.load.visitor import Answer, Visitor

T = TypeVar("T")

SECRETS = (b"root:x:", b"root:*:", b"[project]", b"streamlit==", b"navigation().run()", b"PATH=")
UNCAUGHT = "Uncaught app execution"
TOKEN = "_streamlit_xsrf"

WILD = (
    "", " ", "nan", "inf", "-1", "1e999", "9" * 400, "0x10", "None", "null", "[]", "{}", "true", "\0", "\x1b[2J",
    "\r\nX: y", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "'\"><svg onload=alert(1)>",
    "[a](javascript:alert(1))", "![x](http://example.invalid/x.png)", "**b** $x^2$ :red[x] `c`", "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd", "/etc/passwd", "file:///etc/passwd", "C:\\windows\\win.ini", "%00", "%", "%zz",
    "%ff%fe", "\u202egnp.exe",
    "\ud7ff\ue000", "\U0001f469\u200d\U0001f52c", "é" * 200, "a\u0301" * 100, "x" * 4000, "__class__", "{0.__class__}",
    "%(x)s", "$(id)", "`id`", "; rm -rf /", "' OR 1=1 --", "fcn-scenes\n", "FCN-SCENES", "landscape/../landscape",
)  # fmt: skip


def errors(answer: Answer) -> list[str]:
    """What an answer tells of failures: Streamlit's own element for them, and our sentence."""
    alerts = [alert.body for alert in answer.of("alert") if alert.body == SORRY]
    return [error.message for error in answer.of("exception")] + alerts


def failures(server: Server) -> list[str]:
    """The last lines of the tracebacks in the server's log."""
    blocks = server.said().split(UNCAUGHT)[1:]
    return [re.search(r"^\w[\w.]*(?:Error|Exception|Key)\b.*$", block, re.MULTILINE)[0] for block in blocks]


async def healthy(server: Server) -> bool:
    """Whether the server answers and a newcomer gets the home page whole."""
    if not server.alive:
        return False
    async with Visitor(server.url, keep=True) as visitor:
        answer = await visitor.visit("")
    return bool(answer.of("heading") or answer.of("markdown")) and not errors(answer)


def wait(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, run on a loop and in a thread of its own: Playwright has one on the main thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def run(page: Answer, fragment: str = "") -> BackMsg:
    """A message that runs the page again."""
    message = BackMsg()
    message.rerun_script.page_script_hash, message.rerun_script.fragment_id = page.page, fragment
    return message


async def pour(visitor: Visitor, messages: Iterable[bytes]) -> int:
    """Send without waiting for answers, as long as the server listens; returns how many were sent."""
    sent = 0

    async def drain() -> None:
        while True:
            await visitor.socket.recv()

    drained = asyncio.create_task(drain())
    with suppress(ConnectionClosed):
        for message in messages:
            await visitor.socket.send(message)
            sent += 1
    drained.cancel()
    with suppress(asyncio.CancelledError, ConnectionClosed):
        await drained
    return sent


def request(server: Server, method: str, path: str, body: bytes | Iterable[bytes] | None = None,
            headers: dict[str, str] | None = None) -> tuple[int, bytes, dict[str, str]]:  # fmt: skip
    """One request, its path as it is written: status, the first MB of the answer, headers in lower case."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        chunked = body is not None and not isinstance(body, bytes)
        around = {"Content-Length": str(len(body))} if isinstance(body, bytes) else {}
        for name, value in (around | ({"Transfer-Encoding": "chunked"} if chunked else {}) | (headers or {})).items():
            connection.putheader(name, value)
        with suppress(OSError):  # refused before all was sent; the answer is there
            connection.endheaders(body, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, answer.read(2**20), {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def token(server: Server) -> str:
    """An XSRF token as a browser has it."""
    return request(server, "GET", "/_stcore/health")[2]["set-cookie"].split(";")[0].split("=", 1)[1]


def form(data: bytes, name: str = "x.png", files: int = 1) -> tuple[bytes, str]:
    """A multipart body with these files, and its content type."""
    edge = f"edge{random.Random(len(data)).getrandbits(64):x}"
    part = (f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: image/png\r\n\r\n").encode()  # fmt: skip
    body = (part + data + b"\r\n") * files + f"--{edge}--\r\n".encode()
    return body, f"multipart/form-data; boundary={edge}"
