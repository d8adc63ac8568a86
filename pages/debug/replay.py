"""A Trace from a file: what a model did, opened again without the model; nothing in the file is trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from engine.foreign import MOST_BYTES, Incomplete, read
from engine.trace import Trace, TraceError
from pages.debug import replay_panels as panels
from pages.kit import models
from pages.kit.keeping import once
from pages.kit.page import Frame, export, frame, tabs, title
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import REPLAY
from pages.kit.viewer import viewer, viewer_panel

KEY = "replay"
SAMPLE = "fcn-scenes"
_OPENED, _TURN, _BROKEN = "replay_opened", "replay_turn", "replay_broken"  # of the session: they outlive the page


@dataclass(frozen=True)
class Opened:
    """A Trace of this visit as its files, packed: unpacked it takes many times as much, and only while it is looked at.

    files: name and bytes. key: names their content.
    """

    files: tuple[tuple[str, bytes], ...]
    key: str

    @property
    def name(self) -> str:
        """The names of the files, as they are shown."""
        return panels.one_line(" + ".join(name for name, _ in self.files), 80)

    def trace(self) -> Trace:
        """The Trace in the files."""
        return once("replay", (self.key,), lambda: read(self.files))


@st.fragment
def look(chosen: Chosen) -> None:
    """The title, the Trace in the viewer, what it says, and the way to another one."""
    page = frame()
    opened: Opened | None = st.session_state.get(_OPENED)
    with page.head, st.container(width="stretch"):
        title(REPLAY, None)
    if opened is None:
        with page.picture:
            empty()
            ask()
        with page.side, st.container(border=True):
            sample(chosen)
        return
    trace = opened.trace()
    show(page, trace)
    with page.side:
        with st.container(border=True, gap="small", key="replay_card"):
            panels.card_lines(opened.name, trace)
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
    files = st.file_uploader("A Trace: the ZIP file, or trace.npz and trace.json together", key=key,
                             accept_multiple_files=True, max_upload_size=MOST_BYTES // 10**6)  # fmt: skip
    if files:
        try:
            open_files([(file.name, file.getvalue()) for file in files])
            st.rerun()
        except Incomplete as missing:
            st.info(str(missing), icon=":material/file_present:")
    if broken := st.session_state.pop(_BROKEN, None):
        st.error("This file was not opened.", icon=":material/broken_image:")
        st.text(broken)


def sample(chosen: Chosen) -> None:
    """A button that makes a Trace of the picture in hand, saves it and opens the file."""
    st.caption("Or see how it is: our network looks at the image in hand, its Trace is saved and opened again.")
    if st.button("Open a sample", icon=":material/movie:", key="replay_sample", width="stretch"):
        model = models.model(SAMPLE)
        trace = model.trace(models.encoding(SAMPLE, chosen.key, chosen.rgb))
        open_files([(f"saccade-{SAMPLE}-{chosen.slug or 'picture'}.zip", trace.to_zip())])
        st.rerun()


def open_files(files: Sequence[tuple[str, bytes]]) -> None:
    """Keep the Trace in the files for the visit, or the sentence that says why it cannot be opened. Raises Incomplete,
    and the box keeps its files, where one of the two parts is missing."""
    opened = Opened(tuple(files), hashlib.sha256(b"".join(data for _, data in files)).hexdigest())
    try:
        opened.trace()
        st.session_state[_OPENED] = opened
    except Incomplete:
        raise
    except TraceError as error:
        st.session_state[_BROKEN] = str(error)
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1  # a fresh box: the former one lets its files go


def close() -> None:
    """Forget the Trace that is open."""
    del st.session_state[_OPENED]


look(picker())
