"""The models that a visitor brought, kept in the visit."""

from __future__ import annotations

from typing import Any

import streamlit as st

_STATE = "own_models"


def names() -> tuple[str, ...]:
    """Of this visit's own models."""
    return tuple(st.session_state.get(_STATE, {}))


def get(name: str) -> Any:
    """This visit's own model of that name. Raises KeyError."""
    return st.session_state.get(_STATE, {})[name]
