"""A network for distorted digits as the app asks it: pictures in, and everything that it did with them out.

References
1. Jaderberg et al. 2015, sections 3 and 4.1, appendix A.1. Lecture slides 126-131.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from engine import zoo
from engine.cards import Card, ModelError
from engine.spatial.distortions import TASKS, Task
from engine.spatial.networks import DigitNet, Layout
from engine.trace import Trace


@dataclass(frozen=True, eq=False)
class Reading:
    """What a network made of pictures (B, C, S, S).

    chances: (B, K) float32, softmax of the scores. theta: one (B, n) for each transformer; grids: one (B, 28, 28, 2)
    each, where it sampled (see `engine.spatial.networks`, Convention); crops: one (B, C, 28, 28) each in [0, 1].
    """

    chances: np.ndarray
    theta: tuple[np.ndarray, ...]
    grids: tuple[np.ndarray, ...]
    crops: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class DigitModel:
    """A trained network, its task, and the networks that it was on the way (`past`, oldest first, may be none)."""

    card: Card
    net: DigitNet
    task: Task
    past: tuple[DigitNet, ...] = field(default=())

    def read(self, pictures: np.ndarray, snapshot: int | None = None) -> Reading:
        """What the network, or the one it was at `snapshot`, makes of pictures (B, C, S, S) float in [0, 1].

        Raises ValueError where the shape is not the task's, IndexError where there is no such snapshot.
        """
        shape = (self.task.channels, self.task.size, self.task.size)
        if pictures.ndim != 4 or pictures.shape[1:] != shape:
            raise ValueError(f"{self.card.name} reads pictures of {shape}, not of {pictures.shape[1:]}.")
        net = self.net if snapshot is None else self.past[snapshot]
        device = next(net.parameters()).device
        with torch.inference_mode():
            look = net.look(torch.as_tensor(np.ascontiguousarray(pictures, np.float32)).to(device))
            chances = look.logits.softmax(1)
        return Reading(chances.cpu().numpy(), *(tuple(t.cpu().numpy() for t in part)
                                                for part in (look.theta, look.grids, look.crops)))  # fmt: skip

    def trace(self, rgb: np.ndarray) -> Trace:
        """What the network does with the one digit on a picture (H, W, 3) uint8, in MNIST's form on the task's canvas.

        Raises ModelError where there is no digit to be seen, or the network wants two.
        """
        from engine.spatial.digits_trace import reading_trace
        from engine.spatial.placing import KIND, UPRIGHT, draw
        from engine.spatial.samples import from_upload

        if self.task.pairs:
            raise ModelError(f"{self.card.name} adds two digits: a picture of one is not enough for it.")
        try:
            digit = np.rint(255 * from_upload(rgb)).astype(np.uint8)
        except ValueError as error:
            raise ModelError(str(error)) from error
        canvas = draw(digit, self.task, UPRIGHT[KIND[self.task.name]])
        return reading_trace(self, canvas[None].astype(np.float32) / 255)


def build(card: Card, device: str = "cpu") -> DigitModel:
    """The model that `card` describes, with its weights. Raises ModelError."""
    weights = zoo.read_weights(card)
    layout = Layout(**card.settings["layout"])
    now = {k: v for k, v in weights.items() if not k.startswith("snapshots.")}
    many = len(card.settings.get("snapshots", ()))
    past = tuple(_net(layout, zoo.part(weights, f"snapshots.{i}."), device) for i in range(many))
    return DigitModel(card, _net(layout, now, device), TASKS[card.settings["task"]], past)


def _net(layout: Layout, weights: dict[str, Tensor], device: str) -> DigitNet:
    net = DigitNet(layout)
    zoo.fill(net, weights)
    return net.eval().requires_grad_(False).to(device)
