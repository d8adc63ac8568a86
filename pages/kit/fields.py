"""What a clicked pixel listens to: computed once for each click, kept for the visit, shown as one more step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from engine.runs import Tell
from engine.trace import Step, Trace
from pages.kit import queue
from pages.kit.viewer import Pick

Owner = tuple[str, ...]  # what a field belongs to: picture, model, settings


def with_field(trace: Trace, key: str, owner: Owner) -> tuple[Trace, tuple[int, int] | None]:
    """The Trace of viewer `key` and, after a pick that belongs to `owner`, one more step, and (its index, the pick's n)
    so that the viewer goes there once."""
    whose, n, step = st.session_state.get(f"{key}_field", (None, None, None))
    if whose != owner or step is None:
        return trace, None
    return replace(trace, steps=(*trace.steps, step)), (len(trace.steps), n)


def remember(pick: Pick | None, key: str, owner: Owner, make: Callable[[float, float, Tell], Step]) -> bool:
    """Compute the field of a new pick by ``make(x, y, tell)`` and keep it for the visit; False where none is new."""
    _, last, _ = st.session_state.get(f"{key}_field", (None, None, None))
    if pick is None or pick.n == last:
        return False
    st.session_state[f"{key}_field"] = (owner, pick.n, None)  # who goes elsewhere meanwhile gives it up
    step = queue.told(lambda tell: make(pick.x, pick.y, tell), "Following the gradient back to the picture ...")
    st.session_state[f"{key}_field"] = (owner, pick.n, step)
    return True
