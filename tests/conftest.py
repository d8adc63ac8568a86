"""What the tests of the engine share: a picture of a few shapes and networks of random weights (for tests only)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from engine.cards import Card
from engine.data import stanford

torch.set_num_threads(1)  # small tensors: threads that wait for each other cost more than they bring


def card_of(**changes) -> Card:
    """A card made by hand for networks of random weights; nothing on it was measured."""
    values = {"name": "random", "title": "Random", "summary": "Random weights, for tests.", "paper": "none",
              "slides": "0", "data": "nothing", "split": "none", "classes": stanford.LABELS.classes,
              "settings": {"trunk": 0, "labels": "stanford", "longest": [96, 160]}}  # fmt: skip
    return Card(**{**values, **changes})


@pytest.fixture(scope="session")
def rgb() -> np.ndarray:
    """(90, 130, 3) uint8: a sky, a field and a box, with a little noise; odd to all strides."""
    picture = np.zeros((90, 130, 3), np.float32)
    picture[:40], picture[40:], picture[30:70, 50:90] = (120, 170, 230), (70, 140, 60), (200, 60, 50)
    noise = np.random.default_rng(0).normal(0, 6, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def network():
    """An FCN of 8 classes with random weights; its skips do something, unlike those of a new one."""
    from engine.segmentation.fcn import FCN

    torch.manual_seed(0)
    fcn = FCN(8).eval().requires_grad_(False)
    with torch.no_grad():
        for layer in (fcn.score32, fcn.score16, fcn.score8):
            layer.weight.normal_(0, 0.5)
            layer.bias.normal_()
        for layer in (fcn.up32, fcn.up16):
            layer.weight.add_(0.02 * torch.randn_like(layer.weight))
    return fcn


@pytest.fixture(scope="session")
def model(network):
    """`network` as people meet it, with a card made by hand."""
    from engine.segmentation.fcn_model import FcnModel

    return FcnModel(card_of(), network)


def shaken(network: nn.Module) -> nn.Module:
    """`network` with random weights that keep what passes through them at its size; none is zero."""
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, 0, 0.1)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def patches():
    """A patch classifier of random weights; it looks at `rgb` in 64 x 44 pixels."""
    from engine.segmentation.patches import Patches
    from engine.segmentation.patches_model import PatchesModel

    card = card_of(name="patches-random", settings={"labels": "stanford", "longest": [64, 64]})
    return PatchesModel(card, shaken(Patches(8)))


@pytest.fixture(scope="session")
def multiscale():
    """A multi-scale model of random weights; it looks at `rgb` in 192 x 128 pixels."""
    from engine.segmentation.multiscale import MultiScale
    from engine.segmentation.multiscale_model import MultiScaleModel

    return MultiScaleModel(card_of(settings={"trunk": 0, "labels": "stanford", "longest": [192, 192]}),
                           shaken(MultiScale(8)))  # fmt: skip


@pytest.fixture(scope="session")
def classic():
    """The classic multi-scale model with random weights; it looks at `rgb` in 128 x 64 pixels."""
    from engine.segmentation.multiscale import Classic
    from engine.segmentation.multiscale_model import MultiScaleModel

    return MultiScaleModel(card_of(settings={"labels": "stanford", "longest": [128, 128]}), shaken(Classic(8)))


@pytest.fixture(scope="session")
def recurrent():
    """A recurrent model of random weights, in which the last answer counts about as much as the picture."""
    from engine.segmentation.recurrent import Recurrent
    from engine.segmentation.recurrent_model import RecurrentModel

    network = shaken(Recurrent(8))
    network.context[0].weight.mul_(12)
    return RecurrentModel(card_of(), network)


@pytest.fixture
def scenes(tmp_path) -> Path:
    """A folder with nine pictures in the layout of Stanford Background."""
    root = tmp_path / "data" / "iccv09Data"
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    for i in range(9):
        Image.new("RGB", (40, 30), (20 * i, 90, 40)).save(root / "images" / f"{i}.jpg")
        np.savetxt(root / "labels" / f"{i}.regions.txt", np.full((30, 40), i % 8), fmt="%d")
    return tmp_path / "data"
