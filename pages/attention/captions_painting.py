"""What is painted over the pictures of the captions page: where to look, and what to hide.

References
1. Xu et al. 2015, equations 4-6: alpha, which a painted map takes the place of.

Convention
----------
A painting's cells divide the picture evenly; label 0 is "look here", 1 "hide this". Step t of a Trace is word t - 1.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import streamlit as st
import torch
import torch.nn.functional as F
from torch import Tensor

from engine import tensors
from engine.attention.encoder import GRID
from pages.attention.captions_controls import KEYS
from pages.kit.picker import Chosen
from pages.kit.viewer import Brush, Painted, painted

BRUSH = Brush(cells=112, send="Tell again", names=("look here", "hide this"))
LOOK, HIDE = range(2)


def paintings(chosen: Chosen) -> tuple[Painted | None, ...]:
    """What was painted in the two viewers over the image in hand and sent, but for what was forgotten."""
    held = st.session_state.setdefault("captions_paintings", {})
    forgotten = st.session_state.setdefault("captions_forgotten", {})
    found: list[Painted | None] = []
    for key in KEYS:
        new = painted(key, chosen.rgb, len(BRUSH.names))
        if new is not None:
            held[key] = (chosen.key, new)  # the component forgets it on another page
        owner, one = held.get(key, ("", None))
        found.append(one if owner == chosen.key and one.n != forgotten.get(key) else None)
    numbers = {key: one.n for key, one in zip(KEYS, found, strict=True) if one is not None}
    if numbers:
        st.button("Forget what was painted", icon=":material/undo:", type="tertiary", on_click=forgotten.update,
                  args=(numbers,), help="The strokes stay in the picture until you clear them.")  # fmt: skip
    return tuple(found)


def look_at(painting: Painted | None) -> dict[int, Tensor]:
    """Number of the word whose step was shown -> the map (L,) that was painted, by area mean; empty without one."""
    if painting is None or not (painting.labels == LOOK).any():
        return {}
    mask = torch.tensor(painting.labels == LOOK)[None].float()  # (1, h, w)
    return {max(painting.step - 1, 0): F.adaptive_avg_pool2d(mask, GRID).flatten()}


def hidden_by(found: tuple[Painted | None, ...], size: tuple[int, int]) -> np.ndarray | None:
    """(H, W) bool of `size`: what any of the paintings hides; None where nothing is hidden."""
    masks = [torch.tensor(one.labels == HIDE)[None, None] for one in found if one is not None]
    hidden = [tensors.to_frame(mask, size, smooth=False)[0, 0].numpy() for mask in masks if mask.any()]
    return np.logical_or.reduce(hidden) if hidden else None


def covered(rgb: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, str]:
    """The picture (H, W, 3) with the hidden pixels in their mean colour, and a key for what was hidden."""
    picture = rgb.copy()
    picture[hidden] = rgb[hidden].mean(0)
    return picture, f"-{sha256(np.packbits(hidden).tobytes()).hexdigest()}"
