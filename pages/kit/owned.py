"""The models that a visitor brought, kept in the visit: few, of bounded size, and gone with it.

References
1. Python, `weakref`: what a visit held is let go when the visit ends, and a network's process ends with it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import streamlit as st

from engine.cards import ModelError
from engine.debug.model_file import name_of as name_of
from pages.kit import sessions

MOST = 3  # of one visit
MOST_BYTES = 2**30  # of all visits together
_STATE = "own_models"
_SIZES: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # model of any visit -> bytes

_LOCK = threading.Lock()


@dataclass(frozen=True)
class _Own:
    model: Any
    file: str

    @property
    def held(self) -> int:
        """Bytes of its numbers, or of its file and its process."""
        return max(_SIZES.get(self.model, 0), getattr(getattr(self.model, "source", None), "held", 0))


def add(model: Any, file: str, size: int) -> None:
    """Keep a model of this visit under its card's name, in the place of an earlier one of the same file.

    size: bytes. The oldest goes where they are too many. Raises ModelError where all visits hold too much.
    """
    kept = _kept()
    drop(file)
    try:
        sessions.claim(size)
    except sessions.Full as error:
        raise ModelError(str(error)) from None
    with _LOCK:
        if sum(_SIZES.values()) + size > MOST_BYTES:
            raise ModelError("Visitors hold as many models as this machine can keep; please try again later.")
        _SIZES[model] = size
    kept[model.card.name] = _Own(model, file)
    while len(kept) > MOST:
        del kept[next(iter(kept))]


def names() -> tuple[str, ...]:
    """Of this visit's own models."""
    return tuple(_kept())


def names_in(state: sessions.State) -> tuple[str, ...]:
    """Of another visit's own models, by what its session holds."""
    return tuple(state.get(_STATE, {}))


def get(name: str) -> Any:
    """This visit's own model of that name. Raises KeyError."""
    return _kept()[name].model


def drop(file: str) -> None:
    """Let the model of that file go; its process ends when nobody works with it any more."""
    kept = _kept()
    for name in [name for name, own in kept.items() if own.file == file]:
        del kept[name]


@sessions.at_end
def _close(state: sessions.State, others: Sequence[sessions.State]) -> None:
    """End the processes of a visit that has ended, whoever still holds its networks."""
    for own in state.get(_STATE, {}).values():
        if close := getattr(own.model, "close", None):
            close()


def _kept() -> dict[str, _Own]:
    return st.session_state.setdefault(_STATE, {})
