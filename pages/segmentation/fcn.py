"""Long et al. 2015 on the user's picture: what each stride knows, and what each skip adds (lecture slides 39-43)."""

from dataclasses import replace

import streamlit as st

from engine.cards import ModelError
from engine.segmentation.fcn_model import FcnModel
from engine.segmentation.scoring import with_truth
from engine.trace import Step, Trace
from pages.kit import models
from pages.kit.page import export, title
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import FCN
from pages.kit.viewer import Pick, viewer, viewer_panel
from pages.segmentation import fcn_panels as panels
from pages.segmentation.fcn_controls import ask_average, ask_gains

KEY = "fcn"
MODELS = (*FCN.models, "fcn_resnet50", "deeplabv3_resnet50", "lraspp_mobilenet_v3_large")
LABELS = 5  # the step that a first visitor sees


@st.fragment
def look(chosen: Chosen) -> None:
    """Everything that answers: the title's badge, the picture, the controls, the explanations."""
    head = st.container(horizontal=True, vertical_alignment="top")
    picture, side = st.columns([2.15, 1], gap="medium")
    with side, st.container(border=True, gap="small"):
        try:
            model = models.model(models.ask(MODELS))
        except ModelError as error:
            st.warning(str(error))
            with head:
                title(FCN, None)
            return
        skips = isinstance(model, FcnModel)
        settings = {"gains": ask_gains()} if skips else {}
        average = ask_average()
    encoding = models.encoding(model.card.name, chosen.key, chosen.rgb, average)
    trace = model.trace(encoding, average=average, **settings)
    truth = models.truth(chosen, model.card)
    if truth is not None:
        band = models.band(chosen.key, model.card.settings["labels"], truth)
        trace = with_truth(trace, truth, model.labels(encoding, **settings), band)
    with head:
        with st.container(width="stretch"):
            title(FCN, model.card)
        export(trace, f"{model.card.name}-{chosen.slug or 'picture'}")
    with picture:
        trace, go = with_field(trace, chosen, model) if skips else (trace, None)
        pick = viewer(trace, KEY, picks=skips, start=LABELS, go=go)
        if skips and remember(pick, chosen, model):
            st.rerun(scope="fragment")
        explain(model, encoding, settings, truth, pick)
    with side:
        viewer_panel(KEY)


def with_field(trace: Trace, chosen: Chosen, model: FcnModel) -> tuple[Trace, tuple[int, int] | None]:
    """The Trace and, after a pick on this picture, a step with what the picked pixel listens to, to be shown once."""
    owner, n, step = st.session_state.get("fcn_field", (None, None, None))
    if owner != (chosen.key, model.card.name):
        return trace, None
    return replace(trace, steps=(*trace.steps, step)), (len(trace.steps), n)


def remember(pick: Pick | None, chosen: Chosen, model: FcnModel) -> bool:
    """Compute the field of a new pick and keep it in the session; False where there is nothing new."""
    _, last, _ = st.session_state.get("fcn_field", (None, None, None))
    if pick is None or pick.n == last:
        return False
    with st.spinner("Following the gradient back to the picture ..."):
        step: Step = model.field_step(chosen.rgb, pick.x, pick.y)
    st.session_state["fcn_field"] = ((chosen.key, model.card.name), pick.n, step)
    return True


def explain(model, encoding, settings, truth, pick: Pick | None) -> None:
    """The tabs below the picture; only the open one is built."""
    tabs = {"What you see": lambda: panels.what_you_see(model, pick)}
    if truth is not None:
        tabs["Against the truth"] = lambda: panels.scored(model, encoding, truth)
    if settings:
        tabs["Formula with live numbers"] = lambda: panels.formula(model, encoding, settings["gains"], pick)
        tabs["The paper, and here"] = lambda: panels.paper(model, encoding, truth)
    tabs["Code that ran"] = lambda: panels.source(model)
    for tab, build in zip(st.tabs(list(tabs), key=f"{KEY}_tab", on_change="rerun"), tabs.values(), strict=True):
        if tab.open:
            with tab:
                build()


look(picker())
