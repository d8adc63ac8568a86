"""A dry run of a user's model on a real picture: what is right, doubtful or wrong, and what to change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from engine import tensors
from engine.cards import ModelError
from engine.debug.onnx_model import OnnxModel, as_logits, card_of
from engine.debug.onnx_pipe import Tick
from engine.debug.onnx_spec import DOUBT, IMAGENET, NEUTRAL, RIGHT, WRONG, Finding, Spec, quoted
from engine.segmentation.labelling import Labelling

SLOW = 3.0  # seconds of a run from which on a page feels slow
ALONE = 0.995  # share of the picture that one class may cover before it is doubtful
OTHERS = (("x / 255", IMAGENET, "RGB"), ("x / 255", NEUTRAL, "RGB"), ("x / 127.5 - 1", NEUTRAL, "RGB"),
          ("raw, 0 to 255", NEUTRAL, "RGB"), ("x / 255", IMAGENET, "BGR"),
          ("raw, 0 to 255", NEUTRAL, "BGR"))  # fmt: skip


def dry_run(model: OnnxModel, rgb: np.ndarray, tick: Tick | None = None) -> tuple[Finding, ...]:
    """What came of one run on a picture (H, W, 3) uint8; the last finding is wrong where the network cannot be used.

    tick: called ten times a second, may raise to give up. Whatever the network does ends in a sentence.
    """
    spec = model.spec
    x = tensors.to_input(rgb, model.working_size(rgb))
    try:
        found, seconds = model.network.raw(x, tick)
    except ModelError as error:
        return (Finding(WRONG, f"{error} {_mend(spec)}"),)
    h, w = x.shape[-2:]
    ran = Finding(
        RIGHT,
        f"It ran on {w} x {h} pixels in {1000 * seconds:.0f} ms and gave {quoted(spec.output)}: {found.dtype} "
        f"{found.shape}.",
    )
    try:
        logits = as_logits(found, spec)
    except ModelError as error:
        return ran, Finding(WRONG, f"{error}{_turned(found, spec)}")
    soft = Finding(DOUBT, "In each cell the scores add up to 1: softmax is inside already, so choose probabilities.")
    said = (soft,) if spec.kind == "logits" and _adds_up(found, spec) else ()
    return ran, *_judged(logits, spec.classes, (h, w), seconds), *said


def dry_run_weights(model: Labelling, rgb: np.ndarray) -> tuple[Finding, ...]:
    """What came of one run of a model of weights on a picture (H, W, 3) uint8; as for `dry_run`."""
    started = time.perf_counter()
    logits = model.scores(model.encode(rgb))
    seconds = time.perf_counter() - started
    size = model.working_size(rgb)
    ran = Finding(RIGHT, f"All keys fit. It ran on {size[1]} x {size[0]} pixels in {1000 * seconds:.0f} ms.")
    return ran, *_judged(logits, model.card.classes, size, seconds)


def others(model: OnnxModel, rgb: np.ndarray) -> Iterator[tuple[Spec, np.ndarray]]:
    """The same network with other scales and orders of channels: each spec with the labels (H, W) uint8 it leads to.

    Those that the network cannot run are left out. Nothing for networks that take whole numbers or grey.
    """
    if model.spec.dtype == "uint8" or model.spec.channels == "grey":
        return
    for scale, (mean, std), channels in OTHERS:
        spec = replace(model.spec, scale=scale, mean=mean, std=std, channels=channels)
        try:
            other = OnnxModel(card_of(model.card.name, spec, model.source), model.source, spec)
            yield spec, other.labels(other.encode(rgb))
        except ModelError:
            continue


def _mend(spec: Spec) -> str:
    """What to change where the network did not run at all."""
    sides = "its fixed size" if spec.height else f"multiples of another number than {spec.multiple}"
    return f"Try the other layout than {spec.layout}, or {sides}."


def _turned(found: np.ndarray, spec: Spec) -> str:
    """The hint that the classes lie on the other axis."""
    at = 3 if spec.out_layout == "NCHW" else 1
    if found.ndim == 4 and found.shape[at] == len(spec.classes) != found.shape[4 - at]:
        return f" The classes lie on the other axis: choose {'NHWC' if at == 3 else 'NCHW'} for the output."
    return ""


def _judged(logits: Tensor, classes: tuple[str, ...], size: tuple[int, int], seconds: float) -> Iterator[Finding]:
    """Findings on logits (1, K, h, w) that came of an input of `size` = (h, w)."""
    if not bool(torch.isfinite(logits).all()):
        yield Finding(WRONG, "The scores hold numbers that are not finite.")
        return
    rows, columns = logits.shape[-2:]
    if abs(size[0] / rows / (size[1] / columns) - 1) > 0.1 and min(rows, columns) > 4:
        yield Finding(
            DOUBT,
            f"The map, {columns} x {rows} cells, is not shaped like {size[1]} x {size[0]} pixels: check the layouts.",
        )
    else:
        yield Finding(RIGHT, f"The map has {columns} x {rows} cells, stride {size[0] / rows:.3g}, {len(classes)} "
                      "classes, all numbers finite.")  # fmt: skip
    shares = torch.bincount(logits[0].argmax(0).flatten(), minlength=len(classes)) / (rows * columns)
    first = classes[int(shares.argmax())]
    if float(logits.max() - logits.min()) < 1e-6:
        yield Finding(WRONG, "All scores are the same number: the output says nothing about this picture.")
    elif float(shares.max()) > ALONE:
        yield Finding(DOUBT, f"All of the picture is {first}: check scale, mean and order of channels, or try another "
                      "picture.")  # fmt: skip
    else:
        kinds = int((shares > 0).sum())
        yield Finding(RIGHT, f"It sees {kinds} classes; most of the picture is {first}, {100 * shares.max():.0f} %.")
    if seconds > SLOW:
        yield Finding(DOUBT, f"A run takes {seconds:.1f} s here: a smaller size makes looking easier.")


def _adds_up(found: np.ndarray, spec: Spec) -> bool:
    """True where raw scores are non-negative and add up to 1 over two or more classes."""
    axis = 3 if spec.out_layout == "NHWC" else 1
    if found.ndim != 4 or found.shape[axis] < 2 or float(found.min()) < 0:
        return False
    return bool(np.allclose(found.astype(np.float32).sum(axis), 1, atol=1e-2))
