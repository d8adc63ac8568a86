"""Receptive fields: arithmetic against where gradients reach, on a small net and on the real trunk."""

import copy

import pytest
import torch
from torch import Tensor, nn

from engine import receptive
from engine.receptive import Field


def extent(score: Tensor, x: Tensor) -> tuple[int, int]:
    """First column that moves `score`, and the one after the last."""
    (gradient,) = torch.autograd.grad(score, x, retain_graph=True)
    columns = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
    return int(columns[0]), int(columns[-1]) + 1


def expected(field: Field, cell: int) -> tuple[float, float]:
    middle = field.centre + field.stride * cell
    return middle - field.size / 2, middle + field.size / 2


def test_a_small_net_sees_what_the_arithmetic_says():
    layers = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(1, 1, 5, padding=2),
                           nn.Conv2d(1, 1, 4, stride=3, padding=1)).double()  # fmt: skip
    for p in layers.parameters():
        nn.init.constant_(p, 0.1)
    field = Field().conv(3).conv(2, 2, 0).conv(5).conv(4, 3, 1)
    assert (field.size, field.stride) == (1 + 2 + 1 + 4 * 2 + 3 * 2, 6)
    # A window of equal pixels has no single largest one: an average has the same field as a maximum.
    layers[1] = nn.AvgPool2d(2)
    x = torch.rand(1, 1, 30, 96, dtype=torch.double, requires_grad=True)
    for cell in (4, 7, 10):
        assert extent(layers(x)[0, 0, 2, cell], x) == expected(field, cell)


def test_holes_and_poolings_count():
    """A chain of modules read off by itself; tuples and plain numbers, dilation, and a pooling (see above)."""
    layers = nn.Sequential(nn.Conv2d(1, 1, 3, padding=2, dilation=2), nn.MaxPool2d(2), nn.ReLU(),
                           nn.Sequential(nn.Conv2d(1, 1, (5, 5), padding=8, dilation=4)),
                           nn.MaxPool2d((2, 2), (2, 2)), nn.Conv2d(1, 1, 3, padding=1)).double()  # fmt: skip
    for p in layers.parameters():
        nn.init.constant_(p, 0.1)
    field = receptive.of_convolutions(layers)
    assert (field.size, field.stride) == (5 + 1 + 16 * 2 + 2 + 2 * 4, 4)
    assert receptive.of_convolutions(layers[2:], receptive.of_convolutions(layers[:2])) == field
    layers[1], layers[4] = nn.AvgPool2d(2), nn.AvgPool2d(2)
    x = torch.rand(1, 1, 16, 128, dtype=torch.double, requires_grad=True)
    for cell in (14, 15):
        assert extent(layers(x)[0, 0, 2, cell], x) == expected(field, cell)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_bilinear_enlargement_mixes_two_neighbours(factor):
    """Those cells that lean to the left fill the left end of the field, those that lean to the right the other."""
    field = Field().conv(8, 8, 0)
    x = torch.rand(1, 1, 8, 128, dtype=torch.double, requires_grad=True)
    maps = nn.functional.interpolate(nn.functional.avg_pool2d(x, 8), scale_factor=factor, mode="bilinear")
    large = field.enlarged(factor)
    assert large.stride == 8 / factor
    left_over, right_over = [], []
    for cell in range(6 * factor, 7 * factor):
        (left, right), (first, last) = expected(large, cell), extent(maps[0, 0, 0, cell], x)
        left_over.append(first - left)
        right_over.append(right - last)
    assert min(left_over) == min(right_over) == 0
    assert max(left_over) <= 8
    assert max(right_over) <= 8


def positive(network: nn.Module) -> nn.Module:
    """The same connections with equal positive weights and no activations: nothing cancels, nothing is cut off."""
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, (nn.ReLU6, nn.ReLU)):
                setattr(module, name, nn.Identity())
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            nn.init.zeros_(module.bias)
    return network


@pytest.mark.parametrize("which", [0, 1, 2])
def test_the_real_network_sees_what_the_arithmetic_says(model, which):
    field = model.fields[which]
    assert field.stride == (32, 16, 8)[which]
    network = positive(model.network)
    x = torch.rand(1, 3, 32, 1024 + 256 * (which == 0), requires_grad=True)
    maps = network.trunk(x)
    scores = (network.fc6(maps[3]), maps[2], maps[1])[which]
    middle = scores.shape[-1] // 2
    for cell in (middle, middle + 1):
        left, right = expected(field, cell)
        assert left > 0
        assert right < x.shape[-1]
        assert extent(scores[0, 0, 0, cell], x) == (left, right)


def test_the_trunk_looks_to_the_right_as_its_convention_says(model):
    trunk = model.network.trunk
    field = receptive.of_convolutions([trunk.stem, *trunk.stages[:3]])
    assert field.centre == 7.5  # the middle of pixel s * 0 + s - 1 at stride 8


def test_effective_fields_are_gradients():
    x = torch.rand(1, 3, 6, 7)
    weight = torch.randn(3, 6, 7, generator=torch.Generator().manual_seed(0))
    heat = receptive.effective(lambda pixels: (pixels[0] * weight).sum(), x)
    wanted = weight.abs().amax(0)
    assert torch.allclose(heat, wanted / wanted.max())
    with torch.inference_mode():
        assert heat.shape == receptive.effective(lambda pixels: pixels.sum(), x).shape


def test_what_depends_on_nothing_gives_zeros():
    heat = receptive.effective(lambda pixels: (0 * pixels).sum(), torch.rand(1, 3, 4, 4))
    assert torch.equal(heat, torch.zeros(4, 4))


def test_a_box_holds_its_share():
    strength = torch.zeros(20, 30)
    strength[4:14, 10:20] = 1
    assert receptive.box_of(strength, 0.99) == (10, 4, 20, 14)
    x0, y0, x1, y1 = receptive.box_of(strength, 0.6)
    assert 10 < x0 < x1 < 20
    assert 4 < y0 < y1 < 14
    assert strength[:, x0:x1].sum() / strength.sum() >= 0.6
    assert strength[y0:y1].sum() / strength.sum() >= 0.6
    assert receptive.box_of(torch.zeros(5, 7), 0.9) == (0, 0, 7, 5)
