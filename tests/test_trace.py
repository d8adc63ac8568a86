"""The record of a run: what it refuses, and that a saved one comes back the same."""

import dataclasses
import json
import pickle

import numpy as np
import pytest

from engine.trace import BEST, COST, HEIGHT, KINDS, LEAVES, PARENT, VOID, Layer, Step, Table, Trace, TraceError
from tests.trees import made_tree

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
DICE = np.random.default_rng(0)
DATA = {
    "image": RGB, "labels": DICE.normal(size=(3, 2, 3)).astype(np.float32), "heat": DICE.normal(size=(2, 3)),
    "mask": DICE.random((4, 6)) > 0.5, "boxes": np.array([[0.5, 1, 3, 2.25]]), "points": np.array([[1.5, 2.5]]),
    "lines": np.array([[0.0, 0], [np.nan, np.nan], [2, 3]]), "cells": np.array([2, 3]),
    "tree": np.array([[0, 1], [2, 2]], np.int32),
}  # fmt: skip


def trace() -> Trace:
    layers = tuple(
        Layer(kind, f"a {kind}", data, box=(0, 0.5, 6, 4), range=(-1.0, 2.0), unit="logit", attributes={"stride": 2.0},
              nodes=made_tree(3) if kind == "tree" else None)
        for kind, data in DATA.items()
    )  # fmt: skip
    table = Table(("class", "share"), (("sky", 0.25), ("tree", 0.75)))
    steps = (Step("Empty", "Nothing yet."), Step("All", "Müsli & <b>bold</b>.", layers, table))
    return Trace(RGB, {"name": "x", "figures": {"a": np.float32(0.5)}}, steps, ("a", "b"),
                 np.array([[1, 2, 3], [4, 5, 6]], np.uint8), {"gains": [1.0, 0.0], "variant": "8s"})  # fmt: skip


def test_a_saved_trace_comes_back(tmp_path):
    before = trace()
    assert before.save(tmp_path / "new" / "folder") == tmp_path / "new" / "folder"
    after = Trace.load(tmp_path / "new" / "folder")
    assert np.array_equal(after.image, before.image)
    assert np.array_equal(after.colours, before.colours)
    assert (after.classes, dict(after.settings)) == (before.classes, dict(before.settings))
    assert after.card == {"name": "x", "figures": {"a": 0.5}}
    assert [(s.title, s.sentence, s.table) for s in after.steps] == [
        (s.title, s.sentence, s.table) for s in before.steps
    ]
    for a, b in zip(after.steps[1].layers, before.steps[1].layers, strict=True):
        assert (a.kind, a.name, a.box, a.range, a.unit, a.attributes) == (b.kind, b.name, b.box, b.range, b.unit,
                                                                          b.attributes)  # fmt: skip
        assert a.data.dtype == b.data.dtype
        assert np.array_equal(a.data, b.data, equal_nan=a.data.dtype.kind == "f")
        assert (a.nodes is None) == (b.nodes is None) == (a.kind != "tree")
        assert a.nodes is None or (a.nodes.dtype == np.float32 and np.array_equal(a.nodes, b.nodes))


def test_every_kind_is_tried():
    assert set(DATA) == set(KINDS)
    assert max(DATA["labels"].shape[0], 8) < VOID


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_dimensions_are_refused(kind):
    with pytest.raises(TraceError, match="4 dimensions"):
        Layer(kind, "odd", np.zeros((1, 1, 1, 1)))


def test_unknown_kinds_and_pictures_are_refused():
    with pytest.raises(TraceError, match="kind 'blob'"):
        Layer("blob", "odd", RGB)
    for bad in (RGB.astype(float), RGB[..., 0], RGB[..., :2]):
        with pytest.raises(TraceError, match="uint8"):
            Trace(bad, {}, ())
    with pytest.raises(TraceError, match="2 classes came with 0 colours"):
        Trace(RGB, {}, (), ("a", "b"))


def changed(row: int, column: int, value: float, n: int = 5) -> np.ndarray:
    nodes = made_tree(n)
    nodes[row, column] = value
    return nodes


BAD = {
    "shape": [made_tree(5)[:, :4], made_tree(5)[:-1], made_tree(5)[None], np.zeros((2 * LEAVES + 1, 5), np.float32)],
    "finite": [changed(3, COST, np.nan), changed(0, HEIGHT, -np.inf)],
    "numbered": [changed(8, PARENT, 9), changed(8, PARENT, 8), changed(0, PARENT, 3), changed(0, PARENT, -1),
                 changed(0, PARENT, 1e15), changed(7, PARENT, 6)],
    "heights": [changed(7, HEIGHT, 1.5), changed(0, HEIGHT, 100)],
    "best": [changed(0, BEST, 1), changed(8, BEST, 7), changed(0, BEST, 1e9), changed(8, BEST, -1)],
}  # fmt: skip


@pytest.mark.parametrize(("word", "nodes"), [(word, nodes) for word, all_ in BAD.items() for nodes in all_])
def test_nodes_that_are_no_tree_are_refused(word, nodes):
    with pytest.raises(TraceError, match=word) as caught:
        Layer("tree", "odd", np.array([[0, 1, 2, 3, 4]]), nodes=nodes)
    assert str(caught.value).startswith("The tree 'odd' has") or word == "numbered"
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("leaves", [np.array([[5]]), np.array([[-1]]), np.array([[0.5]]), np.zeros((0, 3), int)])
def test_leaves_that_are_not_in_the_tree_are_refused(leaves):
    with pytest.raises(TraceError, match="leaves that are not whole numbers from 0 to 4"):
        Layer("tree", "odd", leaves, nodes=made_tree(5))


@pytest.mark.parametrize("n", [1, 2, 3, 40, LEAVES])
def test_trees_of_any_size_are_taken(n):
    assert Layer("tree", "t", np.arange(n).reshape(1, n), nodes=made_tree(n)).nodes.shape == (2 * n - 1, 8)


def test_only_a_tree_has_nodes():
    with pytest.raises(TraceError, match="a tree needs nodes"):
        Layer("tree", "t", DATA["tree"])
    with pytest.raises(TraceError, match="nothing else has them"):
        Layer("mask", "m", DATA["mask"], nodes=made_tree(3))


def test_a_trace_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        trace().steps = ()


def broken(folder, name, change):
    path = trace().save(folder) / name
    path.write_bytes(change(path.read_bytes()))
    return folder


@pytest.mark.parametrize(("name", "change"), [
    ("trace.json", lambda data: data[:-20]),
    ("trace.json", lambda data: b"[]"),
    ("trace.json", lambda data: b"\xff\xfe"),
    ("trace.json", lambda data: data.replace(b'"format": 1', b'"format": 99')),
    ("trace.json", lambda data: data.replace(b'"heat"', b'"boxes"').replace(b'"labels"', b'"points"')),
    ("trace.json", lambda data: data.replace(b'"sentence"', b'"no"')),
    ("trace.npz", lambda data: data[: len(data) // 2]),
    ("trace.npz", lambda data: b"not a zip file"),
    ("trace.npz", lambda data: b""),
    ("trace.json", lambda data: data.replace(b'"tree"', b'"labels"')),
])  # fmt: skip
def test_broken_files_give_one_sentence(tmp_path, name, change):
    with pytest.raises(TraceError) as caught:
        Trace.load(broken(tmp_path, name, change))
    assert str(caught.value).endswith(".")


def test_a_missing_folder_gives_one_sentence(tmp_path):
    with pytest.raises(TraceError, match="readable Trace"):
        Trace.load(tmp_path / "nowhere")


class Bomb:
    def __reduce__(self):
        return (print, ("executed",))


def test_nothing_in_a_file_is_executed(tmp_path, capsys):
    folder = trace().save(tmp_path)
    np.savez(folder / "trace.npz", image=np.array([Bomb()], dtype=object), colours=DATA["points"])
    with pytest.raises(TraceError):
        Trace.load(folder)
    assert "executed" not in capsys.readouterr().out
    assert pickle.dumps(Bomb())  # it would have been


def test_what_json_cannot_hold_is_refused(tmp_path):
    with pytest.raises(TypeError, match="no place"):
        dataclasses.replace(trace(), settings={"x": object()}).save(tmp_path)
    assert json.loads((trace().save(tmp_path) / "trace.json").read_text())["format"] == 1
