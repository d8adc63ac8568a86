"""What the patches page asks: the size of the window and its place, all of it in the URL; and the patch beside it."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw

from engine.segmentation.patches import WINDOWS
from engine.segmentation.patches_model import USUAL
from engine.trace import Step
from pages.kit.keys import linked
from pages.kit.rooms import PATCHES
from pages.kit.viewer import Pick

KEY = "patches"
SIDE = 268  # screen pixels of an enlarged patch


def ask_window() -> int:
    """The side of the window in pixels of the working size, in the URL."""
    return st.select_slider("Window, pixels", WINDOWS, USUAL, **linked(PATCHES, "window"),
                            help="Each is read from another depth of the same network.")  # fmt: skip


def ask_place(width: int, height: int) -> tuple[float, float]:
    """The pixel of the picture that the window surrounds, as the middle of it; a click in the picture sets it."""
    st.session_state.update(st.session_state.pop("patches_clicked", {}))
    columns = st.columns(2, gap="medium")
    return tuple(_slide(*line) for line in zip(columns, ("x", "y"), (width, height), strict=True))


def _slide(column, name: str, length: int) -> float:
    if length < 2:
        return 0.5
    if st.session_state.get(name, 0) >= length:  # another picture may be smaller
        st.session_state[name] = length - 1
    with column:
        return 0.5 + st.slider(name, 0, length - 1, length // 2, **linked(PATCHES, name))


def clicked(pick: Pick | None) -> bool:
    """Keep the place of a new pick for the next run; False where there is nothing new."""
    if pick is None or pick.n == st.session_state.get("patches_pick"):
        return False
    st.session_state["patches_pick"] = pick.n
    st.session_state["patches_clicked"] = {"x": int(pick.x), "y": int(pick.y)}
    return True


def show(step: Step) -> None:
    """The patch of its step of the Trace, its middle marked, and its three likeliest classes."""
    crop = next(layer.data for layer in step.layers if layer.name == "patch")
    left, right = st.columns([1, 1.15], gap="small", vertical_alignment="center")
    left.image(marked(crop), width="stretch", output_format="PNG", alt="The patch in the window")
    with right, st.container(gap=None):
        for name, _, probability in step.table.rows[:3]:
            st.progress(probability, f"{name} · {100 * probability:.0f} %")


def marked(crop: np.ndarray, side: int = SIDE) -> np.ndarray:
    """(W, W, 3) uint8 -> (side, side, 3) uint8, raw pixels, with a ring around the one in the middle."""
    image = Image.fromarray(crop).resize((side, side), Image.Resampling.NEAREST)
    reach = max(side / len(crop) / 2, 4)
    draw = ImageDraw.Draw(image)
    for more, colour in ((2, "black"), (1, "white"), (0, "white")):
        low, high = side / 2 - reach - more, side / 2 + reach + more - 1
        draw.rectangle((low, low, high, high), outline=colour)
    return np.asarray(image)
