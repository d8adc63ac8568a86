"""What the tabs of the spatial transformers' page are about: a task, a digit on its canvas, two networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import streamlit as st

from engine.cards import ModelError
from engine.spatial.digits_model import DigitModel, Reading
from pages.kit import models

KEY = "transformer"
FAMILIES = {"affine": "affine", "projective": "projective", "tps": "thin plate spline"}


@dataclass(frozen=True, eq=False)
class Shown:
    """model: the network with a transformer; plain: the CNN without, None where it is not there.

    picture: (1, S, S) float32 in [0, 1], the digit as it lies on the task's canvas now. label: what it is, None where
    nobody said.
    """

    model: DigitModel
    plain: DigitModel | None
    picture: np.ndarray
    label: int | None = None

    @property
    def task(self) -> str:
        """ "R", "RTS", "P", "E" or "TC"."""
        return self.model.task.name

    @property
    def owner(self) -> tuple[str, str, str]:
        """All that an answer depends on: the models and the picture."""
        name = "" if self.plain is None else self.plain.card.name
        return (self.model.card.name, name, sha256(np.ascontiguousarray(self.picture).tobytes()).hexdigest())

    @cached_property
    def reading(self) -> Reading:
        """What the network with the transformer makes of the picture."""
        return self.model.read(self.picture[None])

    @cached_property
    def plain_reading(self) -> Reading | None:
        """What the plain CNN makes of it."""
        return self.plain and self.plain.read(self.picture[None])


def network(name: str, say: bool = True) -> Any | None:
    """The model called `name`; where it is not there a sentence says so (if `say`), and it is None."""
    try:
        return models.model(name)
    except ModelError as error:
        if say:
            st.warning(str(error))
        return None
