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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.cards import Card
from engine.debug import batch, collection, report_page
from engine.debug.batch import Row
from engine.debug.collection import CollectionError
from engine.debug.onnx_spec import unique
from engine.debug.report_page import Report

ENDINGS = (".html", ".csv", ".json")
FORMAT = 1  # of the file that an unfinished run leaves behind
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BYTES = ("thumbnail", "overlay")

COLUMNS: dict[str, Callable[[Row], object]] = {
    "name": lambda row: row.name,
    "sha256": lambda row: row.key,
    "width": lambda row: row.width or "",
    "height": lambda row: row.height or "",
    "pixel accuracy": lambda row: _number(row.pixel_accuracy),
    "mean IoU, classes in the truth": lambda row: _number(row.mean_iou),
    "mean IoU, classes in truth or prediction":
        lambda row: _number(row.scores and row.scores.mean_iou_truth_or_prediction),
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
    """The report as CSV text, a line for each picture: shares from 0 to 1.

    After the columns the IoU of each class, its share of the answer, and the confusion matrix as JSON (rows are the
    truth), all in the order of the classes.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    names = unique(report.card.classes)
    writer.writerow(list(map(_no_formula, (*COLUMNS, *(f"IoU of {name}" for name in names),
                                           *(f"share of {name}" for name in names), "confusion"))))  # fmt: skip
    blank = ("",) * len(names)
    for row in report.rows:
        cells = [*(value(row) for value in COLUMNS.values()), *(map(_number, row.scores.iou) if row.scores else blank),
                 *(map(_number, row.shares) if row.shares else blank),
                 json.dumps(row.confusion) if row.confusion else ""]  # fmt: skip
        writer.writerow([_no_formula(cell) for cell in cells])
    return out.getvalue()


def json_text(report: Report) -> str:
    """The report as JSON: title, made, model, against, classes, notes, summary and pictures; shares from 0 to 1, null
    where nobody can know. Lists of classes, and the rows (truth) and columns of a confusion, go in their order."""
    found = batch.summary(report.rows)
    whole = {
        "title": report.title, "made": report.made, "model": report.card.name, "sha256": report.card.sha256,
        "against": report.second and report.second.name, "classes": list(unique(report.card.classes)),
        "notes": list(report.notes), "sorted_by": batch.usual_order(report.rows),
        "summary": asdict(found) | {"iou": [_share(x) for x in found.iou]},
        "pictures": [
            {key: value(row) if (value := COLUMNS[key])(row) != "" else None for key in COLUMNS}
            | {"iou": [_share(x) for x in row.scores.iou] if row.scores else None,
               "shares": [_share(x) for x in row.shares] or None, "confusion": row.confusion}
            for row in report.rows
        ],
    }  # fmt: skip
    return json.dumps(whole, indent=1)


def _share(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(float(value), 6)


def _number(value: float | None) -> float | str:
    return "" if value is None or math.isnan(value) else round(float(value), 6)


def _no_formula(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


WRITERS: dict[str, Callable[[Report], str]] = dict(zip(ENDINGS, (html, csv_text, json_text), strict=True))


def report(title: str, rows: Iterable[Row], card: Card, second: Card | None = None,
           notes: tuple[str, ...] = ()) -> Report:  # fmt: skip
    """A report made now, its rows with the worst first; what was said of the pictures goes to its notes, too."""
    rows = list(rows)
    rows = batch.ordered(rows, batch.usual_order(rows))
    return Report(
        title,
        tuple(rows),
        card,
        second,
        (*notes, *batch.remarks(rows)),
        datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    )


def run(model: Any, folder: Path | str, out: Path | str, second: Any | None = None,
        progress: Callable[[str], None] = lambda line: None, limit: int | None = None,
        device: str = "cpu", masks: str | None = None) -> Report:  # fmt: skip
    """Run `model` over the pictures of `folder`, a folder or a zip, and write the report to `out` (one of `ENDINGS`).

    model: its name, or the model itself. second: one to disagree with. masks: see `collection.from_path`. progress:
    gets a line for each picture. limit: take only so many pictures. While
    it runs, OUT.partial.jsonl keeps what is done: a run that was stopped goes on from there. Raises CollectionError,
    ModelError and OSError.
    """
    from engine import zoo

    out = Path(out)
    if out.suffix.lower() not in ENDINGS:
        raise CollectionError(f"A report is written as {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, not as {out.name}.")
    found = collection.from_path(folder, masks)
    for sentence in filter(None, (found.question, *found.notes)):
        progress(sentence)
    items = found.items[:limit]
    one, two = (zoo.load(m, device) if isinstance(m, str) else m for m in (model, second))
    kept = Partial(out.with_name(f"{out.name}.partial.jsonl"))
    rows, pace, started = [], batch.Pace(), time.monotonic()
    try:
        for row, fresh in batch.rows(one, items, two, kept):
            rows.append(row)
            if fresh:
                pace.add(time.monotonic() - started)
            started = time.monotonic()
            progress(_line(row, len(rows), len(items), pace.left(len(items) - len(rows))))
    except KeyboardInterrupt:
        progress(f"{len(rows)} of {len(items)} pictures are kept in {kept.path}; the same command goes on from there.")
        raise
    made = report(found.title, rows, one.card, two and two.card, found.notes)
    written = out.with_name(f"{out.name}.part")
    written.write_text(WRITERS[out.suffix.lower()](made), encoding="utf8", newline="")
    written.replace(out)
    kept.path.unlink(missing_ok=True)
    return made


def _line(row: Row, done: int, total: int, left: float | None) -> str:
    """How far a run is, in one line."""
    time_left = "" if not left else f", {left // 60:.0f}:{left % 60:02.0f} left"
    return f"{done} of {total}{time_left}: {row.name}{f': {row.error}' if row.error else ''}"


METRICS: dict[str, Callable[[batch.Summary], float | None]] = {
    "pixel accuracy": lambda found: found.pixel_accuracy,
    "mean IoU": lambda found: found.mean_iou,
    "mean IoU, truth or prediction": lambda found: found.mean_iou_truth_or_prediction,
}  # of all judged pixels together; the IoU of a class is "IoU of NAME"


def threshold(text: str) -> tuple[str, float]:
    """The metric and the value in "mean-iou=0.6", "pixel-accuracy=90%" or "iou-of-dog=0.5". Raises CollectionError."""
    name, sign, value = text.rpartition("=")
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*", value)
    share = float(found[1]) / (100 if found[2] else 1) if found else math.nan
    if not sign or not 0 <= share <= 1:
        raise CollectionError(f"{text[:80]!r} is no METRIC=VALUE with a value from 0 to 1, such as mean-iou=0.6.")
    return name.strip(), share


def judged(found: batch.Summary, classes: Sequence[str], name: str) -> float | None:
    """The figure that a metric's name means, None where nothing could be judged. Raises CollectionError.

    Capitals, hyphens, underscores and commas do not count. Of classes with one name the numbers of `unique` tell.
    """
    known = {_plain(key): value for key, value in METRICS.items()}
    if (metric := known.get(_plain(name))) is not None:
        return metric(found)
    by_class = {_plain(f"IoU of {other}"): k for k, other in enumerate(unique(classes))}
    if (k := by_class.get(_plain(name))) is None:
        raise CollectionError(f"There is no metric {name[:80]!r}; there are {', '.join(METRICS)}, and IoU of CLASS.")
    return _share(found.iou[k]) if found.iou else None


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[-_,]", " ", name).casefold().split())


def sentence(made: Report) -> str:
    """The figures of a report in one line."""
    found = batch.summary(made.rows)
    figures = {key: value(found) for key, value in METRICS.items()}
    figures |= {"uncertainty": found.uncertainty, "disagreement": found.disagreement}
    known = [f"{words} {100 * value:.1f} %" for words, value in figures.items() if value is not None]
    failed = [f"{found.failed} failed"] if found.failed else []
    return ", ".join([f"{found.pictures} pictures", *failed, *known])


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
            values["shares"] = tuple(values["shares"])
            values["confusion"] = values["confusion"] and tuple(map(tuple, values["confusion"]))
            if set(values) == {field.name for field in fields(Row)}:
                rows[str(entry["place"])] = Row(**values)
        except (ValueError, KeyError, TypeError):
            continue
    return rows
