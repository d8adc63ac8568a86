"""Visits that are over are closed whether or not somebody else comes, and what they held is let go."""

from __future__ import annotations

from pages.kit import sessions


class Runtime:
    """What `close_those_away` asks of Streamlit's runtime."""

    def __init__(self, *active: str) -> None:
        self.active, self.closed = set(active), []

    def is_active_session(self, session: str) -> bool:
        return session in self.active

    def close_session(self, session: str) -> None:
        self.closed.append(session)


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
