"""What a tab of the browser keeps of its visit, and how it comes back when the server has forgotten it.

A tab that is loaded anew, or a server that was started anew, begins another visit. Its browser then hands back the id
of the former one. Where that is still here, away, and of the same browser, all that it held moves over. Else the
picture in hand and its truths come back from the tab's own storage, and a sentence says what did not.

References
1. HTML standard, Web storage: sessionStorage is of one tab, survives a reload, and ends with the tab.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from engine import gallery
from engine.images import ImageError
from pages.kit import owned, picker, sessions, truths
from pages.kit.modules import join
from pages.kit.payload import frame

MODULES = ("../viewer/payload", "keepsake")
MOST = 6 * 2**20  # characters of a file that comes back
CLASSES, NAME = 256, 80  # of a truth; characters of a name that is said again
_TOOK, _LOST, _FILES = "keepsake_took", "keepsake_lost", "keepsake_files"
_OTHERS = {"trace": ("replay_opened", "the Trace that was open"), "many": ("many_desk", "the pictures of Many images")}


@dataclass(frozen=True)
class Lost:
    """What a visitor is told: a sentence of ours, and the name of the picture, which only `st.text` may show."""

    sentence: str
    name: str = ""


_keepsake = st.components.v2.component("saccade_keepsake", html="<span></span>", js=join("keepsake", MODULES))


@st.fragment(run_every=3600)
def come_back() -> None:
    """Let the page come back by itself when its connection does: Streamlit's frontend asks a server to which it is
    connected anew for a run only where something runs by itself (`App.handleConnectionStateChanged`)."""


def stow(key: str = "keepsake") -> None:
    """Let the tab keep what is in hand now; called in each run of the app, and where a fragment changes it."""
    chosen = picker.in_hand()
    own = [(classes, labels) for (of, classes), labels in truths.everything().items() if chosen and of == chosen.key]
    files: dict[int, tuple[Any, bytes]] = {}  # made once for as long as they are in hand

    def file(array: np.ndarray) -> bytes:
        before = st.session_state.get(_FILES, {}).get(id(array))
        files[id(array)] = before or (array, _png(array))
        return files[id(array)][1]

    picture = file(chosen.rgb) if chosen and chosen.slug is None else b""
    masks = [file(labels) for _, labels in own]
    st.session_state[_FILES] = files
    head = {
        "session": sessions.visit(),
        "took": st.session_state.get(_TOOK, ""),
        "picture": {"title": chosen.title, "original": chosen.original, "bytes": len(picture)} if picture else None,
        "slug": chosen and chosen.slug,
        "truths": [{"classes": classes, "bytes": len(mask)} for (classes, _), mask in zip(own, masks, strict=True)],
        "lost": {"models": len(owned.names()), **{name: _has(state) for name, (state, _) in _OTHERS.items()}},
    }
    with st.container(key=key):
        _keepsake(
            key=f"{key}_tab", data=frame(head) + picture + b"".join(masks), on_back_change=lambda: _back(f"{key}_tab")
        )


def say() -> None:
    """What did not come back, until it was read."""
    lost: Lost | None = st.session_state.get(_LOST)
    if lost is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="keepsake_said"):
        with st.container(width="stretch", gap=None):
            st.warning(lost.sentence, icon=":material/history_toggle_off:")
            if lost.name:
                st.text(lost.name)
        st.button(
            "Close", icon=":material/close:", key="keepsake_close", on_click=st.session_state.pop, args=(_LOST, None)
        )


def _has(state: str) -> bool:
    """Whether the visit keeps something of this kind."""
    kept = st.session_state.get(state)
    return kept is not None and getattr(kept, "source", kept) is not None


def _back(key: str) -> None:
    message = st.session_state[key].get("back")
    if isinstance(message, Mapping) and isinstance(former := message.get("session"), str) and len(former) <= 64:
        st.session_state[_TOOK] = former
        if sessions.brought():
            return  # somebody was quicker with something else: nothing takes its place
        if not sessions.take_over(former):
            st.session_state[_LOST] = take(message)
        elif chosen := picker.in_hand():
            picker.put(chosen)  # the address names another one


def take(message: Mapping[str, Any]) -> Lost | None:
    """Put back what a tab kept; nothing in the message is trusted. Returns what to say, None where nothing was kept."""
    picture, masks, others = message.get("picture"), message.get("truths"), message.get("lost")
    name, back, lost, of = "", [], [], None
    if isinstance(picture, Mapping):
        name = str(picture.get("title", ""))[:NAME]
        try:
            picker.take(_bytes(picture.get("data")), name)
        except ImageError:
            lost.append("the picture")
        else:
            of = picker.put_right(original=_original(picture.get("original")))
            back.append("the picture")
    elif message.get("slug") in gallery.names():
        of = picker.from_gallery(message["slug"])
    found = [truth for item in (masks if of and isinstance(masks, list) else [])[: truths.KEPT]
             if (truth := _truth(item, of.rgb.shape[:2]))]  # fmt: skip
    for classes, labels in found:
        truths.keep(of.key, classes, labels)
    if found:
        back.append("its ground truth" if back else "the ground truth")
    others = others if isinstance(others, Mapping) else {}
    count = others.get("models")
    if type(count) is int and 0 < count <= owned.MOST:
        lost.append("your model" if count == 1 else f"your {count} models")
    lost += [words for kind, (_, words) in _OTHERS.items() if others.get(kind) is True]
    ends = ((back, "came back from this tab"), (lost, "must be brought again"))
    parts = [f"{_list(words)} {end}" for words, end in ends if words]
    return Lost(f"Your last visit has ended: {'; '.join(parts)}.", name * ("the picture" in lost)) if parts else None


def _list(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _bytes(text: object) -> bytes:
    """The bytes in base64, none where there are none."""
    if not isinstance(text, str) or len(text) > MOST:
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _truth(item: object, shape: tuple[int, int]) -> tuple[tuple[str, ...], np.ndarray] | None:
    """Classes and labels (H, W) uint8 of a picture of this shape, None where the item is not that."""
    classes = item.get("classes") if isinstance(item, Mapping) else None
    if not isinstance(classes, list) or not 0 < len(classes) <= CLASSES or not all(isinstance(c, str) for c in classes):
        return None
    try:
        labels = decode_labels(_bytes(item.get("data")), shape)
    except (OSError, ValueError, SyntaxError):
        return None
    return (tuple(classes), labels) if not ((labels >= len(classes)) & (labels != 255)).any() else None


def decode_labels(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8 labels in a grey PNG of this shape. Raises ValueError, or what Pillow raises."""
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        if image.mode != "L" or image.size != shape[::-1]:
            raise ValueError("These are no labels of this picture.")
        return np.array(image)


def _original(value: object) -> tuple[int, int]:
    """Width and height of the file's picture; (0, 0) where nobody knows."""
    if isinstance(value, list) and len(value) == 2 and all(type(n) is int and 0 < n < 10**5 for n in value):
        return value[0], value[1]
    return 0, 0


def _png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG", compress_level=3)
    return out.getvalue()
