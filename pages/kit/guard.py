"""What stands between the network and the app: headers, which messages may pass, and how much one visitor may bring.

Streamlit itself checks XSRF tokens, paths and the size of one upload. Here is what it leaves open: it sends no security
headers, lets any visitor clear the caches of all and ask for the state of the server's git repository, takes any number
of uploads into one session from anybody who knows its id, and any number of sessions. And before it refuses a foreign
origin it asks the internet for its own address, while everybody waits (`net_util.get_external_ip` on the event loop, up
to two seconds).

References
1. Streamlit 1.67, `st.App(middleware=...)`: ASGI middleware outside Streamlit's own.
2. W3C, Content Security Policy Level 3; OWASP, HTTP Headers Cheat Sheet.
3. RFC 6455, section 7.4: 1013 (registered by IANA) says "try again later".
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from google.protobuf.message import DecodeError
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime import get_instance
from streamlit.web.server.server_util import is_xsrf_enabled
from streamlit.web.server.starlette.starlette_app_utils import validate_xsrf_token
from streamlit.web.server.starlette.starlette_server_config import XSRF_COOKIE_NAME

from pages.kit import history, sessions

VISITORS = 200  # connections at once
HELD = 128 * 2**20  # bytes of uploads from which on one session may bring no more
UPLOAD = re.compile(r"/_stcore/upload_file/([^/]+)/[^/]+$")  # below any server.baseUrlPath
MEDIA = re.compile(r"^(/.*)?/media/[^/]*$")
MESSAGES = {"rerun_script", "stop_script", "file_urls_request", "app_heartbeat"}  # what a browser may send
OPERATIONS = {"deferred_file", "dataframe_chunk"}  # of its backend operations
SORRY = "Something went wrong on this page. Choose other settings, or load the page anew."
NAMES = 32  # files that one request for upload addresses may name


def inline_scripts(html: str) -> list[str]:
    """What a policy calls the scripts that stand in `html` itself: 'sha256-...' of each."""
    texts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts]


def headers(own: str = "") -> list[tuple[bytes, bytes]]:
    """The headers that go with every answer. own: HTML of the app whose inline scripts may run."""
    index = Path(st.__file__).parent / "static" / "index.html"
    allowed = " ".join(inline_scripts(index.read_text(encoding="utf8") + own))
    policy = {
        "default-src": "'self'",
        "script-src": f"'self' blob: {allowed}",  # components come as blobs
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "media-src": "'self' blob:",
        "worker-src": "'self' blob:",
        "connect-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'self'",
    }
    found = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return [(name.lower().encode(), value.encode()) for name, value in found.items()]


def passes(data: bytes) -> bool:
    """Whether a message from a browser is one that this app answers; what cannot be read is Streamlit's to refuse."""
    try:
        message = BackMsg.FromString(data)
    except DecodeError:
        return True
    kind = message.WhichOneof("type")
    if kind == "backend_operation_request":
        return message.backend_operation_request.WhichOneof("payload") in OPERATIONS
    return kind in MESSAGES and len(message.file_urls_request.file_names) <= NAMES


def foreign(scope: Scope) -> bool:
    """Whether a page of another site asks: its origin is neither ours nor one of server.corsAllowedOrigins."""
    heads = Headers(scope=scope)
    origin = heads.get("origin")
    if origin is None or urlsplit(origin).netloc == heads.get("host"):
        return False
    return origin not in st.get_option("server.corsAllowedOrigins")


def without_others(scope: Scope) -> Scope:
    """A connection that asks to go on with a visit of another browser begins a visit of its own."""
    heads = Headers(scope=scope)
    asked = [entry.strip() for entry in heads.get("sec-websocket-protocol", "").split(",")]
    if len(asked) < 3 or sessions.belongs(asked[2], sessions.browser_of(cookie_parser(heads.get("cookie", "")))):
        return scope
    name, kept = b"sec-websocket-protocol", ", ".join(asked[:2]).encode("latin-1")
    return scope | {"headers": [(head, kept if head.lower() == name else value) for head, value in scope["headers"]]}


def announced(scope: Scope) -> int:
    """Bytes that a request may bring: those that it announces, which the server reads at most, or all that may be."""
    most, length = st.get_option("server.maxUploadSize") * 2**20, Headers(scope=scope).get("content-length", "")
    return min(int(length), most) if length.isascii() and length.isdecimal() else most


def room(runtime: Any, session: str, size: int) -> bool:
    """Whether a visit may send `size` more bytes, beside what it has sent and what is on its way at this moment."""
    return sessions.uploads(runtime, session) < HELD and sessions.make_room(runtime, session, size)


class Guard:
    """ASGI middleware. own: HTML of the app whose inline scripts may run."""

    def __init__(self, app: ASGIApp, own: str = "") -> None:
        self.app, self.headers, self.visitors = app, headers(own), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        private = MEDIA.search(scope["path"]) is not None

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                heads = [head for head in message["headers"] if not (private and head[0].lower() == b"cache-control")]
                message["headers"] = [*heads, *self.headers, *([(b"cache-control", b"private, no-store")] * private)]
            await send(message)

        if foreign(scope):  # it gets no leave to read the answer, and Streamlit does not ask the internet
            scope = scope | {"headers": [head for head in scope["headers"] if head[0].lower() != b"origin"]}
        upload = UPLOAD.search(scope["path"])
        if upload and scope["method"] in ("PUT", "DELETE"):
            await self._upload(upload[1], scope, receive, sent)
        else:
            await self.app(scope, receive, sent)

    async def _upload(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a visit's own browser bring a file, or take one away, while there is room for it."""
        heads, runtime = Headers(scope=scope), get_instance()
        cookies = cookie_parser(heads.get("cookie", ""))
        browser = sessions.browser_of(cookies)
        if not sessions.belongs(session, browser):
            await PlainTextResponse("This belongs to another visit.", 403)(scope, receive, send)
            return
        known = validate_xsrf_token(heads.get("x-xsrftoken"), cookies.get(XSRF_COOKIE_NAME)) or not is_xsrf_enabled()
        if not known or not runtime.is_active_session(session):  # Streamlit refuses it before it reads any of it
            await self.app(scope, receive, send)
            return
        size = announced(scope) if scope["method"] == "PUT" else 0
        if size and not room(runtime, session, size):
            sessions.refuse(runtime, session)
            await PlainTextResponse("Too many uploads at the moment.", 413)(scope, receive, send)
            return
        if browser:
            sessions.claim_for(session, browser)
        sessions.coming[session] += size
        try:
            await self.app(scope, receive, send)
        finally:
            sessions.coming[session] -= size
            if not sessions.coming[session]:
                del sessions.coming[session]

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def received() -> Message:
            while True:
                message = await receive()
                if message["type"] != "websocket.receive" or message.get("bytes") is None or passes(message["bytes"]):
                    return message

        scope = without_others(scope)
        if foreign(scope) or self.visitors >= VISITORS:
            await receive()
            await send({"type": "websocket.close", "code": 1008 if foreign(scope) else 1013})
            return
        self.visitors += 1
        try:
            await self.app(scope, received, send)
        finally:
            self.visitors -= 1


def sorry(error: Exception) -> bool:
    """What a visitor sees of a failure that nobody foresaw; Streamlit has written it to the log. For `st.App`."""
    st.error(SORRY)
    return True


def middleware() -> list[Middleware]:
    """What `st.App` wants."""
    return [Middleware(Guard, own=history.SCRIPT), Middleware(history.History)]
