"""What is looked at closely, chosen in boxes, charts and tables: a class, a cell of the confusion matrix, a region."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.debug.onnx_spec import unique
from engine.debug.verdict import Verdict
from engine.debug.verdict_steps import CLASS, CONFUSION, WORST, Focus, confusions, occurring, worst_confusion
from pages.debug.truth_state import KEY, Classes, Desk, desk
from pages.kit.keys import linked
from pages.kit.picker import Chosen
from pages.kit.rooms import TRUTH
from pages.kit.viewer import Box, chosen_row

TRUE, CALLED = "true", "called"  # names in the URL


def whole(chosen: Chosen) -> Box:
    """The box of all of the picture."""
    return 0.0, 0.0, float(chosen.rgb.shape[1]), float(chosen.rgb.shape[0])


def focus_on(desk: Desk, classes: Classes, true: int, called: int) -> None:
    """Look at a cell of the confusion matrix; before its boxes are drawn, or from a callback."""
    names = unique(classes)
    st.session_state[TRUE], st.session_state[CALLED] = names[true], names[called]
    desk.region = None


def choose_class(chosen: Chosen, classes: Classes, found: Verdict, k: int) -> None:
    """Show the hits and misses of one class."""
    focus_on(desk(chosen), classes, k, _most_called(found.matrix, k))
    desk(chosen).show(CLASS, whole(chosen))


def choose_cell(chosen: Chosen, classes: Classes, true: int, called: int) -> None:
    """Light up the pixels of one cell of the confusion matrix."""
    focus_on(desk(chosen), classes, true, called)
    desk(chosen).show(CONFUSION, whole(chosen))


def choose_region(chosen: Chosen, classes: Classes, found: Verdict, index: int) -> None:
    """Look closely at one of the worst regions."""
    region = found.regions[index]
    focus_on(desk(chosen), classes, region.true, region.called)
    desk(chosen).region = index
    desk(chosen).show(WORST, tuple(map(float, region.box)))


def take_row(chosen: Chosen, classes: Classes, found: Verdict) -> None:
    """Do what a row wants that was clicked beside the picture; once for each click."""
    kept, row = desk(chosen), chosen_row(KEY, chosen.rgb)
    if row is None or row.n == kept.row:
        return
    kept.row = row.n
    lists = {CLASS: occurring(found.matrix), CONFUSION: confusions(found.matrix), WORST: found.regions}
    if row.row >= len(lists.get(row.step, ())):
        return
    if row.step == CLASS:
        choose_class(chosen, classes, found, lists[CLASS][row.row])
    elif row.step == CONFUSION:
        choose_cell(chosen, classes, *lists[CONFUSION][row.row])
    else:
        choose_region(chosen, classes, found, row.row)


def ask_focus(chosen: Chosen, classes: Classes, found: Verdict) -> Focus:
    """Two boxes, in the URL: the class whose hits are shown, and what it was called instead."""
    classes = unique(classes)  # in the boxes; what is looked at is the place of a class
    true, called = worst_confusion(found.matrix)
    for name in (TRUE, CALLED):
        if st.session_state.get(name) not in (*classes, None):  # of a model with other classes
            del st.session_state[name]
    left, right = st.columns(2, gap="small")
    picked = [
        place.selectbox(label, classes, index, **linked(TRUTH, name), filter_mode=None, help=words)
        for place, label, index, name, words in (
            (left, "Truth", true, TRUE, "The step “One class” shows where it was found and missed."),
            (right, "called", called, CALLED, "The step “Confusion” shows the pixels of the two."))
    ]  # fmt: skip
    region = desk(chosen).region
    wanted = tuple(classes.index(name) for name in picked)
    if region is not None and (region >= len(found.regions) or wanted != (found.regions[region].true,
                                                                          found.regions[region].called)):  # fmt: skip
        region = desk(chosen).region = None
    return Focus(*wanted, region)


def _most_called(matrix: np.ndarray, k: int) -> int:
    """What the pixels of class k were called most often, other than k."""
    row = matrix[k].copy()
    row[k] = -1
    return int(row.argmax())
