"""A page of the kit whose own work is small: the image in hand, one slider, and a Trace that follows it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine import palette
from engine.trace import Layer, Step, Trace
from pages.kit import guard, sessions
from pages.kit.page import frame
from pages.kit.picker import Chosen, picker
from pages.kit.viewer import viewer, viewer_panel

CELLS = 4  # pixels a side of one value, as of a network's finest map


def levels(rgb: np.ndarray, gain: float) -> Trace:
    """Logits of four grey levels, (4, h, w) at stride 4, and their winner; `gain` sharpens them."""
    grey = rgb[::CELLS, ::CELLS].mean(-1, dtype=np.float32) / 255  # (h, w)
    centres = np.linspace(0, 1, 4, dtype=np.float32)[:, None, None]
    logits = -gain * 20 * (grey - centres) ** 2  # (4, h, w)
    steps = (
        Step("Picture", "What came in."),
        Step("Levels", f"Gain {gain:.1f}.", (Layer("labels", "levels", logits),)),
        Step("Grey", "The mean of the colours.", (Layer("heat", "grey", grey),)),
    )
    classes = ("black", "dark", "light", "white")
    return Trace(rgb, {"name": "levels"}, steps, classes, palette.safe(4))


@st.fragment
def look(chosen: Chosen) -> None:
    """The part that runs again for each answer."""
    page = frame()
    with page.side:
        gain = st.slider("Gain", 0.0, 2.0, 1.0, 0.1, key="gain", bind="query-params")
    with page.picture:
        viewer(levels(chosen.rgb, gain), "levels", start=1)
    with page.side:
        viewer_panel("levels")


if __name__ == "__main__":
    sessions.here()
    st.set_page_config("Saccade under load", layout="wide")
    look(picker())
else:
    app = st.App(__file__, middleware=guard.middleware(), lifespan=sessions.lifespan)
