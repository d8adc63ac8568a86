"""What the page on ground truth says in words, and the code that judged."""

from __future__ import annotations

import streamlit as st

from engine.debug import contours, ground, verdict, verdict_steps
from pages.kit.page import code


def what_you_see() -> None:
    """The claim in plain words, and what to try."""
    st.markdown(
        "A mean over all pixels hides where and why a model fails. Held against the truth, its errors have places, "
        "names and a certainty.\n\n**Try:** click a cell of the *confusion matrix* and its pixels light up · click a "
        "row of *Worst regions* and look closely · wipe *Labels* against *Ground truth* · see *Sure and wrong*: errors "
        "that it does not doubt · upload a mask, or draw one: all pages then judge by it."
    )


def source() -> None:
    """The code that judged."""
    code(verdict.verdict, contours.boundary_f, verdict.calibration, verdict.regions, ground.judge,
         verdict_steps.with_verdict)  # fmt: skip
