"""A page with one viewer on a made-up Trace, for the browser tests; the address says which case."""

import streamlit as st

from pages.kit.viewer import Brush, painted, viewer, viewer_panel
from tests.browser.apps.traces import CLASSES, trace

st.set_page_config(layout="wide")
st.markdown("#### Viewer")
case = st.query_params.get("case", "plain")
strength = 2.0 if st.button("ask again") else 1.0
if "narrow" in case:
    st.write("narrow")
left, right = st.columns([2, 1]) if case.startswith(("panel", "tree", "brush")) else (st.container(), None)
shown, brush = trace("small" if case == "brush-small" else case, strength), None
if case.startswith("brush"):
    sent = painted("test", shown.image, len(CLASSES))  # known before the viewer is called
    st.text(f"painted: {sent and [sent.step, sent.labels.tolist()]}")
    brush = None if case == "brush-off" else Brush(cells=64, send="Send it")
with left:
    picked = viewer(shown, "test", picks=case in ("picks", "brush"), start=3, brush=brush)
if right:
    with right:
        viewer_panel("test")
st.text(f"picked: {picked}")
