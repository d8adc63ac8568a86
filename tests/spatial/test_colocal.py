"""Co-localisation: crops against slices, the loss against loops, overlaps against torchvision's."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import box_iou

from engine.spatial.colocal import DIGIT, SIZE, TEMPERATURE, WINDOW, Finder, overlap, pair_loss, scenes
from tests.spatial.test_distortions import dice, digits


def test_a_crop_of_whole_pixels_is_a_slice():
    x = torch.rand(2, 1, SIZE, SIZE)
    centre = torch.tensor([[-28.0, 3.0], [10, 28]]) * 2 / SIZE
    found = Finder().crop(x, centre)
    assert found[0, 0] == pytest.approx(x[0, 0, 31:59, 0:28], abs=1e-4)
    assert found[1, 0] == pytest.approx(x[1, 0, 56:84, 38:66], abs=1e-4)


@pytest.mark.parametrize("task", ["T", "TC"])
def test_scenes_know_where_their_digits_are(task):
    drawn = scenes(digits(), task, dice(2))
    found = Finder().crop(drawn.pictures, drawn.centres)[:, 0]
    if task == "T":
        assert found == pytest.approx(digits(), abs=1e-4)
    assert bool((found >= digits() - 1e-4).all())
    assert float(drawn.centres.abs().max()) <= 1 - WINDOW + 1e-6


def test_scenes_begin_in_the_middle():
    assert not scenes(digits(), "TC", dice(2), 0.0).centres.any()
    near, far = (scenes(digits(), "T", dice(2), strength).centres for strength in (0.5, 1))
    assert near == pytest.approx(far / 2, abs=1.01 / SIZE)


@torch.no_grad()
def test_the_loss_against_loops():
    """Each crop is asked which partner is its own, among those of other digits and a random crop; and the other way."""
    torch.manual_seed(0)
    finder, kinds = Finder().eval(), torch.tensor([0, 1, 0, 2, 1])
    nn.init.normal_(finder.localise[-1].weight, 0, 2)
    first, second, random = torch.rand(5, 1, SIZE, SIZE), torch.rand(5, 1, SIZE, SIZE), torch.rand(5, 2) * 2 - 1
    a, b = (finder.encode(finder.crop(x, finder.centres(x))) for x in (first, second))
    c = finder.encode(finder.crop(first, random * (1 - WINDOW)))
    cosine = lambda x, y: float(x @ y / x.norm() / y.norm())  # noqa: E731
    wanted = []
    for i in range(5):
        others = [j for j in range(5) if kinds[j] != kinds[i] or j == i]
        for x, all_ in ((a[i], [*b[others], c[i]]), (b[i], [*a[others]])):
            own = cosine(a[i], b[i]) / TEMPERATURE
            wanted.append(np.logaddexp.reduce([cosine(x, y) / TEMPERATURE for y in all_]) - own)
    loss = pair_loss(finder, first, second, kinds[:, None] == kinds, random)
    assert float(loss) == pytest.approx(np.mean(wanted), rel=1e-4)


def test_the_loss_teaches_where_to_look():
    finder = Finder()
    drawn = scenes(digits(8), "T", dice())
    alike = torch.eye(8, dtype=torch.bool)
    pair_loss(finder, drawn.pictures, drawn.pictures.flip(0), alike, torch.rand(8, 2)).backward()
    assert float(finder.localise[-1].weight.grad.abs().sum()) > 0


def test_overlaps_against_torchvision():
    rng = np.random.default_rng(0)
    a, b = (torch.tensor(rng.uniform(-0.6, 0.6, (50, 2))) for _ in range(2))
    box = lambda c: torch.cat([(c + 1) * SIZE / 2 - DIGIT / 2, (c + 1) * SIZE / 2 + DIGIT / 2], 1)  # noqa: E731
    assert overlap(a, b) == pytest.approx(box_iou(box(a), box(b)).diagonal(), abs=1e-6)
    assert float(overlap(a[:1], a[:1])) == 1
