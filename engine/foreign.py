"""A Trace from somebody else's file: bounded before it is unpacked, checked before anything draws it, nothing executed.

References
1. NumPy Enhancement Proposal 1, the NPY format: magic, version, a header that is a Python literal, the numbers.
2. https://www.bamsoftware.com/hacks/zipbomb/: what a ZIP file may claim.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib import format as npy

from engine.trace import FORMAT, Layer, Step, Trace, TraceError

MOST_BYTES = 100_000_000  # of the file
MOST_UNPACKED = 400_000_000  # of all arrays together
MOST_TEXT = 8_000_000  # of trace.json
MOST_SIDE, MOST_STEPS, MOST_LAYERS, MOST_CLASSES = 4096, 400, 64, 256
MOST_LETTERS, MOST_ROWS, MOST_MAPS = 4000, 5000, 1000
_NUMBERS = "biuf"  # kinds of NumPy types


def read_zip(data: bytes) -> Trace:
    """The Trace in a ZIP file that `Trace.to_zip` wrote. Raises TraceError with one sentence for every other file."""
    if len(data) > MOST_BYTES:
        raise TraceError(
            f"This file has {len(data) / 1e6:.0f} MB; a Trace of up to {MOST_BYTES / 1e6:.0f} can be read."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            head = json.loads(_member(archive, "trace.json", MOST_TEXT))
            if not isinstance(head, dict) or head.get("format") != FORMAT:
                raise TraceError(f"This is no Trace of format {FORMAT}, the one that this version reads.")
            arrays = _arrays(_member(archive, "trace.npz", MOST_UNPACKED))
        trace = Trace.of(head, arrays)
        _check(trace)
        return trace
    except TraceError:
        raise
    except MemoryError:
        raise TraceError("This Trace needs more memory than there is.") from None
    except Exception as error:  # a broken file can break its readers in many ways
        raise TraceError("This file does not hold a readable Trace; export one as “Trace (ZIP)” first.") from error


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """The bytes of a member, never more than `most`."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise TraceError(f"This ZIP file holds no {name}, so it is no Trace.") from None
    if info.file_size > most:
        raise TraceError(f"{name} would unpack to {info.file_size / 1e6:.0f} MB; at most {most / 1e6:.0f} are read.")
    with archive.open(info) as file:  # reads no more than it has said
        return file.read()


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of an NPZ file by name, each as large as its header says (reference 1); no objects."""
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MOST_UNPACKED or len(entries) > 2 * MOST_STEPS * MOST_LAYERS:
            raise TraceError(f"This Trace would unpack to more than {MOST_UNPACKED / 1e6:.0f} MB.")
        for entry in entries:
            with archive.open(entry) as file:
                arrays[entry.filename.removesuffix(".npy")] = _array(file.read())
    return arrays


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
