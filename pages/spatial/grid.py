"""The sampling grid of a spatial transformer, dragged over the user's picture (lecture slides 116-128)."""

import streamlit as st

from engine.spatial.mapping import forward
from engine.spatial.presets import presets
from engine.spatial.sampling import sample
from pages.kit.drag import Answer, drag, released
from pages.kit.page import Frame, tabs
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import GRID
from pages.spatial.grid_controls import ask, in_hand, small
from pages.spatial.grid_panels import builders, export_of
from pages.spatial.grid_seen import KEY, Seen


def frame() -> Frame:
    """The pictures take more room here than on other pages: there are two."""
    head = st.container(horizontal=True, vertical_alignment="top")
    picture, side = st.columns([3.2, 1], gap="medium")
    return Frame(head, picture, side)


def answered(seen: Seen, pushed: bool) -> Answer:
    """What torch makes of the theta in hand, for the browser to compare with its own."""
    out = sample(seen.rgb, seen.grid, seen.sampling)
    if not pushed:
        return Answer(out)
    return Answer(out, forward(seen.rgb, seen.family, seen.numbers, *out.shape[:2], seen.sampling.align_corners))


@st.fragment
def look(chosen: Chosen) -> None:
    """Everything that answers: the pictures, the controls, the explanations."""
    page = frame()
    with page.side, st.container(border=True, gap="small"):
        family, sampling = ask()
    hand = in_hand(family, released(KEY))
    seen = Seen(small(chosen.rgb), chosen.key, family, hand.theta, sampling, chosen.rgb)
    page.title(GRID, None)
    with page.head:
        export_of(seen)
    with page.picture:
        if hand.sentence:
            st.warning(hand.sentence)
        names = presets(family, seen.rgb.shape[1] / seen.rgb.shape[0])
        drag(seen.rgb, KEY, family, hand.theta, hand.turn, sampling, answered(seen, hand.forward), names)
    tabs(KEY, builders(seen))


look(picker())
