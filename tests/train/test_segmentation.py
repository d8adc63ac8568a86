"""The recipe on a handful of tiny pictures: it learns, it resumes as if never stopped, void never counts."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from engine.data import Segmentation, stanford
from engine.trace import VOID
from engine.train.segmentation import Recipe, Views, fit, loss_of

TINY = Recipe(epochs=4, batch=2, crop=32, scale=(0.9, 1.1), trunk_rate=1e-2, head_rate=3e-2, average=0.5)


class Small(nn.Module):
    """A network with what `fit` asks for: a trunk that freezes, heads, two variants, and dropout."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.trunk.freeze_early = lambda: self.trunk[0].requires_grad_(False)
        self.drop = nn.Dropout2d(0.2)
        self.head = nn.Conv2d(8, 2, 1)


def variants(model: Small, x: torch.Tensor) -> dict[str, torch.Tensor]:
    fine = model.head(model.drop(model.trunk(x)))
    return {"coarse": nn.functional.avg_pool2d(fine, 8), "fine": fine}


@pytest.fixture
def data(tmp_path) -> Segmentation:
    """Six pictures, bright above and dark below a line: class 0 and class 1."""
    items = []
    for i in range(6):
        labels = (np.arange(40)[:, None].repeat(40, 1) > 12 + 3 * i).astype(np.uint8)
        rgb = np.where(labels[..., None] == 0, 230, 20).astype(np.uint8).repeat(3, 2)
        Image.fromarray(rgb).save(tmp_path / f"{i}.png")
        np.save(tmp_path / f"{i}.npy", labels)
        items.append((tmp_path / f"{i}.png", tmp_path / f"{i}.npy"))
    return Segmentation("Made", "train", stanford.LABELS, tuple(items), np.load)


def loss(model: nn.Module, data: Segmentation) -> float:
    views = [Views(data, TINY, 99)[i] for i in range(len(data))]
    x, target = (torch.stack(column) for column in zip(*views, strict=True))
    with torch.no_grad():
        return float(loss_of(variants(model.eval(), x), target, 0.3))


def test_it_learns(data, tmp_path):
    model = Small()
    before, frozen = loss(model, data), model.trunk[0].weight.clone()
    trained = fit(model, variants, data, Recipe(**{**TINY.__dict__, "epochs": 12}), tmp_path / "run")
    assert loss(trained, data) < 0.5 * before
    assert torch.equal(trained.trunk[0].weight, frozen)
    assert not trained.training
    assert (tmp_path / "run" / "checkpoint.pt").exists()


class Stopped(Exception):
    pass


def test_a_resumed_run_equals_one_that_never_stopped(data, tmp_path):
    whole = fit(Small(), variants, data, TINY, tmp_path / "whole")
    calls = 0

    def stops(model, x):
        nonlocal calls
        calls += 1
        if calls == 8:  # three steps an epoch: in the third
            raise Stopped
        return variants(model, x)

    with pytest.raises(Stopped):
        fit(Small(), stops, data, TINY, tmp_path / "parts")
    resumed = fit(Small(), variants, data, TINY, tmp_path / "parts", resume=True)
    for name, tensor in whole.state_dict().items():
        assert torch.allclose(tensor, resumed.state_dict()[name], atol=1e-6), name


def test_runs_of_one_seed_are_equal_and_of_two_are_not(data, tmp_path):
    a, b = (fit(Small(), variants, data, TINY, tmp_path / x).head.weight for x in "ab")
    other = fit(Small(), variants, data, Recipe(**{**TINY.__dict__, "seed": 1}), tmp_path / "c").head.weight
    assert torch.equal(a, b)
    assert not torch.equal(a, other)


def test_void_never_counts():
    torch.manual_seed(0)
    logits = torch.randn(1, 2, 8, 8, requires_grad=True)
    target = torch.randint(0, 2, (1, 8, 8))
    target[:, :, 4:] = VOID
    value = loss_of({"fine": logits}, target, 0.3)
    wanted = nn.functional.cross_entropy(logits[..., :4], target[..., :4])
    assert torch.allclose(value, wanted)
    value.backward()
    assert not logits.grad[..., 4:].any()
    assert logits.grad[..., :4].any()


def test_nothing_but_void_gives_zero():
    logits = torch.randn(1, 2, 8, 8, requires_grad=True)
    value = loss_of({"coarse": logits[..., ::2, ::2], "fine": logits}, torch.full((1, 8, 8), VOID), 0.3)
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()


def test_each_other_variant_counts_by_its_share():
    torch.manual_seed(1)
    fine, coarse = torch.randn(1, 2, 8, 8), torch.randn(1, 2, 2, 2)
    target = torch.randint(0, 2, (1, 8, 8))
    alone = loss_of({"fine": fine}, target, 0.3)
    both = loss_of({"coarse": coarse, "fine": fine}, target, 0.3)
    assert torch.allclose(both - alone, 0.3 * nn.functional.cross_entropy(coarse, target[:, 2::4, 2::4]), atol=1e-6)


def test_the_same_view_on_every_machine(data):
    a, b = Views(data, TINY, 3)[2], Views(data, TINY, 3)[2]
    assert torch.equal(a[0], b[0])
    assert torch.equal(a[1], b[1])
    assert not torch.equal(a[0], Views(data, TINY, 4)[2][0])
    assert a[0].min() >= -1
    assert a[0].max() <= 1
