"""The live digit: the browser draws the network's input in every frame, Python answers with what networks make of it.

References
1. Streamlit, Components V2 (st.components.v2.component): no iframe, bytes in, JSON out.
2. assets/digit/*.js: the ES modules that are joined here; those of assets/drag that they build on come first.
3. Jaderberg et al. 2015, "Spatial Transformer Networks", section 4.1. Lecture slides 126-131.

Convention
----------
A digit is placed as in `engine.spatial.placing`. What the browser sends is untrusted: `read_moved` takes it apart and
`engine.spatial.placing.check` judges the numbers. Python draws the input itself from them, by the same arithmetic.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from engine.spatial.autoplay import Film
from engine.spatial.curves import linear_part, rotation
from engine.spatial.distortions import DIGIT, PATCH, TASKS, Task
from engine.spatial.placing import KIND, PIECES, UPRIGHT, Numbers, Pieces
from engine.spatial.transforms import Family
from pages.kit.modules import join, read
from pages.kit.payload import frame, image_id

# In the order in which they build on each other; the last one holds the default export.
MODULES = ("../viewer/dom", "../viewer/payload", "../viewer/registry", "../viewer/screen", "../drag/linear",
           "../drag/families", "../drag/sampling", "../drag/handles", "../drag/history", "../drag/pane", "placing",
           "pad", "frames", "scene", "answer", "film", "drawing", "digit")  # fmt: skip
_TEXT = len(base64.b64encode(bytes(DIGIT * DIGIT)))

Places = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Moved:
    """What the hand did, not checked yet beyond its types and ranges of whole numbers.

    task: a name of `placing.KIND`. digit: id of the digit that it was done to. numbers: as many as the task's placement
    has, finite. places: of the distractors, on the canvas, none or six. drawn: (28, 28) uint8, where the user draws.
    film: autoplay is wanted. done: the hand let go. n: grows with each message.
    """

    task: str
    digit: str
    numbers: Numbers
    places: Places
    drawn: np.ndarray | None
    film: bool
    done: bool
    n: int


@dataclass(frozen=True, eq=False)
class Shown:
    """What the component shows.

    digit: (28, 28) uint8. numbers: its placement on the task's canvas. pieces: distractors, if the task has them.
    family: of the transformer. truth: the digit's label, None where nobody knows it. drawn: (28, 28) uint8, the pad,
    where the user draws. live: one frame, what the networks make of it, None where there is nothing to read. film:
    autoplay, where it is wanted.
    """

    digit: np.ndarray
    task: Task
    numbers: Numbers
    pieces: Pieces | None
    family: Family
    truth: int | None
    drawn: np.ndarray | None
    live: Film | None
    film: Film | None = None


_digit = st.components.v2.component("saccade_digit", html=read("digit", "digit.html"),
                                    css=read("drag", "drag.css") + read("digit", "digit.css"),
                                    js=join("digit", MODULES))  # fmt: skip


def moved(key: str) -> Moved | None:
    """The last message of the component with this `key`, else None; known before `digit` is called, and kept until the
    next one: compare ``n`` to tell a new one."""
    return read_moved(st.session_state.get(key, {}).get("moved"))


def read_moved(message: Any) -> Moved | None:
    """A message from an untrusted sender, None where it is not one."""
    if not isinstance(message, Mapping):
        return None
    names = ("task", "digit", "numbers", "places", "film", "done", "n")
    task, of, numbers, places, film, done, n = map(message.get, names)
    if not (isinstance(task, str) and task in KIND and isinstance(of, str) and len(of) <= 64):
        return None
    if not (isinstance(film, bool) and isinstance(done, bool) and type(n) is int and 0 < n < 2**53):
        return None
    if not isinstance(numbers, list) or len(numbers) != len(UPRIGHT[KIND[task]]):
        return None
    if not all(type(v) in (int, float) and abs(v) < 1e9 for v in numbers):  # nan is not smaller either
        return None
    try:
        drawn = _pad(message.get("drawn"))
        return Moved(task, of, tuple(map(float, numbers)), _places(places, TASKS[task]), drawn, film, done, n)
    except ValueError:
        return None


def _places(places: Any, task: Task) -> Places:
    """Raises ValueError where they are not places of six distractors, or none, on the task's canvas."""
    if not isinstance(places, list) or len(places) not in (0, PIECES):
        raise ValueError
    for place in places:
        if not (isinstance(place, list) and len(place) == 2
                and all(type(v) is int and 0 <= v <= task.size - PATCH for v in place)):  # fmt: skip
            raise ValueError
    return tuple((x, y) for x, y in places)


def _pad(text: Any) -> np.ndarray | None:
    """(28, 28) uint8 from base64, None from None. Raises ValueError for anything else."""
    if text is None:
        return None
    if not isinstance(text, str) or len(text) != _TEXT:
        raise ValueError
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError from None
    return np.frombuffer(data, np.uint8).reshape(DIGIT, DIGIT)


def digit_id(digit: np.ndarray) -> str:
    """What tells one digit (28, 28) uint8 from any other, in messages to and from the browser."""
    return image_id(digit)


def pack_film(film: Film, family: Family) -> tuple[dict[str, Any], bytes]:
    """Frames for the browser: a header that names the parts (name, width of a frame, bytes of a number), and the bytes.

    Beside the film's own arrays it holds the affine transform nearest to theta (`linear`, six numbers row by row) and
    what that does to the grid (`summary`: angle in degrees, counter-clockwise, scale: pixels of the picture for each of
    the output's, and shift in pixels).
    """
    size = film.inputs.shape[1]
    linear, shift = linear_part(family, film.theta)
    scale = np.sqrt(np.abs(np.linalg.det(linear))) * size / DIGIT
    floats = {
        "lattice": film.lattice,
        "outline": film.outline,
        "linear": np.concatenate([linear, shift[:, :, None]], 2),
        "summary": np.column_stack([rotation(linear), scale, shift * size / 2]),
        "theta": film.theta,
        "chances": film.chances,
        "plain": film.plain,
    }
    count = len(film.inputs)
    parts = [(name, np.ascontiguousarray(array, "<f4").reshape(count, -1)) for name, array in floats.items()]
    parts += [("input", film.inputs.reshape(count, -1)), ("crop", film.crops.reshape(count, -1))]
    data = b"".join(array.tobytes() for _, array in parts)
    head = {"frames": count, "parts": [(name, array.shape[1], array.itemsize) for name, array in parts],
            "moving": film.moving, "held": film.held, "id": image_id(film.inputs) + image_id(film.theta)}  # fmt: skip
    return head, data


def digit(shown: Shown, key: str, turn: int, n: int) -> None:
    """Show it. What the hand does reruns the script or fragment and is read with `moved`.

    turn: the browser takes the placement once for each new turn, and otherwise keeps what the hand did last; it takes
    it with another task, too. n: of the last message that `shown.live` answers.
    """
    blobs = {"digit": shown.digit.tobytes()}
    head: dict[str, Any] = {
        "key": key,
        "task": shown.task.name,
        "kind": KIND[shown.task.name],
        "size": shown.task.size,
        "family": shown.family.name,
        "digit": digit_id(shown.digit),
        "numbers": shown.numbers,
        "places": shown.pieces.places if shown.pieces else (),
        "set": turn,
        "truth": shown.truth,
        "draws": shown.drawn is not None,
        "plain": shown.live is not None and shown.live.plain.size > 0,
        "n": n,
    }
    if shown.pieces:
        blobs["pieces"] = shown.pieces.cut.tobytes()
    if shown.drawn is not None:
        blobs["drawn"] = shown.drawn.tobytes()
    for name, film in (("live", shown.live), ("film", shown.film)):
        head[name] = None
        if film is not None:
            head[name], blobs[name] = pack_film(film, shown.family)
    head["blobs"] = [(name, len(data)) for name, data in blobs.items()]
    _digit(key=key, data=frame(head) + b"".join(blobs.values()), on_moved_change=_nothing)


def _nothing() -> None:
    """Streamlit keeps a component's value only where a callback is named."""
