"""Ground truth of the picture, known, uploaded or drawn, and all that it tells of a model (lecture slides 43, 59)."""

import hashlib

import numpy as np
import streamlit as st

from engine.debug import verdict_steps as steps
from engine.debug.answers import Answer
from engine.debug.ground import remarks
from engine.debug.verdict import Verdict, verdict
from engine.debug.verdict_steps import Focus
from engine.trace import Trace
from pages.debug import truth_panels as panels
from pages.debug import truth_words as words
from pages.debug.truth_controls import ask_mask, ask_source, whose
from pages.debug.truth_draw import ask_start, board, take_drawing
from pages.debug.truth_export import offers
from pages.debug.truth_focus import ask_focus, take_row
from pages.debug.truth_state import DRAW, KEY, UPLOAD, desk
from pages.kit import keepsake, models, truths
from pages.kit.keeping import once
from pages.kit.page import Frame, export, frame, tabs, title
from pages.kit.panels import noted
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import TRUTH
from pages.kit.viewer import viewer, viewer_panel


@st.fragment
def look(chosen: Chosen) -> None:
    """Everything that answers: the title's badge, the picture, the controls, the explanations."""
    page = frame()
    with page.side, st.container(border=True, gap="small"):
        model = page.model(TRUTH, lambda: models.ask(models.segmenters()))
        if model is None:
            return
        source = ask_source()
        controls = st.container(gap="small")
    name, classes = model.card.name, tuple(model.card.classes)
    with page.picture:
        answer = once("answer", (name, chosen.key), lambda: models.answer(name, chosen))
    take_drawing(chosen, classes)
    with controls:
        if source == UPLOAD:
            ask_mask(chosen, answer)
        truth = models.truth(chosen, model.card)
        if source == DRAW:
            ask_start(chosen, answer, truth)
            truth = models.truth(chosen, model.card)  # a file may have brought another one
        whose(chosen, classes, truth)
        keepsake.stow("keepsake_truth")
        found = None if truth is None else judged(name, chosen, answer, truth)
        if found is not None:
            take_row(chosen, classes, found)
            focus = ask_focus(chosen, classes, found)
    if found is None:
        show(page, chosen, model.card, answer, steps.labelled(answer), source)
        with page.picture:
            st.info("Nobody has said yet what is on this picture: upload a mask, or draw it.", icon=":material/draw:")
        return
    trace = steps.with_verdict(steps.labelled(answer, found), answer, truth, found, models.band(truth), focus)
    show(page, chosen, model.card, answer, trace, source, offers(answer, truth, found))
    with page.picture:
        noted((*truths.notes(chosen.key, classes), *remarks(truth, classes, answer.labels)))
        explain(chosen, answer, found, focus, trace)


def judged(name: str, chosen: Chosen, answer: Answer, truth: np.ndarray) -> Verdict:
    """The verdict, kept for the visit."""
    digest = hashlib.sha256(truth.tobytes()).hexdigest()
    return once("verdict", (name, chosen.key, digest),
                lambda: verdict(truth, answer.labels, answer.certainty, len(answer.classes)))  # fmt: skip


def show(page: Frame, chosen: Chosen, card, answer: Answer, trace, source: str, more=()) -> None:
    """The title and the export, and the picture: to look at, or to draw on."""
    with page.head:
        with st.container(width="stretch"):
            title(TRUTH, card)
        export(trace, f"{card.name}-{chosen.slug or 'picture'}", more)
    kept = desk(chosen)
    with page.picture:
        if source == DRAW:
            board(chosen, answer)
        else:
            viewer(trace, KEY, start=steps.ERRORS, go=kept.go, zoom=kept.zoom, rows="Show it")
    with page.side:
        if source != DRAW:
            viewer_panel(KEY)


def explain(chosen: Chosen, answer: Answer, found: Verdict, focus: Focus, trace: Trace) -> None:
    """The tabs below the picture; only the open one is built."""
    tabs(KEY, {
        "Figures": lambda: panels.figures(chosen, answer, found),
        "Confusion matrix": lambda: panels.matrix(chosen, answer, found, focus, trace),
        "Boundaries and calibration": lambda: panels.curves(answer, found),
        "Worst regions": lambda: panels.regions(chosen, answer, found),
        "What you see": words.what_you_see,
        "Code that ran": words.source,
    })  # fmt: skip


look(picker())
