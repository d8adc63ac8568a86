"""The nodes of an ONNX network as layers: the numbers, dead channels and fields of the same network in torch."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from onnx import ModelProto, helper
from torch import nn

from engine import tensors
from engine.debug import layers, onnx_layers
from engine.debug import onnx_process as process
from engine.debug.layer_listening import LayersError
from engine.debug.onnx_guess import propose
from engine.debug.onnx_model import OnnxModel, card_of
from engine.debug.onnx_process import Network
from engine.debug.onnx_spec import guess
from tests.debug import networks


def both(dead: int = 2) -> tuple[SimpleNamespace, bytes]:
    """A small network in torch and as a file; channel `dead` of the first convolution never gets past its ReLU."""
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 5, 3, 1, 2, dilation=2)
    up = nn.ConvTranspose2d(5, 4, 4, 2, 1)
    first.bias.data[dead] = -100
    net = nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(2), second, up, nn.Upsample(scale_factor=2, mode="bilinear"))
    tensors_of = {"w1": first.weight, "b1": first.bias, "w2": second.weight, "b2": second.bias, "w3": up.weight,
                  "b3": up.bias}  # fmt: skip
    given = {name: t.detach().numpy() for name, t in tensors_of.items()}
    given["scales"] = np.array([1, 1, 2, 2], np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["a"], "same", strides=[2, 2], pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], "same"),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["c", "w2", "b2"], ["d"], pads=[2] * 4, dilations=[2, 2]),
        helper.make_node("ConvTranspose", ["d", "w3", "b3"], ["e"], strides=[2, 2], pads=[1] * 4, kernel_shape=[4, 4]),
        helper.make_node("Resize", ["e", "", "scales"], ["out"], mode="linear"),
    ]
    made = networks.model(nodes, (1, 3, "h", "w"), (1, 4, "H", "W"), given, scale="x / 127.5 - 1")
    size = lambda rgb: tensors.working_size(*rgb.shape[:2], (32, 64), 32)  # noqa: E731
    ours = SimpleNamespace(network=net.eval().requires_grad_(False), device=torch.device("cpu"), working_size=size)
    return ours, made.SerializeToString()


def brought(data: bytes, **changes) -> OnnxModel:
    network = Network(data)
    spec = replace(propose(network).spec, longest=64, **changes)
    return OnnxModel(card_of("m", spec, network), network, spec)


@pytest.fixture
def pair():
    ours, data = both()
    model = brought(data)
    yield ours, model
    model.close()


def test_statistics_fields_and_dead_channels_are_torchs(pair, rgb):
    ours, model = pair
    wanted, found = layers.record(ours, rgb), layers.record(model, rgb)
    assert found.size == wanted.size
    assert [m.kind for m in found.modules] == [
        "ONNX graph",
        "Conv",
        "Relu",
        "MaxPool",
        "Conv",
        "ConvTranspose",
        "Resize",
    ]
    assert [m.own for m in found.modules[1:-1]] == [m.own for m in wanted.modules[1:-1]]
    assert found[""].total == wanted[""].total + 4  # the scales of Resize lie in the file too
    for ours_one, theirs in zip(wanted.modules[1:], found.modules[1:], strict=True):
        a, b = ours_one.outputs[0], theirs.outputs[0]
        assert (a.shape, a.cells, a.bounds, a.fields) == (b.shape, b.cells, b.bounds, b.fields), theirs.name
        for name in ("low", "high", "mean", "sd", "zeros"):
            assert np.allclose(getattr(a, name), getattr(b, name), atol=1e-4), (theirs.name, name)
        assert np.array_equal(a.dead, b.dead)
    assert found.modules[1].outputs[0].dead.nonzero()[0].tolist() == [2]


def test_maps_are_torchs(pair, rgb):
    ours, model = pair
    for ours_name, name in (("0", "same"), ("1", "same (2)"), ("3", "Conv 3"), ("5", "Resize 5"), ("", "")):
        a, b = layers.capture(ours, rgb, ours_name), layers.capture(model, rgb, name)
        assert np.array_equal(a.order, b.order)
        assert np.allclose(a.values, b.values, atol=1e-4)
        assert np.allclose(a.overall, b.overall, atol=1e-4)


def test_two_nodes_of_one_name_are_two_layers(pair, rgb):
    names = [m.name for m in layers.record(pair[1], rgb).modules]
    assert names[1:3] == ["same", "same (2)"]
    assert len(set(names)) == len(names)


def test_gradients_are_not_promised(pair, rgb):
    with pytest.raises(LayersError, match="no gradients"):
        layers.listened(pair[1], rgb, "same", 0, (0, 0))
    with pytest.raises(LayersError, match="gives no output number 2"):
        layers.capture(pair[1], rgb, "same", 1)
    with pytest.raises(LayersError, match="gives no output"):
        layers.capture(pair[1], rgb, "nothing")


def test_channels_last_are_shown_as_channels(rgb):
    model = brought(networks.turned(size=(64, 96)))
    found = layers.record(model, rgb)
    assert {m.kind: m.outputs[0].shape for m in found.modules[1:]} == {
        "Cast": (1, 3, 64, 96), "Transpose": (1, 5, 32, 48), "Conv": (1, 5, 32, 48)}  # fmt: skip
    assert found.modules[3].outputs[0].fields == found.modules[4].outputs[0].fields
    model.close()


def test_few_bytes_at_once_give_the_same(pair, rgb, monkeypatch):
    """Groups of values, each with a run of its own."""
    sizes = {"a": 10, "b": 5, "c": 20, "d": 1}
    monkeypatch.setattr(onnx_layers, "GROUP", 20)
    assert list(onnx_layers._groups(sizes)) == [["a", "b"], ["c"], ["d"]]
    monkeypatch.setattr(onnx_layers, "MOST_RUNS", 2)
    with pytest.raises(Exception, match="choose a smaller input"):
        list(onnx_layers._groups(sizes))


def test_what_cannot_be_looked_into_is_a_sentence_and_the_network_still_runs(rgb):
    model = brought(networks.conv())
    first = model.encode(rgb).logits
    model.values = {"x": ("image",)}
    with pytest.raises(LayersError, match="no such value inside"):
        layers.capture(model, rgb, "x")
    assert torch.equal(model.encode(rgb).logits, first)
    model.close()
    with pytest.raises(LayersError, match="was closed"):
        layers.record(model, rgb)


def test_an_endless_network_is_given_up(monkeypatch, rgb):
    monkeypatch.setattr(process, "LAYERS_SECONDS", 0.5)
    made = ModelProto.FromString(networks.endless())
    made.graph.node[0].output[0] = "x"
    made.graph.node.append(helper.make_node("Relu", ["x"], ["out"]))
    network = Network(made.SerializeToString())
    spec = guess(network.info)
    model = OnnxModel(card_of("m", spec, network), network, spec)
    with pytest.raises(LayersError, match="did not answer"):
        layers.record(model, rgb[:16, :16])
    assert network.pid is None
