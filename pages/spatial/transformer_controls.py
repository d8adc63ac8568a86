"""What the page of the spatial transformers asks: task, family, and where the digit comes from, all in the URL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from engine.spatial.distortions import TASKS, Task
from engine.spatial.placing import KIND
from pages.kit.keys import linked
from pages.kit.rooms import TRANSFORMER
from pages.spatial.transformer_shown import FAMILIES
from pages.spatial.transformer_source import counted, pad, sampled, uploaded, upright

TASK_WORDS = {"R": "turned", "RTS": "turned, scaled, moved", "P": "in perspective", "E": "bent", "TC": "cluttered"}
SOURCES = ("pick", "draw", "upload")


@dataclass(frozen=True, eq=False)
class Asked:
    """digit: (28, 28) uint8, upright, blank where there is none yet. label: what it is, None where nobody knows.

    drawn: (28, 28) uint8, the pad as the user left it, None where the digit is not drawn. seed: of TC's distractors.
    """

    task: Task
    family: str
    digit: np.ndarray
    label: int | None
    drawn: np.ndarray | None = None
    seed: int = 0

    @property
    def name(self) -> str:
        """Of the network with the transformer."""
        return f"digits-{self.task.name.lower()}-{self.family}"

    @property
    def plain(self) -> str:
        """Name of the network without."""
        return f"digits-{self.task.name.lower()}-plain"


def ask() -> Asked:
    """Draw the controls; what they say."""
    name = st.selectbox("The digit is", list(KIND), format_func=TASK_WORDS.get, **linked(TRANSFORMER, "task"),
                        filter_mode=None, help="What was done to the digits that the networks saw.")  # fmt: skip
    family = st.pills("Transformer", list(FAMILIES), format_func=FAMILIES.get, default="affine",
                      **linked(TRANSFORMER, "transformer"), required=True)  # fmt: skip
    source = st.segmented_control("Digit from", SOURCES, default=SOURCES[0],
                                  **linked(TRANSFORMER, "from"), required=True)  # fmt: skip
    task, seed, drawn = TASKS[name], 0, None
    if source == "pick":
        digit, label = sampled()
    else:
        label, drawn = None, pad() if source == "draw" else None
        digit = upright(drawn) if source == "draw" else uploaded()
    if task.name == "TC":
        seed = counted("clutter", 10_000, "New distractors", ":material/scatter_plot:")
    return Asked(task, family, digit, label, drawn, seed)
