"""A Trace from a file: what a model did, opened again without the model; nothing in the file is trusted."""

from __future__ import annotations

import streamlit as st

from engine.foreign import MOST_BYTES
from engine.trace import Trace, TraceError
from pages.debug import replay_panels as panels
from pages.kit import models
from pages.kit.page import Frame, export, frame, tabs, title
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import REPLAY
from pages.kit.viewer import viewer, viewer_panel

KEY = "replay"
SAMPLE = "fcn-scenes"
_OPENED, _TURN, _BROKEN = "replay_opened", "replay_turn", "replay_broken"  # of the session: they outlive the page


@st.fragment
def look(chosen: Chosen) -> None:
    """The title, the Trace in the viewer, what it says, and the way to another one."""
    page = frame()
    opened: tuple[str, Trace] | None = st.session_state.get(_OPENED)
    with page.head, st.container(width="stretch"):
        title(REPLAY, None)
    if opened is None:
        with page.picture:
            empty()
            ask()
        with page.side, st.container(border=True):
            sample(chosen)
        return
    name, trace = opened
    show(page, trace)
    with page.side:
        with st.container(border=True, gap="small", key="replay_card"):
            panels.card_lines(name, trace)
            with st.popover("Open another", icon=":material/folder_open:", width="stretch"):
                ask()
                sample(chosen)
                st.button("Close this Trace", icon=":material/close:", on_click=close, width="stretch")
        viewer_panel(KEY)


def show(page: Frame, trace: Trace) -> None:
    """The viewer, the export and the tabs."""
    with page.head:
        export(trace, "replayed")
    with page.picture:
        viewer(trace, KEY)
        tabs(KEY, {
            "All steps": lambda: panels.steps(trace),
            "Numbers": lambda: panels.numbers(trace),
            "Card and settings": lambda: panels.card(trace),
            "What is in the file": lambda: panels.inside(trace),
        })  # fmt: skip


def empty() -> None:
    """Nothing is open: what to do."""
    st.info("No Trace is open. On any page choose **Export**, then **Trace (ZIP of NPZ and JSON)**, and open that file "
            "here, on this machine or another: the model is not needed.", icon=":material/folder_open:")  # fmt: skip


def ask() -> None:
    """The box for a file, and what was wrong with the last one."""
    key = f"replay_upload_{st.session_state.get(_TURN, 0)}"
    file = st.file_uploader("A Trace (ZIP)", type="zip", key=key, max_upload_size=MOST_BYTES // 10**6)
    if file is not None:
        open_file(file.getvalue(), file.name)
        st.rerun()
    if broken := st.session_state.pop(_BROKEN, None):
        st.error("This file was not opened.", icon=":material/broken_image:")
        st.text(broken)


def sample(chosen: Chosen) -> None:
    """A button that makes a Trace of the picture in hand, saves it and opens the file."""
    st.caption("Or see how it is: our network looks at the image in hand, its Trace is saved and opened again.")
    if st.button("Open a sample", icon=":material/movie:", key="replay_sample", width="stretch"):
        model = models.model(SAMPLE)
        trace = model.trace(models.encoding(SAMPLE, chosen.key, chosen.rgb))
        open_file(trace.to_zip(), f"saccade-{SAMPLE}-{chosen.slug or 'picture'}.zip")
        st.rerun()


def open_file(data: bytes, name: str) -> None:
    """Keep the Trace in the file for the visit, or the sentence that says why it cannot be opened."""
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1  # a fresh box: the file's bytes are let go
    try:
        st.session_state[_OPENED] = (panels.one_line(name, 80), Trace.from_zip(data))
    except TraceError as error:
        st.session_state[_BROKEN] = str(error)


def close() -> None:
    """Forget the Trace that is open."""
    del st.session_state[_OPENED]


look(picker())
