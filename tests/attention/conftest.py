"""What the tests of room attention share: small vocabularies, captioners of random weights that have opinions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.attention.captioner import KINDS, Captioner
from engine.attention.captions_model import CaptionModel, Encoding
from engine.attention.encoder import PLACES, WIDTH, Encoder
from engine.attention.vocabulary import Vocabulary
from tests.conftest import card_of, shaken

NAMES = ("a", "dog", "runs", "over", "the", "grass", "man", "in", "red", "shirt", "two", "boys", "play", "with", "ball",
         "water", "snow", "on", "street")  # fmt: skip


def random_captioner(kind: str, words: int, seed: int = 2) -> Captioner:
    """A captioner whose words, places and gate depend on the picture and on the words before."""
    torch.manual_seed(seed)
    net = Captioner(kind, words).eval().requires_grad_(False)
    net.embed.weight.mul_(0.5)
    net.lstm.weight_hh.mul_(4)
    net.lstm.weight_ih.mul_(4)
    net.from_state.weight.mul_(25)
    if kind == "plain":
        net.first.weight.mul_(20)
    else:
        net.init_h.weight.mul_(20)
        net.attend.score.weight.mul_(6)
        net.attend.state.weight.mul_(10)
        net.gate.weight.mul_(5)
    return net


def random_annotations(pictures: int = 1, places: int = PLACES, seed: int = 0) -> Tensor:
    """(pictures, places, 512), of mean 0 and deviation 1 like those of a trained encoder."""
    return torch.randn(pictures, places, WIDTH, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="session")
def captioners() -> dict[str, Captioner]:
    """A captioner of each kind over `NAMES`."""
    return {kind: random_captioner(kind, len(NAMES) + 2) for kind in KINDS}


@pytest.fixture(scope="session")
def captions(captioners) -> dict[str, CaptionModel]:
    """`captioners` as people meet them, around one encoder of random weights."""
    encoder, words = shaken(Encoder(0)).to(memory_format=torch.channels_last), Vocabulary(NAMES)
    return {kind: CaptionModel(card_of(name=f"caption-{kind}", classes=(), settings={}), net, encoder, words)
            for kind, net in captioners.items()}  # fmt: skip


@pytest.fixture(scope="session")
def annotations() -> Tensor:
    """(1, 196, 512)."""
    return random_annotations()


@pytest.fixture(scope="session")
def encoding(rgb, annotations) -> Encoding:
    """A picture with annotation vectors that are not its own: no encoder was asked."""
    return Encoding(rgb, annotations)
