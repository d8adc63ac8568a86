"""Contact sheets of small digits: tiles in rows, coloured outlines, and a small chart with a mark that moves.

References
1. Okabe and Ito 2008, "Color Universal Design": colours that stay apart under colour-vision deficiencies.

Convention
----------
Frame as in `engine.trace`: x to the right, y down, from the outer corner of the upper left pixel of the sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

BLUE, ORANGE, GREEN, VERMILION = (86, 180, 233), (230, 159, 0), (0, 158, 115), (213, 94, 0)
GREY, INK, WHITE = (150, 150, 150), (40, 40, 40), 255
GAP = 8  # pixels between tiles
_LETTER = 15  # pixels
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Sheet:
    """`rows` x `columns` tiles of `side` pixels, `GAP` apart, with `head` pixels of room above and `right` beside."""

    rows: int
    columns: int
    side: int
    head: int = 0
    right: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the sheet."""
        height, width = (n * (self.side + GAP) - GAP for n in (self.rows, self.columns))
        return height + self.head, width + self.right

    def box(self, row: int, column: int) -> Box:
        """Where a tile lies."""
        x, y = column * (self.side + GAP), self.head + row * (self.side + GAP)
        return (float(x), float(y), float(x + self.side), float(y + self.side))

    def blank(self) -> np.ndarray:
        """(H, W, 3) uint8, white."""
        return np.full((*self.size, 3), WHITE, np.uint8)

    def put(self, sheet: np.ndarray, row: int, column: int, tile: np.ndarray) -> None:
        """Paste a tile (side, side, 3) uint8."""
        x, y, x1, y1 = (int(v) for v in self.box(row, column))
        sheet[y:y1, x:x1] = tile

    def shifted(self, lines: np.ndarray, size: int, row: int, column: int) -> np.ndarray:
        """Lines (N, 2) in the frame of a picture of `size` pixels as they lie on the sheet; no pen outside the tile."""
        near = size / 100  # a line along the edge is drawn
        inside = ((lines >= -near) & (lines <= size + near)).all(1, keepdims=True)
        return np.where(inside, lines.clip(0, size) * self.side / size + self.box(row, column)[:2], np.nan)


def tile(picture: np.ndarray, side: int) -> np.ndarray:
    """(side, side, 3) uint8: a picture (h, w) in [0, 1], enlarged bilinearly."""
    small = Image.fromarray(np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8))
    return np.repeat(np.asarray(small.resize((side, side), Image.Resampling.BILINEAR))[..., None], 3, 2)


def stroked(rgb: np.ndarray, lines: Sequence[tuple[np.ndarray, tuple[int, int, int], int]]) -> np.ndarray:
    """`rgb` (H, W, 3) uint8 with lines: points (N, 2), colour, width; nan lifts the pen."""
    picture = Image.fromarray(rgb)
    draw = ImageDraw.Draw(picture)
    for points, colour, width in lines:
        for part in np.split(points, np.flatnonzero(np.isnan(points).any(1))):
            part = part[~np.isnan(part).any(1)]
            if len(part) > 1:
                draw.line([tuple(p) for p in part], colour, width, joint="curve")
    return np.asarray(picture)


def lettered(rgb: np.ndarray, words: Sequence[tuple[str, float, float, tuple[int, int, int]]]) -> np.ndarray:
    """`rgb` (H, W, 3) uint8 with words: text, x and y of its upper left corner, colour."""
    picture = Image.fromarray(rgb)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(_LETTER)
    for text, x, y, colour in words:
        draw.text((x, y), text, colour, font)
    return np.asarray(picture)


def square(box: Box) -> np.ndarray:
    """(5, 2): the edge of a box as a line."""
    x0, y0, x1, y1 = box
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])


@dataclass(frozen=True)
class Chart:
    """A curve over equally spaced places in `box`: values >= 0, None where there is none; words stand above it."""

    box: Box
    words: str
    values: tuple[float | None, ...]

    def points(self) -> np.ndarray:
        """(N, 2): where the values lie on the sheet, from 0 at the lower edge to the most; nan where there is none."""
        x0, y0, x1, y1 = self.box
        values = np.array([np.nan if v is None else v for v in self.values], float)
        across = np.linspace(x0, x1, len(values)) if len(values) > 1 else np.array([(x0 + x1) / 2])
        most = np.nanmax(values, initial=1e-9)
        places = np.stack([across, y1 - values / most * (y1 - y0)], 1)
        return np.where(np.isnan(values)[:, None], np.nan, places)

    def paint(self, sheet: np.ndarray) -> np.ndarray:
        """`sheet` (H, W, 3) uint8 with axes, words and the curve."""
        x0, y0, x1, y1 = self.box
        axes = np.array([(x0, y0), (x0, y1), (x1, y1)])
        drawn = stroked(sheet, [(axes, GREY, 1), (self.points(), (0, 114, 178), 2)])
        return lettered(drawn, [(self.words, x0, y0 - 1.6 * _LETTER, INK)])
