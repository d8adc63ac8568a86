"""What the tests of the engine share: a picture of a few shapes and an FCN of random weights (for tests only)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

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
