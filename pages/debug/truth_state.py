"""What a visit keeps while it gives and looks at a ground truth: the uploaded mask, what was dropped, what is shown."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from engine.debug.ground import Truth, judge
from engine.debug.masks import Mask
from engine.debug.polygons import Drawing
from pages.kit import truths
from pages.kit.picker import Chosen
from pages.kit.viewer import Box

KEY = "truth"
SOURCE = "truth_source"  # its name in the URL
JUDGE, UPLOAD, DRAW = "Judge", "Upload", "Draw"

Classes = tuple[str, ...]


@dataclass(eq=False)
class Upload:
    """A mask that was uploaded for a picture, and what its entries stand for in each set of classes."""

    mask: Mask
    guesses: dict[Classes, Truth] = field(default_factory=dict)
    mappings: dict[Classes, list[int]] = field(default_factory=dict)

    def mapping(self, classes: Classes, colours: np.ndarray) -> list[int]:
        """A class index or VOID for each entry: guessed at first, then as the visitor left it."""
        if classes not in self.mappings:
            self.guesses[classes] = judge(self.mask, classes, colours)
            self.mappings[classes] = list(self.guesses[classes].mapping)
        return self.mappings[classes]


@dataclass(eq=False)
class Desk:
    """The visit's work on one picture. former: what was dropped, by classes. drawn: n of the drawing that was taken
    last. start: what the drawing begins with, and n of it. turn: makes widgets fresh."""

    upload: Upload | None = None
    former: dict[Classes, tuple[np.ndarray, Upload | None]] = field(default_factory=dict)
    drawn: dict[Classes, int] = field(default_factory=dict)
    start: dict[Classes, Drawing] = field(default_factory=dict)
    note: str = ""
    refused: str = ""
    turn: int = 0
    taken: str = ""  # id of the file that was read last
    region: int | None = None
    row: int = 0  # n of the row that was taken last
    go: tuple[int, int] | None = None
    zoom: Box | None = None

    def drop(self, key: str, classes: Classes) -> None:
        """Forget the visitor's truth; `undo` brings it back."""
        self.former[classes] = (truths.get(key, classes), self.upload)
        self.upload, self.region, self.turn = None, None, self.turn + 1
        truths.drop(key, classes)

    def undo(self, key: str, classes: Classes) -> None:
        """Take back what was dropped last."""
        labels, self.upload = self.former.pop(classes)
        truths.keep(key, classes, labels)

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
