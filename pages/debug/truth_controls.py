"""Where the ground truth comes from: the gallery, an uploaded mask with its mapping, or the visitor's hand."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.debug import masks
from engine.debug.masks import MaskError
from engine.images import MAX_BYTES
from engine.trace import VOID
from pages.debug.truth_state import DRAW, JUDGE, SOURCE, UPLOAD, Classes, Desk, Upload, desk
from pages.kit import truths
from pages.kit.keys import linked
from pages.kit.picker import Chosen
from pages.kit.rooms import TRUTH

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
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(words, width="stretch")
        if own:
            st.button("Drop", icon=":material/delete:", key="truth_drop", on_click=kept.drop,
                      args=(chosen.key, classes), help="Forget it; you can take that back")  # fmt: skip
        elif classes in kept.former:
            st.button("Undo", icon=":material/undo:", key="truth_undo", on_click=kept.undo,
                      args=(chosen.key, classes), help="Take back the truth that was dropped")  # fmt: skip


def ask_mask(chosen: Chosen, classes: Classes, colours: np.ndarray) -> None:
    """Take an uploaded mask, let its entries be mapped, and keep what comes out as the truth of the picture."""
    kept = desk(chosen)
    file = st.file_uploader("A mask as large as the picture", ("png", "bmp", "gif", "tif"),
                            key=f"truth_upload_{kept.turn}", max_upload_size=MAX_BYTES // 10**6,
                            help="Indexed, grey, RGB or RGBA; what its values stand for is guessed")  # fmt: skip
    if file is not None and kept.is_new(file):
        kept.refused = ""
        try:
            size = chosen.rgb.shape[1::-1]
            kept.upload = Upload(masks.read(file.getvalue(), size, chosen.original))
        except MaskError as error:
            kept.refused = str(error)
    if file is not None and kept.refused:
        st.error(kept.refused, icon=":material/broken_image:")
    if kept.upload is None:
        return
    mapping = _ask_mapping(kept, classes, colours)
    labels = masks.apply(kept.upload.mask, mapping)
    if (labels != VOID).any():
        truths.keep(chosen.key, classes, labels)
    else:
        st.warning("No entry stands for a class yet: choose what they mean.")


def _ask_mapping(kept: Desk, classes: Classes, colours: np.ndarray) -> list[int]:
    """A row for each entry: its colour, its value, its share, and the class that it stands for."""
    upload, names = kept.upload, (*classes, VOID_NAME)
    mapping, entries = upload.mapping(classes, colours), upload.mask.entries
    order = sorted(range(len(entries)), key=lambda i: -entries[i].pixels)
    more = f" The other {len(order) - ROWS} stay as guessed." if len(order) > ROWS else ""
    st.caption(f"{upload.guesses[classes].how} Change what is wrong; void does not count.{more}")
    with st.container(height=min(52 * len(order) + 20, 215), gap=None, key="truth_mapping"):
        for i in order[:ROWS]:
            place, box = st.columns([1, 1.3], vertical_alignment="center", gap="small")
            place.html(_swatch(entries[i], upload.mask.values.size))
            at = len(classes) if mapping[i] == VOID else mapping[i]
            picked = box.selectbox(f"Class of {entries[i].name}", names, at, label_visibility="collapsed",
                                   key=f"truth_map_{id(upload)}_{len(classes)}_{i}", filter_mode=None)  # fmt: skip
            mapping[i] = VOID if picked == VOID_NAME else names.index(picked)
    return mapping


def _swatch(entry: masks.Entry, pixels: int) -> str:
    """HTML made of numbers only: nothing in it was written by a user."""
    colour = "#{:02x}{:02x}{:02x}".format(*entry.colour) if entry.colour else "transparent"
    name = entry.name if entry.value is None or entry.colour is None else str(entry.value)
    box = f"display:inline-block;width:.9em;height:.9em;border-radius:2px;border:1px solid #8888;background:{colour}"
    return f'<i style="{box}"></i> {name} <small>· {100 * entry.pixels / pixels:.1f} %</small>'
