"""Long et al. 2015 on the user's picture: what each stride knows, and what each skip adds (lecture slides 39-43)."""

import streamlit as st

from engine import registry
from engine.debug.answers import answer
from engine.segmentation.fcn_model import FcnModel
from engine.segmentation.onepass import OnePass
from pages.kit import models
from pages.kit.fields import remember, with_field
from pages.kit.page import frame, tabs
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
        model = page.model(FCN, lambda: models.ask(choices()))
        if model is None:
            return
        skips = isinstance(model, FcnModel)
        settings = {"gains": ask_gains()} if skips else {}
        average = models.averages(model) and ask_average()
    encoding = models.encoding(model.card.name, chosen.key, chosen.rgb, average)
    trace = model.trace(encoding, **settings, **({"average": True} if average else {}))
    trace, truth = models.against_truth(trace, chosen, model.card, lambda: labels(model, encoding, settings))
    page.title(FCN, model.card, trace, chosen.slug)
    with page.picture:
        owner = (chosen.key, model.card.name)
        trace, go = with_field(trace, KEY, owner)
        pick = viewer(trace, KEY, picks=skips, start=LABELS, go=go)
        if skips and remember(pick, KEY, owner, lambda x, y, _: model.field_step(chosen.rgb, x, y)):
            st.rerun(scope="fragment")
    with page.side:
        viewer_panel(KEY)
    with page.picture:
        explain(model, encoding, settings, truth, pick)


def choices() -> tuple[str, ...]:
    """The models that show scores and labels: ours, registered ones, this visit's own, torchvision's."""
    return (*FCN.models, *registry.registered(), *models.own(FcnModel, OnePass), *models.PUBLISHED)


def labels(model, encoding, settings):
    """(H, W) uint8: the answer that is shown."""
    return model.labels(encoding, **settings) if settings else answer(model, encoding).labels


def explain(model, encoding, settings, truth, pick: Pick | None) -> None:
    """The tabs below the picture; only the open one is built."""
    builders = {"What you see": lambda: panels.what_you_see(model, pick)}
    if truth is not None:
        builders["Against the truth"] = lambda: panels.against_truth(model, encoding, settings, truth)
    if settings:
        builders["Formula with live numbers"] = lambda: panels.formula(model, encoding, settings["gains"], pick)
        builders["The paper, and here"] = lambda: panels.paper(model, encoding, truth)
    builders["Code that ran"] = lambda: panels.source(model)
    tabs(KEY, builders)


look(picker())
