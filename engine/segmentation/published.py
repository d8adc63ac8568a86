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
from collections.abc import Callable, Sequence
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engine.cards import Card, ModelError
from engine.segmentation.onepass import OnePass

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
    fold(network.net.eval())
    return Published(card, network, device)


def fold(module: nn.Module) -> None:
    """Fold each batch norm into the convolution just before it, in place: the same function in less time."""
    for (name, conv), (following, norm) in pairwise(list(module.named_children())):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(conv, norm))
            setattr(module, following, nn.Identity())
    for child in module.children():
        fold(child)


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


class Normalised(nn.Module):
    """A torchvision segmentation network up to its last enlargement. (B, 3, H, W) in [-1, 1] -> (B, K, h, w).

    mean, std: of RGB in [0, 1], three numbers each.
    """

    def __init__(self, net: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """RGB as x / 127.5 - 1, as all networks here take it; the weights' own normalisation happens inside."""
        features = self.net.backbone(((x + 1) / 2 - self.mean) / self.std)
        return self.net.classifier(features if "low" in features else features["out"])


class Stride8(Normalised):
    """One of the networks whose weights torchvision publishes: cells of stride 8."""

    def __init__(self, name: str, classes: int) -> None:
        from torchvision.models import get_model_weights

        preset = get_model_weights(name).DEFAULT.transforms()
        super().__init__(empty(name, classes), preset.mean, preset.std)


def empty(name: str, classes: int) -> nn.Module:
    """torchvision's network called `name` with random weights and without its auxiliary head."""
    from torchvision.models import get_model

    options = {} if name.startswith("lraspp") else {"aux_loss": False}
    return get_model(name, weights=None, weights_backbone=None, num_classes=classes, **options)


class Published(OnePass):
    """One of torchvision's networks."""
