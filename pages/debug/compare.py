"""Two models, variants or pictures: where do they differ, who is surer, who is right (lecture slide 43)."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.cards import ModelError
from engine.debug import compare_steps
from engine.debug.compare import Incomparable, csv_text
from pages.debug import compare_panels as panels
from pages.debug.compare_controls import WIPE, ask_layout, ask_sides
from pages.debug.compare_pairs import chosen_pair, pairs
from pages.debug.compare_sides import Found, Side, answers, compared, wholes
from pages.kit.keys import linked
from pages.kit.page import export, frame, tabs, title
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import COMPARE
from pages.kit.viewer import viewer, viewer_panel

KEY = "compare"
KEYS = (f"{KEY}_a", f"{KEY}_b")  # of the two viewers that stand side by side


@st.fragment
def look(chosen: Chosen) -> None:
    """Everything that answers: the title, the pictures, the controls, the explanations."""
    page = frame()
    with page.head, st.container(width="stretch"):
        title(COMPARE, None)
    with page.side, st.container(border=True, gap="small"):
        layout = ask_layout(chosen)
        try:
            sides = ask_sides(chosen)
        except ModelError as error:
            st.warning(str(error))
            return
    with page.picture:
        answers(sides)
        found = held_together(sides)
    if found and layout == WIPE:
        pair, go = chosen_pair(found)
        wiped(page, found.trace(pair), go)
    else:
        beside(page, sides)
    with page.head:
        take_away(sides, found)
    with page.picture:
        explain(sides, found)


def held_together(sides: Sequence[Side]) -> Found | None:
    """The comparison pixel by pixel, or a sentence that says why there is none."""
    try:
        if sides[0].chosen.key != sides[1].chosen.key:
            raise Incomparable("A and B look at two pictures, so shares of classes are compared, not pixels.")
        return compared(sides)
    except Incomparable as error:
        answers(sides)
        st.info(str(error))
        return None


def wiped(page, trace, go) -> None:
    """One large viewer; A lies left of the wipe, B right of it."""
    with page.picture:
        viewer(trace, KEY, start=compare_steps.B, go=go, begin="wipe:1")
    with page.side:
        viewer_panel(KEY)


def beside(page, sides: Sequence[Side]) -> None:
    """Two viewers that step and zoom together, each with its model's own steps."""
    with page.picture:
        traces = wholes(sides)
        start = max(len(trace.steps) for trace in traces) - 1
        for column, side, trace, key in zip(st.columns(2, gap="small"), sides, traces, KEYS, strict=True):
            with column:
                st.text(f"{side.who}: {side.words}")
                viewer(trace, key, start=start, link=KEY)
    with page.side:
        who = st.segmented_control("Numbers of", ("A", "B"), default="A", required=True, **linked(COMPARE, "numbers"),
                                   width="stretch")  # fmt: skip
        for key in KEYS:
            with st.container(key=f"{key}_numbers"):
                viewer_panel(key)
        st.html(f"<style>.st-key-{KEYS['BA'.index(who)]}_numbers {{display: none}}</style>")


def take_away(sides: Sequence[Side], found: Found | None) -> None:
    """The export: of the comparison, and of both models' own Traces."""
    a, b = sides
    more = tuple((f"Trace of {s.who} (ZIP)", f"{s.who}.zip", "application/zip", lambda s=s: s.whole().to_zip())
                 for s in sides)  # fmt: skip
    name = f"{a.name}-{b.name}-{a.chosen.slug or 'picture'}"
    if found is None:
        export(a.whole, name, more, viewers=KEYS)
        return
    numbers = ("Comparison (CSV)", "comparison.csv", "text/csv", lambda: csv_text(found.comparison, found.judged))
    export(found.trace(), name, (numbers, *more))


def explain(sides: Sequence[Side], found: Found | None) -> None:
    """The tabs below the picture; only the open one is built."""
    if found is None:
        builders = {"What you see": lambda: panels.shares(sides), "Against the truth": lambda: panels.truths(sides)}
    else:
        builders = {
            "What you see": lambda: panels.what_you_see(found),
            "Where they disagree": lambda: pairs(found),
            "Against the truth": lambda: panels.against_truth(found),
        }
    tabs(KEY, {**builders, "Code that ran": panels.source})


look(picker())
