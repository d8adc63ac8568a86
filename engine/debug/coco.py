"""Instances in COCO's JSON become shapes over one of its pictures: polygons and run lengths, read with suspicion.

References
1. Lin et al. 2014, "Microsoft COCO: Common Objects in Context"; https://cocodataset.org/#format-data.
2. cocoapi, common/maskApi.c: run lengths go down the columns, the first run is outside; as text each is a number of
   five bits a letter, less the run before the last from the third on.

Convention
----------
COCO's points are (x, y) in pixels of the picture's file, as labelme's are. Larger objects are painted first, crowds
below all, as void: their outline is no object's. Where a picture has nothing but crowds they are its map of classes (so
`engine.exports.coco_json` writes them) and count as what they are called.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from engine.debug.polygons import LEAST_POINTS
from engine.debug.shapes import Frame, Shape, ShapeError, Shapes, around, decoded, frame_of, no_number, shapes_were

MOST_BYTES = 60_000_000
MOST_BRACKETS = 2_000_000  # lists and objects
MOST_VALUES = 10_000_000
MOST_PIXELS = 50_000_000  # of a picture
MOST_OBJECTS = 2000  # of one picture
MOST_UNPACKED = 5_000_000_000  # pixels of all masks of one picture
_FAR = 1e7  # pixels


class CocoError(ShapeError):
    """This file cannot be used; the message is one clear sentence."""


@dataclass(frozen=True, eq=False)
class Coco:
    """A file of instances. pictures: as in the file. objects: of each picture's id. names: of the categories, by id."""

    pictures: tuple[Mapping[str, Any], ...]
    objects: Mapping[Any, tuple[Mapping[str, Any], ...]]
    names: Mapping[Any, str]

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the pictures' files, as they stand in the file."""
        return tuple(picture["file_name"] for picture in self.pictures)

    def find(self, name: str) -> Mapping[str, Any] | None:
        """The picture whose file is called so: the same path, else the one of the same last parts; None for none.

        Raises CocoError where that fits several pictures.
        """
        parts = _parts(name)
        for length in range(len(parts), 0, -1):
            found = [picture for picture in self.pictures if _parts(picture["file_name"])[-length:] == parts[-length:]]
            if len(found) == 1:
                return found[0]
            if found:
                raise CocoError(f"{len(found)} pictures of this file end in this name: it is not clear which is meant.")
        return None

    def part(self, name: str) -> bytes:
        """A file that speaks of this picture alone, b"" where this one does not. Raises CocoError as `find` does."""
        picture = self.find(name)
        if picture is None:
            return b""
        items = self.objects.get(picture["id"], ())
        categories = [{"id": key, "name": name} for key, name in self.names.items()]
        return json.dumps({"images": [picture], "annotations": items, "categories": categories}).encode()

    def shapes(self, name: str, shape: tuple[int, int], original: tuple[int, int] | None = None,
               orientation: int = 1) -> Shapes:  # fmt: skip
        """The objects on the picture whose file is called `name`; a file of a single picture speaks of any.

        shape, original, orientation: as in `engine.debug.labelme.read`. Raises CocoError.
        """
        picture = self.find(name) or (self.pictures[0] if len(self.pictures) == 1 else None)
        if picture is None:
            raise CocoError(f"This file speaks of {len(self.pictures)} pictures, and of none that is called like this.")
        told = picture.get("width"), picture.get("height")
        if told != (None, None) and not all(type(x) is int and 0 < x < _FAR for x in told):
            raise CocoError("The width and height of a picture in this file are no sizes.")
        frame, notes = frame_of(None if told == (None, None) else told, shape, original or shape[::-1], orientation,
                                CocoError)  # fmt: skip
        if frame.file[0] * frame.file[1] > MOST_PIXELS:
            raise CocoError(f"A picture of this file has more than {MOST_PIXELS / 1e6:.0f} megapixels.")
        items = self.objects.get(picture["id"], ())
        if len(items) > MOST_OBJECTS:
            raise CocoError(f"This picture has {len(items)} objects; at most {MOST_OBJECTS} are read.")
        masks = sum(isinstance(item.get("segmentation"), Mapping) for item in items)
        if masks * frame.file[0] * frame.file[1] > MOST_UNPACKED:
            raise CocoError(f"The {masks} masks of this picture have more than {MOST_UNPACKED / 1e6:,.0f} megapixels.")
        whole = all(item.get("iscrowd") for item in items)
        made = [(_painted_at(item), self._shape(item, frame, whole)) for item in items]
        found = tuple(shape for _, shape in sorted(made, key=lambda pair: pair[0]) if shape is not None)
        empty, crowds = len(made) - len(found), sum(item.void for item in found)
        notes += (f"{shapes_were(empty)} left out: no area.",) if empty else ()
        notes += (
            (f"{shapes_were(crowds)} marked as a crowd, and {'is' if crowds == 1 else 'are'} void.",) if crowds else ()
        )
        return Shapes(shape, found, notes)

    def _shape(self, item: Mapping[str, Any], frame: Frame, whole: bool) -> Shape | None:
        """An object as it lies on the picture, None where it has no area. whole: crowds count as their category."""
        name, what = self.names.get(item.get("category_id")), item.get("segmentation")
        crowd = bool(item.get("iscrowd")) and not whole
        if name is None:
            raise CocoError("An object of this file has a category that is not in it.")
        if isinstance(what, Mapping):
            return Shape(name, around(frame.mask(_unpacked(what, frame.file))), void=crowd)
        if not isinstance(what, list):
            return None
        rings = [_ring(flat) for flat in (what if what and isinstance(what[0], list) else [what])]
        kept = tuple(frame.points(ring) for ring in rings if len(ring) >= LEAST_POINTS)
        return Shape(name, kept, void=crowd) if kept else None


def read(data: bytes) -> Coco:
    """What a file of COCO's instances holds, untrusted bytes; its pictures are never opened. Raises CocoError."""
    text, _ = decoded(data, CocoError, MOST_BYTES)
    if text.count("[") + text.count("{") > MOST_BRACKETS or text.count(",") + text.count(":") > MOST_VALUES:
        raise CocoError("This file holds too many values.")
    try:
        whole = json.loads(text, parse_constant=no_number)
    except (ValueError, RecursionError):
        raise CocoError("This is no JSON file of COCO.") from None
    parts = [whole.get(key) for key in ("images", "annotations", "categories")] if isinstance(whole, dict) else [None]
    if not all(isinstance(part, list) and all(isinstance(item, dict) for item in part) for part in parts):
        raise CocoError("This JSON file is not of COCO: it lacks images, annotations or categories.")
    pictures, objects, categories = parts
    if not all(isinstance(picture.get("file_name"), str) and _id(picture.get("id")) for picture in pictures):
        raise CocoError("A picture of this file lacks its name or its id.")
    if not all(isinstance(category.get("name"), str) and _id(category.get("id")) for category in categories):
        raise CocoError("A category of this file lacks its name or its id.")
    by_picture: dict[Any, list] = {}
    for item in objects:
        if not _id(item.get("image_id")) or not _id(item.get("category_id")):
            raise CocoError("An object of this file does not say on which picture it is, or what it is.")
        by_picture.setdefault(item["image_id"], []).append(item)
    return Coco(tuple(pictures), {key: tuple(items) for key, items in by_picture.items()},
                {category["id"]: category["name"] for category in categories})  # fmt: skip


def _id(value: Any) -> bool:
    return type(value) in (int, str)


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.casefold() for part in PurePosixPath(name.replace("\\", "/")).parts if part not in (".", "/"))


def _painted_at(item: Mapping[str, Any]) -> tuple[bool, float]:
    """What sorts objects into the order of painting: crowds first, then the larger ones."""
    area, box = item.get("area"), item.get("bbox")
    if type(area) not in (int, float):
        fine = isinstance(box, list) and len(box) == 4 and all(type(x) in (int, float) for x in box)
        area = box[2] * box[3] if fine else 0.0
    return not item.get("iscrowd"), -float(max(min(area, 1e15), -1e15))


def _ring(flat: Any) -> np.ndarray:
    """(N, 2) from x, y, x, y ... Raises CocoError."""
    if not isinstance(flat, list) or len(flat) % 2:
        raise CocoError("A polygon of this file is not a list of pairs.")
    if not all(type(value) in (int, float) and abs(value) < _FAR for value in flat):
        raise CocoError("A polygon of this file holds something that is no number.")
    return np.array(flat, np.float64).reshape(-1, 2)


def _unpacked(what: Mapping[str, Any], file: tuple[int, int]) -> np.ndarray:
    """(H, W) bool from run lengths, as numbers or as text (reference 2). Raises CocoError."""
    size, counts = what.get("size"), what.get("counts")
    if not (isinstance(size, list) and size == [file[1], file[0]]):
        raise CocoError("A mask of this file has another size than its picture.")
    runs = _numbers(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        raise CocoError("A mask of this file cannot be read.")
    if sum(runs) != size[0] * size[1]:
        raise CocoError("A mask of this file does not fill its picture.")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(size[1], size[0]).T


def _numbers(text: str) -> Sequence[int]:
    """The runs in COCO's text of them."""
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        part = ord(letter) - 48
        if not 0 <= part < 64 or shift > 40:
            raise CocoError("A mask of this file cannot be read.")
        value |= (part & 31) << shift
        shift += 5
        if not part & 32:
            value -= (part & 16) << (shift - 4) if part & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs
