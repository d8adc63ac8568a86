"""One model, or two, over many pictures: a row of figures and two small pictures for each, one after the other.

A row depends only on the picture's file, its mask and the models, so a run that was given up goes on where it stopped.

References
1. Long et al. 2015, section 5: pixel accuracy and mean IU. Lecture slide 43.
2. Shannon 1948: the entropy of the class probabilities, here in shares of log K, the entropy of knowing nothing.
"""

from __future__ import annotations

import hashlib
import io
import logging
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from engine import render
from engine.cards import ModelError
from engine.debug.answers import Answer, answer
from engine.debug.collection import CollectionError, Item, order
from engine.debug.compare import Incomparable, common
from engine.debug.ground import Reading, ground
from engine.debug.masks import MaskError
from engine.images import ImageError, decode
from engine.metrics import Meter, Scores, confusion
from engine.trace import Step, Trace

SMALL = 256  # pixels of the longer side of the two small pictures
ICON = 96  # the same for those in a table
SURE = 0.5  # probability of the winning class below which a pixel counts as unsure
LAST = 8  # pictures that the time left is guessed from
NOTES = 6  # of what is said of masks, in a summary
ORDERS = ("error", "uncertainty", "disagreement", "name")


@dataclass(frozen=True, eq=False)
class Row:
    """What is known of one picture; None where nobody can know it.

    key: SHA-256 of the file. width, height: of the file's picture, upright; 0 where it could not be read. error: why it
    could not. note: what was done to the picture and what must be said of its mask. uncertainty: mean entropy over
    log K. unsure: share of pixels whose winning class has a probability below `SURE`. disagreement: share of pixels
    that the second model calls otherwise. mean_iou: over the classes in the mask; mean_iou_either: over those in mask
    or answer. confusion: counts n_ij. shares: of each class in the answer. thumbnail, overlay: JPEG.
    """

    name: str
    key: str = ""
    width: int = 0
    height: int = 0
    error: str = ""
    note: str = ""
    seconds: float = 0.0
    uncertainty: float | None = None
    unsure: float | None = None
    disagreement: float | None = None
    pixel_accuracy: float | None = None
    mean_iou: float | None = None
    mean_iou_either: float | None = None
    confusion: tuple[tuple[int, ...], ...] | None = None
    shares: tuple[float, ...] = ()
    thumbnail: bytes = b""
    overlay: bytes = b""
    remarks: tuple[str, ...] = ()  # of the notes those on the mask, one sentence each

    @property
    def wrong(self) -> float | None:
        """Share of the judged pixels that are wrong."""
        return None if self.pixel_accuracy is None else 1 - self.pixel_accuracy

    @cached_property
    def icon(self) -> bytes:
        """The overlay at most `ICON` pixels large, a JPEG; b"" where there is none."""
        return _jpeg(Image.open(io.BytesIO(self.overlay)), ICON) if self.overlay else b""


@dataclass(frozen=True)
class Summary:
    """Figures of many rows together: means over pictures, and the scores over all judged pixels, as the papers do."""

    pictures: int
    failed: int
    judged: int
    seconds: float | None
    uncertainty: float | None
    unsure: float | None
    disagreement: float | None
    pixel_accuracy: float | None
    class_accuracy: float | None
    mean_iou: float | None
    mean_iou_either: float | None
    confusion: tuple[tuple[int, ...], ...]  # of all judged pictures together; () where nothing was judged
    iou: tuple[float, ...]  # of each class; nan where it does not occur; () where nothing was judged
    shares: tuple[float, ...]
    notes: tuple[str, ...] = ()  # what is said of at least one picture's mask, with how often


class Pace:
    """The time left, from the median of the last pictures: one slow picture does not shake it."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=LAST)

    def add(self, seconds: float) -> None:
        """One more picture took so long."""
        self._last.append(seconds)

    def left(self, pictures: int) -> float | None:
        """Seconds that so many more pictures will take; None before the first one."""
        return pictures * median(self._last) if self._last else None


def together(model: Any, second: Any | None = None, reading: Reading | None = None) -> str:
    """What tells a run of these models from any other: their names, weights and variants, and how masks are read.

    Raises CollectionError for two models that share no class, so that nobody can say where they agree.
    """
    if second is not None and not related(model.card.classes, second.card.classes):
        raise CollectionError(f"{model.card.name} and {second.card.name} share no class, so that nobody can say where "
                              "they agree.")  # fmt: skip
    parts = [part for m in (model, second) if m is not None for part in (m.card.name, m.card.sha256, m.usual)]
    parts += [reading.name] if reading else []
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def related(a: Sequence[str], b: Sequence[str]) -> bool:
    """True where models of classes `a` and `b` can be held against each other."""
    try:
        return bool(common(a, b))
    except Incomparable:
        return False


def rows(model: Any, items: Iterable[Item], second: Any | None = None,
         kept: MutableMapping[str, Row] | None = None,
         reading: Reading | None = None) -> Iterator[tuple[Row, bool]]:  # fmt: skip
    """Each picture's row once it is there, and whether it was computed now; a bad picture gives a row with its error.

    model, second: of kind `engine.segmentation.labelling.Labelling`. kept: rows of earlier runs, which are not computed
    again; new ones are added. reading: of all masks, None for a guess at each. Whoever stops asking ends the run.
    Raises CollectionError as `together`.
    """
    run, kept = together(model, second, reading), {} if kept is None else kept
    for item in items:
        try:
            data = item.read()
        except CollectionError as error:
            yield Row(item.name, error=str(error)), False
            continue
        mask, problem = _read_mask(item)
        key = hashlib.sha256(data).hexdigest()
        place = f"{run}:{key}:{hashlib.sha256(mask).hexdigest()[:16] if mask else problem}"
        fresh = place not in kept
        row = _row(model, second, data, key, mask, problem, reading) if fresh else kept[place]
        if not row.error:  # what failed may go better next time
            kept[place] = row
        yield replace(row, name=item.name), fresh


def _read_mask(item: Item) -> tuple[bytes, str]:
    """The bytes of the picture's mask and why there are none."""
    try:
        return (item.mask() if item.mask else b""), ""
    except CollectionError as error:
        return b"", f"Its mask is not used. {error}"


def _row(model: Any, second: Any | None, data: bytes, key: str, mask: bytes, problem: str,
         reading: Reading | None = None) -> Row:  # fmt: skip
    started = time.perf_counter()
    row = Row("", key)
    try:
        picture = decode(data)
        width, height = picture.original or (picture.width, picture.height)
        row = replace(row, width=width, height=height, note=_sentences(picture.notice, problem))
        row, labels = _answered(row, model, second, picture.rgb)
        row = _judged(row, mask, labels, model, picture.orientation, reading)
    except (ImageError, ModelError) as error:
        row = replace(row, error=str(error))
    except Exception as error:  # a network may fail on one picture; the others are not its fault
        logging.getLogger(__name__).exception("%s failed on a picture.", model.card.name)
        row = replace(row, error=f"The model failed on this picture ({type(error).__name__}).")
    return replace(row, seconds=time.perf_counter() - started)


def _answered(row: Row, model: Any, second: Any | None, rgb: np.ndarray) -> tuple[Row, np.ndarray]:
    """The row with what the models say about the picture (H, W, 3), and the first one's labels (H, W)."""
    one = answer(model, rgb)
    count = len(one.classes)
    probability = one.probability  # (K, H, W)
    entropy = -(probability * np.log(probability.clip(1e-12))).sum(0)
    differ = None if second is None else float(differing(one, answer(second, rgb)).mean())
    return replace(
        row,
        uncertainty=float(entropy.mean() / np.log(max(count, 2))),
        unsure=float((probability.max(0) < SURE).mean()),
        disagreement=differ,
        shares=tuple((np.bincount(one.labels.ravel(), minlength=count) / one.labels.size).tolist()),
        thumbnail=_jpeg(Image.fromarray(rgb)),
        overlay=_jpeg(_overlay(one)),
    ), one.labels


def differing(one: Answer, two: Answer) -> np.ndarray:
    """(H, W) bool: where two models call a pixel otherwise, in the classes of `engine.debug.compare.common`."""
    shared = common(one.classes, two.classes)
    return shared.rename(one.labels, one.classes) != shared.rename(two.labels, two.classes)


def _judged(row: Row, mask: bytes, labels: np.ndarray, model: Any, orientation: int,
            reading: Reading | None) -> Row:  # fmt: skip
    """The row with `labels` (H, W) held against the picture's mask, where there is one that fits."""
    if not mask:
        return row
    classes, size = model.card.classes, (row.width, row.height)
    try:
        found = ground(mask, "", labels.shape[::-1], size, classes, model.colours, reading, labels, orientation)
    except MaskError as error:
        said = f"Its mask is not used. {error}"
        return replace(row, note=_sentences(row.note, said), remarks=(said,))
    said = tuple(filter(None, (found.how, found.question, *found.notes)))
    row = replace(row, note=_sentences(row.note, *said), remarks=said)
    matrix = confusion(found.labels, labels, len(classes))
    if not matrix.any():
        return row
    scores = _scores(matrix)
    return replace(row, pixel_accuracy=scores.pixel_accuracy, mean_iou=scores.mean_iou,
                   mean_iou_either=scores.mean_iou_truth_or_prediction,
                   confusion=tuple(map(tuple, matrix.tolist())))  # fmt: skip


def class_iou(row: Row) -> tuple[float, ...]:
    """The IoU of each class on a judged picture, nan where it is in neither mask nor answer."""
    return _scores(np.array(row.confusion)).iou


def _scores(matrix: np.ndarray) -> Scores:
    meter = Meter(len(matrix))
    meter.matrix += matrix
    return meter.scores()


def _overlay(one: Answer) -> Image.Image:
    """The labels over the picture as the viewer shows them, small."""
    image = Image.fromarray(one.rgb)
    image.thumbnail((SMALL, SMALL))
    step = Step("", "", (one.layer(),))
    return Image.fromarray(render.render(Trace(np.asarray(image), one.card, (step,), one.classes, one.colours), 0))


def _jpeg(image: Image.Image, side: int = SMALL) -> bytes:
    """A JPEG of at most `side` pixels on the longer side."""
    image.thumbnail((side, side))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return out.getvalue()


def _sentences(*parts: str) -> str:
    return " ".join(part if part.endswith((".", "?")) else part + "." for part in parts if part)


def ordered(rows: Iterable[Row], by: str) -> list[Row]:
    """Rows with the worst first, by one of `ORDERS`; by name from A to Z. Those without the figure follow, the most
    uncertain first; those that failed are last."""
    if by == "name":
        return sorted(rows, key=lambda row: order(row.name))
    figure = {"error": lambda row: row.wrong, "uncertainty": lambda row: row.uncertainty,
              "disagreement": lambda row: row.disagreement}[by]  # fmt: skip

    def place(row: Row) -> tuple[bool, bool, float, float]:
        return bool(row.error), figure(row) is None, -(figure(row) or 0.0), -(row.uncertainty or 0.0)

    return sorted(rows, key=place)


def usual_order(rows: Iterable[Row]) -> str:
    """What to sort by at first: error where anything was judged, else disagreement, else uncertainty."""
    rows = list(rows)
    if any(row.wrong is not None for row in rows):
        return "error"
    return "disagreement" if any(row.disagreement is not None for row in rows) else "uncertainty"


def summary(rows: Sequence[Row]) -> Summary:
    """Figures of all rows together."""
    judged = [np.array(row.confusion) for row in rows if row.confusion is not None]
    scores = _scores(sum(judged)) if judged else None
    shares = [row.shares for row in rows if row.shares]
    return Summary(
        pictures=len(rows),
        failed=sum(bool(row.error) for row in rows),
        judged=len(judged),
        seconds=_mean(row.seconds for row in rows if not row.error),
        uncertainty=_mean(row.uncertainty for row in rows),
        unsure=_mean(row.unsure for row in rows),
        disagreement=_mean(row.disagreement for row in rows),
        pixel_accuracy=scores and scores.pixel_accuracy,
        class_accuracy=scores and scores.class_accuracy,
        mean_iou=scores and scores.mean_iou,
        mean_iou_either=scores and scores.mean_iou_truth_or_prediction,
        confusion=tuple(map(tuple, sum(judged).tolist())) if judged else (),
        iou=scores.iou if scores else (),
        shares=tuple(np.mean(shares, 0).tolist()) if shares else (),
        notes=tuple(
            f"{count} of {len(rows)} pictures: {words}"
            for words, count in Counter(words for row in rows for words in row.remarks).most_common(NOTES)
        ),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
