"""What a foreign Trace says, written so that nothing in it is read as Markdown or HTML: as text or in a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.foreign import MOST_ROWS
from engine.lines import visible
from engine.trace import Layer, Trace
from pages.kit.page import code

FACTS = ("name", "title", "summary", "paper", "slides", "data", "split", "licence")  # of a card, in words
LONGEST = 400  # letters of a value
_STYLE = """<style>
.st-key-replay_card {gap: 0.4rem}
.st-key-replay_card [data-testid="stText"] {font-family: inherit; overflow-wrap: anywhere; white-space: pre-wrap}
.st-key-replay_card > div:nth-child(1) [data-testid="stText"] {font-weight: 600}
</style>"""


def card_lines(file: str, trace: Trace) -> None:
    """What is open: the model as the file calls it, its numbers, the file. A badge for a model that is not here."""
    card, (height, width) = trace.card, trace.image.shape[:2]
    st.html(_STYLE)
    st.text(one_line(card.get("title") or card.get("name") or "A model without a name", 120))
    st.text(" · ".join(one_line(card[key], 120) for key in ("name", "data") if card.get(key)) or "No card")
    st.text(f"{len(trace.steps)} steps · {width} x {height} pixels · {file}")


def steps(trace: Trace) -> None:
    """All titles and sentences."""
    st.dataframe({"": list(range(1, len(trace.steps) + 1)), "step": [one_line(s.title, 200) for s in trace.steps],
                  "what it says": [one_line(s.sentence) for s in trace.steps]}, hide_index=True)  # fmt: skip


def numbers(trace: Trace) -> None:
    """The tables of the steps, one at a time."""
    having = [i for i, step in enumerate(trace.steps) if step.table and step.table.rows]
    if not having:
        st.text("No step of this Trace has a table.")
        return
    i = st.selectbox("Step", having, index=len(having) - 1, key="replay_table", filter_mode=None,
                     format_func=lambda i: f"{i + 1}. {one_line(trace.steps[i].title, 60)}")  # fmt: skip
    table = trace.steps[i].table
    rows = table.rows[:MOST_ROWS]
    names = [f"{k + 1}. {one_line(name, 60)}" for k, name in enumerate(table.columns)]  # each of its own
    columns = {name: [_cell(row[k]) for row in rows] for k, name in enumerate(names)}
    st.dataframe({name: _even(values) for name, values in columns.items()}, hide_index=True)


def card(trace: Trace) -> None:
    """Card and settings as tables of text."""
    left, right = st.columns([1.5, 1], gap="medium")
    for column, words, values in ((left, "The model's card, as the file has it", _facts(trace.card)),
                                  (right, "What the run was asked", trace.settings)):  # fmt: skip
        with column:
            st.caption(words)
            st.dataframe({"": [one_line(k, 60) for k in values], "value": [one_line(v) for v in values.values()]},
                         hide_index=True)  # fmt: skip


def _facts(card: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth reading of a card of unknown form."""
    figures, failures = card.get("figures"), card.get("failures")
    facts = {key: card[key] for key in FACTS if card.get(key)}
    if isinstance(figures, Mapping):
        facts |= {f"figure: {name}": value for name, value in figures.items() if not isinstance(value, Mapping)}
    if isinstance(failures, (list, tuple)):
        facts |= {f"known failure {i + 1}": value for i, value in enumerate(failures)}
    return facts


def inside(trace: Trace) -> None:
    """Every array in the file, and the code that reads it."""
    layers = [(i, layer) for i, step in enumerate(trace.steps) for layer in step.layers]
    st.dataframe({"step": [i + 1 for i, _ in layers], "layer": [one_line(x.name, 60) for _, x in layers],
                  "kind": [x.kind for _, x in layers], "shape": [_shape(x) for _, x in layers],
                  "type": [str(x.data.dtype) for _, x in layers], "unit": [one_line(x.unit, 40) for _, x in layers]},
                 hide_index=True)  # fmt: skip
    code(Trace.from_zip, Layer)


def one_line(value: Any, most: int = LONGEST) -> str:
    """Any value of a file as one line of visible letters, at most so many."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        text = "too deep to be written"
    text = visible(text[: 4 * most], " ")
    return text if len(text) <= most else text[: most - 4] + " ..."


def _shape(layer: Layer) -> str:
    return " x ".join(map(str, layer.data.shape))


def _cell(value: Any) -> Any:
    return one_line(value) if isinstance(value, str) else value


def _even(values: list[Any]) -> list[Any]:
    """A column holds numbers or words: where a file has both, all are words."""
    if all(value is None or (isinstance(value, (int, float)) and abs(value) < 2**53) for value in values):
        return values
    return [value if isinstance(value, str) else one_line(value) for value in values]
