"""Networks for digits: they begin as the identity, sample what F.grid_sample samples, and learn through the sampler."""

import pytest
import torch
import torch.nn.functional as F

from engine.spatial.networks import DigitNet, Layout, Transformer, begin_as
from tests.spatial.untrained import model_of, pictures_of

FAMILIES = ("affine", "projective", "tps")


@pytest.mark.parametrize("family", [*FAMILIES, "attention"])
@pytest.mark.parametrize("size", [28, 42, 60])
def test_a_new_transformer_shows_the_whole_picture(family, size):
    torch.manual_seed(0)
    x = torch.rand(2, 1, size, size)
    with torch.inference_mode():
        theta, grid, crop = Transformer(family, size).eval()(x)
    whole = F.affine_grid(torch.eye(2, 3).expand(2, 2, 3), (2, 1, 28, 28), align_corners=False)
    assert grid == pytest.approx(whole, abs=1e-5)
    assert crop == pytest.approx(F.grid_sample(x, whole, align_corners=False), abs=1e-4)
    assert torch.equal(theta[0], theta[1])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_classifier_teaches_the_transformer(family):
    """Even the first step, from the identity, has a gradient for where to look."""
    torch.manual_seed(0)
    net = DigitNet(Layout(28, family))
    F.cross_entropy(net(torch.rand(8, 1, 28, 28)), torch.arange(8)).backward()
    assert float(net.transformers[0].localise[-1].weight.grad.abs().sum()) > 0


def test_two_transformers_each_see_both_channels():
    torch.manual_seed(0)
    net = DigitNet(Layout(42, "tps", channels=2, transformers=2, classes=19)).eval()
    look = net.look(torch.rand(3, 2, 42, 42))
    assert look.logits.shape == (3, 19)
    assert [t.shape for t in look.theta] == [(3, 32)] * 2
    assert [g.shape for g in look.grids] == [(3, 28, 28, 2)] * 2
    assert [c.shape for c in look.crops] == [(3, 2, 28, 28)] * 2
    assert torch.equal(net.classify(torch.cat(look.crops, 1)), look.logits)


def test_a_plain_network_has_no_grid():
    net = DigitNet(Layout(60, hidden=60)).eval()
    look = net.look(torch.rand(2, 1, 60, 60))
    assert look.logits.shape == (2, 10)
    assert (look.theta, look.grids, look.crops) == ((), (), ())


@pytest.mark.parametrize("task", ["R", "RTS", "P", "E", "TC", "SUM"])
def test_plain_networks_are_about_as_large(task):
    """Within a tenth of the affine one's parameters, by the plans' own layouts."""
    from engine.spatial.distortions import TASKS
    from engine.train.digits import KINDS, DigitRecipe, _plan

    sizes = [sum(p.numel() for p in DigitNet(Layout(**_plan(TASKS[task], kind, DigitRecipe()).card.settings["layout"]))
                 .parameters()) for kind in KINDS]  # fmt: skip
    assert max(sizes) / min(sizes) < 1.12


@pytest.mark.parametrize("family", ["projective", "tps"])
@pytest.mark.parametrize("task", ["RTS", "SUM"])
def test_other_families_go_on_where_the_affine_one_stands(family, task):
    """They sample the same places and say the same, though theta has other numbers."""
    affine, other = model_of(task, "affine").net, model_of(task, family, 1).net
    x = torch.tensor(pictures_of(task, 3)[0])
    begin_as(other, affine)
    was, now = affine.look(x), other.look(x)
    assert float((was.theta[0][0] - was.theta[0][1]).abs().max()) > 1e-3
    for before, after in zip(was.grids, now.grids, strict=True):
        assert after == pytest.approx(before, abs=1e-5)
    assert now.logits == pytest.approx(was.logits, abs=1e-4)
