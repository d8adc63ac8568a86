"""A grey square that the user drags over the picture: the browser draws every frame, Python answers with the labels.

References
1. Streamlit, Components V2 (st.components.v2.component): no iframe, bytes in, JSON out.
2. assets/patch/*.js: the ES modules that are joined here; those of assets/drag and assets/viewer come first.
3. Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2. Lecture slide 102.

Convention
----------
The square lies as in `engine.debug.probe.Patch`: x, y its middle, in whole pixels of the picture. What the browser
sends is untrusted: `read_moved` takes it apart, and the page cuts it to its picture.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from engine import palette
from engine.debug.probe import MOST, Patch, grey
from pages.kit.modules import join, read
from pages.kit.payload import frame, image_id

# In the order in which they build on each other; the last one holds the default export.
MODULES = ("../viewer/dom", "../viewer/payload", "../viewer/registry", "../viewer/palette", "../drag/pane", "square",
           "patch")  # fmt: skip
COARSE = 2  # each how many pixels of the labels one travels to the browser


@dataclass(frozen=True)
class Moved:
    """Where the hand put the square: middle x, y and side in pixels, each from 0 to `MOST` and not cut to the picture.

    image: `image_id` of the picture that it was dragged on. done: the hand let go. n: grows with each message.
    """

    image: str
    x: int
    y: int
    side: int
    done: bool
    n: int


@dataclass(frozen=True, eq=False)
class Shown:
    """What the component shows.

    rgb: (H, W, 3) uint8, the picture without the square. square: as it lies. labels: (H, W) uint8, what the model says
    of it, below the number of `classes`. changed: (H, W) bool, where that is new.
    """

    rgb: np.ndarray
    square: Patch
    labels: np.ndarray
    changed: np.ndarray
    classes: tuple[str, ...]


_patch = st.components.v2.component("saccade_patch", html=read("patch", "patch.html"),
                                    css=read("drag", "drag.css") + read("patch", "patch.css"),
                                    js=join("patch", MODULES))  # fmt: skip


def moved(key: str) -> Moved | None:
    """The last message of the component with this `key`, else None; known before `patch` is called, and kept until the
    next one: compare ``n`` to tell a new one."""
    return read_moved(st.session_state.get(key, {}).get("moved"))


def read_moved(message: Any) -> Moved | None:
    """A message from an untrusted sender, None where it is not one."""
    if not isinstance(message, Mapping):
        return None
    image, x, y, side, done, n = map(message.get, ("image", "x", "y", "side", "done", "n"))
    if not (isinstance(image, str) and len(image) <= 64 and isinstance(done, bool)):
        return None
    if not all(type(number) is int for number in (x, y, side, n)) or not 0 < n < 2**53:
        return None
    if not all(0 <= number <= MOST for number in (x, y, side)):
        return None
    return Moved(image, x, y, side, done, n)


def patch(shown: Shown, key: str, turn: int, n: int) -> None:
    """Show it. What the hand does reruns the script or fragment and is read with `moved`.

    turn: the browser takes the square once for each new turn, and with another picture; otherwise it keeps what the
    hand did last. n: of the last message that `shown` answers.
    """
    height, width = shown.rgb.shape[:2]
    labels, changed = (np.ascontiguousarray(x[::COARSE, ::COARSE], np.uint8) for x in (shown.labels, shown.changed))
    counts = np.bincount(shown.labels.ravel(), minlength=len(shown.classes))
    blobs = {"picture": _file(shown.rgb), "labels": labels.tobytes(), "changed": changed.tobytes()}
    head = {
        "key": key,
        "image": image_id(shown.rgb),
        "width": width,
        "height": height,
        "grey": grey(shown.rgb),
        "x": shown.square.x,
        "y": shown.square.y,
        "side": round(shown.square.strength),
        "most": round(Patch.high),
        "set": turn,
        "n": n,
        "cells": labels.shape[::-1],
        "classes": shown.classes,
        "colours": palette.safe(len(shown.classes)).tolist(),
        "shares": (counts / shown.labels.size).tolist(),
        "blobs": [(name, len(data)) for name, data in blobs.items()],
    }
    _patch(key=key, data=frame(head) + b"".join(blobs.values()), on_moved_change=_nothing)


def _file(rgb: np.ndarray) -> bytes:
    """The picture as a JPEG file."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=92)
    return out.getvalue()


def _nothing() -> None:
    """Streamlit keeps a component's value only where a callback is named."""
