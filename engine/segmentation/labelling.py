"""What all networks that label pixels share: device and precision, working size, layers, tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine import palette, tensors
from engine.cards import Card
from engine.data import stanford, voc
from engine.trace import Layer, Table

SIZES = (0.75, 1.0, 1.25)  # of the working size, each also mirrored, when an answer is averaged over views
_COLOURS = {s.name: s.colours for s in (stanford.LABELS, voc.LABELS)}


class Labelling:
    """A network on a device with its card; subclasses add `variants`, `encode`, `predict` and `trace`.

    On CUDA it runs channels-last in bfloat16 (float16 where the chip has no bfloat16); scores are float32 again.
    """

    variants: tuple[str, ...] = ()

    def __init__(self, card: Card, network: nn.Module, device: str = "cpu") -> None:
        self.card, self.device = card, torch.device(device)
        self.network = network.to(self.device, memory_format=torch.channels_last).eval().requires_grad_(False)
        self.colours = _COLOURS.get(card.settings.get("labels", ""), palette.voc(len(card.classes)))

    def autocast(self) -> AbstractContextManager:
        """Half precision on CUDA, full precision elsewhere."""
        half = torch.bfloat16 if self.device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float16
        return torch.autocast("cuda", half, enabled=self.device.type == "cuda")

    def working_size(self, rgb: np.ndarray) -> tuple[int, int]:
        """(h, w) at which the network sees a picture (H, W, 3)."""
        return tensors.working_size(*rgb.shape[:2], tuple(self.card.settings["longest"]))

    def averaged(self, run: Callable[[tuple[int, int], bool], Sequence[Tensor]], size: tuple[int, int],
                 average: bool) -> list[Tensor]:  # fmt: skip
        """The maps (1, K, h, w) of ``run(size, mirror)``; with `average` their mean over `SIZES` and mirror images.

        The maps of every view are enlarged or shrunk to those of the view at `size` = (h, w) of the input.
        """
        plain = list(run(size, False))
        if not average:
            return plain
        sizes = [tensors.working_size(round(size[0] * s), round(size[1] * s), (32, 4096)) for s in SIZES]
        views = [run(s, mirror) for s in sizes for mirror in (False, True) if (s, mirror) != (size, False)]
        columns = zip(plain, *views, strict=True)
        return [
            torch.stack([_resized(x, first.shape[-2:]) for x in (first, *rest)]).mean(0) for first, *rest in columns
        ]

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


def label_table(logits: Tensor, classes: tuple[str, ...]) -> Table:
    """Share of the map and mean probability there of each class that wins somewhere, largest first."""
    probability, label = logits[0].float().softmax(0).max(0)
    flat, certain = label.flatten(), probability.flatten()
    count = torch.bincount(flat, minlength=len(classes)).float()
    mean = torch.bincount(flat, certain, minlength=len(classes)) / count.clamp(min=1)
    order = [int(k) for k in count.argsort(descending=True) if count[k] > 0]
    rows = ((classes[k], round(100 * float(count[k]) / len(flat), 1), round(float(mean[k]), 3)) for k in order)
    return Table(("class", "share, %", "mean probability"), tuple(rows))
