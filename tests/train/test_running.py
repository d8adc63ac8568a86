"""What every training needs: the average against its recursion, checkpoints that come back."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from engine.train.running import average, keep, restore


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
