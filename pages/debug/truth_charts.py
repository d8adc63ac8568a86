"""Charts of a verdict (Plotly): the confusion matrix whose cells can be clicked, boundary F, the calibration curve.

References
1. https://github.com/streamlit/streamlit/issues/8760: the cells of a Plotly heatmap do not select, and the markers of a
   scatter do; so each cell has a marker over it.
2. Guo et al. 2017, figure 1: the reliability diagram.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from engine.debug.onnx_spec import unique
from engine.debug.verdict import Verdict
from engine.debug.verdict_steps import occurring

HEIGHT = 400


def confusion(found: Verdict, classes: Sequence[str], chosen: tuple[int, int]) -> go.Figure:
    """Rows the truth, columns the prediction, in percent of the row; only classes that occur. A marker's customdata is
    its pair of class indices (true, called); the cell of `chosen` has a frame."""
    kept = occurring(found.matrix)
    matrix = found.matrix[np.ix_(kept, kept)]
    share = 100 * matrix / matrix.sum(1, keepdims=True).clip(1)
    names = [unique(classes)[k] for k in kept]
    at = [(i, j) for i in range(len(kept)) for j in range(len(kept))]
    hover = "%{text}<extra></extra>"
    text = np.round(share).astype(int)
    words = [f"{names[i]} called {names[j]}: {matrix[i, j]:,} pixels, {share[i, j]:.1f} % of {names[i]}"
             for i, j in at]  # fmt: skip
    heat = go.Heatmap(z=np.sqrt(share), x=names, y=names, zmin=0, zmax=10, colorscale="Blues", showscale=False,
                      hoverinfo="skip", xgap=1, ygap=1, text=text, texttemplate="%{text}")  # fmt: skip
    marks = go.Scatter(x=[names[j] for _, j in at], y=[names[i] for i, _ in at], mode="markers", text=words,
                       hovertemplate=hover, customdata=[(kept[i], kept[j]) for i, j in at],
                       marker={"symbol": "square", "size": 330 / len(kept), "opacity": 0},
                       selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}})  # fmt: skip
    figure = go.Figure([heat, marks])
    if all(k in kept for k in chosen):
        i, j = (kept.index(k) for k in chosen)
        line = {"width": 3, "color": "#d55e00"}
        figure.add_shape(type="rect", x0=j - 0.5, x1=j + 0.5, y0=i - 0.5, y1=i + 0.5, line=line)
    end = len(kept) - 0.5
    x, y = ({"range": ends, "title": name, "showgrid": False} for ends, name in (((-0.5, end), "called"),
                                                                                 ((end, -0.5), "truth")))  # fmt: skip
    figure.update_layout(height=HEIGHT, margin={"t": 10, "b": 10, "l": 10, "r": 10}, clickmode="event+select",
                         dragmode=False, xaxis=x, yaxis=y, xaxis_tickangle=-40, showlegend=False,
                         hovermode="closest")  # fmt: skip
    return figure


def boundary(found: Verdict, classes: Sequence[str]) -> go.Figure:
    """F over the width of tolerance: each class that has a contour, and their mean."""
    curve, percent, classes = found.boundary, 100 * found.boundary.f, unique(classes)
    lines = [go.Scatter(x=curve.widths, y=percent[k], name=classes[k], mode="lines+markers", line={"width": 1.5})
             for k in occurring(found.matrix) if not np.isnan(percent[k]).all()]  # fmt: skip
    mean = go.Scatter(x=curve.widths, y=100 * curve.mean, name="mean", mode="lines+markers", line={"width": 4})
    return go.Figure([*lines, mean]).update_layout(
        height=HEIGHT, title="Boundary F-score, %", xaxis_title="tolerance, pixels", xaxis_tickvals=list(curve.widths),
        yaxis_range=(0, 102), hovermode="x unified", margin={"t": 40, "b": 10, "l": 10, "r": 10})  # fmt: skip


def calibration(found: Verdict) -> go.Figure:
    """The reliability diagram: accuracy in each bin of certainty, the diagonal, and how many pixels there are."""
    curve = found.calibration
    bins = len(curve.pixels)
    middle, share = (np.arange(bins) + 0.5) * 100 / bins, 100 * curve.pixels / max(int(curve.pixels.sum()), 1)
    filled = curve.pixels > 0
    bars = go.Bar(x=middle, y=share, width=100 / bins, name="share of the pixels, %", opacity=0.35)
    hover = "certainty %{x:.1f} %, right %{y:.1f} %, %{customdata:,} pixels<extra></extra>"
    dots = go.Scatter(x=100 * curve.confidence[filled], y=100 * curve.accuracy[filled], mode="lines+markers",
                      name="accuracy, %", line={"width": 3}, customdata=curve.pixels[filled],
                      hovertemplate=hover)  # fmt: skip
    ideal = go.Scatter(x=[0, 100], y=[0, 100], mode="lines", name="calibrated", line={"dash": "dot", "width": 1.5})
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    return go.Figure([bars, ideal, dots]).update_layout(
        height=HEIGHT, xaxis_title="certainty of the winning class, %", xaxis_range=(0, 100), yaxis_range=(0, 102),
        legend=legend, margin={"t": 40, "b": 10, "l": 10, "r": 10})  # fmt: skip
