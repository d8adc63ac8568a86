"""Every model by its name: the card that says what it is, the weights, checked, and the object that makes Traces.

References
1. safetensors: a file format that holds tensors and can run nothing.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from engine.cards import ASSETS, Card, ModelError

# name -> "module:function" that takes (card, device) and returns the model
_BUILDERS = {
    "fcn-scenes": "engine.segmentation.fcn_model:build",
    "fcn-animals": "engine.segmentation.fcn_model:build",
    "patches": "engine.segmentation.patches_model:build",
    "multiscale": "engine.segmentation.multiscale_model:build",
    "multiscale-classic": "engine.segmentation.multiscale_model:build",
    "recurrent": "engine.segmentation.recurrent_model:build",
    "caption-plain": "engine.attention.captions_model:build",
    "caption-soft": "engine.attention.captions_model:build",
    "caption-hard": "engine.attention.captions_model:build",
    "fcn_resnet50": "engine.segmentation.published:build",
    "deeplabv3_resnet50": "engine.segmentation.published:build",
    "lraspp_mobilenet_v3_large": "engine.segmentation.published:build",
}


def names() -> tuple[str, ...]:
    """The models that `load` knows, in the order of the lecture."""
    return tuple(_BUILDERS)


def load(name: str, device: str = "cpu") -> Any:
    """The model called `name`, ready to trace on `device`; loaded once for each device. Raises ModelError."""
    return _load(name, str(torch.device(device)))


def keep_memory() -> None:
    """Ask glibc to keep freed buffers rather than to return them page by page: up to a quarter off each run on a CPU.

    It costs what one run needs at its peak, some 80 MB, held for as long as the process lives.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
    except (OSError, AttributeError):
        pass  # another C library: slower, not wrong


@lru_cache(maxsize=16)
def _load(name: str, device: str) -> Any:
    keep_memory()
    if name not in _BUILDERS:
        raise ModelError(f"There is no model called {name!r}; the models are {', '.join(names())}.")
    return build(Card.read(name), device)


def build(card: Card, device: str = "cpu") -> Any:
    """The model that `card`, one of `names`, describes, with the weights that lie in assets. Raises ModelError."""
    module, function = _BUILDERS[card.name].split(":")
    return getattr(importlib.import_module(module), function)(card, device)


def weights_path(name: str) -> Path:
    """Where the bundled weights of `name` lie."""
    return ASSETS / "weights" / f"{name}.safetensors"


def read_weights(card: Card) -> dict[str, Tensor]:
    """The bundled tensors of `card` as float32, after its SHA-256 was checked. Raises ModelError."""
    path = weights_path(card.name)
    if not path.exists():
        raise ModelError(f"The weights of {card.name} are missing: {path.name} is not in {path.parent}.")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise ModelError(f"The weights of {card.name} are not the ones its card describes: the checksum differs.")
    return {name: tensor.float() for name, tensor in safetensors.torch.load(data).items()}


def write_weights(name: str, model: nn.Module) -> str:
    """Save a model's tensors in half precision as assets/weights/NAME.safetensors; return the file's SHA-256."""
    path = weights_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file({k: v.half().contiguous().cpu() for k, v in model.state_dict().items()}, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()
