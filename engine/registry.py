"""Models that engineers bring as Python code: registered once, then as good as those of the house.

A package that is installed beside Saccade names a function in its entry points; it is called once, without arguments,
and registers what it has:

    [project.entry-points."saccade.models"]
    mine = "my_package.saccade:register_models"

References
1. Python Packaging User Guide, "Entry points specification".
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

from engine.cards import ASSETS, Card, ModelError

GROUP = "saccade.models"
SEGMENTATION = "segmentation"
Build = Callable[[Card, str], Any]  # (card, device) -> the model


@dataclass(frozen=True)
class Entry:
    """A registered model: its card, what builds it, and the kind of pages that it fits."""

    card: Card
    build: Build
    kind: str


_ENTRIES: dict[str, Entry] = {}


def register(card: Card, build: Build, kind: str = SEGMENTATION) -> None:
    """Make a model known to `engine.zoo`, the command line and all pages that fit it.

    card: its name must be new, of letters, digits, "_" and "-". build: called once for each device that it is wanted
    on. kind: "segmentation" asks for what `engine.segmentation.labelling.Labelling` describes. Raises ModelError.
    """
    if kind != SEGMENTATION:
        raise ModelError(f"There are no pages for models of kind {kind!r}; the kind that fits pages is {SEGMENTATION}.")
    if not re.fullmatch(r"[\w-]{1,60}", card.name):
        raise ModelError(f"A model cannot be called {card.name!r}: use up to 60 letters, digits, _ and -.")
    if card.name in _ENTRIES or (ASSETS / "cards" / f"{card.name}.json").exists():
        raise ModelError(f"There is a model called {card.name!r} already.")
    _ENTRIES[card.name] = Entry(card, build, kind)


def unregister(name: str) -> None:
    """Forget a registered model; one that is not there is no mistake."""
    _ENTRIES.pop(name, None)


def entries() -> dict[str, Entry]:
    """Name -> entry of every registered model, those of installed packages included."""
    _discover()
    return dict(_ENTRIES)


def registered(kind: str = SEGMENTATION) -> tuple[str, ...]:
    """The names of the registered models of one kind."""
    return tuple(name for name, entry in entries().items() if entry.kind == kind)


def card(name: str) -> Card:
    """The card of a model, registered or bundled. Raises ModelError."""
    entry = entries().get(name)
    return entry.card if entry else Card.read(name)


@lru_cache(maxsize=1)
def _discover() -> None:
    """Call the functions that installed packages name; one that fails is logged, the others go on."""
    for point in entry_points(group=GROUP):
        try:
            point.load()()
        except Exception:  # somebody else's code
            logging.getLogger(__name__).exception("The models of %s could not be registered.", point.value)
