"""What a visit knows of the files it brought: each file with what was said about it and what came of the check."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from engine.debug.architectures import Architecture, Choice
from engine.debug.checkpoints import Weights
from engine.debug.onnx_process import Network
from engine.debug.onnx_spec import Finding, Spec
from pages.kit import owned


@dataclass(eq=False)
class Draft:
    """A file: its title and SHA-256, the network or weights in it, the architecture of weights, what is `said` about
    it, what was `guessed` and what that rests on, and after a check the findings and the model's name."""

    title: str
    file: str
    source: Network | Weights
    found: Architecture | None
    said: Spec | Choice
    guessed: Spec | Choice
    first: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = ()
    name: str = ""
    checked: bool = False

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Those of the first look that still stand, then those of the check."""
        kept = (f for f in self.first if all(getattr(self.said, a) == getattr(self.guessed, a) for a in f.about))
        return (*kept, *self.findings)

    @property
    def line(self) -> str:
        """What is in the file, in one line."""
        size = f"{self.source.size / 2**20:.1f} MB"
        if self.found:
            return f"{size} · {self.found.title} · {self.found.classes} classes"
        info = self.source.info
        return f"{size} · ONNX · {info.nodes:,} nodes · {info.parameters / 1e6:.2f} M parameters"


@dataclass(eq=False)
class Desk:
    """The files of this visit, the last `owned.MOST`; `shown` is looked at; `turn` makes fresh widgets."""

    drafts: dict[str, Draft] = field(default_factory=dict)
    shown: str = ""
    turn: int = 0
    former: Draft | None = None  # put away last

    @property
    def draft(self) -> Draft | None:
        """The file that is looked at."""
        return self.drafts.get(self.shown)

    def take(self, draft: Draft) -> None:
        """Show a new file; the oldest goes where they are too many."""
        self.drafts.pop(draft.file, None)
        self.drafts[draft.file], self.shown, self.former = draft, draft.file, None
        self.turn += 1
        while len(self.drafts) > owned.MOST:
            oldest = next(iter(self.drafts))
            owned.drop(oldest)
            del self.drafts[oldest]

    def put_away(self) -> None:
        """Close the file that is looked at, and its model."""
        self.former = self.drafts.pop(self.shown, None)
        owned.drop(self.shown)
        self.shown = next(reversed(self.drafts), "")
        self.turn += 1

    def undo(self) -> None:
        """The file that was put away last comes back, and is checked anew."""
        if self.former:
            self.former.checked = False
            self.take(self.former)

    def say(self, said: Spec | Choice) -> None:
        """Something else is said about the file that is looked at: it must be checked again."""
        self.draft.said, self.draft.checked = said, False
        self.turn += 1


def desk() -> Desk:
    """This visit's."""
    return st.session_state.setdefault("own_desk", Desk())
