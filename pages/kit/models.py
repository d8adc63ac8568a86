"""Models and what they made of a picture, kept for all visitors: keyed by content, bounded by bytes, never by person.

References
1. `engine.zoo.load` hands the same model to everybody: models are in eval mode, encodings are not changed.
2. `engine.keep` and `pages.kit.queue`: what takes long runs in turn with everybody else's, and its result is kept.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import streamlit as st

from engine import gallery, registry
from engine.cards import Card, ModelError
from engine.keep import Keep
from engine.metrics import boundary_band
from engine.runs import Tell
from engine.segmentation.scoring import with_truth
from engine.trace import Trace
from pages.kit import owned, picker, queue, sessions, truths
from pages.kit.keys import key, linked
from pages.kit.picker import Chosen
from pages.kit.rooms import PageInfo

# What models and parsers made of pictures; an encoding of 640x480 pixels holds about 2 MB.
FOUND = Keep(192 * 2**20)
_CONTENT = re.compile(r"[0-9a-f]{64}")  # a SHA-256: of a visitor's file, or of what was made of one
PUBLISHED = ("fcn_resnet50", "deeplabv3_resnet50", "lraspp_mobilenet_v3_large")
BUNDLED = ("fcn-scenes", "fcn-animals", "multiscale", "recurrent", "patches")  # those that label pixels


@sessions.at_end
def _forget(state: sessions.State, others: Sequence[sessions.State]) -> None:
    """Of a visit that has ended nothing stays in `FOUND` but what is public, or what another visit has in hand."""
    here = {mark for other in others for mark in _marks(other)}
    gone = _marks(state) - here

    def private(part: Any) -> bool:
        if isinstance(part, tuple):
            return any(map(private, part))
        return part in gone or (isinstance(part, str) and bool(_CONTENT.fullmatch(part)) and part not in here)

    FOUND.drop(private)


def _marks(state: sessions.State) -> set[str]:
    """What names a visit's own models and the pictures that it has in hand."""
    return {*owned.names_in(state), *picker.keys_in(state)}


def _model(name: str) -> Any:
    import torch

    from engine import zoo

    return zoo.load(name, "cuda" if torch.cuda.is_available() else "cpu")


def model(name: str) -> Any:
    """The model called `name`, this visit's own or one on the machine's best device, with a spinner while it loads.

    Raises ModelError.
    """
    if name in owned.names():
        return owned.get(name)
    with st.spinner("Loading the model ...", show_time=False):
        return _model(name)


def found(key: tuple, make: Callable[[], Any], waiting: str) -> Any:
    """`make()`, kept for all visitors under `key`; where it must be made it waits its turn, and shows that.

    Where the model cannot do it a sentence says so, and the rest of the script or fragment does not run.
    """
    kept = FOUND.peek(key)
    if kept is not None:
        return kept
    try:
        return queue.run(lambda: FOUND.get(key, make), waiting)
    except ModelError as error:
        st.warning(str(error))
        st.stop()


def told(key: tuple, make: Callable[[Tell], Any], waiting: str) -> Any:
    """`make(tell)`, kept as by `found`; it shows how far it is, and ends where the visitor goes elsewhere."""

    def work(tell: Tell) -> Any:
        made = make(tell)  # not inside `get`: who steps back for others must not hold a lock
        return FOUND.get(key, lambda: made)

    kept = FOUND.peek(key)
    return queue.told(work, waiting) if kept is None else kept


def encoding(name: str, key: str, rgb: np.ndarray, average: bool = False) -> Any:
    """What the trunk of `name` makes of the picture `rgb` with content key `key` (sha256 or gallery name)."""
    asked = model(name)
    options = {"average": True} if average else {}
    return found((name, key, average), lambda: asked.encode(rgb, **options), "The network looks at the picture ...")


def tree(key: str, rgb: np.ndarray, settings: Any) -> Any:
    """Superpixels of the picture `rgb` with content key `key`, and their tree (`engine.segmentation.parsing`)."""
    from engine.segmentation.parsing import segment

    return found((key, settings), lambda: segment(rgb, settings), "Joining pixels into regions ...")


def answer(name: str, chosen: Chosen, variant: str | None = None) -> Any:
    """What a variant of the model `name` says about the image in hand (`engine.debug.answers.Answer`)."""
    from engine.debug.answers import answer as asked

    return asked(model(name), encoding(name, chosen.key, chosen.rgb), variant)


def segmenters() -> tuple[str, ...]:
    """The models that label pixels: ours, those that engineers registered, this visit's own, torchvision's."""
    return (*BUNDLED, *registry.registered(), *owned.names(), *PUBLISHED)


def own(*kinds: type) -> tuple[str, ...]:
    """The names of this visit's own models that are of one of these kinds."""
    return tuple(name for name in owned.names() if isinstance(owned.get(name), kinds))


def averages(model: Any) -> bool:
    """Whether a model takes the mean over several views of a picture."""
    return all("average" in inspect.signature(f).parameters for f in (model.encode, model.trace))


def card(name: str) -> Card | None:
    """The card of a model, None where there is none yet."""
    if name in owned.names():
        return owned.get(name).card
    try:
        return registry.card(name)
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


def ask(choices: Sequence[str], page: PageInfo | None = None) -> str:
    """A box to choose a model; one that must be downloaded first is fetched on a click. Returns one that is here.

    page: whose choice it is; None for the one that pages share. Of a single choice nothing is asked.
    """
    if len(choices) == 1:
        return choices[0]
    if st.session_state.get(key(page, "model")) not in (None, *choices):
        del st.session_state[key(page, "model")]  # of a page that knows others, or gone since
    name = st.selectbox("Model", choices, **linked(page, "model"), filter_mode=None,
                        help="By the names that the command line and notebooks use.")  # fmt: skip
    if here(name):
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
    """(H, W) uint8 ground truth of the image in hand in the classes of `card`, None where nobody labelled it so.

    What the visitor gave (`pages.kit.truths`) goes before what the gallery knows.
    """
    own = truths.get(chosen.key, tuple(card.classes))
    if own is not None:
        return own
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
    return with_truth(trace, known, labels(), band(known)), known


def band(truth: np.ndarray) -> np.ndarray:
    """(H, W) bool: the boundary band of a ground truth (H, W) uint8."""
    key = ("band", truth.shape, hashlib.sha256(truth.tobytes()).hexdigest())
    return FOUND.get(key, lambda: boundary_band(truth))


def here(name: str) -> bool:
    """True where the model called `name` is on this machine, and need not be fetched first."""
    found = card(name)
    if found is None or found.bundled:
        return True
    from engine.segmentation import published

    return published.available(name)
