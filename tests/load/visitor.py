"""A visitor without a browser: one WebSocket that speaks Streamlit's protobuf messages.

References
1. Streamlit 1.67, proto/BackMsg.proto (what a browser sends) and proto/ForwardMsg.proto (what it gets).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from types import TracebackType

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

PATIENCE = 60  # seconds that an answer may take
LARGE = 65536  # bytes; a larger message holds a component's data and is not read here


@dataclass
class Answer:
    """All that came between a message and the end of the run that it started.

    seconds: from sending to `script_finished`. elements: (kind, element, id of its fragment), in order.
    """

    seconds: float = 0.0
    messages: int = 0
    bytes: int = 0
    page: str = ""
    session: str = ""
    elements: list[tuple[str, object, str]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def of(self, kind: str) -> list:
        """The elements of one kind, e.g. "slider"."""
        return [element for name, element, _ in self.elements if name == kind]

    def fragment(self, kind: str) -> str:
        """The id of the fragment that the first element of this kind lies in, "" for none."""
        return next((place for name, _, place in self.elements if name == kind), "")

    def take(self, data: bytes, keep: bool) -> str:
        """Note a message; returns its kind."""
        self.messages += 1
        self.bytes += len(data)
        if keep:
            self.raw.append(data)
        elif len(data) > LARGE:
            return ""
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type") or ""
        if kind == "new_session":
            self.page, self.session = message.new_session.page_script_hash, message.new_session.initialize.session_id
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            name = element.WhichOneof("type") or ""
            self.elements.append((name, getattr(element, name) if name else None, message.delta.fragment_id))
        return kind


class Visitor:
    """One session as an asynchronous context: `async with Visitor(url) as visitor`.

    keep: every message is kept and read whole, for tests that look at all that was delivered. token: the XSRF token of
    the browser. session: id of the visit that it comes back to.
    """

    def __init__(self, url: str, keep: bool = False, token: str = "", session: str = "") -> None:
        self._address = url.replace("http", "ws", 1) + "/_stcore/stream"
        self._keep, self._session = keep, session
        self._heads = {"Cookie": f"_streamlit_xsrf={token}"} if token else {}
        self.socket: ClientConnection

    async def __aenter__(self) -> Visitor:
        offered = ["streamlit", *(["token", self._session] if self._session else [])]
        self.socket = await connect(self._address, subprotocols=offered, max_size=None, compression=None,
                                    additional_headers=self._heads)  # fmt: skip
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:  # fmt: skip
        await self.socket.close()

    async def visit(self, page: str, query: str = "") -> Answer:
        """Open a page by its address; returns what it is made of."""
        message = BackMsg()
        message.rerun_script.page_name, message.rerun_script.query_string = page, query
        return await self.ask(message)

    async def ask(self, message: BackMsg) -> Answer:
        """Send a message that runs the script, and wait until that has ended. Raises TimeoutError."""
        begun = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        answer = await self.hear()
        answer.seconds = time.perf_counter() - begun
        return answer

    async def hear(self, patience: float = PATIENCE) -> Answer:
        """What comes up to the end of the next run. Raises TimeoutError."""
        answer = Answer()
        async with asyncio.timeout(patience):
            while answer.take(await self.socket.recv(), self._keep) != "script_finished":
                pass
        return answer
