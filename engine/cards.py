"""A model's card: what it is, what it was measured to do, and where it fails; plain data, no tensor library needed.

References
1. Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).resolve().parent.parent / "assets"


class ModelError(RuntimeError):
    """A model cannot be had; the message is one clear sentence for the person who asked for it."""


@dataclass(frozen=True)
class Card:
    """What a model is and what it was measured to do (reference 1). `assets/cards/NAME.json` holds these fields.

    figures: validation figures as shares from 0 to 1; settings: what the builder needs to know.
    """

    name: str
    title: str
    summary: str
    paper: str
    slides: str
    data: str
    split: str
    classes: tuple[str, ...]
    figures: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    failures: tuple[str, ...] = ()
    sha256: str = ""  # of the weights file
    bundled: bool = True

    @staticmethod
    def read(name: str) -> Card:
        """The card of a model. Raises ModelError where assets/cards has none of that name."""
        path = ASSETS / "cards" / f"{name}.json"
        if not re.fullmatch(r"[\w-]+", name) or not path.exists():
            raise ModelError(f"There is no card of a model called {name!r}.")
        values = json.loads(path.read_text(encoding="utf8"))
        return Card(**{**values, "classes": tuple(values["classes"]), "failures": tuple(values.get("failures", ()))})

    def write(self) -> Path:
        """Save as assets/cards/NAME.json; return its path."""
        path = ASSETS / "cards" / f"{self.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n", encoding="utf8")
        return path

    def asdict(self) -> dict[str, Any]:
        """Plain JSON values, as a Trace carries them."""
        return dataclasses.asdict(self)

    @property
    def line(self) -> str:
        """The card in one line, for badges and listings."""
        shown = (words.format(self.figures[key] * scale) for key, words, scale in _SHOWN if key in self.figures)
        return " · ".join(part for part in (self.name, self.data, ", ".join(shown)) if part)


# key of a figure, how it is written, and what it is multiplied by for that
_SHOWN = (
    ("pixel_accuracy", "pixels right {:.1f} %", 100),
    ("mean_iou", "mean IoU {:.1f} %", 100),
    ("bleu1", "BLEU-1 {:.1f} %", 100),
    ("bleu4", "BLEU-4 {:.1f} %", 100),
    ("cider_d", "CIDEr-D {:.2f}", 1),
    ("test_error", "test error {:.2f} %", 100),
    ("test_found", "found {:.1f} % of test digits", 100),
)
