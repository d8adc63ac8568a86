"""What all labelling networks share: readings, cells under a pixel, where a number comes from, averages, words."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from engine import tensors
from engine.segmentation.labelling import Labelling, changed, heat_layer, label_table
from tests.conftest import card_of

STRIDES = (4, 8, 16, 32)


@pytest.fixture(scope="module")
def plain() -> Labelling:
    """A network that is not asked; pictures are seen at 96 to 160 pixels."""
    return Labelling(card_of(), nn.Conv2d(3, 8, 1))


def maps(count: int, shape=(6, 9), seed=0) -> list[torch.Tensor]:
    dice = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 8, *shape, generator=dice) for _ in range(count)]


@given(st.integers(1, 400), st.integers(1, 400), st.floats(0, 1), st.floats(0, 1), st.sampled_from(STRIDES))
def test_the_cell_under_a_pixel_holds_it(height, width, right, down, stride):
    plain = Labelling(card_of(), nn.Conv2d(3, 8, 1))
    rgb = np.zeros((height, width, 3), np.uint8)
    x, y = right * width, down * height
    h, w = plain.working_size(rgb)
    row, column = plain.cell_at(rgb, x, y, stride)
    for cell, at, side, cells in ((row, y, height, h // stride), (column, x, width, w // stride)):
        assert isinstance(cell, int)
        assert 0 <= cell < cells
        assert cell * side / cells <= at + 1e-6
        assert at <= (cell + 1) * side / cells + 1e-6


@pytest.mark.parametrize(("at", "wanted"), [
    ((0, 0), (0, 0)), ((-3, -1e9), (0, 0)), ((130, 90), (11, 15)), ((1e9, 44), (5, 15)), ((65, 45), (6, 8)),
    ((64.9, 45), (6, 7)),
])  # fmt: skip
def test_cells_of_a_known_picture(plain, rgb, at, wanted):
    assert plain.working_size(rgb) == (96, 128)
    assert plain.cell_at(rgb, *at, 8) == wanted


def test_a_multiple_of_its_own(rgb):
    class Coarse(Labelling):
        multiple = 64

    coarse = Coarse(card_of(), nn.Conv2d(3, 8, 1))
    assert coarse.working_size(rgb) == (64, 128)
    sizes = []
    coarse.averaged(lambda size, mirror: sizes.append(size) or maps(1), (256, 512), True)
    assert {side % 64 for size in sizes for side in size} == {0}
    assert len(set(sizes)) == 3


@pytest.mark.parametrize("count", [1, 2, 4])
def test_readings_are_the_pixels_of_the_enlarged_sum(plain, rgb, count):
    parts = maps(count)
    pixels = tensors.to_pixels(sum(parts), rgb.shape[:2])[0]
    for x, y in ((0, 0), (77.3, 12.9), (129.99, 89.99)):
        at = pixels[:, int(y), int(x)]
        readings = plain.readings(parts, rgb, x, y)
        best = at.argsort(descending=True)[:3]
        assert [r.name for r in readings] == [plain.card.classes[k] for k in best]
        for k, reading in zip(best, readings, strict=True):
            own = [float(tensors.to_pixels(p, rgb.shape[:2])[0, k, int(y), int(x)]) for p in parts]
            assert reading.parts == pytest.approx(own, abs=1e-4)
            assert reading.logit == pytest.approx(float(at[k]), abs=1e-4)
            assert reading.probability == pytest.approx(float(at.softmax(0)[k]), abs=1e-4)
    assert len(plain.readings(parts, rgb, 5, 5, top=8)) == 8


def test_what_a_number_listens_to_is_its_gradient(plain):
    """At the network's own size, and at twice it: the box comes back in the picture's pixels."""
    weight = torch.zeros(3, 96, 128)
    weight[1, 20:40, 64:72] = -2
    weight[0, 20:40, 64:72] = 1
    for scale in (1, 2):
        rgb = np.random.default_rng(0).integers(0, 256, (96 * scale, 128 * scale, 3), np.uint8)
        model = Labelling(card_of(settings={"longest": [128, 128]}), nn.Conv2d(3, 8, 1))
        heat, box = model.listened(rgb, lambda pixels: (pixels[0] * weight).sum())
        assert heat.shape == (24, 32)
        wanted = np.zeros((24, 32))
        wanted[5:10, 16:18] = 1
        assert np.array_equal(heat, wanted)
        x0, y0, x1, y1 = box / scale
        assert 64 <= x0 < x1 <= 72
        assert 20 <= y0 < y1 <= 40
        assert y1 - y0 >= 0.9 * 20
    assert (plain.listened(rgb, lambda pixels: 0 * pixels.sum())[0] == 0).all()


def test_the_share_that_changed():
    before = torch.zeros(1, 3, 4, 5)
    before[:, 1] = 1
    after = before.clone()
    assert changed(before, after) == "0.0 %"
    after[:, 2, 0] = 9
    assert changed(before, after) == "25.0 %"
    assert changed(before, 7 * before) == "0.0 %"
    assert changed(before, -before) == "100.0 %"


def test_a_table_of_shares_and_of_certainty():
    logits = torch.full((1, 8, 2, 5), -50.0)
    logits[0, 3, :, :3] = 0
    logits[0, 6, :, 3:] = 0
    logits[0, 1, 0, 3:] = 0  # as likely as 6 there; of equals the lower index
    rows = label_table(logits, card_of().classes).rows
    assert rows == (("grass", 60.0, 1.0), ("tree", 20.0, 0.5), ("mountain", 20.0, 1.0))


def test_heat_is_symmetric_about_zero():
    data = torch.tensor([[[[0.5, -3.0]]]])
    assert heat_layer("adds", data).range == (-3.0, 3.0)
    assert heat_layer("nothing", 0 * data).range == (-1e-6, 1e-6)
