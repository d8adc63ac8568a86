"""The tab about half a pixel: where -1 and 1 lie, what is read beyond the edge, and how pixels are weighed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
from plotly.subplots import make_subplots

from engine.spatial.sampling import MODES, PADDINGS, Sampling, explain, kernel, pixel_index, sampled
from engine.spatial.transforms import target_points
from pages.kit.keys import linked
from pages.kit.rooms import GRID
from pages.spatial.grid_seen import Seen

ACCENT = "#ff4b4b"
SIDE = 4  # pixels of the example
GREYS = np.array([40, 220, 120, 180])  # of its columns; each row is 10 darker than the one above
COLOURS = {"zeros": "#d55e00", "border": "#0072b2", "reflection": "#009e73",
           "nearest": "#d55e00", "bilinear": "#0072b2", "bicubic": "#009e73"}  # fmt: skip
CONVENTIONS = {False: "off: -1, 1 are outer edges", True: "on: -1, 1 are outer centres"}  # of align_corners


@st.fragment
def half_a_pixel(seen: Seen) -> None:
    """A picture of 4 x 4 pixels in both conventions, a place in it, the three paddings and the three kernels."""
    st.markdown("**Where is -1?** At the outer edge of the first pixel, or at its centre: with `align_corners` the "
                "same theta looks up to half a pixel further in, which is much on a small feature map. The picture has "
                "4 x 4 pixels here; mode and padding are those of the page.")  # fmt: skip
    left, right = st.columns(2)
    x = left.slider("Place x", -1.6, 1.6, -0.6, 0.01, **linked(GRID, "half_x"))
    y = right.slider("Place y", -1.6, 1.6, 0.3, 0.01, **linked(GRID, "half_y"))
    left, right = st.columns([1.5, 1])
    left.plotly_chart(_squares(x, y), key="half_squares", alt="Pixel centres of 4 x 4 pixels in both conventions")
    with right:
        _numbers(x, y, seen.sampling)
    left, right = st.columns(2)
    left.plotly_chart(_beyond(seen.sampling, x), key="half_beyond", alt="What each padding reads beyond the edge")
    right.plotly_chart(_kernels(), key="half_kernels", alt="Weight over distance: nearest, bilinear, bicubic")
    st.caption("All curves are `F.grid_sample`'s own answers. Zeros fade out over the last half pixel, since the "
               "neighbour beyond counts as black; the cubic weighs some below 0, so it can overshoot.")  # fmt: skip


def picture() -> np.ndarray:
    """(4, 4, 3) uint8: the example."""
    grey = GREYS[None] - 10 * np.arange(SIDE)[:, None]
    return np.repeat(grey[..., None], 3, -1).astype(np.uint8)


def _squares(x: float, y: float) -> go.Figure:
    """Both conventions beside each other: the pixels, their centres' coordinates, the frame from -1 to 1, the place."""
    figure = make_subplots(1, 2, subplot_titles=list(CONVENTIONS.values()))
    for column, align in enumerate(CONVENTIONS, 1):
        half = SIDE / (SIDE - 1) if align else 1.0  # the picture's outer edge, normalised
        edges = np.linspace(-half, half, SIDE + 1)
        at = {"row": 1, "col": column}
        for j, i in np.ndindex(SIDE, SIDE):
            grey = picture()[j, i, 0]
            figure.add_shape(type="rect", x0=edges[i], x1=edges[i + 1], y0=edges[j], y1=edges[j + 1], layer="below",
                             line_width=0.5, fillcolor=f"rgb({grey},{grey},{grey})", **at)  # fmt: skip
        figure.add_shape(type="rect", x0=-1, x1=1, y0=-1, y1=1, line={"color": ACCENT, "width": 2}, **at)
        centres = target_points(SIDE, SIDE, align).numpy()
        figure.add_scatter(x=centres[:, 0], y=centres[:, 1], mode="markers", marker={"size": 6, "color": "#0072b2"},
                           hovertemplate="centre (%{x:.3f}, %{y:.3f})<extra></extra>", **at)  # fmt: skip
        cross = {"size": 13, "symbol": "x", "color": ACCENT, "line": {"width": 1, "color": "white"}}
        figure.add_scatter(x=[x], y=[y], mode="markers", hoverinfo="skip", marker=cross, **at)
        figure.update_xaxes(tickvals=np.unique(centres[:, 0]), tickformat=".2f", col=column)
    figure.update_xaxes(range=(-1.65, 1.65), showgrid=False, zeroline=False, constrain="domain")
    figure.update_yaxes(range=(1.65, -1.65), visible=False, constrain="domain")
    figure.update_yaxes(scaleanchor="x", col=1).update_yaxes(scaleanchor="x2", col=2)
    return figure.update_layout(height=380, showlegend=False, margin={"t": 30, "b": 20, "l": 5, "r": 5})


def _numbers(x: float, y: float, sampling: Sampling) -> None:
    """The place in both conventions, and the neighbours of the page's own."""
    for align in CONVENTIONS:
        here = ", as on this page" if align == sampling.align_corners else ""
        i, j = (pixel_index(v, SIDE, align) for v in (x, y))
        st.markdown(f"align_corners {align}: pixel **({i:.2f}, {j:.2f})**{here}")
    found = explain(picture(), torch.tensor([[[x, y]]], dtype=torch.float64), 0, 0, sampling)
    st.dataframe([{"pixel": f"{n.x}, {n.y}", "weight": f"{n.weight:.3f}", "grey": n.value[0],
                   "supplied by": sampling.padding if n.padded else "picture"} for n in found.neighbours],
                 hide_index=True, height=180)  # fmt: skip
    st.markdown(f"{sampling.mode.capitalize()}, {sampling.padding}: weighted sum **{found.total[0]:.2f}**")


def _beyond(sampling: Sampling, x: float) -> go.Figure:
    """The top row read from left to right and beyond, with each padding."""
    row = torch.tensor(picture()[:1, :, 0]).double()[None, None]  # (1, 1, 1, 4)
    xs = torch.linspace(-1.6, 1.6, 361, dtype=torch.float64)
    grid = torch.stack([xs, torch.zeros_like(xs)], -1)[None, None]  # (1, 1, 361, 2)
    figure = go.Figure()
    for padding in PADDINGS:
        values = sampled(row, grid, replace(sampling, padding=padding))[0, 0, 0].numpy()
        width = 4 if padding == sampling.padding else 1.5
        figure.add_scatter(
            x=xs.numpy(), y=values, name=padding, mode="lines", line={"color": COLOURS[padding], "width": width}
        )
    figure.add_vline(x, line={"dash": "dot", "color": ACCENT})
    figure.add_vrect(-1, 1, fillcolor="grey", opacity=0.1, line_width=0)
    return figure.update_layout(height=280, margin={"t": 40, "b": 20}, xaxis_title="x",
                                title=f"The top row, {sampling.mode}, and beyond", yaxis_title="grey level",
                                hovermode="x unified")  # fmt: skip


def _kernels() -> go.Figure:
    """What a pixel counts over its distance, for each mode."""
    distances = np.linspace(-2.5, 2.5, 501)
    lines = [go.Scatter(x=distances, y=kernel(mode, distances), name=mode, mode="lines", line_color=COLOURS[mode])
             for mode in MODES]  # fmt: skip
    return go.Figure(lines).update_layout(height=280, title="Weight of a pixel over its distance",
                                          margin={"t": 40, "b": 20}, xaxis_title="pixels", yaxis_title="weight",
                                          hovermode="x unified")  # fmt: skip
