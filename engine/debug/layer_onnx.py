"""The nodes of a user's ONNX network as layers: what `engine.debug.layers` tells of modules, asked of its process.

Receptive fields follow the graph with the arithmetic of `engine.debug.layer_fields`; where a node has no rule there is
no field. There are no gradients: onnxruntime runs forwards only.

References
1. ONNX operators: Conv, ConvTranspose, MaxPool, AveragePool, Pad, Resize, Concat, and their attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from engine import tensors
from engine.cards import ModelError
from engine.debug import layers
from engine.debug.layer_fields import START, Fields, hull
from engine.debug.layer_listening import LayersError
from engine.debug.onnx_model import OnnxModel, as_input
from engine.debug.onnx_spec import harmless, unique
from engine.receptive import Field

KIND = "ONNX graph"
_POINTWISE = frozenset({
    "Relu", "LeakyRelu", "Clip", "PRelu", "Elu", "Selu", "Celu", "Gelu", "Sigmoid", "HardSigmoid", "HardSwish", "Mish",
    "Softplus", "Softsign", "Tanh", "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Log", "Abs", "Neg", "Identity",
    "Cast", "Dropout", "BatchNormalization", "Concat", "Max", "Min", "Sum", "Where", "Floor", "Ceil", "Round", "Erf",
})  # fmt: skip


def record(model: OnnxModel, rgb: np.ndarray) -> layers.Recording:
    """All nodes that work on the picture (H, W, 3) uint8, in the order of the file. Raises LayersError."""
    answer, numbers = _asked(model, rgb)
    size = model.working_size(rgb)
    try:
        nodes, fields = list(answer["nodes"]), {0: START}
        shapes: dict[int, Sequence[int]] = {0: (1, 3, *size)}
        names = unique(harmless(str(node["name"]) or f"{node['kind']} {i}", 80) for i, node in enumerate(nodes))
        modules, at = [], 0
        for name, node in zip(names, nodes, strict=True):
            values = {v["name"]: v for v in node["values"]}
            found = _after(node, fields, shapes, [v["shape"] for v in values.values()])
            for to in node["to"]:
                fields[to] = found
                if values:
                    shapes[to] = next(iter(values.values()))["shape"]
            outputs = []
            for part, value in enumerate(values.values(), 1):
                columns = np.asarray(numbers[at : at + int(value["channels"])], np.float32)
                at += int(value["channels"])
                outputs.append(_output(part, value, columns, found))
            if outputs:
                own = int(node["own"])
                modules.append(layers.Module(name, str(node["kind"]), 1, own, own, (), tuple(outputs)))
                model.values[name] = tuple(values)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise LayersError("The network's process did not say what is inside.") from error
    if not modules:
        raise LayersError("No node of this network gives maps that can be shown.")
    last = modules[-1]
    root = layers.Module(
        "", KIND, 0, 0, model.source.info.parameters, tuple(m.name for m in modules), last.outputs[-1:]
    )
    model.values[""] = model.values[last.name][-1:]
    return layers.Recording(size, (root, *modules))


def value(model: OnnxModel, rgb: np.ndarray, name: str, index: int) -> torch.Tensor:
    """Output `index` of the node called `name` for a picture, batch and channels first. Raises LayersError."""
    if name not in model.values:
        record(model, rgb)
    if index >= len(model.values.get(name, ())):
        raise LayersError(f"The layer {name or 'network'} gives no output number {index + 1}.")
    _, found = _asked(model, rgb, model.values[name][index])
    return torch.from_numpy(found.astype(np.float32))


def _asked(model: OnnxModel, rgb: np.ndarray, name: str = "") -> tuple[dict, np.ndarray]:
    x = as_input(tensors.to_input(rgb, model.working_size(rgb)), model.spec)
    try:
        return model.source.inside(x, model.spec.layout, name)
    except ModelError as error:
        raise LayersError(f"This network cannot be opened: {error}") from error


def _output(part: int, value: Mapping[str, Any], columns: np.ndarray, fields: Fields | None) -> layers.Output:
    """columns: (C, 6), as `engine.debug.onnx_layers` gives them."""
    shape = tuple(int(n) for n in value["shape"])
    bounds = value["bounds"] and (float(value["bounds"][0]), float(value["bounds"][1]))
    low, high, mean, sd, zeros, faulty = columns.T.copy()
    cells = int(np.prod(shape)) // max(len(low), 1)
    return layers.Output(1, part, shape, cells, low, high, mean, sd, zeros, faulty, bounds,
                         fields if len(shape) == 4 else None)  # fmt: skip


def _after(node: Mapping[str, Any], fields: Mapping[int, Fields | None], shapes: Mapping[int, Sequence[int]],
           out: Sequence[Sequence[int]]) -> Fields | None:  # fmt: skip
    """The fields of what a node gives; None where arithmetic does not know them."""
    given = [fields.get(i) for i in node["from"]]
    if not given or None in given:
        return None
    kind, told = node["kind"], node["told"]
    before = [shapes[i] for i in node["from"] if i in shapes]
    if kind == "Transpose" and told.get("perm") in ([0, 3, 1, 2], [0, 2, 3, 1]):
        return given[0]  # rows and columns stay what they are
    if kind in _POINTWISE:
        axes = {tuple(s[2:]) for s in before if len(s) == 4} - {(1, 1)}
        return hull(given) if len(axes) <= 1 and (kind != "Concat" or told.get("axis") in (1, -3)) else None
    if len(given) != 1 or not out or len(out[0]) != 4 or not before or len(before[0]) != 4:
        return None
    if kind in ("Conv", "MaxPool", "AveragePool", "LpPool"):
        return _slid(given[0], told, before[0])
    if kind == "ConvTranspose":
        return _spread(given[0], told)
    if kind == "Pad" and told.get("pads") and len(told["pads"]) == 8:
        return tuple(Field(f.size, f.stride, f.centre - n * f.stride)
                     for f, n in zip(given[0], told["pads"][2:4], strict=True))  # fmt: skip
    if kind in ("Resize", "Upsample"):
        return _enlarged(given[0], told, before[0], out[0])
    return None


def _pair(told: Mapping[str, Any], name: str, otherwise: int) -> list[int]:
    return [int(n) for n in told.get(name) or [otherwise] * 2][:2]


def _slid(of: Fields, told: Mapping[str, Any], before: Sequence[int]) -> Fields | None:
    """A convolution or pooling."""
    kernel, steps, holes = _pair(told, "kernel_shape", 0), _pair(told, "strides", 1), _pair(told, "dilations", 1)
    if not all(kernel) or len(kernel) != 2:
        return None
    begins = _pair(told, "pads", 0)
    same = str(told.get("auto_pad", "NOTSET"))
    found = []
    for axis in (0, 1):
        reach = (kernel[axis] - 1) * holes[axis] + 1
        begin = begins[axis]
        if same.startswith("SAME"):
            side = before[2 + axis]
            total = max((-(-side // steps[axis]) - 1) * steps[axis] + reach - side, 0)
            begin = total // 2 if same == "SAME_UPPER" else -(-total // 2)
        found.append(of[axis].conv(reach, steps[axis], 0 if same == "VALID" else begin))
    return tuple(found)


def _spread(of: Fields, told: Mapping[str, Any]) -> Fields | None:
    """A transposed convolution, as `engine.debug.layer_fields` has it."""
    kernel, steps, holes = _pair(told, "kernel_shape", 0), _pair(told, "strides", 1), _pair(told, "dilations", 1)
    if not all(kernel) or told.get("output_shape") or str(told.get("auto_pad", "NOTSET")) not in ("NOTSET", "VALID"):
        return None
    found = []
    for f, k, step, hole, begin in zip(of, kernel, steps, holes, _pair(told, "pads", 0), strict=True):
        reach = hole * (k - 1)
        centre = f.centre + (begin - reach / 2) / step * f.stride
        found.append(Field(f.size + reach / step * f.stride, f.stride / step, centre))
    return tuple(found)


def _enlarged(of: Fields, told: Mapping[str, Any], before: Sequence[int], out: Sequence[int]) -> Fields | None:
    factors = [after / side for after, side in zip(out[2:], before[2:], strict=True)]
    if factors == [1, 1]:
        return of
    half = told.get("coordinate_transformation_mode", "half_pixel") in ("half_pixel", "pytorch_half_pixel")
    if told.get("mode") != "linear" or not half or any(f < 1 or f % 1 for f in factors):
        return None
    return tuple(f.enlarged(int(n)) if n > 1 else f for f, n in zip(of, factors, strict=True))
