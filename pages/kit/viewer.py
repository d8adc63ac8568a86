"""The one component that shows a Trace; all looking happens in the browser, only a pick comes back to Python.

References
1. Streamlit, Components V2 (st.components.v2.component): no iframe, bytes in, JSON out.
2. assets/viewer/*.js: the ES modules that are joined here, each readable and testable alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import streamlit as st

from engine.trace import Trace
from pages.kit.payload import frame, pack, read_frame

ASSETS = Path(__file__).parents[2] / "assets" / "viewer"

# In the order in which they build on each other; the last one holds the default export.
MODULES = ("payload", "sampling", "scores", "palette", "outline", "state", "registry", "film", "paint", "scene",
           "reading", "dom", "gestures", "stage", "wipe", "rail", "toolbar", "tables", "legend", "panel", "keys",
           "viewer")  # fmt: skip


@dataclass(frozen=True)
class Pick:
    """A place that the user chose: x, y in image pixels (see engine.trace, Convention), the index of the step that was
    shown, and n, which grows with each pick so that the same place can be picked twice."""

    x: float
    y: float
    step: int
    n: int


def join(names: tuple[str, ...]) -> str:
    """The modules of assets/viewer as the one module that Streamlit wants: imports dropped, names made common."""
    parts = []
    for name in names:
        text = (ASSETS / f"{name}.js").read_text(encoding="utf8")
        text = re.sub(r'^import [^;]*? from "\./\w+\.js";\n', "", text, flags=re.M)
        parts.append(re.sub(r"^export (?!default)", "", text, flags=re.M))
    return "\n".join(parts)


def _read(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf8")


_viewer = st.components.v2.component("saccade_viewer", html=_read("viewer.html"), css=_read("viewer.css"),
                                     js=join(MODULES))  # fmt: skip
_panel = st.components.v2.component("saccade_panel", html='<div class="aside"></div>', css=_read("viewer.css"),
                                    js=join(("registry", "aside")))  # fmt: skip

_packed: WeakKeyDictionary[Trace, tuple[bytes, str, str]] = WeakKeyDictionary()


def _pack(trace: Trace) -> tuple[bytes, str, str]:
    """The packed Trace, its content id and its image's id, made once for as long as the Trace lives."""
    if trace not in _packed:
        data = pack(trace, name=str(trace.card.get("name", "saccade")))
        head, _ = read_frame(data)
        _packed[trace] = (data, head["id"], head["image_id"])
    return _packed[trace]


def viewer(trace: Trace, key: str, *, picks: bool = False, start: int | None = None,
           go: tuple[int, int] | None = None) -> Pick | None:  # fmt: skip
    """Show `trace`; what the user looks at (step, opacity, classes ...) stays in the browser under `key`.

    picks: a click, or Enter at the keyboard's cross, is sent to Python and reruns the script or fragment.
    start: index of the step shown when the browser remembers none; None means the last one.
    go: (index of a step, n): the browser goes to that step once for each new n.
    Returns the last pick made on this image, else None. A pick stays until the next one or another image: compare
    ``n`` to tell a new one.
    """
    data, content, image = _pack(trace)
    mount = frame({"key": key, "id": content, "picks": picks, "start": start, "go": go})
    result = _viewer(key=key, data=mount + data, on_pick_change=_nothing)
    pick = result.pick
    if not isinstance(pick, dict) or pick.get("image") != image:
        return None
    return Pick(float(pick["x"]), float(pick["y"]), int(pick["step"]), int(pick["n"]))


def viewer_panel(key: str) -> None:
    """A place in another column where the viewer with this `key` draws its legend, views and readings."""
    _panel(key=f"{key}_panel", data={"key": key})


def _nothing() -> None:
    """Streamlit keeps a component's value only where a callback is named."""
