"""The one component in which people draw ground truth over a picture: polygons, a brush, whole superpixels.

References
1. Streamlit, Components V2 (st.components.v2.component): no iframe, bytes in, JSON out.
2. assets/annotate/*.js: the ES modules that are joined here; those of the viewer and of drag that they build on come
   first. raster.js makes the labels that `engine.debug.polygons.rasterise` makes.

Convention
----------
Points are in image pixels as in `engine.debug.polygons`. Drawing happens in the browser, which keeps each picture's
drawing in its own storage for a week (store.js), so that a later visit begins with it, told apart by the id of the
visit; it comes to Python when the user sends it. What the browser sends is untrusted:
`read_drawing` takes it apart.
"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from engine.debug.polygons import IGNORED, LEAST_POINTS, MOST_POINTS, MOST_POLYGONS, UNTOUCHED, Drawing, Polygon
from engine.trace import VOID
from pages.kit.modules import join, read
from pages.kit.payload import frame, image_id

# In the order in which they build on each other; the last one holds the default export.
MODULES = ("../viewer/dom", "../viewer/payload", "../viewer/registry", "../viewer/palette", "../viewer/painting",
           "../viewer/scene", "../viewer/gestures", "../drag/history", "raster", "shapes", "store", "sketch", "easel",
           "hand", "keyboard", "bar", "messenger", "annotate")  # fmt: skip
MOST_TEXT = 2_000_000  # characters of the runs of brush cells; a picture of fine speckles by hand has 100,000
_RUN = 10  # characters of a run of equal cells at most: a label, a count and two spaces


@dataclass(frozen=True, eq=False)
class Drawn:
    """A drawing that the user sent. n: grows with each one, so that the same can be sent twice."""

    drawing: Drawing
    n: int


_annotate = st.components.v2.component("saccade_annotate", html=read("annotate", "annotate.html"),
                                       css=read("annotate", "annotate.css"), js=join("annotate", MODULES))  # fmt: skip


def annotate(rgb: np.ndarray, key: str, classes: tuple[str, ...], colours: np.ndarray, *,
             regions: np.ndarray | None = None, start: Drawing | None = None, again: int = 0,
             send: str = "Judge against this", live: bool = False) -> Drawing | None:  # fmt: skip
    """Let the user draw over the picture (H, W, 3) uint8; the drawing that was last sent for it, None before.

    classes: at most 254 names. colours: (K, 3) uint8. regions: (H, W) superpixel ids below 65536, which a click then
    fills whole. start: a drawing of the same size that takes the place of what is there (the user can undo that), once
    for each other content or number `again`. send: the words on the button that sends. live: each change is sent by
    itself, too, at most one message in flight. What is sent reruns the script or fragment; `drawn` knows it before this
    call. Raises ValueError where the sizes differ or there are too many classes or superpixels.
    """
    if len(classes) > IGNORED:
        raise ValueError(f"One can draw up to {IGNORED} classes, not {len(classes)}.")
    last = drawn(key, rgb, classes)
    parts = [_picture(rgb)]
    if regions is not None:
        parts.append(_regions(regions, rgb.shape[:2]))
    head = {
        "key": key,
        "image": image_id(rgb),
        "width": rgb.shape[1],
        "height": rgb.shape[0],
        "classes": classes,
        "colours": np.asarray(colours).tolist(),
        "start": start and _start(start, rgb.shape[:2], again),
        "send": send,
        "visit": st.session_state.setdefault("annotate_visit", secrets.token_hex(8)),
        "live": live,
        "limits": {"polygons": MOST_POLYGONS, "points": MOST_POINTS, "text": MOST_TEXT},
        "n": last.n if live and last else 0,  # else the same bytes again, which Streamlit need not send
        "blobs": [len(part) for part in parts],
    }
    _annotate(key=key, data=frame(head) + b"".join(parts), on_drawn_change=_nothing)
    return last and last.drawing


def drawn(key: str, rgb: np.ndarray, classes: tuple[str, ...]) -> Drawn | None:
    """What was last sent for the picture (H, W, 3) from the component with this `key`, else None; known before
    `annotate` is called, and kept until the next one or another picture: compare ``n`` to tell a new one."""
    message = st.session_state.get(key, {}).get("drawn")
    if not isinstance(message, Mapping) or message.get("image") != image_id(rgb):
        return None
    drawing, n = read_drawing(message, rgb.shape[:2], len(classes)), message.get("n")
    return Drawn(drawing, n) if drawing and type(n) is int and 0 < n < 2**53 else None


def read_drawing(message: Mapping[str, Any], shape: tuple[int, int], classes: int) -> Drawing | None:
    """A drawing over (H, W) pixels from an untrusted message, None where it is not one; points are clamped to it.

    polygons: at most `MOST_POLYGONS` pairs of a label, a class index or 255, and its coordinates x, y, x, y ...; at
    most `MOST_POINTS` points together. cells: runs of equal cells, row by row, as "label count label count ...", at
    most `MOST_TEXT` characters.
    """
    polygons, text = message.get("polygons"), message.get("cells")
    if not isinstance(polygons, list) or len(polygons) > MOST_POLYGONS:
        return None
    read, room = [], 2 * MOST_POINTS
    for item in polygons:
        polygon = _polygon(item, shape, classes, room)
        if polygon is None:
            return None
        room -= polygon.points.size
        read.append(polygon)
    cells = _cells(text, shape, classes)
    return None if cells is None else Drawing(tuple(read), cells)


def _polygon(item: Any, shape: tuple[int, int], classes: int, room: int) -> Polygon | None:
    if not isinstance(item, list) or len(item) != 2 or not isinstance(item[1], list):
        return None
    label, flat = item
    if type(label) is not int or not (0 <= label < classes or label == VOID):
        return None
    if len(flat) % 2 or not 2 * LEAST_POINTS <= len(flat) <= room:
        return None
    if not all(type(value) in (int, float) and abs(value) < 1e9 for value in flat):  # nan is not smaller either
        return None
    height, width = shape
    return Polygon(label, np.clip(np.array(flat, np.float64).reshape(-1, 2), 0.0, (width, height)))


def _cells(text: Any, shape: tuple[int, int], classes: int) -> np.ndarray | None:
    count = shape[0] * shape[1]
    if not isinstance(text, str) or len(text) > min(_RUN * count, MOST_TEXT):
        return None
    if not re.fullmatch(r"(?:[0-9]{1,3} [0-9]{1,8}(?: |$))+", text, re.ASCII):
        return None
    labels, counts = np.array(text.split(), int).reshape(-1, 2).T
    if counts.sum() != count or not ((labels < classes) | (labels == IGNORED) | (labels == UNTOUCHED)).all():
        return None
    return np.repeat(labels.astype(np.uint8), counts).reshape(shape)


def _start(drawing: Drawing, shape: tuple[int, int], again: int = 0) -> dict[str, Any]:
    """A drawing in the form of a message, with what tells it from any other."""
    if drawing.cells.shape != shape:
        raise ValueError(f"The drawing is made for {drawing.cells.shape} pixels, the picture has {shape}.")
    polygons = [[polygon.label, polygon.points.ravel().tolist()] for polygon in drawing.polygons]
    flat = drawing.cells.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    text = " ".join(f"{flat[end - 1]} {length}" for end, length in zip(ends, np.diff(ends, prepend=0), strict=True))
    digest = hashlib.blake2b(repr((polygons, again)).encode() + text.encode(), digest_size=12).hexdigest()
    return {"polygons": polygons, "cells": text, "id": digest}


def _picture(rgb: np.ndarray) -> bytes:
    """The picture as a JPEG file: only to look at."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(out, "JPEG", quality=92)
    return out.getvalue()


def _regions(regions: np.ndarray, shape: tuple[int, int]) -> bytes:
    if regions.shape != shape:
        raise ValueError(f"The superpixels are made for {regions.shape} pixels, the picture has {shape}.")
    if regions.min() < 0 or regions.max() >= 2**16:
        raise ValueError("Superpixels have ids from 0 to 65535.")
    return regions.astype("<u2").tobytes()


def _nothing() -> None:
    """Streamlit keeps a component's value only where a callback is named."""
