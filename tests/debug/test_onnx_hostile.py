"""ONNX files of somebody who means harm: each ends in an answer or a sentence, and no file is ever opened."""

from __future__ import annotations

import random

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from engine.cards import ModelError
from engine.debug import onnx_checks
from engine.debug.onnx_process import MOST_FILE, Network, Process, _info
from engine.debug.onnx_spec import guess
from tests.debug import networks

SECONDS = 20.0


class Door:
    """One process for many files; another one where a file ended it."""

    def __init__(self) -> None:
        self.process, self.ended = Process(), 0

    def open(self, data: bytes) -> str:
        """What came of a file: "" where it is a network, else the sentence. Anything else than ModelError passes."""
        try:
            answer, _ = self.process.ask({"do": "open"}, np.frombuffer(data, np.uint8), SECONDS)
            guess(_info(answer)).wrong()
        except ModelError as error:
            if self.process._popen.poll() is not None:
                self.process, self.ended = Process(), self.ended + 1
            return str(error)
        return ""


@pytest.fixture(scope="module")
def door():
    made = Door()
    yield made
    made.process.end()


def sentence(text: str) -> bool:
    """True for one clear sentence that is safe to show."""
    return 10 < len(text) <= 600 and "\n" not in text and "Traceback" not in text and not set("<>[]`$*|") & set(text)


def external(location: str, **changes: str) -> ModelProto:
    """The small convolution whose weights are said to lie in a file."""
    made = ModelProto.FromString(networks.conv())
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "540", **changes}.items():
        tensor.external_data.add(key=key, value=value)
    return made


@pytest.mark.parametrize("location", ["/etc/passwd", "../../../../etc/passwd", "weights.bin", "/proc/self/environ", "",
                                      "*/_ORT_MEM_ADDR_/*", "~/.ssh/id_rsa", "file:///etc/passwd"])  # fmt: skip
def test_weights_in_another_file_are_refused(door, location):
    assert "another file, which is never opened" in door.open(external(location).SerializeToString())
    half = external(location)
    half.graph.initializer[0].data_location = TensorProto.DEFAULT  # says that they are here, and names a file too
    assert "another file" in door.open(half.SerializeToString())


def test_other_files_are_refused_wherever_they_are_named(door):
    far = external("/etc/passwd").graph.initializer[0]
    constant = networks.model([helper.make_node("Constant", [], ["out"], value=far)], (1, 3, 8, 8), (1, 3, 8, 8))
    branch = helper.make_graph([helper.make_node("Constant", [], ["a"], value=far)], "branch", [],
                               [helper.make_tensor_value_info("a", 1, None)])  # fmt: skip
    inside = networks.model([helper.make_node("If", ["yes"], ["out"], then_branch=branch, else_branch=branch)],
                            (1, 3, 8, 8), (1, 3, 8, 8), {"yes": np.array(True)})  # fmt: skip
    sparse = ModelProto.FromString(networks.conv())
    sparse.graph.sparse_initializer.add(values=far, indices=numpy_helper.from_array(np.zeros(1, np.int64)), dims=[9])
    function = ModelProto.FromString(networks.conv())
    function.functions.add(name="f", domain="mine", output=["o"]).node.append(constant.graph.node[0])
    training = ModelProto.FromString(networks.conv())
    training.training_info.add().algorithm.initializer.append(far)
    for made in (constant, inside, sparse, function, training):
        assert "another file" in door.open(made.SerializeToString())


def test_operators_that_name_files_or_code_are_refused(door):
    for kind, domain in (("EPContext", "com.microsoft"), ("PyOp", ""), ("Evil", "com.evil"), ("Conv", "pip")):
        made = networks.model([helper.make_node(kind, ["image"], ["out"], domain=domain)], (1, 3, 8, 8), (1, 3, 8, 8))
        made.opset_import.add(domain=domain or "ai.onnx", version=1)
        assert "not one of onnxruntime's own" in door.open(made.SerializeToString())


def test_huge_shapes_are_refused_or_survived(door):
    def constant(*dims: int) -> ModelProto:
        return networks.model([helper.make_node("ConstantOfShape", ["dims"], ["large"]),
                               helper.make_node("Add", ["image", "large"], ["out"])], (1, 3, 8, 8), (1, 3, "h", "w"),
                              {"dims": np.array(dims)})  # fmt: skip

    assert "too large" in door.open(constant(1, 3, 2**20, 2**20).SerializeToString())
    assert sentence(door.open(constant(1, 3, -5, 2**62).SerializeToString()))
    for dims in ([2**40, 2**40], [-1, 5], [2**31] * 3, [1] * 99):
        made = ModelProto.FromString(networks.conv())
        made.graph.initializer[0].dims[:] = dims
        assert "tensor in this file" in door.open(made.SerializeToString())
    sparse = ModelProto.FromString(networks.conv())
    sparse.graph.sparse_initializer.add(dims=[2**40], values=numpy_helper.from_array(np.ones(1, np.float32), "s"),
                                        indices=numpy_helper.from_array(np.zeros(1, np.int64)))  # fmt: skip
    assert "impossible shape" in door.open(sparse.SerializeToString())
    short = ModelProto.FromString(networks.conv())
    short.graph.initializer[0].dims[:] = [2**14, 2**14]
    assert "shorter than its shape says" in door.open(short.SerializeToString())
    assert "too large" in door.open(networks.conv(shape=(1, 3, 2**40, 2**40)))


def test_nesting_and_numbers_of_nodes_are_bounded(door):
    graph = helper.make_graph([helper.make_node("Identity", ["image"], ["a"])], "g", [],
                              [helper.make_tensor_value_info("a", 1, None)])  # fmt: skip
    for _ in range(25):
        node = helper.make_node("If", ["yes"], ["a"], then_branch=graph, else_branch=helper.make_graph([], "e", [], []))
        graph = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("a", 1, None)])
    deep = networks.model([helper.make_node("If", ["yes"], ["out"], then_branch=graph)], (1, 3, 8, 8), (1, 3, 8, 8),
                          {"yes": np.array(True)})  # fmt: skip
    assert sentence(door.open(deep.SerializeToString()))
    many = ModelProto.FromString(networks.conv())
    node = many.graph.node[0]
    many.graph.node.extend([node] * onnx_checks.MOST_NODES)
    assert "at most 20000 are run" in door.open(many.SerializeToString())
    long = networks.model([helper.make_node("Identity", ["image"], ["out"])], (1, 3, 8, 8), (1, 3, 8, 8))
    long.graph.output[0].name = long.graph.node[0].output[0] = "o" * 10_000
    assert "more than 200 letters" in door.open(long.SerializeToString())


def test_three_thousand_broken_files(door):
    """Cut off, bytes changed, runs deleted, doubled or spliced: an answer or a sentence for each."""
    dice = random.Random(0)
    seeds = [networks.conv(names="{0: 'a'}"), networks.turned(), networks.endless(), networks.greedy(),
             networks.conv(weight=np.zeros((2, 3, 1, 1), np.float32), bias=np.zeros(2, np.float32))]  # fmt: skip
    opened, said = 0, set()
    for _ in range(3000):
        text = door.open(mutated(dice.choice(seeds), seeds, dice))
        opened += not text
        said.add(text)
        assert not text or sentence(text), text
    assert opened > 50  # a changed weight is still a network
    assert len(said) > 20
    assert door.open(seeds[0]) == ""  # and the door is open to the next one


def mutated(data: bytes, seeds: list[bytes], dice: random.Random) -> bytes:
    """One of several ways to break a file."""
    changed, at = bytearray(data), dice.randrange(len(data))
    kind = dice.randrange(6)
    if kind == 0:
        return data[:at]
    if kind == 1:
        for _ in range(dice.choice((1, 2, 8, 30))):
            changed[dice.randrange(len(data))] = dice.randrange(256)
    elif kind == 2:
        del changed[at : at + dice.randrange(1, 40)]
    elif kind == 3:
        changed[at:at] = changed[at : at + dice.randrange(1, 200)] * dice.choice((1, 3, 50))
    elif kind == 4:
        other = dice.choice(seeds)
        changed[at:] = other[dice.randrange(len(other)) :]
    else:  # lengths and tags live in the first bytes and around the end
        for _ in range(4):
            changed[dice.randrange(min(60, len(data)))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
            changed[-dice.randrange(1, min(80, len(data)))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def test_noise_and_other_files(door):
    dice = random.Random(1)
    for size in (0, 1, 2, 9, 100, 5000):
        assert sentence(door.open(dice.randbytes(size)))
    for start in (b"ORTM", b"\0\0\0\0ORTM", b"\x08\x09\x12\x04ORTM", b"<html>", b"PK\3\4"):
        assert sentence(door.open(start + dice.randbytes(200)))


def test_a_file_that_is_too_long_starts_no_process():
    with pytest.raises(ModelError, match="at most 100 MB"):
        Network(bytes(MOST_FILE + 1))


@pytest.mark.parametrize("answer", [{}, {"inputs": 3}, {"inputs": [{}], "outputs": [], "metadata": {}, "nodes": 1},
                                    {"inputs": [], "outputs": [], "metadata": [], "nodes": "x"}])  # fmt: skip
def test_what_the_process_says_is_not_trusted(answer):
    with pytest.raises(ModelError, match="did not say what the file holds"):
        _info(answer)
