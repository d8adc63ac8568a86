"""What the FCN page explains: the tabs below the picture."""

from __future__ import annotations

import streamlit as st

from engine import render
from engine.debug.answers import answer
from engine.segmentation import fcn, fcn_model
from engine.trace import Layer, Step, Trace
from pages.kit.page import code
from pages.kit.panels import beside_paper, breakdown, scored
from pages.kit.viewer import Pick
from pages.segmentation.fcn_controls import STRIDES

KEYS = ("pixel_accuracy", "class_accuracy", "mean_iou", "fw_iou")
# Long et al. 2015, table 2: a subset of PASCAL VOC 2011 validation, 21 classes
PAPER = {name: dict(zip(KEYS, figures, strict=True)) for name, figures in (
    ("FCN-32s", (89.1, 73.3, 59.4, 81.4)), ("FCN-16s", (90.0, 75.7, 62.4, 83.0)), ("FCN-8s", (90.3, 75.9, 62.7, 83.2)),
)}  # fmt: skip


def what_you_see(model, pick: Pick | None) -> None:
    """The claim in plain words, and what to try."""
    if not isinstance(model, fcn_model.FcnModel):
        st.markdown(f"**{model.card.title}**, {model.card.paper}. {model.card.summary} Compare its outlines with those "
                    "of our small models: the same picture, the same steps, other data.")  # fmt: skip
        return
    fields = model.fields
    st.markdown(
        f"A cell of the **stride-32** map covers 32 x 32 pixels, and what it says depends on {fields.s32.size:.0f} "
        f"x {fields.s32.size:.0f} pixels around it, its receptive field: enough to know *what* is there, too coarse to "
        f"say *where* it ends. The skips bring back maps with smaller cells and smaller fields ({fields.s16.size:.0f} "
        f"and {fields.s8.size:.0f} pixels a side): they know edges, not things. Added up, blobs get "
        "outlines.\n\n"
        "**Try:** mute *skip, stride 8* and watch thin things go · mute *stride 32* and see that edges without "
        "meaning are not enough · wipe *Learned upsampling* against *Labels* · choose the layer *adds, stride 8* and "
        "one class to see what the skip pushes up and down · click a pixel to see what its answer listens to."
    )
    if pick is not None:
        st.caption(f"The last step shows what the answer at x {pick.x:.0f}, y {pick.y:.0f} listens to: the gradient of "
                   "its top score. Compare its box with the field that the arithmetic allows.")  # fmt: skip


def formula(model, encoding, gains, pick: Pick | None) -> None:
    """The sum of the three strides with the numbers of one pixel."""
    h, w = encoding.rgb.shape[:2]
    x, y = (pick.x, pick.y) if pick else (w / 2, h / 2)
    best, *others = model.explain(encoding, gains, x, y)
    st.caption(f"At x {x:.0f}, y {y:.0f}" + ("" if pick else ", the middle; click the picture for another pixel"))
    st.latex(
        r"\begin{aligned} z_k &= B_{8}\Bigl(\underbrace{g_{32}\,U_{16}U_{32}s^{32}_k}_{\text{stride 32}} + "
        r"\underbrace{g_{16}\,U_{16}s^{16}_k}_{\text{stride 16}} + \underbrace{g_{8}\,s^{8}_k}_{\text{stride 8}}"
        r"\Bigr) \\"
        rf" z_{{\text{{{best.name}}}}} &= {best.parts[0]:.2f} {best.parts[1]:+.2f} {best.parts[2]:+.2f}"
        rf" = {best.logit:.2f},\qquad p = \frac{{e^{{z}}}}{{\sum_j e^{{z_j}}}} = {best.probability:.3f} \end{{aligned}}"
    )
    breakdown((best, *others), tuple(STRIDES.values()))
    st.caption(
        "s: the 1x1 score heads. U: the transposed convolutions, each twice as fine, which start bilinear and learn. "
        "B: the last enlargement, from stride 8 to each pixel, bilinear and not learned. g: the sliders."
    )


def all_labels(model, encoding) -> dict:
    """Labels (H, W) of each variant under the name that the page gives it."""
    return {named(model).format(name): answer(model, encoding, name).labels for name in model.scored}


def against_truth(model, encoding, settings, truth) -> None:
    """The figures of all variants, and the confusions of what stands in the picture."""
    variants, shown = with_shown(model, encoding, settings)
    scored(lambda: variants, truth, model.card.classes, shown)


def with_shown(model, encoding, settings) -> tuple[dict, str]:
    """`all_labels`, and the name there of what stands in the picture; other gains make one more row."""
    variants, gains = all_labels(model, encoding), settings.get("gains")
    if gains is None:
        return variants, named(model).format(model.usual)
    for name, usual in fcn.VARIANTS.items():
        if gains == usual:
            return variants, named(model).format(name)
    return {**variants, "gains as set": model.labels(encoding, **settings)}, "gains as set"


def named(model) -> str:
    """How the page names variants."""
    return "FCN-{}" if isinstance(model, fcn_model.FcnModel) else "{}"


def paper(model, encoding, truth) -> None:
    """The paper's figure 4 made again on this picture, and its table 2 beside our figures."""
    labels = all_labels(model, encoding)
    if truth is not None:
        labels["Ground truth"] = truth
    steps = tuple(Step(name, "", (Layer("labels", name, data),)) for name, data in labels.items())
    figure = Trace(encoding.rgb, {}, steps, model.card.classes, model.colours)
    for i, column in enumerate(st.columns(4)[: len(steps)]):
        column.image(render.render(figure, i, opacity=1.0), steps[i].title, width="stretch", output_format="JPEG")
    ours = {f"FCN-{name}": figures for name, figures in model.card.figures.get("variants", {}).items()}
    beside_paper(PAPER, ours, KEYS)
    st.caption("Paper: VGG-16 trunk, PASCAL VOC 2011, 21 classes, table 2. Here: EfficientNet-Lite0, our validation "
               f"pictures of {model.card.data}. Compare the order of the rows, not the columns.")  # fmt: skip


def source(model) -> None:
    """The code that made this picture."""
    if isinstance(model, fcn_model.FcnModel):
        code(fcn.FCN, fcn_model.FcnModel.trace, fcn.transposed_bilinear)
    else:
        code(type(model))
