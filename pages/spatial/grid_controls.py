"""What the page of the sampling grid asks, and the theta in hand: it lives in the session and stands in the URL."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import streamlit as st
from PIL import Image

from engine.spatial.sampling import MODES, PADDINGS, Sampling
from engine.spatial.theta import Theta, TransformError, check, convert, from_url, to_url
from engine.spatial.transforms import FAMILIES, Family, ThinPlateSpline
from pages.kit.drag import Released
from pages.kit.keys import linked
from pages.kit.rooms import GRID

LONGEST = 256  # pixels of the picture that is sampled, so that the browser can draw every frame
NAMES = {"attention": "attention", "affine": "affine", "projective": "projective", "tps": "thin plate spline"}
LAMBDAS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_STATE, _PARAMETER = "grid_hand", "theta"


@dataclass
class Hand:
    """The theta in hand. turn: grows when Python, not the hand, changed it. n: of the last message that was read."""

    family: str
    theta: Theta
    turn: int = 1
    n: int = 0
    forward: bool = False
    sentence: str = ""
    url: str | None = None  # the text of ?theta= that we last read or wrote
    kept: dict[str, Theta] = field(default_factory=dict)  # of families that were left
    made: Theta | None = None  # by conversion from the family before

    def put(self, theta: Theta) -> None:
        """Take a theta that the browser does not have yet."""
        self.theta, self.turn = theta, self.turn + 1


def small(rgb: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) uint8, at most LONGEST pixels along its longest side."""
    height, width = rgb.shape[:2]
    scale = LONGEST / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(rgb)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS, reducing_gap=3))


def ask() -> tuple[Family, Sampling]:
    """The family of transforms and how its grid is read, all in the URL."""
    name = st.pills("Transform", list(NAMES), format_func=NAMES.get, default="affine", **linked(GRID, "family"),
                                required=True)  # fmt: skip
    family = FAMILIES[name]
    if name == "tps":
        family = ThinPlateSpline(regularisation=st.select_slider(
            "Regularisation λ", LAMBDAS, 0.0, format_func=lambda v: f"{v:g}", **linked(GRID, "lambda"),
            help="0 goes through the control points; more bends less and misses them."))  # fmt: skip
    mode = st.pills("Interpolation", MODES, default=MODES[0], **linked(GRID, "mode"),
                                required=True, help="How a place between pixels is read.")  # fmt: skip
    padding = st.pills("Padding", PADDINGS, default=PADDINGS[0], **linked(GRID, "padding"),
                                   required=True, help="What a place outside the picture reads.")  # fmt: skip
    align = st.toggle("align_corners", **linked(GRID, "align"),
                      help="-1 and 1 are the centres of the outer pixels; else their outer edges.")  # fmt: skip
    return family, Sampling(mode, padding, align)


def in_hand(family: Family, message: Released | None) -> Hand:
    """The theta of this family: from the hand, from the URL, or converted from the family before."""
    hand = st.session_state.setdefault(_STATE, Hand(family.name, family.identity))
    hand.sentence = ""
    if hand.family != family.name:
        _change(hand, family)
    wanted = st.query_params.get(_PARAMETER)
    if wanted is not None and wanted != hand.url:
        _link(hand, family, wanted)
    if message is not None and message.n != hand.n:
        _release(hand, family, message)
    hand.url = None if hand.theta == family.identity else to_url(hand.theta)
    if hand.url is None:
        st.query_params.pop(_PARAMETER, None)
    elif st.query_params.get(_PARAMETER) != hand.url:
        st.query_params[_PARAMETER] = hand.url
    return hand


def _change(hand: Hand, family: Family) -> None:
    """Convert theta to another family; back again without a touch it is what it was."""
    before, was = hand.family, hand.theta
    known = hand.kept.get(family.name) if was == hand.made else None
    hand.kept, hand.family = (hand.kept if was == hand.made else {}) | {before: was}, family.name
    try:
        hand.put(known or convert(was, FAMILIES[before], family))
    except TransformError as error:
        hand.put(family.identity)
        hand.sentence = f"{error} So the identity is shown."
    hand.made = hand.theta


def _link(hand: Hand, family: Family, text: str) -> None:
    try:
        hand.put(from_url(family, text))
    except TransformError as error:
        hand.put(family.identity)
        hand.sentence = f"{error} So the identity is shown."


def _release(hand: Hand, family: Family, message: Released) -> None:
    hand.n, hand.forward = message.n, message.forward
    if message.family != family.name:
        return
    try:
        hand.theta = check(family, message.theta)
    except TransformError as error:
        hand.put(hand.theta)
        hand.sentence = f"{error} The last good grid stays."
