"""Answers that one visitor's session keeps: what was computed is not computed again while it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

KEPT = 12  # answers of each kind in one visit


def once(name: str, owner: tuple, make: Callable[[], Any], waiting: str = "") -> Any:
    """`make()`, kept for the visit under (name, owner), the last `KEPT` of a name.

    owner: all that the answer depends on. waiting: said beside a spinner while it is made.
    """
    kept: dict[tuple, Any] = st.session_state.setdefault(f"kept_{name}", {})
    if owner not in kept:
        if waiting:
            with st.spinner(waiting):
                kept[owner] = make()
        else:
            kept[owner] = make()
        while len(kept) > KEPT:
            del kept[next(iter(kept))]
    return kept[owner]
