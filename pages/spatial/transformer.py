"""Jaderberg et al. 2015: a digit turned by hand, held still by a spatial transformer (lecture slides 126-131)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from engine.spatial.autoplay import Film, autoplay, film
from engine.spatial.digits_model import DigitModel
from engine.spatial.placing import draw
from pages.kit.digit import Shown as Live
from pages.kit.digit import digit, digit_id, moved
from pages.kit.keeping import once
from pages.kit.page import Frame, export, tabs
from pages.kit.rooms import TRANSFORMER
from pages.spatial.transformer_controls import Asked, ask
from pages.spatial.transformer_hand import Hand, in_hand, pieces_of, take, write_url
from pages.spatial.transformer_panels import builders, trace_of
from pages.spatial.transformer_shown import KEY, Shown, network
from pages.spatial.transformer_source import pad, upright

LIVE = f"{KEY}_digit"


def frame() -> Frame:
    """The head; below it the live digit and the side column."""
    head = st.container(horizontal=True, vertical_alignment="top")
    return Frame(head, *st.columns([3, 1], gap="medium"))


@st.fragment
def look() -> None:
    """Everything that answers: the title's badge, the digit, the controls, the explanations."""
    page = frame()
    with page.side, st.container(border=True, gap="small"):
        asked = ask()
        model = page.model(TRANSFORMER, lambda: asked.name)
        if model is None:
            return
        plain = network(asked.plain)
    hand = in_hand(asked)
    page.title(TRANSFORMER, model.card)
    with page.picture:
        if hand.sentence:
            st.warning(hand.sentence)
        live(asked, hand, model, plain)
    shown = Shown(model, plain, canvas(asked, hand)[None].astype(np.float32) / 255, asked.label)
    with page.head:
        export(lambda: trace_of(shown), model.card.name, viewers=None)
    tabs(KEY, builders(shown))


@st.fragment
def live(asked: Asked, hand: Hand, model: DigitModel, plain: DigitModel | None) -> None:
    """The component, which asks while something is dragged; once it is let go the rest of the page follows."""
    message = moved(LIVE)
    fresh = take(hand, asked, message)
    if asked.drawn is not None:
        asked = replace(asked, drawn=pad(), digit=upright(pad()))
    seen = canvas(asked, hand)
    answer = film(model, plain, seen[None, None].astype(np.float32) / 255) if asked.digit.any() else None
    wanted = video(asked, model, plain) if hand.film and asked.digit.any() else None
    digit(Live(asked.digit, asked.task, hand.numbers[hand.task], pieces_of(hand, asked),
               model.net.transformers[0].family, asked.label, asked.drawn, answer, wanted),
          LIVE, hand.turn, hand.n)  # fmt: skip
    if fresh and message.done:
        write_url(hand)
        st.rerun()


def canvas(asked: Asked, hand: Hand) -> np.ndarray:
    """(S, S) uint8: the networks' input."""
    return draw(asked.digit, asked.task, hand.numbers[hand.task], pieces_of(hand, asked))


def video(asked: Asked, model: DigitModel, plain: DigitModel | None) -> Film:
    """Autoplay of the digit in hand."""
    owner = (model.card.sha256, plain and plain.card.sha256, digit_id(asked.digit))
    return once(
        "transformer_video", owner, lambda: autoplay(model, plain, asked.digit), "Asking both networks 72 times ..."
    )


look()
