"""What the page of the spatial transformers explains: its tabs by name, and the first of them."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from engine.spatial.autoplay import autoplay
from engine.spatial.curves import linear_part, rotation
from engine.spatial.digits_trace import area, reading_trace
from engine.spatial.networks import DigitNet, Transformer
from engine.spatial.transforms import sampling_grid
from engine.trace import Trace
from pages.kit.page import code
from pages.spatial.transformer_angles import angles
from pages.spatial.transformer_errors import errors
from pages.spatial.transformer_find import find
from pages.spatial.transformer_formula import live_formula
from pages.spatial.transformer_learn import learn
from pages.spatial.transformer_paper import paper
from pages.spatial.transformer_shown import Shown
from pages.spatial.transformer_sum import add


def builders(shown: Shown) -> dict[str, Callable[[], None]]:
    """The tabs by name, for `pages.kit.page.tabs`."""
    return {
        "What you see": lambda: what_you_see(shown),
        "Angle in, angle out": lambda: angles(shown.model, shown.plain),
        "Watch it learn": learn,
        "Two digits, one sum": add,
        "Find what they share": find,
        "Errors": errors,
        "Formula with live numbers": lambda: live_formula(shown),
        "The paper, and here": lambda: paper(shown),
        "Code that ran": lambda: code(Transformer, DigitNet, sampling_grid, autoplay),
    }


def trace_of(shown: Shown) -> Trace:
    """The picture in hand as a Trace, for the export."""
    return reading_trace(shown.model, shown.picture, shown.plain)


def what_you_see(shown: Shown) -> None:
    """The claim in plain words, this digit in numbers, and what to try."""
    st.markdown(
        "**A small network looks at the picture and says where to sample it again.** Nobody tells it how the digit "
        "was turned: it only learns that digits are read better when it looks there. Localisation network, grid and "
        "sampler all have gradients, so the whole is trained by backpropagation, without reinforcement learning "
        "(slides 126-131)."
    )
    if not shown.picture.any():
        st.info("There is no digit yet: draw or upload one, and what both networks make of it stands here in numbers.")
        return
    family, theta = shown.model.net.transformers[0].family, shown.reading.theta[0]
    angle = float(rotation(linear_part(family, theta)[0])[0])
    numbers = {
        "turned by the grid": f"{angle:+.0f}°",
        "share it looks at": f"{100 * area(family, theta[0]):.0f} %",
        "with transformer": _says(shown.reading.chances[0]),
        "plain CNN": "not here" if shown.plain_reading is None else _says(shown.plain_reading.chances[0]),
    }
    for place, (words, value) in zip(st.columns(4), numbers.items(), strict=True):
        place.metric(words, value, border=True)
    st.markdown(
        "**Try:** play, and see whether the output stays while the input moves · turn the digit further than the "
        "training did and watch both networks fail · another kind of transformer on the same digits · draw your own "
        "digit · *Watch it learn*: the grids leave the identity."
    )  # fmt: skip


def _says(chances) -> str:
    return f"{chances.argmax()} ({100 * chances.max():.0f} %)"
