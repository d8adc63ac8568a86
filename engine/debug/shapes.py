"""Named shapes over a picture, as tools for annotation save them, become a drawing once each name stands for a class.

References
1. `engine.debug.polygons`, Convention: points, the even-odd rule, the order of painting.
2. Sutherland and Hodgman 1974, "Reentrant Polygon Clipping": a polygon is cut off at the edges of the picture.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.debug.masks import upright
from engine.debug.polygons import (
    LEAST_POINTS,
    MOST_POINTS,
    MOST_POLYGONS,
    Drawing,
    Polygon,
    blank,
    bridged,
    inside,
    outlined,
    rasterise,
)
from engine.debug.readings import class_called, folded
from engine.images import MAX_BYTES
from engine.trace import VOID

BACKGROUND = "background"
MOST_NAMES = 5  # names that a sentence lists
_VOID = ("ignore", "void", "unlabelled", "unlabeled", "don't care", "dontcare")


class ShapeError(ValueError):
    """This file cannot be used; the message is one clear sentence."""


@dataclass(frozen=True, eq=False)
class Shape:
    """An area of one name in the frame of the picture as it is shown.

    name: as in the file. rings: polygons (N, 2) float64, each painted by itself; they may lie outside the picture.
    void: it is void, whatever its name stands for.
    """

    name: str
    rings: tuple[np.ndarray, ...]
    void: bool = False


@dataclass(frozen=True, eq=False)
class Shapes:
    """What a file holds over a picture of `size` = (H, W) pixels, in the order in which it is painted.

    notes: what was left out or done to it, in sentences. rest: whether what no shape covers is known to be none of the
    others, and so background, where a model has such a class.
    """

    size: tuple[int, int]
    items: tuple[Shape, ...]
    notes: tuple[str, ...] = ()
    rest: bool = True

    @property
    def names(self) -> dict[str, int]:
        """Each name, and how many shapes have it, in the order of the file."""
        return dict(Counter(item.name for item in self.items))

    def guess(self, classes: Sequence[str]) -> dict[str, int | None]:
        """What each name most likely stands for: a class index, VOID, or None where nothing is known of it."""
        return {name: class_of(name, classes) for name in self.names}

    def drawing(self, mapping: Mapping[str, int | None], classes: Sequence[str]) -> Drawing:
        """The drawing that the shapes make where names stand for classes; names of None or without entry are left out.

        What no shape covers becomes a polygon of background below all others where `rest` says so and the classes have
        one; what is left out is void upon it, since nobody knows whether that is background. More points than a drawing
        can hold become cells of the brush.
        """
        polygons, _ = self._painted(mapping, classes)
        whole = Drawing(tuple(polygons), blank(self.size).cells)
        if len(polygons) > MOST_POLYGONS or sum(len(polygon.points) for polygon in polygons) > MOST_POINTS:
            return Drawing((), rasterise(whole))
        return whole

    def _painted(self, mapping: Mapping[str, int | None], classes: Sequence[str]) -> tuple[list[Polygon], bool]:
        """The polygons in their order, and whether the first one is background that no shape covers."""
        polygons: list[Polygon] = []
        unknown: list[Polygon] = []
        for item in self.items:
            label = VOID if item.void else mapping.get(item.name)
            rings = [ring for ring in map(self._cut, item.rings) if ring is not None]
            if label is None:
                unknown += (Polygon(VOID, ring) for ring in rings)
            else:
                polygons += (Polygon(label, ring) for ring in rings)
        known = {polygon.label for polygon in polygons if inside(polygon.points, self.size).any()}
        ground = class_called(BACKGROUND, classes)
        if known - {VOID} and self.rest and ground is not None and ground not in known:
            height, width = self.size
            corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
            return [Polygon(ground, corners), *unknown, *polygons], True
        return polygons, False

    def labels(self, mapping: Mapping[str, int | None], classes: Sequence[str]) -> np.ndarray:
        """(H, W) uint8: the label map of `drawing`, 255 = void."""
        return rasterise(self.drawing(mapping, classes))

    def remarks(self, mapping: Mapping[str, int | None], classes: Sequence[str]) -> tuple[str, ...]:
        """What must be said beside the figures: names that no class was found for, that were guessed, the rest."""
        counts = self.names
        strangers = [name for name in counts if mapping.get(name) is None]
        guessed = [(name, k) for name in counts if (k := mapping.get(name)) is not None and k != VOID
                   and class_called(name, classes) != k]  # fmt: skip
        notes = list(self.notes)
        if strangers:
            left = sum(counts[name] for name in strangers)
            notes.append(f"No class of this model is called {quoted(strangers)}: {shapes_were(left)} left out.")
        if guessed:
            pairs = [(quoted([name]), quoted([classes[k]])) for name, k in guessed[:MOST_NAMES]]
            fitting = [pair for i, pair in enumerate(pairs) if sum(len(name) - 2 for name, _ in pairs[: i + 1]) <= 80]
            more = f" and {len(guessed) - len(fitting)} more" if len(guessed) > len(fitting) else ""
            notes.append(f"Taken: {', '.join(f'{name} as {known}' for name, known in fitting)}{more}.")
        if self._painted(mapping, classes)[1]:
            notes.append("What no shape covers is taken as background.")
        return tuple(notes)

    def _cut(self, ring: np.ndarray) -> np.ndarray | None:
        """The part of a polygon inside the picture, None where there is none."""
        height, width = self.size
        found = clipped(ring, width, height)
        return found if len(found) >= LEAST_POINTS else None


def around(mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """The polygons that cover a mask (H, W) bool exactly; of a very ragged one a single path around its rows."""
    try:
        return tuple(polygon.points for polygon in outlined(np.where(mask, 0, VOID).astype(np.uint8)))
    except ValueError:  # more areas or points than a drawing holds
        edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        (rows, starts), (_, ends) = np.nonzero(edges > 0), np.nonzero(edges < 0)
        boxes = np.stack([starts, rows, ends, rows, ends, rows + 1, starts, rows + 1], -1).reshape(-1, 4, 2)
        return (bridged(list(boxes.astype(np.float64))),)


def clipped(points: np.ndarray, width: float, height: float) -> np.ndarray:
    """(M, 2): the polygon (N, 2) cut off at the edges of a picture of width x height pixels (reference 2).

    Inside the picture it covers what it covered before, by the even-odd rule; M is 0 where nothing is left.
    """
    points = np.asarray(points, np.float64)
    for axis, limit, sign in ((0, 0.0, 1), (0, width, -1), (1, 0.0, 1), (1, height, -1)):
        if not len(points):
            break
        keep = sign * (points[:, axis] - limit) >= 0
        if keep.all():
            continue
        after, kept_after = np.roll(points, -1, 0), np.roll(keep, -1)
        out: list[np.ndarray] = []
        for here, there, now, then in zip(points, after, keep, kept_after, strict=True):
            if now:
                out.append(here)
            if now != then:
                share = (limit - here[axis]) / (there[axis] - here[axis])
                crossing = here + share * (there - here)
                crossing[axis] = limit
                out.append(crossing)
        points = np.array(out, np.float64).reshape(-1, 2)
    return points


def along(points: np.ndarray, width: float, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: the pixels whose centres lie at most width / 2 from a line through `points` (N, 2), N >= 1."""
    near = np.zeros(size, bool)
    starts = points[:-1] if len(points) > 1 else points
    for start, end in zip(starts, points[1:] if len(points) > 1 else points, strict=True):
        low, high = np.minimum(start, end) - width / 2, np.maximum(start, end) + width / 2
        (left, top), (right, bottom) = (np.clip(np.floor(at), 0, size[::-1]).astype(int) for at in (low, high + 1))
        y, x = np.mgrid[top:bottom, left:right] + 0.5
        (x0, y0), (dx, dy) = start, end - start
        share = np.clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
        near[top:bottom, left:right] |= np.hypot(x - x0 - share * dx, y - y0 - share * dy) <= width / 2
    return near


def convex(points: np.ndarray) -> np.ndarray:
    """The corners (N, 2) of a convex polygon, in whatever order, in the order in which they lie around its middle."""
    off = points - points.mean(0)
    return points[np.argsort(np.arctan2(off[:, 1], off[:, 0]), kind="stable")]


def at_centres(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w): of a mask (H, W) the pixels in which the centres of a picture of `size` = (h, w) lie."""
    rows, columns = ((2 * np.arange(n) + 1) * full // (2 * n) for n, full in zip(size, mask.shape, strict=True))
    return mask[rows[:, None], columns]


def class_of(name: str, classes: Sequence[str]) -> int | None:
    """What a name most likely stands for: the index of the class of that name, VOID for a word for void, else None.

    Case, underscores, accents, plurals and known synonyms aside; where that is no class, a number at the end, too
    ("person-1", "dog2"). `__ignore__` is labelme's word for void.
    """
    for said in (name, re.sub(r"[\W_]*\d+$", "", name)):
        if said in classes:
            return list(classes).index(said)
        if folded(said).strip("_ ") in _VOID:
            return VOID
        if (found := class_called(said, classes)) is not None:
            return found
    return None


def quoted(names: Iterable[str]) -> str:
    """Names from a file in a sentence: at most `MOST_NAMES` of them, 40 characters of each, 80 in all."""
    names, words = list(names), []
    for name in names[:MOST_NAMES]:
        name = name.encode(errors="replace").decode()  # JSON can hold half a surrogate pair
        room = 80 - sum(map(len, words))
        if room < 8:
            break
        most = min(40, room)
        words.append("“" + (name if len(name) <= most else name[: most - 1] + "…") + "”")
    more = len(names) - len(words)
    return ", ".join(words) + (f" and {more} more" if more else "")


def shapes_were(count: int) -> str:
    """ "1 shape was" or "9 shapes were"."""
    return "1 shape was" if count == 1 else f"{count} shapes were"


class Frame:
    """From pixels of the file that was drawn over to those of the picture as it is shown.

    size: (H, W) as shown. file: (width, height) that was drawn over. orientation: by which it is turned upright, or 1.
    """

    def __init__(self, size: tuple[int, int], file: tuple[int, int], orientation: int = 1) -> None:
        self.size, self.file, self.orientation = size, file, orientation

    def points(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) in the file -> (N, 2) as shown."""
        x, y = points.T
        width, height = self.file
        if self.orientation in (5, 6, 7, 8):
            x, y, width, height = y, x, height, width
        if self.orientation in (2, 3, 6, 7):
            x = width - x
        if self.orientation in (3, 4, 7, 8):
            y = height - y
        return np.stack([x * self.size[1] / width, y * self.size[0] / height], -1)

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """(H, W) bool of the file -> as shown."""
        return at_centres(upright(mask, self.orientation), self.size)


def frame_of(told: tuple[int, int] | None, shape: tuple[int, int], original: tuple[int, int], orientation: int,
             error: type[ShapeError]) -> tuple[Frame, tuple[str, ...]]:  # fmt: skip
    """The frame of a file that names the size `told` = (width, height), and what was done. Raises `error`."""
    if told is None or told == original:
        return Frame(shape, original), ()
    if told == shape[::-1]:
        return Frame(shape, told), ()
    if orientation in (5, 6, 7, 8) and told[::-1] in (original, shape[::-1]):
        words = (
            f"The shapes lay as the sensor saw the photo and were turned like the photo (orientation {orientation})."
        )
        return Frame(shape, told, orientation), (words,)
    raise error(f"This file was drawn over {told[0]} x {told[1]} pixels and the picture has {original[0]} x "
                f"{original[1]}; they must be equal.")  # fmt: skip


def decoded(data: bytes, error: type[ShapeError], most: int = MAX_BYTES) -> tuple[str, str]:
    """The text in untrusted bytes, and the name of an encoding that had to be guessed, else "". Raises `error`."""
    if len(data) > most:
        raise error(f"This file has more than {most / 1e6:.0f} MB.")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = (("utf-16", ""),)
    elif data[:4].count(0) and len(data) % 2 == 0:
        encodings = (("utf-16-le" if data[1:2] == b"\0" else "utf-16-be", ""),)
    else:
        # The lead and trail bytes of Chinese characters both are high; a high byte alone is a letter of Latin.
        lengths = np.diff(np.flatnonzero(np.diff(np.pad(np.frombuffer(data, np.uint8) > 127, 1).astype(np.int8))))[::2]
        paired = 2 * (lengths % 2 == 0).sum() > len(lengths)  # the trail bytes of rare characters are not high
        chinese = ("gb18030", "GB18030") if paired else ("cp1252", "Latin (Windows-1252)")
        encodings = (("utf-8-sig", ""), chinese, ("gb18030", "GB18030"), ("cp1252", "Latin (Windows-1252)"))
    for encoding, name in encodings:
        try:
            return data.decode(encoding), name
        except UnicodeDecodeError:
            continue
    raise error("The text of this file is in no known encoding; please save it as UTF-8.")


def no_number(name: str) -> float:
    """What JSON's readers call for NaN and Infinity. Raises ValueError."""
    raise ValueError(f"{name} is no number.")
