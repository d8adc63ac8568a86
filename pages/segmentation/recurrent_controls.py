"""What the page of recurrent refinement asks: how many passes, from which start, and what becomes of a painting."""

from __future__ import annotations

import streamlit as st

from engine.segmentation.recurrent import PASSES
from engine.segmentation.recurrent_model import MOST, STARTS, Correction
from pages.kit.keys import linked
from pages.kit.picker import Chosen
from pages.kit.rooms import RECURRENT
from pages.kit.viewer import Painted, painted

KEY = "recurrent"


def ask_run() -> tuple[int, str]:
    """The number of passes and the start, in the URL."""
    count = st.slider("Passes", 1, MOST, PASSES, **linked(RECURRENT, "passes"),
                      help=f"It was trained for {PASSES}; ask for more and see whether it keeps still.")  # fmt: skip
    start = st.segmented_control("Start from an answer that is", STARTS, default=STARTS[0],
                                 **linked(RECURRENT, "start"), required=True, width="stretch",
                                 help="What pass 1 is told: nothing, a wrong class everywhere, noise.")  # fmt: skip
    return count, start


def ask_correction(chosen: Chosen, classes: int) -> tuple[Correction | None, int]:
    """The painting that was sent over the image in hand, as a correction, and its number; (None, 0) without one."""
    owner, found = st.session_state.get("recurrent_painting", ("", None))
    found = painted(KEY, chosen.rgb, classes) or (found if owner == chosen.key else None)
    if found is None or found.n == st.session_state.get("recurrent_forgotten"):
        return None, 0
    st.session_state["recurrent_painting"] = (chosen.key, found)  # the component forgets it on another page
    after = st.session_state.setdefault(f"recurrent_after_{found.n}", _passes_before(found))
    with st.container(horizontal=True, vertical_alignment="center"):
        hold = st.toggle("Hold what is painted", **linked(RECURRENT, "hold"),
                         help="On: painted labels stay in every pass. Off: the network is told once.")  # fmt: skip
        st.button("Forget it", icon=":material/undo:", on_click=_forget, args=(found.n,), type="tertiary",
                  help="Run without the painting; its strokes stay in the picture until you clear them.")  # fmt: skip
    return Correction(found.labels, after, hold), found.n


def _passes_before(found: Painted) -> int:
    """How many passes the step that was painted over had behind it: steps are the start, then the passes, and among
    them the painting before this one, if there was one."""
    former = st.session_state.get("recurrent_former")
    return min(found.step - (former is not None and found.step > former), MOST - 1)


def keep(correction: Correction | None) -> None:
    """Remember how the steps of the picture that is shown next are counted."""
    st.session_state["recurrent_former"] = correction and correction.after


def _forget(n: int) -> None:
    st.session_state["recurrent_forgotten"] = n
