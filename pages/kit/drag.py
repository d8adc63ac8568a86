"""The one component in which a transform is dragged: the browser draws every frame, Python gets theta on release.

References
1. Streamlit, Components V2 (st.components.v2.component): no iframe, bytes in, JSON out.
2. assets/drag/*.js: the ES modules that are joined here; families, handles and sampling are pure parts.
3. Jaderberg et al. 2015, "Spatial Transformer Networks", section 3.2 (theta and the sampling grid). Slides 116-128.

Convention
----------
theta goes from OUTPUT to INPUT, in normalised (x, y) as in `engine.spatial.transforms`. The output has the size of the
picture. What the browser sends is untrusted: `read_released` takes it apart and `engine.spatial.theta.check` judges it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from engine.spatial.mapping import Forward
from engine.spatial.sampling import Sampling
from engine.spatial.theta import Theta
from engine.spatial.transforms import FAMILIES, Family, ThinPlateSpline
from pages.kit.modules import join, read
from pages.kit.payload import frame, image_id

# In the order in which they build on each other; the last one holds the default export.
MODULES = ("../viewer/dom", "../viewer/payload", "../viewer/registry", "../viewer/screen", "linear", "families",
           "sampling", "forward", "handles", "history", "pane", "input", "output", "matrix", "play", "card", "arrow",
           "drag")  # fmt: skip


@dataclass(frozen=True)
class Released:
    """What the hand let go of, not checked yet beyond its types.

    family: one of `FAMILIES`. theta: as many finite numbers as the family has. forward: the user looks at forward
    mapping, so the browser wants Python's. n: grows with each message.
    """

    family: str
    theta: Theta
    forward: bool
    n: int


@dataclass(frozen=True, eq=False)
class Answer:
    """What Python makes of the same theta, for the browser to compare.

    rgb: (h, w, 3) uint8, the output. pushed: forward mapping, where it is asked for.
    """

    rgb: np.ndarray
    pushed: Forward | None = None


_drag = st.components.v2.component("saccade_drag", html=read("drag", "drag.html"), css=read("drag", "drag.css"),
                                   js=join("drag", MODULES))  # fmt: skip


def released(key: str) -> Released | None:
    """What was last let go in the component with this `key`, else None; known before `drag` is called, and kept until
    the next one: compare ``n`` to tell a new one."""
    return read_released(st.session_state.get(key, {}).get("released"))


def read_released(message: Any) -> Released | None:
    """A release from an untrusted message, None where it is not one."""
    if not isinstance(message, Mapping):
        return None
    family, theta, forward, n = (message.get(name) for name in ("family", "theta", "forward", "n"))
    if not (isinstance(family, str) and family in FAMILIES and isinstance(theta, list) and isinstance(forward, bool)):
        return None
    if type(n) is not int or not 0 < n < 2**53 or len(theta) != len(FAMILIES[family].identity):
        return None
    if not all(type(value) in (int, float) and abs(value) < 1e9 for value in theta):  # nan is not smaller either
        return None
    return Released(family, tuple(map(float, theta)), forward, n)


def drag(rgb: np.ndarray, key: str, family: Family, theta: Theta, turn: int, sampling: Sampling, answer: Answer,
         presets: Mapping[str, Theta]) -> None:  # fmt: skip
    """Show the picture (H, W, 3) uint8, at most 256 x 256 pixels, with its sampling grid, and the output beside it.

    turn: the browser takes `theta` once for each new turn, and otherwise keeps what the hand did last; it takes it with
    another family, too. answer: made of the same picture, family, theta and sampling. What is let go reruns the script
    or fragment and is read with `released`.
    """
    parts = [np.ascontiguousarray(rgb).tobytes(), answer.rgb.tobytes()]
    if answer.pushed is not None:
        parts.append(answer.pushed.rgb.tobytes() + (answer.pushed.hits > 0).astype(np.uint8).tobytes())
    head = {
        "key": key,
        "image": image_id(rgb),
        "width": rgb.shape[1],
        "height": rgb.shape[0],
        "family": family.name,
        "lambda": family.regularisation if isinstance(family, ThinPlateSpline) else 0.0,
        "theta": theta,
        "set": turn,
        "mode": sampling.mode,
        "padding": sampling.padding,
        "align": sampling.align_corners,
        "presets": presets,
        "blobs": [len(part) for part in parts],
    }
    _drag(key=key, data=frame(head) + b"".join(parts), on_released_change=_nothing)


def _nothing() -> None:
    """Streamlit keeps a component's value only where a callback is named."""
