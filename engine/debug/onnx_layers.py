"""Values inside a user's network: what each node gives for an input, as statistics or as one tensor.

Only the worker process imports this file. A value is had by making it an output of the graph; nodes that it does not
need are left out. Memory is bounded: values are looked at in groups of at most `GROUP` bytes.

References
1. ONNX specification, onnx.proto: GraphProto, NodeProto.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from engine.cards import ModelError

GROUP = 2**27  # bytes of the values that are looked at in one run
MOST_RUNS = 40
MOST_SHOWN = 2_000  # values
_NO_TENSOR = ("Sequence", "Optional", "SplitToSequence", "ConcatFromSequence")  # beginnings of operators
_NOT_SHOWN = {"Shape", "Size", "NonZero", "Loop", "If", "Scan", "Constant"}
# Attributes that the arithmetic of receptive fields asks for.
_TOLD = ("kernel_shape", "strides", "pads", "dilations", "auto_pad", "axis", "mode", "output_padding", "output_shape",
         "coordinate_transformation_mode", "perm", "ceil_mode")  # fmt: skip

Run = Callable[[bytes, list[str]], list[Any]]  # (a graph, names of its outputs) -> their values


class Inside:
    """The graph of a network, whose values can be asked for.

    layout: of the input, as in `engine.debug.onnx_spec.Spec`.
    """

    def __init__(self, model: ModelProto, source: str, layout: str) -> None:
        self._model, self._nodes = model, list(model.graph.node)
        self._given = {t.name: t for t in model.graph.initializer}
        self._made = {name: node for node in self._nodes for name in node.output if name}
        self.last = {source: layout.endswith("HWC")}  # value that depends on the picture -> channels last
        for node in self._nodes:
            after = [name for name in _needs(node) if name in self.last]
            if after:
                turned = self._turned(node, self.last[after[0]])
                self.last |= dict.fromkeys((name for name in node.output if name), turned)

    def record(self, run: Run) -> tuple[list[dict], list[np.ndarray]]:
        """All nodes that work on the picture, and for each value that is shown (C, 6) float32: smallest, largest, mean,
        standard deviation, share of zeros, share that is not finite."""
        names = [name for node in self._nodes if _shown(node) for name in node.output if name in self.last]
        if len(names) > MOST_SHOWN:
            raise ModelError(f"This network has {len(names)} values inside; at most {MOST_SHOWN} are shown here.")
        shapes = self._shapes(names, run) if names else {}
        found = {}
        for group in _groups({name: 4 * math.prod(shape) for name, shape in shapes.items()}):
            for name, value in zip(group, self._values(group, run), strict=True):
                if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                    found[name] = _statistics(self._upright(name, value))
        nodes = self._described(shapes, found)
        return nodes, list(found.values())

    def value(self, name: str, run: Run) -> np.ndarray:
        """One value, channels first. Raises ModelError where there is none of that name."""
        if name not in self.last or name not in self._made:
            raise ModelError("This network has no such value inside.")
        (value,) = self._values([name], run)
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            raise ModelError("This value inside of the network is no tensor of numbers.")
        return np.ascontiguousarray(self._upright(name, value).astype(np.float32))

    def _turned(self, node: NodeProto, last: bool) -> bool:
        """Whether what a node gives has its channels last, where what it is given has so or not."""
        if node.op_type == "Transpose":
            perm = next((list(a.ints) for a in node.attribute if a.name == "perm"), [])
            return {(0, 3, 1, 2): False, (0, 2, 3, 1): True}.get(tuple(perm), last)
        return last and node.op_type not in ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "BatchNormalization")

    def _upright(self, name: str, value: np.ndarray) -> np.ndarray:
        return np.moveaxis(value, -1, 1) if self.last[name] and value.ndim == 4 else value

    def _shapes(self, names: Sequence[str], run: Run) -> dict[str, tuple[int, ...]]:
        """Of the values that have a channel axis, by one run that keeps none of them."""
        asked = [helper.make_node("Shape", [name], [f"{name}/saccade-shape"]) for name in names]
        found = run(self._graph(names, asked), [node.output[0] for node in asked])
        shapes = {name: tuple(map(int, shape)) for name, shape in zip(names, found, strict=True)}
        return {name: s for name, s in shapes.items() if 2 <= len(s) <= 4 and 0 < math.prod(s) * 4 <= GROUP}

    def _values(self, names: Sequence[str], run: Run) -> list[Any]:
        return run(self._graph(names, ()), list(names))

    def _graph(self, names: Sequence[str], more: Sequence[NodeProto]) -> bytes:
        """The network up to these values, and `more` nodes; its outputs are what those give, or the values."""
        needed = set(names)
        kept = []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                needed.update(_needs(node))
                kept.append(node)
        graph = self._model.graph
        ends = [helper.make_empty_tensor_value_info(n.output[0]) for n in more] or [
            helper.make_empty_tensor_value_info(name) for name in names]  # fmt: skip
        for field, parts in ((graph.node, [*reversed(kept), *more]), (graph.output, ends)):
            copied = [type(part).FromString(part.SerializeToString()) for part in parts]
            del field[:]
            field.extend(copied)
        return self._model.SerializeToString()

    def _described(self, shapes: dict[str, tuple[int, ...]], found: dict[str, np.ndarray]) -> list[dict]:
        ids = {name: i for i, name in enumerate(self.last)}
        users: dict[str, list[NodeProto]] = {}
        for node in self._nodes:
            for name in _needs(node):
                users.setdefault(name, []).append(node)
        nodes, counted = [], set()
        for node in self._nodes:
            if not any(name in self.last for name in node.output):
                continue
            own = [name for name in node.input if name in self._given and name not in counted]
            counted.update(own)
            outputs = [name for name in node.output if name in self.last]
            values = [{"name": name, "shape": self._upright_shape(name, shapes[name]), "channels": len(found[name]),
                       "bounds": self._bounds(users.get(name, ()))} for name in outputs if name in found]  # fmt: skip
            nodes.append({
                "name": node.name[:80], "kind": node.op_type[:40], "own": sum(self._size(name) for name in own),
                "from": [ids[name] for name in node.input if name in ids], "to": [ids[name] for name in outputs],
                "told": self._told(node), "values": values,
            })  # fmt: skip
        return nodes

    def _upright_shape(self, name: str, shape: tuple[int, ...]) -> list[int]:
        return [shape[0], shape[3], *shape[1:3]] if self.last[name] and len(shape) == 4 else list(shape)

    def _size(self, name: str) -> int:
        tensor = self._given[name]
        return math.prod(tensor.dims) if tensor.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16) else 0

    def _bounds(self, users: Iterable[NodeProto]) -> list[float] | None:
        """Between which the ReLU that directly follows lets values pass, where it is all that follows."""
        users = list(users)
        if len(users) != 1:
            return None
        if users[0].op_type == "Relu":
            return [0.0, math.inf]
        if users[0].op_type == "Clip":
            ends = [self._constant(name) for name in users[0].input[1:3]]
            old = {a.name: [a.f] for a in users[0].attribute}  # before operator set 11
            ends = ends or [old.get("min"), old.get("max")]
            low, high = (end[0] if end else None for end in (*ends, None, None)[:2])
            if low is not None:
                return [float(low), math.inf if high is None else float(high)]
        return None

    def _constant(self, name: str) -> list[float] | None:
        """The numbers of a small constant."""
        tensor = self._given.get(name)
        made = self._made.get(name)
        if tensor is None and made is not None and made.op_type == "Constant":
            tensor = next((a.t for a in made.attribute if a.name == "value"), None)
        if tensor is None or math.prod(tensor.dims) > 16:
            return None
        return numpy_helper.to_array(tensor).astype(float).reshape(-1).tolist()

    def _told(self, node: NodeProto) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for a in node.attribute:
            if a.name in _TOLD and a.type in (AttributeProto.INT, AttributeProto.INTS, AttributeProto.STRING):
                value = helper.get_attribute_value(a)
                told[a.name] = value.decode("ascii", "replace")[:40] if isinstance(value, bytes) else (
                    list(value)[:8] if a.type == AttributeProto.INTS else int(value))  # fmt: skip
        if node.op_type in ("Conv", "ConvTranspose") and len(node.input) > 1 and node.input[1] in self._given:
            told.setdefault("kernel_shape", list(self._given[node.input[1]].dims[2:4]))
        if node.op_type == "Pad" and len(node.input) > 1:
            told["pads"] = self._constant(node.input[1])
        return told


def _needs(node: NodeProto) -> list[str]:
    """The values that a node uses, also in graphs inside of it."""
    names = [name for name in node.input if name]
    for a in node.attribute:
        for graph in (*a.graphs, *([a.g] if a.HasField("g") else ())):
            names += [name for inner in graph.node for name in _needs(inner)] + [o.name for o in graph.output]
    return names


def _shown(node: NodeProto) -> bool:
    return node.op_type not in _NOT_SHOWN and not node.op_type.startswith(_NO_TENSOR)


def _groups(sizes: dict[str, int]) -> Iterable[list[str]]:
    """The values in their order, in groups of at most `GROUP` bytes. Raises ModelError where there are too many."""
    groups, filled = [[]], 0
    for name, size in sizes.items():
        if groups[-1] and filled + size > GROUP:
            groups.append([])
            filled = 0
        groups[-1].append(name)
        filled += size
    if len(groups) > MOST_RUNS:
        raise ModelError("All maps of this network together are too large to look at; choose a smaller input.")
    return [group for group in groups if group]


def _statistics(value: np.ndarray) -> np.ndarray:
    """(C, 6) of a tensor (B, C, ...), or (B, N, C) as transformers have it."""
    axis = 2 if value.ndim == 3 else 1
    x = np.moveaxis(value.astype(np.float32), axis, 0).reshape(value.shape[axis], -1)
    with np.errstate(all="ignore"):
        columns = (x.min(1), x.max(1), x.mean(1), x.std(1), (x == 0).mean(1), (~np.isfinite(x)).mean(1))
    return np.stack(columns, 1).astype(np.float32)
