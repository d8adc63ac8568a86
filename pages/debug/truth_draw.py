"""The visitor draws the ground truth over the picture; labelme's files come and go."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.debug import labelme
from engine.debug.answers import Answer
from engine.debug.ground import shapes
from engine.debug.labelme import LabelmeError
from engine.debug.polygons import Drawing, rasterise
from engine.debug.shapes import ShapeError
from engine.images import MAX_BYTES
from engine.segmentation import regions
from pages.debug.truth_state import KEY, Classes, desk
from pages.kit import truths
from pages.kit.annotate import annotate, drawn
from pages.kit.keeping import once
from pages.kit.picker import Chosen


def _key(classes: Classes) -> str:
    """Of the component: one for each set of classes, whose indices its labels are."""
    return f"{KEY}_draw_" + "_".join(classes)


def take_drawing(chosen: Chosen, classes: Classes) -> None:
    """Keep what was drawn last as the truth of the picture; once for each drawing."""
    kept, last = desk(chosen), drawn(_key(classes), chosen.rgb, classes)
    if last is None or kept.drawn.get(classes) == last.n:
        return
    if kept.upload is not None:
        kept.remember(chosen.key, classes, kept.upload)
    kept.drawn[classes], kept.upload = last.n, None
    if last.drawing.empty:
        truths.drop(chosen.key, classes)
    else:
        truths.keep(chosen.key, classes, rasterise(last.drawing))


def board(chosen: Chosen, answer: Answer) -> None:
    """The picture to draw on; each finished stroke is judged at once."""
    kept, classes = desk(chosen), answer.classes
    pieces = once("superpixels", (chosen.key,), lambda: regions.slic(chosen.rgb), "Joining pixels into regions ...")
    annotate(chosen.rgb, _key(classes), classes, answer.colours, regions=pieces, start=kept.start.get(classes),
             live=True)  # fmt: skip


def ask_start(chosen: Chosen, answer: Answer, truth: np.ndarray | None) -> None:
    """What the drawing begins with: the truth, the answer, or a file of labelme; and the drawing as such a file."""
    kept, classes = desk(chosen), answer.classes
    with st.container(horizontal=True, gap="small"):
        for label, labels, words in (("From the answer", answer.labels, "Correct what the model says"),
                                     ("From the truth", truth, "Go on with the truth that is known")):  # fmt: skip
            st.button(label, key=f"truth_{label}", disabled=labels is None, width="stretch", help=words,
                      on_click=_begin_with, args=(chosen, classes, labels))  # fmt: skip
    file = st.file_uploader("A drawing of labelme (JSON)", "json", key=f"truth_labelme_{kept.turn}",
                            max_upload_size=MAX_BYTES // 10**6)  # fmt: skip
    if file is not None and kept.is_new(file):
        kept.note = ""
        try:
            found = shapes(file.getvalue(), file.name, chosen.rgb.shape[1::-1], chosen.original, chosen.orientation)
            mapping = found.guess(classes)
            drawing = found.drawing(mapping, classes)
        except ShapeError as error:
            kept.refused = str(error)
        else:
            kept.note = " ".join(found.remarks(mapping, classes))
            kept.refused = "Nothing of this file was taken: it holds no shape that can be used." * drawing.empty
            if not kept.refused:
                _begin(chosen, classes, drawing)
    if file is not None and kept.refused:
        st.error(kept.refused, icon=":material/broken_image:")
    if file is not None and kept.note:
        st.text(kept.note)
    _offer(chosen, classes)


def _begin_with(chosen: Chosen, classes: Classes, labels: np.ndarray) -> None:
    _begin(chosen, classes, Drawing((), np.array(labels)))


def _begin(chosen: Chosen, classes: Classes, drawing: Drawing) -> None:
    """Let the drawing begin with another one, which is the truth from now on."""
    kept = desk(chosen)
    kept.remember(chosen.key, classes, kept.upload)
    kept.start[classes], kept.upload = drawing, None
    truths.keep(chosen.key, classes, rasterise(drawing))


def _offer(chosen: Chosen, classes: Classes) -> None:
    """The drawing as a file of labelme, or a sentence why there is none."""
    last, name = drawn(_key(classes), chosen.rgb, classes), chosen.slug or "picture"
    if last is None or last.drawing.empty:
        return
    try:
        data = once("labelme", (chosen.key, classes, last.n),
                    lambda: labelme.write(last.drawing, classes, f"{name}.png", chosen.original))  # fmt: skip
    except LabelmeError as error:
        st.caption(f"Not for labelme: {error}")
        return
    st.download_button("Save for labelme (JSON)", data, f"{name}.json", "application/json", width="stretch",
                       icon=":material/download:", on_click="ignore")  # fmt: skip
