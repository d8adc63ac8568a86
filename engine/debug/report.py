"""What a model said about many pictures, to be taken away: one HTML file that needs nothing else, CSV or JSON.

References
1. `python -m engine report MODEL DIR --out FILE`: this module is what it runs.
2. OWASP, "CSV Injection": a cell that begins with = + - @ is a formula to a spreadsheet, so it gets an apostrophe.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
import time
from collections import UserDict
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.cards import Card
from engine.debug import batch, collection, report_page
from engine.debug.batch import Row
from engine.debug.collection import CollectionError
from engine.debug.ground import READINGS, Reading, labelmap
from engine.debug.onnx_spec import unique
from engine.debug.pairing import plain
from engine.debug.report_page import IN_EITHER, IN_TRUTH, Report

ENDINGS = (".html", ".csv", ".json")
FORMAT = 2  # of the file that an unfinished run leaves behind
BESIDE = "labelmap.txt beside the masks"
_PAIRS = 10  # unsure pairs that are listed
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BYTES = ("thumbnail", "overlay")

METRICS: dict[str, Callable[[batch.Summary], float | None]] = {
    "pixel accuracy": lambda found: found.pixel_accuracy,
    "class accuracy": lambda found: found.class_accuracy,
    "mean IoU": lambda found: found.mean_iou,
    IN_TRUTH: lambda found: found.mean_iou,
    IN_EITHER: lambda found: found.mean_iou_either,
    "agreement": lambda found: None if found.disagreement is None else 1 - found.disagreement,
}
COLUMNS: dict[str, Callable[[Row], object]] = {
    "name": lambda row: row.name,
    "sha256": lambda row: row.key,
    "width": lambda row: row.width or "",
    "height": lambda row: row.height or "",
    "pixel accuracy": lambda row: _number(row.pixel_accuracy),
    IN_TRUTH: lambda row: _number(row.mean_iou),
    IN_EITHER: lambda row: _number(row.mean_iou_either),
    "uncertainty": lambda row: _number(row.uncertainty),
    "unsure": lambda row: _number(row.unsure),
    "disagreement": lambda row: _number(row.disagreement),
    "seconds": lambda row: _number(row.seconds),
    "error": lambda row: row.error,
    "note": lambda row: row.note,
}  # fmt: skip


def html(report: Report) -> str:
    """The report as one HTML file: see `engine.debug.report_page`."""
    return report_page.html(report)


def csv_text(report: Report) -> str:
    """The report as CSV text, a line for each picture: shares from 0 to 1, the share of each class and its IoU, and the
    pixels of each cell of the confusion matrix, all by the place of the class where names are shared."""
    out = io.StringIO()
    writer = csv.writer(out)
    names = unique(report.card.classes)
    cells = [f"pixels of {true} called {called}" for true in names for called in names]
    writer.writerow([_no_formula(head) for head in (*COLUMNS, *(f"share of {name}" for name in names),
                                                    *(f"IoU of {name}" for name in names), *cells)])  # fmt: skip
    for row in report.rows:
        line = [value(row) for value in COLUMNS.values()]
        line += map(_number, row.shares) if row.shares else [""] * len(names)
        line += map(_number, batch.class_iou(row)) if row.confusion else [""] * len(names)
        line += [n for true in row.confusion for n in true] if row.confusion else [""] * len(cells)
        writer.writerow([_no_formula(cell) for cell in line])
    return out.getvalue()


def json_text(report: Report) -> str:
    """The report as JSON text: figures of all pictures, then of each; shares from 0 to 1, null where none is known."""
    found = batch.summary(report.rows)
    pictures = [{**{head: value(row) if value(row) != "" else None for head, value in COLUMNS.items()
                    if head not in ("error", "note")},
                 "error": row.error, "note": row.note, "shares": list(row.shares) or None,
                 "iou by class": row.confusion and [_finite(x) for x in batch.class_iou(row)],
                 "confusion": row.confusion} for row in report.rows]  # fmt: skip
    figures = {name: _finite(value(found)) for name, value in METRICS.items()}
    return json.dumps({
        "format": 1, "title": report.title, "made": report.made, "model": report.card.asdict(),
        "second": report.second and report.second.asdict(), "notes": [*report.notes, *found.notes],
        "classes": list(report.card.classes), "pictures judged": found.judged, "pictures failed": found.failed,
        "figures": figures, "iou by class": [_finite(x) for x in found.iou] or None,
        "confusion": found.confusion or None,
        "confusion is": "rows: the truth, columns: what was called, in pixels", "pictures": pictures,
    }, indent=1, allow_nan=False)  # fmt: skip


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 6)


def threshold(text: str) -> tuple[str, float]:
    """METRIC=VALUE -> one of `METRICS` and a share from 0 to 1; "60%" is 0.6. Raises CollectionError."""
    name, equals, value = text.partition("=")
    wanted = re.sub(r"[\W_]+", " ", name.casefold()).strip()
    found = next((metric for metric in METRICS if re.sub(r"[\W_]+", " ", metric.casefold()) == wanted), None)
    if not equals or found is None:
        known = ", ".join(re.sub(r"[\W_]+", "-", metric.casefold()) for metric in METRICS)
        raise CollectionError(f"{plain(text)} is no threshold: write METRIC=VALUE, such as mean-iou=0.6; the metrics "
                              f"are {known}.")  # fmt: skip
    try:
        share = float(value.strip().removesuffix("%")) / (100 if value.strip().endswith("%") else 1)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise CollectionError(f"The value of {plain(name)} is a share from 0 to 1, or a percentage such as 60%.")
    return found, share


def shortfall(made: Report, metric: str, least: float) -> str:
    """Why the report misses the threshold, a sentence; "" where it does not. What nobody judged misses it."""
    found = METRICS[metric](batch.summary(made.rows))
    if found is None or not math.isfinite(found):
        return f"{metric} could not be judged, so it is not {100 * least:.1f} % at least."
    return f"{metric} is {100 * found:.2f} %, below {100 * least:.2f} %." if found < least else ""


def _number(value: float | None) -> float | str:
    return "" if value is None or not math.isfinite(value) else round(value, 6)


def _no_formula(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def report(title: str, rows: Iterable[Row], card: Card, second: Card | None = None,
           notes: tuple[str, ...] = ()) -> Report:  # fmt: skip
    """A report made now, its rows with the worst first."""
    rows = list(rows)
    rows = batch.ordered(rows, batch.usual_order(rows))
    return Report(title, tuple(rows), card, second, notes, datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"))


def run(model: Any, folder: Path | str, out: Path | str, second: Any | None = None,
        progress: Callable[[str], None] = lambda line: None, limit: int | None = None, device: str = "cpu",
        masks: str | None = None, reading: str | None = None) -> Report:  # fmt: skip
    """Run `model` over the pictures of `folder`, a folder or a zip, and write the report to `out`, of one of `ENDINGS`.

    model: a name, or what `engine.zoo.load` gives. second: a model to disagree with. progress: gets a line for each
    picture. limit: take only so many pictures. masks: the folder that holds them, as in `collection.from_path`.
    reading: of all masks, a name of `engine.debug.ground.READINGS`. While it runs, OUT.partial.jsonl keeps what is
    done: a run that was stopped goes on from there. Raises CollectionError, ModelError, MaskError and OSError.
    """
    from engine import zoo

    out = Path(out)
    if out.suffix.lower() not in ENDINGS:
        raise CollectionError(
            f"A report is written as {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, not as {plain(out.name)}."
        )
    chosen = reading_called(reading) if reading else None
    found = collection.from_path(folder, masks)
    chosen = chosen or reading_beside(found)
    notes = list(found.notes) + ([f"All masks are read by: {chosen.name}."] if chosen else [])
    if found.question:
        _ask(found, progress)
        notes.append(found.question)
    items = found.items[:limit]
    one, two = (zoo.load(m, device) if isinstance(m, str) else m for m in (model, second))
    kept = Partial(out.with_name(f"{out.name}.partial.jsonl"))
    rows, pace, started = [], batch.Pace(), time.monotonic()
    try:
        for row, fresh in batch.rows(one, items, two, kept, chosen):
            rows.append(row)
            if fresh:
                pace.add(time.monotonic() - started)
            started = time.monotonic()
            progress(_line(row, len(rows), len(items), pace.left(len(items) - len(rows))))
    except KeyboardInterrupt:
        progress(f"{len(rows)} of {len(items)} pictures are kept in {kept.path}; the same command goes on from there.")
        raise
    made = report(found.title, rows, one.card, two and two.card, tuple(notes))
    write = {".html": html, ".csv": csv_text, ".json": json_text}[out.suffix.lower()]
    written = out.with_name(f"{out.name}.part")
    written.write_text(write(made), encoding="utf8", newline="")
    written.replace(out)
    kept.path.unlink(missing_ok=True)
    return made


def reading_called(name: str) -> Reading:
    """The reading of that name, or whose name alone begins so; case and signs aside. Raises CollectionError."""

    def bare(text: str) -> str:
        return re.sub(r"[\W_]+", " ", text.casefold()).strip()

    exact = [key for key in READINGS if bare(key) == bare(name)]
    found = exact or [key for key in READINGS if bare(name) and bare(key).startswith(bare(name))]
    if len(found) != 1:
        raise CollectionError(f"There is no one reading called {plain(name)}; the readings are "
                              f"{'; '.join(READINGS)}.")  # fmt: skip
    return READINGS[found[0]]


def reading_beside(found: collection.Collection) -> Reading | None:
    """What the labelmap.txt beside the masks says, None where there is none. Raises MaskError, CollectionError."""
    return labelmap(found.labelmap()) if found.labelmap else None


def reading_of(found: collection.Collection, name: str) -> Reading | None:
    """The reading called `name`, `BESIDE` for that of the labelmap.txt; None for any other word: a guess at each mask.

    Raises MaskError and CollectionError for a labelmap.txt that cannot be read.
    """
    return reading_beside(found) if name == BESIDE else READINGS.get(name)


def _ask(found: collection.Collection, progress: Callable[[str], None]) -> None:
    """Say what is unsure about the masks, and how to answer."""
    progress(found.question)
    for picture, mask in found.doubtful[:_PAIRS]:
        progress(f"  {plain(picture)}  with  {plain(mask)}")
    more = len(found.doubtful) - _PAIRS
    kinds = " or ".join(f'--masks "{group}"' for group in found.groups)
    progress(f"{f'  and {more} more. ' if more > 0 else ''}Choose by {kinds or '--masks DIR'}.")


def _line(row: Row, done: int, total: int, left: float | None) -> str:
    """How far a run is, in one line."""
    time_left = "" if not left else f", {left // 60:.0f}:{left % 60:02.0f} left"
    return f"{done} of {total}{time_left}: {row.name}{f': {row.error}' if row.error else ''}"


def sentence(made: Report) -> str:
    """The figures of a report in one line."""
    found = batch.summary(made.rows)
    figures = {"pixel accuracy": found.pixel_accuracy, IN_TRUTH: found.mean_iou, IN_EITHER: found.mean_iou_either,
               "uncertainty": found.uncertainty, "disagreement": found.disagreement}  # fmt: skip
    known = [f"{words} {100 * value:.1f} %" for words, value in figures.items() if value is not None]
    failed = [f"{found.failed} failed"] if found.failed else []
    judged = [] if found.judged else ["none with a mask that could be used"]
    return ", ".join([f"{found.pictures} pictures", *failed, *judged, *known])


class Partial(UserDict):
    """Rows by what they depend on, also kept line by line in a file, so that what is done outlives the process."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        if path.exists():
            self.data.update(_read(path))

    def __setitem__(self, place: str, row: Row) -> None:
        if self.data.get(place) is row:
            return
        self.data[place] = row
        values = {k: base64.b64encode(v).decode() if k in _BYTES else v for k, v in asdict(row).items()}
        with self.path.open("a", encoding="utf8") as file:
            file.write(json.dumps({"format": FORMAT, "place": place, "row": values}) + "\n")


def _read(path: Path) -> dict[str, Row]:
    """The rows in a file of `Partial`; lines that are cut off or of another kind are left out."""
    rows = {}
    for line in path.read_text(encoding="utf8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            values = entry["row"] if entry["format"] == FORMAT else {}
            values |= {name: base64.b64decode(values[name], validate=True) for name in _BYTES}
            values["shares"], values["remarks"] = tuple(values["shares"]), tuple(values["remarks"])
            values["confusion"] = values["confusion"] and tuple(map(tuple, values["confusion"]))
            if set(values) == {field.name for field in fields(Row)}:
                rows[str(entry["place"])] = Row(**values)
        except (ValueError, KeyError, TypeError):
            continue
    return rows
