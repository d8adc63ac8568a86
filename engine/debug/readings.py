"""What the entries of a mask may stand for: readings by name, and the tables of ids that data sets publish.

A reading is a guess until somebody confirms it, so each says which entries it explains and which it does not.

References
1. Cordts et al. 2016, cityscapesScripts, helpers/labels.py: id, trainId; instance ids are class * 1000 + instance.
2. Zhou et al. 2017, ADE20K, objectInfo150: 150 classes; 0 is "other objects", the masks count from 1.
3. Everingham et al., PASCAL VOC development kit: ids, colour map, 255 and (224, 224, 192) are void.
4. CVAT manual, "Segmentation mask": a line `label:color_rgb:parts:actions` for each label in labelmap.txt.
5. Unicode Standard Annex 15: compatibility decomposition, by which accents fold.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine import palette
from engine.debug.masks import CLEAR, Entry, MaskError
from engine.trace import VOID

Entries = Sequence[Entry]
Meaning = tuple[int | None, ...]  # of each entry: a class index, VOID, or None where the reading knows nothing of it
Rule = Callable[[Entries, Sequence[str], np.ndarray], Meaning]

MAX_LABELMAP = 200_000  # bytes
_NO_CLASS = (255, 65535)  # values that mark void; so does anything below 0
_VOID_COLOURS = ((224, 224, 192), (255, 255, 255))


@dataclass(frozen=True)
class Reading:
    """A way to read masks. name: shown to people.

    rule: entries, names of the model's classes, their (K, 3) colours -> what each entry stands for (`Meaning`).
    """

    name: str
    rule: Rule = field(repr=False, compare=False)

    def of(self, entries: Entries, classes: Sequence[str], colours: np.ndarray) -> Meaning:
        """A class index or VOID for each entry, None where this reading knows nothing of it; clear pixels are void
        where it does not."""
        found = (
            k if k is None or k == VOID or k < len(classes) else None for k in self.rule(entries, classes, colours)
        )
        return tuple(VOID if k is None and _clear(entry) else k for entry, k in zip(entries, found, strict=True))


def by_hand(name: str, mapping: Mapping[str, int]) -> Reading:
    """A reading that was chosen entry by entry: `Entry.name` -> class index or VOID."""
    return Reading(name, lambda entries, _, __: tuple(mapping.get(entry.name) for entry in entries))


def labelmap(data: bytes | str) -> Reading:
    """The reading that a labelmap.txt of CVAT describes (reference 4), untrusted text. Raises MaskError.

    Its colours are matched to the model's classes by name; grey masks hold the number of the line, from 0.
    """
    text = data if isinstance(data, str) else data[: MAX_LABELMAP + 1].decode("utf-8-sig", "replace")
    if len(text) > MAX_LABELMAP:
        raise MaskError(f"This labelmap.txt has more than {MAX_LABELMAP // 1000} KB.")
    names, colours = [], {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = re.match(r"\s*(.+?)\s*:\s*(?:(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3}))?\s*(?::|$)", line)
        if found is None:
            raise MaskError("This is no labelmap.txt of CVAT: a line is not label:red,green,blue:parts:actions.")
        if found[2] is not None:
            colours[tuple(int(found[i]) for i in (2, 3, 4))] = found[1]
        names.append(found[1])
    if not names:
        raise MaskError("This labelmap.txt names no labels.")
    ids = dict(enumerate(names))

    def rule(entries: Entries, classes: Sequence[str], _: np.ndarray) -> Meaning:
        told = (ids.get(e.value) if e.colour is None else colours.get(e.colour) for e in entries)
        return _by_name(entries, told, classes)

    return Reading("labelmap.txt of CVAT", rule)


def class_called(name: str, classes: Sequence[str]) -> int | None:
    """The index of the class of that name, None where there is none.

    Case, accents, underscores, plurals and synonyms aside.
    """
    return _places(classes).get(_plain(name))


def shared(names: Sequence[str], classes: Sequence[str]) -> int:
    """How many of `names` the classes have, by the same rule."""
    places = _places(classes)
    return sum(_plain(name) in places for name in names)


def values_of(entries: Entries) -> list[int]:
    """The values that are neither clear nor one of those that mark void, in their order."""
    return sorted(e.value for e in entries if e.value is not None and void(e) is None)


def folded(name: str) -> str:
    """A name in lower case, its accents folded and other scripts as they are (reference 5)."""
    bare = re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", name))
    return unicodedata.normalize("NFC", bare).casefold()


def _places(classes: Sequence[str]) -> Mapping[str, int]:
    """The first class of each plain name that is not empty."""
    return {name: k for k, name in reversed([*enumerate(map(_plain, classes))]) if name}


def _plain(name: str) -> str:
    kept = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in folded(name))  # vowels of Hindi
    words = " ".join("".join(kept).split())
    words = words[:-1] if len(words) > 4 and words.endswith("s") and not words.endswith("ss") else words
    return _SYNONYMS.get(words, words)


def _by_name(entries: Entries, names: Iterable[str | None], classes: Sequence[str]) -> Meaning:
    """The classes of these names, one for each entry: VOID where the model lacks it, of None what custom says."""
    places = _places(classes)
    return tuple(void(e) if name is None else places.get(_plain(name), VOID)
                 for e, name in zip(entries, names, strict=True))  # fmt: skip


def _clear(entry: Entry) -> bool:
    return entry.name == CLEAR


def void(entry: Entry) -> int | None:
    """VOID for what marks void by custom, else None."""
    if entry.value is not None:
        return VOID if entry.value < 0 or entry.value in _NO_CLASS else None
    return VOID if _clear(entry) or entry.colour in _VOID_COLOURS else None


def _by_index(entries: Entries, classes: Sequence[str], _: np.ndarray) -> Meaning:
    return tuple(e.value if e.value is not None and 0 <= e.value < len(classes) and e.value not in _NO_CLASS
                 else void(e) for e in entries)  # fmt: skip


def _minus_one(entries: Entries, classes: Sequence[str], _: np.ndarray) -> Meaning:
    return tuple(VOID if e.value == 0 else e.value - 1 if e.value is not None and 1 <= e.value <= len(classes)
                 and e.value not in _NO_CLASS else void(e) for e in entries)  # fmt: skip


def _two(entries: Entries, classes: Sequence[str], _: np.ndarray) -> Meaning:
    """0 (black) is the first class, the one other entry the second; of two others the lower is the first.

    Where there are more than two, 255 (white) is the second and the rest stay unexplained.
    """
    held = [e for e in entries if not _clear(e) and (e.value or 0) >= 0]
    dark = [e for e in held if e.value == 0 or (e.value is None and e.colour == (0, 0, 0))]
    if len(held) == 2 and (dark or all(e.value is not None for e in held)):
        first = dark[0] if dark else min(held, key=lambda e: e.value)
        return tuple(int(e is not first) if e in held else VOID for e in entries)
    second = [e for e in held if e.value in _NO_CLASS or e.colour == (255, 255, 255) or len(held) == 1]
    return tuple(0 if e in dark else 1 if e in second else None if e in held else VOID for e in entries)


def _spread(entries: Entries, classes: Sequence[str], _: np.ndarray) -> Meaning:
    """Class k has the grey level k * 255 / (K - 1), rounded up or down."""
    steps = max(len(classes) - 1, 1)

    def level(value: int | None) -> int | None:
        k = None if value is None or not 0 <= value <= 255 else round(value * steps / 255)
        return k if k is not None and steps < 128 and abs(value - k * 255 / steps) < 1 else None

    return tuple(level(e.value) for e in entries)


def _ids(table: Mapping[int, str], of: Callable[[int], int] = lambda value: value) -> Rule:
    """A table of ids, matched to the model's classes by name; what the model lacks is void. of: value -> id."""

    def rule(entries: Entries, classes: Sequence[str], _: np.ndarray) -> Meaning:
        told = (None if e.value is None or e.value < 0 else table.get(of(e.value)) for e in entries)
        return _by_name(entries, told, classes)

    return rule


def _coloured(table: Callable[[Sequence[str], np.ndarray], np.ndarray]) -> Rule:
    """A table of colours, one for each class. Entries that look alike and have different values are not told apart by
    colour, so nothing is."""

    def rule(entries: Entries, classes: Sequence[str], colours: np.ndarray) -> Meaning:
        index = {tuple(colour): k for k, colour in reversed(list(enumerate(table(classes, colours).tolist())))}
        seen = [e.colour for e in entries if e.colour in index]
        if len(set(seen)) < len(seen):
            return tuple(void(e) for e in entries)
        return tuple(index.get(e.colour, void(e)) for e in entries)

    return rule


def _voc_colours(entries: Entries, classes: Sequence[str], _: np.ndarray) -> Meaning:
    names = {tuple(colour): name for colour, name in zip(palette.voc(len(_VOC)).tolist(), _VOC, strict=True)}
    return _by_name(entries, [names.get(e.colour) for e in entries], classes)


def _classes_by_instance(entries: Entries, classes: Sequence[str], _: np.ndarray) -> Meaning:
    def index(value: int) -> int | None:
        k = value // 1000 if value >= 1000 else value
        return k if 0 <= k < len(classes) else None

    return tuple(void(e) if e.value is None or void(e) == VOID else index(e.value) for e in entries)


def _words(text: str) -> tuple[str, ...]:
    return tuple(" ".join(name.split()) for name in text.split(","))


_VOC = _words("""
background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, dining table, dog, horse,
motorbike, person, potted plant, sheep, sofa, train, tv monitor""")

_CITYSCAPES = _words("""unlabeled, ego vehicle, rectification border, out of roi, static, dynamic, ground, road,
sidewalk, parking, rail track, building, wall, fence, guard rail, bridge, tunnel, pole, polegroup, traffic light,
traffic sign, vegetation, terrain, sky, person, rider, car, truck, bus, caravan, trailer, train, motorcycle, bicycle""")

_TRAIN_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # reference 1: the id of each

_ADE = _words("""wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person,
earth, door, table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field,
armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard,
chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, case,
pool table, pillow, screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower, book, hill,
bench, countertop, stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, hovel, bus, towel,
light, truck, tower, chandelier, awning, streetlight, booth, television receiver, airplane, dirt track, apparel, pole,
land, bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, fountain, conveyer belt, canopy, washer,
plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag, minibike, cradle, oven, ball, food, step, tank,
trade name, microwave, pot, animal, bicycle, lake, dishwasher, screen, blanket, sculpture, hood, sconce, vase,
traffic light, tray, ashcan, fan, pier, crt screen, plate, monitor, bulletin board, shower, radiator, glass, clock,
flag""")

_SYNONYMS = {
    other: first
    for first, *others in (
        ("person", "people", "human", "pedestrian"), ("car", "automobile"), ("sofa", "couch"),
        ("motorcycle", "motorbike"), ("bicycle", "bike", "cycle"), ("airplane", "aeroplane", "plane"),
        ("tv", "tv monitor", "tvmonitor", "television", "television receiver"), ("dining table", "diningtable"),
        ("potted plant", "pottedplant"), ("building", "edifice"), ("sidewalk", "pavement"), ("road", "route", "street"),
        ("grass", "lawn"), ("window", "windowpane"), ("refrigerator", "fridge"), ("background", "bg"),
        ("traffic light", "trafficlight"), ("traffic sign", "trafficsign"), ("curtain", "drape"),
    )
    for other in others
}  # fmt: skip

INDEX = Reading("Class index", _by_index)
TWO = Reading("Two values: 0 is the first class, the other the second", _two)
MINUS_ONE = Reading("0 is void, the rest minus one", _minus_one)
SPREAD = Reading("Grey levels spread evenly from 0 to 255", _spread)
DATA_COLOURS = Reading("The data set's colours", _coloured(lambda _, colours: colours))
APP_COLOURS = Reading("The colours of this app", _coloured(lambda classes, _: palette.safe(len(classes))))
VOC_MAP = Reading("VOC's colour map, by class index", _coloured(lambda classes, _: palette.voc(len(classes))))
VOC_COLOURS = Reading("VOC's colours, by name", _voc_colours)
VOC_IDS = Reading("VOC ids, by name", _ids(dict(enumerate(_VOC))))
CITYSCAPES = dict(enumerate(_CITYSCAPES))
LABEL_IDS = Reading("Cityscapes labelIds, by name", _ids(CITYSCAPES))
TRAIN_IDS = Reading("Cityscapes trainIds, by name", _ids({k: CITYSCAPES[i] for k, i in enumerate(_TRAIN_IDS)}))
INSTANCE_IDS = Reading("Cityscapes instanceIds, by name",
                       _ids(CITYSCAPES, lambda value: value // 1000 if value >= 1000 else value))  # fmt: skip
BY_INSTANCE = Reading("Class index * 1000 + instance", _classes_by_instance)
ADE_ONE = Reading("ADE20K, by name: 0 is unlabelled, 1 to 150",
                  _ids({0: ""} | dict(enumerate(_ADE, 1))))  # fmt: skip
ADE_ZERO = Reading("ADE20K, by name: 0 to 149", _ids(dict(enumerate(_ADE))))

READINGS = {reading.name: reading for reading in (
    INDEX, TWO, MINUS_ONE, SPREAD, DATA_COLOURS, APP_COLOURS, VOC_MAP, VOC_COLOURS, VOC_IDS, LABEL_IDS, TRAIN_IDS,
    INSTANCE_IDS, BY_INSTANCE, ADE_ONE, ADE_ZERO)}  # fmt: skip
TABLES: Mapping[Reading, Sequence[str]] = {
    VOC_IDS: _VOC,
    TRAIN_IDS: [CITYSCAPES[i] for i in _TRAIN_IDS],
    LABEL_IDS: _CITYSCAPES,
    ADE_ZERO: _ADE,
    ADE_ONE: _ADE,
}  # readings by ids below 256, and the names of their classes
