"""The receptive field of every tensor of a network, by arithmetic along the way that it really took.

References
1. Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", Distill.
2. PyTorch, `torch.overrides.TorchFunctionMode`: sees each call of a function of torch in its own thread.

Convention
----------
Pixels of the network's input, x to the right, y down; rows and columns have a field each (`engine.receptive.Field`).
A filter's taps that are zero in all filters see nothing. What mixes the whole picture, such as global pooling, and
every function that is not listed here, leaves no field: None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from engine.receptive import Field

Fields = tuple[Field, Field]  # of rows, of columns
START: Fields = (Field(), Field())
ROWS, COLUMNS = AXES = (0, 1)

# Functions whose cell (i, j) comes from the cells (i, j) of what they are given, where the sizes are the same.
POINTWISE = frozenset({
    "relu", "relu_", "relu6", "hardtanh", "leaky_relu", "elu", "gelu", "silu", "hardswish", "hardsigmoid", "sigmoid",
    "tanh", "softplus", "softmax", "log_softmax", "batch_norm", "dropout", "dropout2d", "add", "add_", "__add__",
    "__radd__", "__iadd__", "sub", "__sub__", "__rsub__", "mul", "mul_", "__mul__", "__rmul__", "__imul__", "div",
    "__truediv__", "square", "sqrt", "clamp", "exp", "abs", "float", "half", "to", "type", "contiguous", "clone",
    "detach", "cat", "einsum",
})  # fmt: skip


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in nested sequences and mappings, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from tensors_in(part)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors_in(part)


class Following(TorchFunctionMode):
    """While it is entered it follows the field of every tensor that comes from the network's input `x` (1, 3, h, w)."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self._known = WeakTensorKeyDictionary()  # what is not in here does not depend on the picture
        self._known[x] = START

    def fields(self, x: Tensor) -> Fields | None:
        """The fields of a tensor that was made since; None where arithmetic does not know it."""
        return self._known.get(x)

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: Mapping | None = None) -> Any:
        """Run a function of torch, and note the fields of what it gives."""
        kwargs = kwargs or {}
        given = [self._known[t] for t in tensors_in((args, kwargs)) if t in self._known]
        out = func(*args, **kwargs)
        if given:
            fields = None if None in given else self._after(getattr(func, "__name__", ""), given, out, args, kwargs)
            for made in tensors_in(out):
                self._known[made] = fields
        return out

    def _after(self, name: str, given: Sequence[Fields], out: Any, args: tuple, kwargs: Mapping) -> Fields | None:
        if not isinstance(out, Tensor) or out.ndim != 4:
            return None
        if name in POINTWISE and _in_place(name, out, args, kwargs):
            return hull(given)
        rule = _RULES.get(name)
        return rule(given[0], out, *args, **kwargs) if rule and len(given) == 1 else None


def _in_place(name: str, out: Tensor, args: tuple, kwargs: Mapping) -> bool:
    """Whether each cell stays where it is and meets no other one of its map."""
    if name == "einsum":
        terms, found = args[0].replace(" ", "").split("->")
        return all(term[-2:] == found[-2:] or not set(term) & set(found[-2:]) for term in terms.split(","))
    if "softmax" in name and kwargs.get("dim", args[1] if len(args) > 1 else None) not in (1, -3):
        return False
    return all(t.shape[-2:] == out.shape[-2:] for t in tensors_in((args, kwargs)) if t.ndim == 4 and t.numel() > 1)


def hull(fields: Sequence[Fields]) -> Fields | None:
    """What holds all of these fields cell by cell; None where their strides differ."""
    joined = []
    for axis in AXES:
        of = [f[axis] for f in fields]
        if len({f.stride for f in of}) > 1:
            return None
        low, high = min(f.centre - f.size / 2 for f in of), max(f.centre + f.size / 2 for f in of)
        joined.append(Field(high - low, of[0].stride, (low + high) / 2))
    return tuple(joined)


def _on(value: Any, axis: int) -> int:
    """An argument of a convolution or pooling on one axis: a number, or a pair of them."""
    return value if isinstance(value, int) else value[axis % len(value)]


def _conv2d(of, out, x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Fields | None:
    if isinstance(padding, str):
        return None
    found = []
    for axis in AXES:
        taps = (weight != 0).any(0).any(0).any(1 - axis).nonzero().flatten().tolist() or [0, weight.shape[2 + axis] - 1]
        first, holes = taps[0], _on(dilation, axis)
        before = _on(padding, axis) - first * holes
        found.append(of[axis].conv((taps[-1] - first) * holes + 1, _on(stride, axis), before))
    return tuple(found)


def _conv_transpose2d(of, out, x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1,
                      dilation=1) -> Fields:  # fmt: skip
    """Output cell o is made of the input cells between (o + padding - reach) / stride and (o + padding) / stride."""
    found = []
    for axis in AXES:
        f, step, reach = of[axis], _on(stride, axis), _on(dilation, axis) * (weight.shape[2 + axis] - 1)
        centre = f.centre + (_on(padding, axis) - reach / 2) / step * f.stride
        found.append(Field(f.size + reach / step * f.stride, f.stride / step, centre))
    return tuple(found)


def _pool(of, kernel, stride, padding, dilation=1) -> Fields:
    stride = kernel if stride is None or stride == [] else stride
    return tuple(of[axis].conv(_on(dilation, axis) * (_on(kernel, axis) - 1) + 1, _on(stride, axis), _on(padding, axis))
                 for axis in AXES)  # fmt: skip


def _avg_pool2d(of, out, x, kernel_size, stride=None, padding=0, *more, **rest) -> Fields:
    return _pool(of, kernel_size, stride, padding)


def _max_pool2d(of, out, x, kernel_size, stride=None, padding=0, dilation=1, *more, **rest) -> Fields:
    return _pool(of, kernel_size, stride, padding, dilation)


def _pad(of, out, x, pad, mode="constant", value=None) -> Fields | None:
    if len(pad) != 4 or mode == "circular":
        return None
    before = pad[2], pad[0]  # torch begins with the last axis
    return tuple(Field(f.size, f.stride, f.centre - n * f.stride) for f, n in zip(of, before, strict=True))


def _interpolate(of, out, x, size=None, scale_factor=None, mode="nearest", align_corners=None, *more,
                 **rest) -> Fields | None:  # fmt: skip
    factors = [after / before for after, before in zip(out.shape[-2:], x.shape[-2:], strict=True)]
    if factors == [1, 1]:
        return of
    if mode != "bilinear" or align_corners or any(factor % 1 or factor < 1 for factor in factors):
        return None
    return tuple(f.enlarged(int(factor)) if factor > 1 else f for f, factor in zip(of, factors, strict=True))


def _getitem(of, out, x, at) -> Fields | None:
    """Rows and columns cut out, as in ``x[..., 2:-2, ::2]``."""
    if not (isinstance(at, tuple) and len(at) == 3 and at[0] is Ellipsis and all(isinstance(a, slice) for a in at[1:])):
        return None
    found = []
    for field, cut, length in zip(of, at[1:], x.shape[-2:], strict=True):
        start, _, step = cut.indices(length)
        found.append(Field(field.size, field.stride * step, field.centre + start * field.stride))
    return tuple(found)


# name of a function of torch -> rule (fields of its input, its output, then its own arguments) -> fields of its output
_RULES: Mapping[str, Callable[..., Fields | None]] = {
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "avg_pool2d": _avg_pool2d,
    "max_pool2d": _max_pool2d,
    "pad": _pad,
    "interpolate": _interpolate,
    "__getitem__": _getitem,
}
