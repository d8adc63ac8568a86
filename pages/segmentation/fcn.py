"""Long et al. 2015 on the user's picture: what each stride knows, and what each skip adds (lecture slides 39-43)."""

import streamlit as st

from engine.segmentation.fcn_model import FcnModel
from pages.kit import models
from pages.kit.fields import remember, with_field
from pages.kit.page import frame, tabs
from pages.kit.panels import scored
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import FCN
from pages.kit.viewer import Pick, viewer, viewer_panel
from pages.segmentation import fcn_panels as panels
from pages.segmentation.fcn_controls import ask_average, ask_gains

KEY = "fcn"
LABELS = 5  # the step that a first visitor sees


@st.fragment
def look(chosen: Chosen) -> None:
    """Everything that answers: the title's badge, the picture, the controls, the explanations."""
    page = frame()
    with page.side, st.container(border=True, gap="small"):
        model = page.model(FCN, lambda: models.ask((*FCN.models, *models.more(), *models.PUBLISHED)))
        if model is None:
            return
        skips = isinstance(model, FcnModel)
        settings = {"gains": ask_gains()} if skips else {}
        average = ask_average()
    encoding = models.encoding(model.card.name, chosen.key, chosen.rgb, average)
    trace = model.trace(encoding, average=average, **settings)
    trace, truth = models.against_truth(trace, chosen, model.card, lambda: model.labels(encoding, **settings))
    page.title(FCN, model.card, trace, chosen.slug)
    with page.picture:
        owner = (chosen.key, model.card.name)
        trace, go = with_field(trace, KEY, owner)
        pick = viewer(trace, KEY, picks=skips, start=LABELS, go=go)
        if skips and remember(pick, KEY, owner, lambda x, y: model.field_step(chosen.rgb, x, y)):
            st.rerun(scope="fragment")
        explain(model, encoding, settings, truth, pick)
    with page.side:
        viewer_panel(KEY)


def explain(model, encoding, settings, truth, pick: Pick | None) -> None:
    """The tabs below the picture; only the open one is built."""
    builders = {"What you see": lambda: panels.what_you_see(model, pick)}
    if truth is not None:
        builders["Against the truth"] = lambda: scored(
            lambda: panels.all_labels(model, encoding), truth, model.card.classes)  # fmt: skip
    if settings:
        builders["Formula with live numbers"] = lambda: panels.formula(model, encoding, settings["gains"], pick)
        builders["The paper, and here"] = lambda: panels.paper(model, encoding, truth)
    builders["Code that ran"] = lambda: panels.source(model)
    tabs(KEY, builders)


look(picker())
