"""Many images at a glance: the contact sheet, the worst first; a click opens one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.debug.batch import Row
from pages.debug.many_state import Desk
from pages.debug.many_table import figure, uri

TILES = 24  # at once

_STYLE = """
.st-key-many_sheet {display: grid; grid-template-columns: repeat(auto-fill, minmax(168px, 1fr)); gap: 0.9rem}
.st-key-many_sheet [data-testid="stText"] {font-family: inherit; overflow-wrap: anywhere; white-space: pre-wrap}
.st-key-many_sheet button {aspect-ratio: 4 / 3; width: 100%; padding: 0; overflow: hidden; position: relative;
  background-size: cover; background-position: top}
.st-key-many_sheet button > div {position: absolute; inset: auto 0 0 0; padding: 0.9rem 0.4rem 0.25rem;
  background: linear-gradient(transparent, rgb(0 0 0 / 75%)); color: white; justify-content: start}
.st-key-many_sheet button p {font-size: 0.85rem; color: white}
.st-key-many_sheet button:is(:hover, :focus-visible) {outline: 3px solid var(--st-primary-color, #c8325f)}
"""


def sheet(desk: Desk, rows: Sequence[Row], order: list[int], by: str) -> None:
    """The answers of the rows at these places over their pictures, with what they are sorted by."""
    pages = -(-len(order) // TILES)
    page = st.pagination(pages, key="many_page") if pages > 1 else 1
    shown = order[TILES * (page - 1) : TILES * page]
    with st.container(key="many_sheet"):
        st.html(f"<style>{_STYLE}{' '.join(map(_tile_style, shown, map(rows.__getitem__, shown)))}</style>")
        for place in shown:
            row = rows[place]
            value = figure(row, by)
            label = f"{100 * value:.1f} %" if value is not None else "not read" if row.error else "no mask"
            with st.container(gap=None):
                st.button(label, key=f"many_tile_{place}", on_click=desk.show, args=(place,), width="stretch")
                st.text(row.name)


def _tile_style(place: int, row: Row) -> str:
    """CSS that puts the answer on a tile, and below the cursor the picture; holds nothing that a user wrote."""
    tile = f".st-key-many_tile_{place} button"
    if not row.overlay:
        return ""
    return (f"{tile} {{background-image: url({uri(row.overlay)})}} "
            f"{tile}:hover {{background-image: url({uri(row.thumbnail)})}}")  # fmt: skip
