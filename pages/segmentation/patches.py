"""From a patch classifier to a fully convolutional network on the user's picture (lecture slides 22-28 and 57)."""

import streamlit as st

from engine.segmentation.patches_model import PatchesModel
from pages.kit import models, queue
from pages.kit.page import frame, tabs
from pages.kit.panels import scored
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import PATCHES
from pages.kit.viewer import viewer, viewer_panel
from pages.segmentation import patches_panels as panels
from pages.segmentation.patches_controls import KEY, ask_place, ask_window, clicked, show
from pages.segmentation.patches_price import price

PATCH, DENSE = 1, 2  # steps: the patch, shown beside the picture; what a first visitor sees


@st.fragment
def look(chosen: Chosen) -> None:
    """Everything that answers: the title's badge, the picture, the controls, the explanations."""
    page = frame()
    with page.side, st.container(border=True, gap="small"):
        model = page.model(PATCHES, lambda: models.ask((*PATCHES.models, *models.own(PatchesModel)), PATCHES))
        if model is None:
            return
        window = ask_window()
        x, y = ask_place(*chosen.rgb.shape[1::-1])
        encoding = models.encoding(model.card.name, chosen.key, chosen.rgb)
        trace = queue.run(lambda: model.trace(encoding, x, y, window), "The network looks through the window ...")
        show(trace.steps[PATCH])
    trace, truth = models.against_truth(trace, chosen, model.card, lambda: model.labels(encoding, window))
    page.title(PATCHES, model.card, trace, chosen.slug)
    key = f"{model.card.name} {chosen.key}"
    with page.picture:
        if clicked(viewer(trace, KEY, picks=True, start=DENSE)):
            st.rerun(scope="fragment")
    with page.side:
        viewer_panel(KEY)
    with page.picture:
        builders = {
            "What you see": lambda: panels.what_you_see(encoding, window),
            "Same answer, other price": lambda: price(model, encoding, x, y, window, key),
            "How large a window?": lambda: panels.how_large(model, encoding, window, truth),
            "Shift and stitch": lambda: panels.stitch(model, encoding, window, truth, key),
        }
        if truth is not None:
            builders["Against the truth"] = lambda: scored(
                lambda: model.all_labels(encoding), truth, model.card.classes, f"window {window}")  # fmt: skip
        builders["Code that ran"] = panels.source
        tabs(KEY, builders)


look(picker())
