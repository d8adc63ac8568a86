"""What the probe page remembers of a visit: the watched pixel, where the grey square lies, and the last answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from engine.debug.answers import Answer, answer
from engine.debug.probe import MOST, Patch, Probe
from pages.kit import models, queue
from pages.kit.patch import moved
from pages.kit.payload import image_id
from pages.kit.picker import Chosen

PIXEL, SQUARE = "at", "patch"  # names in the URL
HAND = "probe_patch"  # key of the component
_NOTES, _LAST, _HAND = "probe_notes", "probe_last", "probe_hand"
NUMBERS = re.compile(r"[0-9]{1,4}(_[0-9]{1,4}){1,2}")


def recall(name: str, owner: str, count: int) -> tuple[int, ...] | None:
    """The `count` numbers that stand in the URL under `name`, or stood there before another page did; none for another
    owner than the one that they were noted for, and none where the URL is nonsense."""
    whose, kept = st.session_state.get(_NOTES, {}).get(name, (owner, None))
    text = st.query_params.get(name) or kept
    good = whose == owner and text and NUMBERS.fullmatch(text) and text.count("_") == count - 1
    note(name, owner, text if good else None)
    return tuple(min(int(part), MOST) for part in text.split("_")) if good else None


def note(name: str, owner: str, text: str | None) -> None:
    """Write it into the URL and remember it; None takes it away."""
    st.session_state.setdefault(_NOTES, {})[name] = (owner, text)
    if text is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != text:
        st.query_params[name] = text


def pixel(chosen: Chosen) -> tuple[int, int] | None:
    """The pixel (x, y) that is watched, cut to the picture; None where the user clicked none."""
    numbers, (h, w) = recall(PIXEL, chosen.key, 2), chosen.rgb.shape[:2]
    return numbers and (min(numbers[0], w - 1), min(numbers[1], h - 1))


def watch(chosen: Chosen, place: tuple[float, float] | None) -> None:
    """Watch the pixel under (x, y), or none."""
    note(PIXEL, chosen.key, place and f"{int(place[0])}_{int(place[1])}")


@dataclass
class Hand:
    """Where the grey square lies on the picture `owner`. turn: grows when Python, not the browser, put it elsewhere.
    n: of the last message that was read. url: what then stood in the URL."""

    owner: str
    square: tuple[int, int, int]  # x, y, side
    turn: int = 1
    n: int = 0
    url: str | None = None


def hand(chosen: Chosen) -> Hand:
    """The hand after the browser's last message; in the middle of a new picture at first."""
    h, w = chosen.rgb.shape[:2]
    held: Hand | None = st.session_state.get(_HAND)
    linked = recall(SQUARE, chosen.key, 3)
    if held is None or held.owner != chosen.key:
        middle = (w // 2, h // 2, round(Patch.usual))
        held = Hand(chosen.key, linked or middle, held.turn + 1 if held else 1, held.n if held else 0, _text(linked))
    elif linked and _text(linked) != held.url:
        held.square, held.turn, held.url = linked, held.turn + 1, _text(linked)
    message = moved(HAND)
    if message and message.n != held.n and message.image == image_id(chosen.rgb):
        held.n, held.square = message.n, (message.x, message.y, message.side)
        if message.done:
            held.url = _text(held.square)
            note(SQUARE, chosen.key, held.url)
    st.session_state[_HAND] = held
    return held


def put(chosen: Chosen, square: Patch) -> None:
    """Lay the grey square somewhere."""
    note(SQUARE, chosen.key, _text((square.x, square.y, round(square.strength))))


def square(chosen: Chosen) -> Patch:
    """The grey square, cut to the picture."""
    (x, y, side), (h, w) = hand(chosen).square, chosen.rgb.shape[:2]
    return Patch(min(float(side), Patch.high), min(x, w - 1), min(y, h - 1))


def _text(numbers: tuple[int, ...] | None) -> str | None:
    return numbers and "_".join(map(str, numbers))


def answers(model: Any, chosen: Chosen, variant: str, probe: Probe) -> tuple[Answer, Answer, np.ndarray]:
    """The answers before and after `probe`, and (H, W, 3) uint8 the probed picture; the last ones are kept."""
    name, key = model.card.name, ("probe", model.card.name, chosen.key, variant)
    owner = (*key, probe)
    last = st.session_state.get(_LAST)
    if last is not None and last[0] == owner:
        return last[1]

    def ask() -> tuple[Answer, Answer, np.ndarray]:
        encoded = models.FOUND.get((name, chosen.key, False), lambda: model.encode(chosen.rgb))
        before = models.FOUND.get(key, lambda: answer(model, encoded, variant))
        probed = probe.apply(chosen.rgb)
        return before, before if type(probe) is Probe else answer(model, probed, variant), probed

    found = queue.run(ask, "The network looks at the picture ...")
    st.session_state[_LAST] = owner, found
    return found
