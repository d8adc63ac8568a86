"""What all networks that label pixels share: device and precision, working size, layers, tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine import palette, receptive, tensors
from engine.cards import Card
from engine.data import stanford, voc
from engine.trace import Layer, Table

SIZES = (0.75, 1.0, 1.25)  # of the working size, each also mirrored, when an answer is averaged over views
_COLOURS = {s.name: s.colours for s in (stanford.LABELS, voc.LABELS)}


@dataclass(frozen=True)
class Reading:
    """One class at one pixel: what each part adds in logits, their sum, and the softmax of it."""

    name: str
    parts: tuple[float, ...]
    logit: float
    probability: float


class Labelling:
    """A network on a device with its card; subclasses add `variants`, `encode`, `scores`, `predict` and `trace`.

    On CUDA it runs channels-last in bfloat16 (float16 where the chip has no bfloat16); scores are float32 again.
    """

    variants: tuple[str, ...] = ()
    answer: str | None = None  # the variant whose figures stand for the model; None means the last
    multiple = tensors.MULTIPLE  # that the sides of the input must be of

    def __init__(self, card: Card, network: nn.Module, device: str = "cpu") -> None:
        self.card, self.device = card, torch.device(device)
        self.network = network.to(self.device, memory_format=torch.channels_last).eval().requires_grad_(False)
        self.colours = _COLOURS.get(card.settings.get("labels", ""), palette.voc(len(card.classes)))

    @property
    def scored(self) -> tuple[str, ...]:
        """The variants that come from logits, which `scores` gives; all of them unless a model says otherwise."""
        return self.variants

    @property
    def usual(self) -> str:
        """The variant that stands for the model: `answer`, else the last."""
        return self.answer or self.variants[-1]

    def scores(self, encoding: Any, variant: str | None = None) -> Tensor:
        """(1, K, h, w) float32 logits over the whole picture that `encode` gave `encoding` for.

        variant: one of `scored`; None means `usual`. Raises KeyError for another one.
        """
        raise NotImplementedError

    def autocast(self) -> AbstractContextManager:
        """Half precision on CUDA, full precision elsewhere."""
        half = torch.bfloat16 if self.device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float16
        return torch.autocast("cuda", half, enabled=self.device.type == "cuda")

    def working_size(self, rgb: np.ndarray) -> tuple[int, int]:
        """(h, w) at which the network sees a picture (H, W, 3)."""
        return tensors.working_size(*rgb.shape[:2], tuple(self.card.settings["longest"]), self.multiple)

    def cell_at(self, rgb: np.ndarray, x: float, y: float, stride: int) -> tuple[int, int]:
        """(row, column) of the cell of `stride` input pixels under (x, y), image pixel frame, clamped into the map."""
        sides = zip((y, x), rgb.shape[:2], self.working_size(rgb), strict=True)
        return tuple(min(max(int(at / side * seen / stride), 0), seen // stride - 1) for at, side, seen in sides)

    def listened(self, rgb: np.ndarray, score: Callable[[Tensor], Tensor]) -> tuple[np.ndarray, np.ndarray]:
        """Where in the picture (H, W, 3) a number comes from. score: the network's input (1, 3, h, w) -> scalar.

        Returns |gradient| as (h/4, w/4) float with peak 1, and the box (4,) in the image pixel frame that holds nine
        tenths of it (`engine.receptive`).
        """
        size = self.working_size(rgb)
        heat = receptive.effective(score, tensors.to_input(rgb, size, self.device))
        scale = np.array([rgb.shape[1] / size[1], rgb.shape[0] / size[0]] * 2)
        small = F.max_pool2d(heat[None, None], 4)[0, 0].cpu().numpy()
        return small, np.array(receptive.box_of(heat, 0.9)) * scale

    def averaged(self, run: Callable[[tuple[int, int], bool], Sequence[Tensor]], size: tuple[int, int],
                 average: bool) -> list[Tensor]:  # fmt: skip
        """The maps (1, K, h, w) of ``run(size, mirror)``; with `average` their mean over `SIZES` and mirror images.

        The maps of every view are enlarged or shrunk to those of the view at `size` = (h, w) of the input.
        """
        plain = list(run(size, False))
        if not average:
            return plain
        sizes = [tensors.working_size(round(size[0] * s), round(size[1] * s), (32, 4096), self.multiple)
                 for s in SIZES]  # fmt: skip
        views = [run(s, mirror) for s in sizes for mirror in (False, True) if (s, mirror) != (size, False)]
        columns = zip(plain, *views, strict=True)
        return [
            torch.stack([_resized(x, first.shape[-2:]) for x in (first, *rest)]).mean(0) for first, *rest in columns
        ]

    def readings(self, parts: Sequence[Tensor], rgb: np.ndarray, x: float, y: float, top: int = 3) -> list[Reading]:
        """How the best `top` classes of the pixel under (x, y), image pixel frame, come to their logits.

        parts: maps (1, K, h, w) over the picture (H, W, 3) whose sum is the logits.
        """
        at = tensors.at_pixel(torch.cat(list(parts)), rgb.shape[:2], x, y).T  # (K, parts)
        logits = at.sum(1)
        chance = logits.softmax(0)
        return [Reading(self.card.classes[k], tuple(at[k].tolist()), float(logits[k]), float(chance[k]))
                for k in logits.argsort(descending=True)[:top].tolist()]  # fmt: skip

    def label_layer(self, name: str, logits: Tensor) -> Layer:
        """(1, K, h, w) logits as a layer of kind labels."""
        return Layer("labels", name, logits[0].float().cpu().numpy(), unit="logit")


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return maps if maps.shape[-2:] == size else F.interpolate(maps, size, mode="bilinear", align_corners=False)


def heat_layer(name: str, parts: Tensor) -> Layer:
    """(1, K, h, w) signed contributions as a heat layer with one map for each class, on a scale symmetric about 0."""
    data = parts[0].float().cpu().numpy()
    bound = max(float(np.abs(data).max()), 1e-6)
    return Layer("heat", name, data, range=(-bound, bound), unit="logit")


def changed(before: Tensor, after: Tensor) -> str:
    """The share of cells whose best class differs between two maps of logits (1, K, h, w), in words."""
    return f"{100 * float((before.argmax(1) != after.argmax(1)).float().mean()):.1f} %"


def label_table(logits: Tensor, classes: tuple[str, ...]) -> Table:
    """Share of the map and mean probability there of each class that wins somewhere, largest first."""
    probability, label = logits[0].float().softmax(0).max(0)
    flat, certain = label.flatten(), probability.flatten()
    count = torch.bincount(flat, minlength=len(classes)).float()
    mean = torch.bincount(flat, certain, minlength=len(classes)) / count.clamp(min=1)
    order = [int(k) for k in count.argsort(descending=True) if count[k] > 0]
    rows = ((classes[k], round(100 * float(count[k]) / len(flat), 1), round(float(mean[k]), 3)) for k in order)
    return Table(("class", "share, %", "mean probability"), tuple(rows))
