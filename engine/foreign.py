"""A Trace from somebody else's files: bounded before it is unpacked, checked before it is drawn, nothing executed.

What counts is what the files hold, not what they are called or how they were packed: archivers rename, add folders and
shadows of their own (__MACOSX), unpack what was packed twice, and change the order.

References
1. NumPy Enhancement Proposal 1, the NPY format: magic, version, a header that is a Python literal, the numbers.
2. https://www.bamsoftware.com/hacks/zipbomb/: what a ZIP file may claim.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib import format as npy

from engine.trace import FORMAT, Layer, Step, Trace, TraceError

MOST_BYTES = 100_000_000  # of the files
MOST_UNPACKED = 256_000_000  # of everything in them
MOST_RATIO = 100  # bytes out for each byte in, beyond `FREE`: a flat map of labels packs a thousandfold
FREE = 32_000_000
MOST_TEXT = 8_000_000  # of trace.json
MOST_FILES = 60_000  # in all zips together
DEEPEST = 3  # zips in zips: the one that was made of ours, ours, the arrays
MOST_SIDE, MOST_STEPS, MOST_LAYERS, MOST_CLASSES = 4096, 400, 64, 256
MOST_LETTERS, MOST_ROWS, MOST_MAPS = 4000, 5000, 1000
_NUMBERS = "biuf"  # kinds of NumPy types
_ARRAY = re.compile(r"(?:image|colours|step\d{1,4}_layer\d{1,3}(?:_nodes)?)\Z")
_SHADOWS = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")  # what archivers and systems add


class Incomplete(TraceError):
    """One of the two files of a Trace is missing; the message says which."""


def read_zip(data: bytes) -> Trace:
    """The Trace in a ZIP file that `Trace.to_zip` wrote, or that was made of its parts. Raises TraceError."""
    return read([("a file", data)])


def read(files: Sequence[tuple[str, bytes]]) -> Trace:
    """The Trace in one ZIP file, or in its two files trace.npz and trace.json, whatever they are called now.

    files: name and bytes. Raises TraceError with one sentence for everything else, Incomplete where a part is missing.
    """
    size = sum(len(data) for _, data in files)
    if size > MOST_BYTES:
        raise TraceError(f"This file has {size / 1e6:.0f} MB; a Trace of up to {MOST_BYTES / 1e6:.0f} can be read.")
    try:
        head, arrays = _parts(files, _Room(min(MOST_UNPACKED, max(FREE, MOST_RATIO * size))))
        trace = Trace.of(head, {name: _array(data) for name, data in arrays.items()})
        _check(trace)
        return trace
    except TraceError:
        raise
    except MemoryError:
        raise TraceError("This Trace needs more memory than there is.") from None
    except NotImplementedError:
        raise TraceError("This ZIP file is packed in an unusual way; please pack it with deflate.") from None
    except Exception as error:  # a broken file can break its readers in many ways
        raise TraceError("This file does not hold a readable Trace; export one as “Trace (ZIP)” first.") from error


def _parts(files: Sequence[tuple[str, bytes]], room: _Room) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What `Trace.save` wrote as JSON, and the files of the arrays by name."""
    heads, arrays = [], {}
    for name, data in files:
        for leaf, content in _leaves(name, data, room, 0):
            stem = leaf.removesuffix(".npy")
            if content.startswith(npy.MAGIC_PREFIX):
                if _ARRAY.match(stem) and arrays.setdefault(stem, content) != content:
                    raise TraceError("There are several Traces in this file; please give one at a time.")
            elif (head := _head(content)) is not None:
                heads.append(head)
    if len(heads) > 1:
        raise TraceError("There are several Traces in this file; please give one at a time.")
    if heads and heads[0].get("format") != FORMAT:
        raise TraceError(f"This is no Trace of format {FORMAT}, the one that this version reads.")
    if not heads and not arrays:
        raise TraceError("This file does not hold a readable Trace; export one as “Trace (ZIP)” first.")
    if not heads or not arrays:
        here, other = ("trace.json", "trace.npz") if heads else ("trace.npz", "trace.json")
        raise Incomplete(f"This is only one part of a Trace, {here}; give the other one, {other}, together with it.")
    return heads[0], arrays


def _head(data: bytes) -> dict[str, Any] | None:
    """The JSON of a Trace, None where it is something else."""
    if len(data) > MOST_TEXT or not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return None
    try:
        head = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return head if isinstance(head, dict) and {"format", "steps"} <= set(head) else None


class _Room:
    """Counts what comes out of all zips together, whatever they say of themselves."""

    def __init__(self, most: int) -> None:
        self.most, self.left, self.files = most, most, MOST_FILES

    def read(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
        """A member's bytes. Raises TraceError before they are too many."""
        self.files -= 1
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NotImplementedError
        if info.flag_bits & 1:
            raise TraceError("This ZIP file is encrypted; please give it without a password.")
        if info.file_size > self.left or self.files < 0:
            raise TraceError(f"This Trace would unpack to more than {self.most / 1e6:.0f} MB, its limit.")
        with archive.open(info) as file:  # reads no more than it has said
            data = file.read()
        self.left -= len(data)
        return data


def _leaves(name: str, data: bytes, room: _Room, depth: int) -> Iterator[tuple[str, bytes]]:
    """The last part of the name, and the bytes, of each file in a file that may be a ZIP file of ZIP files."""
    if not data.startswith((b"PK\3\4", b"PK\5\6")):
        yield name, data
    elif depth < DEEPEST:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                parts = [part for part in info.filename.replace("\\", "/").split("/") if part]
                if info.is_dir() or not parts or parts[-1].startswith("._") or not set(parts).isdisjoint(_SHADOWS):
                    continue
                yield from _leaves(parts[-1], room.read(archive, info), room, depth + 1)


def _array(data: bytes) -> np.ndarray:
    file = io.BytesIO(data)
    version = npy.read_magic(file)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
    shape, fortran, dtype = read_header(file)
    if dtype.kind not in _NUMBERS or dtype.itemsize * math.prod(shape) != len(data) - file.tell():
        raise TraceError("An array of this Trace does not hold the numbers that it promises.")
    flat = np.frombuffer(data, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if fortran else "C").copy()


def _check(trace: Trace) -> None:
    """Raises TraceError where the Trace is not what viewer, renderer and export rely on."""
    height, width = trace.image.shape[:2]
    _must(0 < height <= MOST_SIDE and 0 < width <= MOST_SIDE, f"has a picture of {width} x {height} pixels")
    _must(0 < len(trace.steps) <= MOST_STEPS, f"has {len(trace.steps)} steps")
    _must(len(trace.classes) <= MOST_CLASSES, f"has {len(trace.classes)} classes")
    _must(trace.colours.shape == (len(trace.classes), 3) and trace.colours.dtype == np.uint8, "has broken colours")
    _must(all(map(_text, trace.classes)), "has classes without names")
    _must(isinstance(trace.card, Mapping) and isinstance(trace.settings, Mapping), "has no card")
    for step in trace.steps:
        _check_step(step)


def _check_step(step: Step) -> None:
    _must(_text(step.title) and _text(step.sentence), "has a step without words")
    _must(len(step.layers) <= MOST_LAYERS, f"has a step of {len(step.layers)} layers")
    for layer in step.layers:
        _check_layer(layer)
    if step.table:
        columns, rows = step.table.columns, step.table.rows
        _must(all(map(_text, columns)) and len(columns) <= 100 and len(rows) <= MOST_ROWS, "has a broken table")
        _must(all(len(row) == len(columns) and all(map(_cell, row)) for row in rows), "has a broken table")


def _check_layer(layer: Layer) -> None:
    data, words = layer.data, f"has a broken layer of kind {layer.kind}"
    _must(_text(layer.name) and _text(layer.unit), words)
    _must(data.size > 0 or layer.kind in ("boxes", "points", "lines"), words)
    _must(max(data.shape, default=0) <= (MOST_SIDE if data.ndim == 3 or layer.kind == "mask" else 200_000), words)
    shape, kind = data.shape, data.dtype.kind
    fits = {
        "image": shape[-1:] == (3,) and data.dtype == np.uint8,
        "labels": data.dtype == np.uint8 if data.ndim == 2 else kind == "f" and shape[0] <= MOST_MAPS,
        "heat": kind == "f" and (data.ndim == 2 or shape[0] <= MOST_MAPS),
        "mask": kind == "b",
        "boxes": shape[1:] == (4,),
        "points": shape[1:] == (2,),
        "lines": shape[1:] == (2,),
        "cells": shape == (2,) and kind in "iu" and bool((data > 0).all() and (data <= MOST_SIDE).all()),
        "tree": kind in "iu",
    }
    _must(bool(fits[layer.kind]), words)
    _must(_numbers(layer.box, 4) and (layer.box is None or _area(layer.box)), words)
    _must(_numbers(layer.range, 2) and (layer.range is None or layer.range[0] <= layer.range[1]), words)
    _must(isinstance(layer.attributes, Mapping), words)
    _must(all(_text(k) and _number(v) for k, v in layer.attributes.items()), words)


def _must(fine: bool, words: str) -> None:
    if not fine:
        raise TraceError(f"This Trace {words}, which cannot be shown.")


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MOST_LETTERS


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < 1e9


def _cell(value: Any) -> bool:
    return _text(value) or value is None or type(value) in (int, float, bool)


def _numbers(values: Any, count: int) -> bool:
    return values is None or (len(values) == count and all(map(_number, values)))


def _area(box: tuple[float, ...]) -> bool:
    return box[0] < box[2] and box[1] < box[3]
