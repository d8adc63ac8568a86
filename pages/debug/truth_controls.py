"""Where the ground truth comes from: the gallery, an uploaded mask with its mapping, or the visitor's hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from engine.debug import masks
from engine.debug.answers import Answer
from engine.debug.ground import Truth, by_hand, labelmap
from engine.debug.masks import MaskError
from engine.debug.onnx_spec import unique
from engine.images import MAX_BYTES
from engine.trace import VOID
from pages.debug.truth_state import DRAW, GUESS, JUDGE, SOURCE, UPLOAD, Classes, Desk, Upload, desk
from pages.kit import truths
from pages.kit.keys import linked
from pages.kit.picker import Chosen
from pages.kit.rooms import TRUTH

Row = tuple[str, Callable[[DeltaGenerator], object], int]  # its label; draws what is mapped; its option at first
VOID_NAME = "void"
ROWS = 40  # entries of a mask that can be mapped by hand, those of most pixels


def ask_source() -> str:
    """What the visitor wants to do, in the URL."""
    return st.segmented_control("Ground truth", (JUDGE, UPLOAD, DRAW), default=JUDGE, required=True,
                                **linked(TRUTH, SOURCE), width="stretch", label_visibility="collapsed",
                                help="Judge by the truth that is known, upload a mask, or draw one")  # fmt: skip


def whose(chosen: Chosen, classes: Classes, truth: np.ndarray | None) -> None:
    """Where the truth comes from, with a button that drops the visitor's own, and one that takes that back."""
    kept, own = desk(chosen), truths.get(chosen.key, classes) is not None
    if own or truth is not None:
        words = f"{'Your' if own else 'The gallery’s'} truth: {100 * (truth != VOID).mean():.0f} % labelled."
    else:
        words = "Nobody has labelled this picture in the classes of this model."
    st.caption(words)
    with st.container(horizontal=True, gap="small"):
        if own:
            st.button("Drop", icon=":material/delete:", key="truth_drop", on_click=kept.drop,
                      args=(chosen.key, classes), help="Forget it; you can take that back")  # fmt: skip
        if kept.former.get(classes):
            st.button("Undo", icon=":material/undo:", key="truth_undo", on_click=kept.undo,
                      args=(chosen.key, classes), help="Back to what was known before")  # fmt: skip


def ask_mask(chosen: Chosen, answer: Answer) -> None:
    """Take an uploaded mask, let its reading and its entries be changed, and keep what comes out as the truth.

    A mask that names no class changes nothing.
    """
    kept, classes = desk(chosen), answer.classes
    file = st.file_uploader("A mask as large as the picture", ("png", "bmp", "gif", "tif", "tiff", "txt"),
                            key=f"truth_upload_{kept.turn}", max_upload_size=MAX_BYTES // 10**6,
                            help="Indexed, grey, RGB or RGBA; what its values stand for is guessed and can be changed. "
                                 "Also CVAT's labelmap.txt, before or after the mask.")  # fmt: skip
    if file is not None and kept.is_new(file):
        kept.refused = _take(kept, chosen, classes, file)
    if file is not None and kept.refused:
        st.error(kept.refused, icon=":material/broken_image:")
    upload = kept.upload
    if upload is None:
        if kept.labelmap is not None:
            st.caption("The labelmap.txt is read; now give the mask.")
        return
    truth = _ask_reading(upload, answer)
    if (truth.labels == VOID).all():
        st.warning("No entry stands for a class yet: choose what they mean. The truth stays as it was.")
        return
    if classes not in upload.taken:
        upload.taken.add(classes)
        kept.remember(chosen.key, classes, upload.before)
    asked = (truth.question,) if truth.question else ()
    truths.keep(chosen.key, classes, truth.labels, asked + truth.told)


def _take(kept: Desk, chosen: Chosen, classes: Classes, file: UploadedFile) -> str:
    """Read an uploaded file; a sentence why it cannot be used, "" where it can."""
    data = file.getvalue()
    try:
        if file.name.lower().endswith(".txt"):
            kept.labelmap = labelmap(data)
        else:
            mask = masks.read(data, chosen.rgb.shape[1::-1], chosen.original, chosen.orientation)
            if kept.upload is not None:
                kept.upload.before = None
            kept.upload = Upload(mask, kept.upload)
    except MaskError as error:
        return str(error)
    if kept.upload is not None and kept.labelmap is not None:
        kept.upload.use(classes, kept.labelmap)
    return ""


def _ask_reading(upload: Upload, answer: Answer) -> Truth:
    """How the mask is read, the question that is left, and a row for each entry: what comes out as the truth."""
    classes = answer.classes
    names, now = (GUESS, *upload.readings), upload.read_by.get(classes, GUESS)
    key = f"truth_reading_{id(upload)}_{len(classes)}_{now}"
    st.selectbox("What its values stand for", names, names.index(now), key=key, filter_mode=None,
                 on_change=lambda: upload.read_by.update({classes: st.session_state[key]}))  # fmt: skip
    truth = upload.truth(classes, answer.colours, answer.labels)
    if truth.question:
        st.text(truth.question)
    with st.container(horizontal=True, gap="small"):
        if truth.better is not None:
            st.button(f"Read as “{truth.better.name}”", icon=":material/check:", key="truth_better", type="primary",
                      on_click=upload.use, args=(classes, truth.better))  # fmt: skip
        if upload.mask.turnable:
            words = "Turn the mask back" if upload.turned else "Turn the mask like the picture"
            st.button(words, icon=":material/rotate_right:", key="truth_turn", on_click=upload.turn,
                      type="primary" if truth.turn else "secondary")  # fmt: skip
    mapping = _ask_mapping(upload, classes, truth, upload.by_hand.get((classes, now), truth.mapping))
    if mapping == truth.mapping:
        upload.by_hand.pop((classes, now), None)
        return truth
    upload.by_hand[classes, now] = mapping
    by_entry = {entry.name: k for entry, k in zip(upload.mask.entries, mapping, strict=True)}
    return upload.truth(classes, answer.colours, mine=by_hand("Chosen by hand", by_entry))


def _ask_mapping(upload: Upload, classes: Classes, truth: Truth, before: tuple[int, ...]) -> tuple[int, ...]:
    """A row for each entry: its colour, its value, its share, and the class that it stands for, `before` at first."""
    names, entries, mapping = unique((*classes, VOID_NAME)), upload.mask.entries, list(before)
    order = sorted(range(len(entries)), key=lambda i: -entries[i].pixels)
    more = f" The other {len(order) - ROWS} stay as they are." if len(order) > ROWS else ""
    st.caption(f"{truth.how} Change what is wrong; void does not count.{more}")
    rows = [
        (
            f"Class of {entries[i].name}",
            lambda place, i=i: place.html(_swatch(entries[i], upload.mask.values.size)),
            len(classes) if mapping[i] == VOID else mapping[i],
        )
        for i in order[:ROWS]
    ]
    picked = ask_classes(rows, names, f"truth_map_{id(upload)}_{len(classes)}_{upload.read_by.get(classes, GUESS)}")
    for i, at in zip(order, picked, strict=False):
        mapping[i] = VOID if at == len(classes) else at
    return tuple(mapping)


def ask_classes(rows: Sequence[Row], options: Sequence[str], key: str) -> list[int]:
    """A table of what is mapped to classes: the index of each row's option."""
    with st.container(height=min(52 * len(rows) + 20, 215), gap=None, key="truth_mapping"):
        picked = []
        for i, (label, show, at) in enumerate(rows):
            place, box = st.columns([1, 1.3], vertical_alignment="center", gap="small")
            show(place)
            name = box.selectbox(label, options, at, filter_mode=None, label_visibility="collapsed",
                                 key=f"{key}_{i}")  # fmt: skip
            picked.append(options.index(name))
    return picked


def _swatch(entry: masks.Entry, pixels: int) -> str:
    """HTML made of numbers only: nothing in it was written by a user."""
    colour = "#{:02x}{:02x}{:02x}".format(*entry.colour) if entry.colour else "transparent"
    name = entry.name if entry.value is None or entry.colour is None else str(entry.value)
    box = f"display:inline-block;width:.9em;height:.9em;border-radius:2px;border:1px solid #8888;background:{colour}"
    return f'<i style="{box}"></i> {name} <small>· {100 * entry.pixels / pixels:.1f} %</small>'
