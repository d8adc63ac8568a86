"""What is looked at in a user's ONNX file before anything runs it; only the worker process imports this file.

Weights that the file says lie in others are taken from bytes that came with it, never from a path.

References
1. ONNX specification, onnx.proto: ModelProto, GraphProto, TensorProto.external_data.
2. onnxruntime: the domains of operators that the CPU build brings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from google.protobuf.message import DecodeError, Message
from onnx import (
    IR_VERSION,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    ValueInfoProto,
    defs,
    helper,
    numpy_helper,
    shape_inference,
)

from engine.cards import ModelError
from engine.debug.onnx_pipe import MOST_ARRAYS
from engine.debug.onnx_spec import DTYPES, MOST_OUTPUTS, MOST_SIDE, TOLD, Info, Port, quoted, unique

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
MOST_NODES = 20_000
MOST_PARTS = 400_000  # messages in the file, of any kind
MOST_VALUES = 2**28  # numbers in one tensor
DEEPEST = 32  # graphs inside graphs and other nesting
MOST_BESIDE = 100 * 2**20  # bytes that tensors take from files beside this one, all together
OLDEST = 7  # operator set
_LONG = 200  # letters of a port's name
_BITS = {TensorProto.FLOAT: 32, TensorProto.UINT8: 8, TensorProto.INT8: 8, TensorProto.UINT16: 16,
         TensorProto.INT16: 16, TensorProto.INT32: 32, TensorProto.INT64: 64, TensorProto.BOOL: 8,
         TensorProto.FLOAT16: 16, TensorProto.DOUBLE: 64, TensorProto.UINT32: 32, TensorProto.UINT64: 64,
         TensorProto.BFLOAT16: 16, TensorProto.UINT4: 4, TensorProto.INT4: 4}  # of a number, by its type  # fmt: skip
_FILES = ("EPContext", "PyOp")  # operators that name files or code


class ElsewhereError(ModelError):
    """Weights lie in other files, which did not come with this one: `names`, without folders."""

    def __init__(self, locations: Sequence[str]) -> None:
        self.names = [name for name in map(_name, locations) if 0 < len(name) <= _LONG][:MOST_ARRAYS]
        called = quoted(*self.names) or "a .data file"
        super().__init__(
            f"The weights of this network lie in another file, which is never opened by its path: bring {called} "
            "together with it, or write one file, torch.onnx.export(..., external_data=False)."
        )


def read(data: bytes, beside: Mapping[str, bytes] | None = None) -> ModelProto:
    """The file's content with all weights in it, after all checks that need no run. Raises ModelError with a sentence.

    beside: name -> content of the files that came with it, in which weights may lie.
    """
    try:
        model = ModelProto.FromString(data)
    except DecodeError as error:
        raise ModelError("This is not an ONNX file, or it is cut off.") from error
    if not model.graph.node or not model.graph.output:
        raise ModelError("This is not an ONNX file with a network in it.")
    parts = list(_parts(model))
    tensors = [part for part in parts if isinstance(part, TensorProto)]
    _bring_in([t for t in tensors if t.data_location == TensorProto.EXTERNAL or t.external_data], beside or {})
    for tensor in tensors:
        _check_tensor(tensor)
    if any(isinstance(part, SparseTensorProto) and math.prod(part.dims) > MOST_VALUES for part in parts):
        raise ModelError("A sparse tensor in this file has an impossible shape.")
    nodes = [part for part in parts if isinstance(part, NodeProto)]
    if len(nodes) > MOST_NODES:
        raise ModelError(f"This network has {len(nodes)} nodes; at most {MOST_NODES} are run here.")
    _check_operators(model, nodes)
    _check_versions(model)
    _check_shapes(model)
    _name_once(model)
    return model


def describe(model: ModelProto) -> Info:
    """What the file says of itself. Raises ModelError where it is no network from one picture to a map."""
    given = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(_port(value) for value in model.graph.input if value.name not in given)
    made = {name: node for node in model.graph.node for name in node.output if name}
    used = {name for node in model.graph.node for name in node.input}
    outputs = tuple(
        Port(value.name, *_type(value), end=_end(value.name, made), feeds=value.name in used)
        for value in model.graph.output[:MOST_OUTPUTS]
    )
    if len(inputs) != 1:
        names = quoted(*(port.name for port in inputs)) or "none"
        raise ModelError(f"The network needs one input, a picture; this one has {len(inputs)}: {names}.")
    if any(len(port.name) > _LONG for port in (*inputs, *outputs)):
        raise ModelError(f"The name of an input or output has more than {_LONG} letters.")
    _check_input(inputs[0])
    if not any(_may_be_map(port.shape) for port in outputs):
        raise ModelError("No output is a map of classes, (1, classes, h, w), (1, h, w) or (h, w): "
                         f"{quoted(*(port.line for port in outputs))}.")  # fmt: skip
    metadata = {p.key: p.value[:8000] for p in model.metadata_props if p.key in TOLD}
    parameters = sum(math.prod(tensor.dims) for tensor in model.graph.initializer)
    return Info(inputs, outputs, metadata, len(model.graph.node), parameters)


_ENDS = {"Sigmoid": "sigmoid", "HardSigmoid": "sigmoid", "Softmax": "softmax", "LogSoftmax": "log-softmax",
         "ArgMax": "argmax", "Tanh": "tanh", "Relu": "relu", "Softplus": "relu"}  # fmt: skip
# Operators behind the last one that counts: the numbers stay what they are, or nearly so.
_AFTER = frozenset({"Identity", "Resize", "Upsample", "Transpose", "Cast", "Squeeze", "Unsqueeze", "Reshape", "Flatten",
                    "Mul", "Div", "Slice", "Gather", "Concat", "Clip", "Dropout", "Pad"})  # fmt: skip


def _end(name: str, made: Mapping[str, NodeProto]) -> str:
    """What the last nodes before a value do, one of `_ENDS`; "" where none of them is known."""
    for _ in range(12):
        node = made.get(name)
        if node is None or node.op_type in _ENDS or node.op_type not in _AFTER:
            return _ENDS.get(node.op_type, "") if node is not None else ""
        name = next((i for i in node.input if i in made and made[i].op_type != "Constant"), "")
    return ""


def _may_be_map(shape: tuple) -> bool:
    return len(shape) in (0, 3, 4, 5) or (len(shape) == 2 and shape[0] != 1)


def _bring_in(tensors: Sequence[TensorProto], beside: Mapping[str, bytes]) -> None:
    """Put the weights of these tensors, which are said to lie in other files, from `beside` into the tensors."""
    places = [{e.key: e.value for e in tensor.external_data} for tensor in tensors]
    names = sorted({place.get("location", "") for place in places})
    if not names:
        return
    if not beside or any(t.data_location != TensorProto.EXTERNAL for t in tensors):
        raise ElsewhereError(names)
    taken = 0
    for tensor, place in zip(tensors, places, strict=True):
        content = _companion(place.get("location", ""), names, beside)
        count = math.prod(tensor.dims) if len(tensor.dims) <= 16 and all(d >= 0 for d in tensor.dims) else MOST_VALUES
        bits = _BITS.get(tensor.data_type)
        if bits is None or count > MOST_VALUES:
            raise ModelError("A tensor whose numbers lie in the other file has an impossible type or shape.")
        size = -(-count * bits // 8)
        begin, length = _whole(place.get("offset", "0")), _whole(place.get("length", str(size)))
        if length != size or begin + size > len(content):
            raise ModelError(
                f"The file with the weights does not fit this network: it has {len(content):,} bytes, and a tensor of "
                f"{size:,} bytes should begin at {begin:,}."
            )
        taken += size
        if taken > MOST_BESIDE:
            raise ModelError(f"The weights beside this network have more than {MOST_BESIDE >> 20} MB.")
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
        tensor.raw_data = bytes(content[begin : begin + size])


def _companion(location: str, names: Sequence[str], beside: Mapping[str, bytes]) -> bytes:
    """The content that belongs to a location: by its last name, or the only one where one is spoken of."""
    name = _name(location)
    if name in beside:
        return beside[name]
    if len(names) == len(beside) == 1:
        return next(iter(beside.values()))
    raise ElsewhereError([other for other in names if _name(other) not in beside])


def _name(location: str) -> str:
    """The last part of a path, of any system."""
    return PurePosixPath(location.replace("\\", "/")).name


def _whole(text: str) -> int:
    """A number of bytes. Raises ModelError."""
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise ModelError("This file says wrongly where its weights lie in the other one.")
    return int(text)


def _check_versions(model: ModelProto) -> None:
    """Only operator sets that are run here. Raises ModelError."""
    newest = defs.onnx_opset_version()
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and not OLDEST <= entry.version <= newest:
            raise ModelError(
                f"This network is written in operator set {entry.version}; {OLDEST} to {newest} are run here: export "
                f"it with opset_version={newest if entry.version > newest else 17}."
            )
    if model.ir_version > IR_VERSION:
        raise ModelError(
            f"This file has version {model.ir_version} of the ONNX format; up to {IR_VERSION} can be read here: export "
            "it with an older version of onnx."
        )


def _parts(message: Message, depth: int = 0, seen: list[int] | None = None) -> Iterator[Message]:
    """Every message in a message, itself included, however it is nested. Raises ModelError where it is too much."""
    seen = [0] if seen is None else seen
    seen[0] += 1
    if seen[0] > MOST_PARTS or depth > DEEPEST:
        raise ModelError("This file is nested too deeply or has too many parts to be a network.")
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if isinstance(value, Message) else value:
                yield from _parts(part, depth + 1, seen)


def _check_tensor(tensor: TensorProto) -> None:
    """The size of a tensor is the one that it says."""
    if len(tensor.dims) > 16 or any(d < 0 or d > MOST_VALUES for d in tensor.dims):
        raise ModelError("A tensor in this file has an impossible shape.")
    if math.prod(tensor.dims) > MOST_VALUES:
        raise ModelError(f"A tensor in this file has more than {MOST_VALUES:,} numbers.")
    if tensor.ByteSize() * 8 + 64 < math.prod(tensor.dims):
        raise ModelError("A tensor in this file is shorter than its shape says.")


def _name_once(model: ModelProto) -> None:
    """No two nodes keep the same name, which onnxruntime refuses and nothing refers to."""
    named = [node for node in model.graph.node if node.name]
    for node, name in zip(named, unique(node.name for node in named), strict=True):
        if node.name != name:
            node.name = name


def _check_operators(model: ModelProto, nodes: list[NodeProto]) -> None:
    """Nothing but operators of onnxruntime itself, or functions that the file defines by them."""
    own = {(function.domain, function.name) for function in model.functions}
    for node in nodes:
        if node.op_type in _FILES or (node.domain not in DOMAINS and (node.domain, node.op_type) not in own):
            named = quoted(f"{node.domain}::{node.op_type}")
            raise ModelError(f"The operator {named} is not one of onnxruntime's own; export with standard operators.")


def _check_shapes(model: ModelProto) -> None:
    """No value that is known before a run may be huge."""
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception:  # what it cannot infer, a run may still find; the process that runs it is bounded
        inferred = model.graph
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        sides = [d for d in _port(value).shape if isinstance(d, int)]
        if any(d < 0 for d in sides) or math.prod(sides) > MOST_VALUES:
            raise ModelError(f"The value {quoted(value.name)} would have the shape {tuple(sides)}, which is too large.")
    _check_constants(inferred)


def _check_constants(graph: GraphProto) -> None:
    """What onnxruntime would compute before the first run, from shapes that stand in the file, may not be huge."""
    known = {t.name: t for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "ConstantOfShape" and node.input and node.input[0] in known:
            shape = numpy_helper.to_array(known[node.input[0]]).astype(object).reshape(-1)
            if math.prod(shape) > MOST_VALUES:
                raise ModelError(f"The node {quoted(node.name)} would make a tensor of {math.prod(shape):,} numbers.")


def _check_input(port: Port) -> None:
    if len(port.shape) not in (3, 4):
        raise ModelError(f"The input must be (1, channels, h, w) or (1, h, w, channels); it is {quoted(port.line)}.")
    batch, *sides = port.shape if len(port.shape) == 4 else (1, *port.shape)
    if isinstance(batch, int) and batch != 1:
        raise ModelError(f"The network takes {batch} pictures at once; export it with a batch of 1 or an open one.")
    if not any(side in (1, 3) or not isinstance(side, int) for side in (sides[0], sides[2])):
        raise ModelError(f"The input has neither 3 channels (RGB) nor 1 (grey): {quoted(port.line)}.")
    if any(isinstance(side, int) and not 0 < side <= MOST_SIDE for side in sides):
        raise ModelError(f"The input is larger than {MOST_SIDE} pixels a side: {quoted(port.line)}.")
    if port.dtype not in DTYPES:
        raise ModelError(f"The input must be {', '.join(DTYPES[:-1])} or {DTYPES[-1]}, not {port.dtype}.")


def _port(value: ValueInfoProto) -> Port:
    return Port(value.name, *_type(value))


def _type(value: ValueInfoProto) -> tuple[str, tuple[int | str | None, ...]]:
    """NumPy's name of a value's type, and its shape."""
    kind = value.type.tensor_type
    known = kind.elem_type in TensorProto.DataType.values() and kind.elem_type
    dtype = str(helper.tensor_dtype_to_np_dtype(kind.elem_type)) if known else "unknown"
    return dtype, tuple(d.dim_value if d.HasField("dim_value") else d.dim_param[:40] or None for d in kind.shape.dim)
