"""Xu et al. 2015 on the user's picture: captions word by word, two models side by side (lecture slides 78-103)."""

from collections.abc import Sequence

import streamlit as st

from engine.cards import ModelError
from pages.attention import captions_panels as panels
from pages.attention import captions_paper as papers
from pages.attention import captions_probes as probes
from pages.attention.captions_beams import beams
from pages.attention.captions_controls import KEY, KEYS, Asked, ask, ask_shown, take_forced_word
from pages.attention.captions_draws import draws
from pages.attention.captions_painting import BRUSH, hidden_by, paintings
from pages.attention.captions_sides import Side, tell
from pages.kit import models
from pages.kit.keys import linked
from pages.kit.page import Frame, code, tabs
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import CAPTIONS
from pages.kit.viewer import viewer, viewer_panel


def frame() -> Frame:
    """The head; below it room for two pictures, and the side column."""
    head = st.container(horizontal=True, vertical_alignment="top")
    return Frame(head, *st.columns([2.5, 1], gap="medium"))


@st.fragment
def look(chosen: Chosen) -> None:
    """Everything that answers: the title's badge, the pictures, the controls, the explanations."""
    page = frame()
    with page.side, st.container(border=True, gap="small"):
        try:
            shown = [models.model(name) for name in ask_shown()]
        except ModelError as error:
            st.warning(str(error))
            page.title(CAPTIONS, None)
            return
        take_forced_word(chosen.rgb, shown[0])
        asked = ask(shown[0])
        painted = paintings(chosen)
    hidden = hidden_by(painted, chosen.rgb.shape[:2])
    sides = [tell(key, model, chosen, asked, painting, hidden)
             for key, model, painting in zip(KEYS, shown, painted, strict=True)]  # fmt: skip
    st.session_state["captions_shown"] = {side.key: side.telling for side in sides}
    page.title(CAPTIONS, shown[0].card, {side.kind: side.trace for side in sides}, chosen.slug)
    with page.side:
        kinds = [side.kind for side in sides]
        kind = st.segmented_control("Numbers of", kinds, default=kinds[0], required=True, **linked(CAPTIONS, "numbers"),
                                    width="stretch")  # fmt: skip
        side = sides[kinds.index(kind)]
        panel_of(side, sides)
    with page.picture:
        for column, one in zip(st.columns(2, gap="small"), sides, strict=True):
            with column:
                picture(one)
        whole = [tell(s.key, s.model, chosen, asked, p) for s, p in zip(sides, painted, strict=True)]
        explain(sides, side, asked, [] if hidden is None else whole)


def panel_of(side: Side, sides: Sequence[Side]) -> None:
    """The panel of `side`; those of the others keep their place unseen, so that their viewers do not draw it below."""
    for one in sides:
        with st.container(key=f"{one.key}_numbers"):
            viewer_panel(one.key)
    hidden = ", ".join(f".st-key-{one.key}_numbers" for one in sides if one is not side)
    st.html(f"<style>{hidden} {{display: none}}</style>")


def picture(side: Side) -> None:
    """One viewer with its caption above it, and what speaks against the caption."""
    st.markdown(f"**{side.kind.capitalize()}** :gray[{CLAIMS[side.kind]}]")
    unsure = side.model.unsure(side.encoding, side.telling)
    if unsure:
        st.warning(unsure)
    viewer(side.trace, side.key, start=1, brush=BRUSH, link=KEY, words=True, rows="Force this word")


CLAIMS = {"plain": "sees the picture once", "soft": "weighs every cell", "hard": "takes one cell"}


def explain(sides: Sequence[Side], side: Side, asked: Asked, whole: Sequence[Side]) -> None:
    """The tabs below the pictures; only the open one is built. side: the one whose numbers are shown."""
    builders = {
        "What you see": lambda: panels.what_you_see(sides),
        "All words": lambda: panels.all_words(sides),
        "Next words": lambda: panels.next_words(sides),
        "From soft to hard": lambda: seeing(side, probes.sharpen),
        "Draws": lambda: draws(side),
        "Beam tree": lambda: beams(side, asked),
        "Is it faithful?": lambda: seeing(side, probes.faithful),
        "What a cell sees": lambda: seeing(side, probes.cell_field),
        "Formula with live numbers": lambda: papers.formula(side),
        "The paper, and here": papers.paper,
        "Code that ran": lambda: code(*papers.CODE),
    }
    if whole:
        builders = {"With and without": lambda: panels.compared(sides, whole), **builders}
    tabs(KEY, builders)


def seeing(side: Side, build) -> None:
    """Build a tab that needs attention, or say that this model has none."""
    if side.telling.alphas is None:
        st.info("The plain model sees the picture once and has no maps. Choose *Numbers of* another model.")
    else:
        build(side)


look(picker())
