"""What every training needs: the average against its recursion, checkpoints that come back."""

import itertools

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from engine import zoo
from engine.train.running import Snapshots, average, keep, restore


@pytest.mark.parametrize("decay", [0.5, 0.998])
def test_the_average_against_its_recursion(decay):
    """w_k = d_k w_(k-1) + (1 - d_k) w with d_k = min(decay, (1 + k) / (10 + k)); the first weights are copied."""
    net = nn.Linear(1, 1, bias=False)
    averaged = AveragedModel(net, multi_avg_fn=average(decay))
    wanted = None
    for k, value in enumerate((4.0, 1.0, -2.0, 5.0, 0.5)):
        nn.init.constant_(net.weight, value)
        averaged.update_parameters(net)
        kept = min(decay, (1 + k) / (10 + k))
        wanted = value if wanted is None else kept * wanted + (1 - kept) * value
        assert averaged.module.weight.item() == pytest.approx(wanted)


def test_a_checkpoint_comes_back(tmp_path):
    net = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    path = tmp_path / "checkpoint.pt"
    keep(path, 3, {"net": net, "optimizer": optimizer})
    other = nn.Linear(2, 2)
    fresh = torch.optim.AdamW(other.parameters())
    assert restore(path, {"net": other, "optimizer": fresh}) == 3
    assert torch.equal(other.weight, net.weight)
    assert fresh.state_dict()["state"][0]["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_without_a_checkpoint_it_begins(tmp_path):
    net = nn.Linear(2, 2)
    before = net.weight.clone()
    assert restore(tmp_path / "none.pt", {"net": net}) == 0
    assert torch.equal(net.weight, before)


def test_snapshots_come_back_and_come_apart(tmp_path):
    """Weights in half precision by names that `zoo.part` takes apart, and a row of numbers for each."""
    net, taken = nn.Linear(2, 1), Snapshots()
    for step in (0, 7):
        nn.init.constant_(net.weight, step)
        taken.take(net, step, [9.0] * step, {"error": 0.5})
    keep(tmp_path / "checkpoint.pt", 1, {"snapshots": taken})
    again = Snapshots()
    restore(tmp_path / "checkpoint.pt", {"snapshots": again})
    assert again.rows == [{"step": 0, "loss": None, "error": 0.5}, {"step": 7, "loss": 9.0, "error": 0.5}]
    assert zoo.part(again.tensors(), "snapshots.1.")["weight"].tolist() == [[7, 7]]


def test_snapshots_are_closer_together_at_first():
    steps = sorted(Snapshots.at(1000, 20))
    gaps = [b - a for a, b in itertools.pairwise(steps)]
    assert (steps[0], steps[-1]) == (0, 1000)
    assert gaps == sorted(gaps)
    assert Snapshots.at(1000, 0) == set()
