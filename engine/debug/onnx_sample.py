"""One of our own networks written as ONNX: a file to try, and an answer that is known to the last digit.

References
1. ONNX operators, opset 17: Conv, ConvTranspose, Clip, Relu, Add.
2. `engine.segmentation.fcn`, `engine.trunk`: the network that is written.
"""

from __future__ import annotations

import json

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import nn

from engine import zoo
from engine.cards import Card
from engine.segmentation.fcn import FCN
from engine.trunk import Block, SameConv2d

OPSET, IR = 17, 9
NAME = "fcn-scenes"


def sample() -> bytes:
    """The bundled FCN as an ONNX file: (1, 3, h, w) RGB as x / 127.5 - 1 -> logits (1, 8, h / 8, w / 8)."""
    card = Card.read(NAME)
    network = FCN(len(card.classes), card.settings["trunk"])
    network.load_state_dict(zoo.read_weights(card))
    return written(network.eval(), card.classes)


def written(network: FCN, classes: tuple[str, ...]) -> bytes:
    """`network` as an ONNX file for pictures of any size in multiples of 32, with classes and scale in the metadata."""
    writer = _Writer()
    x, maps = writer.clip(writer.conv(network.trunk.stem, "image")), []
    for i, stage in enumerate(network.trunk.stages):
        for block in stage:
            x = writer.block(block, x)
        if i in (2, 4, 6):  # the ends of strides 8, 16 and 32
            maps.append(x)
    f8, f16, f32 = maps
    deep = writer.node("Relu", [writer.conv(network.fc6[0], f32)])
    s32, s16, s8 = (writer.conv(*pair) for pair in
                    ((network.score32, deep), (network.score16, f16), (network.score8, f8)))  # fmt: skip
    s16 = writer.node("Add", [writer.conv(network.up32, s32), s16])
    writer.node("Add", [writer.conv(network.up16, s16), s8], output="logits")
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, f"height{part}", f"width{part}"])
             for name, channels, part in (("image", 3, ""), ("logits", len(classes), "/8"))]  # fmt: skip
    graph = helper.make_graph(writer.nodes, "fcn", ports[:1], ports[1:], writer.tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    helper.set_model_props(model, {"classes": json.dumps(classes), "scale": "x / 127.5 - 1"})
    return model.SerializeToString()


class _Writer:
    """Nodes and tensors of a graph as they are written."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.tensors: list[TensorProto] = []
        self._limits = [self._tensor(np.float32(0)), self._tensor(np.float32(6))]

    def node(self, kind: str, inputs: list[str], output: str = "", **attributes: list[int] | int) -> str:
        """Add a node; the name of its output."""
        output = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def clip(self, x: str) -> str:
        """ReLU6."""
        return self.node("Clip", [x, *self._limits])

    def conv(self, layer: nn.Conv2d | nn.ConvTranspose2d, x: str) -> str:
        """A convolution or a transposed one, with the uneven padding of `engine.trunk.SameConv2d`."""
        weights = [self._tensor(t.detach().numpy()) for t in (layer.weight, layer.bias) if t is not None]
        kind = "ConvTranspose" if isinstance(layer, nn.ConvTranspose2d) else "Conv"
        begin, end = list(layer.padding), list(layer.padding)
        if isinstance(layer, SameConv2d) and layer.stride[0] == 2:
            begin = [p - 1 for p in begin]
        return self.node(kind, [x, *weights], kernel_shape=list(layer.kernel_size), strides=list(layer.stride),
                         pads=[*begin, *end], group=layer.groups)  # fmt: skip

    def block(self, block: Block, x: str) -> str:
        """An inverted residual."""
        inner = self.clip(self.conv(block.expand, x)) if isinstance(block.expand, SameConv2d) else x
        inner = self.conv(block.project, self.clip(self.conv(block.depthwise, inner)))
        return self.node("Add", [x, inner]) if block.residual else inner

    def _tensor(self, values: np.ndarray) -> str:
        name = f"t{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name
