"""Your own network on the picture in hand: brought as a file, checked by a dry run, and then on every page."""

from typing import Any

import streamlit as st

from engine.cards import ModelError
from engine.debug.onnx_model import OnnxModel
from engine.debug.onnx_spec import ASK
from engine.trace import Layer, Step, Trace
from pages.debug import own_panels as panels
from pages.debug.own_check import check
from pages.debug.own_controls import bring, findings
from pages.debug.own_form import ask
from pages.debug.own_state import Desk, desk
from pages.kit import models, owned
from pages.kit.page import Frame, frame, tabs
from pages.kit.panels import scored
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import OWN
from pages.kit.viewer import viewer, viewer_panel

KEY = "own"
LABELS = 2  # the step that is seen at first
EMPTY = "Bring your network on the right: what it makes of this picture is painted over it."
UNFIT = "Your network has no answer to show yet: change what is marked on the right, and check it again."


@st.fragment
def look(chosen: Chosen) -> None:
    """Everything that answers: the file and what is said about it, the check, the picture, the explanations."""
    page, here = frame(), desk()
    with page.side, st.container(border=True, gap="small"):
        bring(here)
        draft = here.draft
        if draft:
            asking = any(finding.level == ASK for finding in draft.all_findings)
            if asking:  # a question stands above the form that answers it
                findings(here)
            with st.expander(
                "How pictures go in, what comes out", expanded=draft.checked and not draft.name, icon=":material/tune:"
            ):
                ask(here)
            if not draft.checked:
                check(draft, chosen.rgb)
                st.rerun()  # a run of the script waits for one thing only
            if not asking:
                findings(here)
    if draft and draft.name in owned.names():
        answered(page, here, chosen, owned.get(draft.name))
    else:
        waiting(page, chosen, UNFIT if draft else EMPTY)


def answered(page: Frame, here: Desk, chosen: Chosen, model) -> None:
    """The model's picture, as any model's."""
    try:
        with page.picture:
            trace, encoding = seen(chosen, model)
    except ModelError as error:
        page.title(OWN, model.card)
        page.picture.warning(str(error))
        return
    trace, truth = models.against_truth(trace, chosen, model.card, lambda: model.labels(encoding))
    page.title(OWN, model.card, trace, chosen.slug)
    with page.picture:
        viewer(trace, KEY, start=LABELS if isinstance(model, OnnxModel) else None)
        builders = {"On every page": lambda: panels.go(model)}
        if truth is not None:
            builders["Against the truth"] = lambda: scored(
                lambda: model.all_labels(encoding), truth, model.card.classes)  # fmt: skip
        if isinstance(model, OnnxModel):
            builders["Other ways in"] = lambda: panels.others(model, chosen.rgb, here.say)
        tabs(KEY, builders | advice() | {"Code that ran": lambda: panels.source(model)})
    with page.side:
        viewer_panel(KEY)


def seen(chosen: Chosen, model) -> tuple[Trace, Any]:
    """The model's Trace and encoding, made in one go and shared with the other pages. Raises ModelError."""
    name = model.card.name

    def encode() -> Any:
        return models.FOUND.get((name, chosen.key, False), lambda: model.encode(chosen.rgb))

    trace = models.found(("own", name, chosen.key), lambda: model.trace(encode()), "Your network looks ...")
    return trace, models.encoding(name, chosen.key, chosen.rgb)


def waiting(page: Frame, chosen: Chosen, words: str) -> None:
    """The picture as a network will get it, and how to bring one."""
    page.title(OWN, None)
    photo = Layer("image", "picture", chosen.rgb)
    with page.picture:
        viewer(Trace(chosen.rgb, {}, (Step("Your picture", words, (photo,)),)), f"{KEY}_empty")
        tabs(f"{KEY}_empty", advice())
    with page.side:
        viewer_panel(f"{KEY}_empty")


def advice() -> dict:
    """The tabs that are always there."""
    return {"Bring it": panels.bringing, "In Python": panels.python, "Safety": panels.promises}


look(picker())
