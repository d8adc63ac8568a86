"""Where A and B disagree: a table of pairs of classes; a chosen row is shown in the picture."""

from __future__ import annotations

import time

import streamlit as st

from engine.debug import compare_steps
from engine.debug.compare import Pair
from pages.debug.compare_controls import LAYOUT, WIPE
from pages.debug.compare_sides import Found
from pages.kit.keeping import once

_STATE = "compare_pair"  # (owner, Pair or None, n)


def chosen_pair(found: Found) -> tuple[Pair | None, tuple[int, int] | None]:
    """The disagreement that was chosen, and (its step, n) so that the viewer goes there once."""
    owner, pair, n = st.session_state.get(_STATE, (None, None, 0))
    if owner != found.owner or pair is None:
        return None, None
    return pair, (len(found.trace(pair).steps) - 1, n)


def pairs(found: Found) -> None:
    """The table; choosing a row shows its pixels in the wipe's viewer."""
    comparison = found.comparison
    if not comparison.pairs:
        st.success("A and B say the same everywhere.")
        return
    table = once("compare_pairs", found.owner, lambda: compare_steps.disagreements(comparison, found.judged))
    key = f"compare_pairs_{abs(hash(found.owner))}"

    def choose() -> None:
        rows = st.session_state[key].selection.rows
        pair = comparison.pairs[rows[0]] if rows else None
        st.session_state[LAYOUT] = WIPE  # where it is shown
        st.session_state[_STATE] = (found.owner, pair, time.time_ns() // 10**6)

    columns = {name: [row[i] for row in table.rows] for i, name in enumerate(table.columns)}
    bar = st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=table.rows[0][2])
    st.markdown("**Choose a row** and its pixels light up in the picture. *Certainty* is the mean probability that "
                "each gives its own class there: who is wrong and sure has learned something wrong.")  # fmt: skip
    st.dataframe(columns, hide_index=True, key=key, on_select=choose, selection_mode="single-row",
                   column_config={"share, %": bar})  # fmt: skip
