"""Weights of a user: the networks they are recognised as, what does not fit in words, and nothing in them ever runs."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torchvision.models import get_model

from engine import zoo
from engine.cards import Card, ModelError
from engine.debug import architectures, checkpoints
from engine.segmentation import published

OURS = {"fcn-scenes": "fcn", "fcn-animals": "fcn", "patches": "patches", "multiscale": "multiscale",
        "multiscale-classic": "multiscale-classic", "recurrent": "recurrent"}  # fmt: skip
THEIRS = ("fcn_resnet50", "fcn_resnet101", "deeplabv3_resnet50", "deeplabv3_resnet101",
          "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large")  # fmt: skip


def bundled(name: str) -> bytes:
    return zoo.weights_path(name).read_bytes()


def changed(name: str, change) -> bytes:
    """The bundled weights of `name` after `change(state dict)`."""
    state = safetensors.torch.load(bundled(name))
    change(state)
    return safetensors.torch.save(state)


def built(data: bytes, **choice):
    weights = checkpoints.read(data)
    found = architectures.recognise(weights.shapes)
    return architectures.build("mine-1", found, weights, replace(architectures.guess(found), **choice))


@pytest.mark.parametrize(("name", "kind"), OURS.items())
def test_our_networks_come_back_the_same(name, kind, rgb):
    assert checkpoints.kind(bundled(name)) == "safetensors"
    weights = checkpoints.read(bundled(name))
    found = architectures.recognise(weights.shapes)
    card = Card.read(name)
    assert (found.name, found.classes) == (kind, len(card.classes))
    assert architectures.guess(found).classes[-1] == f"class {found.classes - 1}"  # a number of classes names none
    choice = architectures.guess(found, weights)  # but these bytes are known here
    model = architectures.build("mine-1", found, weights, replace(choice, longest=64))
    assert model.card.classes == card.classes
    assert model.card.settings["labels"] == card.settings["labels"]
    theirs = zoo.build(replace(card, settings={**card.settings, "longest": [32, 64]}))
    assert type(model) is type(theirs)
    small = rgb[::3, ::3]
    ours, wanted = model.encode(small), theirs.encode(small)
    for variant in model.scored:
        assert torch.equal(model.scores(ours, variant), theirs.scores(wanted, variant))


@pytest.mark.parametrize("name", THEIRS)
def test_torchvisions_networks_are_recognised(name):
    """From their shapes alone, wrapped in DataParallel and with the auxiliary head."""
    options = {} if name.startswith("lraspp") else {"aux_loss": True}
    with torch.device("meta"):
        net = get_model(name, weights=None, weights_backbone=None, num_classes=5, **options)
    shapes = {k: tuple(t.shape) for k, t in net.state_dict().items()}
    found = architectures.recognise(shapes)
    assert (found.name, found.classes, found.published) == (name, 5, True)


@torch.inference_mode()
def test_torchvisions_weights_give_torchvisions_numbers(rgb):
    torch.manual_seed(0)
    net = published.empty("lraspp_mobilenet_v3_large", 5).eval()
    state = {f"module.{k}": v for k, v in net.state_dict().items() if "num_batches" not in k}
    choice = {"longest": 96, "mean": (0.1, 0.2, 0.3), "std": (1.0, 2.0, 3.0)}
    model = built(safetensors.torch.save(state), **choice)
    x = torch.tensor(rgb).permute(2, 0, 1)[None] / 255
    x = torch.nn.functional.interpolate(x, model.working_size(rgb), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(choice[k]).view(3, 1, 1) for k in ("mean", "std"))
    wanted = net.classifier(net.backbone((x - mean) / std))
    assert torch.allclose(model.encode(rgb).logits, wanted, atol=1e-3 * float(wanted.abs().max()))


@pytest.mark.parametrize(("change", "words"), [
    (lambda s: s.pop("score16.bias"), "1 keys are missing (score16.bias)"),
    (lambda s: s.update({f"x{i}": torch.zeros(1) for i in range(5)}), "5 keys are not expected (x0, x1, x2 ...)"),
    (lambda s: s.update({"score16.bias": torch.zeros(9)}), "1 shapes are wrong (score16.bias is (9,), not (8,))"),
    (lambda s: s.update({"score8.weight": torch.zeros(1, 40, 1, 1)}), "names 1 classes; it needs 2 to 254"),
    (lambda s: s.update({"score8.weight": torch.zeros(999, 1)}), "names 999 classes"),
])  # fmt: skip
def test_what_does_not_fit_is_said(change, words):
    with pytest.raises(ModelError) as caught:
        built(changed("fcn-scenes", change))
    assert words in str(caught.value)


def test_strangers_and_numbers_that_are_none():
    with pytest.raises(ModelError, match="belong to no network known here"):
        built(safetensors.torch.save({"encoder.weight": torch.zeros(3)}))
    with pytest.raises(ModelError, match="not finite"):
        built(changed("patches", lambda s: s["first.bias"].fill_(float("nan"))))
    with pytest.raises(ModelError, match="8 classes, but there are 2 names"):
        built(bundled("patches"), classes=("a", "b"))
    with pytest.raises(ModelError, match="32 to 2048"):
        built(bundled("patches"), longest=9999)


class Bomb:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "it ran")


def pickles(path: Path) -> dict[str, bytes]:
    """The ways in which a pickle comes, each of which writes `path` when somebody opens it."""
    made = {f"protocol {p}": pickle.dumps({"state_dict": Bomb(path)}, p) for p in range(pickle.HIGHEST_PROTOCOL + 1)}
    for name, new in (("torch, zip", True), ("torch, old", False)):
        out = io.BytesIO()
        torch.save({"weight": torch.zeros(2), "extra": Bomb(path)}, out, _use_new_zipfile_serialization=new)
        made[name] = out.getvalue()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb(path)))
    return made | {"zip": out.getvalue(), "array": b"\x93NUMPY" + pickle.dumps(Bomb(path))}


def test_a_pickle_is_never_opened(tmp_path):
    """Whatever it is called, and from whichever protocol on; the same bytes do run where somebody does open them."""
    path = tmp_path / "ran"
    made = pickles(path)
    for name, data in made.items():
        with pytest.raises(ModelError) as caught:
            checkpoints.kind(data)
        assert ("could run any code" in str(caught.value)) == (name != "array"), name
        assert checkpoints.SAVE in str(caught.value) or name == "array"
        with pytest.raises(ModelError):
            checkpoints.read(data)  # as if it had been taken for safetensors
    assert not path.exists()
    pickle.loads(made["protocol 4"])
    assert path.read_text() == "it ran"


def test_a_pickle_behind_another_files_beginning_does_not_run(tmp_path):
    """safetensors with a pickle as its tensor or its metadata, and with one behind its end."""
    path = tmp_path / "ran"
    bomb = pickle.dumps(Bomb(path))
    hidden = safetensors.torch.save({"first.weight": torch.frombuffer(bytearray(bomb), dtype=torch.uint8)})
    for data in (hidden, bundled("patches") + bomb):
        assert checkpoints.kind(data) == "safetensors"
        with pytest.raises(ModelError):
            built(data)
    assert not path.exists()


OTHERS = ((b"\x89HDF\r\n", "HDF5"), (b"\x1f\x8b", "gzip"), (b"", "empty"), (b"\x89PNG\r\n", "picture"),
          (b"\x1c\0\0\0TFL3", "TensorFlow"))  # fmt: skip


@pytest.mark.parametrize(("start", "words"), OTHERS)
def test_other_files_are_named(start, words):
    with pytest.raises(ModelError, match=words):
        checkpoints.kind(start)


def header(entries: object, body: bytes = b"") -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + body


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize("data", [
    header({}), header([]), header({"a": 3}), header({"a": TENSOR}), header({"a": TENSOR}, bytes(9)),
    header({"a": TENSOR | {"shape": [3]}}, bytes(8)), header({"a": TENSOR | {"dtype": "F33"}}, bytes(8)),
    header({"a": TENSOR | {"shape": [-2]}}, bytes(8)), header({"a": TENSOR | {"shape": [2.0]}}, bytes(8)),
    header({"a": TENSOR | {"shape": "ab"}}, bytes(8)), header({"a": TENSOR | {"data_offsets": [8, 0]}}, bytes(8)),
    header({"a": TENSOR, "b": TENSOR}, bytes(8)), header({"a": TENSOR | {"shape": [0, 2**60]}}, bytes(8)),
    header({"a": TENSOR | {"data_offsets": [4, 12]}}, bytes(12)), header({"a": TENSOR | {"dtype": ["F32"]}}, bytes(8)),
    header({str(i): TENSOR for i in range(6000)}, bytes(8)), struct.pack("<Q", 2**60) + b"{}", b"\x05\0\0\0\0\0\0\0{}",
    struct.pack("<Q", 400_000) + b'{"a":' * 80_000, b"{", bytes(8),
])  # fmt: skip
def test_headers_that_lie(data):
    with pytest.raises(ModelError) as caught:
        checkpoints.read(data)
    assert "\n" not in str(caught.value)


def test_five_thousand_broken_files():
    """Bytes of the header changed, cut, doubled: each ends in tensors that fit their header, or in one sentence."""
    rng = np.random.default_rng(0)
    good = safetensors.torch.save({f"t{i}": torch.tensor(rng.normal(0, 1, (3, i + 1))) for i in range(4)}, {"a": "b"})
    dice, said = random.Random(0), []
    for _ in range(5000):
        data, top = bytearray(good), len(good) - 240
        for _ in range(dice.choice((1, 1, 2, 5))):
            at = dice.randrange(top)
            kind = dice.randrange(4)
            if kind == 0:
                data[at] = dice.choice((dice.randrange(256), ord(dice.choice('0123456789[]{},":-.e'))))
            elif kind == 1:
                del data[at : at + dice.randrange(1, 9)]
            elif kind == 2:
                data[at:at] = data[at : at + dice.randrange(1, 30)]
            else:
                data[dice.randrange(8)] = dice.randrange(256)
        try:
            weights = checkpoints.read(bytes(data))
            weights.tensors({k: k for k in weights.shapes})
            architectures.recognise(weights.shapes)
        except ModelError as error:
            said.append(str(error))
    assert all("\n" not in sentence and len(sentence) < 600 for sentence in said)
    assert len(said) == 5000
    assert 10 < sum("belong to no network" in sentence for sentence in said) < 4000


def test_a_file_that_is_too_long_is_refused_unread():
    with pytest.raises(ModelError, match="at most 120 MB"):
        checkpoints.read(bytes(checkpoints.MOST_FILE + 1))


@pytest.mark.parametrize("wrap", ["module.{}", "module.module.{}", "_orig_mod.module.{}", "net.{}",
                                  "model._orig_mod.{}", "state_dict.model.network.{}", "ema_model.module.{}",
                                  "student.{}", "backbone.{}", "model.encoder_decoder.{}"])  # fmt: skip
def test_wrappers_names_come_off_wherever_they_stand(wrap, rgb):
    """At the front, repeated, and inside, as torch.compile and FSDP put them before single parts."""
    state = safetensors.torch.load(bundled("patches"))
    inside = {k.replace("first.", "first._orig_mod.").replace("second.", "second.module."): v for k, v in state.items()}
    model = built(safetensors.torch.save({wrap.format(k): v for k, v in inside.items()}), longest=64)
    wanted = built(bundled("patches"), longest=64)
    small = rgb[::3, ::3]
    assert torch.equal(model.scores(model.encode(small)), wanted.scores(wanted.encode(small)))


def recognised(state: dict[str, torch.Tensor]) -> architectures.Architecture:
    return architectures.recognise(checkpoints.read(safetensors.torch.save(state)).shapes)


def test_what_training_leaves_beside_a_network_is_dropped_with_a_note():
    state = safetensors.torch.load(bundled("patches"))
    beside = {"optimizer.state.0.exp_avg": torch.zeros(3), "n_averaged": torch.zeros(1), "criterion.weight":
              torch.ones(8), "lr": torch.zeros(1), "scheduler.last": torch.zeros(1)}  # fmt: skip
    for found in (recognised(state | beside), recognised({f"model.{k}": v for k, v in state.items()} | beside)):
        assert found.name == "patches"
        assert found.notes == ("5 other tensors of the file, such as an optimiser's, are left out.",)
    assert recognised(state).notes == ()
    inside = {f"module.{k}": v for k, v in state.items()} | {"module.criterion.weight": torch.ones(8)}
    assert len(recognised(inside).notes) == 1


def test_of_two_networks_in_a_file_the_averaged_one_is_taken_and_said():
    state = safetensors.torch.load(bundled("patches"))
    plain = {f"model.{k}": v for k, v in state.items()}
    averaged = {f"ema_model.module.{k}": v.clone() for k, v in state.items()}
    found = recognised(plain | averaged)
    assert found.keys["first.bias"] == "ema_model.module.first.bias"
    assert "holds 2 networks: the one under ema_model" in found.notes[0]
    taught = {f"{who}.{k}": v.clone() for k, v in state.items() for who in ("teacher", "student")}
    assert recognised(taught).keys["first.bias"] == "student.first.bias"


@torch.inference_mode()
def test_a_head_of_one_channel_is_the_second_of_two_classes(rgb):
    torch.manual_seed(0)
    net = published.empty("lraspp_mobilenet_v3_large", 1).eval()
    data = safetensors.torch.save(dict(net.state_dict()))
    found = recognised(dict(net.state_dict()))
    assert (found.classes, found.one, len(found.notes)) == (2, True, 1)
    model = built(data, longest=96)
    assert model.card.classes == ("background", "object")
    logits = model.encode(rgb).logits
    assert float(logits[:, 0].abs().max()) == 0
    x = torch.nn.functional.interpolate(torch.tensor(rgb).permute(2, 0, 1)[None] / 255, model.working_size(rgb),
                                        mode="bilinear", antialias=True)  # fmt: skip
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    wanted = net.classifier(net.backbone((x - mean) / std))
    assert torch.allclose(logits[:, 1:], wanted, atol=1e-3 * float(wanted.abs().max()))


def test_classes_named_in_the_file_are_taken():
    net = published.empty("lraspp_mobilenet_v3_large", 3)
    weights = checkpoints.read(safetensors.torch.save(dict(net.state_dict()), {"classes": '["a", "b", "c"]'}))
    assert architectures.guess(architectures.recognise(weights.shapes), weights).classes == ("a", "b", "c")


def test_a_sentence_quotes_little_of_a_file():
    long = {f"{'Q' * 300}{i}.weight": torch.zeros(2) for i in range(9)}
    for state in (long, safetensors.torch.load(bundled("patches")) | long):
        with pytest.raises(ModelError) as caught:
            recognised(state)
        assert str(caught.value).count("Q") <= 80
