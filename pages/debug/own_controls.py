"""Which file: brought by the visitor, or one of our own networks as a sample; and what came of its check."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from engine.cards import ModelError
from engine.debug.checkpoints import MOST_FILE
from engine.debug.onnx_dry import DOUBT, RIGHT, WRONG, Finding
from engine.lines import visible
from engine.zoo import weights_path
from pages.debug.own_check import read
from pages.debug.own_state import Desk, Draft

SAMPLE = "fcn-scenes"
_ICONS = {RIGHT: ":green[:material/check_circle:]", DOUBT: ":orange[:material/help:]", WRONG: ":red[:material/error:]"}
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
        desk.shown = st.selectbox("Your files", files, files.index(desk.shown), key=f"own_shown_{desk.turn}",
                                  format_func=lambda file: desk.drafts[file].title)  # fmt: skip
    else:
        st.text(desk.draft.title)
    st.caption(desk.draft.line)
    with st.container(horizontal=True, gap="small"):
        with st.popover("Bring another", icon=":material/upload_file:"):
            _upload(desk)
        st.button("Close", icon=":material/close:", key="own_close", on_click=desk.put_away,
                  help="The model and its process end; other pages forget it.")  # fmt: skip


def _upload(desk: Desk) -> None:
    file = st.file_uploader("Your network, ONNX or safetensors", key=f"own_file_{desk.turn}",
                            max_upload_size=MOST_FILE >> 20,
                            help="ONNX up to 100 MB, in one file. Weights: of the networks here and torchvision's. "
                                 "What is in the file decides, not its name; a pickle is never opened.")  # fmt: skip
    if file is not None:
        _take(desk, lambda: read(file.getvalue(), plain(file.name)))
    st.caption("Or one of our own, as if you had brought it:")
    with st.container(horizontal=True, gap="small"):
        if st.button("ONNX", icon=":material/science:", key="own_sample"):
            _take(desk, lambda: read(_written(), f"{SAMPLE}.onnx"))
        if st.button("safetensors", icon=":material/science:", key="own_sample_weights"):
            _take(desk, lambda: read(weights_path(SAMPLE).read_bytes(), f"{SAMPLE}.safetensors"))
    if desk.former is not None:
        st.button(f"Undo: bring {desk.former.name or 'it'} back", icon=":material/undo:", key="own_undo",
                  on_click=desk.undo)  # fmt: skip


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


def findings(found: tuple[Finding, ...]) -> None:
    """What came of the check, a line for each thing that was looked at."""
    with st.container(key="own_findings", gap="small"):
        st.html(_STYLE)
        for finding in found:
            with st.container(horizontal=True, wrap=False, gap="xsmall"):
                st.markdown(_ICONS[finding.level], width="content")
                st.text(finding.sentence, width="stretch")
