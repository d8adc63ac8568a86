"""Small networks in ONNX that the tests of a user's own model share."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(0, 1, (5, 3, 3, 3)).astype(np.float32)
BIAS = RNG.normal(0, 1, 5).astype(np.float32)
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8,
         "int64": TensorProto.INT64}  # fmt: skip


def model(nodes: list[NodeProto], shape: tuple, out: tuple, tensors: dict[str, np.ndarray] | None = None,
          dtype: str = "float32", gives: str = "float32", **metadata: str) -> ModelProto:  # fmt: skip
    """A graph from "image" to "out" with these nodes and tensors."""
    x = helper.make_tensor_value_info("image", TYPES[dtype], shape)
    y = helper.make_tensor_value_info("out", TYPES[gives], out)
    given = [numpy_helper.from_array(value, name) for name, value in (tensors or {}).items()]
    graph = helper.make_graph(nodes, "test", [x], [y], given)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(made, metadata)
    return made


def conv(shape: tuple = (1, 3, "h", "w"), out: tuple = (1, 5, "h2", "w2"), weight: np.ndarray = WEIGHT,
         bias: np.ndarray = BIAS, **metadata: str) -> bytes:  # fmt: skip
    """A 3x3 convolution with stride 2 from 3 channels to 5 classes."""
    node = helper.make_node("Conv", ["image", "w", "b"], ["out"], pads=[1, 1, 1, 1], strides=[2, 2])
    return model([node], shape, out, {"w": weight, "b": bias}, **metadata).SerializeToString()


def turned(dtype: str = "uint8", kind: str = "logits", size: tuple = (64, 96)) -> bytes:
    """The same convolution for (1, h, w, 3) of `dtype`; kind: "logits" NHWC, or "labels" (1, h, w) int64."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["first", "w", "b"], ["maps"], pads=[1, 1, 1, 1], strides=[2, 2]),
    ]
    h, w = size[0] // 2, size[1] // 2
    if kind == "labels":
        nodes.append(helper.make_node("ArgMax", ["maps"], ["out"], axis=1, keepdims=0))
        out, gives = (1, h, w), "int64"
    else:
        nodes.append(helper.make_node("Transpose", ["maps"], ["out"], perm=[0, 2, 3, 1]))
        out, gives = (1, h, w, 5), "float32"
    tensors = {"w": WEIGHT, "b": BIAS}
    return model(nodes, (1, *size, 3), out, tensors, dtype, gives).SerializeToString()


def endless() -> bytes:
    """A loop of 2^60 turns."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["x", "x"], ["more"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go", 9, []),
         helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("on", 9, []), helper.make_tensor_value_info("more", TensorProto.FLOAT, None)],
    )  # fmt: skip
    node = helper.make_node("Loop", ["turns", "yes", "image"], ["out"], body=body)
    tensors = {"turns": np.array(2**60), "yes": np.array(True)}
    return model([node], (1, 3, "h", "w"), (1, 3, "h", "w"), tensors).SerializeToString()


def greedy() -> bytes:
    """A network that makes a hundred by a hundred pictures of one: 4.2 GB of 188 x 188 pixels."""
    nodes = [
        helper.make_node("Tile", ["image", "times"], ["large"]),
        helper.make_node("Softmax", ["large"], ["out"], axis=1),
    ]
    tensors = {"times": np.array([1, 1, 100, 100])}
    return model(nodes, (1, 3, "h", "w"), (1, 3, "H", "W"), tensors).SerializeToString()


def two_files(location: str) -> tuple[bytes, bytes]:
    """The small convolution with its weights in another file."""
    made = ModelProto.FromString(conv())
    data = b""
    for tensor in made.graph.initializer:
        tensor.external_data.add(key="location", value=location)
        tensor.external_data.add(key="offset", value=str(len(data)))
        tensor.external_data.add(key="length", value=str(len(tensor.raw_data)))
        data += tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
    return made.SerializeToString(), data
