"""Drawings in the JSON files of labelme: read with suspicion, written so that labelme opens them beside the picture.

References
1. Wada, "labelme: Image Polygonal Annotation with Python", https://github.com/wkentaro/labelme: labelme/_label_file.py
   (the fields of a file) and labelme/_utils/_shape.py (the types of shapes; lines are 10 pixels wide there).
2. ISAT, "Image Segmentation Annotation Tool": info with width and height, objects with category, segmentation, layer.

Convention
----------
labelme's points are (x, y) in pixels of the picture's file as it stands upright, (0, 0) its top left corner, as in
`engine.debug.polygons` but for the scale where the picture in hand was made smaller. Shapes are painted in their order.
The label `__ignore__` is labelme's word for void; brush cells are written as polygons around them, after the others.
A file of ours says with "rest": "void" that what no shape covers is void.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from engine.debug.polygons import LEAST_POINTS, MOST_POINTS, UNTOUCHED, Drawing, outlined
from engine.debug.shapes import (
    Frame,
    Shape,
    ShapeError,
    Shapes,
    along,
    around,
    convex,
    decoded,
    frame_of,
    no_number,
    quoted,
    shapes_were,
)

VERSION = "5.5.0"  # of the format
IGNORE = "__ignore__"
LINE = 10.0  # pixels of the file that a line is wide, as labelme paints it (reference 1)
MOST_BRACKETS = 3 * MOST_POINTS  # of lists and objects in a file; a picture inside the file has none
MOST_VALUES = 10 * MOST_POINTS
MOST_SHAPES = 2000
MOST_PIXELS = 500_000_000  # of all masks in a file
_CIRCLE = 64  # corners of the polygon that stands for a circle
_FAR = 1e7  # pixels
_BOXES = ("rectangle", "oriented_rectangle", "rotation")  # of four corners in whatever order
_AREAS = ("polygon", "quadrilateral", *_BOXES)


class LabelmeError(ShapeError):
    """This file cannot be used; the message is one clear sentence."""


def read(data: bytes, shape: tuple[int, int], original: tuple[int, int] | None = None, orientation: int = 1) -> Shapes:
    """The shapes over a picture of (H, W) pixels that a file of labelme holds, untrusted bytes. Raises LabelmeError.

    original: (width, height) of the picture's file, upright, where the picture in hand was made smaller; shapes are
    scaled. A file that names another size is refused, unless it is that of the photo as its sensor saw it (orientation:
    EXIF, 1 to 8). Polygons, rectangles, circles, masks and lines (`LINE` wide) are read. imagePath is never opened,
    imageData never decoded. Text is UTF-8, UTF-16, GB18030 or Latin, whatever it can be.
    """
    text, spoken = decoded(data, LabelmeError)
    whole = _parse(text)
    frame, notes = _framed(whole, shape, original or shape[::-1], orientation)
    found, left, outside = [], [], 0
    items = [_shape(item) for item in whole["shapes"]]
    if len(items) > MOST_SHAPES or sum(len(points) for _, _, points, _ in items) > MOST_POINTS:
        raise LabelmeError(f"This file has too many shapes: {MOST_SHAPES:,} with {MOST_POINTS:,} points are read.")
    if sum(_pixels(mask) for _, _, _, mask in items if mask) > MOST_PIXELS:
        raise LabelmeError(f"The masks in this file have more than {MOST_PIXELS / 1e6:.0f} megapixels.")
    for name, kind, points, mask in items:
        made = _made(name, kind, points, mask, frame)
        if made is None:
            left.append(kind)
        elif not any(_touches(ring, shape) for ring in made.rings):
            outside += 1
        else:
            found.append(made)
    lines = any(kind in ("line", "linestrip") for _, kind, _, _ in items)
    notes += (f"Its text was read as {spoken}.",) if spoken else ()
    notes += (f"Lines are painted {LINE:.0f} pixels wide, as labelme does.",) if lines else ()
    notes += (f"{shapes_were(outside)} outside the picture.".capitalize(),) if outside else ()
    if left:
        kinds = list(dict.fromkeys(left))
        notes += (f"Shapes without an area were left out: {len(left)} of kind {quoted(kinds)}.",)
    return Shapes(shape, tuple(found), notes, rest=whole.get("rest") != "void")


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
             "imageData": None, "imageHeight": height, "imageWidth": width, "rest": "void"}  # fmt: skip
    return json.dumps(whole, indent=1).encode()


def _parse(text: str) -> dict[str, Any]:
    """The object in a file, with a list of shapes; bounded before it is parsed."""
    if text.count("[") + text.count("{") > MOST_BRACKETS or text.count(",") + text.count(":") > MOST_VALUES:
        raise LabelmeError("This file holds too many values for a drawing.")
    try:
        whole = json.loads(text, parse_constant=no_number)
    except (ValueError, RecursionError):  # no JSON, a number of 5,000 digits, or nested without end
        raise LabelmeError("This is no JSON file of labelme.") from None
    if isinstance(whole, dict) and isinstance(whole.get("objects"), list):
        whole = _of_isat(whole)
    if not isinstance(whole, dict) or not isinstance(whole.get("shapes"), list):
        raise LabelmeError("This JSON file is not of labelme: it has no list of shapes.")
    return whole


def _of_isat(whole: dict[str, Any]) -> dict[str, Any]:
    """A file of ISAT (reference 2) in labelme's form; its layers are painted from the lowest up."""
    info = whole["info"] if isinstance(whole.get("info"), dict) else {}
    objects = [item if isinstance(item, dict) else {} for item in whole["objects"]]
    layers = [item.get("layer") if type(item.get("layer")) in (int, float) else 0 for item in objects]
    ordered = (objects[i] for i in sorted(range(len(objects)), key=layers.__getitem__))
    shapes = [{"label": item.get("category"), "points": item.get("segmentation")} for item in ordered]
    return {"shapes": shapes, "imageWidth": info.get("width"), "imageHeight": info.get("height")}


def _framed(whole: dict[str, Any], shape: tuple[int, int], original: tuple[int, int],
           orientation: int) -> tuple[Frame, tuple[str, ...]]:  # fmt: skip
    size = whole.get("imageWidth"), whole.get("imageHeight")
    told = None if size == (None, None) else size
    if told and not all(type(value) is int and 0 < value < _FAR for value in told):
        raise LabelmeError("imageWidth and imageHeight of this file are no sizes.")
    return frame_of(told, shape, original, orientation, LabelmeError)


def _shape(item: Any) -> tuple[str, str, np.ndarray, str | None]:
    """Label, type, points (N, 2) and mask in base64 of one shape."""
    if not isinstance(item, dict):
        raise LabelmeError("A shape of this file is not an object.")
    name, kind, points = item.get("label"), item.get("shape_type") or "polygon", item.get("points")
    if not isinstance(name, str) or not isinstance(kind, str) or not isinstance(points, list):
        raise LabelmeError("A shape of this file lacks its label or its points.")
    for point in points:
        if not (isinstance(point, list) and len(point) == 2
                and all(type(value) in (int, float) and abs(value) < _FAR for value in point)):  # fmt: skip
            raise LabelmeError(f"A shape of this file, {quoted([name])}, has a point that is not two numbers.")
    mask = item.get("mask")
    return name, kind, np.array(points, np.float64).reshape(-1, 2), mask if isinstance(mask, str) else None


def _made(name: str, kind: str, points: np.ndarray, mask: str | None, frame: Frame) -> Shape | None:
    """A shape as it lies on the picture, None where it has no area or is of another type."""
    if kind == "mask" and mask and len(points) == 2:
        return Shape(name, around(frame.mask(_pasted(mask, points, frame.file))))
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return Shape(name, (frame.points(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])),))
    if kind == "circle" and len(points) == 2:
        turn = 2 * np.pi * np.arange(_CIRCLE) / _CIRCLE
        ring = points[0] + math.dist(*points) * np.stack([np.cos(turn), np.sin(turn)], -1)
        return Shape(name, (frame.points(ring),))
    if kind in ("line", "linestrip") and len(points) >= 2:
        shown = frame.points(points)
        scale = frame.size[0] * frame.size[1] / (frame.file[0] * frame.file[1])
        return Shape(name, around(along(shown, max(LINE * math.sqrt(scale), 1.0), frame.size)))
    if kind in _BOXES and len(points) == 4:
        return Shape(name, (frame.points(convex(points)),))
    if kind in _AREAS and len(points) >= LEAST_POINTS:
        return Shape(name, (frame.points(points),))
    return None


def _pasted(text: str, points: np.ndarray, file: tuple[int, int]) -> np.ndarray:
    """(H, W) bool of the file: a mask, a PNG in base64, that fills the box between two points, both of them in it."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(text)), formats=("PNG",)) as image:
            if image.width > file[0] or image.height > file[1]:  # known before any pixel is decoded
                raise LabelmeError("A mask inside this file is larger than the picture.")
            cut = np.asarray(image.convert("L")) > 0
    except LabelmeError:
        raise
    except Exception as error:  # Pillow raises what it likes on a broken file
        raise LabelmeError("A mask inside this file cannot be read.") from error
    left, top = (int(value) for value in np.floor(points.min(0)))
    whole, (height, width) = np.zeros(file[::-1], bool), cut.shape
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(file[0], left + width), min(file[1], top + height)
    if x0 < x1 and y0 < y1:
        whole[y0:y1, x0:x1] = cut[y0 - top : y1 - top, x0 - left : x1 - left]
    return whole


def _pixels(text: str) -> int:
    """How many pixels a PNG in base64 says that it has, 0 where it is none."""
    try:
        head = base64.b64decode(text[:32])
    except ValueError:
        return 0
    return int.from_bytes(head[16:20], "big") * int.from_bytes(head[20:24], "big")


def _touches(ring: np.ndarray, shape: tuple[int, int]) -> bool:
    """Whether the box of a polygon lies partly on the picture."""
    (x0, y0), (x1, y1) = ring.min(0), ring.max(0)
    return x1 > 0 and y1 > 0 and x0 < shape[1] and y0 < shape[0]
