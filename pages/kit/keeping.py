"""Answers that one visitor's session keeps: what was computed is not computed again while it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from engine.keep import Keep
from engine.runs import Tell
from pages.kit import queue

MOST = 64 * 2**20  # bytes of one visit's answers


def once(name: str, owner: tuple, make: Callable[[], Any], waiting: str = "") -> Any:
    """`make()`, kept for the visit under (name, owner); what was not looked at for longest goes first.

    owner: all that the answer depends on. waiting: said while it is made on the queue, as `told` does; "" for what is
    quick and is made at once.
    """
    if waiting:
        return told(name, owner, lambda _: make(), waiting)
    return _kept().get((name, owner), make)


def told(name: str, owner: tuple, make: Callable[[Tell], Any], waiting: str) -> Any:
    """`make(tell)`, kept as by `once`; where it must be made it waits its turn, shows that, and can be left.

    make: as the work of `pages.kit.queue.told`: nothing of Streamlit in it.
    """
    kept, key = _kept(), (name, owner)

    def work(tell: Tell) -> Any:
        made = make(tell)  # not inside `get`: who steps back for others must not hold a lock
        return kept.get(key, lambda: made)

    found = kept.peek(key)
    return queue.told(work, waiting) if found is None else found


def _kept() -> Keep:
    return st.session_state.setdefault("kept", Keep(MOST))
