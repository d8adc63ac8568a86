"""A Trace as one run of bytes for the browser: a JSON header, then the arrays, each at its own resolution.

Convention
----------
A frame is a little-endian u32 (length of the JSON that follows), then UTF-8 JSON padded with spaces so that the frame
ends on a multiple of 8 bytes. A packed Trace is one frame followed by blobs. ``header["blobs"]`` lists (offset, length)
pairs, offsets counted from the end of the frame, each a multiple of 8. Equal arrays are sent once.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from engine import palette
from engine.keep import Keep
from engine.trace import Layer, Step, Trace

ALIGN = 8
HALF_MAX = 60000.0  # a float16 ends at 65504
LOSSLESS = 65536  # images of fewer pixels travel as PNG, larger ones as JPEG (64 times faster to write)
PICTURES = Keep(24 * 2**20)  # encoded pictures by their ids: each answer about a picture brings it again


def pack(trace: Trace, *, name: str = "saccade") -> bytes:
    """Everything the viewer needs to show `trace`, as bytes (see Convention).

    Class maps and heat maps travel as float16 (values past +-60000 are cut there; a NaN logit reads as -60000),
    label maps and masks as uint8, the leaves of a tree as uint16 and its nodes as float32, boxes, points and lines as
    float32. Numbers in the header that JSON cannot hold (NaN, infinities) become null. `name` is how a downloaded
    picture is called.
    """
    blobs = _Blobs()
    head = {
        "name": name,
        "width": trace.image.shape[1],
        "height": trace.image.shape[0],
        "image": _image(trace.image, blobs),
        "image_id": blobs.id_of(trace.image),
        "classes": [str(c) for c in trace.classes],
        "palettes": {"safe": palette.safe(len(trace.classes)).tolist(), "data": trace.colours.tolist()},
        "steps": [_step(step, blobs) for step in trace.steps],
        "blobs": blobs.places,
    }
    head["id"] = _digest(json.dumps(plain(head)).encode(), *map(str.encode, blobs.known))
    return frame(head) + b"".join(blobs.parts)


def frame(head: Mapping[str, Any]) -> bytes:
    """One frame: u32 length, JSON, spaces up to a multiple of 8 bytes."""
    text = json.dumps(plain(head), allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-(4 + len(text)) % ALIGN)
    return struct.pack("<I", len(text)) + text


def read_frame(data: bytes, start: int = 0) -> tuple[dict[str, Any], int]:
    """The header of the frame that begins at `start`, and where the frame ends."""
    (length,) = struct.unpack_from("<I", data, start)
    end = start + 4 + length
    return json.loads(data[start + 4 : end]), end


def image_id(image: np.ndarray) -> str:
    """What tells one picture (H, W, 3) uint8 from any other, in messages to and from the browser."""
    return _digest(image.tobytes(), str(image.shape).encode())


def plain(value: Any) -> Any:
    """`value` in the types that JSON has; numbers that it lacks become None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


class _Blobs:
    """The byte parts after the header, equal ones kept once."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.places: list[tuple[int, int]] = []
        self.known: dict[str, int] = {}  # digest of the bytes -> index
        self.images: dict[int, dict[str, Any]] = {}  # id() of an array of the Trace -> how it was encoded
        self.ids: dict[int, str] = {}  # the same -> its image id
        self._end = 0

    def id_of(self, pixels: np.ndarray) -> str:
        """The image id of an array of the Trace, worked out once."""
        if id(pixels) not in self.ids:
            self.ids[id(pixels)] = image_id(pixels)
        return self.ids[id(pixels)]

    def add(self, data: bytes) -> int:
        """Index in `places` of these bytes."""
        digest = _digest(data)
        if digest not in self.known:
            self.known[digest] = len(self.places)
            self.places.append((self._end, len(data)))
            self.parts.append(data + bytes(-len(data) % ALIGN))
            self._end += len(self.parts[-1])
        return self.known[digest]


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()  # in the silicon of most machines, twice as fast as blake2b there
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:24]


def _step(step: Step, blobs: _Blobs) -> dict[str, Any]:
    table = step.table and {"columns": step.table.columns, "rows": step.table.rows}
    return {"title": step.title, "sentence": step.sentence, "table": table,
            "layers": [_layer(layer, blobs) for layer in step.layers]}  # fmt: skip


def _layer(layer: Layer, blobs: _Blobs) -> dict[str, Any]:
    head = {"kind": layer.kind, "name": layer.name, "box": layer.box, "range": layer.range, "unit": layer.unit,
            "attributes": dict(layer.attributes), "shape": layer.data.shape}  # fmt: skip
    if layer.kind == "image":
        return head | _image(layer.data, blobs)
    if layer.kind == "cells":
        return head | {"cells": [int(n) for n in layer.data]}
    if layer.kind == "heat":
        return head | _heat(layer, blobs)
    if layer.kind == "labels" and layer.data.ndim == 3:
        logits = np.nan_to_num(layer.data.astype(np.float32), nan=-HALF_MAX, posinf=HALF_MAX, neginf=-HALF_MAX)
        return head | _array(np.clip(logits, -HALF_MAX, HALF_MAX), "<f2", blobs)
    if layer.kind == "tree":
        nodes = {"shape": layer.nodes.shape} | _array(layer.nodes, "<f4", blobs)
        return head | _array(layer.data, "<u2", blobs) | {"nodes": nodes}
    return head | _array(layer.data, "<f4" if layer.kind in ("boxes", "points", "lines") else "|u1", blobs)


def _heat(layer: Layer, blobs: _Blobs) -> dict[str, Any]:
    """Values over a power of two that brings them where float16 is exact enough; NaN stays: it means no value."""
    data, whole = layer.data, np.isfinite(layer.data)
    finite = data if whole.all() else data[whole]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    top = max(-low, high)
    scale = 1.0 if top == 0 or 1e-2 < top < HALF_MAX else 2.0 ** math.ceil(math.log2(top))
    if scale != 1.0:
        data = data.astype(np.float64) / scale
    if finite is not layer.data:
        data = np.nan_to_num(data, nan=np.nan, posinf=HALF_MAX, neginf=-HALF_MAX)
    return _array(data, "<f2", blobs) | {"scale": scale, "range": layer.range or (low, high)}


def _array(data: np.ndarray, dtype: str, blobs: _Blobs) -> dict[str, Any]:
    return {"dtype": dtype[1:], "blob": blobs.add(np.ascontiguousarray(data, dtype).tobytes())}


def _image(pixels: np.ndarray, blobs: _Blobs) -> dict[str, Any]:
    """The picture as a file; the same array, which most steps begin with, is encoded once."""
    if id(pixels) not in blobs.images:
        blobs.images[id(pixels)] = _encoded(pixels, blobs)
    return blobs.images[id(pixels)]


def _encoded(pixels: np.ndarray, blobs: _Blobs) -> dict[str, Any]:
    kind = "PNG" if pixels.shape[0] * pixels.shape[1] < LOSSLESS else "JPEG"
    data = PICTURES.get(blobs.id_of(pixels), lambda: _file(pixels, kind))
    return {"mime": f"image/{kind.lower()}", "blob": blobs.add(data)}


def _file(pixels: np.ndarray, kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, kind, **({"quality": 92} if kind == "JPEG" else {}))
    return out.getvalue()
