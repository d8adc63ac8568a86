"""A model over many images: a row of figures for each, the worst first, any of them opened, all of it taken away."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.debug.batch import Row
from engine.debug.ground import Reading
from pages.debug import many_controls as controls
from pages.debug import many_open as opened
from pages.debug.many_panels import empty, summary
from pages.debug.many_sheet import sheet
from pages.debug.many_state import KEY, Desk, Source, desk
from pages.debug.many_table import MISSING, TABLE, ask_view, figure, in_order, table
from pages.kit import models, queue
from pages.kit.page import frame, title
from pages.kit.picker import picker
from pages.kit.rooms import MANY
from pages.kit.viewer import viewer, viewer_panel


@st.fragment
def look() -> None:
    """Everything that answers: the pictures' table or one of them, the questions, the figures."""
    page, here = frame(), desk()
    with page.side, st.expander("Pictures and models", expanded=here.opened is None, icon=":material/tune:"):
        model = page.model(MANY, lambda: models.ask(models.segmenters(), MANY))
        if model is None:
            return
        source = controls.ask_pictures(here, model.card)
        second = controls.ask_second(model.card.name, model.card)
        reading = controls.ask_reading(here, source) if source else None
        rows = controls.ask_run(here, source, model, second, reading) if source else []
    if source is None or not (rows or queue.under_way(KEY)):
        page.title(MANY, model.card)
        with page.picture:
            empty(source)
        return
    if here.opened is not None and here.opened < len(rows):
        one(page, here, source, rows, model, second, reading)
    else:
        everything(page, here, source, rows, model, second)


def everything(page, here: Desk, source: Source, rows: list[Row], model: Any, second: Any | None) -> None:
    """The table or contact sheet; it grows by itself while the pictures are looked at."""
    with page.head:
        with st.container(width="stretch"):
            title(MANY, model.card)
        controls.take_away(source, list(rows), model.card, second and second.card)
    with page.picture:
        view, by = ask_view()
        live = st.fragment(overview, run_every=2) if queue.under_way(KEY) else overview
        live(here, rows, view, by)
    with page.side:
        if rows:
            summary(list(rows), model.card, source)


def overview(here: Desk, rows: list[Row], view: str, by: str) -> None:
    """All rows so far, sorted."""
    if queue.under_way(KEY) and here.opened is not None:
        st.rerun()  # this part runs alone while it grows, and the whole page is to change
    here.by, rows = by, list(rows)
    if not rows:
        st.caption("The first picture is being looked at ...")
        return
    if by in MISSING and all(figure(row, by) is None for row in rows):
        st.caption(MISSING[by])
    order = in_order(rows, by)
    if view == TABLE:
        table(here, rows, order)
    else:
        sheet(here, rows, order, by)


def one(page, here: Desk, source: Source, rows: list[Row], model: Any, second: Any | None,
        reading: Reading | None) -> None:  # fmt: skip
    """One picture, large, with its Trace in the viewer."""
    row, item = rows[here.opened], source.found.items[here.opened]
    with page.picture:
        taken = opened.ask_which(here, in_order(rows, here.by))
        trace = opened.trace_of(item, row, model, second, reading)
        if trace is not None:
            viewer(trace, KEY)
    page.title(MANY, model.card, trace, "many")
    with page.side:
        with st.container(border=True, gap="small"):
            opened.figures(row)
        if trace is not None:
            viewer_panel(KEY)
    if taken:
        opened.take_in_hand(item, row, model, source.gallery, reading)


picker()
look()
