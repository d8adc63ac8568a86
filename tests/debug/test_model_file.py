"""A model's file on the command line: what is guessed, said beside it, or by its caller; no path leads out."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.torch
import torch
from onnx import helper

from engine.cards import ModelError
from engine.debug import model_file
from engine.segmentation import published
from tests.debug import networks

FIVE = tuple("abcde")


@pytest.fixture
def net(tmp_path):
    """The small convolution in a file."""
    path = tmp_path / "net.onnx"
    path.write_bytes(networks.conv())
    return path


def test_what_is_not_said_is_guessed_and_told(net, rgb):
    told = []
    model = model_file.load(net, tell=told.append)
    assert model.card.classes == ("class 0", "class 1", "class 2", "class 3", "class 4")
    assert model.card.name.startswith("net-")
    assert model.predict(rgb)["out"].shape == rgb.shape[:2]
    assert any("5 classes" in sentence for sentence in told)
    assert any("are a guess" in sentence for sentence in told)
    model.close()


def test_what_is_said_counts_the_caller_before_the_file_beside_it(net):
    (net.parent / "net.json").write_text(json.dumps({"classes": list(FIVE), "size": 256, "mean": [0.5, 0.4, 0.3]}))
    told = []
    model = model_file.load(net, size="128x96", std="0.2", tell=told.append)
    spec = model.spec
    assert (model.card.classes, spec.mean, spec.std) == (FIVE, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    assert (spec.height, spec.width) == (96, 128)
    assert told == []
    assert model_file.load(net).spec.longest == 256
    other = model_file.load(net, classes="v,w,x,y,z")
    assert other.card.classes == tuple("vwxyz")
    assert other.card.name != model.card.name
    assert other.card.sha256 == model.card.sha256


def test_means_of_pixels_to_255_are_taken_as_such(net):
    assert model_file.load(net, mean="123.675,116.28,103.53", std="58.4,57.1,57.4").spec.scale == "raw, 0 to 255"


@pytest.mark.parametrize(("options", "words"), [
    ({"classes": "a,b"}, "speaks of 5 classes, but there are 2 names"),
    ({"classes": "one"}, "at least two names"),
    ({"size": "big"}, "longer side"),
    ({"size": 9999}, "8 to 2048"),
    ({"mean": "1,2"}, "three numbers"),
    ({"kind": "magic"}, "one of logits, probabilities, labels"),
    ({"output": "other"}, "no output of that name; it has out"),
    ({"colour": 3}, "There is no option colour"),
    ({"std": "0,1,1"}, "deviation larger than 0"),
])  # fmt: skip
def test_what_cannot_be_is_a_sentence(net, rgb, options, words):
    with pytest.raises(ModelError) as caught:
        model_file.load(net, **options).encode(rgb)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["[1]", "{", "{" + " " * 300_000 + "}", "[" * 5000])
def test_a_file_of_options_that_is_none(net, text):
    (net.parent / "net.json").write_text(text)
    with pytest.raises(ModelError, match=r"net\.json beside the model is not"):
        model_file.load(net)


def test_a_network_that_chooses_itself_must_be_told_its_classes(tmp_path):
    path = tmp_path / "labels.onnx"
    path.write_bytes(networks.turned(kind="labels"))
    with pytest.raises(ModelError, match="does not tell how many"):
        model_file.load(path)
    assert model_file.load(path, classes="5").card.classes[-1] == "class 4"
    with pytest.raises(ModelError, match="fixes the input at 96 x 64"):
        model_file.load(path, classes=5, size=512)


def test_weights_in_a_file_beside_it_are_read(tmp_path, net, rgb):
    path = tmp_path / "two.onnx"
    network, data = networks.two_files("two.onnx.data")
    path.write_bytes(network)
    with pytest.raises(ModelError, match=r"two\.onnx\.data, which is not beside it"):
        model_file.load(path)
    (tmp_path / "two.onnx.data").write_bytes(data)
    assert torch.equal(model_file.load(path).encode(rgb).logits, model_file.load(net).encode(rgb).logits)
    (tmp_path / "two.onnx.data").write_bytes(data[:-1])
    with pytest.raises(ModelError, match="does not fit this network"):
        model_file.load(path)


@pytest.mark.parametrize("location", ["../secret.data", "/etc/passwd", "sub/../../secret.data", "link.data"])
def test_no_path_leads_out_of_the_folder(tmp_path, location):
    network, data = networks.two_files(location)
    (tmp_path / "secret.data").write_bytes(data)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.data").symlink_to(tmp_path / "secret.data")
    (tmp_path / "in" / "two.onnx").write_bytes(network)
    with pytest.raises(ModelError, match=r"not in its folder|not beside it"):
        model_file.load(tmp_path / "in" / "two.onnx")


def test_weights_are_built_with_what_is_said(tmp_path, rgb):
    net = published.empty("lraspp_mobilenet_v3_large", 5).eval()
    path = tmp_path / "lraspp.safetensors"
    safetensors.torch.save_file(net.state_dict(), path, {"classes": json.dumps(FIVE)})
    model = model_file.load(path, size=96)
    assert model.card.classes == FIVE
    assert model.predict(rgb)["out"].shape == rgb.shape[:2]
    with pytest.raises(ModelError, match="only a network in ONNX"):
        model_file.load(path, kind="labels")
    told = []
    safetensors.torch.save_file(net.state_dict(), path)
    assert model_file.load(path, tell=told.append).card.classes[4] == "class 4"
    assert len(told) == 1


def test_the_same_name_twice_is_shown_as_two(net):
    assert model_file.load(net, classes="car,car,b,c,car (2)").card.classes == ("car", "car (3)", "b", "c", "car (2)")


def test_files_of_models_are_told_from_names():
    assert [model_file.is_file(n) for n in ("a/b.onnx", "B.SAFETENSORS", "fcn-scenes", "x.pt")] == [True, True, False,
                                                                                                    False]  # fmt: skip


def test_a_detector_is_refused(tmp_path):
    nodes = [helper.make_node("Conv", ["image", "k"], ["c"], strides=[8, 8]),
             helper.make_node("Reshape", ["c", "shape"], ["output0"])]  # fmt: skip
    made = networks.model(nodes, (1, 3, 64, 64), (1, 84, 64), {"k": np.ones((84, 3, 8, 8), np.float32),
                                                              "shape": np.array([1, 84, 64])})  # fmt: skip
    made.graph.output[0].name = "output0"
    path = tmp_path / "d.onnx"
    path.write_bytes(made.SerializeToString())
    with pytest.raises(ModelError, match="detector"):
        model_file.load(path)
