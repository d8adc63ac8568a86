"""The tab that follows one output pixel through the transformer: localisation, theta, grid, sample, in numbers."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch

from engine.spatial.distortions import DIGIT
from engine.spatial.formulas import formula, to_pixel
from engine.spatial.sampling import Sampling, explain
from engine.spatial.transforms import target_points
from pages.spatial.transformer_shown import Shown


def live_formula(shown: Shown) -> None:
    """The module's four stages with this digit's numbers."""
    if not shown.picture.any():
        st.info("There is no digit yet: draw or upload one, and its numbers stand here.")
        return
    transformer, read, size = shown.model.net.transformers[0], shown.reading, shown.model.task.size
    theta = tuple(read.theta[0][0].tolist())
    parameters = sum(p.numel() for p in transformer.localise.parameters())
    st.markdown(f"**1. Localisation network** · {parameters:,} weights turn {size} x {size} pixels into "
                f"{len(theta)} numbers.")  # fmt: skip
    st.latex(r"\theta = f_{\mathrm{loc}}(U) \in \mathbb{R}^{" + str(len(theta)) + "}")
    st.markdown("**2. Grid generator** · theta says where each output pixel is sampled (slides 119-122).")
    st.latex(formula(transformer.family, theta))
    row, column = np.unravel_index(read.crops[0][0, 0].argmax(), (DIGIT, DIGIT))  # begin where there is ink
    left, right = st.columns(2)
    x = left.slider("Output column", 0, DIGIT - 1, int(column), key="digit_x")
    y = right.slider("Output row", 0, DIGIT - 1, int(row), key="digit_y")
    rgb = np.repeat(np.rint(255 * shown.picture[0]).astype(np.uint8)[..., None], 3, 2)
    found = explain(rgb, torch.from_numpy(read.grids[0][0]).double(), x, y, Sampling())
    (x_t, y_t), (x_s, y_s), (i, j) = target_points(DIGIT, DIGIT)[y * DIGIT + x].tolist(), found.normalised, found.index
    st.latex(rf"(x^t, y^t) = ({x_t:.3f},\ {y_t:.3f}) \;\mapsto\; (x^s, y^s) = ({x_s:.3f},\ {y_s:.3f}) "
             r"\quad\text{normalised, -1 to 1}")  # fmt: skip
    st.latex(to_pixel(x_s, i, size, False) + r"\quad\text{pixels from the left, the first is 0}")
    st.latex(to_pixel(y_s, j, size, False, "y", "v") + r"\quad\text{pixels from the top}")
    st.markdown("**3. Sampler** · the four neighbours, weighed (slides 123-125).")
    terms = [n for n in found.neighbours if n.weight]
    mixed = " + ".join(rf"{n.weight:.3f} \cdot {n.value[0]}" for n in terms) or "0"
    st.latex(rf"V = \sum_n \sum_m U_{{nm}} \max(0, 1 - |u - m|) \max(0, 1 - |v - n|) = {mixed} = "
             rf"{found.total[0]:.1f}")  # fmt: skip
    chances = read.chances[0]
    st.markdown("**4. Classifier** · reads the 28 x 28 samples as if the digit had always stood so.")
    st.latex(r"p = \mathrm{softmax}(g(V)),\qquad " + r",\quad ".join(
        rf"p_{{{k}}} = {chances[k]:.4f}" for k in np.argsort(-chances)[:3]))  # fmt: skip
