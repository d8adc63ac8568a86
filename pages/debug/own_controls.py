"""Which file: brought by the visitor, or one of our own networks as a sample; and what came of its check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from engine.cards import ModelError
from engine.debug.checkpoints import MOST_FILE
from engine.debug.onnx_spec import ASK, DOUBT, GUESS, RIGHT, WRONG, numbered, offers, unique
from engine.lines import visible
from engine.zoo import weights_path
from pages.debug.own_check import read, sorted_out
from pages.debug.own_state import Desk, Draft

SAMPLE = "fcn-scenes"
_ICONS = {RIGHT: ":green[:material/check_circle:]", GUESS: ":gray[:material/lightbulb:]",
          ASK: ":blue[:material/contact_support:]", DOUBT: ":orange[:material/help:]",
          WRONG: ":red[:material/error:]"}  # fmt: skip
MOST_FILES = 7  # that may come together; of more the last
_STYLE = """<style>
.st-key-own_findings [data-testid="stText"] {font-family: inherit; font-size: 0.875rem; line-height: 1.4}
</style>"""


def bring(desk: Desk) -> None:
    """The file that is looked at, and a way to bring one."""
    if desk.draft is None:
        _upload(desk)
        return
    files = list(desk.drafts)
    if len(files) > 1:
        titles = dict(zip(files, unique(d.title for d in desk.drafts.values()), strict=True))
        desk.shown = st.selectbox("Your files", files, files.index(desk.shown), key=f"own_shown_{desk.turn}",
                                  format_func=titles.get)  # fmt: skip
    else:
        st.text(desk.draft.title)
    st.caption(desk.draft.line)
    with st.container(horizontal=True, gap="small"):
        with st.popover("Bring another", icon=":material/upload_file:"):
            _upload(desk)
        st.button("Close", icon=":material/close:", key="own_close", on_click=desk.put_away,
                  help="The model and its process end; other pages forget it.")  # fmt: skip


def _upload(desk: Desk) -> None:
    files = st.file_uploader("Your network, ONNX or safetensors", key=f"own_file_{desk.turn}",
                             max_upload_size=MOST_FILE >> 20, accept_multiple_files=True,
                             help="ONNX up to 100 MB; where torch wrote two files, .onnx and .onnx.data, both "
                                  "together. Weights: of the networks here and torchvision's. What is in the file "
                                  "decides, not its name; a pickle is never opened.")  # fmt: skip
    if files:
        _take(desk, lambda: _read(files))
    st.caption("Or one of our own, as if you had brought it:")
    with st.container(horizontal=True, gap="small"):
        if st.button("ONNX", icon=":material/science:", key="own_sample"):
            _take(desk, lambda: read(_written(), f"{SAMPLE}.onnx"))
        if st.button("safetensors", icon=":material/science:", key="own_sample_weights"):
            _take(desk, lambda: read(weights_path(SAMPLE).read_bytes(), f"{SAMPLE}.safetensors"))
    if desk.former is not None:
        st.button(f"Undo: bring {desk.former.name or 'it'} back", icon=":material/undo:", key="own_undo",
                  on_click=desk.undo)  # fmt: skip


def _read(files: Sequence[UploadedFile]) -> Draft:
    """What was brought, one file or a network with its weights beside it. Raises ModelError."""
    files = files[-MOST_FILES:]
    if len(files) == 1 and not files[0].name.lower().endswith(".data"):
        return read(files[0].getvalue(), plain(files[0].name))
    name, data, beside = sorted_out({file.name[-200:]: file.getvalue() for file in files})
    return read(data, plain(name), beside)


def _written() -> bytes:
    from engine.debug.onnx_sample import sample

    with st.spinner("Writing one of our networks as ONNX ..."):
        return sample()


def _take(desk: Desk, make: Callable[[], Draft]) -> None:
    """Show a new file; of one that cannot be used say why, and the former one stays."""
    try:
        desk.take(make())
    except ModelError as error:
        st.error(str(error), icon=":material/block:")
    else:
        st.rerun()


def plain(name: str) -> str:
    """A file's name in at most 60 visible characters."""
    return visible(name)[-60:] or "Your file"


def findings(desk: Desk) -> None:
    """What came of the looks at the file, a line for each thing, and names that its classes may have."""
    with st.container(key="own_findings", gap="small"):
        st.html(_STYLE)
        for finding in desk.draft.all_findings:
            with st.container(horizontal=True, wrap=False, gap="xsmall"):
                st.markdown(_ICONS[finding.level], width="content")
                st.text(finding.sentence, width="stretch")
    said = desk.draft.said
    if said.classes and said.classes != numbered(len(said.classes)):
        return
    known = offers(len(said.classes) or None)
    if known:
        with st.container(horizontal=True, gap="small"):
            for title, names in known.items():
                st.button(f"{title}, a guess", key=f"own_names_{len(names)}", on_click=desk.say,
                          args=(replace(said, classes=names),),
                          help=f"Call them {', '.join(names[:4])} ...; nothing in the file says so.")  # fmt: skip
