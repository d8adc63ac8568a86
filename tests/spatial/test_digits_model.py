"""A reader of digits as the app asks it: what it says is what its network says, now and at each snapshot."""

import numpy as np
import pytest
import torch

from engine import cards, zoo
from engine.cards import ModelError
from engine.data.mnist import Digits
from engine.spatial.digits_evaluate import error_rate, evaluate_digits
from engine.spatial.distortions import TASKS
from engine.spatial.networks import DigitNet, Layout
from engine.spatial.samples import from_upload, samples
from engine.train.running import Snapshots
from tests.conftest import card_of, shaken
from tests.spatial.untrained import find_model, model_of


@pytest.fixture
def assets(tmp_path, monkeypatch):
    """An empty folder of assets."""
    for module in (cards, zoo):
        monkeypatch.setattr(module, "ASSETS", tmp_path)
    return tmp_path


def ship(layout: Layout, task: str, snapshots: int = 0, name: str = "digits-r-affine"):
    """A network of random weights, its card, and so many other networks of random weights as its snapshots."""
    torch.manual_seed(0)
    net, taken = shaken(DigitNet(layout)), Snapshots()
    for step in range(snapshots):
        past = shaken(DigitNet(layout))
        past.classify[-1].bias.copy_(torch.eye(layout.classes)[step])
        taken.take(past, step, [], {"error": 0.9})
    settings = {"task": task, "layout": {"size": layout.size, "family": layout.family, "channels": layout.channels,
                                         "transformers": layout.transformers, "classes": layout.classes},
                "snapshots": taken.rows}  # fmt: skip
    sha = zoo.write_weights(name, net, taken.tensors())
    net.load_state_dict({k: v.half().to(v.dtype) for k, v in net.state_dict().items()})
    return card_of(name=name, classes=TASKS[task].classes, settings=settings, sha256=sha), net.eval()


def test_it_says_what_its_network_says(assets):
    card, net = ship(Layout(28, "affine"), "R", snapshots=2)
    model = zoo.build(card)
    x = np.random.default_rng(0).random((3, 1, 28, 28), np.float32)
    with torch.inference_mode():
        look = net.look(torch.tensor(x))
    reading = model.read(x)
    assert reading.chances == pytest.approx(look.logits.softmax(1).numpy(), abs=1e-5)
    assert reading.chances.sum(1) == pytest.approx(1, abs=1e-5)
    for ours, theirs in zip((reading.theta, reading.grids, reading.crops), (look.theta, look.grids, look.crops),
                            strict=True):  # fmt: skip
        assert ours[0] == pytest.approx(theirs[0].numpy(), abs=1e-5)
    assert len(model.past) == 2
    assert not np.allclose(model.read(x, 0).chances, model.read(x, 1).chances)
    with pytest.raises(IndexError):
        model.read(x, 2)


@pytest.mark.parametrize("task", ["R", "RTS", "P", "E", "TC"])
def test_a_picture_of_a_digit_is_traced_on_the_canvas(task):
    """A digit drawn large in dark ink on light paper is found, and the answer is the one of the canvas."""
    model, digit = model_of(task, "affine"), samples().images[40]
    paper = np.repeat(np.kron(255 - digit, np.ones((6, 6), np.uint8))[..., None], 3, 2)
    trace = model.trace(np.pad(paper, ((40, 10), (10, 90), (0, 0)), constant_values=255))
    assert [step.title for step in trace.steps] == ["Where it looks", "What it sees"]
    canvas = np.rint(255 * from_upload(paper)).astype(np.uint8)
    room = TASKS[task].size - 28
    canvas = np.pad(canvas, (room // 2, room - room // 2))[None, None].astype(np.float32) / 255
    answers = model.read(canvas).chances[0]
    assert [row[1] for row in trace.steps[0].table.rows] == pytest.approx(answers.tolist(), abs=0.02)


def test_a_picture_that_cannot_be_traced_is_told():
    with pytest.raises(ModelError, match=r"^[A-Z].*\.$"):
        model_of("R", "affine").trace(np.full((40, 40, 3), 200, np.uint8))
    with pytest.raises(ModelError, match="adds two digits"):
        model_of("SUM", "tps").trace(np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(ModelError, match="one picture is not enough"):
        find_model().trace(np.zeros((40, 40, 3), np.uint8))


def test_two_digits_have_two_grids(assets):
    card, _ = ship(Layout(42, "tps", channels=2, transformers=2, classes=19), "SUM")
    reading = zoo.build(card).read(np.zeros((1, 2, 42, 42), np.float32))
    assert reading.chances.shape == (1, 19)
    assert [g.shape for g in reading.grids] == [(1, 28, 28, 2)] * 2


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (1, 1, 42, 42), (1, 3, 28, 28)])
def test_other_shapes_are_a_sentence(assets, shape):
    card, _ = ship(Layout(28), "R")
    with pytest.raises(ValueError, match="reads pictures of"):
        zoo.build(card).read(np.zeros(shape, np.float32))


def test_changed_weights_are_refused(assets):
    card, _ = ship(Layout(28), "R")
    path = zoo.weights_path(card.name)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="checksum"):
        zoo.build(card)


def test_the_error_is_the_share_of_wrong_answers(assets):
    """A network whose scores do not depend on the picture is wrong about all digits but one."""
    card, _ = ship(Layout(28), "R")
    model = zoo.build(card)
    model.net.classify[-1].weight.zero_()
    model.net.classify[-1].bias.copy_(torch.eye(10)[3])
    rng = np.random.default_rng(0)
    digits = Digits("val", rng.integers(0, 256, (40, 28, 28), np.uint8), np.repeat([3, 1, 2, 3], 10).astype(np.uint8))
    assert error_rate(model.net, model.task, digits) == 0.5
    result = evaluate_digits(model, digits, limit=20, progress=str)
    assert (result["error"], result["images"], result["task"]) == (0.5, 20, "R")
