"""What the page that compares explains below the picture: shares, figures, who is right, and what ran."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from engine.debug import compare as engine
from engine.debug import compare_steps
from engine.debug.compare import OUTCOMES, Judged
from engine.debug.ground import remarks
from engine.debug.onnx_spec import unique
from engine.segmentation.scoring import Scored, score
from pages.debug.compare_sides import Found, Side, answers
from pages.kit import charts
from pages.kit.page import code
from pages.kit.panels import SCORED, decimals, noted
from pages.kit.rooms import ROOT, TRUTH

A_COLOUR, B_COLOUR = "#2166ac", "#d95f02"  # as the signed scale of the viewer


def what_you_see(found: Found) -> None:
    """The claim in plain words, the numbers that matter most, and what to try."""
    comparison, judged = found.comparison, found.judged
    st.markdown(
        "**One number hides where two models differ.** Drag the line: A lies left of it, B right. *They differ* shows "
        "every pixel that they name differently, *Who is surer* whose probability is higher"
        + (", *Who is right* what the truth says." if judged else ".")
    )
    numbers = {"differ, % of the picture": f"{100 * comparison.differ.mean():.1f}",
               "B is surer, % of the picture": f"{100 * (comparison.surer > 0).mean():.1f}"}  # fmt: skip
    if judged:
        numbers |= {f"{name}, %": f"{100 * share:.1f}" for name, share in zip(OUTCOMES, judged.shares, strict=True)}
    for column, (name, value) in zip(st.columns(len(numbers)), numbers.items(), strict=True):
        column.metric(name, value)
    st.text(comparison.common.sentence)
    st.markdown("**Try:** zoom into a border and wipe across it · take another *variant* of the same model as B · let "
                "*B look at* another picture · choose *Side by side* and step through both at once.")  # fmt: skip


def against_truth(found: Found) -> None:
    """Figures of both, the change of IoU of each class, and both confusion matrices."""
    judged, classes = found.judged, found.comparison.common.classes
    if judged is None:
        no_truth()
        return
    left, right = st.columns([1.25, 1.3], gap="small")
    with left:
        figures(judged.scored)
        noted(remarks(judged.truth, classes))
    right.plotly_chart(change(judged, classes), key="compare_change", alt="Change of IoU of each class from A to B")
    share = (100 * judged.counts / judged.counts.sum(1, keepdims=True).clip(1)).round(1)
    by_class = dict(zip((f"{name}, %" for name in OUTCOMES), share.T, strict=True))
    st.dataframe({"true class": classes, **by_class}, hide_index=True,
                 column_config=decimals(**dict.fromkeys(by_class, 1)))  # fmt: skip
    for column, name in zip(st.columns(2), "AB", strict=True):
        one = Scored({name: judged.scored.scores[name]}, {name: judged.scored.confusion[name]})
        column.plotly_chart(charts.confusion(one, _shown(classes)), key=f"compare_confusion_{name}",
                            alt=f"Confusion matrix of {name}")  # fmt: skip


def change(judged: Judged, classes: Sequence[str]) -> go.Figure:
    """Bars: IoU of B minus that of A, in points of percent; the classes that change most first."""
    delta = 100 * judged.change
    order = [int(k) for k in np.argsort(-np.abs(delta)) if np.isfinite(delta[k])]
    values = delta[order]
    iou = [[100 * judged.scored.scores[name].iou[k] for k in order] for name in "AB"]
    hover = "%{x}: A %{customdata[0]:.1f} %, B %{customdata[1]:.1f} %, %{y:+.1f}<extra></extra>"
    bars = go.Bar(x=[_shown(classes)[k] for k in order], y=values, customdata=np.transpose(iou).reshape(-1, 2),
                  marker_color=[B_COLOUR if v > 0 else A_COLOUR for v in values], hovertemplate=hover)  # fmt: skip
    title = "IoU of B minus A, points of %"
    return go.Figure(bars).update_layout(height=charts.HEIGHT, title=title)


def _shown(classes: Sequence[str]) -> tuple[str, ...]:
    """Names of classes for a chart: harmless, and each once, since bars of one name would stand on one another."""
    return tuple(map(escape, unique(classes)))


def figures(scored: Scored) -> None:
    """The figures of A and of B, and B minus A."""
    a, b = (scored.scores[name] for name in "AB")
    values = {words: (getattr(a, key), getattr(b, key)) for key, words in SCORED.items()}
    st.dataframe([{"": words, "A": f"{100 * x:.1f} %", "B": f"{100 * y:.1f} %", "B - A": f"{100 * (y - x):+.1f}"}
                  for words, (x, y) in values.items()], hide_index=True)  # fmt: skip


def shares(sides: Sequence[Side]) -> None:
    """Of two pictures or models that share no pixels or classes: what share each class has, side by side."""
    bars = []
    for side, answer, colour in zip(sides, answers(sides), (A_COLOUR, B_COLOUR), strict=True):
        share = 100 * np.bincount(answer.labels.ravel(), minlength=len(answer.classes)) / answer.labels.size
        bars.append(go.Bar(name=side.who, x=_shown(answer.classes), y=share, marker_color=colour))
    figure = go.Figure(bars).update_layout(height=charts.HEIGHT, title="Share of each class, % of its picture")
    st.plotly_chart(figure, key="compare_shares", alt="Share of each class in both pictures")


def truths(sides: Sequence[Side]) -> None:
    """Of two pictures: each answer against its own truth."""
    known = [(s, x, s.truth) for s, x in zip(sides, answers(sides), strict=True) if s.truth is not None]
    if not known:
        no_truth()
    for column, (side, answer, truth) in zip(st.columns(max(1, len(known))), known, strict=False):
        scored, names = score(truth, {side.who: answer.labels}, len(answer.classes)), _shown(answer.classes)
        column.plotly_chart(charts.iou(scored, names), key=f"compare_iou_{side.who}", alt=f"IoU of {side.who}")
        column.plotly_chart(charts.confusion(scored, names), key=f"compare_confusion_{side.who}",
                            alt=f"Confusion matrix of {side.who}")  # fmt: skip


def no_truth() -> None:
    """Nobody labelled this picture: what to do."""
    st.info("Nobody has said what is in this picture in these classes, so nobody can say who is right.")
    st.page_link(ROOT / TRUTH.path, label="Draw or upload a ground truth", icon=TRUTH.icon)


def source() -> None:
    """The code of the engine that compared."""
    code(engine.common, engine.compare, engine.Comparison, engine.judge, compare_steps.trace)
