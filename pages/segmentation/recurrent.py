"""Pinheiro and Collobert 2014 on the user's picture: the answer goes back in (lecture slides 34-38)."""

import streamlit as st

from engine.segmentation.recurrent import PASSES
from engine.segmentation.recurrent_model import MOST, RecurrentModel
from pages.kit import models
from pages.kit.fields import remember, with_field
from pages.kit.page import code, frame, tabs
from pages.kit.panels import scored
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import RECURRENT
from pages.kit.viewer import Brush, Pick, viewer, viewer_panel
from pages.segmentation import recurrent_panels as panels
from pages.segmentation.recurrent_controls import KEY, ask_correction, ask_run, keep


@st.fragment
def look(chosen: Chosen) -> None:
    """Everything that answers: the title's badge, the picture, the controls, the explanations."""
    page = frame()
    with page.side, st.container(border=True, gap="small"):
        model = page.model(RECURRENT, lambda: models.ask((*RECURRENT.models, *models.own(RecurrentModel)), RECURRENT))
        if model is None:
            return
        count, start = ask_run()
        correction, sent = ask_correction(chosen, len(model.card.classes))
    if correction is not None:
        count = max(count, min(correction.after + PASSES, MOST))
    encoding = models.encoding(model.card.name, chosen.key, chosen.rgb)
    run = model.run(encoding, count, start, correction)
    trace = model.trace(encoding, run)
    trace, truth = models.against_truth(trace, chosen, model.card, lambda: model.labels(encoding, run))
    keep(correction)
    page.title(RECURRENT, model.card, trace, chosen.slug)
    with page.picture:
        owner = (chosen.key, model.card.name, str(count))
        trace, go = with_field(trace, KEY, owner)
        if correction is not None and sent > (go or (0, 0))[1]:
            go = (correction.after + 2, sent)  # the first pass after the painting
        pick = viewer(trace, KEY, picks=True, start=PASSES, go=go, brush=Brush())
        if remember(pick, KEY, owner, lambda x, y, tell: model.field_step(chosen.rgb, x, y, count, tell)):
            st.rerun(scope="fragment")
    with page.side:
        viewer_panel(KEY)
    with page.picture:
        explain(model, encoding, run, truth, pick)


def explain(model, encoding, run, truth, pick: Pick | None) -> None:
    """The tabs below the picture; only the open one is built."""
    builders = {
        "What you see": lambda: panels.what_you_see(model, pick),
        "Pass by pass": lambda: panels.curves(model, encoding, run, truth),
    }
    if truth is not None:
        builders["Against the truth"] = lambda: scored(
            lambda: model.all_labels(encoding, run), truth, model.card.classes
        )
    builders["Formula with live numbers"] = lambda: panels.formula(model, encoding, run, pick)
    builders["The paper, and here"] = lambda: panels.paper(model)
    builders["Code that ran"] = lambda: code(*panels.ran(model))
    tabs(KEY, builders)


look(picker())
