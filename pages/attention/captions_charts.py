"""The charts of the captions page (Plotly); the words in them are of the vocabulary, and escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages.attention.captions_sides import Side
from pages.kit.charts import HEIGHT

COLOURS = ("#0072b2", "#d55e00", "#009e73")  # Okabe and Ito: blue, vermilion, green
QUIET = "#9aa4b2"


def next_words(sides: Sequence[Side]) -> go.Figure:
    """Bars of the likeliest next words of each side, a frame for each word number; the slider is the browser's own."""
    figure = make_subplots(1, len(sides), subplot_titles=[_heading(side, 0) for side in sides])
    for i, side in enumerate(sides):
        figure.add_trace(_bars(side, 0), 1, i + 1)
    count = max(len(side.words) for side in sides)
    centres = [title.x for title in figure.layout.annotations]
    figure.frames = [
        go.Frame(name=str(t + 1), data=[_bars(side, t) for side in sides], layout={"annotations": [
            {"text": _heading(side, t), "x": x, "y": 1, "xref": "paper", "yref": "paper", "yanchor": "bottom",
             "showarrow": False} for side, x in zip(sides, centres, strict=True)]})
        for t in range(count)
    ]  # fmt: skip
    at_once = {"frame": {"duration": 0}, "mode": "immediate", "transition": {"duration": 0}}
    steps = [{"args": [[frame.name], at_once], "label": frame.name, "method": "animate"} for frame in figure.frames]
    figure.update_xaxes(range=(0, 1.3), tickvals=(0, 0.5, 1)).update_yaxes(visible=False, range=(-0.6, 9.6))
    slider = {"steps": steps, "pad": {"t": 30}, "currentvalue": {"prefix": "word "}}
    return figure.update_layout(height=HEIGHT + 60, showlegend=False, margin={"t": 50}, sliders=[slider])


def _bars(side: Side, t: int) -> go.Bar:
    """The likeliest words at word t, the likeliest on top, the told one in colour; none after the ending."""
    told = side.telling.words[t] if t < len(side.words) else None
    top = told.top[::-1] if told else ()
    labels = [f"{escape(side.model.word(i))}  {p:.3f}" for i, p in top]
    colours = [COLOURS[0] if i == told.word else QUIET for i, _ in top] if told else []
    return go.Bar(x=[p for _, p in top], y=list(range(len(top))), text=labels, textposition="outside",
                  orientation="h", marker_color=colours, cliponaxis=False, hoverinfo="text")  # fmt: skip


def _heading(side: Side, t: int) -> str:
    words = [escape(word) for word in side.words]
    if t >= len(words):
        return f"{side.kind}: ended"
    return f"{side.kind}: {' '.join(words[max(t - 5, 0) : t])} <b>{words[t]}</b>"


def bars(words: Sequence[str], series: Mapping[str, Sequence[float]], title: str) -> go.Figure:
    """Grouped bars, a group for each word of a caption in its order."""
    x = list(range(len(words)))
    traces = [go.Bar(name=name, x=x, y=list(y), marker_color=colour)
              for (name, y), colour in zip(series.items(), COLOURS, strict=False)]  # fmt: skip
    return go.Figure(traces).update_layout(
        height=HEIGHT, title=title, xaxis_tickvals=x, xaxis_ticktext=[escape(word) for word in words],
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"})  # fmt: skip


def sharpening(places: Sequence[float], entropies: Sequence[float], log_ps: Sequence[float]) -> go.Figure:
    """Mean entropy of alpha and mean log p of a word over the sharpness, from uniform over soft to argmax."""
    figure = make_subplots(specs=[[{"secondary_y": True}]])
    for name, y, right, colour in (("entropy of alpha", entropies, False, COLOURS[0]),
                                   ("log p of a word", log_ps, True, COLOURS[1])):  # fmt: skip
        figure.add_trace(go.Scatter(x=places, y=y, name=name, mode="lines+markers", line_color=colour),
                         secondary_y=right)  # fmt: skip
    figure.update_yaxes(title="nats", secondary_y=False).update_yaxes(
        title="nats", showgrid=False, tickformat=".2f", secondary_y=True
    )
    return figure.update_layout(height=HEIGHT, hovermode="x unified", xaxis_tickvals=(0, 1, 2),
                                xaxis_ticktext=("uniform", "soft", "argmax"),
                                legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"})  # fmt: skip


def similarity(matrix: np.ndarray, words: Sequence[str], kind: str) -> go.Figure:
    """(T, T) cosines between the maps of the words of a caption."""
    ticks = {"tickvals": list(range(len(words))), "ticktext": [escape(word) for word in words]}
    heat = go.Heatmap(z=matrix, zmin=0, zmax=1, colorscale="Viridis")
    return go.Figure(heat).update_layout(height=HEIGHT, title=f"{kind}: cosine between maps", xaxis=ticks,
                                         yaxis={**ticks, "autorange": "reversed"})  # fmt: skip
