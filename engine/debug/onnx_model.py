"""A user's network in ONNX as people meet it: with the face of torchvision's networks, and in a process of its own.

References
1. `engine.debug.onnx_spec`, Convention: how pixels go in, and what comes out.
2. Binary segmentation: one channel z of logits is two classes with logits (0, z), since sigmoid(z) = softmax(0, z)[1].
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from engine import tensors
from engine.cards import Card, ModelError
from engine.debug.onnx_pipe import Tick
from engine.debug.onnx_process import Network
from engine.debug.onnx_spec import SCALES, Spec, label_set
from engine.segmentation.onepass import MOST_VALUES, OnePass

SURE = 10.0  # logit of the class that a network without scores names, the others have 0
LEAST = 1e-7  # probability that still has a logarithm


class OnnxModel(OnePass):
    """A network in ONNX with what was said about it. Runs on the CPU.

    values: layer -> names of what it gives inside of the network, once `engine.debug.layer_onnx` has looked.
    """

    network: Remote

    def __init__(self, card: Card, source: Network, spec: Spec) -> None:
        """Raises ModelError where the spec cannot be."""
        if sentence := spec.wrong():
            raise ModelError(sentence)
        self.spec, self.source = spec, source
        self.multiple = spec.multiple
        self.values: dict[str, tuple[str, ...]] = {}
        super().__init__(card, Remote(source, spec))

    def working_size(self, rgb: np.ndarray) -> tuple[int, int]:
        """(h, w) at which the network sees a picture (H, W, 3): its own fixed sides where it has them."""
        h, w = tensors.working_size(*rgb.shape[:2], (self.spec.multiple, self.spec.longest), self.spec.multiple)
        return self.spec.height or h, self.spec.width or w

    def close(self) -> None:
        """End its process."""
        self.source.close()


def card_of(name: str, spec: Spec, source: Network) -> Card:
    """The card of a network that somebody brought: nothing on it was measured here."""
    info, labels = source.info, label_set(spec.classes)
    failures = ("It gives labels, no scores: its certainty says nothing.",) if spec.kind == "labels" else ()
    settings = {"longest": [spec.multiple, spec.longest], "onnx": {"input": spec.input, "output": spec.output}}
    return Card(name, name, f"Your network, from ONNX: {info.nodes:,} nodes, {info.parameters:,} parameters.",
                paper="", slides="", data="your own", split="", classes=spec.classes,
                settings=settings | ({"labels": labels} if labels else {}), failures=failures)  # fmt: skip


class Remote(nn.Module):
    """What stands where our networks stand: (1, 3, H, W) RGB in [-1, 1] -> logits (1, K, h, w)."""

    def __init__(self, source: Network, spec: Spec) -> None:
        super().__init__()
        self.source, self.spec = source, spec

    def forward(self, x: Tensor) -> Tensor:
        """Raises ModelError with a sentence where the network fails, or gives what the spec does not say."""
        found, _ = self.raw(x)
        return as_logits(found, self.spec)

    def raw(self, x: Tensor, tick: Tick | None = None) -> tuple[np.ndarray, float]:
        """What the network itself gives for (1, 3, H, W) RGB in [-1, 1], and the seconds it took."""
        return self.source.run(as_input(x, self.spec), self.spec.input, self.spec.output, tick)


def as_input(x: Tensor, spec: Spec) -> np.ndarray:
    """(1, 3, H, W) RGB in [-1, 1] -> the array that the network of `spec` takes."""
    x = (x + 1) * 127.5
    if spec.channels == "BGR":
        x = x.flip(1)
    elif spec.channels == "grey":  # ITU-R BT.601
        x = (x * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    if spec.dtype == "uint8":
        x = x.round().clamp(0, 255)
    else:
        divided, less = SCALES[spec.scale]
        mean, std = (torch.tensor(v[: x.shape[1]]).view(-1, 1, 1) for v in (spec.mean, spec.std))
        x = (x / divided - less - mean) / std
    if spec.layout.endswith("HWC"):
        x = x.permute(0, 2, 3, 1)
    if not spec.layout.startswith("N"):
        x = x[0]
    return x.contiguous().numpy().astype(spec.dtype)


def as_logits(found: np.ndarray, spec: Spec) -> Tensor:
    """The network's output -> logits (1, K, h, w) float32. Raises ModelError where it is not what `spec` says."""
    if spec.kind == "labels":
        return _one_hot(found, len(spec.classes))
    last = spec.out_layout == "NHWC"
    maps = found[None] if found.ndim == 3 and (found.shape[-1] if last else found.shape[0]) > 1 else found
    if maps.ndim < 4 and maps.size == maps.shape[-1] * maps.shape[-2]:
        maps = maps.reshape(1, 1, *maps.shape[-2:])  # one channel without an axis of its own
        last = False
    if maps.ndim != 4 or len(maps) != 1 or not maps.size or maps.dtype.kind not in "fiub":
        raise ModelError(f"The output is {found.dtype} {found.shape}, not one map of scores: choose another output, or "
                         "the kind that fits.")  # fmt: skip
    x = torch.from_numpy(maps.astype(np.float32))
    x = x.permute(0, 3, 1, 2) if last else x
    if not bool(torch.isfinite(x).all()):
        raise ModelError("The output holds numbers that are not finite: check scale, mean and deviation.")
    if spec.kind == "probabilities":
        if float(x.min()) < -1e-3 or float(x.max()) > 1 + 1e-3:
            raise ModelError(f"The output runs from {float(x.min()):.2f} to {float(x.max()):.2f}, so it is no "
                             "probabilities: choose logits.")  # fmt: skip
        x = x.clamp(LEAST, 1)
        x = torch.cat([(1 - x).clamp(min=LEAST), x], 1).log() if x.shape[1] == 1 else x.log()
    elif x.shape[1] == 1:
        x = torch.cat([torch.zeros_like(x), x], 1)
    if x.shape[1] != len(spec.classes):
        raise ModelError(f"The output {tuple(found.shape)} speaks of {x.shape[1]} classes, but there are "
                         f"{len(spec.classes)} names: give one for each.")  # fmt: skip
    return x


def _one_hot(found: np.ndarray, classes: int) -> Tensor:
    """Labels (h, w), with axes of one before or behind or not, -> logits (1, K, h, w).

    Of two classes the second may be called 255 instead of 1, as in pictures of masks.
    """
    labels = plane(found)
    if labels is None:
        raise ModelError(f"The output has the shape {found.shape}, so it is no map of labels: choose logits.")
    with np.errstate(invalid="ignore"):
        whole = labels.astype(np.int64)
    if labels.dtype.kind == "f" and not np.array_equal(whole, labels):
        raise ModelError("The output holds fractions, so it is no map of labels: choose logits or probabilities.")
    if classes == 2 and bool(np.isin(whole, (0, 255)).all()):
        whole = whole // 255
    if whole.min() < 0 or whole.max() >= classes:
        odd = int(whole.max() if whole.max() >= classes else whole.min())
        raise ModelError(f"The output holds the label {odd}, but there are {classes} names: name all classes.")
    n = math.ceil(math.sqrt(max(classes * whole.size / MOST_VALUES, 1)))  # every n-th pixel stays within the bound
    index = torch.from_numpy(whole[n // 2 :: n, n // 2 :: n].copy())[None, None]  # (1, 1, h, w)
    return torch.zeros(1, classes, *index.shape[2:]).scatter_(1, index, SURE)


def plane(found: np.ndarray) -> np.ndarray | None:
    """(h, w) of (h, w), (1, h, w), (1, 1, h, w), (1, h, w, 1) or (h, w, 1); None of anything else."""
    pairs = [found.shape[i : i + 2] for i in range(found.ndim - 1)] if found.size and found.ndim <= 4 else []
    sides = next((pair for pair in reversed(pairs) if math.prod(pair) == found.size and 1 not in pair[:1]), None)
    return None if sides is None else found.reshape(sides)
