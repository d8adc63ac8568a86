"""The visitor draws the ground truth over the picture; shapes out of files come, and the drawing goes as labelme's."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.debug import labelme
from engine.debug.answers import Answer
from engine.debug.ground import shapes
from engine.debug.labelme import LabelmeError
from engine.debug.onnx_spec import unique
from engine.debug.polygons import Drawing, rasterise
from engine.debug.shapes import ShapeError, quoted
from engine.images import MAX_BYTES
from engine.segmentation import regions
from engine.trace import VOID
from pages.debug.truth_controls import ROWS, VOID_NAME, ask_classes
from pages.debug.truth_state import KEY, Classes, Desk, Import, desk
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
    kept.drawn[classes], kept.upload, kept.sheet[classes] = last.n, None, last.drawing
    if last.drawing.empty:
        truths.drop(chosen.key, classes)
    else:
        truths.keep(chosen.key, classes, rasterise(last.drawing))


def board(chosen: Chosen, answer: Answer) -> None:
    """The picture to draw on; each finished stroke is judged at once."""
    kept, classes = desk(chosen), answer.classes
    pieces = once("superpixels", (chosen.key,), lambda: regions.slic(chosen.rgb), "Joining pixels into regions ...")
    start, said_at = kept.start.get(classes, (None, 0))
    annotate(chosen.rgb, _key(classes), classes, answer.colours, regions=pieces, start=start, again=said_at, live=True)


def ask_start(chosen: Chosen, answer: Answer, truth: np.ndarray | None) -> None:
    """What the drawing begins with: the truth, the answer, or a file of labelme; and the drawing as such a file."""
    kept, classes = desk(chosen), answer.classes
    with st.container(horizontal=True, gap="small"):
        for label, labels, words in (("From the answer", answer.labels, "Correct what the model says"),
                                     ("From the truth", truth, "Go on with the truth that is known")):  # fmt: skip
            st.button(label, key=f"truth_{label}", disabled=labels is None, width="stretch", help=words,
                      on_click=_begin_with, args=(chosen, classes, labels))  # fmt: skip
    file = st.file_uploader("Shapes of labelme, COCO or ISAT (JSON)", "json", key=f"truth_labelme_{kept.turn}",
                            max_upload_size=MAX_BYTES // 10**6,
                            help="Polygons, boxes, circles, lines and masks; what their names stand for is guessed and "
                                 "can be changed")  # fmt: skip
    if file is not None and kept.is_new(file):
        try:
            size = chosen.rgb.shape[1::-1]
            found = shapes(file.getvalue(), file.name, size, chosen.original, chosen.orientation)
        except ShapeError as error:
            kept.refused = str(error)
        else:
            kept.refused, kept.brought = "", Import(found)
    if file is not None and kept.refused:
        st.error(f"{kept.refused} Nothing was changed.", icon=":material/broken_image:")
    elif kept.brought is not None:
        _bring(kept, kept.brought, chosen, classes)
    _offer(chosen, classes)


def _bring(kept: Desk, brought: Import, chosen: Chosen, classes: Classes) -> None:
    """Let the names of shapes stand for classes, and begin the drawing with them once they make one."""
    if any(name not in classes for name in brought.shapes.names):
        brought.by_hand[classes] = _ask_names(brought, classes)
    mapping = brought.mapping(classes)
    if mapping == brought.taken.get(classes):
        return
    drawing, notes = brought.shapes.drawing(mapping, classes), brought.shapes.remarks(mapping, classes)
    labels = rasterise(drawing)
    if (labels == VOID).all():
        st.warning("The file has no shape that makes a truth, so nothing was changed.", icon=":material/info:")
        st.text(" ".join(notes) or "It is empty, or its shapes are void or cover no pixel.")
        return
    if classes not in brought.taken:
        kept.remember(chosen.key, classes, kept.upload)
    brought.taken[classes], kept.upload = mapping, None
    kept.begin(classes, drawing)
    truths.keep(chosen.key, classes, labels, notes)


def _ask_names(brought: Import, classes: Classes) -> dict[str, int | None]:
    """A row for each name in a file, the most frequent ones first: the class that it stands for."""
    counts, mapping = brought.shapes.names, dict(brought.mapping(classes))
    order = sorted(counts, key=counts.get, reverse=True)
    options = unique((*classes, VOID_NAME, "left out"))
    ends = {VOID: len(classes), None: len(classes) + 1}
    more = f" The other {len(order) - ROWS} stay as they are." if len(order) > ROWS else ""
    st.caption(f"What the file’s names stand for; change what is wrong.{more}")
    rows = [
        (
            f"Class of name {i + 1}",
            lambda place, name=name: place.text(f"{quoted([name])} · {counts[name]} shape{'s' * (counts[name] > 1)}"),
            ends.get(mapping[name], mapping[name]),
        )
        for i, name in enumerate(order[:ROWS])
    ]
    picked = ask_classes(rows, options, f"truth_names_{id(brought)}_{len(classes)}")
    back = {at: k for k, at in ends.items()}
    return mapping | {name: back.get(at, at) for name, at in zip(order, picked, strict=False)}


def _begin_with(chosen: Chosen, classes: Classes, labels: np.ndarray) -> None:
    """Let the drawing begin with labels, which are the truth from now on."""
    kept = desk(chosen)
    kept.remember(chosen.key, classes, kept.upload)
    kept.upload = kept.brought = None
    kept.begin(classes, Drawing((), np.array(labels)))
    truths.keep(chosen.key, classes, np.array(labels))


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
