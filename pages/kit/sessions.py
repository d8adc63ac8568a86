"""A visit outlives a pause, what all visits hold is bounded by one budget of bytes, and what one held ends with it.

A lid that is closed, or a phone that opens its file picker, ends the connection, and the browser comes back with the id
of its visit. So a visit that is away is kept for `AWAY` seconds. It is closed earlier where those away hold more than
`AWAY_BYTES`, where somebody who is there needs the room, or where the machine runs out of memory: the one that has been
away for longest goes first. Streamlit throws visits away only when the next one ends, Python's collector hardly ever
looks through what torch has made old, and glibc keeps freed memory where many threads took it: here a visit is closed
in time, what it held is cut off from it, and what that freed goes back to the system.

References
1. Streamlit 1.67, `Runtime.close_session`, runtime/memory_session_storage.py: at most 128 visits away, and a time.
2. malloc_trim(3): give free memory at the top of the heap and in all arenas back.
3. proc(5), /proc/meminfo; the kernel's cgroup-v2.rst, memory.max and memory.current.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.web.server.starlette.starlette_app_utils import decode_xsrf_token_string
from streamlit.web.server.starlette.starlette_server_config import XSRF_COOKIE_NAME

from engine import zoo
from engine.keep import Keep, size_of
from pages.kit import logs

AWAY = float(os.environ.get("SACCADE_AWAY", "900"))  # seconds; below server.disconnectedSessionTTL
LOOK = 5.0  # seconds between two looks
MOST_AWAY = 100  # visits; Streamlit forgets one from 128 on
TOGETHER = 2**30  # bytes that all visits together may cause the server to hold
EACH = 2**29  # the same, of one visit
AWAY_BYTES = 2**28  # of these, what visits may hold that are away
SPARE = 2**28  # bytes of memory that the machine should have left while visits are away
RESIDENT = 700 * 2**20  # bytes in memory from which on what is free is given back every `LOOK` seconds
FULL = "The server holds as much for its visitors as it can at the moment. Close what you no longer need, or try later."

_WIDGET = "$$"  # what the state calls a widget begins so
State = Mapping[str, Any]
Ending = Callable[[State, Sequence[State]], None]

_seen: dict[str, float] = {}  # id of a session -> when it was last known to be connected
_browsers: dict[str, bytes] = {}  # id of a session -> the token of the browser that it belongs to
coming: Counter[str] = Counter()  # id of a session -> bytes that are being sent to it now
_refused: set[str] = set()  # ids of sessions whose upload found no room, and who have not been told yet
_endings: list[Ending] = []
_loop: asyncio.AbstractEventLoop | None = None  # the server's


class Full(RuntimeError):
    """There is no room for more of this visit; the message is one clear sentence."""


def here() -> None:
    """Remember that this visit is there, and whose it is; called once in each run of the app."""
    context = get_script_run_ctx()
    if context is None:
        return
    _seen[context.session_id] = time.monotonic()
    if browser := browser_of(st.context.cookies):
        _browsers[context.session_id] = browser
    if context.session_id in _refused:
        _refused.discard(context.session_id)
        st.toast(FULL, icon=":material/inventory_2:", duration="long")


def visit() -> str:
    """The id of this visit, "" outside one."""
    context = get_script_run_ctx()
    return context.session_id if context else ""


def brought() -> bool:
    """Whether this visit has sent files of its own already."""
    return _loop is not None and bool(get_instance().uploaded_file_mgr.file_storage.get(visit()))


def take_over(former: str) -> bool:
    """Move all that a visit held into this one, if it is away and of the same browser; called while a script runs."""
    if _loop is None or visit() not in _browsers or _browsers.get(former) != _browsers[visit()]:
        return False

    async def moved() -> dict[str, Any] | None:
        runtime = get_instance()
        info = _info(runtime, former)
        if info is None or runtime.is_active_session(former):
            return None
        state = {name: value for name, value in _state(info.session).items() if not name.startswith(_WIDGET)}
        _let_go(runtime, former)
        return state

    state = asyncio.run_coroutine_threadsafe(moved(), _loop).result()
    st.session_state.update(state or {})
    return state is not None


def browser_of(cookies: Mapping[str, str]) -> bytes | None:
    """What tells one browser from any other: the secret in its XSRF cookie, None where it has none."""
    return decode_xsrf_token_string(cookies.get(XSRF_COOKIE_NAME, ""))[0]


def belongs(session: str, browser: bytes | None) -> bool:
    """Whether a browser may touch what this visit brought: it is its own, or nobody's yet."""
    return _browsers.get(session, browser) == browser


def claim_for(session: str, browser: bytes) -> None:
    """A visit without a cookie belongs to whoever first brought something."""
    _browsers.setdefault(session, browser)


def at_end(ending: Ending) -> Ending:
    """Call `ending(state, others)` when a visit has ended: what its session held, and what those of the others hold."""
    _endings.append(ending)
    return ending


def close_those_away(runtime: Any, now: float) -> int:
    """Close what was away for `AWAY` seconds at the time `now`; returns how many. On the server's event loop only."""
    away = _away(runtime, now)
    late = [session for session in away if now - _seen[session] >= AWAY]
    late += [session for session in away[: max(0, len(away) - MOST_AWAY)] if session not in late]
    for session in late:
        close(runtime, session)
    return len(late)


def _away(runtime: Any, now: float) -> list[str]:
    """The visits that are away, the one that left first comes first."""
    for session in list(_seen):
        if runtime.is_active_session(session):
            _seen[session] = now
    return sorted((session for session, last in _seen.items() if last != now), key=_seen.get)


def close(runtime: Any, session: str) -> None:
    """End a visit and cut off all that it held. On the server's event loop only."""
    info = _info(runtime, session)
    state = _state(info.session) if info else {}
    _let_go(runtime, session)
    if info:
        others = [_state(other.session) for other in runtime._session_mgr.list_sessions()]
        for ending in _endings:
            ending(state, others)


def _let_go(runtime: Any, session: str) -> None:
    """Streamlit forgets a visit, and whoever still refers to it finds it empty."""
    info = _info(runtime, session)
    _seen.pop(session, None)
    _browsers.pop(session, None)
    _refused.discard(session)
    runtime.close_session(session)
    if info:
        info.session.session_state.clear()
        info.session._fragment_storage.clear()
        runtime.media_file_mgr.remove_orphaned_files()  # downloads go at the second time


def _info(runtime: Any, session: str) -> Any | None:
    manager = getattr(runtime, "_session_mgr", None)
    return manager and manager.get_session_info(session)


def _state(session: Any) -> dict[str, Any]:
    """What the state of Streamlit's session holds at this moment, whether or not its script runs."""
    state = session.session_state
    return state._old_state | state._new_session_state


def uploads(runtime: Any, session: str) -> int:
    """Bytes of uploads that a visit has sent, and is sending."""
    files = list(runtime.uploaded_file_mgr.file_storage.get(session, {}).values())
    return sum(len(file.data) for file in files) + coming[session]


def held(runtime: Any, session: str) -> int:
    """Bytes that one visit causes the server to hold: uploads, pictures and files on its pages, and what its session
    keeps, networks with their processes too."""
    media = runtime.media_file_mgr
    shown = {media.read_file(file) for file in list(media._files_by_session_and_coord.get(session, {}).values())}
    found = uploads(runtime, session) + sum(len(file.content) for file in shown if file)
    info = _info(runtime, session)
    with suppress(RuntimeError):  # its script has just put something into a dictionary that was being read
        found += size_of(_state(info.session)) if info else 0
    return found


def all_held(runtime: Any) -> dict[str, int]:
    """What each visit holds, in bytes."""
    return {info.session.id: held(runtime, info.session.id) for info in runtime._session_mgr.list_sessions()}


def make_room(runtime: Any, session: str, size: int) -> bool:
    """Whether `size` more bytes of a visit find room, once those away had to go. On the server's event loop only."""
    now, each = time.monotonic(), all_held(runtime)
    if each.get(session, 0) + size > EACH:
        return False
    away = [other for other in _away(runtime, now) if other != session]
    while sum(each.values()) + size > TOGETHER and away:
        each.pop(away[0], None)
        close(runtime, away.pop(0))
    return sum(each.values()) + size <= TOGETHER


def claim(size: int) -> None:
    """Make sure that this visit may keep `size` more bytes. Raises Full; called while its script runs."""
    context = get_script_run_ctx()
    if context is None or _loop is None:
        return

    async def asked() -> bool:
        return make_room(get_instance(), context.session_id, size)

    if not asyncio.run_coroutine_threadsafe(asked(), _loop).result():
        raise Full(FULL)


def refuse(runtime: Any, session: str) -> None:
    """Tell a visit that what it sent found no room. On the server's event loop only."""
    info = _info(runtime, session)
    if info and runtime.is_active_session(session) and session not in _refused:
        _refused.add(session)
        info.session.request_rerun(None)


def keep_within(runtime: Any) -> int:
    """Close visits that are away while they hold too much, or memory is short, and drop kept answers where that is not
    enough; returns how many were closed. On the server's event loop only."""
    away, each, closed = _away(runtime, time.monotonic()), all_held(runtime), 0
    while away and (sum(each.get(session, 0) for session in away) > AWAY_BYTES
                    or sum(each.values()) > TOGETHER or free_memory() < SPARE):  # fmt: skip
        each.pop(away[0], None)
        close(runtime, away.pop(0))
        closed += 1
    if sum(each.values()) > TOGETHER:
        for session in each:
            kept = _state(info.session).get("kept") if (info := _info(runtime, session)) else None
            if isinstance(kept, Keep):
                kept.clear()
    return closed


def free_memory() -> float:
    """Bytes that this machine, or what of it is ours, can still give; infinity where nobody knows."""
    free = [float("inf")]
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free.append(1024.0 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]))
    with suppress(OSError, ValueError):
        ours = Path("/sys/fs/cgroup")
        free.append(
            float((ours / "memory.max").read_text()) - int((ours / "memory.current").read_text()) + _cached(ours)
        )
    return min(free)


def _cached(ours: Path) -> int:
    """Bytes of files that the kernel keeps for us and gives away when it must."""
    stats = dict(line.split() for line in (ours / "memory.stat").read_text().splitlines())
    return int(stats["inactive_file"]) + int(stats["active_file"])


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Look after the visits for as long as the server runs."""
    global _loop
    _loop = asyncio.get_running_loop()
    logs.bound()
    zoo.keep_memory()  # before threads take memory of their own
    task = asyncio.create_task(_sweep())
    try:
        yield
    finally:
        task.cancel()


async def _sweep() -> None:
    while True:
        await asyncio.sleep(LOOK)
        runtime = get_instance()
        if close_those_away(runtime, time.monotonic()) + keep_within(runtime):
            await asyncio.to_thread(tidy)
        elif resident() > RESIDENT:  # mostly free memory that glibc keeps for the next run (`engine.zoo.keep_memory`)
            await asyncio.to_thread(trim)


def tidy() -> None:
    """Free what ended visits left in circles of references, and give it back to the system."""
    gc.collect()
    trim()


def resident() -> int:
    """Bytes of this process that are in memory, 0 where nobody can know."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def trim() -> None:
    """Give freed memory back to the system where its C library can (glibc)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
