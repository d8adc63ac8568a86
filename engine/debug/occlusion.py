"""Occlusion sensitivity: a grey square slides over the picture, and each place is given what hiding it costs.

References
1. Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2 and figure 7: the
   probability of the right class as a function of the place of the grey square. Lecture slide 102.

Convention
----------
The picture is divided evenly into rows x columns cells of about `step` pixels; the square of `side` pixels is put with
its middle in the middle of each (`engine.debug.probe.Patch`). Sides and places are pixels of the picture; the network
may be shown a smaller working copy, in which they are scaled and rounded. A drop is the probability without the square
minus that with it: positive where hiding costs. The model's face takes one picture at a time, so each cell costs a run.

A map of many cells is made from coarse to fine: first every b-th row and column, b a power of two, then every b/2-th,
and so on, none twice. Until all are known a cell shows the value of the nearest one of the last complete level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image

from engine import tensors
from engine.debug.answers import Answer, answer
from engine.debug.probe import Patch, Probe, grey
from engine.debug.probe_changes import chance
from engine.trace import Layer, Step, Table, Trace

CELLS = 4096  # of a map at most
TOP = 8  # rows of the table
FIRST = 64  # runs of the coarsest level at most


class OcclusionError(ValueError):
    """This map cannot be made; the message is one clear sentence."""


@dataclass(frozen=True)
class Target:
    """What is watched: the probability of class `k` at `pixel` (x, y), or its mean over the pixels that the answer
    without the square gives to it, where pixel is None (over the whole picture where there is none)."""

    k: int
    pixel: tuple[float, float] | None = None


@dataclass(frozen=True)
class Sliding:
    """The square: `side` and `step` in pixels of the picture. longest: side of the working copy, None for no copy."""

    side: int = 64
    step: int = 32
    longest: int | None = 320

    def cells(self, size: tuple[int, int]) -> tuple[int, int]:
        """(rows, columns) over a picture of `size` = (H, W). Raises OcclusionError where a number is out of range."""
        if not (1 <= self.side <= Patch.high and self.step >= 1 and (self.longest is None or self.longest >= 8)):
            raise OcclusionError(f"The square needs a side of 1 to {Patch.high:g} pixels and a step of at least 1.")
        rows, columns = (-(-length // self.step) for length in size)
        if rows * columns > CELLS:
            raise OcclusionError(
                f"A step of {self.step} pixels needs {rows * columns:,} runs; at most {CELLS:,} are made."
            )
        return rows, columns


@dataclass(frozen=True, eq=False)
class Occlusion:
    """A sensitivity map, whole or under way.

    drop: (rows, columns) float32, nan where it is not known yet. before: the probability without the square.
    seen: width and height of the working copy. done: squares so far, of `drop.size`. block: every which row and column
    is known at least, 0 while even the coarsest level is not complete, 1 once all are.
    """

    rgb: np.ndarray
    target: Target
    sliding: Sliding
    before: float
    drop: np.ndarray
    seen: tuple[int, int]
    done: int
    block: int = 1

    @property
    def shown(self) -> np.ndarray:
        """(rows, columns) float32: `drop`, and until all is known the nearest value of the last complete level."""
        if self.block < 2:
            return self.drop
        first = _coarsest(*self.drop.shape)
        known = [np.array(_known(length, self.block, first)) for length in self.drop.shape]
        near = [at[np.abs(np.arange(n)[:, None] - at).argmin(1)] for n, at in zip(self.drop.shape, known, strict=True)]
        return self.drop[np.ix_(*near)]

    def middle(self, row: int, column: int) -> tuple[float, float]:
        """(x, y) of the middle of a cell, in pixels of the picture."""
        (h, w), (rows, columns) = self.rgb.shape[:2], self.drop.shape
        return (column + 0.5) * w / columns, (row + 0.5) * h / rows

    @property
    def top(self) -> list[tuple[int, int]]:
        """(row, column) of the cells that cost most, the largest drop first, at most `TOP`; only those that cost."""
        order = np.argsort(-np.nan_to_num(self.drop, nan=-np.inf), axis=None, kind="stable")[:TOP]
        return [divmod(int(i), self.drop.shape[1]) for i in order if self.drop.flat[i] > 0]


def occlude(model: Any, rgb: np.ndarray, target: Target, sliding: Sliding = Sliding(),
            variant: str | None = None) -> Iterator[Occlusion]:  # fmt: skip
    """The map after each square, from coarse to fine, each level row by row; the last one is whole.

    rgb: (H, W, 3) uint8. variant: one of `model.scored`, None means `model.usual`. Raises OcclusionError.
    """
    rows, columns = sliding.cells(rgb.shape[:2])
    copy = working_copy(rgb, sliding.longest)
    scale = copy.shape[1] / rgb.shape[1]
    first = answer(model, copy, variant)
    region = _region(first, target, scale)
    before, side = _score(first, target.k, region), max(1, round(sliding.side * scale))
    drop, light = np.full((rows, columns), np.nan, np.float32), grey(copy)
    found = Occlusion(rgb, target, sliding, before, drop, copy.shape[1::-1], 0, 0)
    order = visits(rows, columns)
    for done, (row, column, level) in enumerate(order, 1):
        x, y = (int(at * scale) for at in found.middle(row, column))
        hidden = copy.copy()
        hidden[Patch(side, x, y).area()] = light
        drop = drop.copy()
        drop[row, column] = before - _score(answer(model, hidden, variant), target.k, region)
        over = done == len(order) or order[done][2] != level
        found = Occlusion(rgb, target, sliding, before, drop, found.seen, done, level if over else found.block)
        yield found


def visits(rows: int, columns: int) -> list[tuple[int, int, int]]:
    """(row, column, block) of each cell in the order in which they are made, block that of its level."""
    first = block = _coarsest(rows, columns)
    order: dict[tuple[int, int], int] = {}
    while block:
        for row in _known(rows, block, first):
            for column in _known(columns, block, first):
                order.setdefault((row, column), block)
        block //= 2
    return [(*cell, block) for cell, block in order.items()]


def _coarsest(rows: int, columns: int) -> int:
    """The block of the first level: a power of two."""
    block = 1
    while -(-rows // block) * -(-columns // block) > FIRST:
        block *= 2
    return block


def _known(length: int, block: int, first: int) -> range:
    """Which of `length` rows or columns a level knows, those of coarser ones among them; first: the coarsest block."""
    return range(min(first // 2, (length - 1) // 2) % block, length, block)


def pace(model: Any, rgb: np.ndarray, longest: int | None = None, variant: str | None = None) -> float:
    """Seconds that one run takes on this machine now, the better of two. longest: of the working copy."""
    copy, seconds = working_copy(rgb, longest), []
    for _ in range(2):
        start = perf_counter()
        answer(model, copy, variant)
        seconds.append(perf_counter() - start)
    return min(seconds)


def working_copy(rgb: np.ndarray, longest: int | None) -> np.ndarray:
    """The picture with at most `longest` pixels on its longer side; never enlarged."""
    if longest is None or max(rgb.shape[:2]) <= longest:
        return rgb
    scale = longest / max(rgb.shape[:2])
    size = tuple(max(1, round(length * scale)) for length in rgb.shape[1::-1])
    return np.array(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def _region(first: Answer, target: Target, scale: float) -> np.ndarray:
    """(h, w) bool: the pixels of the working copy over which the probability is averaged."""
    if target.pixel is None:
        own = first.labels == target.k
        return own if own.any() else np.ones_like(own)
    h, w = first.rgb.shape[:2]
    region = np.zeros((h, w), bool)
    x, y = (min(max(int(at * scale), 0), length - 1) for at, length in zip(target.pixel, (w, h), strict=True))
    region[y, x] = True
    return region


def _score(found: Answer, k: int, region: np.ndarray) -> float:
    if region.sum() == 1:
        (y,), (x,) = region.nonzero()
        logits = torch.from_numpy(found.logits)[None]
        return float(tensors.at_pixel(logits, region.shape, x + 0.5, y + 0.5)[0].softmax(0)[k])
    return float(chance(found, k)[region].mean())


def trace(found: Occlusion, before: Answer) -> Trace:
    """The picture, the first labels, and the map. before: the answer to the picture as it is."""
    name = before.classes[found.target.k]
    photo = Layer("image", "picture", found.rgb)
    bound = max(float(np.nanmax(np.abs(found.drop))), 1e-6)
    heat = Layer("heat", f"drop of p({name})", found.shown, range=(-bound, bound), unit="probability")
    where = Layer("boxes", "costs most", _boxes(found), attributes={"on": 1})
    steps = (
        Step("Image", f"{found.rgb.shape[1]} x {found.rgb.shape[0]} pixels.", (photo,)),
        Step("Labels", "What the model says of the whole picture.", (photo, before.layer())),
        Step("Occlusion map", _words(found, name), (photo, heat, where), _table(found)),
    )
    settings = {**vars(found.sliding), "class": name, "pixel": found.target.pixel, "variant": before.variant}
    return Trace(found.rgb, before.card, steps, before.classes, before.colours, settings)


def _words(found: Occlusion, name: str) -> str:
    pixel, (rows, columns), (w, h) = found.target.pixel, found.drop.shape, found.seen
    of = f"at ({pixel[0]:.0f}, {pixel[1]:.0f})" if pixel else "over its region"
    best = f"most {float(np.nanmax(found.drop)):.3f}" if found.top else "nowhere"
    part = f"{found.done} of " if found.done < found.drop.size else ""
    return (f"Orange: hiding this costs {name}, {best}; blue: hiding it helps. p({name}) {of} is {found.before:.3f}; "
            f"{part}{columns} x {rows} squares of {found.sliding.side} px on a copy of {w} x {h} pixels.")  # fmt: skip


def _boxes(found: Occlusion) -> np.ndarray:
    """(N, 4) float32, N 0 or 1: the square at the best place, x0, y0, x1, y1."""
    half = found.sliding.side / 2
    middles = np.array([found.middle(*at) for at in found.top[:1]], np.float32).reshape(-1, 2)
    boxes = np.concatenate([middles - half, middles + half], 1)
    h, w = found.rgb.shape[:2]
    return boxes.clip(0, [w, h, w, h]).astype(np.float32)


def _table(found: Occlusion) -> Table:
    rows = []
    for at in found.top:
        x, y = found.middle(*at)
        drop = float(found.drop[at])
        rows.append((round(x), round(y), round(drop, 3), round(found.before - drop, 3)))
    return Table(("x", "y", "drop", "p, hidden"), tuple(rows))


def probe_of(found: Occlusion) -> Probe | None:
    """The grey patch at the place that costs most, None where no place costs anything."""
    if not found.top:
        return None
    x, y = found.middle(*found.top[0])
    return Patch(found.sliding.side, int(x), int(y))
