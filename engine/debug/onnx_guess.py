"""How a network in ONNX is likely used: from what its file says, and from what it gave on a first run.

What a file does not say is not made up: it is either seen on the run, or marked as a guess, or asked. Networks that
give something else than a map of classes are refused in a sentence.

References
1. `engine.debug.onnx_spec`, Convention.
2. Outputs as exporters write them: Ultralytics (1, 4 + K, N) with prototypes (1, 32, h, w), or (1, N, 6); DETR boxes
   (1, N, 4) with logits (1, N, K + 1); Mask R-CNN boxes (N, 4); MaskFormer logits (1, N, K + 1) and masks (1, N, h, w).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from engine.cards import ModelError
from engine.debug.onnx_model import as_input
from engine.debug.onnx_pipe import Tick
from engine.debug.onnx_process import Network, Refused
from engine.debug.onnx_spec import (
    ASK,
    DOUBT,
    GUESS,
    MOST_CLASSES,
    RIGHT,
    SIDE,
    Finding,
    Info,
    Port,
    Seen,
    Spec,
    guess,
    names_in,
    numbered,
    one_against_the_rest,
    quoted,
)

SIDES = (192, 256)  # of the first run where the network takes any size: not square, so that rows and columns differ
OTHER_SIDES = ((512, 512), (256, 256), (224, 224), (320, 320), (384, 384), (640, 640), (1024, 1024), (513, 513))
_BOXES = re.compile(r"b(ou?n)?d?_?box|boxes|\bdets?\b|anchor|proto|keypoint|\bwh\b|\bmaskiou|iou_pred", re.I)
_ANSWERS = re.compile(r"out|logit|mask|seg|prob|label|pred|score|sem|class|argmax|result", re.I)
_MEASURES = re.compile(r"depth|dispar|\bdisp\b|normal_?map|\bflow\b|alpha|matte|height_?map", re.I)
INSTEAD = "Bring a network for semantic segmentation: one class for each pixel."


@dataclass(frozen=True)
class Guess:
    """A way to use a network, and what it rests on. The spec has no classes where only the visitor can know them."""

    spec: Spec
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Map:
    """An output that may be the answer: where its classes lie ("NCHW", "NHWC", or "" without an axis of their own),
    how many channels it has, and its sides."""

    port: Port
    seen: Seen
    layout: str
    channels: int
    sides: tuple[int, int]


def propose(network: Network, tick: Tick | None = None) -> Guess:
    """The likeliest way to use `network`, after a first run on noise.

    tick: as for `Network.run`. Raises ModelError where what it gives is no map of classes, or its process ended. A
    network that does not run is described by its file alone; the dry run on a picture then says what is wrong.
    """
    info = network.info
    _refuse_task(info)
    found = next(_first_runs(network, tick), None)
    if found is None:
        return Guess(guess(info), ())
    spec, size, seen = found
    maps = [m for port, s in zip(info.outputs, seen, strict=True) if s and (m := _as_map(port, s, size, spec.layout))]
    _refuse_others(info, seen, maps, size)
    best = min(maps, key=lambda m: _rank(m, info))
    return _read(info, spec, best, size)


def _first_runs(network: Network, tick: Tick | None) -> Iterator[tuple[Spec, tuple[int, int], tuple[Seen | None, ...]]]:
    """Each way in that the network accepts: the spec, the size of its input and what came out, the likeliest first."""
    first = guess(network.info)
    for spec, size in _ways(network.info, first):
        x = torch.from_numpy(_noise(*size)).permute(2, 0, 1)[None].float() / 127.5 - 1
        try:
            yield spec, size, network.look(as_input(x, spec), tick)
        except Refused:
            continue


def _ways(info: Info, first: Spec) -> Iterator[tuple[Spec, tuple[int, int]]]:
    """Ways to put a picture in, the likeliest first: the file's, other sizes, other layouts, grey."""
    port = info.inputs[0]
    batch = first.layout[:1] == "N"
    open_colour = [at for at in (-3, -1) if not isinstance(port.shape[at], int)]
    layouts = [first.layout]
    if len(open_colour) == 2:
        layouts.append("NHWC" if batch else "HWC")
    kinds = ["RGB", "grey"] if open_colour and first.channels == "RGB" else [first.channels]
    fixed = (first.height, first.width)
    sizes = [SIDES] if None in fixed else [fixed]
    for (layout, channels), size in itertools.product(itertools.product(layouts, kinds), sizes):
        yield replace(first, layout=layout, channels=channels), _sized(fixed, size)
    if None in fixed:  # open in the file, but made for one size
        for size in OTHER_SIDES:
            h, w = _sized(fixed, size)
            yield replace(first, height=h, width=w), (h, w)


def _sized(fixed: tuple[int | None, int | None], size: tuple[int, int]) -> tuple[int, int]:
    return fixed[0] or size[0], fixed[1] or size[1]


def _noise(h: int, w: int) -> np.ndarray:
    """A picture (h, w, 3) uint8 of coarse and fine noise, always the same."""
    dice = np.random.default_rng(0)
    coarse = dice.integers(0, 256, (-(-h // 16), -(-w // 16), 3))
    fine = dice.integers(-40, 41, (h, w, 3))
    return np.clip(coarse.repeat(16, 0).repeat(16, 1)[:h, :w] + fine, 0, 255).astype(np.uint8)


def _as_map(port: Port, seen: Seen, size: tuple[int, int], layout: str) -> _Map | None:
    """The output as a map over the input of `size` = (h, w); None where it is none."""
    shape = seen.shape
    if len(shape) == 4 and shape[0] != 1:
        return None
    shape = shape[1:] if len(shape) == 4 else shape
    ways = []
    if len(shape) == 3 and _fits(shape[1:], size):
        ways.append(("NCHW", shape[0], shape[1:]))
    if len(shape) == 3 and _fits(shape[:2], size):
        ways.append(("NHWC", shape[2], shape[:2]))
    if len(shape) == 2 and _fits(shape, size):
        ways.append(("", 1, shape))
    if not ways:
        return None
    if len(ways) > 1 and (layout.endswith("HWC") or ways[0][1] > MOST_CLASSES):
        ways.reverse()
    kind, channels, sides = ways[0]
    return _Map(port, seen, kind, channels, tuple(sides))


def _fits(sides: Sequence[int], size: tuple[int, int]) -> bool:
    """Whether a map with these sides may lie over an input of `size`: of its shape, and of more than a few cells."""
    (rows, columns), (h, w) = sides, size
    if min(rows, columns) < 3 or rows * columns < 16:
        return False
    cell = max(h / rows, w / columns)  # both sides are rounded to whole cells
    return abs(h / rows - w / columns) <= max(0.03, 1.2 / min(rows, columns)) * cell


def _rank(m: _Map, info: Info) -> tuple:
    """The smaller, the likelier this output is the answer."""
    named, name = len(names_in(info.metadata, None)), m.port.name
    return (
        bool(named) and m.channels not in (named, 1),
        m.channels > MOST_CLASSES,
        bool(SIDE.search(name)),
        not _ANSWERS.search(name),
        m.port.end not in ("sigmoid", "softmax", "log-softmax", "argmax"),
        m.port.feeds,
        m.channels > 64,
        -m.sides[0] * m.sides[1],
        m.channels == 1,
        m.channels,
    )


def _refuse_task(info: Info) -> None:
    """Raises ModelError where the file itself says that it does something else."""
    task = info.metadata.get("task", "").strip().lower()
    what = {
        "detect": "a detector, which gives boxes",
        "segment": "a detector with a mask for each box, an instance model",
        "pose": "a model of poses",
        "obb": "a detector, which gives turned boxes",
        "classify": "a classifier, which gives one class for the whole picture",
        "depth": "a model of depth",
    }.get(task)
    if what:
        raise ModelError(f"This network is {what}: its file says so (task: {task}). {INSTEAD}")


def _refuse_others(info: Info, seen: Sequence[Seen | None], maps: Sequence[_Map], size: tuple[int, int]) -> None:
    """Raises ModelError where the outputs are not those of a network that labels pixels."""
    outputs = [(port, s.shape) for port, s in zip(info.outputs, seen, strict=True) if s]
    others = [(port, shape) for port, shape in outputs if all(port is not m.port for m in maps)]
    shown = "; ".join(f"({', '.join(map(str, shape))})" for _, shape in outputs[:4]) or "no tensor"
    lists = [shape for _, shape in others if len(shape) == 3 or (len(shape) == 2 and (shape[0] != 1 or shape[1] == 4))]
    boxes = any(_BOXES.search(port.name) for port, _ in outputs) or any(len(shape) == 5 for _, shape in outputs)
    boxes = boxes or any(4 in shape[1:] for shape in lists)
    if any(m.layout == "NCHW" and shape[1] == m.channels > 1 for m in maps for shape in lists if len(shape) == 3):
        raise ModelError(
            f"This is an instance or panoptic model: it gives masks of things with a class for each, {shown}. {INSTEAD}"
        )
    if maps and (lists or boxes):
        raise ModelError(
            f"This is a detector or an instance model: it gives lists of boxes beside maps, {shown}, not "
            f"one map of classes. {INSTEAD}"
        )
    if maps:
        return _refuse_maps(info, maps, size, shown)
    if others and all(math.prod(shape) == max((1, *shape)) and len(shape) != 3 for _, shape in others):
        raise ModelError(
            f"This network gives one answer for the whole picture, {shown}, as a classifier does. {INSTEAD}"
        )
    if (
        lists
        and not boxes
        and any(_tokens(shape, size) for shape in lists)
        and not any(_anchors(shape, size) for shape in lists)
    ):
        raise ModelError(
            f"This network gives a sequence of vectors, {shown}, as an encoder does, not a map of "
            "classes. If each is a cell with its scores, export them as (1, classes, h, w)."
        )
    if lists or boxes:
        raise ModelError(f"This is a detector: it gives lists of boxes, {shown}, not a map of classes. {INSTEAD}")
    raise ModelError(f"No output is a map of classes over the picture: {shown}. {INSTEAD}")


def _anchors(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Whether a list has an entry for each cell at strides 8, 16 and 32."""
    return sum(size[0] // s * (size[1] // s) for s in (8, 16, 32)) in shape[1:]


def _tokens(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Whether (1, N, D) may be N patches of the picture, with up to 8 vectors more."""
    if len(shape) != 3 or shape[2] < 16:
        return False
    return any(0 <= shape[1] - (size[0] // p) * (size[1] // p) <= 8 for p in (4, 8, 14, 16, 28, 32))


def _refuse_maps(info: Info, maps: Sequence[_Map], size: tuple[int, int], shown: str) -> None:
    """Raises ModelError where the maps are heads of a detector, features, measurements or pictures."""
    named = len(names_in(info.metadata, None))
    strides = {round(size[0] / m.sides[0]) for m in maps}
    counts = [m.channels for m in maps]
    if strides >= {8, 16, 32} and min(strides) == 8 and len(set(counts)) == 1 and counts[0] > 5 and named != counts[0]:
        raise ModelError(f"These are a detector's heads at strides 8, 16 and 32: {shown}. {INSTEAD}")
    plain = not any(m.port.end or _ANSWERS.search(m.port.name) for m in maps)
    by_size = [m.channels for m in sorted(maps, key=lambda m: -m.sides[0])]
    if plain and len(maps) > 2 and len(strides) == len(maps) and by_size == sorted(set(by_size)):
        raise ModelError(f"These are feature maps at {len(maps)} strides, as a backbone gives: {shown}. {INSTEAD}")
    best = min(maps, key=lambda m: _rank(m, info))
    seen = best.seen
    if best.channels > MOST_CLASSES:
        raise ModelError(
            f"The output has {best.channels} channels, more than {MOST_CLASSES} classes: these are "
            f"features, {shown}. {INSTEAD}"
        )
    if _MEASURES.search(best.port.name) or best.port.end == "tanh":
        raise ModelError(
            f"The output {quoted(best.port.name)} is a measurement or a picture, not scores of classes: "
            f"{shown}. {INSTEAD}"
        )
    if best.sides[0] > 1.4 * size[0] and best.channels in (1, 3) and not best.port.end:
        raise ModelError(
            f"The output has more pixels than the input: a picture made larger, {shown}, not a map of "
            f"classes. {INSTEAD}"
        )
    if best.channels == 1 and not seen.whole and seen.low >= 0 and seen.high > 1.001:
        raise ModelError(
            f"The output is one number for each pixel, from {seen.low:.3g} to {seen.high:.3g}: a "
            f"measurement such as depth, not scores of classes. {INSTEAD}"
        )


def _read(info: Info, spec: Spec, best: _Map, size: tuple[int, int]) -> Guess:
    """What the chosen output is, and what of it was seen, guessed, or must be asked."""
    seen, said = best.seen, []
    if len(info.outputs) > 1:
        said.append(
            Finding(
                GUESS, f"Of {len(info.outputs)} outputs {quoted(best.port.name)} is taken for the answer.", ("output",)
            )
        )
    kind = _kind(best, said)
    spec = replace(spec, output=best.port.name, kind=kind, out_layout=best.layout or "NCHW")
    if spec.height and guess(info).height is None:
        said.append(Finding(RIGHT, f"Its file leaves the sides open, but it ran only on {size[1]} x {size[0]} pixels."))
    if kind == "labels":
        classes = _label_names(info, seen, said)
    else:
        count = 2 if best.channels == 1 else best.channels
        classes = names_in(info.metadata, count)
        if classes != numbered(count):
            said.append(Finding(RIGHT, f"The file names {count} classes, as many as the output has."))
        elif best.channels == 1:
            classes = one_against_the_rest(info.metadata)
            said.append(
                Finding(
                    GUESS,
                    "One channel: taken as the score of the second of two classes, against the "
                    "first. What they are called is a guess.",
                    ("classes",),
                )
            )
        else:
            said.append(
                Finding(
                    GUESS,
                    f"The output has {count} channels, so there are {count} classes; the file does "
                    "not name them, and they have numbers until you do.",
                    ("classes",),
                )
            )
    told = {"mean", "std"} <= info.metadata.keys() or "scale" in info.metadata or "ultralytics" in str(info.metadata)
    if spec.dtype != "uint8" and not told:
        said.append(
            Finding(
                GUESS,
                f"The file does not say how pixels go in: {spec.channels}, {spec.scale} and "
                "ImageNet's mean and deviation are a guess.",
                ("scale", "mean", "std", "channels"),
            )
        )
    return Guess(replace(spec, classes=classes), tuple(said))


def _kind(best: _Map, said: list[Finding]) -> str:
    """What the numbers of an output are, from its last nodes and their range."""
    seen, end, axis = best.seen, best.port.end, _axis(best)
    wide = f"from {seen.low:.3g} to {seen.high:.3g}"
    whole = seen.whole and best.channels == 1
    if whole and (not seen.dtype.startswith("float") or end == "argmax" or (seen.kinds > 1 and end != "sigmoid")):
        said.append(Finding(RIGHT, f"The output holds whole numbers, {wide}: labels."))
        return "labels"
    if seen.low >= -1e-3 and seen.high <= 1 + 1e-3:
        if end in ("sigmoid", "softmax"):
            said.append(Finding(RIGHT, f"It ends in a {end}, and all numbers lie in 0 to 1: probabilities."))
        elif axis in seen.sums:
            said.append(Finding(RIGHT, "In each cell the numbers add up to 1: probabilities."))
        else:
            said.append(Finding(GUESS, f"All numbers lie in 0 to 1, {wide}: taken as probabilities.", ("kind",)))
        return "probabilities"
    if axis in seen.logs:
        said.append(Finding(RIGHT, "The output holds logarithms of probabilities (log-softmax), which are logits too."))
    elif end in ("sigmoid", "softmax"):
        said.append(Finding(DOUBT, f"It ends in a {end}, but its numbers run {wide}: taken as logits."))
    else:
        said.append(Finding(RIGHT, f"The numbers run {wide}, so they are scores (logits), no probabilities."))
    return "logits"


def _axis(best: _Map) -> int:
    """The axis of the classes in an output, -1 where it has none."""
    axes = len(best.seen.shape)
    return {"NCHW": axes - 3, "NHWC": axes - 1}.get(best.layout, -1)


def _label_names(info: Info, seen: Seen, said: list[Finding]) -> tuple[str, ...]:
    """The classes of a network that chooses them itself; none where only the visitor can know."""
    if seen.dtype == "bool":
        return numbered(2)
    if seen.high == 255 and seen.low == 0 and seen.kinds == 2:
        said.append(Finding(GUESS, "The labels are 0 and 255 and nothing else: taken as two classes.", ("classes",)))
        return numbered(2)
    named = names_in(info.metadata, None)
    if len(named) > seen.high:
        said.append(
            Finding(RIGHT, f"The file names {len(named)} classes; on noise it chose labels up to {seen.high:.0f}.")
        )
        return named
    said.append(
        Finding(
            ASK,
            "The network chooses the class itself (argmax is inside), so its file does not tell how "
            f"many it knows: on noise it chose labels from {seen.low:.0f} to {seen.high:.0f}. Name the "
            "classes, or say how many there are.",
            ("classes",),
        )
    )
    return ()
