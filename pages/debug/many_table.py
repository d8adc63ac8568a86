"""Many images at a glance: their table, the worst first; a click opens one."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import streamlit as st

from engine.debug import batch
from engine.debug.batch import SURE, Row
from pages.debug.many_state import KEY, Desk, one_of
from pages.kit import queue

TABLE, SHEET = "Table", "Contact sheet"
FIGURES = {"error": "Error", "uncertainty": "Uncertainty", "disagreement": "Disagreement"}
HELP = {"error": "Share of the pixels with a label that are wrong", "uncertainty": "Mean entropy over log K",
        "disagreement": "Share of the pixels that the two models call otherwise"}  # fmt: skip
FAILURES = 5  # pictures that could not be read whose reasons are said below the table
MISSING = {"error": "No picture has a mask, so no error is known: the most uncertain come first.",
           "disagreement": "There is no second model to disagree with: the most uncertain come first."}  # fmt: skip


def ask_view() -> tuple[str, str]:
    """Table or contact sheet, and what the rows are sorted by; both stand in the URL."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = one_of("View", (TABLE, SHEET), "many_view")
        by = one_of("Worst first by", batch.ORDERS, "many_sort", format_func=str.capitalize)
    return view, by


def in_order(rows: Sequence[Row], by: str) -> list[int]:
    """The places of the rows, the worst first."""
    place = {id(row): i for i, row in enumerate(rows)}
    return [place[id(row)] for row in batch.ordered(rows, by)]


def figure(row: Row, by: str) -> float | None:
    """What a row is sorted by, a share; by name it is the uncertainty."""
    return {"error": row.wrong, "disagreement": row.disagreement}.get(by, row.uncertainty)


def uri(jpeg: bytes) -> str | None:
    """A JPEG as an address that holds it; None where there is none."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else None


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def table(desk: Desk, rows: Sequence[Row], order: list[int]) -> None:
    """The rows at these places, each with its answer in small and its figures."""
    # a table whose cells moved forgets the next click
    key = f"many_table_{desk.turn}_{desk.by}_{queue.under_way(KEY)}"
    shown = [rows[i] for i in order]
    columns = {"": [uri(row.icon) for row in shown], "Name": [row.name for row in shown]}
    looks = {"": st.column_config.ImageColumn(width=68), "Name": st.column_config.TextColumn(width=140)}
    for by, head in FIGURES.items():
        values = [_percent(figure(row, by)) for row in shown]
        if any(value is not None for value in values):
            columns[head] = values
            most = max(value for value in values if value is not None)
            looks[head] = st.column_config.ProgressColumn(
                help=HELP[by], format="%.1f %%", min_value=0, max_value=max(most, 1e-3), width=96)  # fmt: skip
    for head, words, values in (
        ("IoU, truth", "Mean IoU of the classes in the truth", [_percent(row.mean_iou) for row in shown]),
        (
            "IoU, either",
            "Mean IoU of the classes in truth or answer",
            [_percent(row.mean_iou_either) for row in shown],
        ),
        ("Unsure", f"Pixels whose best class has a probability below {SURE}", [_percent(row.unsure) for row in shown]),
    ):
        if any(value is not None for value in values):
            columns[head] = values
            looks[head] = st.column_config.NumberColumn(help=words, format="%.1f %%", width=78)
    columns["Size"] = [f"{row.width} x {row.height}" if row.width else "" for row in shown]
    columns["Notes"] = [" ".join(filter(None, (row.error, row.note))) for row in shown]

    def chosen() -> None:
        cells = st.session_state[key].selection.cells
        if cells and cells[0][0] < len(order):
            desk.show(order[cells[0][0]])

    st.dataframe(columns, hide_index=True, column_config=looks, row_height=56, key=key, on_select=chosen,
                 selection_mode="single-cell", height=min(544, 40 + 56 * len(shown)), placeholder="",
                 alt="The pictures with their figures")  # fmt: skip
    st.caption("A click on a cell opens the picture; a click on a head sorts.")
    for row in [row for row in shown if row.error][:FAILURES]:
        st.text(f"{row.name}: {row.error}")
