"""Charts that more than one page shows (Plotly); pictures are the viewer's business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from engine.debug.onnx_spec import unique
from engine.segmentation.scoring import Scored

HEIGHT = 340


def iou(result: Scored, classes: tuple[str, ...]) -> go.Figure:
    """Bars: intersection over union of each class, in percent, one colour for each variant."""
    classes = unique(classes)
    bars = [go.Bar(name=name, x=classes, y=[100 * v for v in s.iou]) for name, s in result.scores.items()]
    return go.Figure(bars).update_layout(height=HEIGHT, title="IoU of each class, %", yaxis_range=(0, 100))


def confusion(result: Scored, classes: tuple[str, ...], shown: str = "") -> go.Figure:
    """The confusion matrix of the variant `shown`, else of the last one: rows the truth, columns the answer, in percent
    of the row."""
    name = shown or list(result.confusion)[-1]
    matrix = result.confusion[name]
    classes = unique(classes)
    share = 100 * matrix / matrix.sum(1, keepdims=True).clip(1)
    hover = "%{y} called %{x}: %{z:.1f} %, %{customdata:.0f} pixels<extra></extra>"
    heat = go.Heatmap(z=share, x=classes, y=classes, customdata=matrix, zmin=0, zmax=100, colorscale="Blues",
                      hovertemplate=hover)  # fmt: skip
    title = f"{name}: truth in rows, % of each row"
    return go.Figure(heat).update_layout(height=HEIGHT, title=title, yaxis_autorange="reversed")


def curves(x: Sequence[float], lines: Mapping[str, Sequence[float | str]], across: str, title: str) -> go.Figure:
    """Lines over x with a dot at each point; a value that is no number is left out."""
    traces = [go.Scatter(x=x, y=[v if isinstance(v, (int, float)) else None for v in y], name=name,
                         mode="lines+markers") for name, y in lines.items()]  # fmt: skip
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    return go.Figure(traces).update_layout(height=HEIGHT, title=title, xaxis_title=across, hovermode="x unified",
                                           legend=legend, xaxis_tickvals=list(x))  # fmt: skip
