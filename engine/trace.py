"""What a model did, step by step, on one image: numbers registered to the image, and nothing about how they are drawn.

References
1. Stanford CS231n 2016, lecture 13: every system there is shown as such a sequence of steps.
2. Farabet, Couprie, Najman and LeCun 2013, "Learning Hierarchical Features for Scene Labeling", section 4.3: the tree
   of regions and its cover; lecture slides 32-33.
3. SciPy, `scipy.cluster.hierarchy.linkage`: how the nodes of a tree are numbered.

Convention
----------
Frame: the image's pixel frame. x to the right, y down, origin at the outer corner of the top left pixel, so pixel
(column i, row j) covers [i, i+1) x [j, j+1) and its centre is (i + 0.5, j + 0.5).
A map of h x w cells with box (x0, y0, x1, y1) divides that box evenly; enlarging it bilinearly is
``F.interpolate(..., mode="bilinear", align_corners=False)``: half-pixel centres, edges repeated.
A tree of n leaves numbers them 0 to n-1, merge m makes node n + m, heights never fall, and the root is 2n-2. Cut into r
regions it shows the nodes i < 2n-r whose parent is not below 2n-r, and the root if r = 1. The cover gives each leaf its
`best` node, and so may show one node inside another.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zipfile import BadZipFile

import numpy as np

VOID = 255  # the label of pixels that nobody may judge
FORMAT = 1  # version of the files that `Trace.save` writes
LEAVES = 4096  # of a tree at most
PARENT, HEIGHT, COST, BEST, SHARES = range(5)  # columns of `Layer.nodes`; the shares of the classes go on to the last

# kind -> allowed numbers of dimensions of `Layer.data`
KINDS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "image": (3,),  # (h, w, 3) uint8
        "labels": (2, 3),  # (h, w) uint8 class indices, VOID = unknown; or (C, h, w) float logits
        "heat": (2, 3),  # (h, w) float, or (C, h, w) float with one map for each class
        "mask": (2,),  # (h, w) bool
        "boxes": (2,),  # (N, 4) float: x0, y0, x1, y1
        "points": (2,),  # (N, 2) float: x, y
        "lines": (2,),  # (N, 2) float: x, y of polylines, a row of NaN lifts the pen
        "cells": (1,),  # (2,) int: rows, columns of a feature grid; attributes: stride, field, centre, grid
        "tree": (2,),  # (h, w) int32: the leaf that each pixel lies in; `Layer.nodes` holds the tree above them
    }
)


class TraceError(ValueError):
    """A Trace, or the file that should hold one, is not well formed; the message is one clear sentence."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One array laid over the image.

    kind: a key of `KINDS`, which gives the shape and meaning of `data`.
    box: (x0, y0, x1, y1) in the image's pixel frame that a map covers; None means the whole image.
    range: (low, high) that the colour scale of a heat map spans; low < 0 < high reads as signed.
    unit: what a value is measured in, e.g. "logit", "nat", "probability".
    attributes: small numbers of the kind, e.g. of `cells`: stride, field and centre in input pixels, and grid = 0 where
    only the cell under the cursor is to be drawn; of any kind: on = 0 or 1, whether it is shown at first.
    nodes: of a tree of n <= LEAVES leaves and K classes (see Convention), (2n-1, 4+K) float32: parent (-1 for the
    root), height, cost in nats, best (the node of least cost between this one and the root), shares of the K classes.
    Raises TraceError where kind, data and nodes do not fit.
    """

    kind: str
    name: str
    data: np.ndarray
    box: tuple[float, float, float, float] | None = None
    range: tuple[float, float] | None = None
    unit: str = ""
    attributes: Mapping[str, float] = field(default_factory=dict)
    nodes: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise TraceError(f"A layer cannot be of kind {self.kind!r}; the kinds are {', '.join(KINDS)}.")
        if self.data.ndim not in KINDS[self.kind]:
            raise TraceError(f"Layer {self.name!r} of kind {self.kind} has {self.data.ndim} dimensions.")
        if (self.nodes is not None) != (self.kind == "tree"):
            raise TraceError(f"Layer {self.name!r} of kind {self.kind}: a tree needs nodes, and nothing else has them.")
        if self.nodes is not None and (wrong := _wrong_tree(self.data, self.nodes)):
            raise TraceError(f"The tree {self.name!r} {wrong}.")


@dataclass(frozen=True)
class Table:
    """The numbers of a step: column heads and rows of text or numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]


@dataclass(frozen=True, eq=False)
class Step:
    """One moment: a title, one sentence with its numbers, layers from bottom to top, and a small table."""

    title: str
    sentence: str
    layers: tuple[Layer, ...] = ()
    table: Table | None = None


@dataclass(frozen=True, eq=False)
class Trace:
    """The whole run of one model on one image.

    image: (H, W, 3) uint8 RGB, the frame of every layer.
    card: the model's card as plain JSON values (`engine.zoo.Card.asdict`).
    classes: names that label values and leading axes of class maps stand for.
    colours: (len(classes), 3) uint8 RGB, the palette that the data set is usually shown in.
    settings: the answers to the user's questions that this run was made with.
    """

    image: np.ndarray
    card: Mapping[str, Any]
    steps: tuple[Step, ...]
    classes: tuple[str, ...] = ()
    colours: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.uint8))
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise TraceError("A Trace needs its image as (H, W, 3) uint8.")
        if len(self.colours) != len(self.classes):
            raise TraceError(f"A Trace of {len(self.classes)} classes came with {len(self.colours)} colours.")

    def save(self, folder: Path | str) -> Path:
        """Write trace.npz (arrays) and trace.json (everything else) into `folder`, made if missing; return it."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"image": self.image, "colours": self.colours}
        steps = []
        for i, step in enumerate(self.steps):
            layers = []
            for j, layer in enumerate(step.layers):
                arrays[f"step{i}_layer{j}"] = layer.data
                if layer.nodes is not None:
                    arrays[f"step{i}_layer{j}_nodes"] = layer.nodes
                layers.append({k: v for k, v in vars(layer).items() if k not in ("data", "nodes")})
            steps.append({"title": step.title, "sentence": step.sentence, "layers": layers,
                          "table": asdict(step.table) if step.table else None})  # fmt: skip
        head = {"format": FORMAT, "card": dict(self.card), "classes": self.classes, "settings": dict(self.settings),
                "steps": steps}  # fmt: skip
        np.savez_compressed(folder / "trace.npz", **arrays)
        (folder / "trace.json").write_text(json.dumps(head, indent=1, default=_plain), encoding="utf8")
        return folder

    def to_zip(self) -> bytes:
        """What `save` writes, as one ZIP file."""
        packed = io.BytesIO()
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(self.save(folder).iterdir()):
                archive.write(path, path.name)
        return packed.getvalue()

    @staticmethod
    def load(folder: Path | str) -> Trace:
        """Read what `save` wrote. Nothing in the files is executed (no pickle). Raises TraceError."""
        folder = Path(folder)
        try:
            head = json.loads((folder / "trace.json").read_text(encoding="utf8"))
            if head.get("format") != FORMAT:
                raise TraceError(f"This Trace has format {head.get('format')}; this version reads {FORMAT}.")
            with np.load(folder / "trace.npz", allow_pickle=False) as arrays:
                return Trace.of(head, arrays)
        except TraceError:
            raise
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile, zlib.error) as error:
            raise TraceError(f"{folder} does not hold a readable Trace: {error}.") from error

    @staticmethod
    def of(head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Trace:
        """Put a Trace together from the two parts that `save` writes."""
        steps = tuple(_step(i, step, arrays) for i, step in enumerate(head["steps"]))
        return Trace(arrays["image"], head["card"], steps, tuple(head["classes"]), arrays["colours"], head["settings"])

    @staticmethod
    def from_zip(data: bytes) -> Trace:
        """Read what `to_zip` wrote, from somebody unknown: see `engine.foreign`. Raises TraceError."""
        from engine.foreign import read_zip

        return read_zip(data)


def _step(i: int, head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Step:
    layers = tuple(
        Layer(x["kind"], x["name"], arrays[f"step{i}_layer{j}"], _tuple(x["box"]), _tuple(x["range"]), x["unit"],
              x["attributes"], arrays.get(f"step{i}_layer{j}_nodes"))
        for j, x in enumerate(head["layers"])
    )  # fmt: skip
    table = head["table"] and Table(tuple(head["table"]["columns"]), tuple(map(tuple, head["table"]["rows"])))
    return Step(head["title"], head["sentence"], layers, table or None)


def _wrong_tree(leaves: np.ndarray, nodes: np.ndarray) -> str:
    """What is wrong with a tree, as the end of a sentence, or nothing."""
    count, n = len(nodes), (len(nodes) + 1) // 2
    if nodes.ndim != 2 or count % 2 == 0 or n > LEAVES or nodes.shape[1] <= SHARES:
        return f"has nodes of shape {nodes.shape}, not (2n - 1, 4 + K) with n up to {LEAVES}"
    if leaves.dtype.kind not in "iu" or leaves.size == 0 or leaves.min() < 0 or leaves.max() >= n:
        return f"has leaves that are not whole numbers from 0 to {n - 1}"
    if not np.isfinite(nodes).all():
        return "has nodes with numbers that are not finite"
    index, height, best = np.arange(count), nodes[:, HEIGHT], nodes[:, BEST].astype(int)
    parent = nodes[:-1, PARENT].astype(int)  # but for the root
    upwards = nodes[-1, PARENT] == -1 and ((parent > index[:-1]) & (parent < count)).all()
    if not upwards or (np.bincount(parent, minlength=count)[n:] != 2).any():
        return "is not numbered like a linkage, where each merge has two children of lower numbers"
    if (np.diff(height[n:]) < 0).any() or (height[parent] < height[:-1]).any():
        return "has heights that fall on the way to the root"
    if ((best != index) & (best != np.append(best[parent], count - 1))).any():
        return "has a best node that is not on the way to the root"
    return ""


def _tuple(values: list[float] | None) -> tuple | None:
    return None if values is None else tuple(values)


def _plain(value: Any) -> Any:
    """JSON for what the standard encoder refuses: mappings and NumPy scalars."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a Trace's JSON")
