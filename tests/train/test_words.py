"""The encoder's recipe: views, targets and pooling against formulas; a step, and a run that goes on where it ended."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.attention.encoder import Encoder
from engine.data.flickr8k import Captions
from engine.train.words import Views, WordNet, WordRecipe, fit, frequent, part, standardise, targets
from tests.conftest import shaken

TINY = WordRecipe(trunk=0, epochs=2, batch=2, crop=32, least=1)


class Made(Captions):
    """Pictures that are computed; after `left` of them reading stops."""

    left = math.inf

    def rgb(self, i: int) -> np.ndarray:
        type(self).left -= 1
        if type(self).left < 0:
            raise InterruptedError
        return np.random.default_rng(i).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.fixture
def data():
    Made.left = math.inf
    return Made("Made", "train", tuple("0123"), ((("a", "dog"), ("dog", "dog")), (("a",),), (("snow",), ("a",)),
                                                 (("dog",), ("snow",))))  # fmt: skip


def test_frequent_words_and_shares(data):
    assert frequent(data, 1) == ["a", "dog", "snow"]
    assert frequent(data, 3) == ["a"]
    assert targets(data, ["dog", "snow"]).tolist() == [[1.0, 0.0], [0.0, 0.0], [0.0, 0.5], [0.5, 0.5]]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.1, 1), st.floats(1, 2), st.integers(0, 99))
def test_parts_lie_inside(height, width, area, aspect, seed):
    """Of a picture that brightens to the right a part does so too, or the other way round where it is mirrored."""
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    rgb = np.broadcast_to(ramp[None, :, None], (height, width, 3)).copy()
    got = part(rgb, 24, area, aspect, np.random.default_rng(seed))
    assert got.shape == (24, 24, 3)
    assert got.dtype == np.uint8
    steps = np.diff(got[0, :, 0].astype(int))
    assert (steps >= 0).all() or (steps <= 0).all()
    assert np.ptp(got, axis=0).max() <= 1  # rows of the ramp are alike


def test_the_whole_picture_and_its_mirror_image():
    rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    whole = np.asarray(Image.fromarray(rgb).resize((24, 24), Image.Resampling.BILINEAR))
    seen = set()
    for seed in range(8):
        got = part(rgb, 24, 1.0, 1.0, np.random.default_rng(seed))
        mirrored = np.array_equal(got, whole[:, ::-1])
        assert mirrored or np.array_equal(got, whole)
        seen.add(mirrored)
    assert seen == {True, False}


def test_the_same_view_on_every_machine(data):
    target = targets(data, ["dog"])
    a, b = (Views(data, target, TINY, 1)[2] for _ in range(2))
    assert torch.equal(a[0], b[0])
    assert not torch.equal(a[0], Views(data, target, TINY, 2)[2][0])
    assert a[0].shape == (3, 32, 32)
    assert -1 <= a[0].min() < a[0].max() <= 1
    assert a[1].tolist() == [0.0]


@torch.inference_mode()
def test_pooling_is_between_the_mean_and_the_best_place():
    torch.manual_seed(0)
    net, x = WordNet(Encoder(0), 5).eval(), torch.randn(2, 3, 64, 96)
    places = net.words(net.encoder(x))
    wanted = torch.log((4 * places.double()).exp().mean(1)) / 4
    assert torch.allclose(net(x).double(), wanted, atol=1e-4)
    assert (net(x) >= places.mean(1) - 1e-5).all()
    assert (net(x) <= places.amax(1) + 1e-5).all()


def test_standardised_vectors_have_mean_zero_and_deviation_one_and_tell_the_same_words():
    net, pictures = WordNet(shaken(Encoder(0)), 5).eval().requires_grad_(False), torch.randn(3, 3, 64, 64)
    before = net(pictures)
    standardise(net, pictures)
    seen = net.encoder(pictures).flatten(0, 1)
    assert torch.allclose(seen.mean(0), torch.zeros(512), atol=1e-3)
    assert torch.allclose(seen.std(0), torch.ones(512), atol=1e-3)
    assert torch.allclose(net(pictures), before, atol=1e-3 * float(before.abs().max()))


def test_a_step_starts_from_imagenet_and_leaves_the_early_stages(data, tmp_path):
    from engine.trunk import imagenet_trunk

    net, start = fit(data, TINY, tmp_path, steps=1), imagenet_trunk(0)
    assert not net.training
    assert torch.equal(net.encoder.trunk.stem.weight, start.stem.weight)
    assert not torch.equal(net.encoder.trunk.stages[6][0].project.weight, start.stages[6][0].project.weight)


def test_a_resumed_run_equals_one_that_never_stopped(data, tmp_path):
    whole = fit(data, TINY, tmp_path / "whole")
    Made.left = 6  # four pictures an epoch: in the second
    with pytest.raises(InterruptedError):
        fit(data, TINY, tmp_path / "parts")
    Made.left = math.inf
    resumed = fit(data, TINY, tmp_path / "parts", resume=True)
    for name, tensor in whole.state_dict().items():
        assert torch.allclose(tensor, resumed.state_dict()[name], atol=1e-5), name
