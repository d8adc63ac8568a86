"""What a cell sees: arithmetic against where gradients reach, gradients against finite differences, boxes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from engine import tensors
from engine.attention.captions_model import Encoding, cell_box
from engine.attention.encoder import SIDE, Encoder
from engine.attention.fields import effective, field_step, theoretical


@pytest.fixture(scope="module")
def step(captions, rgb):
    return field_step(captions["soft"], rgb, 14 * 6 + 9)


def test_arithmetic_against_where_gradients_reach():
    """The same connections with positive weights and no activations, on an input wide enough for the whole field."""
    encoder = Encoder(0).eval()
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            nn.init.zeros_(module.bias)
    x = torch.full((1, 3, 32, 1024), 0.5).requires_grad_(True)  # stays between the clips of ReLU6
    (gradient,) = torch.autograd.grad(encoder(x)[0, 14].sum(), x)
    columns = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
    x0, _, x1, _ = theoretical(encoder, 0, (SIDE, SIDE)) + 32 * 14
    assert x0 > 0
    assert x1 < 1024
    assert (int(columns[0]), int(columns[-1]) + 1) == (x0, x1)


def test_boxes_follow_the_picture():
    encoder = Encoder(0)
    plain = theoretical(encoder, 17, (SIDE, SIDE))
    assert plain[2] - plain[0] == plain[3] - plain[1] == 851
    assert ((plain[:2] + plain[2:]) / 2).tolist() == [31.5 + 32 * 3, 31.5 + 32]
    wide = theoretical(encoder, 17, (SIDE, 2 * SIDE))
    assert wide == pytest.approx(plain * [2, 1, 2, 1])


class Squares(nn.Module):
    """An encoder whose cells see just their own squares: the receptive field that people think of."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 16, 32, stride=32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).flatten(2).transpose(1, 2)


def test_cells_that_see_their_square_have_the_field_that_is_drawn(rgb):
    model, place = SimpleNamespace(encoder=Squares(), device="cpu"), 14 * 6 + 9
    square = cell_box(place, rgb.shape[:2])
    assert theoretical(model.encoder, place, rgb.shape[:2]) == pytest.approx(square)
    heat, box = effective(model, rgb, place)
    assert heat.shape == (112, 112)
    assert heat.max() == 1
    seen = np.zeros((112, 112), bool)
    seen[8 * 6 : 8 * 7, 8 * 9 : 8 * 10] = True
    assert np.array_equal(heat > 0, seen)
    assert (box[:2] >= square[:2]).all()
    assert (box[2:] <= square[2:]).all()
    assert box[2] - box[0] >= 0.85 * (square[2] - square[0])


def test_heat_is_the_gradient_of_the_length(rgb):
    """Against finite differences, pixel by pixel of one cell."""
    encoder, place = Squares(), 14 * 6 + 9
    heat, _ = effective(SimpleNamespace(encoder=encoder, device="cpu"), rgb, place)
    x = tensors.to_input(rgb, (SIDE, SIDE)).double()[..., 192:224, 288:320]
    nudges = 1e-5 * torch.eye(3 * 32 * 32).double().view(-1, 3, 32, 32)
    with torch.inference_mode():
        conv = encoder.conv.double()
        slopes = (conv(x + nudges).flatten(1).norm(dim=1) - conv(x - nudges).flatten(1).norm(dim=1)) / 2e-5
    strength = slopes.abs().view(3, 32, 32).amax(0)
    wanted = nn.functional.max_pool2d((strength / strength.max())[None, None], 4)[0, 0].numpy()
    assert np.allclose(heat[48:56, 72:80], wanted, atol=1e-4)


def test_a_step_with_three_boxes(step, rgb):
    photo, heat, square, nine, most = step.layers
    assert np.array_equal(photo.data, rgb)
    assert heat.range == (0.0, 1.0)
    assert square.data[0] == pytest.approx(cell_box(14 * 6 + 9, rgb.shape[:2]))
    assert most.data[0].tolist() == [0, 0, 130, 90]  # 851 of 448 pixels: all of the picture
    for box in (nine.data[0], most.data[0]):
        assert 0 <= box[0] < box[2] <= 130
        assert 0 <= box[1] < box[3] <= 90
    assert "row 7, column 10" in step.sentence
    assert "9 x 6 pixels" in step.sentence
    assert f"{851 * 130 / 448:.0f} x {851 * 90 / 448:.0f}" in step.sentence


def test_an_encoding_does_as_well(captions, step, rgb, annotations):
    again = field_step(captions["plain"], Encoding(rgb, annotations), 14 * 6 + 9)
    assert again.sentence == step.sentence
    assert np.array_equal(again.layers[1].data, step.layers[1].data)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3)])
def test_pictures_of_hardly_any_pixels(captions, shape):
    made = field_step(captions["soft"], np.full(shape, 255, np.uint8), 0)
    assert np.isfinite(made.layers[1].data).all()
    assert all(np.isfinite(layer.data).all() for layer in made.layers[2:])
