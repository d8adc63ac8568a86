"""The questions of the page on many images: which pictures, which models, and go; and what to take away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from engine.cards import Card, ModelError
from engine.debug import batch, collection, pairing, report
from engine.debug.batch import Row
from engine.debug.collection import CollectionError
from engine.debug.ground import READINGS, Reading
from engine.debug.masks import MaskError
from engine.images import MAX_BYTES
from pages.debug.many_state import GUESS, KEY, MOST_HELD, Desk, Source, one_of, work
from pages.kit import models, queue
from pages.kit.keys import linked
from pages.kit.rooms import MANY

GALLERY, FILES, NOBODY = "The gallery", "Your files", "nobody"
AS_THEY_SEEM = "as they seem to be"
PAIRS = 20  # unsure pairs that are shown


def ask_pictures(desk: Desk, card: Card) -> Source | None:
    """The gallery or the visitor's files, which are copied into the visit at once; None while there are none."""
    asked = one_of("Pictures", (GALLERY, FILES), "pictures", width="stretch")
    if asked == GALLERY:
        labels = card.settings.get("labels", "")
        made = desk.galleries.get(labels) or Source(collection.from_gallery(labels), gallery=True)
        return desk.galleries.setdefault(labels, made)
    if desk.source is None:
        _upload(desk)
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(desk.source.found.title, width="stretch")
        st.button("Clear", icon=":material/delete:", key="many_clear", on_click=desk.clear)
    _ask_masks(desk, desk.source)
    return desk.source


def _ask_masks(desk: Desk, source: Source) -> None:
    """Which files are the masks, where several could be or it is unsure: the pairs are shown."""
    found = source.found
    if source.masks is None and not found.question and len(found.groups) < 2:
        return
    options = (AS_THEY_SEEM, *found.groups, pairing.NOBODY, pairing.EVERYTHING)
    if found.question:
        st.text(found.question)
        pairs = found.doubtful[:PAIRS]
        st.dataframe({"Picture": [picture for picture, _ in pairs], "Mask?": [mask for _, mask in pairs]},
                     hide_index=True, row_height=26)  # fmt: skip
    key = f"many_masks_{desk.turn}_{source.name}"

    def chosen() -> None:
        picked = st.session_state[key]
        desk.choose_masks(None if picked == AS_THEY_SEEM else picked)

    at = options.index(source.masks) if source.masks in options else 0
    st.selectbox("Masks", options, at, key=key, filter_mode=None, on_change=chosen)


def ask_reading(desk: Desk, source: Source) -> Reading | None:
    """How all masks are read, None for a guess at each; nothing is asked where there are none, or they are ours."""
    if source.gallery or not any(item.mask for item in source.found.items):
        return None
    names = (GUESS, *([report.BESIDE] if source.found.labelmap else []), *READINGS)
    key = f"many_reading_{desk.turn}_{source.name}"

    def chosen() -> None:
        desk.reading = st.session_state[key]

    at = names.index(desk.reading) if desk.reading in names else 0
    st.selectbox("Masks are read by", names, at, key=key, filter_mode=None, on_change=chosen)
    try:
        return report.reading_of(source.found, names[at])
    except (CollectionError, MaskError) as error:
        st.text(str(error))
        return None


def _upload(desk: Desk) -> None:
    files = st.file_uploader("Pictures with their masks, or zips of them", None, accept_multiple_files=True,
                             key=f"many_upload_{desk.turn}", max_upload_size=MAX_BYTES // 10**6)  # fmt: skip
    if files:
        try:
            desk.take(collection.from_files([(file.name, file.getvalue()) for file in files], MOST_HELD))
        except CollectionError as error:
            st.error(str(error), icon=":material/folder_off:")
        else:
            st.rerun()
    if desk.former is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("The pictures were put away.", width="stretch")
            st.button("Undo", icon=":material/undo:", key="many_undo", on_click=desk.undo)


def ask_second(first: str, card: Card) -> Any | None:
    """A model of the same classes that the first one is held against, None for nobody."""
    names = [name for name in models.segmenters() if name != first and _fits(name, card)]
    name = st.selectbox("Held against", (NOBODY, *names), **linked(MANY, "many_against"), filter_mode=None,
                        help="Where the two disagree, at least one of them is wrong.")  # fmt: skip
    try:
        return None if name == NOBODY else models.model(name)
    except ModelError as error:
        st.warning(str(error))
        return None


def _fits(name: str, card: Card) -> bool:
    """True for a model that is on this machine and has classes in common with `card`."""
    other = models.card(name)
    return other is not None and batch.related(card.classes, other.classes) and models.here(name)


def ask_run(desk: Desk, source: Source, model: Any, second: Any | None, reading: Reading | None) -> list[Row]:
    """A button that begins or goes on, the progress, and the rows so far."""
    items, run = source.found.items, batch.together(model, second, reading)
    rows = source.rows(run)
    if len(rows) < len(items):
        owner = (source.name, run)
        begin = f"Go on with {len(items) - len(rows)} of {len(items)}" if rows else f"Run on {len(items)} pictures"
        words = "Running" if queue.under_way(KEY, owner) else begin
        queue.task(KEY, owner, words, work(model, second, items, rows, desk.kept, reading))
    return rows


def take_away(source: Source, rows: list[Row], card: Card, second: Card | None) -> None:
    """The report as a file."""

    said = tuple(filter(None, (*source.found.notes, source.found.question)))

    def made(write: Callable[[report.Report], str]) -> Callable[[], str]:
        return lambda: write(report.report(source.found.title, rows, card, second, said))

    with st.popover("Export", icon=":material/download:"):
        for label, ending, mime, write in (
            ("Report (HTML, one file)", "html", "text/html", report.html),
            ("Numbers (CSV)", "csv", "text/csv", report.csv_text),
            ("All of it (JSON)", "json", "application/json", report.json_text),
        ):
            st.download_button(label, made(write), f"saccade-{card.name}-report.{ending}", mime,
                               key=f"many_export_{ending}", on_click="ignore", width="stretch")  # fmt: skip
