"""The sampling grid as lines, as an SVG file, and as a Trace that goes from one transform to another.

References
1. Jaderberg et al. 2015, "Spatial Transformer Networks", figure 3: the grid on the input, the output beside it.
2. W3C, Scalable Vector Graphics (SVG) 1.1: path data.

Convention
----------
Lines are in the pixel frame of `engine.trace` of the input: they are the OUTPUT's straight lines, from edge to edge,
seen through the transform (output to input). The Traces here show the input at the left and the output at the right.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import torch
from PIL import Image

from engine.spatial.mapping import Forward
from engine.spatial.sampling import Sampling, outside, sample, to_frame
from engine.spatial.theta import Theta, interpolate
from engine.spatial.transforms import Family, ThinPlateSpline, sampling_grid
from engine.trace import Layer, Step, Table, Trace

FINE = 65  # points along each line
GAP = 16  # pixels between two pictures of a Trace
WHITE = 255
CARD: Mapping[str, Any] = {"name": "sampling-grid", "title": "Sampling grid", "paper": "Jaderberg et al. 2015"}


def grid_lines(family: Family, theta: Theta, height: int, width: int, cells: tuple[int, int] = (8, 8),
               align_corners: bool = False, reach: float = 1) -> np.ndarray:  # fmt: skip
    """(N, 2): the lines that divide the output into (across, down) cells, on an input of this size.

    A row of nan after each line; a point that theta takes to no finite place is nan too. reach: of the output only the
    middle, from -reach to reach.
    """
    along = torch.linspace(-reach, reach, FINE, dtype=torch.float64)
    lines = []
    for n, vertical in zip(cells, (True, False), strict=True):
        for at in torch.linspace(-reach, reach, n + 1, dtype=torch.float64):
            pair = (at.expand(FINE), along) if vertical else (along, at.expand(FINE))
            lines.append(torch.stack(pair, -1))
    places = family(torch.tensor([theta], dtype=torch.float64), torch.cat(lines))[0]
    drawn = to_frame(places, height, width, align_corners).unflatten(0, (-1, FINE)).numpy()  # (lines, FINE, 2)
    drawn = np.concatenate([drawn, np.full((len(drawn), 1, 2), np.nan)], 1).reshape(-1, 2)
    return np.where(np.isfinite(drawn).all(1, keepdims=True), drawn, np.nan)


def within(lines: np.ndarray, height: int, width: int) -> np.ndarray:
    """Lines (N, 2) with the pen lifted wherever they leave a picture of this size."""
    inside = ((lines >= 0) & (lines <= (width, height))).all(1, keepdims=True)
    return np.where(inside, lines, np.nan)


def dashed(lines: np.ndarray, on: int = 3, off: int = 2) -> np.ndarray:
    """Lines (N, 2) with the pen lifted at `off` of each `on` + `off` points."""
    gone = np.arange(len(lines)) % (on + off) >= on
    return np.where(gone[:, None], np.nan, lines)


def grid_svg(rgb: np.ndarray, family: Family, theta: Theta, *, cells: tuple[int, int] = (16, 16), picture: bool = True,
             align_corners: bool = False) -> str:  # fmt: skip
    """The grid on its input (H, W, 3) uint8 as a standalone SVG file with a title, a quarter of the picture around it.

    picture: the input itself is embedded as PNG; else only its frame is drawn.
    """
    height, width = rgb.shape[:2]
    mx, my = width / 4, height / 4
    stroke = max(width, height) / 400
    inner = f'<rect width="{width}" height="{height}" fill="none" stroke="#808080" stroke-width="{stroke:.2f}"/>'
    if picture:
        inner = (f'<image width="{width}" height="{height}" href="data:image/png;base64,'
                 f'{base64.b64encode(_png(rgb)).decode("ascii")}"/>') + inner  # fmt: skip
    title = escape(f"Sampling grid, {family.name}, theta = ({', '.join(f'{v:.3f}' for v in theta)})")
    ground = "".join(f'<path d="{_path(grid_lines(family, theta, height, width, n, align_corners))}" fill="none" '
                     f'stroke="#ff4b4b" stroke-width="{w * stroke:.2f}" stroke-linejoin="round"/>'
                     for n, w in ((cells, 0.6), ((1, 1), 2.0)))  # fmt: skip
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{1.5 * width:g}" height="{1.5 * height:g}" '
            f'viewBox="{-mx:g} {-my:g} {1.5 * width:g} {1.5 * height:g}">\n'
            f"<title>{title}</title>\n{inner}\n{ground}\n</svg>\n")  # fmt: skip


def _path(lines: np.ndarray) -> str:
    """SVG path data of lines (N, 2), limited to where numbers stay short."""
    parts, down = [], False
    for x, y in lines.clip(-1e5, 1e5):
        if np.isnan(x):
            down = False
            continue
        parts.append(f"{'L' if down else 'M'}{x:.1f} {y:.1f}")
        down = True
    return "".join(parts)


def _png(rgb: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "PNG")
    return out.getvalue()


def side_by_side(*pictures: np.ndarray) -> np.ndarray:
    """(H, W', 3) uint8: pictures (H, W, 3) of one height in a row on white, `GAP` pixels apart."""
    gap = np.full((pictures[0].shape[0], GAP, 3), WHITE, np.uint8)
    parts = [part for one in pictures for part in (gap, one)][1:]
    return np.concatenate(parts, 1)


def morph(rgb: np.ndarray, family: Family, a: Theta, b: Theta, frames: int, sampling: Sampling) -> Trace:
    """From theta a to b in `frames` >= 2 steps, each parameter linearly: the picture with the grid, and the output."""
    height, width = rgb.shape[:2]
    box = (width + GAP, 0.0, 2.0 * width + GAP, float(height))
    cells = _cells(height, width)
    steps = []
    for i in range(frames):
        theta = interpolate(a, b, i / (frames - 1))
        grid = sampling_grid(family, torch.tensor([theta], dtype=torch.float64), height, width,
                             sampling.align_corners)[0]  # fmt: skip
        lines = within(grid_lines(family, theta, height, width, cells, sampling.align_corners), height, width)
        layers = (Layer("image", "Output", sample(rgb, grid, sampling), box), Layer("lines", "Sampling grid", lines))
        beyond = 100 * outside(grid).mean()
        steps.append(Step(f"t = {i / (frames - 1):.2f}", f"{beyond:.0f} % of the output lies outside the picture.",
                          layers, theta_table(family, theta)))  # fmt: skip
    settings = {"family": family.name, "mode": sampling.mode, "padding": sampling.padding,
                "align_corners": sampling.align_corners}  # fmt: skip
    return Trace(side_by_side(rgb, np.full_like(rgb, WHITE)), CARD, tuple(steps), settings=settings)


def both_ways(rgb: np.ndarray, inverse: np.ndarray, forward: Forward) -> Trace:
    """Input, output of inverse mapping and output of forward mapping, all (H, W, 3), in a row; holes as a mask."""
    height, width = rgb.shape[:2]
    left = 2.0 * (width + GAP)
    layer = Layer("mask", "Holes", forward.holes, (left, 0.0, left + width, float(height)))
    sentence = f"Input, inverse mapping, forward mapping with {forward.holes.sum():,} holes."
    return Trace(side_by_side(rgb, inverse, forward.rgb), CARD, (Step("Which way", sentence, (layer,)),))


def theta_table(family: Family, theta: Theta) -> Table:
    """theta in rows: of a matrix, or of control points."""
    if isinstance(family, ThinPlateSpline):
        rows = np.reshape(theta, (-1, 2))
        return Table(("control point", "x", "y"), tuple((str(i + 1), *map(_short, row)) for i, row in enumerate(rows)))
    matrix = family.matrix(torch.tensor(theta, dtype=torch.float64)).tolist()
    return Table(("x", "y", "1"), tuple(tuple(map(_short, row)) for row in matrix))


def _short(value: float) -> float:
    return round(float(value), 3) + 0.0


def _cells(height: int, width: int, longest: int = 12) -> tuple[int, int]:
    """Cells (across, down) that are about square."""
    return tuple(max(2, round(longest * n / max(height, width))) for n in (width, height))
