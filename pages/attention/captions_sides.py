"""The two captions of the page: a model, a picture, perhaps hidden in part, a telling and a Trace, kept for a visit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.attention.captions_model import CaptionModel, Encoding
from engine.attention.telling import Telling
from engine.trace import Trace
from pages.attention.captions_controls import Asked
from pages.attention.captions_painting import covered, look_at
from pages.kit import models
from pages.kit.keeping import once
from pages.kit.picker import Chosen
from pages.kit.rooms import CAPTIONS
from pages.kit.viewer import Painted


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two captions. key: of its viewer. owner: model, picture, what of it is hidden, what was asked and
    painted, so that what is computed from them can be kept."""

    key: str
    model: CaptionModel
    encoding: Encoding
    telling: Telling
    trace: Trace
    owner: tuple

    @property
    def kind(self) -> str:
        """plain, soft or hard."""
        return self.model.kind

    @property
    def words(self) -> tuple[str, ...]:
        """The words as the page writes them, the ending as a full stop."""
        return tuple(self.model.word(told.word) for told in self.telling.words)


def tell(key: str, model: CaptionModel, chosen: Chosen, asked: Asked, painting: Painted | None = None,
         hidden: np.ndarray | None = None) -> Side:  # fmt: skip
    """What `model` tells of the picture. painting: of this side's viewer. hidden: (H, W) bool, to be painted over."""
    look = look_at(painting)
    rgb, where = (chosen.rgb, "") if hidden is None else covered(chosen.rgb, hidden)
    owner = (model.card.name, chosen.key, where, asked, painting.n if look else 0)

    def make() -> Side:
        encoding = models.encoding(CAPTIONS.models[0], chosen.key + where, rgb)  # one encoder serves all captioners
        telling = model.tell(encoding, asked.wish(look))
        trace = replace(model.trace(encoding, telling), image=chosen.rgb)
        return Side(key, model, encoding, telling, trace, owner)

    return once("captions_told", (key, *owner), make)
