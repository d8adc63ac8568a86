"""What must be said about a network in ONNX before a picture can be put into it, and guesses of that.

References
1. ONNX specification: `ModelProto.metadata_props`, where exporters write the names of classes.
2. Russakovsky et al. 2015, "ImageNet": its mean and deviation, which most trunks were trained with.
3. Cordts et al. 2016, "The Cityscapes Dataset": its 19 classes.

Convention
----------
Pixels (H, W, 3) RGB are stretched to height x width, scaled, then (x - mean) / std in the order of `channels`, and laid
out as (1, C, h, w) or (1, h, w, C), or without the 1. The map that comes out covers the whole picture.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.cards import Card
from engine.data import stanford, voc

LAYOUTS = ("NCHW", "NHWC")  # of an output
LAYOUTS_IN = (*LAYOUTS, "CHW", "HWC")
CHANNELS = {"RGB": 3, "BGR": 3, "grey": 1}
SCALES = {"x / 255": (255.0, 0.0), "x / 127.5 - 1": (127.5, 1.0), "raw, 0 to 255": (1.0, 0.0)}  # divided by, less
DTYPES = ("float32", "float16", "float64", "uint8")
KINDS = ("logits", "probabilities", "labels")
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
NEUTRAL = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
MOST_CLASSES = 254  # a label is one byte, and 255 says that nobody may judge
MOST_SIDE = 2048  # pixels of the input
MOST_OUTPUTS = 16  # that are looked at
MOST_QUOTED = 80  # characters of a file that a sentence repeats
LONGEST = 512  # pixels of the longer side where the network takes any size
MULTIPLE = 32
_NAMES = ("names", "classes", "class_names", "labels", "id2label")
TOLD = (*_NAMES, "scale", "mean", "std", "author", "task")  # what is read of a file's metadata
_NAME = 40  # characters of a class
_CITYSCAPES = ("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
               "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle",
               "bicycle")  # fmt: skip

Dim = int | str | None
Numbers = tuple[float, float, float]


@dataclass(frozen=True)
class Port:
    """An input or output: its name, NumPy's name of its type, and its shape with a name or None where it is open.

    end: what the last nodes before an output do: "sigmoid", "softmax", "log-softmax", "argmax", "tanh", "relu" or "".
    feeds: whether other nodes of the network use an output too.
    """

    name: str
    dtype: str
    shape: tuple[Dim, ...]
    end: str = ""
    feeds: bool = False

    @property
    def line(self) -> str:
        """In one line."""
        return f"{self.name}: {self.dtype} ({', '.join('?' if d is None else str(d) for d in self.shape)})"


@dataclass(frozen=True)
class Info:
    """What a file says of itself: ports, metadata, numbers of nodes and parameters."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: Mapping[str, str]
    nodes: int
    parameters: int


@dataclass(frozen=True)
class Seen:
    """What an output was on a run: its type and shape, its smallest and largest number, whether all are whole, how many
    different ones there are (0 for more than 256), the axes along which it adds up to 1, and along which exp does."""

    dtype: str
    shape: tuple[int, ...]
    low: float
    high: float
    whole: bool
    kinds: int
    sums: tuple[int, ...] = ()
    logs: tuple[int, ...] = ()


RIGHT, DOUBT, WRONG, GUESS, ASK = "right", "doubt", "wrong", "guess", "ask"


@dataclass(frozen=True)
class Finding:
    """One sentence on what was looked at.

    level: "right" for what was checked, "guess" for what was only assumed, "doubt", "wrong", or "ask" for what only
    the visitor can know. about: fields of the Spec that a guess is about; it is one for as long as they stand.
    """

    level: str
    sentence: str
    about: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spec:
    """How pictures go into a network and what comes out (see Convention).

    height, width: None where the network takes any size; then `longest` pixels on the longer side, each a multiple of
    `multiple`. dtype: of the input. mean, std: in the order of `channels`, after the scale.
    kind: "logits", "probabilities" (softmax or sigmoid is inside) or "labels" (argmax is inside). One channel of logits
    or probabilities means two classes, the second of which it speaks for.
    """

    input: str
    output: str
    classes: tuple[str, ...]
    height: int | None = None
    width: int | None = None
    longest: int = LONGEST
    multiple: int = MULTIPLE
    layout: str = "NCHW"
    channels: str = "RGB"
    dtype: str = "float32"
    scale: str = "x / 255"
    mean: Numbers = IMAGENET[0]
    std: Numbers = IMAGENET[1]
    kind: str = "logits"
    out_layout: str = "NCHW"

    def wrong(self) -> str:
        """What cannot be, in one sentence; "" where it can."""
        if not self.classes:
            return "Which classes the network knows cannot be read from its file: name them, or say how many there are."
        if not 2 <= len(self.classes) <= MOST_CLASSES:
            return f"A network for labels needs 2 to {MOST_CLASSES} classes, not {len(self.classes)}."
        if any(side is not None and not 8 <= side <= MOST_SIDE for side in (self.height, self.width, self.longest)):
            return f"The sides of the input must lie between 8 and {MOST_SIDE} pixels."
        if not 1 <= self.multiple <= 256:
            return "The sides can be multiples of 1 to 256."
        if not all(abs(m) < 1e4 for m in self.mean) or not all(1e-6 < s < 1e4 for s in self.std):
            return "Mean and deviation must be finite, and the deviation larger than 0."
        return ""


def guess(info: Info) -> Spec:
    """The likeliest way to use a network, from its ports and metadata; without classes where they cannot be known."""
    port, out = info.inputs[0], likely(info)
    layout = "NHWC" if _is(port, -1) and not _is(port, -3) else "NCHW"
    colour, rows, columns = (-3, -2, -1) if layout == "NCHW" else (-1, -3, -2)
    sides = [_number(port, at) for at in (rows, columns)]
    kind, out_layout, count = _answer(out, layout)
    scale, mean, std = normalisation(info.metadata, port.dtype)
    return Spec(
        port.name,
        out.name,
        one_against_the_rest(info.metadata) if count == 1 else names_in(info.metadata, count),
        *sides,
        layout=layout if len(port.shape) == 4 else layout[1:],
        channels="grey" if _number(port, colour) == 1 else "RGB",
        dtype=port.dtype if port.dtype in DTYPES else "float32",
        scale=scale,
        mean=mean,
        std=std,
        kind=kind,
        out_layout=out_layout,
    )


SIDE = re.compile(r"aux|feat|hidden|embed|backbone|boundary|edge", re.I)  # names of outputs beside the answer


def likely(info: Info) -> Port:
    """The output that is most like a map of classes, by what the file says."""
    wanted = len(next(filter(None, (_listed(info.metadata.get(key, "")) for key in _NAMES)), ()))

    def rank(port: Port) -> tuple[bool, ...]:
        sides = [_number(port, at) for at in (1, -1)] if len(port.shape) == 4 else []
        known = [side for side in sides if side is not None]
        return (
            len(port.shape) not in (2, 3, 4),
            bool(SIDE.search(port.name)),
            bool(known) and wanted > 0 and wanted not in known,
            bool(known) and min(known) > MOST_CLASSES,
            port.feeds and not port.end,
        )

    return min(info.outputs, key=rank)


def _answer(out: Port, layout: str) -> tuple[str, str, int | None]:
    """Kind and layout of an output, and how many channels it has, None where it does not say."""
    whole = out.dtype.startswith(("int", "uint", "bool"))
    scores = "probabilities" if out.end in ("sigmoid", "softmax") or _SOFT.search(out.name) else "logits"
    if whole or out.end == "argmax" or len(out.shape) < 4:
        if out.dtype == "bool":
            return "labels", "NCHW", 2
        labels = whole or out.end == "argmax" or len(out.shape) == 2
        return ("labels" if labels else scores), "NCHW", None if labels else 1
    first, last = _number(out, 1), _number(out, 3)
    turned = last is not None and (layout == "NHWC" if first is None else last < first)
    count = last if turned else first
    return scores, "NHWC" if turned else "NCHW", count


_SOFT = re.compile(r"soft|prob|sigmoid", re.I)


def _number(port: Port, at: int) -> int | None:
    """The side of a port where it is fixed."""
    there = -len(port.shape) <= at < len(port.shape)
    return port.shape[at] if there and isinstance(port.shape[at], int) else None


def _is(port: Port, at: int) -> bool:
    return _number(port, at) in (1, 3)


def normalisation(metadata: Mapping[str, str], dtype: str) -> tuple[str, Numbers, Numbers]:
    """(scale, mean, std): those that the metadata name under these words, else ImageNet's; none for whole numbers.

    Networks of Ultralytics, which sign their files, take x / 255 as it is.
    """
    plain = dtype == "uint8" or "ultralytics" in str(dict(metadata)).lower()
    mean, std = NEUTRAL if plain or metadata.get("scale") in (*SCALES,)[1:] else IMAGENET
    scale = "raw, 0 to 255" if dtype == "uint8" else metadata.get("scale", "")
    found = [tuple(map(float, re.findall(r"-?\d+(?:\.\d+)?", metadata.get(key, "")[:200]))) for key in ("mean", "std")]
    if all(len(numbers) == 3 for numbers in found):
        mean, std = found
    return scale if scale in SCALES else "x / 255", mean, std


def names_in(metadata: Mapping[str, str], count: int | None) -> tuple[str, ...]:
    """The classes that a file names in its metadata if they are `count`, else numbers; none where the count is unknown.

    Names are never made up from a count: a network with 21 classes need not know those of VOC.
    """
    for key in _NAMES:
        found = _listed(metadata.get(key, ""))
        if 2 <= len(found) <= MOST_CLASSES and (count is None or len(found) == count):
            return clean(found)
    return numbered(count or 0)


def one_against_the_rest(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The two classes of a network with one channel, as the file names them or in plain words."""
    named = names_in(metadata, 2)
    return usual(2) if named == numbered(2) else named


def numbered(count: int) -> tuple[str, ...]:
    """Numbers as the names of `count` classes."""
    return tuple(f"class {i}" for i in range(min(count, MOST_CLASSES)))


_SETS = {2: "background and object", 7: "VOC's animals and people", 8: "Stanford Background", 19: "Cityscapes",
         21: "PASCAL VOC"}  # number of classes -> what has so many  # fmt: skip


def offers(count: int | None) -> dict[str, tuple[str, ...]]:
    """Names that `count` classes may have, by what they are from; all that are known where the count is not."""
    return {title: usual(n) for n, title in _SETS.items() if count in (None, n)}


def usual(count: int) -> tuple[str, ...]:
    """The names of the best known set with `count` classes, else numbers: a guess, which nobody should take unasked."""
    known = {8: stanford.LABELS.classes, len(voc.LABELS.classes): voc.LABELS.classes, 19: _CITYSCAPES,
             2: ("background", "object")}  # fmt: skip
    return Card.read("fcn_resnet50").classes if count == 21 else known.get(count) or numbered(count)


def label_set(classes: tuple[str, ...]) -> str:
    """The name of the label set with exactly these classes, in which the gallery knows the truth; "" otherwise."""
    return next((s.name for s in (stanford.LABELS, voc.LABELS) if s.classes == classes), "")


def harmless(text: str, most: int = 60) -> str:
    """Words of a stranger for a sentence that may be read as Markdown: printable, no links, not long."""
    text = re.sub(r"[\[\]<>`$*|~\\]|://|www\.", " ", text[: 4 * most])
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:most]


def quoted(*parts: str, most: int = MOST_QUOTED) -> str:
    """What a stranger's file says, for a sentence: harmless, and never more than `most` characters of it together."""
    each = max(8, most // max(1, min(len(parts), 4)) - 2)
    text = ", ".join(harmless(part, each) for part in parts[:4]) + (" ..." if len(parts) > 4 else "")
    return text[:most].strip(" ,")


def clean(names: Iterable[Any]) -> tuple[str, ...]:
    """Names of classes in letters, digits and harmless signs: they may stand anywhere on a page.

    No two are the same: the second "car" becomes "car (2)".
    """
    kept = (re.sub(r"[^\w\-/. +()']|_", " ", str(name)) for name in names)
    short = (" ".join(name.split())[:_NAME].strip() for name in kept)
    return unique(name or f"class {i}" for i, name in enumerate(short))


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """The names, each one once: where one comes again it gets a number behind it."""
    names = tuple(names)
    taken, seen, made = set(names), Counter(), []
    for name in names:
        seen[name] += 1
        shown = name
        while seen[name] > 1 and shown in taken:
            shown = f"{name} ({seen[name]})"
            seen[name] += shown in taken
        taken.add(shown)
        made.append(shown)
    return tuple(made)


def _listed(text: str) -> list[str]:
    """The names in JSON, in Python's way to write a dict or list, or separated by commas or lines."""
    text = text[:20_000].strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and all(str(k).isdigit() for k in value):
        return [str(value[k]) for k in sorted(value, key=int)]
    if isinstance(value, list):
        return [str(v) for v in value]
    pairs = re.findall(r"(\d{1,4})\s*:\s*(?:'([^']{0,80})'|\"([^\"]{0,80})\")", text)
    if pairs:
        return [a or b for _, a, b in sorted(pairs, key=lambda pair: int(pair[0]))]
    if quoted := re.findall(r"['\"]([^'\"]{1,80})['\"]", text):
        return quoted
    return [part.strip() for part in re.split(r"[,\n]", text)] if re.search(r"[,\n]", text) else []
