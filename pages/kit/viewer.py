"""The one component that shows a Trace; looking happens in the browser, only a pick, a painting or a row comes back.

References
1. Streamlit, Components V2 (st.components.v2.component): no iframe, bytes in, JSON out.
2. assets/viewer/*.js: the ES modules that are joined here, each readable and testable alone.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import streamlit as st

from engine import palette
from engine.trace import Trace
from pages.kit.modules import join, read
from pages.kit.payload import frame, image_id, pack, read_frame

# In the order in which they build on each other; the last one holds the default export.
MODULES = ("payload", "sampling", "scores", "palette", "outline", "tree", "state", "registry", "link", "screen", "film",
           "regions", "paint", "scene", "reading", "dom", "gestures", "overlay", "stage", "wipe", "rail", "words",
           "toolbar", "tables", "legend", "dendrogram", "nodecard", "treecard", "painting", "brush", "brushcard",
           "panel", "keys", "viewer")  # fmt: skip


@dataclass(frozen=True)
class Pick:
    """A place that the user chose: x, y in image pixels (see engine.trace, Convention), the index of the step that was
    shown, and n, which grows with each pick so that the same place can be picked twice."""

    x: float
    y: float
    step: int
    n: int


Box = tuple[float, float, float, float]

MOST = 256  # cells of a painting along its longest side
UNTOUCHED = 255  # a cell of a painting that no stroke has reached
RUN = 10  # characters of a run of equal cells at most: a label, a count and two spaces


@dataclass(frozen=True)
class Brush:
    """Labels can be painted over the picture; they stay in the browser until the user sends them.

    cells: along the longest side of the painting, 1 to MOST; the other side follows the picture's aspect ratio.
    send: the words on the button that sends the painting, which `painted` then returns.
    names: what can be painted, label 0 first, in colours of `engine.palette.safe`; none means the Trace's classes.
    Raises ValueError where cells are out of range or names too many.
    """

    cells: int = MOST
    send: str = "Go on from here"
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.cells <= MOST:
            raise ValueError(f"A brush paints on 1 to {MOST} cells along the longest side, not on {self.cells}.")
        if len(self.names) > UNTOUCHED:
            raise ValueError(f"A brush paints up to {UNTOUCHED} names, not {len(self.names)}.")

    def mount(self) -> dict[str, Any]:
        """What the browser needs to know of it."""
        return asdict(self) | {"colours": palette.safe(len(self.names)).tolist()}


@dataclass(frozen=True, eq=False)
class Painted:
    """A painting that the user sent.

    labels: (h, w) uint8 class indices, UNTOUCHED where nothing was painted; its cells divide the picture evenly.
    step: index of the step that was shown. n: grows with each painting, so that the same can be sent twice.
    """

    labels: np.ndarray
    step: int
    n: int


@dataclass(frozen=True)
class Row:
    """A row of a step's table that the user chose: index of the step, index of the row, and n, which grows with each
    choice so that the same row can be chosen twice. Both come from the browser: the step may have fewer rows."""

    step: int
    row: int
    n: int


_viewer = st.components.v2.component("saccade_viewer", html=read("viewer", "viewer.html"),
                                     css=read("viewer", "viewer.css"), js=join("viewer", MODULES))  # fmt: skip
_panel = st.components.v2.component("saccade_panel", html='<div class="aside"></div>', css=read("viewer", "viewer.css"),
                                    js=join("viewer", ("registry", "aside")))  # fmt: skip
_take = st.components.v2.component("saccade_take", html='<button type="button">Picture (PNG)</button>',
                                   css=read("viewer", "take.css"), js=join("viewer", ("registry", "take")))  # fmt: skip

_packed: WeakKeyDictionary[Trace, tuple[bytes, str, str]] = WeakKeyDictionary()


def _pack(trace: Trace) -> tuple[bytes, str, str]:
    """The packed Trace, its content id and its image's id, made once for as long as the Trace lives."""
    if trace not in _packed:
        data = pack(trace, name=str(trace.card.get("name", "saccade")))
        head, _ = read_frame(data)
        _packed[trace] = (data, head["id"], head["image_id"])
    return _packed[trace]


def viewer(trace: Trace, key: str, *, picks: bool = False, start: int | None = None,
           go: tuple[int, int] | None = None, brush: Brush | None = None, link: str = "", words: bool = False,
           rows: str = "", begin: str = "", zoom: Box | None = None) -> Pick | None:  # fmt: skip
    """Show `trace`; what the user looks at (step, opacity, classes ...) stays in the browser under `key`.

    picks: a click, or Enter at the keyboard's cross, is sent to Python and reruns the script or fragment.
    start: index of the step shown when the browser remembers none; None means the last one.
    go: (index of a step, n): the browser goes to that step once for each new n.
    zoom: with `go`, the box (x0, y0, x1, y1) in image pixels that the browser then looks at closely.
    brush: lets the user paint labels over the picture; what was sent is read with `painted`, best before this call.
    link: viewers of one page with the same link, not "", show the same step (one with fewer steps its last), opacity,
    cells and layers, at the same zoom and place, all in the browser; give them the same `start`.
    words: the titles of the steps stand as a line of words above the rail.
    rows: what choosing a row of a step's table does, e.g. "Force this word"; not "" makes the rows buttons, with bars
    where the last column of numbers lies in [0, 1]. The choice is read with `chosen_row`, best before this call.
    begin: what else the browser looks at where it remembers nothing, as `assets/viewer/state.js` writes it: "wipe:1".
    Returns the last pick made on this image, else None. A pick stays until the next one or another image: compare
    ``n`` to tell a new one.
    """
    data, content, image = _pack(trace)
    mount = frame({"key": key, "id": content, "picks": picks, "start": start, "go": go,
                   "brush": brush and brush.mount(), "link": link, "words": words, "rows": rows,
                   "begin": begin, "zoom": zoom})  # fmt: skip
    result = _viewer(key=key, data=mount + data, on_pick_change=_nothing, on_paint_change=_nothing,
                     on_row_change=_nothing)  # fmt: skip
    pick = result.pick
    if not isinstance(pick, dict) or pick.get("image") != image:
        return None
    return Pick(float(pick["x"]), float(pick["y"]), int(pick["step"]), int(pick["n"]))


def painted(key: str, image: np.ndarray, classes: int) -> Painted | None:
    """What was last painted over `image` (H, W, 3) in the viewer with this `key` and sent, else None.

    It is known before the viewer is called, so that a page can compute the Trace that it leads to in the same run. It
    stays until the next one or another image: compare ``n`` to tell a new one. classes: labels run to classes - 1.
    """
    message = _told(key, "paint", image)
    return message and read_painting(message, classes)


def chosen_row(key: str, image: np.ndarray) -> Row | None:
    """The row last chosen over `image` (H, W, 3) in the viewer with this `key`, else None; known and kept as what
    `painted` returns."""
    message = _told(key, "row", image)
    return message and read_row(message)


def _told(key: str, name: str, image: np.ndarray) -> dict[str, Any] | None:
    """The last message of this name from the viewer with this `key`, if it is about `image`."""
    message = st.session_state.get(key, {}).get(name)
    return message if isinstance(message, dict) and message.get("image") == image_id(image) else None


def read_row(message: dict[str, Any]) -> Row | None:
    """A chosen row from an untrusted message, None where it is not one; step and row are below 10,000."""
    step, row, n = (message.get(name) for name in ("step", "row", "n"))
    if not all(type(number) is int for number in (step, row, n)):
        return None
    return Row(step, row, n) if 0 <= step < 10_000 and 0 <= row < 10_000 and 0 < n < 2**53 else None


def read_painting(message: dict[str, Any], classes: int) -> Painted | None:
    """A painting from an untrusted message, None where it is not one; labels that are no class become UNTOUCHED.

    data: runs of equal cells, row by row, as "label count label count ...".
    """
    height, width, step, n, data = (message.get(name) for name in ("height", "width", "step", "n", "data"))
    if not all(type(number) is int for number in (height, width, step, n)) or not isinstance(data, str):
        return None
    if not (0 < height <= MOST and 0 < width <= MOST and 0 <= step < 10_000 and 0 < n < 2**53):
        return None
    if len(data) > RUN * height * width or not re.fullmatch(r"(?:[0-9]{1,3} [0-9]{1,5}(?: |$))+", data):
        return None
    labels, counts = np.array(data.split(), int).reshape(-1, 2).T
    if counts.sum() != height * width:
        return None
    labels = np.where(labels < classes, labels, UNTOUCHED).astype(np.uint8)
    return Painted(np.repeat(labels, counts).reshape(height, width), step, n)


def viewer_panel(key: str) -> None:
    """A place in another column where the viewer with this `key` draws its legend, views and readings."""
    _panel(key=f"{key}_panel", data={"key": key})


def take_picture(key: str, viewers: tuple[str, ...] = ()) -> None:
    """A button "Picture (PNG)" that saves what the viewers of these keys show, side by side, as they show it.

    viewers: none means the first one of the page and those that step together with it.
    """
    _take(key=key, data={"keys": list(viewers)})


def _nothing() -> None:
    """Streamlit keeps a component's value only where a callback is named."""
