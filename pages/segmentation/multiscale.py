"""Farabet et al. 2013 on the user's picture: octaves, superpixels, and the tree above them (lecture slides 28-33)."""

import streamlit as st

from engine.segmentation.multiscale_model import MultiScaleModel
from pages.kit import models
from pages.kit.fields import remember, with_field
from pages.kit.page import code, frame, tabs
from pages.kit.panels import scored
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import MULTISCALE
from pages.kit.viewer import Pick, viewer, viewer_panel
from pages.segmentation import multiscale_panels as panels
from pages.segmentation.multiscale_controls import ask_octaves, ask_superpixels

KEY = "multiscale"
SUM = 4  # the step that a first visitor sees


@st.fragment
def look(chosen: Chosen) -> None:
    """Everything that answers: the title's badge, the picture, the controls, the explanations."""
    page = frame()
    with page.side, st.container(border=True, gap="small"):
        model = page.model(
            MULTISCALE, lambda: models.ask((*MULTISCALE.models, *models.own(MultiScaleModel)), MULTISCALE)
        )
        if model is None:
            return
        gains, superpixels = ask_octaves(), ask_superpixels()
    encoding = models.encoding(model.card.name, chosen.key, chosen.rgb)
    tree = models.tree(chosen.key, chosen.rgb, superpixels)
    trace = model.trace(encoding, gains, tree=tree, superpixels=superpixels)
    trace, truth = models.against_truth(trace, chosen, model.card, lambda: model.labels(encoding, gains))
    page.title(MULTISCALE, model.card, trace, chosen.slug)
    with page.picture:
        owner = (chosen.key, model.card.name)
        trace, go = with_field(trace, KEY, owner)
        pick = viewer(trace, KEY, picks=True, start=SUM, go=go)
        if remember(pick, KEY, owner, lambda x, y, tell: model.field_step(chosen.rgb, x, y, tell)):
            st.rerun(scope="fragment")
    with page.side:
        viewer_panel(KEY)
    with page.picture:
        explain(model, encoding, gains, tree, truth, pick)


def explain(model, encoding, gains, tree, truth, pick: Pick | None) -> None:
    """The tabs below the picture; only the open one is built."""
    builders = {"What you see": lambda: panels.what_you_see(model, pick)}
    if truth is not None:
        builders["Against the truth"] = lambda: scored(
            lambda: model.all_labels(encoding, tree, gains), truth, model.card.classes
        )
    builders["Formula with live numbers"] = lambda: panels.formula(model, encoding, gains, pick)
    builders["The paper, and here"] = lambda: panels.paper(model)
    builders["Code that ran"] = lambda: code(*panels.ran(model))
    tabs(KEY, builders)


look(picker())
