"""One of many images, large: its Trace with the second model and its mask, and the way to the next."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from engine.cards import ModelError
from engine.debug import batch
from engine.debug.answers import Answer, answer
from engine.debug.batch import Row
from engine.debug.collection import CollectionError, Item
from engine.debug.ground import Reading, Truth, ground
from engine.debug.masks import MaskError
from engine.images import ImageError, Picture, decode
from engine.segmentation.scoring import with_truth
from engine.trace import VOID, Layer, Step, Trace
from pages.debug.many_state import Desk
from pages.kit import models, picker, queue, truths
from pages.kit.keeping import once
from pages.kit.panels import IN_EITHER, IN_TRUTH


def ask_which(desk: Desk, order: list[int]) -> bool:
    """The row above an open picture: back to all, the ones before and after; True where it is to be taken in hand."""
    at = order.index(desk.opened)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("All pictures", icon=":material/grid_view:", key="many_all", on_click=desk.show, args=(None,))
        for key, icon, words, to in (("before", "left", "The one before", at - 1), ("after", "right", "Next", at + 1)):
            there = 0 <= to < len(order)
            st.button("", icon=f":material/chevron_{icon}:", key=f"many_{key}", help=words, disabled=not there,
                      on_click=desk.show, args=(order[to] if there else None,))  # fmt: skip
        st.caption(f"{at + 1} of {len(order)}", width="stretch")
        return st.button("Take in hand", icon=":material/pan_tool_alt:", key="many_take",
                         help="Make it the image of all pages, with its mask as ground truth")  # fmt: skip


def figures(row: Row) -> None:
    """What the table says of this picture."""
    st.text(row.name)
    known = {"error": row.wrong, IN_TRUTH: row.mean_iou, IN_EITHER: row.mean_iou_either,
             "uncertainty": row.uncertainty, "unsure": row.unsure, "disagreement": row.disagreement}  # fmt: skip
    st.dataframe({"": [words for words, value in known.items() if value is not None],
                  "of this picture": [f"{100 * value:.1f} %" for value in known.values() if value is not None]},
                 hide_index=True, row_height=28)  # fmt: skip
    if row.note:
        st.text(row.note)


def trace_of(item: Item, row: Row, model: Any, second: Any | None, reading: Reading | None) -> Trace | None:
    """The Trace of one picture, kept for the visit; None after a sentence where it cannot be made."""
    if row.error:
        st.warning(row.error, icon=":material/broken_image:")
        return None
    owner = (batch.together(model, second, reading), row.key, item.name, item.called)
    make = partial(_trace, item, row, model, second, reading)
    try:
        return once("many_trace", owner, lambda: queue.run(make, "The network looks at the picture ..."))
    except (CollectionError, ImageError, ModelError) as error:
        st.warning(str(error), icon=":material/broken_image:")
        return None


def _trace(item: Item, row: Row, model: Any, second: Any | None, reading: Reading | None) -> Trace:
    """The model's Trace, a step on where the second one says otherwise, and the two that hold it against the truth."""
    picture = decode(item.read())
    encoding, one = _encoding(model, row, picture.rgb)
    trace = model.trace(encoding)
    if second is not None:
        _, two = _encoding(second, row, picture.rgb)
        trace = replace(trace, steps=(*trace.steps, _otherwise(one, two, picture.rgb)))
    truth = truth_of(item, picture, model, reading)
    return trace if truth is None else with_truth(trace, truth.labels, one.labels, models.band(truth.labels))


def _encoding(model: Any, row: Row, rgb: np.ndarray) -> tuple[Any, Answer]:
    """What `models.encoding` keeps for all pages, and the answer to it; this runs in the queue already."""
    encoding = models.FOUND.get((model.card.name, row.key, False), lambda: model.encode(rgb))
    return encoding, answer(model, encoding)


def _otherwise(one: Answer, two: Answer, image: np.ndarray) -> Step:
    """Where the second model calls pixels otherwise; its labels are shown in the first one's classes."""
    differ = batch.differing(one, two)
    names = [one.classes.index(name) if name in one.classes else VOID for name in two.classes]
    layers = (Layer("image", "picture", image), Layer("mask", "called otherwise", differ),
              Layer("labels", f"labels of {two.card['name']}", np.array(names, np.uint8)[two.labels],
                    attributes={"on": 0}))  # fmt: skip
    return Step("Otherwise", f"{two.card['name']} calls {100 * differ.mean():.1f} % of the pixels otherwise.", layers)


def truth_of(item: Item, picture: Picture, model: Any, reading: Reading | None) -> Truth | None:
    """What the picture's mask says; None where there is none that fits or names a class, of which the row's note says
    why."""
    if item.mask is None:
        return None
    shown, size = picture.rgb.shape[1::-1], picture.original or (picture.width, picture.height)
    try:
        truth = ground(item.mask(), item.name, shown, size, model.card.classes, model.colours,
                       reading, orientation=picture.orientation)  # fmt: skip
    except (CollectionError, MaskError):
        return None
    return None if (truth.labels == VOID).all() else truth


def take_in_hand(item: Item, row: Row, model: Any, gallery: bool, reading: Reading | None) -> None:
    """Make it the image of all pages; of a visitor's own picture the mask becomes the ground truth."""
    if gallery:
        st.query_params["image"] = row.name
    else:
        data = item.read()
        truth = truth_of(item, decode(data), model, reading)
        picker.take(data, row.name.rsplit("/", 1)[-1])
        if truth is not None:
            asked = (truth.question,) if truth.question else ()
            truths.keep(row.key, tuple(model.card.classes), truth.labels, asked + truth.told)
    st.rerun()
