"""The tab with the stability curve: how much of the answer holds as a change grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from engine.debug.answers import Answer
from engine.debug.probe import Probe
from engine.debug.probe_changes import Point, curve
from engine.runs import Job
from engine.wording import duration, many
from pages.debug.probe_occlusion import pace
from pages.kit import charts, queue
from pages.kit.panels import decimals
from pages.kit.picker import Chosen

KEY = "curve"


def panel(model: Any, chosen: Chosen, before: Answer, probe: Probe, truth: np.ndarray | None) -> None:
    """The run, then the chart and its numbers."""
    if not probe.grid:
        st.info(f"{probe.name} has no strength: choose a change that has one.", icon=":material/show_chart:")
        return

    def work(job: Job) -> list[Point]:
        points = []
        for point in curve(model, before, probe, probe.grid, truth):
            points.append(point)
            job.tell(len(points), len(probe.grid))
        return points

    place = (probe.x, probe.y) if hasattr(probe, "x") else ()
    judged = None if truth is None else hash(truth.tobytes())
    owner = (model.card.name, chosen.key, before.variant, probe.name, place, judged)
    runs = len(probe.grid)
    each = pace(model, chosen, before.variant, None)
    st.text(f"{many(runs, 'run')} of the model, about {duration(runs * each)}.")
    points = queue.task(KEY, owner, f"Ask at {len(probe.grid)} strengths", work)
    if points:
        show(points, probe)


def show(points: list[Point], probe: Probe) -> None:
    """The chart with the strength in hand marked, and its numbers."""
    lines = {"labels unchanged": [100 * p.unchanged for p in points],
             "mean IoU with the first answer": [100 * p.iou for p in points]}  # fmt: skip
    if points[0].truth_iou is not None:
        lines["mean IoU with the ground truth"] = [100 * p.truth_iou for p in points]
    figure = charts.curves([p.strength for p in points], lines, f"{probe.name}, {probe.unit}", "")
    figure.add_vline(probe.strength, line_dash="dot", annotation_text="now")
    figure.update_layout(yaxis_title="%", yaxis_range=(0, 103))
    left, right = st.columns([1.7, 1], gap="medium")
    left.plotly_chart(figure, key="curve_chart", alt="Stability over the strength")
    right.dataframe([{probe.unit: p.strength, **{name: round(values[i], 1) for name, values in lines.items()}}
                     for i, p in enumerate(points)], hide_index=True, height=charts.HEIGHT,
                    column_config=decimals(**dict.fromkeys(lines, 1)))  # fmt: skip
