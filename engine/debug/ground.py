"""A file that says what is on a picture becomes its ground truth, with all that must be said of it beside its figures.

A convention is never believed against the evidence: values that a reading does not explain make nothing but a question,
and so does a reading that fits the model's answer far worse than another one.

References
1. `engine.debug.masks`: how the bytes of a mask are read; its Convention is that of this file, too.
2. `engine.debug.readings`: what the entries of a mask may stand for.
3. Kuhn 1955, "The Hungarian method": the best assignment of values to classes (scipy's linear_sum_assignment).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from engine.debug import coco, labelme, masks
from engine.debug.masks import CLEAR, Mask, MaskError, Size
from engine.debug.onnx_spec import unique
from engine.debug.readings import (
    APP_COLOURS,
    DATA_COLOURS,
    INDEX,
    MINUS_ONE,
    READINGS,
    SPREAD,
    TABLES,
    TWO,
    VOC_MAP,
    Entries,
    Meaning,
    Reading,
    by_hand,
    labelmap,
    shared,
    values_of,
    void,
)
from engine.debug.shapes import ShapeError, Shapes
from engine.trace import VOID

__all__ = ["READINGS", "Reading", "Truth", "by_hand", "ground", "judge", "labelmap", "remarks"]

FIT = 0.5  # share of the pixels that another reading must agree with the answer on before it is proposed
BETTER = 0.25  # and by how much more than the reading in use
TURN = 0.1  # by how much more a turned mask must agree
LISTED, ROOM = 5, 80  # values or classes that a sentence names, and characters of theirs
ABSENT = 0.1  # share of the judged pixels called by classes that the truth lacks, from which on that is said

Labels = np.ndarray


@dataclass(frozen=True, eq=False)
class Truth:
    """A ground truth, and what must be known of it.

    labels: (H, W) uint8, 255 = void. how: what it was read by, a sentence. notes: sentences that must stand beside its
    figures, first those on how it was read, which are `told`. question: "" or a sentence that asks. reading, mapping:
    of a mask, what was taken, and a class index or VOID for each of its entries. better: the reading that answers the
    question, if one is known. turn: whether the question is answered by turning the mask like the picture
    (`masks.read`).
    """

    labels: Labels
    how: str = ""
    notes: tuple[str, ...] = ()
    question: str = ""
    reading: Reading | None = None
    mapping: tuple[int, ...] = ()
    better: Reading | None = None
    turn: bool = False
    told: tuple[str, ...] = ()


def ground(data: bytes, name: str, shown: Size, original: Size, classes: Sequence[str], colours: np.ndarray,
           reading: Reading | None = None, answer: Labels | None = None, orientation: int = 1,
           turned: bool | None = None) -> Truth:  # fmt: skip
    """The ground truth in `data`, untrusted: a mask, or shapes of labelme or COCO where the content says so.

    name: of the picture's file, which says whose objects of COCO's are meant. shown, original: (width, height) of the
    picture as it is shown and of its file, upright. classes, colours: of the model, names and (K, 3) uint8. reading:
    how to read a mask; None means the best guess. answer: the model's labels (H, W) for the same picture, to check the
    guess by. orientation, turned: see `masks.read`. Raises MaskError.
    """
    if is_json(data):
        try:
            found = shapes(data, name, shown, original, orientation)
        except ShapeError as error:
            raise MaskError(str(error)) from None
        mapping = found.guess(classes)
        labels, told = found.labels(mapping, classes), found.remarks(mapping, classes)
        return Truth(labels, "Made of shapes.", told + remarks(labels, classes, answer), told=told)
    mask = masks.read(data, shown, original, orientation, turned)
    return judge(mask, classes, colours, reading, answer)


def is_json(data: bytes) -> bool:
    """Whether these bytes are a JSON object, as those of no picture are; in UTF-16 or behind a mark, too."""
    return data[:200].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1] == b"{"


def shapes(data: bytes, name: str, shown: Size, original: Size, orientation: int = 1) -> Shapes:
    """The shapes over a picture in JSON of labelme or COCO, told by their content. Arguments as in `ground`.

    Raises ShapeError.
    """
    if re.search(rb'"annotations"\s*:', data.replace(b"\0", b"")) is None:  # a label may be called so, too
        return labelme.read(data, shown[::-1], original, orientation)
    return coco.read(data).shapes(name, shown[::-1], original, orientation)


def judge(mask: Mask, classes: Sequence[str], colours: np.ndarray, reading: Reading | None = None,
          answer: Labels | None = None) -> Truth:  # fmt: skip
    """What a mask says in the classes of a model: by `reading`, else by the best guess. Arguments as in `ground`."""
    question, better = "", None
    chosen = reading
    if chosen is None:
        chosen, question, better = _guess(mask.entries, classes, colours)
        if chosen == INDEX and not question:
            question, better = _doubt(mask, classes, colours, answer)
    meaning = chosen.of(mask.entries, classes, colours) if chosen else (None,) * len(mask.entries)
    mapping = tuple(VOID if k is None else k for k in meaning)
    labels = masks.apply(mask, mapping)
    turn = False
    if answer is not None:
        proposed, sentence = _check(mask, mapping, classes, colours, answer)
        if proposed is not None:
            question, better = f"{'' if chosen else _unknown(mask.entries, classes, None)} {sentence}".strip(), proposed
        elif mask.turnable and (turn := _turns(mask, labels, answer)):
            question = (f"The photo carries an orientation ({mask.orientation}), and the mask fits the model's answer "
                        "better when it is turned like the photo. Was it drawn over the photo as the sensor saw "
                        "it?")  # fmt: skip
    how = f"Read by: {chosen.name}." if chosen else "Nothing is known of these values."
    told = mask.notes + _second(chosen, mask.entries, mapping, classes) + _entries_without(mask.entries, mapping)
    notes = told + remarks(labels, classes, answer)
    return Truth(labels, how, notes, question, chosen, mapping, better, turn, told)


def remarks(labels: Labels, classes: Sequence[str], answer: Labels | None = None) -> tuple[str, ...]:
    """What must stand beside figures that are judged by `labels` (H, W): classes that never occur, the share of void.

    answer: the model's labels (H, W), where they may be held against the truth's classes.
    """
    known = labels != VOID
    if not known.any():
        return ("The mask is void everywhere.",)
    held = np.bincount(labels[known], minlength=len(classes)) > 0
    absent = [name for name, there in zip(unique(classes), held, strict=True) if not there]
    notes = []
    if len(absent) == 1:
        notes.append(f"{_quoted(absent[0])} never occurs in the truth: its IoU cannot be judged.")
    elif absent:
        names = _listed([_quoted(name) for name in absent])
        notes.append(f"{len(absent)} of the {len(classes)} classes never occur in the truth ({names}): their IoU "
                     "cannot be judged.")  # fmt: skip
    if answer is not None and absent:
        false = float((~held[answer[known]]).mean())
        if false >= ABSENT:
            notes.append(f"{100 * false:.0f} % of the judged pixels are called classes that never occur in the truth: "
                         "does the mask have the model's classes?")  # fmt: skip
    if not known.all():
        notes.append(f"{_percent(1 - float(known.mean()))} of the picture are void and count nowhere.")
    return tuple(notes)


def _second(reading: Reading | None, entries: Entries, mapping: Sequence[int],
            classes: Sequence[str]) -> tuple[str, ...]:  # fmt: skip
    """That a value which is no index, such as 255, is taken as the second class."""
    names = [e.name for e, k in zip(entries, mapping, strict=True) if k == 1 and e.value != 1]
    return (f"{names[0]} in the mask is taken as {_quoted(classes[1])}.",) if reading == TWO and names else ()


def _entries_without(entries: Entries, mapping: Sequence[int]) -> tuple[str, ...]:
    """Which entries no class was found for, though they are not void by custom."""
    lost = [e for e, k in zip(entries, mapping, strict=True) if k == VOID and void(e) is None]
    if not lost or len(lost) == len(entries):
        return ()
    share = sum(e.pixels for e in lost) / sum(e.pixels for e in entries)
    verb = "stands" if len(lost) == 1 else "stand"
    names = _listed([e.name for e in lost])
    return (f"{names} in the mask {verb} for no class of this model: {_percent(share)} of the picture.",)


def _guess(entries: Entries, classes: Sequence[str], colours: np.ndarray) -> tuple[Reading | None, str, Reading | None]:
    """The reading that the entries themselves speak for, the question that is left, and what would answer it."""
    meant = {reading: reading.of(entries, classes, colours) for reading in READINGS.values()}
    whole = {reading for reading, meaning in meant.items() if None not in meaning and set(meaning) - {VOID}}
    values, held = values_of(entries), [e for e in entries if e.name != CLEAR]
    marks = [e for e in held if void(e) is not None]
    for reading in (DATA_COLOURS, APP_COLOURS, VOC_MAP):
        told = len(set(meant[reading]) - {None, VOID}) > 1 and reading == DATA_COLOURS
        if reading in whole and (told or _chromatic(entries, meant[reading])):
            return reading, "", None
    if len(classes) == 2 and len(held) == 2 and TWO in whole and (INDEX not in whole or values == [0]):
        if values[:1] == [0] or not values:
            return TWO, "", None
        low, high = (e.name for e in sorted(held, key=lambda e: e.value))
        return TWO, (f"The mask holds {low} and {high}: {low} is taken as {_quoted(classes[0])}, {high} as "
                     f"{_quoted(classes[1])}. Is that right?"), None  # fmt: skip
    if INDEX in whole:
        if values != [0] or not marks:
            return INDEX, "", None
        other = marks[0].name
        return INDEX, (f"The mask holds 0 and {other} alone: 0 is taken as {_quoted(classes[0])} and {other} as void. "
                       f"If {other} is a class, choose which."), TWO  # fmt: skip
    if _chromatic(entries, meant[DATA_COLOURS]):
        return DATA_COLOURS, "", None
    if marks and len(held) == 1:
        return INDEX, f"The mask holds {held[0].name} alone, taken as void. If it is a class, choose which.", TWO
    if MINUS_ONE in whole and [v for v in values if v] == list(range(1, len(classes) + 1)):
        return MINUS_ONE, f"The mask counts from 1 to {len(classes)}, so 0 is taken as void. Is that right?", None
    if SPREAD in whole and len(held) == len(classes):
        return SPREAD, ("The mask holds as many grey levels as there are classes, evenly spread: they are taken in "
                        "their order. Is that right?"), None  # fmt: skip
    known = [reading for reading in READINGS.values() if reading in whole and (reading != TWO or len(classes) == 2)]
    better = max(known, key=lambda reading: sum(k != VOID for k in meant[reading]), default=None)
    return None, _unknown(entries, classes, better) + ("" if better else " Choose what its values stand for."), better


def _doubt(mask: Mask, classes: Sequence[str], colours: np.ndarray,
           answer: Labels | None) -> tuple[str, Reading | None]:  # fmt: skip
    """Whether ids of a published table were taken for indices: it has the model's classes by name, and the mask has
    hardly any id but theirs. What the answer says against it counts."""
    by_index = INDEX.of(mask.entries, classes, colours)
    for reading, table in TABLES.items():
        meaning = reading.of(mask.entries, classes, colours)
        known = sum(k not in (None, VOID) for k in meaning)
        if known < 3 or 3 * known < 2 * len(mask.entries) or None in meaning or meaning == by_index:
            continue
        if 2 * shared(table, classes) < len(classes):
            continue
        if answer is None or _agreement(mask, meaning, answer) > _agreement(mask, by_index, answer):
            return f"The values could also be ids: is it “{reading.name}”?", reading
    return "", None


def _agreement(mask: Mask, meaning: Meaning, answer: Labels) -> float:
    """The share of the pixels that are given a class which the answer calls so, too."""
    truth = masks.apply(mask, [VOID if k is None else k for k in meaning])
    known = truth != VOID
    return float((truth[known] == answer[known]).mean()) if known.any() else 0.0


def _chromatic(entries: Entries, meaning: Meaning) -> bool:
    """Whether a colour that is no grey was recognised: that is no accident, while black and white stand everywhere."""
    return any(k not in (None, VOID) and e.colour and len(set(e.colour)) > 1
               for e, k in zip(entries, meaning, strict=True))  # fmt: skip


def _unknown(entries: Entries, classes: Sequence[str], better: Reading | None) -> str:
    """The sentence on a mask that no reading in use explains."""
    strange = [e for e in entries if void(e) is None and (e.value is None or e.value >= len(classes))]
    if not strange:
        return "The mask is void everywhere."
    names = _listed([e.name for e in strange])
    words = f"The mask holds {names}; the model has the classes 0 to {len(classes) - 1}, and 255 is void."
    if any(e.value is not None and e.value >= 1000 for e in strange):
        words += " Values from 1000 on look like instance ids, class * 1000 + instance."
    return words + (f" Is it “{better.name}”?" if better else "")


def _check(mask: Mask, mapping: Sequence[int], classes: Sequence[str], colours: np.ndarray,
           answer: Labels) -> tuple[Reading | None, str]:  # fmt: skip
    """Another reading that fits the model's answer far better, and the sentence that proposes it; None, "" for none."""
    size = len(classes)
    joint = mask.values.astype(np.int64) * size + answer
    counts = np.bincount(joint.ravel(), minlength=len(mask.entries) * size).reshape(-1, size)
    pixels = counts.sum(1)

    def right(meant: Sequence[int | None]) -> np.ndarray:
        """Of each entry, the pixels that the answer calls so too."""
        return np.array([0 if k in (None, VOID) else row[k] for row, k in zip(counts, meant, strict=True)])

    def fits(meant: Sequence[int | None]) -> tuple[float, float]:
        """The shares of the pixels that either gives a class on which the mapping in use and `meant` fit."""
        either = [a != VOID or b not in (None, VOID) for a, b in zip(mapping, meant, strict=True)]
        total = max(int(pixels[either].sum()), 1)
        return float(right(mapping).sum() / total), float(right(meant).sum() / total)

    def convinces(meant: Sequence[int | None]) -> bool:
        now, then = fits(meant)
        found = {k for k, n in zip(meant, right(meant), strict=True) if n}
        return then >= max(FIT, now + BETTER) and len(found) > 1

    def agrees(meant: Sequence[int | None]) -> bool:
        """Whether the assignment is hardly better, where `meant` gives a class: a name explains, it does not."""
        given = [k not in (None, VOID) for k in meant]
        return right(meant).sum() >= right(assigned)[given].sum() - 0.1 * pixels[given].sum()

    assigned = _best_assignment(mask.entries, mapping, counts)
    meant = {reading: reading.of(mask.entries, classes, colours) for reading in READINGS.values()}
    known = [reading for reading in READINGS.values() if convinces(meant[reading])]
    best = max(known, key=lambda reading: right(meant[reading]).sum(), default=None)
    if best is not None and agrees(meant[best]):
        now, then = fits(meant[best])
        return best, (f"Read as “{best.name}” the mask agrees with the model's answer on {_percent(then)} of the "
                      f"pixels, and as it is read now on {_percent(now)}. Is it meant so?")  # fmt: skip
    if convinces(assigned):
        now, then = fits(assigned)
        table = {e.name: k for e, k in zip(mask.entries, assigned, strict=True)}
        words = _listed([f"{e.name} as {_quoted(classes[k])}" for e, k in zip(mask.entries, assigned, strict=True)
                         if k != VOID])  # fmt: skip
        return by_hand("As the model's answer suggests", table), (
            f"As it is read now the mask agrees with the model's answer on {_percent(now)} of the pixels; with {words} "
            f"it would be {_percent(then)}. Do its values stand for other classes?")  # fmt: skip
    return None, ""


def _best_assignment(entries: Entries, mapping: Sequence[int], counts: np.ndarray) -> tuple[int, ...]:
    """One class at most for each entry and one entry for each class, so that most pixels agree (reference 3).

    counts: (E, K) pixels of each entry that the answer calls each class. What is void by custom, and in
    the mapping in use, stays so.
    """
    free = [i for i, e in enumerate(entries) if void(e) is None or mapping[i] != VOID]
    best = [VOID] * len(entries)
    for i, k in zip(*linear_sum_assignment(-counts[free]), strict=True):
        if counts[free[i], k]:
            best[free[i]] = int(k)
    return tuple(best)


def _turns(mask: Mask, labels: Labels, answer: Labels) -> bool:
    """Whether the mask agrees clearly better with the answer when it is turned like the picture."""

    def fit(truth: Labels) -> float:
        known = truth != VOID
        return float((truth[known] == answer[known]).mean()) if known.any() else 0.0

    return fit(masks.upright(labels, mask.orientation)) >= fit(labels) + TURN


def _quoted(name: str) -> str:
    return f"“{name if len(name) <= 38 else name[:37] + '…'}”"


def _listed(names: Sequence[str]) -> str:
    """As many of the names as have room in `ROOM` characters, `LISTED` at most, and how many more there are."""
    ends = np.cumsum([len(name) for name in names[:LISTED]])
    shown = max(int((ends <= ROOM).sum()), 1)
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
