"""How healthy attention is: whether the maps of a caption's words differ, are sharp, and reach over the grid.

References
1. Lin 1991, "Divergence Measures Based on the Shannon Entropy": the Jensen-Shannon divergence.
2. Xu et al. 2015, section 4.2.1: attention that treats all places alike in the end; lecture slides 101-102.

Convention
----------
A map is a distribution over L places. Divergences and entropies are in nats: between two maps 0 (the same) to log 2
(nothing in common); of one map 0 (one place) to log L (everywhere alike).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.attention.telling import Telling

_ALIKE = 0.01  # nats between successive maps, of log 2 = 0.69: below it nobody sees a difference
_EVERYWHERE = 0.9  # share of the places that a map of the same entropy would weigh alike


@dataclass(frozen=True, eq=False)
class Health:
    """What the T maps of a caption say about its attention.

    divergences: (T - 1,) between the maps of successive words, and their mean `divergence`. entropies: (T,), and their
    mean `entropy`. coverage: share of the places that some word gives at least twice the even share 1/L.
    similarity: (T, T) cosines between all maps, 1 on the diagonal. places: L.
    A single map has no divergence: nan.
    """

    divergences: np.ndarray
    entropies: np.ndarray
    coverage: float
    similarity: np.ndarray
    places: int

    @property
    def divergence(self) -> float:
        """Mean Jensen-Shannon divergence between successive maps, 0 to log 2 nats."""
        return float(self.divergences.mean()) if len(self.divergences) else math.nan

    @property
    def entropy(self) -> float:
        """Mean entropy of the maps, 0 to log L nats."""
        return float(self.entropies.mean())


def maps(telling: Telling) -> Tensor | None:
    """(T, L) distribution over the places for each word and the ending; None without attention.

    What weighed the annotation vectors, or, where one place alone was looked at, the chances softmax(e) of all places:
    so the maps of soft and hard attention can be compared.
    """
    if telling.alphas is None:
        return None
    return torch.stack([told.alpha if told.place is None else told.e.softmax(0) for told in telling.words])


def health(alphas: Tensor) -> Health:
    """Of attention maps (T, L), T >= 1: rows that are not negative and sum to one."""
    p = alphas.double()
    entropies = torch.special.entr(p).sum(1)  # (T,)
    between = torch.special.entr((p[1:] + p[:-1]) / 2).sum(1) - (entropies[1:] + entropies[:-1]) / 2  # (T - 1,)
    unit = p / p.norm(dim=1, keepdim=True)
    covered = (p >= 2 / p.shape[1]).any(0)  # (L,)
    return Health(between.clamp(min=0).numpy(), entropies.numpy(), float(covered.double().mean()),
                  (unit @ unit.T).clamp(max=1).numpy(), p.shape[1])  # fmt: skip


def warning(health: Health) -> str:
    """One plain sentence where a model looks everywhere alike, or always at the same places; else ""."""
    spread = math.exp(health.entropy)  # places that a map of this entropy would weigh alike
    if spread > _EVERYWHERE * health.places:
        return f"It looks everywhere alike: its maps are as wide as {spread:.0f} of {health.places} cells."
    if health.divergence < _ALIKE:
        return (f"It looks at the same places for every word: successive maps differ by {health.divergence:.3f} of at "
                f"most {math.log(2):.2f} nats.")  # fmt: skip
    return ""
