"""The user's picture a little changed: blurred, turned, lit, hidden; and what the answer makes of it."""

import streamlit as st

from engine.debug import probe_steps
from engine.debug.onnx_spec import unique
from engine.debug.probe import Patch
from engine.debug.probe_changes import Change, changes
from pages.debug import probe_curve, probe_occlusion
from pages.debug import probe_panels as panels
from pages.debug import probe_state as state
from pages.debug.probe_controls import CLASS, ask_class, ask_probe, ask_variant
from pages.kit import models
from pages.kit.page import frame, tabs
from pages.kit.patch import Shown, patch
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import PROBE
from pages.kit.viewer import viewer, viewer_panel

KEY = "probe_view"
_PICK = "probe_pick"


@st.fragment
def look(chosen: Chosen) -> None:
    """Everything that answers: the title's badge, the picture, the controls, the explanations."""
    page = frame()
    with page.side, st.container(border=True, gap="small"):
        left, right = st.columns([1.5, 1], gap="small")
        with left:
            model = page.model(PROBE, lambda: models.ask(models.segmenters()))
        if model is None:
            return
        with right:
            variant = ask_variant(model)
        probe = ask_probe(chosen)
        watched = st.container()
    with page.picture:
        before, after, probed = state.answers(model, chosen, variant, probe)
    take_pick(chosen, before)
    with watched:
        change = changes(probe, before, after, probed, ask_class(before))
    truth = models.truth(chosen, model.card)
    trace = probe_steps.trace(change, truth)
    page.title(PROBE, model.card, trace, chosen.slug)
    with page.picture:
        if isinstance(probe, Patch):
            hand = state.hand(chosen)
            patch(Shown(chosen.rgb, probe, change.labels, change.differ, before.classes), state.HAND, hand.turn, hand.n)
        else:
            pick = viewer(trace, KEY, picks=True, start=probe_steps.AFTER, begin="wipe:1")
            if pick and pick.n != st.session_state.get(_PICK, (0,))[0]:
                st.session_state[_PICK] = pick.n, (pick.x, pick.y)
                state.watch(chosen, (pick.x, pick.y))
                st.rerun(scope="fragment")
    with page.side:
        panels.numbers(chosen, change, truth)
        if not isinstance(probe, Patch):
            viewer_panel(KEY)
    with page.picture:
        explain(model, chosen, change, truth)


def take_pick(chosen: Chosen, before) -> None:
    """After a click the class of that pixel is watched; the box may then choose another one for it."""
    n, place = st.session_state.get(_PICK, (0, None))
    if place is not None:
        st.session_state[_PICK] = n, None
        h, w = before.labels.shape
        watched = before.labels[min(int(place[1]), h - 1), min(int(place[0]), w - 1)]
        st.session_state[CLASS] = unique(before.classes)[watched]


def explain(model, chosen: Chosen, change: Change, truth) -> None:
    """The tabs below the picture; only the open one is built."""
    before = change.before
    builders = {
        "What you see": lambda: panels.what_you_see(change),
        "Occlusion map": lambda: probe_occlusion.panel(model, chosen, before, change.watched),
        "Stability curve": lambda: probe_curve.panel(model, chosen, before, change.probe, truth),
    }
    if truth is not None:
        builders["Against the truth"] = lambda: panels.against_truth(change, truth)
    builders["Code that ran"] = lambda: panels.source(change)
    tabs("probe_tabs", builders)


look(picker())
