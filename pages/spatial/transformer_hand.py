"""How the digit in hand lies on its canvas: it lives in the session, stands in the URL, and is moved by the browser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import streamlit as st

from engine.spatial.distortions import Task
from engine.spatial.placing import Numbers, Pieces, PlacingError, check, from_url, scatter, to_url
from engine.spatial.samples import samples
from pages.kit.digit import Moved, Places, digit_id
from pages.spatial.transformer_controls import Asked

_STATE, _PARAMETER = "transformer_hand", "pose"
START: dict[str, Numbers] = {
    "R": (40.0, 1.0, 0.0, 0.0),
    "RTS": (30.0, 0.9, 4.0, -3.0),
    "P": (-0.7, -0.95, 0.9, -0.6, 0.75, 0.8, -0.95, 0.7),
    "E": (-0.88, -0.75, -0.35, -0.92, 0.22, -0.8, 0.8, -0.95, -0.75, -0.3, -0.2, -0.38, 0.35, -0.2, 0.9, -0.35, -0.9,
          0.3, -0.38, 0.18, 0.2, 0.35, 0.78, 0.2, -0.78, 0.9, -0.25, 0.75, 0.3, 0.92, 0.9, 0.78),
    "TC": (0.0, 1.0, 9.0, -7.0),
}  # fmt: skip


@dataclass
class Hand:
    """How digits lie.

    numbers: by task. moved: where distractors of a seed were dragged to. turn: grows when Python, not the browser,
    changed the placement. n: of the last message that was read. film: autoplay is wanted.
    """

    task: str = ""
    numbers: dict[str, Numbers] = field(default_factory=lambda: dict(START))
    moved: tuple[int, Places] | None = None
    seed: int = -1
    turn: int = 1
    n: int = 0
    film: bool = False
    sentence: str = ""
    url: str | None = None  # the text of ?pose= that we last read or wrote


def in_hand(asked: Asked) -> Hand:
    """The hand as the URL and the controls have it; of a bad link it says so in `sentence`."""
    hand: Hand = st.session_state.setdefault(_STATE, Hand())
    hand.sentence = ""
    if (hand.task, hand.seed) != (asked.task.name, asked.seed):
        hand.task, hand.seed, hand.turn = asked.task.name, asked.seed, hand.turn + 1
    wanted = st.query_params.get(_PARAMETER)
    if wanted is not None and wanted != hand.url:
        try:
            hand.numbers[hand.task] = from_url(asked.task, wanted)
        except PlacingError as error:
            hand.numbers[hand.task] = START[hand.task]
            hand.sentence = f"{error} So the digit lies as it does at first."
        hand.turn += 1
    write_url(hand)
    return hand


def write_url(hand: Hand) -> None:
    """Make the URL say how the digit lies; where it lies as at first, nothing."""
    numbers = hand.numbers[hand.task]
    hand.url = None if numbers == START[hand.task] else to_url(numbers)
    if hand.url is None:
        st.query_params.pop(_PARAMETER, None)
    elif st.query_params.get(_PARAMETER) != hand.url:
        st.query_params[_PARAMETER] = hand.url


def take(hand: Hand, asked: Asked, message: Moved | None) -> bool:
    """Take a new message about what is shown; whether there was one."""
    if message is None or message.n == hand.n:
        return False
    hand.n = message.n
    hand.film = message.film
    if message.task != hand.task:
        return True
    if asked.drawn is not None and message.drawn is not None:
        st.session_state["transformer_drawn"] = message.drawn
        return True
    if message.digit == digit_id(asked.digit):
        _put(hand, asked.task, message.numbers)
        hand.moved = (asked.seed, message.places) if message.places else hand.moved
    return True


def _put(hand: Hand, task: Task, numbers: Iterable[float]) -> None:
    try:
        hand.numbers[hand.task] = check(task, numbers)
    except PlacingError as error:
        hand.turn += 1
        hand.sentence = f"{error} The last good place stays."


def pieces_of(hand: Hand, asked: Asked) -> Pieces | None:
    """TC's distractors where they lie now."""
    if asked.task.name != "TC":
        return None
    fresh = scatter(samples().images, asked.task, asked.seed)
    if hand.moved is None or hand.moved[0] != asked.seed:
        return fresh
    return Pieces(fresh.cut, hand.moved[1])
