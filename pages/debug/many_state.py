"""What a visit keeps of many pictures: the files that it was given, the rows so far, and what is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import streamlit as st
from cachetools import LRUCache

from engine.debug import batch, report
from engine.debug.batch import Row
from engine.debug.collection import Collection, Item
from engine.debug.ground import Reading
from engine.keep import size_of
from engine.runs import Job
from pages.kit import queue
from pages.kit.keys import linked
from pages.kit.rooms import MANY

KEY = "many"
MOST_HELD = 60_000_000  # bytes of files that one visit brings
MOST_KEPT = 24 * 2**20  # bytes of rows that one visit keeps beside those that it looks at
GUESS = "what fits each mask best"
RUNS = 3  # pairs of models whose rows are kept for the same pictures


@dataclass(eq=False)
class Source:
    """Pictures, and for each pair of models (`engine.debug.batch.together`) the rows so far, in the pictures' order.

    masks: what was chosen where it is unsure which they are, None where nothing was.
    """

    found: Collection
    gallery: bool = False
    masks: str | None = None
    runs: dict[str, list[Row]] = field(default_factory=dict)
    name: str = field(default_factory=lambda: uuid4().hex)

    def with_masks(self, masks: str | None) -> Source:
        """The same files with other masks. Raises CollectionError."""
        return Source(replace(self.found.again(masks), again=self.found.again), masks=masks)

    def rows(self, run: str) -> list[Row]:
        """Those of one pair of models; the list grows while a run is under way."""
        rows = self.runs.pop(run, [])
        self.runs[run] = rows
        while len(self.runs) > RUNS:
            del self.runs[next(iter(self.runs))]
        return rows


@dataclass(eq=False)
class Desk:
    """What one visit works on. former: what was cleared and can come back. opened: place of a row. by: what the
    rows are sorted by. turn: makes widgets fresh. reading: name of that of all masks."""

    source: Source | None = None
    former: Source | None = None
    galleries: dict[str, Source] = field(default_factory=dict)
    kept: LRUCache = field(default_factory=lambda: LRUCache(MOST_KEPT, getsizeof=size_of))
    opened: int | None = None
    by: str = batch.ORDERS[0]
    turn: int = 0
    reading: str = GUESS

    def take(self, found: Collection) -> None:
        """Work on these pictures."""
        self.source, self.former, self.opened, self.turn = Source(found), None, None, self.turn + 1
        self.reading = report.BESIDE if found.labelmap else GUESS

    def choose_masks(self, masks: str | None) -> None:
        """The same pictures, their masks chosen by one of `Collection.groups` or what `again` takes besides."""
        queue.give_up(KEY)
        self.source, self.opened = self.source.with_masks(masks), None

    def clear(self) -> None:
        """Put the pictures away; `undo` brings them back until others are taken."""
        queue.give_up(KEY)
        self.source, self.former, self.opened, self.turn = None, self.source, None, self.turn + 1

    def undo(self) -> None:
        """Take back what was put away last."""
        self.source, self.former, self.opened = self.former, None, None

    def show(self, place: int | None) -> None:
        """Open the picture of a row, or none."""
        self.opened, self.turn = place, self.turn + 1


def desk() -> Desk:
    """This visit's."""
    return st.session_state.setdefault(f"{KEY}_desk", Desk())


def one_of(label: str, options: Sequence[str], key: str, **looks: Any) -> str:
    """One of a few answers, which stands in the URL; at first the first one."""
    return st.segmented_control(label, options, default=options[0], required=True, **linked(MANY, key),
                                label_visibility="collapsed", **looks)  # fmt: skip


def work(model: Any, second: Any | None, items: tuple[Item, ...], rows: list[Row],
         kept: LRUCache, reading: Reading | None = None) -> Callable[[Job], bool]:  # fmt: skip
    """What goes on with the pictures whose rows are missing, in another thread; each row is there as it is made."""

    def go_on(job: Job) -> bool:
        missing = items[len(rows) :]
        job.tell(0, len(missing))
        for done, (row, _) in enumerate(batch.rows(model, missing, second, kept, reading), 1):
            rows.append(row)
            job.tell(done, len(missing))
        return True

    return go_on
