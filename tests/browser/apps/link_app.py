"""Two viewers beside each other in thirds of a page, for the browser tests; the address says which case.

plain: both draw their panels below. panels: the left one's stands in the third column. both: so does the right one's.
apart: the two are not linked. short: the right one has fewer steps.
"""

import streamlit as st

from engine.trace import Trace
from pages.kit.viewer import Brush, chosen_row, painted, viewer, viewer_panel
from tests.browser.apps.told import NAMES, WORDS, told


def show(column, key: str, trace: Trace, link: str) -> None:
    """One viewer with all that it can, and what came back of it."""
    with column:
        st.markdown(f"**{key}**")
        row, sent = chosen_row(key, trace.image), painted(key, trace.image, len(NAMES))
        picked = viewer(trace, key, picks=True, start=2, brush=Brush(cells=32, send="Look there", names=NAMES),
                        link=link, words=True, rows="Force this word")  # fmt: skip
        st.text(f"{key} row: {row}")
        st.text(f"{key} painted: {sent and sorted(set(sent.labels.ravel().tolist()))}")
        st.text(f"{key} picked: {picked}")


st.set_page_config(layout="wide")
st.markdown("#### Linked viewers")
case = st.query_params.get("case", "plain")
left, right, side = st.columns(3)
link = "" if case == "apart" else "words"
show(left, "soft", told(WORDS, "soft", 0), link)
show(right, "hard", told(WORDS[:3] if case == "short" else WORDS, "hard", 3), link)
with side:
    if case in ("panels", "both"):
        viewer_panel("soft")
    if case == "both":
        viewer_panel("hard")
