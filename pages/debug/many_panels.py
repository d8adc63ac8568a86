"""What stands beside many images: figures over all of them, and before there are any, what to do."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from engine.cards import Card
from engine.debug import batch
from engine.debug.batch import Row
from pages.debug.many_state import Source

LAYOUT = """pictures/street.jpg
masks/street.png        how its values are read is guessed, said, yours to change
harbour.jpg
harbour_mask.png        or beside its picture"""

_STYLE = "<style>.st-key-many_summary [data-testid=stMetricValue] {font-size: 1.5rem}</style>"


def empty(source: Source | None) -> None:
    """What to do, where nothing was run yet."""
    with st.container(border=True):
        if source is None:
            st.markdown("**Bring pictures**: several files, or one zip. What has a mask is held against it.")
            st.code(LAYOUT, language=None)
        else:
            masks = sum(item.mask is not None for item in source.found.items)
            st.markdown(f"**{len(source.found.items)} pictures** wait, {masks} with a mask. **Run** to see where "
                        "the model errs most, or is least certain.")  # fmt: skip
            st.caption("A second model to hold it against finds errors where there is no mask.")
            _notes(source)


def _notes(source: Source) -> None:
    for note in source.found.notes:
        st.text(note)


def summary(rows: Sequence[Row], card: Card, source: Source) -> None:
    """Figures over all pictures, and of each class."""
    found = batch.summary(rows)
    shown = {"pixel accuracy": found.pixel_accuracy, "mean IoU, in truth": found.mean_iou,
             "mean IoU, in either": found.mean_iou_either, "uncertainty": found.uncertainty,
             "disagreement": found.disagreement}  # fmt: skip
    with st.container(border=True, gap="small", key="many_summary"):
        st.html(_STYLE)
        failed = f", {found.failed} could not be read" if found.failed else ""
        st.caption(f"{found.pictures} of {len(source.found.items)} pictures{failed}, {found.judged} with a mask"
                   f"{f', {found.seconds:.1f} s each' if found.seconds else ''}")  # fmt: skip
        known = [(words, value) for words, value in shown.items() if value is not None]
        for i in range(0, len(known), 2):
            for column, (words, value) in zip(st.columns(2), known[i : i + 2], strict=False):
                column.metric(words, f"{100 * value:.1f} %")
        if found.shares:
            _classes(found, card)
        if found.judged:
            st.caption("Mean IoU in truth: over the classes that the truth holds; in either: over those in truth or "
                       "answer. Error, the share of wrong pixels, sorts at first.")  # fmt: skip
        for note in found.notes:
            st.text(note)
        _notes(source)


def _classes(found: batch.Summary, card: Card) -> None:
    order = sorted(range(len(card.classes)), key=lambda k: -found.shares[k])
    columns = {"class": [card.classes[k] for k in order], "share": [100 * found.shares[k] for k in order]}
    looks = {"class": st.column_config.TextColumn(width=84), "share": st.column_config.ProgressColumn(
        format="%.1f %%", min_value=0, max_value=100, width=96)}  # fmt: skip
    if found.iou:
        columns["IoU"] = [None if math.isnan(found.iou[k]) else 100 * found.iou[k] for k in order]
        looks["IoU"] = st.column_config.NumberColumn(format="%.1f %%", width=70)
    st.dataframe(columns, hide_index=True, column_config=looks, row_height=30, placeholder="",
                 height=36 + 30 * min(len(order), 8))  # fmt: skip
