"""How the layers of a network are heard while it runs, without anybody else's runs meeting the hooks.

References
1. PyTorch, `torch.nn.Module.register_forward_hook`: how a module's output is heard.
2. PyTorch, `torch.overrides.TorchFunctionMode`: sees each call of a function of torch in its own thread.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from engine.debug.layer_fields import tensors_in

_RELU, _RELU6 = (0.0, float("inf")), (0.0, 6.0)


class LayersError(ValueError):
    """A network cannot be looked into, or not so; the message is one clear sentence."""


def network_of(model: Any) -> nn.Module:
    """The network of `model` that sees the picture; of a captioner its encoder. Raises LayersError."""
    network = getattr(model, "encoder", None) or getattr(model, "network", None)
    if not isinstance(network, nn.Module) or not any(True for _ in network.parameters()):
        raise LayersError("This model has no layers to open: an ONNX file is run as one piece by onnxruntime.")
    return network


def twin(network: nn.Module) -> nn.Module:
    """The modules of `network` once more around the same weights, so that nobody meets the hooks on them.

    Raises LayersError where a module cannot be copied.
    """
    shared = {id(t): t for t in (*network.parameters(), *network.buffers())}
    try:
        return copy.deepcopy(network, shared)
    except Exception as error:  # somebody else's modules may hold anything
        raise LayersError(f"This network cannot be opened: {type(network).__name__} cannot be copied.") from error


class Listening(TorchFunctionMode):
    """While entered it tells each tensor x that a module of `network`, a twin, gives: ``tell(name, call, part, x)``.

    A module whose weights are used without calling it, as `engine.segmentation.patches` does, is heard as well.
    bounds: (name, call, part) -> between which a ReLU that directly follows lets values pass.
    """

    def __init__(self, network: nn.Module, tell: Callable[[str, int, int, Tensor], None]) -> None:
        super().__init__()
        self.bounds: dict[tuple[str, int, int], tuple[float, float]] = {}
        self._tell, self._calls, self._inside = tell, Counter(), []
        self._given = WeakTensorKeyDictionary()  # tensor -> the outputs that it is
        self._weights = {}
        for name, module in network.named_modules():
            module.register_forward_pre_hook(lambda *_, name=name: self._inside.append(name))
            module.register_forward_hook(lambda _, inputs, out, name=name: self._left(name, out))
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                self._weights[id(module.weight)] = name

    def _left(self, name: str, out: Any) -> None:
        self._inside.pop()
        self._heard(name, out)

    def _heard(self, name: str, out: Any) -> None:
        self._calls[name] += 1
        for part, x in enumerate(tensors_in(out), 1):
            if x.is_floating_point() and x.ndim > 1 and x.numel():
                key = name, self._calls[name], part
                self._given[x] = (*self._given.get(x, ()), key)
                self._tell(*key, x)

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: Mapping | None = None) -> Any:
        """Run a function of torch; notice ReLUs, and weights of modules that nobody called."""
        kwargs = kwargs or {}
        between = _bounds(getattr(func, "__name__", ""), *args, **kwargs)
        if between and args[0] in self._given:
            self.bounds.update(dict.fromkeys(self._given.pop(args[0]), between))
        out = func(*args, **kwargs)
        name = self._weights.get(id(args[1])) if len(args) > 1 else None
        if name is not None and name not in self._inside and isinstance(out, Tensor):
            self._heard(name, out)
        return out


def _bounds(name: str, *args: Any, **kwargs: Any) -> tuple[float, float] | None:
    """Between which the function of torch of that name lets values pass, if it is a ReLU."""
    if name == "hardtanh":
        return float(kwargs.get("min_val", -1.0)), float(kwargs.get("max_val", 1.0))
    return {"relu": _RELU, "relu_": _RELU, "relu6": _RELU6}.get(name)
