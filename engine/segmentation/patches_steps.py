"""The steps of a Trace of the patch classifier: window and patch, the dense pass, coarse output, shift and stitch.

References
1. Lecture slides 22-27 (patches, then fully convolutional) and 57 (shift and interleave).
2. The numbers come from `engine.segmentation.patches_model`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine.segmentation import stitching
from engine.segmentation.labelling import changed, label_table
from engine.segmentation.patches import STRIDE
from engine.trace import VOID, Layer, Step, Table

if TYPE_CHECKING:
    from engine.segmentation.patches_model import Encoding, Patch, PatchesModel

TOLD = (1, 2, 4)  # shifts after which a step shows what is known
AROUND = 24  # grey level beside a patch that is shown by itself


def of_patch(model: PatchesModel, encoding: Encoding, patch: Patch) -> tuple[Step, ...]:
    """The window on the picture, and the patch in it by itself."""
    best, *_ = top = model.top(patch.logits, len(model.card.classes))
    h, w = encoding.seen.shape[:2]
    rows = tuple((r.name, round(r.logit, 2), round(r.probability, 3)) for r in top)
    return (
        Step("Window", f"A window of {patch.window} x {patch.window} pixels around column {patch.column}, row "
             f"{patch.row} of the {w} x {h} pixels that the network sees.",
             (Layer("image", "picture", encoding.rgb), *_marks(encoding, patch))),
        Step("Patch", f"From this crop alone the network calls the pixel in its middle {best.name}, with probability "
             f"{best.probability:.2f}.",
             _alone(patch.crop, encoding.rgb.shape[:2]), Table(("class", "logit", "probability"), rows)),
    )  # fmt: skip


def of_picture(model: PatchesModel, encoding: Encoding, patch: Patch) -> tuple[Step, ...]:
    """Every pixel in one dense pass, and how sure the network is there."""
    logits = encoding.logits[patch.window]
    apart = float((logits[0, :, patch.row, patch.column] - patch.logits).abs().max())
    sure = logits[0].softmax(0).amax(0)
    photo, marks = Layer("image", "picture", encoding.rgb), _marks(encoding, patch)
    scores = model.label_layer("labels", logits)
    hidden = replace(scores, attributes={"on": 0})
    return (
        Step("All pixels at once", f"The same weights over the whole picture: {sure.numel():,} answers in one pass. In "
             f"the middle of the window the logits differ from those of the patch by at most {apart:.1g}.",
             (photo, scores, *marks), label_table(logits, model.card.classes)),
        Step("Probability", f"The probability of the class that wins: {float(sure.mean()):.2f} in the mean, and below "
             f"one half at {100 * float((sure < 0.5).float().mean()):.1f} % of the pixels.",
             (photo, hidden, Layer("heat", "probability of the winner", sure.cpu().numpy(), range=(0.0, 1.0),
                                   unit="probability", attributes={"on": 1}), *marks)),
    )  # fmt: skip


def of_shifts(model: PatchesModel, encoding: Encoding, window: int) -> tuple[Step, ...]:
    """The coarse output, what is known after some shifts of the input, and after all."""
    stitched, dense = model.stitched(encoding, window), encoding.logits[window]
    rows, columns = stitched.coarse.shape[-2:]
    bilinear = stitching.upsampled(stitched.coarse)
    photo = Layer("image", "picture", encoding.rgb)
    cells = Layer("cells", f"cells, stride {STRIDE}", np.array([rows, columns]),
                  attributes={"stride": STRIDE, "field": window, "centre": STRIDE / 2 + 0.5, "grid": 0})  # fmt: skip
    return (
        Step("Coarse output", f"Two poolings of stride 2 leave {columns} x {rows} answers, one for {STRIDE} x {STRIDE} "
             f"pixels. Enlarged bilinearly they name {changed(bilinear, dense)} of the pixels otherwise than the dense "
             "pass does.", (photo, model.label_layer("coarse labels", stitched.coarse), cells)),
        *(_shift(encoding, stitched.labels, count) for count in TOLD),
        Step("Stitched", f"All {len(stitching.SHIFTS)} coarse outputs interleaved: the largest difference from the "
             f"dense pass is {stitched.difference:.1g}, in logits of up to {float(dense.abs().max()):.1f}.",
             (photo, Layer("labels", "labels", stitched.labels))),
    )  # fmt: skip


def _shift(encoding: Encoding, labels: np.ndarray, count: int) -> Step:
    """What is known after `count` shifts; below it the last of the shifted inputs."""
    known = np.full_like(labels, VOID)
    for dx, dy in stitching.SHIFTS[:count]:
        known[dy::STRIDE, dx::STRIDE] = labels[dy::STRIDE, dx::STRIDE]
    (dx, dy), (h, w) = stitching.SHIFTS[count - 1], labels.shape
    moved = np.pad(encoding.seen, ((0, dy), (0, dx), (0, 0)), constant_values=128)[dy : dy + h, dx : dx + w]
    number, share = len(stitching.SHIFTS), 100 * count / len(stitching.SHIFTS)
    return Step(f"Shift {count}", f"Input {count} of {number}, moved {dx} pixels to the left and {dy} up; with the "
                f"coarse outputs up to its own, {share:g} % of the pixels have an answer.",
                (Layer("image", "shifted input", moved), Layer("labels", "known so far", known)))  # fmt: skip


def _marks(encoding: Encoding, patch: Patch) -> tuple[Layer, Layer]:
    """The window and the pixel in its middle, in the image pixel frame."""
    scale = np.array(encoding.rgb.shape[1::-1]) / np.array(encoding.seen.shape[1::-1])
    middle = (np.array([patch.column, patch.row]) + 0.5) * scale
    reach = patch.window / 2 * scale
    return (Layer("boxes", "window", np.concatenate([middle - reach, middle + reach])[None]),
            Layer("points", "the pixel", middle[None]))  # fmt: skip


def _alone(crop: np.ndarray, size: tuple[int, int]) -> tuple[Layer, ...]:
    """The crop enlarged in the middle of a picture of `size` = (H, W), dark around it, its own middle marked."""
    middle, reach = np.array(size[::-1]) / 2, min(size) / 2
    return (Layer("image", "around", np.full((1, 1, 3), AROUND, np.uint8)),
            Layer("image", "patch", crop, (*(middle - reach).tolist(), *(middle + reach).tolist())),
            Layer("points", "the pixel", middle[None]))  # fmt: skip
