"""Sizes, scaling and enlarging, against formulas and loops."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from engine import tensors

sides = st.integers(1, 3000)


@given(sides, sides, st.integers(32, 700), st.integers(0, 400))
def test_working_size_is_near_what_was_asked_for(height, width, least, more):
    h, w = tensors.working_size(height, width, (least, least + more))
    assert h % 32 == w % 32 == 0
    factor = min(max(max(height, width), least), least + more) / max(height, width)
    for side, exact in ((h, height * factor), (w, width * factor)):
        assert side >= 32
        assert abs(side - exact) <= 16 or (side == 32 and exact < 32)


@pytest.mark.parametrize(("size", "longest", "wanted"), [((480, 640), (32, 640), (480, 640)),
                                                         ((240, 320), (416, 640), (320, 416)),
                                                         ((1, 8), (32, 640), (32, 32))])  # fmt: skip
def test_working_size_of_known_pictures(size, longest, wanted):
    assert tensors.working_size(*size, longest) == wanted


@given(sides, sides, st.sampled_from((4, 16, 64)))
def test_working_size_is_of_whole_multiples(height, width, multiple):
    h, w = tensors.working_size(height, width, (128, 640), multiple)
    assert h % multiple == w % multiple == 0
    factor = min(max(max(height, width), 128), 640) / max(height, width)
    for side, exact in ((h, height * factor), (w, width * factor)):
        assert side >= multiple
        assert abs(side - exact) <= multiple / 2 or (side == multiple and exact < multiple)


def test_input_is_scaled_from_minus_one_to_one(rgb):
    x = tensors.to_input(rgb, rgb.shape[:2])
    assert x.shape == (1, 3, *rgb.shape[:2])
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert np.allclose((x[0].permute(1, 2, 0).numpy() + 1) * 127.5, rgb, atol=1e-4)
    flat = np.full((50, 70, 3), (0, 128, 255), np.uint8)
    x = tensors.to_input(flat, (64, 96))
    assert x.shape == (1, 3, 64, 96)
    assert torch.allclose(x.amax((2, 3)), torch.tensor([[-1, 128 / 127.5 - 1, 1]]), atol=1e-5)


def test_a_read_only_picture_is_taken(rgb):
    frozen = rgb.copy()
    frozen.setflags(write=False)
    assert torch.equal(tensors.to_input(frozen, (32, 64)), tensors.to_input(rgb, (32, 64)))


def test_labels_are_the_highest_after_enlarging():
    logits = torch.randn(1, 5, 4, 6, generator=torch.Generator().manual_seed(1))
    labels = tensors.to_labels(logits, (37, 51))
    assert labels.dtype == np.uint8
    pixels = tensors.to_pixels(logits, (37, 51))[0].numpy()
    assert np.array_equal(labels, pixels.argmax(0))


def looped(maps: np.ndarray, size, box) -> np.ndarray:
    """Bilinear by its definition: half-pixel centres, edges repeated."""
    h, w = maps.shape
    out = np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            v = np.clip((y + 0.5 - box[1]) / (box[3] - box[1]) * h - 0.5, 0, h - 1)
            u = np.clip((x + 0.5 - box[0]) / (box[2] - box[0]) * w - 0.5, 0, w - 1)
            i, j = int(v), int(u)
            k, m = min(i + 1, h - 1), min(j + 1, w - 1)
            a, b = v - i, u - j
            out[y, x] = ((1 - a) * ((1 - b) * maps[i, j] + b * maps[i, m])
                         + a * ((1 - b) * maps[k, j] + b * maps[k, m]))  # fmt: skip
    return out


@pytest.mark.parametrize("box", [None, (0, 0, 20, 12), (3, 2, 17, 11), (-4.5, 1.25, 12.5, 30)])
def test_a_map_is_laid_over_its_box(box):
    maps = torch.randn(3, 5, generator=torch.Generator().manual_seed(2))
    size = (12, 20)
    smooth = tensors.to_frame(maps[None, None], size, box)[0, 0].numpy()
    where = box or (0, 0, 20, 12)
    assert np.allclose(smooth, looped(maps.numpy(), size, where), atol=1e-5)
    raw = tensors.to_frame(maps[None, None], size, box, smooth=False)[0, 0].numpy()
    for y in range(12):
        for x in range(20):
            row = np.clip(int(np.floor((y + 0.5 - where[1]) / (where[3] - where[1]) * 3)), 0, 2)
            column = np.clip(int(np.floor((x + 0.5 - where[0]) / (where[2] - where[0]) * 5)), 0, 4)
            assert raw[y, x] == maps[row, column]


def test_the_whole_picture_is_enlarged_as_torch_does():
    maps = torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(3))
    wanted = F.interpolate(maps, (33, 47), mode="bilinear", align_corners=False)
    assert torch.equal(tensors.to_frame(maps, (33, 47)), wanted)
    assert torch.allclose(tensors.to_frame(maps, (33, 47), (0, 0, 47, 33)), wanted, atol=1e-5)


def test_inside_counts_centres():
    assert tensors.inside((1, 0, 3, 2), (3, 4)).astype(int).tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert tensors.inside((0.6, 0, 1.4, 9), (1, 3)).tolist() == [[False, False, False]]
    assert tensors.inside((0.5, 0.5, 1.5, 1.5), (2, 2)).tolist() == [[True, False], [False, False]]


def test_one_pixel_is_that_of_the_whole_map():
    maps = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(4))
    pixels = tensors.to_pixels(maps, (33, 47))
    for x, y in ((0, 0), (13.7, 20.2), (46.99, 32.99)):
        assert torch.allclose(tensors.at_pixel(maps, (33, 47), x, y), pixels[:, :, int(y), int(x)], atol=1e-5)
    assert torch.equal(tensors.at_pixel(maps, (33, 47), -5, 99), tensors.at_pixel(maps, (33, 47), 0, 32))
