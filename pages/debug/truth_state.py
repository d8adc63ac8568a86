"""What a visit keeps while it gives and looks at a ground truth: the uploaded mask, what was dropped, what is shown."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from engine.debug.ground import READINGS, Reading, Truth, judge
from engine.debug.masks import Mask, turn_like_photo
from engine.debug.polygons import Drawing, blank, rasterise
from engine.debug.shapes import Shapes
from pages.kit import truths
from pages.kit.picker import Chosen
from pages.kit.viewer import Box

KEY = "truth"
SOURCE = "truth_source"  # its name in the URL
JUDGE, UPLOAD, DRAW = "Judge", "Upload", "Draw"
GUESS = "Best guess"  # the name of no reading
UNDOS = 8  # truths that can be taken back

Classes = tuple[str, ...]


@dataclass(eq=False)
class Upload:
    """A mask that was uploaded for a picture, and how it is read.

    read_by: name of the reading for each set of classes, `GUESS` at first; one of `readings`. turned: like the photo.
    by_hand: what was changed in a reading entry by entry. taken: the classes in which it is the truth by now. before:
    the upload whose place it took.
    """

    mask: Mask
    before: Upload | None = None
    readings: dict[str, Reading] = field(default_factory=lambda: dict(READINGS))
    read_by: dict[Classes, str] = field(default_factory=dict)
    turned: bool = False
    by_hand: dict[tuple[Classes, str], tuple[int, ...]] = field(default_factory=dict)
    taken: set[Classes] = field(default_factory=set)

    def use(self, classes: Classes, reading: Reading) -> None:
        """Read the mask so, in these classes."""
        self.readings[reading.name] = reading
        self.read_by[classes] = reading.name

    def turn(self) -> None:
        """Turn the mask like the photo, or back."""
        self.turned = not self.turned

    def truth(self, classes: Classes, colours: np.ndarray, answer: np.ndarray | None = None,
              mine: Reading | None = None) -> Truth:  # fmt: skip
        """What the mask says in these classes. answer: the model's labels (H, W), to check the reading by. mine: what
        the visitor changed by hand."""
        mask = turn_like_photo(self.mask) if self.turned else self.mask
        reading = mine or self.readings.get(self.read_by.get(classes, GUESS))
        return judge(mask, classes, colours, reading, answer)


@dataclass(eq=False)
class Import:
    """Shapes out of a file. by_hand: what their names stand for in each set of classes, where that was chosen, else it
    is guessed. taken: the mapping by which they are the truth by now."""

    shapes: Shapes
    by_hand: dict[Classes, dict[str, int | None]] = field(default_factory=dict)
    taken: dict[Classes, dict[str, int | None]] = field(default_factory=dict)

    def mapping(self, classes: Classes) -> dict[str, int | None]:
        """A class index, VOID or None (left out) for each name."""
        return self.by_hand.get(classes) or self.shapes.guess(classes)


Former = tuple[np.ndarray | None, tuple[str, ...], Upload | None, Drawing | None]


@dataclass(eq=False)
class Desk:
    """The visit's work on one picture. former: what was dropped or replaced, by classes, the last one last. drawn: n of
    the drawing that was taken last. start: what the drawing begins with, and when that was said (ms). sheet: the
    drawing as it is known here. brought: the shapes that came last. turn: makes widgets fresh.
    """

    upload: Upload | None = None
    labelmap: Reading | None = None
    former: dict[Classes, list[Former]] = field(default_factory=dict)
    drawn: dict[Classes, int] = field(default_factory=dict)
    start: dict[Classes, tuple[Drawing, int]] = field(default_factory=dict)
    sheet: dict[Classes, Drawing] = field(default_factory=dict)
    brought: Import | None = None
    refused: str = ""
    turn: int = 0
    taken: str = ""  # id of the file that was read last
    region: int | None = None
    row: int = 0  # n of the row that was taken last
    go: tuple[int, int] | None = None
    zoom: Box | None = None

    def remember(self, key: str, classes: Classes, upload: Upload | None) -> None:
        """Before another truth takes its place: `undo` brings the one that is known now back, or that there is none.

        upload: the mask that it comes from, if any.
        """
        now = truths.get(key, classes), truths.notes(key, classes), upload, self.sheet.get(classes)
        self.former.setdefault(classes, []).append(now)
        del self.former[classes][:-UNDOS]

    def begin(self, classes: Classes, drawing: Drawing) -> None:
        """Let the drawing in the browser be this one; there it can be taken back, too."""
        self.start[classes], self.sheet[classes] = (drawing, time.time_ns() // 1_000_000), drawing

    def drop(self, key: str, classes: Classes) -> None:
        """Forget the visitor's truth; `undo` brings it back."""
        self.remember(key, classes, self.upload)
        self.upload, self.brought, self.region, self.turn = None, None, None, self.turn + 1
        self.begin(classes, blank(truths.get(key, classes).shape))
        truths.drop(key, classes)

    def undo(self, key: str, classes: Classes) -> None:
        """Take back what was dropped or replaced last."""
        now = truths.get(key, classes)
        labels, notes, self.upload, sheet = self.former[classes].pop()
        self.brought, self.region, self.turn = None, None, self.turn + 1
        if labels is None:
            truths.drop(key, classes)
        else:
            truths.keep(key, classes, labels, notes)
        if labels is None and now is None:
            return
        if labels is None or sheet is None or not np.array_equal(rasterise(sheet), labels):
            sheet = blank(now.shape) if labels is None else Drawing((), labels)
        self.begin(classes, sheet)

    def is_new(self, file: UploadedFile) -> bool:
        """True once for each uploaded file."""
        before, self.taken = self.taken, file.file_id
        return before != file.file_id

    def show(self, step: int, zoom: Box | None) -> None:
        """Let the viewer go to a step and look at a box of the picture."""
        self.go, self.zoom = (step, time.time_ns() // 1_000_000), zoom


def desk(chosen: Chosen) -> Desk:
    """This visit's for the image in hand; of another image it begins anew."""
    key, kept = st.session_state.get(f"{KEY}_desk", (None, None))
    if key != chosen.key:
        kept = Desk()
        st.session_state[f"{KEY}_desk"] = chosen.key, kept
    return kept
