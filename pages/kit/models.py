"""Models and what they made of a picture, kept for all visitors: keyed by content, bounded, never by person.

References
1. Streamlit's cache_resource hands the same object to everybody: models are in eval mode, encodings are not changed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import streamlit as st

from engine import gallery
from engine.cards import Card, ModelError
from engine.metrics import boundary_band
from engine.segmentation.scoring import with_truth
from engine.trace import Trace
from pages.kit.picker import Chosen

KEPT = 24  # encodings; one of a 640x480 picture holds about 2 MB


@st.cache_resource(show_spinner=False)
def _model(name: str) -> Any:
    import torch

    from engine import zoo

    return zoo.load(name, "cuda" if torch.cuda.is_available() else "cpu")


def model(name: str) -> Any:
    """The model called `name` on this machine's best device, with a spinner while it loads. Raises ModelError."""
    with st.spinner("Loading the model ...", show_time=False):
        return _model(name)


@st.cache_resource(show_spinner=False, max_entries=KEPT)
def _encoding(name: str, key: str, average: bool, _rgb: np.ndarray) -> Any:
    return _model(name).encode(_rgb, average) if average else _model(name).encode(_rgb)


def encoding(name: str, key: str, rgb: np.ndarray, average: bool = False) -> Any:
    """What the trunk of `name` makes of the picture `rgb` with content key `key` (sha256 or gallery name)."""
    with st.spinner("The network looks at the picture ..."):
        return _encoding(name, key, average, rgb)


@st.cache_resource(show_spinner=False, max_entries=KEPT)
def _tree(key: str, settings: Any, _rgb: np.ndarray) -> Any:
    from engine.segmentation.parsing import segment

    return segment(_rgb, settings)


def tree(key: str, rgb: np.ndarray, settings: Any) -> Any:
    """Superpixels of the picture `rgb` with content key `key`, and their tree (`engine.segmentation.parsing`)."""
    with st.spinner("Joining pixels into regions ..."):
        return _tree(key, settings, rgb)


def card(name: str) -> Card | None:
    """The card of a model, None where there is none yet."""
    try:
        return Card.read(name)
    except ModelError:
        return None


@st.cache_resource(show_spinner=False)
def warm(names: tuple[str, ...]) -> threading.Thread:
    """Start to load models behind the scenes, once for the server, so that the first visitor does not wait for them."""

    def load() -> None:
        from engine import zoo

        for name in names:
            with suppress(ModelError):  # its own page says what is wrong with it
                zoo.load(name)

    thread = threading.Thread(target=load, daemon=True, name="warm")
    thread.start()
    return thread


def ask(choices: Sequence[str], key: str = "model") -> str:
    """A box to choose a model; one that must be downloaded first is fetched on a click. Returns one that is here.

    key: its name in the URL; pages with other choices need another one.
    """
    name = st.selectbox("Model", choices, key=key, bind="query-params", filter_mode=None,
                        help="By the names that the command line and notebooks use.")  # fmt: skip
    if _here(name):
        return name
    from engine.segmentation import published

    wanted = Card.read(name)
    st.caption(f"{wanted.title} comes from torchvision: {wanted.settings['megabytes']:.0f} MB, fetched once.")
    if st.button("Download", icon=":material/download:", width="stretch"):
        bar = st.progress(0.0, "Starting ...")
        try:
            published.download(wanted, lambda done, total: bar.progress(
                min(done / max(total, 1), 1.0), f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"))  # fmt: skip
        except ModelError as error:
            bar.empty()
            st.warning(str(error))
        else:
            st.rerun()
    return choices[0]


def truth(chosen: Chosen, card: Card) -> np.ndarray | None:
    """(H, W) uint8 ground truth of the image in hand in the classes of `card`, None where nobody labelled it so."""
    labels = card.settings.get("labels")
    return chosen.truth(labels) if chosen.truth and labels in gallery.LABELS else None


def against_truth(trace: Trace, chosen: Chosen, card: Card,
                  labels: Callable[[], np.ndarray]) -> tuple[Trace, np.ndarray | None]:  # fmt: skip
    """The Trace with steps that hold `labels()` (H, W) against the ground truth, and that truth, where there is one.

    labels: the answer of the model that `card` describes, asked for only where it can be judged.
    """
    known = truth(chosen, card)
    if known is None:
        return trace, None
    return with_truth(trace, known, labels(), band(chosen.key, card.settings["labels"], known)), known


@st.cache_resource(show_spinner=False, max_entries=KEPT)
def band(key: str, labels: str, _truth: np.ndarray) -> np.ndarray:
    """(H, W) bool: the boundary band of the ground truth of picture `key` in label set `labels`."""
    return boundary_band(_truth)


def _here(name: str) -> bool:
    found = card(name)
    if found is None or found.bundled:
        return True
    from engine.segmentation import published

    return published.available(name)
