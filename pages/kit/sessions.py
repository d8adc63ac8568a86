"""What visits hold is let go soon after they end, whether or not somebody else comes.

Streamlit keeps the state of a visit whose connection broke, so that a blip of the network costs nothing. It throws it
away only when the next visit ends, and glibc keeps freed memory where many threads took it. Here a visit is closed once
it was away for `AWAY` seconds, and what that freed goes back to the system.

References
1. Streamlit 1.67, `Runtime.is_active_session` and `Runtime.close_session`; runtime/memory_session_storage.py.
2. malloc_trim(3): give free memory at the top of the heap and in all arenas back.
"""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import streamlit as st
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

AWAY = 20.0  # seconds that a visit may be away; below server.disconnectedSessionTTL
LOOK = 5.0  # seconds between two looks

_seen: dict[str, float] = {}  # id of a session -> when it was last known to be connected


def here() -> None:
    """Remember that this visit is there; called once in each run of the app."""
    context = get_script_run_ctx()
    if context is not None:
        _seen[context.session_id] = time.monotonic()


def close_those_away(runtime: Any, now: float) -> int:
    """Close what was away for `AWAY` seconds at the time `now`; returns how many. On the server's event loop only."""
    for session in list(_seen):
        if runtime.is_active_session(session):
            _seen[session] = now
    away = [session for session, last in _seen.items() if now - last >= AWAY]
    for session in away:
        del _seen[session]
        runtime.close_session(session)
    return len(away)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Look after the visits for as long as the server runs."""
    task = asyncio.create_task(_sweep())
    try:
        yield
    finally:
        task.cancel()


async def _sweep() -> None:
    while True:
        await asyncio.sleep(LOOK)
        if close_those_away(get_instance(), time.monotonic()):
            await asyncio.to_thread(trim)


def trim() -> None:
    """Give freed memory back to the system where its C library can (glibc)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
