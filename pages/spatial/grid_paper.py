"""The tabs of the sampling grid's page that hold the equation with live numbers, and the paper beside what is here."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.spatial.descent import reach
from engine.spatial.formulas import formula, to_pixel
from engine.spatial.sampling import explain
from engine.spatial.transforms import target_points
from pages.spatial.grid_seen import Seen


def live_formula(seen: Seen) -> None:
    """The equation with theta's numbers, and one output pixel followed through it."""
    st.latex(formula(seen.family, seen.theta))
    height, width = seen.rgb.shape[:2]
    left, right = st.columns(2)
    x = left.slider("Output column", 0, width - 1, width // 3, key="formula_x")
    y = right.slider("Output row", 0, height - 1, height // 3, key="formula_y")
    x_t, y_t = target_points(height, width, seen.sampling.align_corners)[y * width + x].tolist()
    found = explain(seen.rgb, seen.grid, x, y, seen.sampling)
    (x_s, y_s), (i, j) = found.normalised, found.index
    st.latex(rf"(x^t, y^t) = ({x_t:.3f},\ {y_t:.3f}) \;\mapsto\; (x^s, y^s) = ({x_s:.3f},\ {y_s:.3f}) "
             r"\quad\text{normalised, -1 to 1}")  # fmt: skip
    align = seen.sampling.align_corners
    st.latex(to_pixel(x_s, i, width, align) + r"\quad\text{pixels from the left, the first is 0}")
    st.latex(to_pixel(y_s, j, height, align, "y", "v") + r"\quad\text{pixels from the top}")
    terms = [n for n in found.neighbours if n.weight]
    red = " + ".join(rf"{n.weight:.3f} \cdot {n.value[0]}" for n in terms[:4]) + (r" + \dots" if terms[4:] else "")
    st.latex(rf"V_{{red}} = \sum_n \sum_m U_{{nm}}\, k(u - m)\, k(v - n) = {red} = {found.total[0]:.2f}")
    touched = np.count_nonzero(reach(seen.rgb, seen.grid, x, y, seen.sampling))
    st.caption(f"{seen.sampling.mode.capitalize()}, padding {seen.sampling.padding}. By autograd this output pixel has "
               f"a gradient at **{touched}** of {height * width:,} input pixels (slides 126-128).")  # fmt: skip


def paper() -> None:
    """Where this page follows the paper, and where it does not."""
    st.markdown(
        "| Jaderberg et al. 2015 | here |\n|---|---|\n"
        "| eq. 1: affine, 6 parameters; eq. 2: attention, 3 | the same, as matrix and as handles |\n"
        "| section 4.1: projective, 8; thin plate spline with 16 points | the same; the spline may be regularised |\n"
        "| a network predicts theta from the picture | your hand does; *Learn theta* lets gradients do it |\n"
        "| eq. 5: bilinear sampling, gradients in eq. 6 and 7 | `F.grid_sample`, which adds nearest and bicubic |\n"
        "| coordinates from -1 to 1; the border is not discussed | both conventions of -1 and 1, three paddings |\n"
        "| the output may have another size than the input | as large as the input |"
    )
    st.caption("Half pixels, paddings and the cubic kernel (a = -0.75) are PyTorch's; the browser draws while you drag "
               "and Python checks it on release.")  # fmt: skip
