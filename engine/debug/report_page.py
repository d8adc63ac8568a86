"""A report as one HTML file: pictures inside, nothing fetched, nothing run but the script that sorts the table.

References
1. W3C, "Content Security Policy Level 3": the policy in the file's head names the script by its SHA-256.
2. assets/report/report.css and report.js: what is joined here.
"""

from __future__ import annotations

import base64
import hashlib
import math
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from importlib.metadata import version

from engine import palette
from engine.cards import ASSETS, Card
from engine.debug.batch import SURE, Row, Summary, summary, usual_order
from engine.debug.onnx_spec import unique

IN_TRUTH = "mean IoU, classes in the truth"
IN_EITHER = "mean IoU, classes in truth or answer"


@dataclass(frozen=True, eq=False)
class Report:
    """Rows in the order in which they are shown, what they were made with, and when.

    title: of the collection. second: card of the model that the first one was held against. notes: sentences.
    """

    title: str
    rows: tuple[Row, ...]
    card: Card
    second: Card | None = None
    notes: tuple[str, ...] = ()
    made: str = ""


@dataclass(frozen=True)
class Column:
    """Of the table. value: what it sorts by, a number, text or None; cell: HTML, nothing unescaped from outside."""

    key: str
    head: str
    words: str
    value: Callable[[Row], float | str | None]
    cell: Callable[[Row], str]
    sorts: bool = True
    number: bool = False


_SORTED = {"error": "Sorted by error, the share of the judged pixels that are wrong, the worst first.",
           "disagreement": "Sorted by disagreement between the two models, the largest first.",
           "uncertainty": "Sorted by uncertainty, the largest first."}  # fmt: skip


def html(report: Report) -> str:
    """The whole file. All text in it is escaped; its policy lets it load and run nothing but its own script."""
    style, script = (_asset(f"report.{ending}") for ending in ("css", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
              "base-uri 'none'; form-action 'none'")  # fmt: skip
    found = summary(report.rows)
    name = escape(f"{report.card.name} on {report.title}")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="Saccade">
<link rel="icon" href="data:,">
<title>{name}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{name}</h1>
<p>{escape(_subtitle(report, found))}</p>
<p>{escape(" ".join((*report.notes, *found.notes)))}</p>
</header>
<main>
{_figures(found)}
{_classes(report, found)}
{_table(report, found)}
{_card("The model", report.card)}
{_card("Held against", report.second) if report.second else ""}
</main>
<footer>{escape(_footer(report))}</footer>
<script>{script}</script>
</body>
</html>
"""


def _asset(name: str) -> str:
    return (ASSETS / "report" / name).read_text(encoding="utf8")


def _percent(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{100 * value:.1f} %"


def _subtitle(report: Report, found: Summary) -> str:
    parts = [f"{found.pictures} pictures" if found.pictures != 1 else "1 picture",
             f"{found.failed} could not be read" if found.failed else "",
             f"{found.judged} with a mask" if found.judged else "no masks, so no errors are known",
             f"held against {report.second.name}" if report.second else "", report.made]  # fmt: skip
    return " · ".join(filter(None, parts))


def _figures(found: Summary) -> str:
    """The figures of all pictures together, as large numbers."""
    shares = (
        (found.pixel_accuracy, "pixel accuracy", "over all judged pixels"),
        (found.mean_iou, "mean IoU", "classes in the truth, over all judged pixels"),
        (found.mean_iou_either, "mean IoU", "classes in truth or answer: a false alarm of another class counts 0"),
        (found.uncertainty, "uncertainty", "mean entropy over log K"),
        (found.unsure, "unsure", f"of the pixels: best class below {SURE}"),
        (found.disagreement, "disagreement", "of the pixels, between the two models"),
    )
    tiles = [(_percent(value), words, more) for value, words, more in shares if value is not None]
    if found.seconds is not None:
        tiles.append((f"{found.seconds:.2f} s", "a picture", "reading, model and figures"))
    boxes = (f"<div><b>{value}</b><span>{words}</span><small>{more}</small></div>" for value, words, more in tiles)
    return f'<section class="figures">{"".join(boxes)}</section>'


def _colour(k: int, count: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*palette.safe(count)[k])


def _classes(report: Report, found: Summary) -> str:
    """Each class with its colour, its share of all pictures, and its IoU where anything was judged."""
    names = unique(report.card.classes)
    lines = (
        f'<li><i style="background:{_colour(k, len(names))}"></i>{escape(name)}'
        f"<span>{_percent(found.shares[k] if found.shares else None)}</span>"
        f"{f'<em>IoU {_percent(found.iou[k])}</em>' if found.iou and _percent(found.iou[k]) else ''}</li>"
        for k, name in enumerate(names)
    )
    return f'<section><h2>Classes and their shares</h2><ul class="legend">{"".join(lines)}</ul></section>'


def _pictures(row: Row) -> str:
    """The answer over the picture, and the picture, both inside the page."""
    shown = {"answer": row.overlay, "picture": row.thumbnail}
    images = (f'<img src="data:image/jpeg;base64,{base64.b64encode(data).decode()}" alt="{words}">'
              for words, data in shown.items() if data)  # fmt: skip
    return f"<div>{''.join(images)}</div>"


def _nothing(row: Row) -> None:
    """What a column that nobody sorts by sorts by."""


def _columns(report: Report, found: Summary) -> Iterator[Column]:
    """Those that anything is known for."""
    yield Column("pictures", "", "", _nothing, _pictures, sorts=False)
    yield Column("name", "Name", "by name", lambda row: row.name, _name)
    shown = (
        ("error", "Error", "share of the judged pixels that are wrong", lambda row: row.wrong, found.judged),
        ("iou", "Mean IoU, in truth", "over the classes in the truth", lambda row: row.mean_iou, found.judged),
        ("either", "Mean IoU, in either", "over the classes in truth or answer", lambda row: row.mean_iou_either,
         found.judged),
        ("uncertainty", "Uncertainty", "mean entropy over log K", lambda row: row.uncertainty, True),
        ("unsure", "Unsure", f"pixels whose best class is below {SURE}", lambda row: row.unsure, True),
        ("disagreement", "Disagreement", "pixels that the models call otherwise", lambda row: row.disagreement,
         report.second),
    )  # fmt: skip
    for key, head, words, value, wanted in shown:
        if wanted:
            yield Column(key, head, words, value, lambda row, value=value: _percent(value(row)), number=True)
    yield Column("classes", "What is there", "shares of the classes", _nothing,
                 lambda row: _bar(row, unique(report.card.classes)), sorts=False)  # fmt: skip
    yield Column("size", "Size", "width x height in pixels", lambda row: row.width * row.height,
                 lambda row: f"{row.width}&#8239;x&#8239;{row.height}" if row.width else "", number=True)  # fmt: skip
    yield Column("seconds", "Time", "seconds", lambda row: row.seconds,
                 lambda row: "" if row.error else f"{row.seconds:.2f} s", number=True)  # fmt: skip


def _name(row: Row) -> str:
    """The picture's name, and below it what went wrong and what was done to it."""
    error = f"<strong>{escape(row.error)}</strong>" if row.error else ""
    note = f"<small>{escape(row.note)}</small>" if row.note else ""
    return f"{escape(row.name)}{error}{note}"


def _bar(row: Row, classes: tuple[str, ...]) -> str:
    """The shares of the classes as a bar in their colours."""
    parts = "".join(f'<i style="width:{100 * share:.2f}%;background:{_colour(k, len(classes))}" '
                    f'title="{escape(classes[k])} {_percent(share)}"></i>'
                    for k, share in enumerate(row.shares) if share > 0)  # fmt: skip
    return f'<div class="bar">{parts}</div>' if parts else ""


def _table(report: Report, found: Summary) -> str:
    """All pictures, as a table or, by the switch above it, as a contact sheet; both are sorted by the heads."""
    columns = tuple(_columns(report, found))
    by = usual_order(report.rows)
    heads = "".join(_head(column, by) for column in columns)
    body = "".join(f"<tr>{''.join(_cell(column, row) for column in columns)}</tr>" for row in report.rows)
    return f"""<section>
<h2>Pictures</h2>
<p>{_SORTED[by]} A click on a head sorts by it.</p>
<input type="radio" name="view" id="as-table" checked><label for="as-table">Table</label>
<input type="radio" name="view" id="as-sheet"><label for="as-sheet">Contact sheet</label>
<div class="rows"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>
</section>"""


def _head(column: Column, by: str) -> str:
    if not column.sorts:
        return f'<th class="{column.key}">{column.head}</th>'
    order = ' aria-sort="descending"' if column.key == by else ""
    kind = "number" if column.number else "text"
    return (f'<th class="{column.key}"{order}><button type="button" data-kind="{kind}" '
            f'title="{column.words}">{column.head}</button></th>')  # fmt: skip


def _cell(column: Column, row: Row) -> str:
    value = column.value(row)
    kept = "" if value is None else escape(value if isinstance(value, str) else repr(round(float(value), 6)))
    head = f' data-head="{column.head}"' if column.number else ""
    kind = f"{column.key} number" if column.number else column.key
    return f'<td class="{kind}"{head} data-value="{kept}">{column.cell(row)}</td>'


def _card(title: str, card: Card) -> str:
    """A model's card."""
    facts = {"Name": card.name, "What it is": f"{card.title}. {card.summary}", "Paper": card.paper, "Data": card.data,
             "Split": card.split, "Measured": card.line, "Classes": ", ".join(unique(card.classes)),
             "Licence": card.licence, "Known failures": " ".join(card.failures),
             "SHA-256 of the weights": card.sha256}  # fmt: skip
    lines = "".join(f"<dt>{key}</dt><dd>{escape(text)}</dd>" for key, text in facts.items() if text)
    return f"<section><h2>{title}</h2><dl>{lines}</dl></section>"


def _footer(report: Report) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "Pillow"))
    return f"Made by Saccade, {report.made}, with Python {platform.python_version()}, {versions}."
