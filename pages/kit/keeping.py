"""Answers that one visitor's session keeps: what was computed is not computed again while it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from engine.keep import Keep

MOST = 64 * 2**20  # bytes of one visit's answers


def once(name: str, owner: tuple, make: Callable[[], Any], waiting: str = "") -> Any:
    """`make()`, kept for the visit under (name, owner); what was not looked at for longest goes first.

    owner: all that the answer depends on. waiting: said beside a spinner while it is made.
    """
    kept: Keep = st.session_state.setdefault("kept", Keep(MOST))
    if waiting and kept.peek((name, owner)) is None:
        with st.spinner(waiting):
            return kept.get((name, owner), make)
    return kept.get((name, owner), make)
