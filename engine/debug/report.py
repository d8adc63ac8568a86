"""What a model said about many pictures, to be taken away: one HTML file that needs nothing else, or CSV.

References
1. `python -m engine report MODEL DIR --out FILE`: this module is what it runs.
2. OWASP, "CSV Injection": a cell that begins with = + - @ is a formula to a spreadsheet, so it gets an apostrophe.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import time
from collections import UserDict
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path

from engine.cards import Card
from engine.debug import batch, collection, report_page
from engine.debug.batch import Row
from engine.debug.collection import CollectionError
from engine.debug.report_page import Report

ENDINGS = (".html", ".csv")
FORMAT = 1  # of the file that an unfinished run leaves behind
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BYTES = ("thumbnail", "overlay")

COLUMNS: dict[str, Callable[[Row], object]] = {
    "name": lambda row: row.name,
    "sha256": lambda row: row.key,
    "width": lambda row: row.width or "",
    "height": lambda row: row.height or "",
    "pixel accuracy": lambda row: _number(row.pixel_accuracy),
    "mean IoU": lambda row: _number(row.mean_iou),
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
    """The report as CSV text, a line for each picture: shares from 0 to 1, and the share of each class at the end."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*COLUMNS, *(f"share of {name}" for name in report.card.classes)])
    blank = ("",) * len(report.card.classes)
    for row in report.rows:
        cells = [*(value(row) for value in COLUMNS.values()), *(map(_number, row.shares) if row.shares else blank)]
        writer.writerow([_no_formula(cell) for cell in cells])
    return out.getvalue()


def _number(value: float | None) -> float | str:
    return "" if value is None else round(value, 6)


def _no_formula(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def report(title: str, rows: Iterable[Row], card: Card, second: Card | None = None,
           notes: tuple[str, ...] = ()) -> Report:  # fmt: skip
    """A report made now, its rows with the worst first."""
    rows = list(rows)
    rows = batch.ordered(rows, batch.usual_order(rows))
    return Report(title, tuple(rows), card, second, notes, datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"))


def run(model: str, folder: Path | str, out: Path | str, second: str | None = None,
        progress: Callable[[str], None] = lambda line: None, limit: int | None = None,
        device: str = "cpu") -> Report:  # fmt: skip
    """Run `model` over the pictures of `folder`, a folder or a zip, and write the report to `out` (.html or .csv).

    second: a model to disagree with. progress: gets a line for each picture. limit: take only so many pictures. While
    it runs, OUT.partial.jsonl keeps what is done: a run that was stopped goes on from there. Raises CollectionError,
    ModelError and OSError.
    """
    from engine import zoo

    out = Path(out)
    if out.suffix.lower() not in ENDINGS:
        raise CollectionError(f"A report is written as {' or '.join(ENDINGS)}, not as {out.name}.")
    found = collection.from_path(folder)
    items = found.items[:limit]
    one, two = zoo.load(model, device), zoo.load(second, device) if second else None
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
    written.write_text((html if out.suffix.lower() == ".html" else csv_text)(made), encoding="utf8", newline="")
    written.replace(out)
    kept.path.unlink(missing_ok=True)
    return made


def _line(row: Row, done: int, total: int, left: float | None) -> str:
    """How far a run is, in one line."""
    time_left = "" if not left else f", {left // 60:.0f}:{left % 60:02.0f} left"
    return f"{done} of {total}{time_left}: {row.name}{f': {row.error}' if row.error else ''}"


def sentence(made: Report) -> str:
    """The figures of a report in one line."""
    found = batch.summary(made.rows)
    figures = {"pixel accuracy": found.pixel_accuracy, "mean IoU": found.mean_iou, "uncertainty": found.uncertainty,
               "disagreement": found.disagreement}  # fmt: skip
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
