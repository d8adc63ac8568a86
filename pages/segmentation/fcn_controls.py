"""What the FCN page asks: the gain of each stride, and whether to average over views; all of it in the URL."""

from __future__ import annotations

import streamlit as st

from engine.segmentation.fcn import VARIANTS
from pages.kit.keys import linked
from pages.kit.rooms import FCN

STRIDES = {"g32": "stride 32", "g16": "skip, stride 16", "g8": "skip, stride 8"}  # key in the URL -> words


def ask_gains() -> tuple[float, float, float]:
    """The gain of each stride, in the URL; three buttons set the paper's variants."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for name, gains in VARIANTS.items():
            st.button(f"FCN-{name}", key=f"set_{name}", on_click=_set, args=(gains,), help=_help(name), width="stretch")
    return tuple(_ask_gain(key, label) for key, label in STRIDES.items())


def ask_average() -> bool:
    """Whether to average over views, in the URL."""
    return st.toggle("Average over six views", **linked(FCN, "average"),
                     help="Three sizes, each also mirrored: six times the work; figures on the card.")  # fmt: skip


def _ask_gain(key: str, label: str) -> float:
    words, slider = st.columns([1, 1.4], vertical_alignment="center", gap="small")
    words.markdown(label)
    with slider:
        return st.slider(label, 0.0, 2.0, 1.0, 0.1, format="× %.1f", **linked(FCN, key),
                         label_visibility="collapsed")  # fmt: skip


def _set(gains: tuple[float, float, float]) -> None:
    st.session_state.update(zip(STRIDES, gains, strict=True))


def _help(name: str) -> str:
    heard = [label for label, gain in zip(STRIDES.values(), VARIANTS[name], strict=True) if gain]
    return "Listen to " + ", ".join(heard)
