"""What the page of recurrent refinement explains: the tabs below the picture."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.segmentation.recurrent import PASSES, Recurrent, fed_back
from engine.segmentation.recurrent_model import Encoding, RecurrentModel, Run
from engine.segmentation.scoring import score
from pages.kit import charts
from pages.kit.panels import IN_TRUTH, beside_paper, decimals
from pages.kit.viewer import Pick

# Pinheiro and Collobert 2014, table 2: Stanford Background, the network of three instances; pixel and class accuracy
PAPER = {f"iteration {PASSES}": {"pixel_accuracy": 80.2, "class_accuracy": 69.9}}
SCORES = {"pixel_accuracy": "pixel accuracy", "mean_iou": IN_TRUTH, "boundary_accuracy": "near boundaries"}


def what_you_see(model: RecurrentModel, pick: Pick | None) -> None:
    """The claim in plain words, and what to try."""
    first, last = model.field(1).size, model.field(PASSES).size
    st.markdown(
        f"**The same network, the same weights, again and again.** Pass 1 gets the picture and an empty answer, and a "
        f"cell sees {first:.0f} pixels. Each pass after it also gets what was answered around, so what a cell knows "
        f"comes from further away: {last:.0f} pixels after pass {PASSES}.\n\n"
        "**Try:** step the passes with the arrow keys and watch the layer *changed by this pass* shrink · start from "
        "a *wrong* or a *noisy* answer and see how many passes it takes to recover · ask for twelve passes · press "
        "*b*, paint a wrong label, *Go on from here*, and see whether the network believes you · click a pixel to see "
        "what each pass listens to."
    )
    if pick is not None:
        st.caption(f"The last step shows what x {pick.x:.0f}, y {pick.y:.0f} listens to: the gradient, a box for each "
                   "pass, not the arithmetic.")  # fmt: skip


def curves(model: RecurrentModel, encoding: Encoding, run: Run, truth: np.ndarray | None) -> None:
    """What each pass changed, how sure it is and, where there is a ground truth, how right."""
    table = model.curve(run)
    passes, moved, entropy = (list(column) for column in zip(*table.rows, strict=True))
    left, right = st.columns(2)
    undecided = [100 * e / np.log(len(model.card.classes)) for e in entropy]
    left.plotly_chart(charts.curves(passes, {"changed": moved, "undecided (entropy / ln K)": undecided}, "Pass",
                                    "Does it settle? %"), key="settles",
                      alt="Share of the picture that each pass changed, and mean entropy")  # fmt: skip
    if truth is None:
        right.caption("Whether it gets better can be measured where there is a ground truth: choose a drawn scene.")
        return
    result = score(truth, model.all_labels(encoding, run), len(model.card.classes))
    lines = {words: [100 * getattr(s, key) for s in result.scores.values()] for key, words in SCORES.items()}
    right.plotly_chart(charts.curves(passes, lines, "Pass", "Does it get better? %"), key="betters",
                       alt="Accuracy and IoU of each pass against the ground truth")  # fmt: skip


def formula(model: RecurrentModel, encoding: Encoding, run: Run, pick: Pick | None) -> None:
    """The recurrence with the numbers of one pixel."""
    h, w = encoding.rgb.shape[:2]
    x, y = (pick.x, pick.y) if pick else (w / 2, h / 2)
    st.caption(f"At x {x:.0f}, y {y:.0f}" + ("" if pick else ", the middle; click the picture for another pixel"))
    st.latex(
        r"z^{t} = W_2\,\rho\!\left(W_1\,\rho\!\left(\varphi(I) + c\!\left(y^{t-1} - \tfrac{1}{K}\right)\right)\right),"
        r"\qquad y^{t}_k = \frac{e^{z^t_k}}{\sum_j e^{z^t_j}}"
    )
    rows = []
    for t, logits in enumerate(run.logits, 1):
        best = model.readings([logits], encoding.rgb, x, y, 1)[0]
        rows.append({"pass": t, "class": best.name, "logit": round(best.logit, 2), "y": round(best.probability, 3)})
    st.dataframe(rows, hide_index=True, column_config=decimals(logit=2, y=3))
    st.caption("φ: what the trunk sees of the picture, the same in each pass and computed once. c: four dilated "
               "convolutions over the last answer y. W: 1x1 convolutions. ρ: ReLU. K: the number of classes, so that "
               "an empty answer is zero.")  # fmt: skip


def paper(model: RecurrentModel) -> None:
    """The paper's figures on the same data, and ours."""
    beside_paper(PAPER, model.card.figures.get("variants", {}),
                 ("pixel_accuracy", "class_accuracy", "boundary_accuracy"))  # fmt: skip
    st.caption("Both on Stanford Background; the paper: five-fold, a network of its own from scratch. Here: "
               f"{model.card.figures.get('images', '?')} pictures of our own validation split, pretrained features. In "
               "the paper the picture shrinks from pass to pass and each pass runs the whole network; here the layers "
               "that see only the picture run once.")  # fmt: skip


def ran(model: RecurrentModel) -> tuple:
    """What made this picture."""
    return (Recurrent, fed_back, RecurrentModel.run)
