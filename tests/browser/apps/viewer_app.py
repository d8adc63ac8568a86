"""A page with one viewer on a made-up Trace, for the browser tests; the address says which case."""

from functools import cache

import numpy as np
import streamlit as st

from engine import palette
from engine.trace import Layer, Step, Table, Trace
from pages.kit.viewer import viewer, viewer_panel

EVIL = "<img src=x onerror=window.hacked=1>"
CLASSES = ("sky", "tree", "water", EVIL)
SIZES = {"portrait": (640, 400), "panorama": (180, 900), "small": (60, 90)}


def picture(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    waves = 0.5 + 0.5 * np.sin(18 * x) * np.cos(14 * y)
    return np.stack([60 + 150 * x, 80 + 120 * y, 90 + 120 * waves], -1).astype(np.uint8)


def logits(rows: int, columns: int, sharp: float) -> np.ndarray:
    """(4, rows, columns): sky above, tree left below, water right below, the last class in a disc."""
    y, x = (np.mgrid[:rows, :columns] + 0.5) / np.array([rows, columns]).reshape(2, 1, 1)
    disc = 0.18 - np.hypot(x - 0.72, y - 0.3)
    low = y - 0.5
    return (sharp * np.stack([-low, np.minimum(low, 0.5 - x), np.minimum(low, x - 0.5), 2 * disc])).astype(np.float32)


@cache
def trace(case: str, strength: float = 1.0) -> Trace:
    height, width = SIZES.get(case, (427, 640))
    coarse, fine = logits(14, 20, 9.0) * strength, logits(54, 80, 30.0) * strength
    skip = fine[:, ::2, ::2] - 3 * logits(27, 40, 9.0)
    grid = Layer("cells", "cells of stride 32", np.array([14, 20]),
                 attributes={"stride": width / 20, "field": 97.0, "centre": width / 40})  # fmt: skip
    wrong = np.zeros((height, width), bool)
    wrong[: height // 4, : width // 4] = True
    shapes = (
        Layer("boxes", "a box", np.array([[20.0, 20, width / 2, height / 2]])),
        Layer("points", "two points", np.array([[30.0, 40], [width - 40, height - 30]])),
        Layer("lines", "a stroke", np.array([[10.0, 10], [60, 90], [np.nan, np.nan], [90, 20], [140, 120]])),
        Layer("mask", "wrong pixels", wrong),
    )
    table = Table(("class", "pixels", "IoU"), (("sky", 120_000, 0.91), (EVIL, 3, float("nan"))))
    steps = (
        Step("image", "This is the picture, 640 pixels wide."),
        Step("scores, stride 32", "The deep map knows what but not where: 14 x 20 cells.",
             (Layer("labels", "scores", coarse, unit="logit"), grid)),
        Step(f"+ stride 16 {EVIL}", f"The skip adds finer where. {EVIL}",
             (Layer("labels", "scores", coarse + 0.2 * logits(14, 20, 30), unit="logit"),
              Layer("heat", "what the skip adds", skip, range=(-4.0, 4.0), unit="logit"))),
        Step("+ stride 8", "With the finest skip the borders are sharp.",
             (Layer("labels", "scores", fine, unit="logit"),), table),
        Step("shapes", "Boxes, points, strokes and a mask.", shapes),
        Step("labels", "The answer as a label map.", (Layer("labels", "labels", fine.argmax(0).astype(np.uint8)),)),
    )  # fmt: skip
    return Trace(picture(height, width), {"name": "fcn test"}, steps, CLASSES, palette.voc(5)[1:])


st.set_page_config(layout="wide")
st.markdown("#### Viewer")
case = st.query_params.get("case", "plain")
strength = 2.0 if st.button("ask again") else 1.0
if "narrow" in case:
    st.write("narrow")
if case == "panel":
    left, right = st.columns([2, 1])
    with left:
        picked = viewer(trace(case, strength), "test", start=3)
    with right:
        viewer_panel("test")
else:
    picked = viewer(trace(case, strength), "test", picks=case == "picks", start=3)
st.text(f"picked: {picked}")
