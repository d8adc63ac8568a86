"""What every training needs: an average of the weights on the way, and to go on where it was cut off.

References
1. Polyak and Juditsky 1992: the weights that ship are an exponential average over the last steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


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


@dataclass
class Snapshots:
    """What a network was on the way: its weights in half precision, and a row of numbers for each."""

    states: list[dict[str, Tensor]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @staticmethod
    def at(total: int, count: int) -> set[int]:
        """After how many of `total` steps to take one of `count`: from 0 to all, closer together at first."""
        return {int(step) for step in (total * np.linspace(0, 1, count) ** 2.5).round()}

    def take(self, net: nn.Module, step: int, losses: Sequence[float], figures: Mapping[str, Any]) -> None:
        """Keep `net` after `step` steps, with the mean of its last 50 losses and other figures."""
        self.states.append({k: v.half().cpu().clone() for k, v in net.state_dict().items() if v.is_floating_point()})
        self.rows.append({"step": step, "loss": round(float(np.mean(losses[-50:])), 4) if losses else None, **figures})

    def tensors(self) -> dict[str, Tensor]:
        """All of them by names that `zoo.part` takes apart: snapshots.INDEX.NAME."""
        return {f"snapshots.{i}.{k}": v for i, state in enumerate(self.states) for k, v in state.items()}

    def state_dict(self) -> dict[str, Any]:
        """For `keep`."""
        return {"states": self.states, "rows": self.rows}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """For `restore`."""
        self.states, self.rows = state["states"], state["rows"]
