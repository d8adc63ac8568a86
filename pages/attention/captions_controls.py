"""What the captions page asks: which models, the first words, how words are chosen, how sharply it looks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import streamlit as st
from torch import Tensor

from engine.attention.captions_model import CaptionModel
from engine.attention.decoding import LONGEST
from engine.attention.telling import Telling, Wish
from engine.attention.vocabulary import EDGE, UNKNOWN
from engine.attention.vocabulary import typed as words_of
from pages.kit.keys import linked
from pages.kit.rooms import CAPTIONS
from pages.kit.viewer import chosen_row

KEY = "captions"
KEYS = (f"{KEY}_left", f"{KEY}_right")  # of the two viewers
SHOWN = {"soft and hard": ("caption-soft", "caption-hard"), "soft and plain": ("caption-soft", "caption-plain"),
         "hard and plain": ("caption-hard", "caption-plain")}  # fmt: skip
BEGIN, ONLY = "begin", "only"  # keys of the widgets, and names in the URL


@dataclass(frozen=True)
class Asked:
    """A wish in plain values, so that answers can be kept by it; the fields are those of `Wish`."""

    start: tuple[int, ...] = ()
    only: bool = False
    beam: int = 3
    temperature: float = 0.0
    seed: int = 0
    sharpness: float | None = None

    def wish(self, painted: dict[int, Tensor] | None = None) -> Wish:
        """The same for the engine, with the maps that were painted."""
        return Wish(self.start, self.only, self.sharpness, None, self.temperature, self.seed, self.beam, painted or {})


def ask_shown() -> tuple[str, str]:
    """The names of the two models that stand side by side."""
    return SHOWN[st.selectbox("Side by side", tuple(SHOWN), **linked(CAPTIONS, "show"), filter_mode=None)]


def ask(model: CaptionModel) -> Asked:
    """The first words, the beam, the temperature and the sharpness, all in the URL."""
    start, only = _ask_words(model)
    with st.container(horizontal=True, gap="small"):
        with st.popover("Words", icon=":material/casino:", width="stretch", help="Beam and temperature"):
            beam = st.segmented_control("Beam: captions followed at once", (1, 3, 5), default=3,
                                        **linked(CAPTIONS, "beam"), required=True)  # fmt: skip
            temperature = st.slider("Temperature", 0.0, 1.5, 0.0, 0.1, **linked(CAPTIONS, "temperature"),
                                    help="0: the likeliest words. Above: drawn from p^(1/T).")  # fmt: skip
            st.session_state.setdefault("captions_seed", 0)
            if st.button("Draw again", icon=":material/refresh:", key="draw_again", disabled=not temperature):
                st.session_state["captions_seed"] += 1
        with st.popover("Look", icon=":material/blur_on:", width="stretch", help="From uniform over soft to argmax"):
            sharpness = _ask_sharpness()
    return Asked(start, only, beam, temperature, st.session_state["captions_seed"], sharpness)


def _ask_words(model: CaptionModel) -> tuple[tuple[int, ...], bool]:
    typed = st.text_input("Begin with these words", **linked(CAPTIONS, BEGIN), max_chars=200,
                          placeholder="a dog ... or click a next word below",
                          help="The caption goes on from here. A whole caption of your own: read it only.")  # fmt: skip
    words = words_of(typed)[:LONGEST]
    start = tuple(model.words.encode(words))
    unknown = sorted({word for word, i in zip(words, start, strict=True) if i == UNKNOWN})
    if unknown:
        st.text(f"Unknown words: {', '.join(unknown)[:80]}")  # the user's own: never as Markdown
    if not start:
        return (), False
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        only = st.toggle("Read only", **linked(CAPTIONS, ONLY), help="Tell nothing after these words.")
        st.button("Undo a word", icon=":material/undo:", on_click=_begin, args=(" ".join(words[:-1]),),
                  type="tertiary")  # fmt: skip
        st.button("Tell freely", icon=":material/close:", on_click=_begin, args=("",), type="tertiary")
    return start, only


def _begin(text: str, only: bool = False) -> None:
    st.session_state[BEGIN], st.session_state[ONLY] = text, only


def _ask_sharpness() -> float | None:
    """s of `engine.attention.telling`, None as trained; the slider runs from 0 over 1 to infinity."""
    if st.toggle("As trained", True, **linked(CAPTIONS, "trained"), help="Soft weighs all cells by softmax(e); "
                 "hard takes the one of highest score."):  # fmt: skip
        return None
    place = st.slider("Everywhere · soft · one cell", 0.0, 2.0, 1.0, 0.1, **linked(CAPTIONS, "sharp"))
    s = sharpness_at(place)
    st.caption(f"alpha = softmax({'∞' if math.isinf(s) else f'{s:.2f}'} e)")
    return s


def sharpness_at(place: float) -> float:
    """From the slider, 0 to 2, to a sharpness: 0, 1 at 1, infinity at 2."""
    return math.inf if place >= 2 else math.tan(place * math.pi / 4)


def take_forced_word(rgb: np.ndarray, model: CaptionModel) -> None:
    """Make a row that was clicked in a viewer the words to begin with; call it before the widgets."""
    shown: dict[str, Telling] = st.session_state.get("captions_shown", {})
    for key in KEYS:
        row = chosen_row(key, rgb)
        if row is None or row.n == st.session_state.get(f"{key}_row") or key not in shown:
            continue
        st.session_state[f"{key}_row"] = row.n
        told = shown[key].words
        if not 0 < row.step <= len(told) or row.row >= len(told[row.step - 1].top):
            continue
        word = told[row.step - 1].top[row.row][0]
        begun = words_of(st.session_state.get(BEGIN, ""))[: len(shown[key].wish.start)]  # with those it does not know
        before = [*begun, *(model.words.words[t.word] for t in told[len(begun) :])][: row.step - 1]
        _begin(" ".join(before if word == EDGE else [*before, model.words.words[word]]), word == EDGE)
