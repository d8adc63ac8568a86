"""The tab that lets theta learn: gradient descent towards what another theta sees, and how far that reaches."""

from __future__ import annotations

from dataclasses import replace

import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from engine.spatial.descent import NEAR, Course, Descent, descend
from engine.spatial.descent_steps import trace
from engine.spatial.drawing import CARD
from engine.spatial.presets import presets
from engine.spatial.theta import Theta, TransformError, moved
from engine.wording import many
from pages.kit.keeping import once, told
from pages.kit.keys import linked
from pages.kit.rooms import GRID
from pages.kit.viewer import viewer, viewer_panel
from pages.spatial.grid_seen import Seen

MOVED = "the same, moved by"
RATES = (0.005, 0.01, 0.02, 0.05)
STEPS = (50, 150, 300)
BLUR = 8.0  # pixels, of the comparison
LINE = "#0072b2"  # of a chart


@st.fragment
def learn(seen: Seen) -> None:
    """Ask for a target and a course; show the descent, whether it arrived, and what blur does to it."""
    left, right = st.columns([2.15, 1], gap="medium")
    with right, st.container(border=True, gap="small"):
        target = _ask_target(seen)
        course = _ask_course()
    if target is None:
        left.info("This target cannot be used: move it less, or choose another.")
        return
    with left:
        found = _descent(seen, target, course)
        owner = (*seen.owner, target, course)
        shown = once("grid_learnt", owner, lambda: trace(found, seen.rgb, CARD), "Drawing it ...")
        st.markdown(_said(found))
        viewer(shown, "grid_learn", start=0)
        st.plotly_chart(_curves(found), key="learn_curves", alt="Loss and distance over the steps")
    with right:
        viewer_panel("grid_learn")
        if st.button("Compare with blur and a pyramid", icon=":material/stacked_line_chart:", key="learn_compare"):
            _compare(seen, target, course)
    st.markdown("**Try:** move the target further until it stalls, then blur, or switch the pyramid on · make it "
                "brighter: the loss stays, and pulls the grid to brighter places.")  # fmt: skip
    st.caption("At the right the target, below it the output. Theta starts where it stands above; the loss is their "
               "mean squared difference, both sampled bilinearly with at most 64 pixels a side, the border repeated. "
               "Arrows show where the sampled places are pulled. Each mixes four input pixels, so its pull knows "
               "nothing beyond them (slides 126-128). Blur brings news from further away; a pyramid begins with much "
               "of it and ends with none.")  # fmt: skip


def _ask_target(seen: Seen) -> Theta | None:
    """The theta that the target is sampled by, None where there is none."""
    height, width = seen.rgb.shape[:2]
    named = presets(seen.family, width / height)
    choice = st.selectbox("Target: what theta would see if it were", (MOVED, *named),
                          key=f"learn_target_{seen.family.name}")  # fmt: skip
    if choice in named:
        return named[choice]
    across, down = st.columns(2)
    dx = across.slider("px right", -width // 2, width // 2, round(0.08 * width), key="learn_dx")
    dy = down.slider("px down", -height // 2, height // 2, round(0.05 * height), key="learn_dy")
    try:
        return moved(seen.family, seen.theta, 2 * dx / width, 2 * dy / height)
    except TransformError:
        return None


def _ask_course() -> Course:
    pyramid = st.toggle("Pyramid: from blurred to sharp", **linked(GRID, "learn_pyramid"))
    blur = st.slider("Blur, sigma in px", 0, 32, 0, **linked(GRID, "learn_blur"),
                     help="With the pyramid: of its first level; 0 means a twelfth of the picture.")  # fmt: skip
    brightness = st.slider("Target's brightness, times", 0.5, 1.5, 1.0, 0.05, **linked(GRID, "learn_light"))
    rate = st.select_slider("Rate", RATES, 0.02, **linked(GRID, "learn_rate"))
    steps = st.segmented_control("Steps", STEPS, default=150, **linked(GRID, "learn_steps"), required=True)
    return Course(steps, rate, float(blur), pyramid, brightness)


def _descent(seen: Seen, target: Theta, course: Course) -> Descent:
    return told("grid_descent", (*seen.owner, target, course),
                lambda tell: descend(seen.rgb, seen.family, seen.theta, target, course, tell),
                f"{many(course.steps, 'step')} downhill ...")  # fmt: skip


def _said(found: Descent) -> str:
    """Whether it arrived, as a sentence to project."""
    first, last = found.apart[0], found.apart[-1]
    if first < NEAR:
        return "#### It starts where the target is: choose one further away"
    words = "Arrived" if found.arrived else "Stalled on the way" if last < first else "Lost: further away than before"
    return f"#### {words}: {first:.1f} px away at first, {last:.2f} px after {found.course.steps} steps"


def _curves(found: Descent) -> go.Figure:
    """Loss, on a logarithmic axis, and distance over the steps; a dotted line where the blur changes."""
    figure = make_subplots(1, 2, subplot_titles=("Loss", "Mean distance, px"))
    for column, values in ((1, found.losses), (2, found.apart)):
        figure.add_trace(go.Scatter(y=values, mode="lines", line_color=LINE, name=""), 1, column)
    figure.update_yaxes(type="log", exponentformat="power", col=1).update_yaxes(rangemode="tozero", col=2)
    for step in range(1, len(found.sigmas)):
        if found.sigmas[step] != found.sigmas[step - 1]:
            figure.add_vline(step, line={"dash": "dot", "color": "grey"})
    figure.update_xaxes(title="Step")
    return figure.update_layout(height=260, showlegend=False, margin={"t": 40, "b": 40})


def _compare(seen: Seen, target: Theta, course: Course) -> None:
    """The same target three ways."""
    ways = {name: replace(course, blur=blur, pyramid=name == "pyramid")
            for name, blur in (("sharp", 0.0), (f"blurred by {BLUR:g} px", BLUR), ("pyramid", 0.0))}  # fmt: skip
    rows = []
    for name, way in ways.items():
        found = _descent(seen, target, way)
        rows.append({"": name, "at first, px": f"{found.apart[0]:.1f}", "at the end, px": f"{found.apart[-1]:.2f}",
                     "arrived": "yes" if found.arrived else "no"})  # fmt: skip
    st.dataframe(rows, hide_index=True)
