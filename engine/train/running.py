"""What every training needs: an average of the weights on the way, and to go on where it was cut off.

References
1. Polyak and Juditsky 1992: the weights that ship are an exponential average over the last steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def average(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor], None]:
    """An exponential average for `AveragedModel` that forgets faster at first, so that little is left of the weights
    that it began with."""

    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        kept = min(decay, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(averaged, current, 1 - kept)

    return torch.no_grad()(update)


def keep(path: Path, epoch: int, state: Mapping[str, Any]) -> None:
    """Write a checkpoint after `epoch` whole epochs; `state` names what has a state dict."""
    fresh = path.with_suffix(".fresh")
    torch.save({"epoch": epoch, **{name: thing.state_dict() for name, thing in state.items()}}, fresh)
    fresh.replace(path)


def restore(path: Path, state: Mapping[str, Any]) -> int:
    """Load a checkpoint into the objects of `state`; the number of epochs done (0 without a checkpoint)."""
    if not path.exists():
        return 0
    saved = torch.load(path, map_location="cpu", weights_only=True)
    for name, thing in state.items():
        thing.load_state_dict(saved[name])
    return saved["epoch"]
