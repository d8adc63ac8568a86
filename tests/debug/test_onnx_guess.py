"""What a first run tells of a network: kind, layout, output, number of classes; what is no map of classes is named."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.cards import ModelError
from engine.debug import onnx_process
from engine.debug.onnx_dry import RIGHT, WRONG, dry_run
from engine.debug.onnx_guess import Guess, propose
from engine.debug.onnx_model import OnnxModel, card_of
from engine.debug.onnx_process import Network
from engine.debug.onnx_spec import ASK, GUESS
from tests.debug import networks

RNG = np.random.default_rng(0)
SIDE = (1, 3, 128, 128)


def gives(outputs: dict[str, np.ndarray], last: str = "", shape: tuple = SIDE, **metadata: str) -> bytes:
    """A network whose outputs are these arrays, plus a little of the picture's mean where they are floats.

    last: the operator that each output ends in.
    """
    nodes = [helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
             helper.make_node("Mul", ["mean", "little"], ["m"])]  # fmt: skip
    tensors, ports = {"little": np.array(1e-6, np.float32)}, []
    for i, (name, value) in enumerate(outputs.items()):
        floats = value.dtype.kind == "f"
        tensors[f"c{i}"] = value
        ends = [name] if not last else [f"x{i}", name]
        if floats and value.dtype == np.float32:
            nodes.append(helper.make_node("Add", ["m", f"c{i}"], ends[:1]))
        else:
            nodes.append(helper.make_node("Identity", [f"c{i}"], ends[:1]))
        if last:
            options = {"axis": 1} if last in ("Softmax", "LogSoftmax") else {}
            nodes.append(helper.make_node(last, ends[:1], ends[1:], **options))
        ports.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape))
    graph = helper.make_graph(nodes, "test", [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)], ports,
                              [numpy_helper.from_array(v, k) for k, v in tensors.items()])  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(made, metadata)
    return made.SerializeToString()


def scores(*shape: int) -> np.ndarray:
    return RNG.normal(0, 3, shape).astype(np.float32)


def proposed(data: bytes) -> Guess:
    with contextlib.closing(Network(data)) as network:
        return propose(network)


def tried(data: bytes, rgb: np.ndarray) -> tuple[Guess, OnnxModel, set[str]]:
    """The guess, the model as guessed, and the levels of what its dry run found."""
    network = Network(data)
    guess = propose(network)
    model = OnnxModel(card_of("m", guess.spec, network), network, guess.spec)
    return guess, model, {f.level for f in dry_run(model, rgb)}


@pytest.mark.parametrize(("outputs", "words"), [
    ({"output0": scores(1, 116, 336), "output1": scores(1, 32, 32, 32)}, "detector"),
    ({"output1": scores(1, 32, 32, 32), "output0": scores(1, 116, 336)}, "detector"),
    ({"output0": scores(1, 84, 336)}, "detector"),
    ({"output0": scores(1, 300, 6)}, "detector"),
    ({"dets": scores(1, 100, 5), "labels": np.zeros((1, 100), np.int64)}, "detector"),
    ({"logits": scores(1, 100, 92), "pred_boxes": scores(1, 100, 4)}, "detector"),
    ({"boxes": scores(7, 4), "labels": np.zeros(7, np.int64), "masks": scores(7, 1, 128, 128)}, "detector"),
    ({"class_queries_logits": scores(1, 100, 134), "masks_queries_logits": scores(1, 100, 32, 32)}, "instance"),
    ({"a": scores(1, 255, 16, 16), "b": scores(1, 255, 8, 8), "c": scores(1, 255, 4, 4)}, "detector's heads"),
    ({"a": scores(1, 3, 16, 16, 85)}, "detector"),
    ({"probs": scores(1, 1000)}, "No output is a map"),
    ({"probs": scores(1, 1000, 1, 1)}, "a classifier"),
    ({"last_hidden_state": scores(1, 65, 768)}, "sequence of vectors"),
    ({"predicted_depth": scores(1, 128, 128)}, "measurement"),
    ({"y": np.abs(scores(1, 1, 128, 128)) + 2}, "such as depth"),
    ({"y": scores(1, 3, 256, 256)}, "made larger"),
    ({"y": scores(1, 768, 8, 8)}, "features"),
    ({"p2": scores(1, 24, 32, 32), "p3": scores(1, 40, 16, 16), "p4": scores(1, 112, 8, 8)}, "backbone"),
])  # fmt: skip
def test_what_is_no_map_of_classes_is_named(outputs, words):
    with pytest.raises(ModelError) as caught:
        proposed(gives(outputs))
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("task", ["detect", "segment", "pose", "obb", "classify"])
def test_a_file_that_says_what_it_does_is_believed(task):
    with pytest.raises(ModelError, match=f"task: {task}"):
        proposed(gives({"output0": scores(1, 4, 128, 128)}, task=task))


@pytest.mark.parametrize(("last", "kind"), [("Sigmoid", "probabilities"), ("Softmax", "probabilities"),
                                            ("LogSoftmax", "logits"), ("", "logits")])  # fmt: skip
@pytest.mark.parametrize("channels", [1, 4])
def test_what_the_numbers_are_is_seen(last, kind, channels, rgb):
    if last.endswith("Softmax") and channels == 1:
        return
    value = scores(1, channels, 64, 64)
    guess, model, levels = tried(gives({"y": value}, last), rgb)
    assert guess.spec.kind == kind
    assert len(guess.spec.classes) == max(2, channels)
    assert WRONG not in levels
    wanted = value[0].argmax(0) if channels > 1 else (value[0, 0] > 0).astype(int)
    assert np.array_equal(model.encode(rgb).logits[0].argmax(0).numpy(), wanted)


@pytest.mark.parametrize("after", ["Identity", "Cast", "Transpose", "Squeeze", "Resize"])
def test_a_sigmoid_is_found_behind_what_follows_it(after):
    options = {"Cast": {"to": TensorProto.FLOAT}, "Transpose": {"perm": [0, 2, 3, 1]}}.get(after, {})
    nodes = [helper.make_node("ReduceMean", ["image"], ["z"], axes=[1]), helper.make_node("Sigmoid", ["z"], ["s"])]
    tensors, inputs = {}, ["s"]
    if after == "Squeeze":
        tensors, inputs = {"axes": np.array([1])}, ["s", "axes"]
    if after == "Resize":
        tensors, inputs = {"scales": np.array([1, 1, 2, 2], np.float32)}, ["s", "", "scales"]
    nodes.append(helper.make_node(after, inputs, ["out"], **options))
    made = networks.model(nodes, (1, 3, 64, 96), (1, "a", "b", "c")[: 3 if after == "Squeeze" else 4], tensors)
    guess = proposed(made.SerializeToString())
    assert guess.spec.kind == "probabilities"
    assert any("sigmoid" in f.sentence and f.level == RIGHT for f in guess.findings)


@pytest.mark.parametrize("shape", [(48, 64), (1, 48, 64), (1, 1, 48, 64), (1, 48, 64, 1), (48, 64, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "float32"])
def test_labels_of_any_shape_and_type(shape, dtype, rgb):
    labels = RNG.integers(0, 5, (48, 64)).astype(dtype)
    network = Network(gives({"mask": labels.reshape(shape)}, "Floor" if dtype == "float32" else "", (1, 3, 96, 128)))
    guess = propose(network)
    assert (guess.spec.kind, guess.spec.classes) == ("labels", ())
    asked = [f for f in guess.findings if f.level == ASK]
    assert len(asked) == 1
    assert "from 0 to 4" in asked[0].sentence
    spec = replace(guess.spec, classes=tuple("abcde"))
    model = OnnxModel(card_of("m", spec, network), network, spec)
    assert np.array_equal(model.encode(rgb).logits[0].argmax(0).numpy(), labels)
    network.close()


def test_masks_of_0_and_255_are_two_classes(rgb):
    mask = (RNG.random((1, 128, 128)) > 0.7).astype(np.uint8) * 255
    guess, model, levels = tried(gives({"mask": mask}), rgb)
    assert len(guess.spec.classes) == 2
    assert WRONG not in levels
    assert np.array_equal(model.encode(rgb).logits[0].argmax(0).numpy(), mask[0] // 255)


@pytest.mark.parametrize(("outputs", "best"), [
    ({"features": scores(1, 64, 32, 32), "out": scores(1, 3, 128, 128)}, "out"),
    ({"12": scores(1, 128, 32, 32), "13": scores(1, 3, 128, 128)}, "13"),
    ({"aux": scores(1, 4, 128, 128), "out": scores(1, 4, 128, 128)}, "out"),
    ({"out": scores(1, 4, 128, 128), "aux": scores(1, 4, 128, 128)}, "out"),
    ({"11": scores(1, 1, 128, 128), "12": scores(1, 19, 128, 128)}, "12"),
    ({"1959": scores(1, 1, 128, 128), "1960": scores(1, 1, 128, 128)}, "1959"),
    ({"label": scores(1, 7), "masks": scores(1, 4, 64, 64)}, "masks"),
])  # fmt: skip
def test_the_right_output_of_several(outputs, best):
    assert proposed(gives(outputs)).spec.output == best


def test_all_axes_open_takes_the_count_that_the_run_saw(rgb):
    weight = RNG.normal(0, 1, (150, 3, 4, 4)).astype(np.float32)
    node = helper.make_node("Conv", ["image", "k"], ["out"], strides=[4, 4])
    made = networks.model([node], ("b", "c", "h", "w"), ("b", "k", "h4", "w4"), {"k": weight}).SerializeToString()
    guess, _, levels = tried(made, rgb)
    assert guess.spec.classes == tuple(f"class {i}" for i in range(150))
    assert WRONG not in levels
    assert any(f.level == GUESS and "150" in f.sentence for f in guess.findings)


@pytest.mark.parametrize("axes", [("n", "h", "w", 3), ("n", "h", "w", "c")])
def test_rows_before_channels_with_all_axes_open(axes, rgb):
    nodes = [helper.make_node("Transpose", ["image"], ["t"], perm=[0, 3, 1, 2]),
             helper.make_node("Conv", ["t", "w", "b"], ["maps"], pads=[1, 1, 1, 1], strides=[2, 2]),
             helper.make_node("Transpose", ["maps"], ["out"], perm=[0, 2, 3, 1])]  # fmt: skip
    made = networks.model(nodes, axes, tuple("abcd"), {"w": networks.WEIGHT, "b": networks.BIAS})
    guess, _, levels = tried(made.SerializeToString(), rgb)
    assert (guess.spec.layout, guess.spec.out_layout, len(guess.spec.classes)) == ("NHWC", "NHWC", 5)
    assert WRONG not in levels


def test_grey_with_all_axes_open_and_no_batch_axis(rgb):
    weight = RNG.normal(0, 1, (4, 1, 3, 3)).astype(np.float32)
    node = helper.make_node("Conv", ["image", "k"], ["out"], pads=[1, 1, 1, 1])
    guess, _, levels = tried(
        networks.model([node], tuple("abcd"), tuple("efgh"), {"k": weight}).SerializeToString(), rgb
    )
    assert (guess.spec.channels, len(guess.spec.classes)) == ("grey", 4)
    assert WRONG not in levels
    nodes = [helper.make_node("Unsqueeze", ["image", "zero"], ["x"]), helper.make_node("Conv", ["x", "w", "b"], ["y"]),
             helper.make_node("Squeeze", ["y", "zero"], ["out"])]  # fmt: skip
    made = networks.model(nodes, (3, "h", "w"), (5, "i", "j"), {"w": networks.WEIGHT, "b": networks.BIAS,
                                                               "zero": np.array([0])})  # fmt: skip
    guess, _, levels = tried(made.SerializeToString(), rgb)
    assert (guess.spec.layout, len(guess.spec.classes)) == ("CHW", 5)
    assert WRONG not in levels


def test_a_network_made_for_one_size_although_its_axes_are_open(rgb):
    nodes = [helper.make_node("Conv", ["image", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
             helper.make_node("Add", ["c", "fixed"], ["out"])]  # fmt: skip
    tensors = {"w": networks.WEIGHT, "b": networks.BIAS, "fixed": np.zeros((1, 5, 112, 112), np.float32)}
    made = networks.model(nodes, (1, 3, "h", "w"), (1, 5, "i", "j"), tensors).SerializeToString()
    guess, _, levels = tried(made, rgb)
    assert (guess.spec.height, guess.spec.width) == (224, 224)
    assert WRONG not in levels


def versioned(opset: int, ir: int = 8) -> bytes:
    node = helper.make_node("Conv", ["image", "w", "b"], ["out"], pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    made = networks.model([node], (1, 3, 32, 48), (1, 5, 32, 48), {"w": networks.WEIGHT, "b": networks.BIAS})
    made.opset_import[0].version, made.ir_version = opset, ir
    return made.SerializeToString()


def test_operator_sets_from_7_to_the_newest():
    from onnx import IR_VERSION, defs

    newest = defs.onnx_opset_version()
    for opset in (7, 9, 11, 13, 20, newest):
        assert len(proposed(versioned(opset)).spec.classes) == 5
    for opset in (6, newest + 1):
        with pytest.raises(ModelError, match=f"7 to {newest} are run here"):
            proposed(versioned(opset))
    assert len(proposed(versioned(13, IR_VERSION)).spec.classes) == 5
    with pytest.raises(ModelError, match="version of onnx"):
        proposed(versioned(13, IR_VERSION + 1))


def test_a_sentence_quotes_at_most_80_characters_of_a_file():
    long = "Q" * 190
    bad = networks.model([helper.make_node("Conv", ["image", "image"], ["out"], name=long * 3)], (1, 3, 8, 8),
                         (1, 3, 8, 8))  # fmt: skip
    many = networks.model(
        [helper.make_node("Sum", [f"{long}{i}" for i in range(9)], ["out"])], (1, 3, 8, 8), (1, 3, 8, 8)
    )
    many.graph.input.extend(helper.make_tensor_value_info(f"{long}{i}", 1, (1, 3, 8, 8)) for i in range(9))
    shape = networks.conv(shape=(long, "Q" * 39, 7, 7, 7))
    for data in (bad.SerializeToString(), many.SerializeToString(), shape,
                 gives({long: scores(1, 3, 4, 9)}), gives({"a": scores(1, 2)}, names="Q" * 5000)):  # fmt: skip
        with pytest.raises(ModelError) as caught:
            proposed(data)
        assert str(caught.value).count("Q") <= 80, str(caught.value)


def test_a_first_run_that_never_ends_is_a_sentence_after_one_limit(monkeypatch):
    monkeypatch.setattr(onnx_process, "RUN_SECONDS", 0.5)
    with pytest.raises(ModelError, match="did not answer within"):
        proposed(networks.endless())


def test_a_network_that_runs_with_nothing_is_described_by_its_file():
    """Its weights fit no picture: the dry run says so."""
    made = networks.model([helper.make_node("MatMul", ["image", "w"], ["out"])], (1, 3, "h", "w"), (1, 3, "h", 5),
                          {"w": np.ones((7, 5), np.float32)})  # fmt: skip
    assert proposed(made.SerializeToString()).findings == ()
