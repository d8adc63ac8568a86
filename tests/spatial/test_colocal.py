"""Co-localisation: crops against slices, the hinge against its formula, overlaps against torchvision's."""

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from engine.spatial.colocal import DIGIT, SIZE, WINDOW, Finder, overlap, scenes, triplet_loss
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


@torch.no_grad()
def test_the_loss_is_the_hinge_of_the_paper():
    torch.manual_seed(0)
    finder = Finder().eval()
    first, second, random = torch.rand(5, 1, SIZE, SIZE), torch.rand(5, 1, SIZE, SIZE), torch.rand(5, 2) * 2 - 1
    code = lambda x, at: finder.encode(finder.crop(x, at, 0.5))  # noqa: E731
    a, b = (code(x, finder.centres(x, 0.5)) for x in (first, second))
    c = code(first, random * 0.5)
    wanted = [max(0.0, float(((a[i] - b[i]) ** 2).sum() - ((a[i] - c[i]) ** 2).sum() + 1)) for i in range(5)]
    assert float(triplet_loss(finder, first, second, random, 0.5)) == pytest.approx(np.mean(wanted), rel=1e-4)


def test_the_loss_teaches_where_to_look():
    finder = Finder()
    drawn = scenes(digits(8), "T", dice())
    triplet_loss(finder, drawn.pictures, drawn.pictures.flip(0), torch.rand(8, 2)).backward()
    assert float(finder.localise[-1].weight.grad.abs().sum()) > 0


def test_overlaps_against_torchvision():
    rng = np.random.default_rng(0)
    a, b = (torch.tensor(rng.uniform(-0.6, 0.6, (50, 2))) for _ in range(2))
    box = lambda c: torch.cat([(c + 1) * SIZE / 2 - DIGIT / 2, (c + 1) * SIZE / 2 + DIGIT / 2], 1)  # noqa: E731
    assert overlap(a, b) == pytest.approx(box_iou(box(a), box(b)).diagonal(), abs=1e-6)
    assert float(overlap(a[:1], a[:1])) == 1
