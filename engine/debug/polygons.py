"""Ground truth that a hand draws: polygons and brush cells over a picture, and the label map that they make.

References
1. Foley et al. 1990, "Computer Graphics", section 3.6: scan conversion of polygons by the even-odd rule.
2. Lorensen and Cline 1987, "Marching Cubes": the contours of `outlined` (skimage.measure.find_contours).
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

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

from engine.trace import VOID

IGNORED = 254  # a brush cell that is void, whatever lies below it
UNTOUCHED = 255  # a brush cell that no stroke has reached
MOST_POLYGONS = 500
MOST_POINTS = 20_000  # of all polygons together
LEAST_POINTS = 3  # of one polygon
_CHUNK = 200  # points of a contour that are simplified together: the time grows with its square
_CLOSE = 0.3  # pixels that `outlined` may simplify: contours keep 0.35 from every pixel centre, so none changes side
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
    height, width = shape
    crossed = np.zeros((height, width + 1), bool)  # an edge lies between a pixel's centre and its left neighbour's
    if len(points) < LEAST_POINTS:
        return crossed[:, :width]
    points = np.asarray(points, np.float64)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, 0), strict=True):
        if y1 < y0:  # each edge from top to bottom, so that both polygons along it round alike
            x0, y0, x1, y1 = x1, y1, x0, y0
        rows = np.arange(_first(y0, height), _first(y1, height))
        if len(rows):
            x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            columns = np.clip(np.ceil(x - 0.5), 0, width).astype(int)
            crossed[rows, columns] ^= True
    return np.logical_xor.accumulate(crossed, axis=1)[:, :width]


def _first(y: float, height: int) -> int:
    """The first row whose centre does not lie above `y`."""
    return int(min(max(np.ceil(y - 0.5), 0), height))


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
    polygons, points = [], 0
    for label in np.unique(labels[labels != nothing]):
        areas, count = ndimage.label(labels == label)
        if count + len(polygons) > MOST_POLYGONS:
            raise ValueError(f"This label map has more than {MOST_POLYGONS} separate areas: too many for polygons.")
        for i, box in enumerate(ndimage.find_objects(areas), 1):
            path = _outline(areas[box] == i, box, MOST_POINTS - points)
            points += len(path)
            polygons.append(Polygon(int(label), path))
    return tuple(polygons)


def _outline(area: np.ndarray, box: tuple[slice, slice], most: int) -> np.ndarray:
    """(N, 2) points around one area of a label map, given in its box: its rim, then each of its holes."""
    rings = find_contours(np.pad(area, 1).astype(np.uint8), 0.5)  # each ends where it begins
    if sum(map(len, rings)) > 4 * most:
        raise ValueError(_LONG)
    rings = sorted(map(_simple, rings), key=lambda ring: ring[:, 0].min())  # the rim reaches further up than any hole
    rim = rings[0][:-1]
    bridged = [part for hole in rings[1:] for part in (rim[:1], hole)]  # there and back along the same line
    path = np.concatenate([rim, *bridged])
    if len(path) > most:
        raise ValueError(_LONG)
    rows, columns = box
    return path[:, ::-1] + (columns.start - 0.5, rows.start - 0.5)  # out of the padded box


def _simple(ring: np.ndarray) -> np.ndarray:
    """A contour with fewer points, which no pixel centre can tell from it."""
    chunks = [approximate_polygon(ring[i : i + _CHUNK + 1], _CLOSE) for i in range(0, len(ring) - 1, _CHUNK)]
    return np.concatenate([chunks[0], *(chunk[1:] for chunk in chunks[1:])])
