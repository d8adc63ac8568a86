"""What the multi-scale page explains: the tabs below the picture."""

from __future__ import annotations

import streamlit as st

from engine.segmentation import multiscale, parsing, tree
from engine.segmentation.multiscale_model import NAMES, Encoding, Gains, MultiScaleModel
from pages.kit.page import FIGURES
from pages.kit.panels import beside_paper, breakdown
from pages.kit.viewer import Pick

# Farabet et al. 2013, table 1: Stanford Background, eight classes; pixel and class accuracy
PAPER = {
    "single scale": {"pixel_accuracy": 66.0, "class_accuracy": 56.5},
    "multi-scale": {"pixel_accuracy": 78.8, "class_accuracy": 72.4},
    "superpixels": {"pixel_accuracy": 80.4, "class_accuracy": 74.6},
    "cover": {"pixel_accuracy": 80.4, "class_accuracy": 75.2},
}


def what_you_see(model: MultiScaleModel, pick: Pick | None) -> None:
    """The claim in plain words, and what to try."""
    fields = [f"{field.size:.0f}" for field in model.fields]
    st.markdown(
        f"**One network, three sizes of the picture.** The weights are the same; only the picture shrinks, so a cell "
        f"sees {fields[0]}, {fields[1]} and {fields[2]} pixels of it. Octave 1 knows edges, octave 1/4 knows the "
        "scene. Their scores are enlarged and added. Superpixels then give each patch of colour one label, and a tree "
        "of regions lets large pure regions overrule small doubtful ones.\n\n"
        "**Try:** mute *octave 1/4* and watch the scene fall apart · step *Octave 1* to *Octave 1/4* with the arrow "
        "keys, each as the network sees it · open *Who decided* · wipe *Sum* against *Superpixels* · on *Tree* drag "
        "the level from one region to hundreds, click a region, and climb with *p* · click a pixel to see how far "
        "each octave really listens."
    )
    if pick is not None:
        st.caption(f"The last step shows what x {pick.x:.0f}, y {pick.y:.0f} listens to at each octave: the gradient, "
                   "not the arithmetic.")  # fmt: skip


def formula(model: MultiScaleModel, encoding: Encoding, gains: Gains, pick: Pick | None) -> None:
    """The sum over octaves with the numbers of one pixel, and the rule of the cover."""
    h, w = encoding.rgb.shape[:2]
    x, y = (pick.x, pick.y) if pick else (w / 2, h / 2)
    best, *others = model.explain(encoding, gains, x, y)
    one, half, quarter = best.parts
    st.caption(f"At x {x:.0f}, y {y:.0f}" + ("" if pick else ", the middle; click the picture for another pixel"))
    st.latex(
        r"\begin{aligned} z_k &= \sum_{s \in \{1, 2, 4\}} g_s\, u_s\!\left(w_{s,k} \cdot f_\theta(X_s)\right) \\"
        rf" z_{{\text{{{best.name}}}}} &= {one:.2f} {half:+.2f} {quarter:+.2f} = {best.logit:.2f},\qquad"
        rf" p = \frac{{e^{{z}}}}{{\sum_j e^{{z_j}}}} = {best.probability:.3f} \end{{aligned}}"
    )
    breakdown((best, *others), NAMES)
    st.caption("X: the picture shrunk by s. f: the network, the same weights θ for each s. w: the linear classifier's "
               "share for octave s. u: enlarging, s times. g: 1, or 0 where muted.")  # fmt: skip
    st.latex(
        r"k^*(i) = \arg\min_{k \,\in\, \text{path from } i \text{ to the root}} S_k,\qquad S_k = -\sum_c \hat d_{k,c} "
        r"\log \hat d_{k,c}"
    )
    st.caption("Each superpixel i takes the class of the purest region above it; d: the mean class probabilities in "
               "region k; S: its impurity, shown for the region that you click on the step Tree. The path ends where "
               "two regions meet at a strong boundary: small things in large pure ones are not lost.")  # fmt: skip


def paper(model: MultiScaleModel) -> None:
    """The paper's figures on the same data, and ours."""
    beside_paper(PAPER, model.card.figures.get("variants", {}),
                 ("pixel_accuracy", "class_accuracy", "boundary_accuracy"))  # fmt: skip
    st.caption(f"Both on Stanford Background; the paper: five-fold, its best 81.4 % and 76.0 % with a random field on "
               f"gPb regions. Here: {model.card.figures.get('images', '?')} pictures of our own validation split; "
               f"{FIGURES['boundary_accuracy']} is ours alone. For its cover the paper learns a classifier of "
               "regions and looks up to the root; here a region's distribution is the mean of its pixels', and strong "
               "boundaries end the path.")  # fmt: skip


def ran(model: MultiScaleModel) -> tuple:
    """What made this picture."""
    return (type(model.network), multiscale.Pyramid, MultiScaleModel.trace, parsing.region_steps, tree.Tree.cover)
