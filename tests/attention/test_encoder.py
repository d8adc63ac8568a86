"""The encoder against timm's network up to its last convolution; cells in order."""

import pytest
import torch
import torch.nn.functional as F

from engine.attention.encoder import WIDTH, Encoder
from engine.trunk import load_unfolded
from tests.test_trunk import shaken


@pytest.mark.parametrize("size", [0, 2])
@torch.inference_mode()
def test_the_head_is_timms(size):
    net, encoder = shaken(size), Encoder(size).eval()
    load_unfolded(encoder, net.state_dict())
    x = torch.randn(2, 3, 64, 96)
    wanted = net.forward_features(x)  # (2, 1280, 2, 3): its batch norm ends in ReLU6
    got = F.relu6(encoder.head(encoder.trunk(x)[-1]))
    assert got.shape == (2, 1280, 2, 3)
    assert torch.allclose(got, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


@torch.inference_mode()
def test_cells_row_by_row():
    """Each annotation vector is the narrow map's at its row and column."""
    torch.manual_seed(0)
    encoder = Encoder(0).eval()
    x = torch.randn(2, 3, 64, 96)
    grid = encoder.narrow(F.relu6(encoder.head(encoder.trunk(x)[-1])))
    annotations = encoder(x)
    assert annotations.shape == (2, 6, WIDTH)
    for row in range(2):
        for column in range(3):
            assert torch.equal(annotations[:, 3 * row + column], grid[:, :, row, column])
