"""The tab of curves: what networks answer, and what a transformer undoes, against the true angle, scale or shift."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from engine.spatial.curves import TRAINED, Curve, curve, tried
from engine.spatial.digits_model import DigitModel
from engine.spatial.samples import samples
from pages.kit import models
from pages.kit.keys import linked
from pages.kit.rooms import TRANSFORMER
from pages.spatial.transformer_shown import FAMILIES

UNITS = {"angle": "angle, degrees", "scale": "scale", "shift": "shift to the right, pixels"}
WITH, WITHOUT, GREY = "#0072b2", "#d55e00", "#9aa4b2"  # Okabe and Ito: blue, vermilion


@st.fragment
def angles(model: DigitModel, plain: DigitModel | None) -> None:
    """Ask what to vary; show error, undone quantity, and how well the transformer follows."""
    task = model.task.name
    known = TRAINED[task]
    name = st.segmented_control("Vary", list(UNITS), default=next(iter(known)), **linked(TRANSFORMER, "vary"),
                                required=True)  # fmt: skip
    found, other = _curve(name, model), plain and _curve(name, plain)
    family = FAMILIES[model.net.layout.family]
    st.plotly_chart(_figure(found, other, known.get(name), family), key="angle_curves",
                    alt="Error and what the transformer undoes")  # fmt: skip
    st.markdown(said(found, other, known.get(name)))
    st.caption("100 sample digits at each value. At the right: what theta's affine part makes of each digit, relative "
               "to the same digit untouched (circular mean for angles); the band is one standard deviation over the "
               "digits. On the dotted line all of it is undone. Shaded: the range of the training.")  # fmt: skip


def _curve(name: str, model: DigitModel) -> Curve:
    every = samples()
    return models.told(("curve", model.card.name, name), lambda tell: curve(
        model, every.images, every.labels, name, tried(name, model.task), tell),
        f"{model.card.title} is asked about {len(every.labels)} digits at each {name} ...")  # fmt: skip


def said(found: Curve, other: Curve | None, trained: tuple[float, float] | None) -> str:
    """What the curves say within the trained range, in one or two sentences."""
    if trained is None:
        return f"This task does not vary the {found.name}: all of it is new to both networks."
    inside = (found.values >= trained[0]) & (found.values <= trained[1])
    words = f"Within the trained range the transformer's network is wrong on {_mean(found.error[inside])}"
    if other is not None:
        words += f", the plain CNN on {_mean(other.error[inside])}"
        if not inside.all():
            words += f"; beyond it on {_mean(found.error[~inside])} and {_mean(other.error[~inside])}"
    slope = np.polyfit(found.values[inside], found.undone[inside], 1)[0]
    return f"{words}. Theta undoes **{100 * slope:.0f} %** of a change in {found.name} there (slope at the right)."


def _mean(error: np.ndarray) -> str:
    return f"**{100 * error.mean():.1f} %**"


def _figure(found: Curve, other: Curve | None, trained: tuple[float, float] | None, family: str) -> go.Figure:
    """Left: error in percent. Right: what the transformer undoes, with the diagonal."""
    figure = make_subplots(1, 2, subplot_titles=("Error, %", f"What theta undoes: {UNITS[found.name]}"))
    x = found.values
    for one, name, colour in ((found, family, WITH), (other, "plain CNN", WITHOUT)):
        if one is not None:
            figure.add_trace(
                go.Scatter(
                    x=x,
                    y=100 * one.error,
                    name=name,
                    line_color=colour,
                    customdata=one.chance,
                    hovertemplate="%{y:.0f} %, chance of the truth %{customdata:.2f}",
                ),
                1,
                1,
            )
    upper, lower = found.undone + found.spread, found.undone - found.spread
    figure.add_trace(go.Scatter(x=[*x, *x[::-1]], y=[*upper, *lower[::-1]], fill="toself", line_width=0, opacity=0.25,
                                fillcolor=WITH, hoverinfo="skip", showlegend=False), 1, 2)  # fmt: skip
    figure.add_trace(go.Scatter(x=x, y=found.undone, name=f"{family}, undone", line_color=WITH, showlegend=False), 1, 2)
    figure.add_trace(go.Scatter(x=x, y=x, name="all of it", line={"color": GREY, "dash": "dot"}), 1, 2)
    if trained is not None:
        figure.add_vrect(*trained, fillcolor=GREY, opacity=0.15, line_width=0)
    figure.update_xaxes(title=UNITS[found.name]).update_yaxes(range=(-2, 102), col=1)
    legend = {"orientation": "h", "y": 1.1, "yanchor": "bottom", "x": 0}
    return figure.update_layout(height=360, hovermode="x unified", legend=legend, margin={"t": 70, "b": 50})
