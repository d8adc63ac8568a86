"""Where the digit of the spatial transformers' page comes from: the samples, the user's drawing, or a picture."""

from __future__ import annotations

import base64
import io
from functools import cache
from hashlib import sha256

import numpy as np
import streamlit as st
from PIL import Image

from engine.images import MAX_BYTES, ImageError, decode
from engine.spatial.distortions import DIGIT
from engine.spatial.samples import EACH, centred, from_upload, samples
from pages.kit.keys import linked
from pages.kit.rooms import TRANSFORMER

BLANK = np.zeros((DIGIT, DIGIT), np.uint8)


def sampled() -> tuple[np.ndarray, int]:
    """A sample that the user chooses, (28, 28) uint8, and its label."""
    strip = st.empty()
    label = st.pills("Digit", range(10), default=4, **linked(TRANSFORMER, "digit"), required=True)
    which = counted("variant", EACH, "Another one", ":material/refresh:")
    strip.html(_strip(which))
    return samples().images[EACH * label + which], label


_STRIP = """.st-key-digit button {width: 2.5rem; height: 2.5rem; border-radius: 0.4rem; background-size: cover;
  image-rendering: pixelated}
.st-key-digit button p {opacity: 0}
.st-key-digit button[kind=pillsActive] {outline: 3px solid var(--st-primary-color, #c8325f)}"""


@cache
def _strip(which: int) -> str:
    """CSS that puts the samples of this number on the buttons that choose a digit."""
    rules = [_STRIP]
    for label, digit in enumerate(samples().images[which::EACH]):
        out = io.BytesIO()
        Image.fromarray(digit).save(out, "PNG")
        url = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
        rules.append(f".st-key-digit button:nth-of-type({label + 1}) {{background-image: url({url})}}")
    return f"<style>{' '.join(rules)}</style>"


def counted(name: str, most: int, words: str, icon: str) -> int:
    """A whole number below `most` that stands in the URL as `name` and grows with each click on a button."""
    key, text = f"transformer_{name}", st.query_params.get(name)
    at = st.session_state.get(key, 0)
    if text is not None and text != str(at):
        if text.isascii() and text.isdigit() and len(text) < 6 and int(text) < most:
            at = int(text)
        else:
            st.warning(f"The *{name}* in this link is not a whole number below {most:,}, so 0 is taken.")
            at = 0
    if st.button(words, icon=icon, key=f"{key}_next", width="stretch"):
        at = (at + 1) % most
    st.session_state[key] = at
    if at:
        st.query_params[name] = str(at)
    else:
        st.query_params.pop(name, None)
    return at


def pad() -> np.ndarray:
    """(28, 28) uint8: the user's drawing as it stands on the pad."""
    return st.session_state.get("transformer_drawn", BLANK)


def upright(ink: np.ndarray) -> np.ndarray:
    """(28, 28) uint8: a drawing fitted and centred as MNIST's digits are; a blank one stays blank."""
    return np.rint(255 * centred(ink / 255)).astype(np.uint8) if ink.any() else BLANK


def uploaded() -> np.ndarray:
    """The last picture that was uploaded, as a digit; a sentence where it cannot be one."""
    file = st.file_uploader("A picture of one digit", key="transformer_file", max_upload_size=MAX_BYTES // 10**6)
    if file is not None:
        data = file.getvalue()
        name = sha256(data).hexdigest()
        if name != st.session_state.get("transformer_upload_name"):
            st.session_state["transformer_upload_name"] = name
            st.session_state["transformer_upload"] = _read(data)
    digit, sentence = st.session_state.get("transformer_upload", (BLANK, "Upload a picture of one digit."))
    if sentence:
        st.info(sentence)
    return digit


def _read(data: bytes) -> tuple[np.ndarray, str]:
    try:
        return np.rint(255 * from_upload(decode(data).rgb)).astype(np.uint8), ""
    except (ImageError, ValueError) as error:
        return BLANK, str(error)
