"""What the tabs below the picture say of a verdict; clicks on rows and cells show them in the picture."""

from __future__ import annotations

import math

import streamlit as st

from engine import render
from engine.debug import verdict_steps
from engine.debug.answers import Answer
from engine.debug.onnx_spec import unique
from engine.debug.verdict import Verdict
from engine.debug.verdict_steps import Focus, occurring
from engine.trace import Trace
from pages.debug import truth_charts
from pages.debug.truth_focus import choose_cell, choose_class, choose_region
from pages.debug.truth_state import JUDGE, SOURCE
from pages.kit.panels import IN_EITHER, IN_TRUTH
from pages.kit.picker import Chosen

WIDTH = 2  # index of the boundary width that stands in the headline: 3 pixels


def figures(chosen: Chosen, answer: Answer, found: Verdict) -> None:
    """The headline, and a row for each class; a click on a row shows its hits and misses."""
    scores, boundary = found.scores, found.boundary
    shown = (
        ("pixel accuracy", scores.pixel_accuracy), ("class accuracy", scores.class_accuracy),
        (IN_TRUTH, scores.mean_iou), (IN_EITHER, scores.mean_iou_truth_or_prediction),
        ("frequency-weighted IoU", scores.fw_iou),
        (f"boundary F, {boundary.widths[WIDTH]} px", boundary.mean[WIDTH]),
        ("calibration error", found.calibration.ece),
    )  # fmt: skip
    for i, place in enumerate(st.columns(3)):
        for name, value in shown[i::3]:
            place.metric(name, _percent(value))
    order, names = occurring(found.matrix), unique(answer.classes)
    rows = [
        {"class": names[k], "true pixels": int(found.matrix[k].sum()), "called": int(found.matrix[:, k].sum()),
         "IoU": _share(scores.iou[k]), "precision": _share(found.precision[k]), "recall": _share(found.recall[k]),
         f"boundary F, {boundary.widths[WIDTH]} px": _share(boundary.f[k, WIDTH])} for k in order
    ]  # fmt: skip
    bars = {name: st.column_config.ProgressColumn(name, format="percent", min_value=0, max_value=1)
            for name in ("IoU", "precision", "recall")}  # fmt: skip
    st.dataframe(rows, hide_index=True, key="truth_classes", selection_mode="single-row", column_config=bars,
                 on_select=lambda: _row("truth_classes", order, lambda k: choose_class(
                     chosen, answer.classes, found, k)))  # fmt: skip


def matrix(chosen: Chosen, answer: Answer, found: Verdict, focus: Focus, trace: Trace) -> None:
    """The confusion matrix; a click on a cell lights up its pixels, small beside it and large in the picture above."""
    st.caption("Rows: the truth; columns: the answer; percent of the row. **Click a cell** to light up its pixels.")
    key = "truth_matrix"

    def clicked() -> None:
        points = st.session_state[key].selection.points
        if points:
            st.session_state[SOURCE] = JUDGE  # there the picture shows it
            choose_cell(chosen, answer.classes, *map(int, points[0]["customdata"]))

    left, right = st.columns([2.2, 1], gap="small")
    right.text(trace.steps[verdict_steps.CONFUSION].sentence)
    right.image(render.render(trace, verdict_steps.CONFUSION), output_format="JPEG")
    left.plotly_chart(truth_charts.confusion(found, answer.classes, (focus.true, focus.called)), key=key,
                      on_select=clicked, selection_mode="points", config={"displayModeBar": False},
                      alt="Confusion matrix")  # fmt: skip


def curves(answer: Answer, found: Verdict) -> None:
    """Boundary F over the width, and the reliability diagram."""
    left, right = st.columns(2)
    outlines = truth_charts.boundary(found, answer.classes)
    left.plotly_chart(outlines, key="truth_boundary", alt="Boundary F-score by width")
    left.caption("Csurka et al. 2013: the share of a class's contour that the other map has within so many pixels, "
                 "both ways, as F. A thin border of void only hides where a contour runs; wide void is not "
                 "judged.")  # fmt: skip
    right.plotly_chart(truth_charts.calibration(found), key="truth_calibration", alt="Reliability diagram")
    right.caption(f"Guo et al. 2017: below the diagonal it is surer than it is right. Expected calibration error "
                  f"{_percent(found.calibration.ece)}, {len(found.calibration.pixels)} bins.")  # fmt: skip


def regions(chosen: Chosen, answer: Answer, found: Verdict) -> None:
    """The largest connected errors; a click on a row looks at one closely."""
    if not found.regions:
        st.caption("No pixel is wrong.")
        return
    known = max(int(found.matrix.sum()), 1)
    st.caption(f"{found.errors:,} connected regions of wrong pixels, the {len(found.regions)} largest. **Choose a "
               "row** and the picture shows it closely; a double click there shows all again.")  # fmt: skip
    names = unique(answer.classes)
    rows = [{"true": names[r.true], "called": names[r.called], "pixels": r.area,
             "of the picture": r.area / known, "x": r.box[0], "y": r.box[1]} for r in found.regions]  # fmt: skip
    share = st.column_config.NumberColumn(format="percent")
    st.dataframe(rows, hide_index=True, key="truth_regions", selection_mode="single-row", height=300,
                 column_config={"of the picture": share},
                 on_select=lambda: _row("truth_regions", range(len(rows)), lambda i: choose_region(
                     chosen, answer.classes, found, i)))  # fmt: skip


def _row(key: str, values, act) -> None:
    rows = st.session_state[key].selection.rows
    if rows:
        st.session_state[SOURCE] = JUDGE
        act(values[rows[0]])


def _share(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _percent(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{100 * value:.1f} %"
