"""Visits that are over are closed whether or not somebody else comes, and what they held is let go."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from engine.keep import Keep
from pages.kit import sessions


class Runtime:
    """What `close_those_away` asks of Streamlit's runtime."""

    def __init__(self, *active: str) -> None:
        self.active, self.closed = set(active), []

    def is_active_session(self, session: str) -> bool:
        return session in self.active

    def close_session(self, session: str) -> None:
        self.closed.append(session)


class Held(Runtime):
    """The same, and what each visit keeps in its session: `sizes` in MiB."""

    def __init__(self, *active: str, **sizes: int) -> None:
        super().__init__(*active)
        self.visits = {name: SimpleNamespace(session=Session(name, size)) for name, size in sizes.items()}
        self._session_mgr = SimpleNamespace(
            get_session_info=self.visits.get, list_sessions=lambda: list(self.visits.values())
        )
        self.uploaded_file_mgr = SimpleNamespace(file_storage={})
        self.media_file_mgr = SimpleNamespace(
            _files_by_session_and_coord={}, read_file=None, remove_orphaned_files=lambda: None
        )

    def close_session(self, session: str) -> None:
        super().close_session(session)
        del self.visits[session]


class Session:
    """As much of Streamlit's session as is looked at."""

    def __init__(self, name: str, size: int) -> None:
        self.id = name
        self.session_state = State(size)
        self._fragment_storage = {"a fragment": size}


class State:
    """As much of Streamlit's session state."""

    def __init__(self, size: int) -> None:
        self._old_state = {"picture": np.zeros(size * MB, np.uint8)}
        self._new_session_state = {"name": "x"}

    def clear(self) -> None:
        self._old_state.clear()
        self._new_session_state.clear()


MB = 2**20


@pytest.fixture
def visits(monkeypatch):
    """Three visits, seen one after another, of 100 MiB each."""
    monkeypatch.setattr(sessions, "_seen", {"a": 1.0, "b": 2.0, "c": 3.0})
    monkeypatch.setattr(sessions, "_endings", [])
    monkeypatch.setattr(sessions, "free_memory", lambda: float("inf"))
    return lambda *active: Held(*active, a=100, b=100, c=100)


def test_a_pause_of_ten_minutes_is_none():
    assert sessions.AWAY >= 600


def test_what_a_visit_holds_is_counted(visits):
    runtime = visits()
    runtime.uploaded_file_mgr.file_storage["a"] = {"1": SimpleNamespace(data=b"x" * MB)}
    assert sessions.held(runtime, "a") == pytest.approx(101 * MB, abs=1000)
    sessions.coming["a"] += 7 * MB
    assert sessions.held(runtime, "a") == pytest.approx(108 * MB, abs=1000), "what is on its way counts"
    del sessions.coming["a"]


def test_those_away_share_a_budget_and_the_first_to_leave_goes_first(visits, monkeypatch):
    runtime = visits("a")
    monkeypatch.setattr(sessions, "AWAY_BYTES", 150 * MB)
    assert sessions.keep_within(runtime) == 1
    assert runtime.closed == ["b"], "a is there, and b left before c"
    assert sessions.keep_within(runtime) == 0


def test_those_away_go_while_the_machine_is_short_of_memory(visits, monkeypatch):
    runtime = visits("c")
    left = iter([sessions.SPARE - 1, sessions.SPARE + 1])
    monkeypatch.setattr(sessions, "free_memory", lambda: next(left))
    assert sessions.keep_within(runtime) == 1
    assert runtime.closed == ["a"]


def test_who_is_there_gets_the_room_of_those_away(visits, monkeypatch):
    runtime = visits("c")
    monkeypatch.setattr(sessions, "TOGETHER", 350 * MB)
    assert sessions.make_room(runtime, "c", 40 * MB)
    assert runtime.closed == []
    assert sessions.make_room(runtime, "c", 100 * MB)
    assert runtime.closed == ["a"]
    assert not sessions.make_room(runtime, "c", 300 * MB), "that is more than all may hold"


def test_no_room_is_made_for_a_visit_that_holds_its_share(visits, monkeypatch):
    runtime = visits("c")
    monkeypatch.setattr(sessions, "EACH", 150 * MB)
    assert not sessions.make_room(runtime, "c", 60 * MB)
    assert runtime.closed == []


def test_kept_answers_are_dropped_where_nobody_is_away(visits, monkeypatch):
    runtime, kept = visits("a", "b", "c"), Keep(64 * MB)
    kept.get("an answer", lambda: np.zeros(50 * MB, np.uint8))
    runtime.visits["b"].session.session_state._old_state["kept"] = kept
    monkeypatch.setattr(sessions, "TOGETHER", 320 * MB)
    assert sessions.keep_within(runtime) == 0
    assert kept.held == 0


def test_what_a_visit_held_is_cut_off_and_told(visits):
    runtime, told = visits("b", "c"), []
    session = runtime.visits["a"].session
    sessions.at_end(lambda state, others: told.append((sorted(state), len(others))))
    sessions.close(runtime, "a")
    assert told == [(["name", "picture"], 2)]
    assert not session.session_state._old_state
    assert not session._fragment_storage
    assert "a" not in sessions._seen


def test_memory_that_is_free_is_known_here():
    assert 0 < sessions.free_memory() <= float("inf")


def test_visits_are_closed_once_they_were_away_long_enough(monkeypatch):
    monkeypatch.setattr(sessions, "_seen", {"here": 0.0, "gone": 0.0})
    runtime = Runtime("here")
    assert sessions.close_those_away(runtime, 1.0) == 0
    assert sessions.close_those_away(runtime, sessions.AWAY - 1) == 0
    assert sessions.close_those_away(runtime, sessions.AWAY) == 1
    assert runtime.closed == ["gone"]
    assert sessions.close_those_away(runtime, 1000.0) == 0
    runtime.active.clear()
    assert sessions.close_those_away(runtime, 1000.0 + sessions.AWAY - 1) == 0  # counted from when it was last there
    assert sessions.close_those_away(runtime, 1000.0 + sessions.AWAY) == 1
    assert runtime.closed == ["gone", "here"]


def test_who_comes_back_in_time_stays(monkeypatch):
    monkeypatch.setattr(sessions, "_seen", {"a": 0.0})
    runtime = Runtime()
    assert sessions.close_those_away(runtime, sessions.AWAY - 1) == 0
    runtime.active.add("a")
    assert sessions.close_those_away(runtime, sessions.AWAY + 1) == 0
    assert runtime.closed == []


def test_streamlit_keeps_a_visit_longer_than_we_do():
    """Otherwise it would have forgotten, but not freed, what we want to close."""
    import streamlit as st

    assert st.get_option("server.disconnectedSessionTTL") > sessions.AWAY + 2 * sessions.LOOK


def test_trim_runs_everywhere():
    sessions.trim()


def test_outside_a_visit_nothing_is_remembered(monkeypatch):
    monkeypatch.setattr(sessions, "_seen", {})
    sessions.here()
    assert sessions._seen == {}


def test_free_memory_goes_back_while_the_process_is_large(monkeypatch):
    """A look at the visits gives back what is free, though nobody has left; a small process is left alone."""
    given, looks = [], iter([2 * sessions.RESIDENT, sessions.RESIDENT // 2])

    async def looked(_: float) -> None:
        if len(given) > 1:
            raise asyncio.CancelledError

    monkeypatch.setattr(sessions.asyncio, "sleep", looked)
    monkeypatch.setattr(sessions, "get_instance", lambda: None)
    monkeypatch.setattr(sessions, "close_those_away", lambda *_: 0)
    monkeypatch.setattr(sessions, "keep_within", lambda _: 0)
    monkeypatch.setattr(sessions, "resident", lambda: next(looks, given.append("looked twice") or 0))
    monkeypatch.setattr(sessions, "trim", lambda: given.append("trimmed"))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(sessions._sweep())
    assert given.count("trimmed") == 1


def test_the_resident_size_is_known_here():
    assert sessions.resident() > 10 * MB
