"""What one model says about one picture, in the one form that all of the debugging bench works on.

Convention
----------
Logits cover the whole picture, whatever their resolution (`engine.trace`); enlarged bilinearly, then the argmax.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine import tensors
from engine.trace import Layer


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer of a variant of a model.

    rgb: (H, W, 3) uint8. logits: (K, h, w) float32. colours: (K, 3) uint8 of the classes. card: as a Trace carries it.
    """

    rgb: np.ndarray
    logits: np.ndarray
    classes: tuple[str, ...]
    colours: np.ndarray
    card: Mapping[str, Any]
    variant: str

    @cached_property
    def labels(self) -> np.ndarray:
        """(H, W) uint8: the class of the highest logit at each pixel."""
        return tensors.winners(self._enlarged()).numpy()

    @property
    def probability(self) -> np.ndarray:
        """(K, H, W) float32: the softmax of the enlarged logits; large, made anew each time."""
        return self._enlarged().softmax(0).numpy()

    @cached_property
    def certainty(self) -> np.ndarray:
        """(H, W) float32: the probability of the class that wins."""
        return self._enlarged().softmax(0).amax(0).numpy()

    def layer(self, name: str = "labels") -> Layer:
        """The labels as a layer that knows its logits."""
        return Layer("labels", name, self.logits, unit="logit")

    def _enlarged(self) -> Tensor:
        return tensors.to_pixels(torch.from_numpy(self.logits)[None], self.rgb.shape[:2])[0]


@torch.inference_mode()
def answer(model: Any, picture: Any, variant: str | None = None) -> Answer:
    """What `model` (`engine.segmentation.labelling.Labelling`) says about a picture.

    picture: (H, W, 3) uint8, or what `model.encode` gave. variant: one of `model.scored`, None means `model.usual`.
    Raises KeyError for another one.
    """
    encoding = model.encode(picture) if isinstance(picture, np.ndarray) else picture
    variant = variant or model.usual
    logits = model.scores(encoding, variant)[0].float().cpu().numpy()
    return Answer(encoding.rgb, logits, tuple(model.card.classes), model.colours, model.card.asdict(), variant)
