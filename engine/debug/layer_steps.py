"""A layer as a Trace: the picture, how much it says where, its channels one by one, and what a cell listens to.

Convention
----------
A map of h x w cells divides the picture evenly; cell (row, column) of it lies under the point (x, y), image pixel
frame, for row = y h / H and column = x w / W, rounded down. Fields are in pixels of the network's input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.debug.layers import Maps, Module, Output, Recording, cut
from engine.trace import Layer, Step, Table, Trace

WITHIN = 0.98  # of the values of a map lie within the colours of its scale
FAINT = 0.22  # contrast of the picture below a map
COLUMNS = ("module", "type", "output", "calls", "own parameters", "all parameters", "minimum", "maximum", "mean", "sd",
           "zeros, %", "not finite, %", "channels", "dead channels", "field")  # fmt: skip


def shape_words(output: Output) -> str:
    """Channels, rows and columns of an output, without the batch."""
    return " × ".join(map(str, output.shape[1:]))


def field_words(output: Output) -> str:
    """The receptive field of a cell by arithmetic in pixels, rows x columns; "" where it is not known."""
    return " × ".join(f"{f.size:.0f}" for f in output.fields) if output.fields else ""


def table(recording: Recording) -> Table:
    """All modules in the order of the tree, with the shape and statistics of their last output."""
    return Table(COLUMNS, tuple(_row(module) for module in recording.modules))


def _row(module: Module) -> tuple[str | float, ...]:
    head = (module.name or "(network)", module.kind)
    sizes = (max((o.call for o in module.outputs), default=0), module.own, module.total)
    if not module.outputs:
        return (*head, "", *sizes, *[""] * 9)
    last = module.outputs[-1]
    whole = [round(v, 4) for v in last.whole.values()]
    shares = [round(100 * last.whole[name], 2) for name in ("zeros", "not finite")]
    return (*head, shape_words(last), *sizes, *whole[:4], *shares, last.channels, int(last.dead.sum()),
            field_words(last))  # fmt: skip


def channel_table(output: Output) -> Table:
    """Each channel of an output with its statistics, the dead ones marked."""
    columns = ("channel", "state", "mean", "sd", "minimum", "maximum", "zeros, %")
    numbers = zip(output.dead, output.mean, output.sd, output.low, output.high, 100 * output.zeros, strict=True)
    return Table(columns, tuple((i, "dead" if dead else "", *(round(float(v), 4) for v in values))
                                for i, (dead, *values) in enumerate(numbers)))  # fmt: skip


def trace(rgb: np.ndarray, card: Mapping[str, Any], recording: Recording, module: Module, index: int, maps: Maps,
          one_scale: bool = False) -> Trace:  # fmt: skip
    """The picture (H, W, 3) uint8, the mean |value| of all channels, then a step for each of `maps`.

    index: of the output of `module` that `maps` are of. one_scale: the colours of all channels mean the same values.
    """
    output = module.outputs[index]
    signed = bool((output.low < 0).any())
    photo, cells = Layer("image", "picture", rgb), _cells(output, recording.size, maps.overall.shape)
    dark, under = (Layer("image", "faint picture", faint(rgb, ground)) for ground in (0, 255 if signed else 0))
    name = module.name or "the network"
    rows, columns = maps.overall.shape
    field = field_words(output)
    seen = f" Each cell can see {field} pixels." if field else ""
    dead = int(output.dead.sum())
    steps = [
        Step("Image", f"{rgb.shape[1]} x {rgb.shape[0]} pixels; the network gets {recording.size[1]} x "
             f"{recording.size[0]}.", (photo,)),
        Step("All channels", f"{name}: the mean |value| of {output.channels} channels of {columns} x {rows} cells; "
             f"{dead or 'none'} {'is' if dead == 1 else 'are'} dead on this picture.{seen}",
             (dark, Layer("heat", "mean |value|", maps.overall, range=(0.0, _top(maps.overall))), cells)),
    ]  # fmt: skip
    for channel, values in zip(maps.order.tolist(), maps.values, strict=True):
        top = _top(maps.values if one_scale else values)
        heat = Layer("heat", f"channel {channel}", values, range=(-top if signed else 0.0, top))
        steps.append(Step(f"Channel {channel}", _sentence(output, channel), (under, heat, cells)))
    settings = {"layer": module.name, "output": index + 1, "channels": maps.order.tolist()}
    return Trace(rgb, card, tuple(steps), settings=settings)


def faint(rgb: np.ndarray, ground: int, contrast: float = FAINT) -> np.ndarray:
    """(H, W, 3) uint8 without colours and drawn towards the grey `ground`, so that what lies over it is seen."""
    grey = rgb @ np.array([0.299, 0.587, 0.114])
    return np.repeat((ground + contrast * (grey - ground)).astype(np.uint8)[..., None], 3, axis=2)


def _top(values: np.ndarray) -> float:
    """The |value| that `WITHIN` of the finite ones do not exceed: a few strong cells do not make the others pale."""
    finite = np.abs(values[np.isfinite(values)])
    if not finite.any():
        return 1.0
    return float(np.quantile(finite, WITHIN)) or float(finite.max())


def _sentence(output: Output, channel: int) -> str:
    mean, sd, low, high = (float(v[channel]) for v in (output.mean, output.sd, output.low, output.high))
    zeros = f"; {100 * output.zeros[channel]:.0f} % of its cells are 0" if output.zeros[channel] else ""
    dead = " It is dead: the same number everywhere." if output.dead[channel] else ""
    follows = " A ReLU follows: only what is above 0 goes on." if output.bounds and output.bounds[0] == 0 else ""
    return f"Channel {channel}: mean {mean:.3g}, sd {sd:.3g}, from {low:.3g} to {high:.3g}{zeros}.{dead or follows}"


def _cells(output: Output, size: tuple[int, int], shape: tuple[int, int]) -> Layer:
    """The grid of a map, a cell drawn where the cursor is, with its receptive field where that is a known square."""
    attributes = {"stride": size[0] / shape[0], "grid": 0.0}
    if output.fields:
        first, second = output.fields
        centres = [f.centre + f.stride * n for f, n in zip(output.fields, cut(output.shape, size), strict=True)]
        if first.size == second.size and centres[0] == centres[1]:
            attributes |= {"stride": first.stride, "field": first.size, "centre": centres[0]}
    return Layer("cells", "cells", np.array(shape), attributes=attributes)


def cell_at(rgb: np.ndarray, shape: tuple[int, int], x: float, y: float) -> tuple[int, int]:
    """(row, column) of the cell of a map of `shape` = (h, w) under (x, y), image pixel frame, clamped into the map."""
    sides = zip((y, x), rgb.shape[:2], shape, strict=True)
    return tuple(min(max(int(at / side * cells), 0), cells - 1) for at, side, cells in sides)


def allowed(output: Output, size: tuple[int, int], cell: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """(x0, y0, x1, y1) in pixels of the network's input of `size` that a cell of the cut map can see, by arithmetic."""
    if output.fields is None:
        return None
    ends = []
    for field, at, before in zip(output.fields, cell, cut(output.shape, size), strict=True):
        centre = field.centre + field.stride * (at + before)
        ends.append((centre - field.size / 2, centre + field.size / 2))
    (top, bottom), (left, right) = ends
    return left, top, right, bottom


def field_step(rgb: np.ndarray, recording: Recording, output: Output, cell: tuple[int, int], channel: int | None,
               shape: tuple[int, int], found: tuple[np.ndarray, np.ndarray] | None) -> Step:  # fmt: skip
    """What a cell of a map of `shape` listens to, as a step of its own.

    channel: None means the sum of all. found: what `engine.debug.layers.listened` gave, None where there are no
    gradients.
    """
    scale = np.array([rgb.shape[1] / recording.size[1], rgb.shape[0] / recording.size[0]] * 2)
    row, column = cell
    middle = [[(column + 0.5) / shape[1] * rgb.shape[1], (row + 0.5) / shape[0] * rgb.shape[0]]]
    whose = "The sum of all channels" if channel is None else f"Channel {channel}"
    sentence = f"{whose} at row {row}, column {column}: "
    layers = [Layer("image", "faint picture", faint(rgb, 0, 2 * FAINT))]
    if found is not None:
        heat, box = found
        layers.append(Layer("heat", "gradient", heat, range=(0.0, 1.0), unit="share of the strongest"))
    if found is None:
        sentence += "onnxruntime gives no gradients"
    elif heat.any():
        x0, y0, x1, y1 = box / scale
        sentence += f"nine tenths of its gradient come from {x1 - x0:.0f} x {y1 - y0:.0f} pixels"
        layers.append(Layer("boxes", "nine tenths", box[None]))
    else:
        sentence += "no pixel moves it, its gradient is 0"
    outer = allowed(output, recording.size, cell)
    if outer is not None:
        sentence += f"; the arithmetic allows {outer[2] - outer[0]:.0f} x {outer[3] - outer[1]:.0f}."
        edge = np.array([*rgb.shape[1::-1]] * 2, float)
        layers.append(Layer("boxes", "what it can see", np.clip(np.array(outer) * scale, 0, edge)[None]))
    else:
        sentence += "; arithmetic knows no bound here."
    layers.append(Layer("points", "the cell", np.array(middle)))
    return Step("What it listens to", sentence, tuple(layers))
