"""What the probe page asks: variant, change and strength, and the class that is watched; all of it in the URL."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from engine.debug.answers import Answer
from engine.debug.onnx_spec import unique
from engine.debug.probe import PROBES, Blur, Patch, Probe
from pages.debug import probe_state as state
from pages.kit.keys import linked
from pages.kit.picker import Chosen
from pages.kit.rooms import PROBE

KIND, VARIANT, CLASS = "probe", "probe_variant", "watch"  # keys, and names in the URL
_MOST = "most of the picture"  # in the box of classes: whichever has the largest share


def strength_key(kind: type[Probe]) -> str:
    """The key of a strength's slider, and its name in the URL."""
    return kind.__name__.lower()


def ask_variant(model: Any) -> str:
    """Which of the model's variants that have logits."""
    options = tuple(model.scored)
    if st.session_state.get(VARIANT) not in (None, *options):
        del st.session_state[VARIANT]  # another model's
    if len(options) == 1:
        return options[0]
    return st.selectbox("Variant", options, index=options.index(model.usual), **linked(PROBE, VARIANT),
                        filter_mode=None)  # fmt: skip


def ask_probe(chosen: Chosen) -> Probe:
    """Which change, and how strong; the grey square is laid by hand."""
    name = st.segmented_control("Done to the picture", tuple(PROBES), default=Blur.name,
                                **linked(PROBE, KIND), required=True)  # fmt: skip
    kind = PROBES[name]
    if kind is Patch:
        st.caption("Drag the square on the picture, or use the arrow keys; [ and ] change its side.")
        return state.square(chosen)
    if not kind.grid:
        return kind()
    return kind(st.slider(f"Strength, {kind.unit}", kind.low, kind.high, kind.usual, kind.step, format="%g",
                          **linked(PROBE, strength_key(kind))))  # fmt: skip


def ask_class(before: Answer) -> int:
    """The class whose probability is watched; of a new picture the one that has most of it."""
    names = unique(before.classes)
    options = (_MOST, *names)
    if st.session_state.get(CLASS) not in (None, *options):
        del st.session_state[CLASS]  # another model's
    name = st.selectbox("Watched class", options, **linked(PROBE, CLASS),
                        help="Click a pixel of the picture to watch its class there.")  # fmt: skip
    return largest(before) if name == _MOST else names.index(name)


def largest(before: Answer) -> int:
    """The class that the answer gives most pixels."""
    return int(np.bincount(before.labels.ravel()).argmax())


def take(chosen: Chosen, square: Patch) -> None:
    """From a callback: hide the place under `square`."""
    state.put(chosen, square)
    st.session_state[KIND] = Patch.name
