"""What a model did, step by step, on one image: numbers registered to the image, and nothing about how they are drawn.

References
1. Stanford CS231n 2016, lecture 13: every system there is shown as such a sequence of steps.

Convention
----------
Frame: the image's pixel frame. x to the right, y down, origin at the outer corner of the top left pixel, so pixel
(column i, row j) covers [i, i+1) x [j, j+1) and its centre is (i + 0.5, j + 0.5).
A map of h x w cells with box (x0, y0, x1, y1) divides that box evenly; enlarging it bilinearly is
``F.interpolate(..., mode="bilinear", align_corners=False)``: half-pixel centres, edges repeated.
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
        "cells": (1,),  # (2,) int: rows, columns of a feature grid; attributes: stride, field, centre
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
    attributes: small numbers of the kind, e.g. of `cells`: stride, field and centre in input pixels.
    Raises TraceError where kind and data do not fit.
    """

    kind: str
    name: str
    data: np.ndarray
    box: tuple[float, float, float, float] | None = None
    range: tuple[float, float] | None = None
    unit: str = ""
    attributes: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise TraceError(f"A layer cannot be of kind {self.kind!r}; the kinds are {', '.join(KINDS)}.")
        if self.data.ndim not in KINDS[self.kind]:
            raise TraceError(f"Layer {self.name!r} of kind {self.kind} has {self.data.ndim} dimensions.")


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
                layers.append({k: v for k, v in vars(layer).items() if k != "data"})
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
                steps = tuple(_step(i, step, arrays) for i, step in enumerate(head["steps"]))
                return Trace(arrays["image"], head["card"], steps, tuple(head["classes"]), arrays["colours"],
                             head["settings"])  # fmt: skip
        except TraceError:
            raise
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile, zlib.error) as error:
            raise TraceError(f"{folder} does not hold a readable Trace: {error}.") from error


def _step(i: int, head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Step:
    layers = tuple(
        Layer(x["kind"], x["name"], arrays[f"step{i}_layer{j}"], _tuple(x["box"]), _tuple(x["range"]), x["unit"],
              x["attributes"])
        for j, x in enumerate(head["layers"])
    )  # fmt: skip
    table = head["table"] and Table(tuple(head["table"]["columns"]), tuple(map(tuple, head["table"]["rows"])))
    return Step(head["title"], head["sentence"], layers, table or None)


def _tuple(values: list[float] | None) -> tuple | None:
    return None if values is None else tuple(values)


def _plain(value: Any) -> Any:
    """JSON for what the standard encoder refuses: mappings and NumPy scalars."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a Trace's JSON")
