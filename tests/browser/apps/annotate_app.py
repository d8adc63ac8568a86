"""A page on which one draws over a made-up picture, for the browser tests; the address says which case."""

import hashlib
import json

import numpy as np
import streamlit as st

from engine import palette
from engine.debug.polygons import Polygon, blank, rasterise
from pages.kit.annotate import annotate, drawn

CLASSES = ("sky", "tree", "<b>disc</b>")
H, W = 300, 400
case = st.query_params.get("case", "plain")
y, x = np.mgrid[:H, :W]
rgb = np.stack([60 + x // 4, 90 + y // 4, np.where(np.hypot(x - 200, y - 150) < 80, 220, 110)], -1).astype(np.uint8)
regions = y // 60 * 10 + (x + y // 3) // 80
corner = np.array([[20.25, 30.5], [120.75, 30.5], [120.75, 90.5], [20.25, 90.5]])

st.set_page_config(layout="wide")
st.markdown("#### Draw")
if case == "long":
    CLASSES = tuple(f"class {i}" for i in range(21))
if st.toggle("other page"):
    st.stop()
start = blank((H, W), (Polygon(1, corner),)) if case == "start" or st.toggle("load a file") else None
annotate(rgb, "test", CLASSES, palette.safe(len(CLASSES)), regions=None if case == "bare" else regions, start=start,
         send="Send it", live=case == "live")  # fmt: skip
last = drawn("test", rgb, CLASSES)
if last:
    labels = rasterise(last.drawing)
    found = {"n": last.n, "polygons": [[p.label, p.points.tolist()] for p in last.drawing.polygons],
             "counts": np.bincount(labels.ravel(), minlength=256)[[0, 1, 2, 255]].tolist(),
             "sha": hashlib.sha256(labels.tobytes()).hexdigest()}  # fmt: skip
    st.code(json.dumps(found), language=None)
