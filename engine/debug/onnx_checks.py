"""What is looked at in a user's ONNX file before anything runs it; only the worker process imports this file.

References
1. ONNX specification, onnx.proto: ModelProto, GraphProto, TensorProto.external_data.
2. onnxruntime: the domains of operators that the CPU build brings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from google.protobuf.message import DecodeError, Message
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
    shape_inference,
)

from engine.cards import ModelError
from engine.debug.onnx_spec import MOST_SIDE, TOLD, Info, Port

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
MOST_NODES = 20_000
MOST_PARTS = 400_000  # messages in the file, of any kind
MOST_VALUES = 2**28  # numbers in one tensor
DEEPEST = 32  # graphs inside graphs and other nesting
_LONG = 200  # letters of a port's name
_FILES = ("EPContext", "PyOp")  # operators that name files or code


def read(data: bytes) -> ModelProto:
    """The file's content, after all checks that need no run. Raises ModelError with a sentence."""
    try:
        model = ModelProto.FromString(data)
    except DecodeError as error:
        raise ModelError("This is not an ONNX file, or it is cut off.") from error
    if not model.graph.node or not model.graph.output:
        raise ModelError("This is not an ONNX file with a network in it.")
    parts = list(_parts(model))
    for part in parts:
        if isinstance(part, TensorProto):
            _check_tensor(part)
        if isinstance(part, SparseTensorProto) and math.prod(part.dims) > MOST_VALUES:
            raise ModelError("A sparse tensor in this file has an impossible shape.")
    nodes = [part for part in parts if isinstance(part, NodeProto)]
    if len(nodes) > MOST_NODES:
        raise ModelError(f"This network has {len(nodes)} nodes; at most {MOST_NODES} are run here.")
    _check_operators(model, nodes)
    _check_shapes(model)
    return model


def describe(model: ModelProto) -> Info:
    """What the file says of itself. Raises ModelError where it is no network from one picture to a map."""
    given = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(_port(value) for value in model.graph.input if value.name not in given)
    outputs = tuple(_port(value) for value in model.graph.output)
    if len(inputs) != 1:
        names = ", ".join(port.name[:40] for port in inputs[:4]) or "none"
        raise ModelError(f"The network needs one input, a picture; this one has {len(inputs)}: {names}.")
    _check_input(inputs[0])
    if not any(len(port.shape) in (0, 3, 4) for port in outputs):
        shapes = "; ".join(port.line[:80] for port in outputs[:3])
        raise ModelError(f"No output is a map of classes, (1, classes, h, w) or (1, h, w): {shapes}.")
    if any(len(port.name) > _LONG for port in (*inputs, *outputs)):
        raise ModelError(f"The name of an input or output has more than {_LONG} letters.")
    metadata = {p.key: p.value[:8000] for p in model.metadata_props if p.key in TOLD}
    parameters = sum(math.prod(tensor.dims) for tensor in model.graph.initializer)
    return Info(inputs, outputs[:16], metadata, len(model.graph.node), parameters)


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
    """A tensor lies in the file itself, and its size is the one that it says."""
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        raise ModelError("The weights of this network lie in another file, which is never opened: save it as one file, "
                         "onnx.save_model(model, path, save_as_external_data=False).")  # fmt: skip
    if len(tensor.dims) > 16 or any(d < 0 or d > MOST_VALUES for d in tensor.dims):
        raise ModelError("A tensor in this file has an impossible shape.")
    if math.prod(tensor.dims) > MOST_VALUES:
        raise ModelError(f"A tensor in this file has more than {MOST_VALUES:,} numbers.")
    if tensor.ByteSize() * 8 + 64 < math.prod(tensor.dims):
        raise ModelError("A tensor in this file is shorter than its shape says.")


def _check_operators(model: ModelProto, nodes: list[NodeProto]) -> None:
    """Nothing but operators of onnxruntime itself, or functions that the file defines by them."""
    own = {(function.domain, function.name) for function in model.functions}
    for node in nodes:
        if node.op_type in _FILES or (node.domain not in DOMAINS and (node.domain, node.op_type) not in own):
            named = f"{node.domain}::{node.op_type}"[:80]
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
            raise ModelError(f"The value {value.name[:60]} would have the shape {tuple(sides)}, which is too large.")
    _check_constants(inferred)


def _check_constants(graph: GraphProto) -> None:
    """What onnxruntime would compute before the first run, from shapes that stand in the file, may not be huge."""
    known = {t.name: t for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "ConstantOfShape" and node.input and node.input[0] in known:
            shape = numpy_helper.to_array(known[node.input[0]]).astype(object).reshape(-1)
            if math.prod(shape) > MOST_VALUES:
                raise ModelError(f"The node {node.name[:60]} would make a tensor of {math.prod(shape):,} numbers.")


def _check_input(port: Port) -> None:
    if len(port.shape) != 4:
        raise ModelError(f"The input must be (1, channels, h, w) or (1, h, w, channels); it is {port.line[:100]}.")
    batch, *sides = port.shape
    if isinstance(batch, int) and batch != 1:
        raise ModelError(f"The network takes {batch} pictures at once; export it with a batch of 1 or an open one.")
    if not any(side in (1, 3) or not isinstance(side, int) for side in (sides[0], sides[2])):
        raise ModelError(f"The input has neither 3 channels (RGB) nor 1 (grey): {port.line[:100]}.")
    if any(isinstance(side, int) and not 0 < side <= MOST_SIDE for side in sides):
        raise ModelError(f"The input is larger than {MOST_SIDE} pixels a side: {port.line[:100]}.")
    if port.dtype not in ("float32", "float16", "uint8"):
        raise ModelError(f"The input must be float32, float16 or uint8, not {port.dtype}.")


def _port(value: ValueInfoProto) -> Port:
    kind = value.type.tensor_type
    known = kind.elem_type in TensorProto.DataType.values() and kind.elem_type
    dtype = str(helper.tensor_dtype_to_np_dtype(kind.elem_type)) if known else "unknown"
    shape = tuple(d.dim_value if d.HasField("dim_value") else d.dim_param[:40] or None for d in kind.shape.dim)
    return Port(value.name, dtype, shape)
