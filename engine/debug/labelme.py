"""Drawings in the JSON files of labelme: read with suspicion, written so that labelme opens them beside the picture.

References
1. Wada, "labelme: Image Polygonal Annotation with Python", https://github.com/wkentaro/labelme: labelme/_label_file.py
   (the fields of a file) and labelme/_utils/_shape.py (the types of shapes).

Convention
----------
labelme's points are (x, y) in pixels of the picture's file as it stands upright, (0, 0) its top left corner, as in
`engine.debug.polygons` but for the scale where the picture in hand was made smaller. Shapes are painted in their order.
The label `__ignore__` is labelme's word for void; brush cells are written as polygons around them, after the others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from engine.debug.polygons import LEAST_POINTS, MOST_POINTS, MOST_POLYGONS, UNTOUCHED, Drawing, Polygon, blank, outlined
from engine.images import MAX_BYTES
from engine.trace import VOID

VERSION = "5.5.0"  # of the format
IGNORE = "__ignore__"
MOST_BRACKETS = 3 * MOST_POINTS  # of lists and objects in a file; a picture inside the file has none
MOST_VALUES = 10 * MOST_POINTS
MOST_NAMES = 5  # labels that a sentence lists
_VOID = ("ignore", "void", "unlabelled", "unlabeled")
_CIRCLE = 64  # corners of the polygon that stands for a circle
_FAR = 1e7  # pixels


class LabelmeError(ValueError):
    """This file cannot be used; the message is one clear sentence."""


@dataclass(frozen=True, eq=False)
class Read:
    """What a file holds. drawing: without brush cells. note: what was left out, in sentences, "" where nothing was."""

    drawing: Drawing
    note: str


def read(data: bytes, classes: Sequence[str], shape: tuple[int, int],
         original: tuple[int, int] | None = None) -> Read:  # fmt: skip
    """The drawing over a picture of (H, W) pixels that a file of labelme holds, untrusted bytes. Raises LabelmeError.

    original: (width, height) of the picture's file, where the picture in hand was made smaller; shapes are scaled. A
    file that names another size is refused. Labels are names of `classes`, capitals and underscores aside. Polygons,
    rectangles, oriented rectangles and circles are read. Points outside the picture move to its edge. imagePath is
    never opened, imageData never decoded.
    """
    whole = _parse(data)
    width, height = original or shape[::-1]
    if (told := _size(whole)) is not None:
        if told not in ((width, height), shape[::-1]):
            raise LabelmeError(f"This file was drawn over {told[0]} x {told[1]} pixels and the picture has {width} x "
                               f"{height}; they must be equal.")  # fmt: skip
        width, height = told
    scale = np.array([shape[1] / width, shape[0] / height])
    known = {_plain(name): k for k, name in reversed(list(enumerate(classes)))}
    known = dict.fromkeys(_VOID, VOID) | known | {name: k for k, name in enumerate(classes)}
    polygons, strangers, left = [], [], []
    for item in whole["shapes"]:
        name, kind, points = _shape(item)
        label = known.get(name, known.get(_plain(name)))
        if label is None:
            strangers.append(name)
        elif (corners := _corners(kind, points)) is None:
            left.append(kind)
        else:
            polygons.append(Polygon(label, np.clip(corners * scale, 0.0, shape[::-1])))
    if len(polygons) > MOST_POLYGONS or sum(len(polygon.points) for polygon in polygons) > MOST_POINTS:
        raise LabelmeError(f"This file has too many shapes: {MOST_POLYGONS} with {MOST_POINTS:,} points are read.")
    return Read(blank(shape, tuple(polygons)), _note(strangers, left))


def write(drawing: Drawing, classes: Sequence[str], name: str, original: tuple[int, int] | None = None) -> bytes:
    """The drawing as a file for labelme. Raises LabelmeError where its brush cells are too finely divided.

    name: of the picture's file, beside which labelme looks for it. original: its (width, height), where it is not the
    drawing's.
    """
    height, width = drawing.cells.shape
    scale = np.array(original or (width, height)) / (width, height)
    try:
        painted = outlined(drawing.cells, UNTOUCHED)
    except ValueError as error:
        raise LabelmeError(str(error)) from None
    shapes = [
        {"label": IGNORE if polygon.label >= len(classes) else classes[polygon.label],
         "points": (polygon.points * scale).tolist(), "group_id": None, "description": "", "shape_type": "polygon",
         "flags": {}, "mask": None}
        for polygon in (*drawing.polygons, *painted)
    ]  # fmt: skip
    width, height = original or (width, height)
    whole = {"version": VERSION, "flags": {}, "shapes": shapes, "imagePath": PurePosixPath(name).name,
             "imageData": None, "imageHeight": height, "imageWidth": width}  # fmt: skip
    return json.dumps(whole, indent=1).encode()


def _parse(data: bytes) -> dict[str, Any]:
    """The object in a file, with a list of shapes; bounded before it is parsed."""
    if len(data) > MAX_BYTES:
        raise LabelmeError(f"This file has more than {MAX_BYTES / 1e6:.0f} MB.")
    if data.count(b"[") + data.count(b"{") > MOST_BRACKETS or data.count(b",") + data.count(b":") > MOST_VALUES:
        raise LabelmeError("This file holds too many values for a drawing.")
    try:
        whole = json.loads(data.decode("utf-8-sig"), parse_constant=_no_number)
    except (ValueError, RecursionError):  # no UTF-8, no JSON, a number of 5,000 digits, or nested without end
        raise LabelmeError("This is no JSON file of labelme.") from None
    if not isinstance(whole, dict) or not isinstance(whole.get("shapes"), list):
        raise LabelmeError("This JSON file is not of labelme: it has no list of shapes.")
    return whole


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number.")


def _size(whole: dict[str, Any]) -> tuple[int, int] | None:
    """(width, height) that a file names, None where it names none."""
    size = whole.get("imageWidth"), whole.get("imageHeight")
    if size == (None, None):
        return None
    if not all(type(value) is int and 0 < value < _FAR for value in size):
        raise LabelmeError("imageWidth and imageHeight of this file are no sizes.")
    return size


def _shape(item: Any) -> tuple[str, str, np.ndarray]:
    """Label, type and points (N, 2) of one shape."""
    if not isinstance(item, dict):
        raise LabelmeError("A shape of this file is not an object.")
    name, kind, points = item.get("label"), item.get("shape_type") or "polygon", item.get("points")
    if not isinstance(name, str) or not isinstance(kind, str) or not isinstance(points, list):
        raise LabelmeError("A shape of this file lacks its label or its points.")
    for point in points:
        if not (isinstance(point, list) and len(point) == 2
                and all(type(value) in (int, float) and abs(value) < _FAR for value in point)):  # fmt: skip
            raise LabelmeError(f"A shape of this file, {_quoted(name)}, has a point that is not two numbers.")
    return name, kind, np.array(points, np.float64).reshape(-1, 2)


def _corners(kind: str, points: np.ndarray) -> np.ndarray | None:
    """(N, 2) corners of the polygon that a shape is, None where it has no area or is of another type."""
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    if kind == "circle" and len(points) == 2:
        turn = 2 * np.pi * np.arange(_CIRCLE) / _CIRCLE
        return points[0] + math.dist(*points) * np.stack([np.cos(turn), np.sin(turn)], -1)
    if kind in ("polygon", "rectangle", "oriented_rectangle") and len(points) >= LEAST_POINTS:
        return points
    return None


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()


def _quoted(name: str) -> str:
    name = name.encode(errors="replace").decode()  # JSON can hold half a surrogate pair
    return "“" + (name if len(name) <= 40 else name[:39] + "…") + "”"


def _note(strangers: list[str], left: list[str]) -> str:
    notes = []
    if strangers:
        names = list(dict.fromkeys(strangers))
        notes.append(f"No class of this model is called {_listed(map(_quoted, names[:MOST_NAMES]), len(names))}: "
                     f"{_count(strangers)} left out.")  # fmt: skip
    if left:
        kinds = list(dict.fromkeys(left))
        notes.append(f"Only polygons, rectangles and circles are read: {_count(left)} left out "
                     f"({_listed(map(_quoted, kinds[:MOST_NAMES]), len(kinds))}).")  # fmt: skip
    return " ".join(notes)


def _count(items: list[str]) -> str:
    return "1 shape was" if len(items) == 1 else f"{len(items)} shapes were"


def _listed(names: Iterable[str], count: int) -> str:
    return ", ".join(names) + (f" and {count - MOST_NAMES} more" if count > MOST_NAMES else "")
