"""What the patches page explains: the tabs below the picture, but for `patches_price`."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.runs import Tell
from engine.segmentation import patchwise, stitching
from engine.segmentation.patches import STRIDE, WINDOWS, Patches
from engine.segmentation.patches_model import Encoding, PatchesModel
from engine.segmentation.scoring import score
from engine.segmentation.stitching import COARSE, DENSE, PATCH_BY_PATCH, STITCHED, WAYS
from pages.kit import charts, queue
from pages.kit.page import code
from pages.segmentation.patches_price import in_words, runs_of

SCORES = {
    "pixel_accuracy": "pixels",
    "class_accuracy": "mean over classes",
    "boundary_accuracy": "near boundaries",
}


def what_you_see(encoding: Encoding, window: int) -> None:
    """The claim in plain words, and what to try."""
    h, w = encoding.seen.shape[:2]
    st.markdown(
        f"**Cut a window out, name the pixel in its middle, repeat everywhere:** {h * w:,} windows of {window} x "
        f"{window} pixels here, which share almost all of what they see. Run the same weights over the whole picture "
        "and all answers come **in one pass**, the same to the last digits.\n\n"
        f"The network pools twice, so a plain pass gives one answer for {STRIDE} x {STRIDE} pixels. Shift the input by "
        "single pixels, interleave the 16 coarse outputs, and each pixel has its own again. Filters with holes "
        "(*à trous*) give the same for less.\n\n"
        "**Try:** click the picture, or slide x with the arrow keys, and watch the patch and its class · take the "
        "smallest window and see what colour and texture alone can tell · run *Same answer, other price* · step from "
        "*Coarse output* to *Stitched* · wipe *Coarse output*, smooth, against *All pixels at once*."
    )


def how_large(model: PatchesModel, encoding: Encoding, window: int, truth: np.ndarray | None) -> None:
    """Accuracy against the size of the window: on our validation pictures, and on this one where the truth is known."""
    left, right = st.columns(2)
    variants = model.card.figures.get("variants", {})
    if variants:
        images = model.card.figures.get("images", "our")
        left.plotly_chart(_curve(variants, window, f"{images} validation pictures, %"), key="window_curve",
                          alt="Accuracy against the size of the window")  # fmt: skip
    else:
        left.caption("This model was not scored on validation pictures.")
    if truth is None:
        right.caption("On a picture whose truth is known the same curve appears here: choose a drawn scene.")
    else:
        result = score(truth, model.all_labels(encoding), len(model.card.classes))
        figures = {name: {key: getattr(s, key) for key in SCORES} for name, s in result.scores.items()}
        right.plotly_chart(_curve(figures, window, "This picture, %"), key="window_curve_here",
                           alt="Accuracy on this picture against the size of the window")  # fmt: skip
    holes = [layer.dilation[0] for layer in model.network.later[: WINDOWS.index(window)]]
    rest = f" + {2 * STRIDE} \\cdot ({' + '.join(map(str, holes))})" if holes else ""
    st.latex(rf"W = 1 + 4 + 2 + 2 \cdot 4 + 2 \cdot 2{rest} = {window}")
    st.caption("A 5x5 convolution and a 3x3 pooling, both again at stride 2, then 3x3 convolutions at stride 4, each "
               "with twice the dilation of the last. The lecture is not sure how large a window must be: of the order "
               "of a hundred pixels or more (slides 27-28). A larger window is also read from a deeper layer, so the "
               "curve shows both together.")  # fmt: skip


def _curve(figures: dict[str, dict[str, float]], window: int, title: str):
    """Lines over the windows, on a logarithmic axis; the present one marked."""
    lines = {words: [_percent(figures.get(f"window {w}", {}).get(key)) for w in WINDOWS]
             for key, words in SCORES.items()}  # fmt: skip
    figure = charts.curves(WINDOWS, lines, "Window, pixels", title)
    figure.update_xaxes(type="log", tickvals=WINDOWS, ticktext=[str(w) for w in WINDOWS])
    return figure.add_vline(window, line={"dash": "dot", "color": "grey"})


def _percent(value: float | None) -> float | str:
    return "" if value is None else round(100 * value, 1)


@st.fragment
def stitch(model: PatchesModel, encoding: Encoding, window: int, truth: np.ndarray | None, key: str) -> None:
    """What each way to an answer for every pixel costs, and what it is worth. key: of the picture."""
    times = st.session_state.setdefault("patches_times", {})

    def timed(tell: Tell) -> dict[str, float]:
        known: dict[str, float] = {}
        for name, seconds in model.timed(encoding, window):
            known[name] = seconds
            tell(len(known), len(WAYS))
        return known

    if st.button("Time them here", icon=":material/timer:", key="time_ways"):
        times[key, window] = queue.told(timed, "Running each way twice ...")
    stitched = queue.run(lambda: model.stitched(encoding, window), "One pass for each shift ...")
    costs, taken = model.multiply_adds(encoding, window), dict(times.get((key, window), {}))
    apart = {DENSE: "", COARSE: "another answer", STITCHED: f"{stitched.difference:.1g}"}
    if window in runs_of(key):
        taken[PATCH_BY_PATCH] = runs_of(key)[window].whole
        apart[PATCH_BY_PATCH] = f"{runs_of(key)[window].difference:.1g}"
    right = _right(model, encoding, window, truth)
    st.dataframe([{"": name, "multiply-adds": f"{cost / 1e9:,.1f} G", "of à trous": f"{cost / costs[DENSE]:,.2f} times",
                   "time here": in_words(taken[name]) if name in taken else "", "difference": apart.get(name, ""),
                   **(right[name == COARSE] if right else {})}
                  for name, cost in sorted(costs.items(), key=lambda item: item[1])], hide_index=True)  # fmt: skip
    st.caption(
        "Multiply-adds of the convolutions for the whole picture and this window. Difference: the largest between "
        "logits and those of the dense pass (à trous). Upsampling a coarse map costs a fraction, and the networks that "
        "came after learn it (slides 39-43). Patch by patch is timed under *Same answer, other price*."
    )


def _right(model: PatchesModel, encoding: Encoding, window: int, truth: np.ndarray | None) -> list[dict[str, str]]:
    """How right the dense answer is, which all ways but one give, and the coarse one; nothing without a truth."""
    if truth is None:
        return []
    labels = {DENSE: model.labels(encoding, window), COARSE: model.bilinear_labels(encoding, window)}
    return [{"pixels right": f"{100 * s.pixel_accuracy:.1f} %", "boundaries": f"{100 * s.boundary_accuracy:.1f} %"}
            for s in score(truth, labels, len(model.card.classes)).scores.values()]  # fmt: skip


def source() -> None:
    """The code that made this picture."""
    code(Patches, stitching.shift_and_stitch, stitching.stitch, patchwise.classify)
