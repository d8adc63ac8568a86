"""Ground truth that a hand draws: polygons and brush cells over a picture, and the label map that they make.

References
1. Foley et al. 1990, "Computer Graphics", section 3.6: scan conversion of polygons by the even-odd rule.
2. Lorensen and Cline 1987, "Marching Cubes": as there, the borders of `outlined` run halfway between pixel centres.
3. assets/annotate/raster.js: the same arithmetic in the browser, equal pixel for pixel (tests/browser).

Convention
----------
Points are (x, y) in image pixels: (0, 0) is the top left corner of the picture, (W, H) the bottom right one. Pixel
(row i, column j) belongs to a polygon where its centre (j + .5, i + .5) lies inside by the even-odd rule; of a centre
on an edge, left and upper edges count as inside, so polygons that share an edge neither overlap nor leave a gap.
Polygons are painted in their order, brush cells over all of them. A polygon of label 255 (ignore) takes away what lies
below it, and so do brush cells of 254; brush cells of 255 are untouched. In the result 255 is void: ignored or never
labelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from engine.trace import VOID

IGNORED = 254  # a brush cell that is void, whatever lies below it
UNTOUCHED = 255  # a brush cell that no stroke has reached
MOST_POLYGONS = 500
MOST_POINTS = 20_000  # of all polygons together
LEAST_POINTS = 3  # of one polygon
_CLOSE = 0.3  # pixels that `outlined` may simplify: borders keep 0.35 from every pixel centre, so none changes side
_CROSSINGS = 500_000  # of edges and rows that are computed together
_OUTWARDS = ((0, -1), (1, 0), (0, 1), (-1, 0))  # from a pixel: up, right, down, left
_CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))  # of a pixel, where its upper, right, lower and left side begin
_LONG = f"The borders of this label map take more than {MOST_POINTS:,} points: too many for polygons."


@dataclass(frozen=True, eq=False)
class Polygon:
    """A closed polygon. label: index of its class, or 255 = ignore. points: (N, 2) float64, x and y in image pixels."""

    label: int
    points: np.ndarray


@dataclass(frozen=True, eq=False)
class Drawing:
    """What was drawn over a picture of H x W pixels.

    polygons: in the order in which they are painted. cells: (H, W) uint8, the brush: a class index, `IGNORED`, or
    `UNTOUCHED` = 255.
    """

    polygons: tuple[Polygon, ...]
    cells: np.ndarray

    @property
    def empty(self) -> bool:
        """Is there nothing in it?"""
        return not self.polygons and bool((self.cells == UNTOUCHED).all())


def blank(shape: tuple[int, int], polygons: tuple[Polygon, ...] = ()) -> Drawing:
    """A drawing over (H, W) pixels without any brush cells."""
    return Drawing(polygons, np.full(shape, UNTOUCHED, np.uint8))


def rasterise(drawing: Drawing) -> np.ndarray:
    """(H, W) uint8 labels that the drawing makes, 255 where nothing was labelled or ignore was drawn."""
    labels = np.full(drawing.cells.shape, VOID, np.uint8)
    for polygon in drawing.polygons:
        labels[inside(polygon.points, labels.shape)] = polygon.label
    painted = drawing.cells != UNTOUCHED
    labels[painted] = np.where(drawing.cells == IGNORED, VOID, drawing.cells)[painted]
    return labels


def inside(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: the pixels whose centres lie inside the polygon of `points` (N, 2), by the even-odd rule."""
    out = np.zeros(shape, bool)
    if len(points) < LEAST_POINTS:
        return out
    start = np.asarray(points, np.float64)
    end = np.roll(start, -1, 0)
    up = (end[:, 1] < start[:, 1])[:, None]  # each edge from top to bottom, so that both polygons along it round alike
    (x0, y0), (x1, y1) = np.where(up, end, start).T, np.where(up, start, end).T
    first, last = _first_centre(y0, shape[0]), _first_centre(y1, shape[0])
    top, bottom = first.min(), last.max()
    right = _first_centre(start[:, 0].max(), shape[1])
    crossed = np.zeros((bottom - top) * (right + 1), bool)  # between a pixel's centre and its left neighbour's
    cuts = np.flatnonzero(np.diff((last - first).cumsum() // _CROSSINGS)) + 1  # so that no array grows large
    for edges in np.split(np.arange(len(start)), cuts):
        edge = np.repeat(edges, (last - first)[edges])
        row = np.arange(len(edge)) - np.repeat((last - first)[edges].cumsum() - last[edges], (last - first)[edges])
        x = x0[edge] + (row + 0.5 - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
        at = (row - top) * (right + 1) + _first_centre(x, right)
        crossed ^= (np.bincount(at, minlength=crossed.size) & 1).astype(bool)
    within = np.logical_xor.accumulate(crossed.reshape(bottom - top, right + 1), axis=1)
    out[top:bottom, :right] = within[:, :right]
    return out


def _first_centre(at: np.ndarray, most: int) -> np.ndarray:
    """The first row or column, of `most`, whose centre does not lie before `at`."""
    return np.clip(np.ceil(at - 0.5), 0, most).astype(int)


def snap(regions: np.ndarray, x: float, y: float) -> np.ndarray | None:
    """(H, W) bool: the superpixel of `regions` (H, W) ids that lies under the point, None outside the picture."""
    row, column = int(np.floor(y)), int(np.floor(x))
    if not (0 <= row < regions.shape[0] and 0 <= column < regions.shape[1]):
        return None
    return regions == regions[row, column]


def outlined(labels: np.ndarray, nothing: int = VOID) -> tuple[Polygon, ...]:
    """Polygons that make exactly the label map (H, W) uint8; pixels of `nothing` get none.

    One polygon for each 4-connected area of one label. A hole is joined to its rim by a bridge of no width, which the
    even-odd rule does not see. Raises ValueError where there are more areas or points than a drawing may have.
    """
    areas, names = np.zeros(labels.shape, np.int64), []
    for label in np.unique(labels[labels != nothing]):
        parts, count = ndimage.label(labels == label)
        areas += np.where(parts > 0, parts + len(names), 0)
        names += [int(label)] * count
        if len(names) > MOST_POLYGONS:
            raise ValueError(f"This label map has more than {MOST_POLYGONS} separate areas: too many for polygons.")
    sides = _sides(areas)
    before, after = (sides.middle[order] for order in (sides.former, sides.next))
    bends = (after - sides.middle != sides.middle - before).any(1)
    if bends.sum() > 2 * MOST_POINTS:
        raise ValueError(_LONG)
    bent, rings = bends.tolist(), [[] for _ in names]
    for ring in _rings(sides.next.tolist()):
        rings[sides.area[ring[0]] - 1].append(_thinned(sides.middle[[i for i in ring if bent[i]]]))
    polygons = tuple(Polygon(label, bridged(own)) for label, own in zip(names, rings, strict=True))
    if sum(len(polygon.points) for polygon in polygons) > MOST_POINTS:
        raise ValueError(_LONG)
    return polygons


@dataclass(frozen=True, eq=False)
class _Sides:
    """The S sides of pixels that border on another area, clockwise around their own one.

    middle: (S, 2) x and y. area: (S,) which one. next, former: (S,) the sides after and before each of them.
    """

    middle: np.ndarray
    area: np.ndarray
    next: np.ndarray
    former: np.ndarray


def _sides(areas: np.ndarray) -> _Sides:
    """The borders of all areas (H, W) of ids; those above their pixels come first, row by row."""
    padded, (height, width) = np.pad(areas, 1), areas.shape
    found = []
    for (dx, dy), start, end in zip(_OUTWARDS, _CORNERS, _CORNERS[1:] + _CORNERS[:1], strict=True):
        beside = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        y, x = np.nonzero((areas != beside) & (areas > 0))
        corner = [(y + oy) * (width + 1) + x + ox for ox, oy in (start, end)]
        found.append(np.stack([2 * x + 1 + dx, 2 * y + 1 + dy, areas[y, x], y * width + x, *corner]))
    x, y, area, pixel, start, end = np.concatenate(found, axis=1)
    # Two areas or two pixels of one area may meet in a corner: a border goes on around its pixel, else its area.
    size, after = (height + 1) * (width + 1), np.zeros(len(x), int)
    for own in (area, pixel):
        keys, wanted = own * size + start, own * size + end
        order = np.argsort(keys)
        at = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(x) - 1)
        known = keys[order[at]] == wanted
        after = np.where(known, order[at], after)
    former = np.empty_like(after)
    former[after] = np.arange(len(x))
    return _Sides(np.stack([x, y], -1) / 2, area, after, former)


def _rings(after: list[int]) -> Iterator[list[int]]:
    """The cycles of a permutation."""
    seen = bytearray(len(after))
    for i in range(len(after)):
        ring = []
        while not seen[i]:
            seen[i] = 1
            ring.append(i)
            i = after[i]
        if ring:
            yield ring


def _thinned(ring: np.ndarray) -> np.ndarray:
    """A ring without every second point that no pixel centre would miss."""
    before, after = np.roll(ring, 1, 0), np.roll(ring, -1, 0)
    chord, off = after - before, ring - before
    away = np.abs(chord[:, 0] * off[:, 1] - chord[:, 1] * off[:, 0])
    return ring[(away > _CLOSE * np.hypot(*chord.T)) | (np.arange(len(ring)) % 2 == 0)]


def bridged(rings: list[np.ndarray]) -> np.ndarray:
    """Rings (N, 2), such as the rim and the holes of an area, as one path, there and back between them along the same
    line, which the even-odd rule does not see."""
    rim, *holes = rings
    return np.concatenate([rim, *(part for hole in holes for part in (rim[:1], hole, hole[:1]))])
