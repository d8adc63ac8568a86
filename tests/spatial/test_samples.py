"""The sample digits, and pictures that people bring: MNIST's own digits, enlarged, must come back as they were."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from engine.spatial.samples import EACH, INNER, choose, from_upload, samples


def picture_of(digit: np.ndarray, side: int = 280, dark: bool = True) -> np.ndarray:
    """(side, side, 3) uint8: a digit (28, 28) uint8 enlarged, dark on light or light on dark."""
    grey = np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC))
    return np.repeat((255 - grey if dark else grey)[..., None], 3, 2)


def seven(size: tuple[int, int] = (300, 400), width: int = 22) -> np.ndarray:
    """(H, W, 3) uint8: a 7 drawn black on white, to the left of the middle."""
    picture = Image.new("RGB", size[::-1], "white")
    ImageDraw.Draw(picture).line([(60, 60), (180, 60), (100, 250)], "black", width, joint="curve")
    return np.asarray(picture)


def alike(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two digits (28, 28), the best one where one of them may move by a pixel."""
    moves = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return max(np.corrcoef(np.roll(a, move, (0, 1)).ravel(), b.ravel())[0, 1] for move in moves)


def test_there_are_ten_of_each():
    found = samples()
    assert found.images.shape == (100, 28, 28)
    assert found.images.dtype == np.uint8
    assert np.bincount(found.labels).tolist() == [EACH] * 10
    assert len(np.unique(found.images.reshape(100, -1), axis=0)) == 100
    with pytest.raises(ValueError, match="read-only"):
        found.images[0] = 0


def test_samples_are_centred_by_mass_as_mnist_is():
    for image in samples().images:
        assert np.abs(np.subtract(ndimage.center_of_mass(image), 14)).max() <= 0.5


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("index", range(0, 100, 7))
def test_a_digit_of_mnist_comes_back_as_it_was(index, dark):
    digit = samples().images[index]
    found = from_upload(picture_of(digit, dark=dark))
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1
    assert alike(found, digit) > 0.85


def test_a_drawing_is_fitted_and_centred():
    found = from_upload(seven())
    rows, columns = (np.flatnonzero(found.max(axis) > 0) for axis in (1, 0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == INNER
    assert np.abs(np.subtract(ndimage.center_of_mass(found), 14)).max() <= 0.5 + 1e-6


def test_ground_that_changes_slowly_and_noise_do_not_matter():
    clean = seven()
    light = np.linspace(0.45, 1.0, clean.shape[1])[None, :, None] * np.linspace(0.8, 1, clean.shape[0])[:, None, None]
    noise = np.random.default_rng(0).normal(0, 4, clean.shape[:2])[..., None]
    photo = np.clip((40 + 0.8 * clean) * light + noise, 0, 255).astype(np.uint8)
    assert alike(from_upload(photo), from_upload(clean)) > 0.9


def test_a_speck_beside_the_digit_does_not_count():
    speckled = seven().copy()
    speckled[280:284, 380:384] = 0
    assert np.abs(from_upload(speckled) - from_upload(seven())).mean() < 0.01


@pytest.mark.parametrize("picture", [
    np.full((90, 120, 3), 255, np.uint8), np.zeros((28, 28, 3), np.uint8),
    np.random.default_rng(1).normal(128, 10, (200, 200, 3)).clip(0, 255).astype(np.uint8),
    np.linspace(0, 255, 200).astype(np.uint8)[None, :, None].repeat(150, 0).repeat(3, 2),
], ids=["white", "black", "noise", "gradient"])  # fmt: skip
def test_a_picture_without_ink_is_refused_in_one_sentence(picture):
    with pytest.raises(ValueError, match="no clear ink"):
        from_upload(picture)


def test_a_dot_and_a_thin_line_are_ink_too():
    dot = np.full((100, 100, 3), 255, np.uint8)
    dot[40:60, 40:60] = 0
    assert from_upload(dot).max() > 0.9
    line = np.full((200, 200, 3), 255, np.uint8)
    line[20:180, 99:104] = 0
    assert (from_upload(line).max(1) > 0.3).sum() >= INNER - 2


def test_choosing_leaves_out_what_looks_like_another_digit(tmp_path):
    """Ten kinds of bars with noise, and among the fives a bar that belongs to the sixes."""
    dice = np.random.default_rng(0)
    bars = np.zeros((10, 40, 28, 28))
    for digit in range(10):
        bars[digit, :, :, 2 * digit + 2 : 2 * digit + 5] = 1
    bars = (bars * dice.uniform(0.8, 1, bars.shape[:2])[..., None, None]).round(3)
    bars[5, 7] = bars[6, 0]
    for digit in range(10):
        (tmp_path / f"{digit}.json").write_text(json.dumps({"data": bars[digit].ravel().tolist()}))
    sheet = choose(tmp_path)
    assert sheet.shape == (280, 280)
    fives = sheet[5 * 28 : 6 * 28].reshape(28, 10, 28).swapaxes(0, 1)
    assert (fives[:, :, 12:15] > 0).all()
