"""What the tabs below the picture share: the truth, a pixel's logits in parts, the figures of the paper and ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from engine.debug.ground import remarks
from engine.metrics import BAND
from engine.segmentation.labelling import Reading
from engine.segmentation.scoring import score
from pages.kit import charts
from pages.kit.keys import linked
from pages.kit.page import FIGURES

IN_TRUTH, IN_EITHER = "mean IoU, classes in the truth", "mean IoU, classes in truth or answer"
SCORED = {key: words for name, text in FIGURES.items() for key, words in (
    (("mean_iou", IN_TRUTH), ("mean_iou_truth_or_prediction", IN_EITHER)) if name == "mean_iou" else ((name, text),)
)}  # of `engine.metrics.Scores` of one picture, in words  # fmt: skip
SHORT = {"pixel_accuracy": "pixel", "class_accuracy": "class", "mean_iou": "mean IoU", "fw_iou": "fw IoU",
         "boundary_accuracy": "near boundaries"}  # fmt: skip


def noted(notes: Iterable[str]) -> None:
    """What must be known of a truth before its figures are believed; plain text, for it names classes."""
    lines = list(notes)
    if lines:
        st.text("\n".join(lines))


@st.fragment
def scored(labels: Callable[[], Mapping[str, np.ndarray]], truth: np.ndarray, classes: tuple[str, ...],
           shown: str = "") -> None:  # fmt: skip
    """Each variant's labels (H, W) against the ground truth (H, W) of this picture: figures, IoU, confusion matrix.

    shown: the variant that stands in the picture, whose matrix this is; the last one if missing.
    """
    width = st.slider("Boundary width in pixels", 1, 20, int(BAND), **linked(None, "band"), width=320)
    called = dict(labels())
    result = score(truth, called, len(classes), width)
    noted(remarks(truth, classes, called[shown] if shown else list(called.values())[-1]))
    words = {**SCORED, "boundary_accuracy": f"near boundaries ({width} px)"}
    st.dataframe([{"": name, **{text: _percent(getattr(s, key)) for key, text in words.items()}}
                  for name, s in result.scores.items()], hide_index=True)  # fmt: skip
    left, right = st.columns(2)
    iou, confusion = charts.iou(result, classes), charts.confusion(result, classes, shown)
    left.plotly_chart(iou, key="iou_chart", alt="IoU of each class and variant")
    right.plotly_chart(confusion, key="confusion_chart", alt=f"Confusion matrix of {shown or 'the last variant'}")


def breakdown(readings: Sequence[Reading], parts: Sequence[str]) -> None:
    """The best classes of a pixel with what each of `parts` adds to their logits."""
    columns = decimals(logit=2, probability=3, **{f"{part} adds": 2 for part in parts})
    st.dataframe([{"class": r.name,
                   **{f"{part} adds": round(p, 2) for part, p in zip(parts, r.parts, strict=True)},
                   "logit": round(r.logit, 2), "probability": round(r.probability, 3)} for r in readings],
                 hide_index=True, column_config=columns)  # fmt: skip


def beside_paper(paper: Mapping[str, Mapping[str, float]], ours: Mapping[str, Mapping[str, float | None]],
                 keys: Sequence[str]) -> None:  # fmt: skip
    """A row for each variant of ours: the paper's figures in percent, where it has them, and ours (shares) beside."""
    rows = []
    for name, figures in ours.items():
        row = {"": name}
        row |= {f"paper, {SHORT[k]}": f"{paper[name][k]:.1f} %" for k in keys if k in paper.get(name, {})}
        row |= {f"here, {SHORT[k]}": f"{100 * figures[k]:.1f} %" for k in keys if figures.get(k) is not None}
        rows.append(row)
    st.dataframe(filled(rows), hide_index=True)


def filled(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table, each with all columns: an empty text where a row has none, which would read "None"."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    columns.sort(key=lambda name: name.startswith("here,"))  # the paper's before ours, whichever row has them first
    return [{name: row.get(name, "") for name in columns} for row in rows]


def decimals(**places: int) -> dict[str, Any]:
    """Columns of numbers, each with so many decimals in every row: 29.0 beside 39.8, not 29."""
    return {name: st.column_config.NumberColumn(format=f"%.{n}f") for name, n in places.items()}


def _percent(share: float) -> str:
    """A share in percent; empty where it is not known."""
    return "" if math.isnan(share) else f"{100 * share:.1f} %"
