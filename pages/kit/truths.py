"""The ground truth that a visitor gave for a picture: drawn or uploaded once, and then known to every page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

KEPT = 8  # truths in one visit; one of 640x480 pixels holds 0.3 MB
_STATE, _NOTES = "own_truths", "own_truths_notes"

Classes = tuple[str, ...]


def keep(key: str, classes: Classes, labels: np.ndarray, notes: tuple[str, ...] = ()) -> None:
    """Remember `labels` (H, W) uint8, 255 = void, as the truth of picture `key` (`Chosen.key`) in these classes.

    notes: sentences on how it was read that must stand beside its figures.
    """
    kept = _kept()
    st.session_state.setdefault(_NOTES, {})[key, classes] = notes
    kept.pop((key, classes), None)
    kept[key, classes] = labels
    while len(kept) > KEPT:
        drop(*next(iter(kept)))


def get(key: str, classes: Classes) -> np.ndarray | None:
    """(H, W) uint8 truth of picture `key` in these classes, None where the visitor gave none."""
    return _kept().get((key, classes))


def notes(key: str, classes: Classes) -> tuple[str, ...]:
    """What must stand beside the figures of the visitor's truth of picture `key` in these classes."""
    return st.session_state.get(_NOTES, {}).get((key, classes), ())


def everything() -> Mapping[tuple[str, Classes], np.ndarray]:
    """All truths of the visit, by the picture's key and the classes."""
    return _kept()


def drop(key: str, classes: Classes) -> None:
    """Forget the truth of picture `key` in these classes."""
    _kept().pop((key, classes), None)
    st.session_state.get(_NOTES, {}).pop((key, classes), None)


def _kept() -> dict[tuple[str, Classes], np.ndarray]:
    return st.session_state.setdefault(_STATE, {})
