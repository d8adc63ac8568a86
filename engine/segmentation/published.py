"""torchvision's own segmentation networks with their published weights, fetched once when the user asks for them.

References
1. Long et al. 2015 (fcn_resnet50), Chen et al. 2017 "Rethinking Atrous Convolution" (deeplabv3_resnet50), Howard et
   al. 2019 "Searching for MobileNetV3", section 6.4 (lraspp_mobilenet_v3_large).
2. https://docs.pytorch.org/vision/stable/models.html#semantic-segmentation: weights and their figures.
3. Lecture slides 39-43.

Convention
----------
All three give logits at stride 8, enlarged to pixels as torchvision does: bilinear, half-pixel centres.
Pictures are stretched to multiples of 32 with 640 pixels on the longer side; torchvision's own figures were measured
with 520 on the shorter side, which is the same to 8 % for pictures of 4 to 3.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import get_model, get_model_weights

from engine import tensors
from engine.cards import Card, ModelError
from engine.segmentation.labelling import Labelling, label_table
from engine.trace import Layer, Step, Trace

STRIDE = 8
TIMEOUT = 20.0  # seconds without a byte after which a host counts as unreachable
Progress = Callable[[int, int], None]  # bytes so far, bytes in all (0 where the host does not say)


def build(card: Card, device: str) -> Published:
    """The network that `card` describes with its published weights, fetched first if need be. Raises ModelError."""
    path = download(card)
    network = Stride8(card.name, len(card.classes))
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.net.load_state_dict({k: v for k, v in state.items() if not k.startswith("aux_classifier.")})
    except Exception as error:  # torch.load raises many kinds on a broken file
        raise ModelError(f"The weights of {card.name} in {path} do not fit the network.") from error
    _fold(network.net.eval())
    return Published(card, network, device)


def _fold(module: nn.Module) -> None:
    """Fold each batch norm into the convolution just before it, in place: the same function in less time."""
    for (name, conv), (following, norm) in pairwise(list(module.named_children())):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(conv, norm))
            setattr(module, following, nn.Identity())
    for child in module.children():
        _fold(child)


def weights_file(card: Card) -> Path:
    """Where the weights of `card` lie once fetched: the folder that torchvision itself uses."""
    return Path(torch.hub.get_dir()) / "checkpoints" / card.settings["url"].rsplit("/", 1)[-1]


def available(name: str) -> bool:
    """True where the weights of the model called `name` are on this machine already. Raises ModelError."""
    return weights_file(Card.read(name)).exists()


def download(card: Card, progress: Progress = lambda done, total: None) -> Path:
    """The weights of `card` on this machine, fetched if they are not there yet. Raises ModelError."""
    path = weights_file(card)
    if path.exists():
        _check(path, card.settings["url"])
        return path
    try:
        return fetch(card.settings["url"], path.parent, progress)
    except ModelError as error:
        raise ModelError(f"{card.name} ({card.settings['megabytes']:.0f} MB) cannot be loaded: {error}") from error


def fetch(url: str, into: Path, progress: Progress = lambda done, total: None) -> Path:
    """Copy the file at `url` (https or file) into the folder `into`; return its path.

    The file appears under its name only when it is whole and its SHA-256 starts as its name says (NAME-HASH.pth).
    progress: called with bytes so far and bytes in all. Raises ModelError; nothing half done stays behind.
    """
    name = url.rsplit("/", 1)[-1]
    part = None
    try:
        into.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=TIMEOUT) as source:
            total, done = int(source.headers.get("Content-Length") or 0), 0
            handle, part = tempfile.mkstemp(prefix=name, suffix=".part", dir=into)
            with os.fdopen(handle, "wb") as target:
                while block := source.read(1 << 18):
                    target.write(block)
                    done += len(block)
                    progress(done, total)
        if total and done != total:
            raise ModelError(f"The connection ended after {done / 1e6:.1f} of {total / 1e6:.1f} MB; please try again.")
        _check(Path(part), url)
        os.replace(part, into / name)
        return into / name
    except (OSError, HTTPException, ValueError) as error:
        sentence = f"It needs the internet once, and {_host(url)} cannot be reached ({_reason(error)})."
        raise ModelError(sentence) from error
    finally:
        if part and os.path.exists(part):
            os.remove(part)


def _check(path: Path, url: str) -> None:
    """Raises ModelError where the file is not the one that the name in `url` promises."""
    wanted = re.search(r"-([0-9a-f]{8,64})\.\w+$", url)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if wanted and not found.startswith(wanted[1]):
        raise ModelError(f"{path.name} is damaged: its checksum is not the one in its name; remove it and try again.")


def _host(url: str) -> str:
    return url.split("/")[2] if url.startswith("http") else url


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error).rstrip(".")


class Stride8(nn.Module):
    """A torchvision segmentation network up to its last enlargement. (B, 3, H, W) in [-1, 1] -> (B, K, H/8, W/8)."""

    def __init__(self, name: str, classes: int) -> None:
        super().__init__()
        options = {} if name.startswith("lraspp") else {"aux_loss": False}
        self.net = get_model(name, weights=None, weights_backbone=None, num_classes=classes, **options)
        preset = get_model_weights(name).DEFAULT.transforms()
        self.register_buffer("mean", torch.tensor(preset.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(preset.std).view(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """RGB as x / 127.5 - 1, as all networks here take it; the weights' own normalisation happens inside."""
        features = self.net.backbone(((x + 1) / 2 - self.mean) / self.std)
        return self.net.classifier(features if "low" in features else features["out"])


@dataclass(frozen=True, eq=False)
class Encoding:
    """One picture after the network: `rgb` (H, W, 3) uint8 and `logits` (1, K, h/8, w/8) float32."""

    rgb: np.ndarray
    logits: Tensor


class Published(Labelling):
    """One of torchvision's networks; it has one variant, "out", as torchvision calls its answer."""

    variants = ("out",)

    @torch.inference_mode()
    def encode(self, rgb: np.ndarray, average: bool = False) -> Encoding:
        """Run the network on (H, W, 3) uint8. average: the mean over six views (`averaged`)."""
        (logits,) = self.averaged(
            lambda size, mirror: [self._logits(rgb, size, mirror)], self.working_size(rgb), average
        )
        return Encoding(rgb, logits)

    def _logits(self, rgb: np.ndarray, size: tuple[int, int], mirror: bool = False) -> Tensor:
        x = tensors.to_input(rgb, size, self.device)
        with self.autocast():
            logits = self.network(x.flip(-1) if mirror else x).float()
        return logits.flip(-1) if mirror else logits

    def scores(self, encoding: Encoding, variant: str | None = None) -> Tensor:
        """(1, K, h/8, w/8) float32 logits; see `Labelling.scores`."""
        return {"out": encoding.logits}[variant or "out"]

    def labels(self, encoding: Encoding) -> np.ndarray:
        """(H, W) uint8: the class of the highest logit at each pixel of the picture."""
        return tensors.to_labels(encoding.logits, encoding.rgb.shape[:2])

    def all_labels(self, encoding: Encoding) -> dict[str, np.ndarray]:
        """{"out": labels (H, W) uint8}."""
        return {"out": self.labels(encoding)}

    def predict(self, rgb: np.ndarray, average: bool = False) -> dict[str, np.ndarray]:
        """{"out": labels (H, W) uint8}."""
        return self.all_labels(self.encode(rgb, average))

    def trace(self, image: np.ndarray | Encoding, average: bool = False) -> Trace:
        """The steps from the image to its labels. image: (H, W, 3) uint8 or what `encode` gave."""
        encoding = image if isinstance(image, Encoding) else self.encode(image, average)
        return Trace(encoding.rgb, self.card.asdict(), self._steps(encoding), self.card.classes, self.colours,
                     {"average": average})  # fmt: skip

    def _steps(self, encoding: Encoding) -> tuple[Step, ...]:
        rgb, logits = encoding.rgb, encoding.logits
        rows, columns = logits.shape[-2:]
        photo = Layer("image", "picture", rgb)
        cells = Layer("cells", "cells, stride 8", np.array((rows, columns)), attributes={"stride": STRIDE})
        table = label_table(logits, self.card.classes)
        first = f"{table.rows[0][0]} covers {table.rows[0][1]} % of the picture" if table.rows else "nothing was found"
        return (
            Step("Image", f"{rgb.shape[1]} x {rgb.shape[0]} pixels, as the network gets them.", (photo,)),
            Step("Scores, stride 8", f"{columns} x {rows} cells, each with a score for {len(self.card.classes)} "
                 "classes.", (photo, self.label_layer("scores, stride 8", logits), cells)),
            Step("Labels", f"Scores enlarged to pixels, then the class of the highest one: {first}.",
                 (photo, self.label_layer("labels", logits)), table),
        )  # fmt: skip
