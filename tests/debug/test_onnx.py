"""Any network as ONNX: the numbers of torch, sentences for what does not fit, and a process that ends when it must."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from onnx import helper

from engine import tensors, zoo
from engine.cards import Card, ModelError
from engine.debug import onnx_process, onnx_sample
from engine.debug.onnx_dry import DOUBT, RIGHT, WRONG, dry_run, others
from engine.debug.onnx_model import OnnxModel, card_of
from engine.debug.onnx_process import Network
from engine.debug.onnx_spec import IMAGENET, NEUTRAL, Spec, clean, guess, harmless, names_in, usual
from tests.debug import networks


@pytest.fixture(scope="module")
def network():
    """The small convolution in its process."""
    with contextlib.closing(Network(networks.conv())) as made:
        yield made


def brought(source: Network, spec: Spec) -> OnnxModel:
    return OnnxModel(card_of("mine-1", spec, source), source, spec)


def logits_of(source: Network, spec: Spec, rgb: np.ndarray) -> torch.Tensor:
    return brought(source, spec).encode(rgb).logits


def torchs(rgb: np.ndarray, size: tuple[int, int], scale=lambda x: x, flip: bool = False) -> torch.Tensor:
    """What torch makes of a picture by the same convolution; scale: of pixels 0 to 255."""
    x = (tensors.to_input(rgb, size) + 1) * 127.5
    x = scale(x.flip(1) if flip else x)
    return F.conv2d(x, torch.tensor(networks.WEIGHT), torch.tensor(networks.BIAS), stride=2, padding=1)


def imagenet(x: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in IMAGENET)
    return (x / 255 - mean) / std


def test_the_numbers_are_torchs(network, rgb):
    spec = guess(network.info)
    assert (spec.input, spec.output, spec.layout, spec.kind, len(spec.classes)) == ("image", "out", "NCHW", "logits", 5)
    ours, size = logits_of(network, spec, rgb), tensors.working_size(*rgb.shape[:2], (32, 512))
    assert torch.allclose(ours, torchs(rgb, size, imagenet), atol=1e-4)
    signed = replace(spec, scale="x / 127.5 - 1", mean=NEUTRAL[0], std=NEUTRAL[1], channels="BGR")
    wanted = torchs(rgb, size, lambda x: x / 127.5 - 1, flip=True)
    assert torch.allclose(logits_of(network, signed, rgb), wanted, atol=1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_other_layouts_types_and_sizes(dtype, rgb):
    with contextlib.closing(Network(networks.turned(dtype))) as source:
        spec = guess(source.info)
        assert (spec.height, spec.width, spec.layout, spec.out_layout, spec.dtype) == (64, 96, "NHWC", "NHWC", dtype)
        assert spec.scale == ("raw, 0 to 255" if dtype == "uint8" else "x / 255")
        model = brought(source, replace(spec, scale="raw, 0 to 255", mean=NEUTRAL[0], std=NEUTRAL[1]))
        assert model.working_size(rgb) == (64, 96)
        wanted = torchs(rgb, (64, 96), torch.round if dtype == "uint8" else lambda x: x)
        close = {"uint8": 1e-2, "float16": 1.0, "float32": 1e-2}[dtype]
        assert torch.allclose(model.encode(rgb).logits, wanted, atol=close, rtol=1e-4)


def test_labels_that_the_network_chose_itself(rgb):
    with contextlib.closing(Network(networks.turned(kind="labels"))) as source:
        spec = replace(guess(source.info), classes=usual(5))
        assert spec.kind == "labels"
        wanted = torchs(rgb, (64, 96), torch.round).argmax(1)
        ours = logits_of(source, spec, rgb)
        assert float((ours.argmax(1) == wanted).float().mean()) > 0.999
        assert set(ours.unique().tolist()) == {0.0, 10.0}
        few = dry_run(brought(source, replace(spec, classes=usual(2))), rgb)[-1]
        assert few.level == WRONG
        assert "but there are 2 names" in few.sentence


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_one_channel_is_two_classes(kind, rgb):
    nodes = [helper.make_node("ReduceMean", ["image"], ["z"], axes=[1])]
    nodes.append(helper.make_node("Sigmoid" if kind == "probabilities" else "Identity", ["z"], ["out"]))
    made = networks.model(nodes, (1, 3, 32, 32), (1, 1, 32, 32)).SerializeToString()
    with contextlib.closing(Network(made)) as source:
        spec = replace(guess(source.info), kind=kind)
        assert spec.classes == ("background", "object")
        z = imagenet((tensors.to_input(rgb, (32, 32)) + 1) * 127.5).mean(1)
        found = logits_of(source, spec, rgb).softmax(1)[:, 1]
        assert torch.allclose(found, torch.sigmoid(z), atol=1e-5)


def test_the_same_face_as_torchvisions_networks(network, rgb):
    model = brought(network, guess(network.info))
    trace = model.trace(rgb)
    assert [s.title for s in trace.steps] == ["Image", "Scores, stride 2", "Labels"]
    assert model.scored == model.variants == tuple(model.predict(rgb)) == ("out",)
    encoding = model.encode(rgb)
    assert np.array_equal(model.labels(encoding), model.predict(rgb)["out"])
    assert model.scores(encoding).shape[1] == len(trace.classes) == len(trace.colours) == 5
    assert model.trace(rgb, average=True).settings == {"average": True}


def test_our_own_network_answers_the_same_as_onnx(landscape):
    """Written to a file and run by onnxruntime, the bundled FCN gives its own logits to a hundred-thousandth."""
    ours = zoo.load(onnx_sample.NAME)
    with contextlib.closing(Network(onnx_sample.sample())) as source:
        spec = guess(source.info)
        assert spec.classes == Card.read(onnx_sample.NAME).classes
        assert (spec.scale, spec.mean, spec.std) == ("x / 127.5 - 1", *NEUTRAL)
        model = brought(source, replace(spec, longest=128))
        assert model.card.settings["labels"] == "stanford"  # so its answer is judged where the gallery knows the truth
        x = tensors.to_input(landscape, model.working_size(landscape))
        with torch.inference_mode():
            wanted = ours.network(x)
        assert torch.allclose(model.encode(landscape).logits, wanted, atol=1e-4)
        assert {f.level for f in dry_run(model, landscape)} == {RIGHT}
        specs = [spec for spec, labels in others(model, landscape) if labels.shape == landscape.shape[:2]]
        assert len(specs) == 6


@pytest.fixture(scope="module")
def landscape() -> np.ndarray:
    from engine import gallery

    return gallery.get("landscape").load().rgb[::5, ::5].copy()


@pytest.mark.parametrize(("changes", "words"), [
    ({"layout": "NHWC"}, "Try the other layout"),
    ({"classes": usual(4)}, "speaks of 5 classes, but there are 4 names"),
    ({"out_layout": "NHWC"}, "choose NCHW for the output"),
    ({"kind": "labels"}, "no map of labels: choose logits"),
    ({"kind": "probabilities"}, "choose logits"),
    ({"output": "nothing"}, "Invalid output name"),
    ({"std": (1e-5, 1e-5, 1e-5), "dtype": "float16"}, "onnxruntime cannot run it"),
])  # fmt: skip
def test_each_thing_that_is_wrong_has_its_sentence(network, rgb, changes, words):
    last = dry_run(brought(network, replace(guess(network.info), **changes)), rgb)[-1]
    assert last.level == WRONG
    assert words in last.sentence


def test_doubts(rgb):
    flat = networks.conv(weight=0 * networks.WEIGHT, bias=np.array([0, 3, 0, 0, 0], np.float32))
    with contextlib.closing(Network(flat)) as source:
        assert any("All of the picture is class 1" in f.sentence and f.level == DOUBT
                   for f in dry_run(brought(source, guess(source.info)), rgb))  # fmt: skip
    constant = networks.conv(weight=0 * networks.WEIGHT, bias=0 * networks.BIAS)
    with contextlib.closing(Network(constant)) as source:
        assert "the same number" in dry_run(brought(source, guess(source.info)), rgb)[-1].sentence
    soft = networks.model([helper.make_node("Softmax", ["image"], ["out"], axis=1)], (1, 3, 32, 32), (1, 3, 32, 32))
    with contextlib.closing(Network(soft.SerializeToString())) as source:
        assert guess(source.info).kind == "probabilities"  # its last node says so
        wrong = brought(source, replace(guess(source.info), kind="logits"))
        assert any("choose probabilities" in f.sentence for f in dry_run(wrong, rgb))


def test_numbers_that_are_not_finite(rgb):
    broken = networks.conv(bias=np.array([0, np.nan, 0, 0, np.inf], np.float32))
    with contextlib.closing(Network(broken)) as source:
        assert "not finite" in dry_run(brought(source, guess(source.info)), rgb)[-1].sentence


@pytest.mark.parametrize("changes", [{"classes": ("one",)}, {"longest": 5000}, {"std": (0.0, 1.0, 1.0)},
                                     {"mean": (float("nan"), 0.0, 0.0)}, {"multiple": 0}])  # fmt: skip
def test_what_cannot_be_is_refused(network, changes):
    with pytest.raises(ModelError):
        brought(network, replace(guess(network.info), **changes))


def test_guesses_of_names():
    assert names_in({"names": "{0: 'person', 1: 'traffic_light'}"}, 2) == ("person", "traffic light")
    assert names_in({"classes": '["a", "b"]'}, None) == ("a", "b")
    assert names_in({"id2label": '{"1": "b", "0": "a"}'}, 2) == ("a", "b")
    assert names_in({"labels": "a, b\nc"}, 3) == ("a", "b", "c")
    assert names_in({"labels": "a, b"}, 3) == ("class 0", "class 1", "class 2")
    assert (usual(8)[0], usual(21)[15], usual(19)[-1], len(usual(150))) == ("sky", "person", "bicycle", 150)
    assert clean(["<b>x</b>", "", "a" * 99])[1:] == ("class 1", "a" * 40)
    assert "<" not in clean(["<b>x</b>"])[0]
    assert harmless("![x](http://a.b) <i> $1$ `c`") == "! x (http a.b) i 1 c"


@pytest.mark.parametrize(("made", "words"), [
    (networks.conv(shape=(2, 3, "h", "w")), "takes 2 pictures at once"),
    (networks.conv(shape=(1, 3, 4096, 4096)), "larger than 2048"),
    (networks.model([helper.make_node("Identity", ["image"], ["out"])], (1, 3), (1, 3)).SerializeToString(),
     "must be (1, channels, h, w)"),
    (networks.model([helper.make_node("ReduceMean", ["image"], ["out"], axes=[2, 3], keepdims=0)], (1, 3, 8, 8),
                    (1, 3)).SerializeToString(), "No output is a map"),
    (networks.model([helper.make_node("Add", ["image", "other"], ["out"])], (1, 3, 8, 8),
                    (1, 3, 8, 8)).SerializeToString(), "onnxruntime cannot run it"),
])  # fmt: skip
def test_networks_that_do_not_fit(made, words):
    with pytest.raises(ModelError) as caught:
        Network(made)
    assert words in str(caught.value)


def test_a_network_that_never_ends_is_stopped(monkeypatch):
    monkeypatch.setattr(onnx_process, "RUN_SECONDS", 0.5)
    source = Network(networks.endless())
    pid, started = source.pid, time.monotonic()
    with pytest.raises(ModelError, match="did not answer within"):
        source.run(np.zeros((1, 3, 4, 4), np.float32), "image", "out")
    assert time.monotonic() - started < 3
    assert gone(pid)


def test_giving_up_ends_the_process():
    source = Network(networks.endless())
    pid, looks = source.pid, []

    def tick() -> None:
        looks.append(1)
        if len(looks) > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        source.run(np.zeros((1, 3, 4, 4), np.float32), "image", "out", tick)
    assert gone(pid)


def test_a_crash_is_a_sentence_and_the_next_run_starts_anew(rgb):
    source = Network(networks.conv())
    model = brought(source, guess(source.info))
    first, pid = model.encode(rgb).logits, source.pid
    os.kill(pid, signal.SIGSEGV)
    with pytest.raises(ModelError, match="SIGSEGV"):
        model.encode(rgb)
    assert torch.equal(model.encode(rgb).logits, first)
    assert source.pid != pid
    source.close()
    with pytest.raises(ModelError, match="was closed"):
        model.encode(rgb)


def test_memory_has_a_limit():
    with contextlib.closing(Network(networks.greedy())) as source, pytest.raises(ModelError, match="GB of memory"):
        source.run(np.zeros((1, 3, 188, 188), np.float32), "image", "out")


def test_processes_end_with_their_network_and_when_idle(monkeypatch):
    source = Network(networks.conv())
    pid = source.pid
    del source
    assert gone(pid)
    monkeypatch.setattr(onnx_process, "ALIVE", 2)
    several = [Network(networks.conv()) for _ in range(3)]
    assert [n.pid is None for n in several] == [True, False, False]
    several[0].run(np.zeros((1, 3, 8, 8), np.float32), "image", "out")
    assert [n.pid is None for n in several] == [False, True, False]
    onnx_process.end_idle()
    assert [n.pid is None for n in several] == [False, True, False], "asked a moment ago"
    monkeypatch.setattr(onnx_process, "IDLE", 0.0)
    onnx_process.end_idle()
    assert [n.pid for n in several] == [None] * 3
    for n in several:
        n.close()


def test_the_process_can_open_nothing():
    code = ("from engine.debug.onnx_worker import confine; confine()\n"
            "import resource\n"
            "for path in ('/etc/passwd', '/tmp/new'):\n"
            "    try: open(path, 'r' if 'etc' in path else 'w'); print('opened')\n"
            "    except OSError as error: print(error.errno)\n"
            "print(*(resource.getrlimit(k)[1] for k in (resource.RLIMIT_AS, resource.RLIMIT_CORE)))\n")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["24", "24", str(3 * 2**30), "0"], done.stderr  # 24: EMFILE


def gone(pid: int) -> bool:
    """True where no process has this id, within a second."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False
