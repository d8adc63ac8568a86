"""Every model by its name: the card that says what it is, the weights, checked, and the object that makes Traces.

References
1. safetensors: a file format that holds tensors and can run nothing.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from engine import registry
from engine.cards import ASSETS, Card, ModelError
from engine.keep import Keep

ARENAS = 2  # of glibc's memory
LOADED = Keep(256 * 2**20)  # models by name and device; what was not asked for longest goes first

if TYPE_CHECKING:  # torch takes seconds to import: what asks for names and cards alone does without
    from torch import Tensor, nn

# engine.spatial.distortions.TASKS and engine.train.digits.KINDS, here by name alone: this file imports no model
_DIGITS = [f"digits-{task}-{kind}" for task in ("r", "rts", "p", "e", "tc")
           for kind in ("plain", "affine", "projective", "tps")]  # fmt: skip

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
    **dict.fromkeys([*_DIGITS, "digits-sum-plain", "digits-sum-tps"], "engine.spatial.digits_model:build"),
    **dict.fromkeys(["digits-find-t", "digits-find-tc"], "engine.spatial.finding_model:build"),
    "fcn_resnet50": "engine.segmentation.published:build",
    "deeplabv3_resnet50": "engine.segmentation.published:build",
    "lraspp_mobilenet_v3_large": "engine.segmentation.published:build",
}


def names() -> tuple[str, ...]:
    """The models that `load` knows, in the order of the lecture, then those that engineers registered."""
    return (*_BUILDERS, *registry.entries())


def load(name: str, device: str = "cpu") -> Any:
    """The model called `name`, ready to trace on `device`; loaded once for each device. Raises ModelError."""
    import torch

    return _load(name, str(torch.device(device)))


def keep_memory() -> None:
    """Ask glibc to keep freed buffers rather than to return them page by page: up to a quarter off each run on a CPU.

    It costs what one run needs at its peak, some 80 MB, held for as long as the process lives, in each of glibc's
    arenas: so there are `ARENAS` for all threads, where glibc would take eight for each core.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-8, ARENAS)  # M_ARENA_MAX; before threads take more
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
    except (OSError, AttributeError):
        pass  # another C library: slower, not wrong


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A model, and the bytes of its numbers (`engine.keep.size_of`)."""

    model: Any
    held: int


def _load(name: str, device: str) -> Any:
    keep_memory()
    if name not in names():
        raise ModelError(f"There is no model called {name!r}; the models are {', '.join(names())}.")
    return LOADED.get((name, device), lambda: _loaded(build(registry.card(name), device))).model


def _loaded(model: Any) -> _Loaded:
    from torch import nn

    parts = [part for part in vars(model).values() if isinstance(part, nn.Module)] if hasattr(model, "__dict__") else []
    tensors = {id(x): x for part in parts for x in (*part.parameters(), *part.buffers())}
    return _Loaded(model, sum(x.numel() * x.element_size() for x in tensors.values()))


def build(card: Card, device: str = "cpu") -> Any:
    """The model that `card`, one of `names`, describes, with the weights that lie in assets. Raises ModelError."""
    if entry := registry.entries().get(card.name):
        return entry.build(card, device)
    module, function = _BUILDERS[card.name].split(":")
    return getattr(importlib.import_module(module), function)(card, device)


def weights_path(name: str) -> Path:
    """Where the bundled weights of `name` lie."""
    return ASSETS / "weights" / f"{name}.safetensors"


def read_weights(card: Card) -> dict[str, Tensor]:
    """The bundled tensors of `card` as float32, after its SHA-256 was checked. Raises ModelError."""
    import safetensors.torch

    path = weights_path(card.name)
    if not path.exists():
        raise ModelError(f"The weights of {card.name} are missing: {path.name} is not in {path.parent}.")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise ModelError(f"The weights of {card.name} are not the ones its card describes: the checksum differs.")
    return {name: tensor.float() for name, tensor in safetensors.torch.load(data).items()}


def part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def fill(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load `weights` into `model`; counters of batches, which only training reads, may be missing."""
    counters = {k: v for k, v in model.state_dict().items() if not v.is_floating_point()}
    model.load_state_dict({**counters, **weights})


def write_weights(name: str, model: nn.Module, beside: Mapping[str, Tensor] = MappingProxyType({})) -> str:
    """Save a model's tensors, and others `beside` them, in half precision as assets/weights/NAME.safetensors.

    Returns the file's SHA-256.
    """
    import safetensors.torch

    path = weights_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {**model.state_dict(), **beside}
    safetensors.torch.save_file({k: v.half().contiguous().cpu() for k, v in tensors.items()}, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()
