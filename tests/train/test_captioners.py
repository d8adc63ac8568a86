"""The plans of the encoder and the captioners: a step of each recipe, and what ships can be loaded again."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine import cards, zoo
from engine.attention import captions_model, vocabulary
from engine.attention.captioner import Captioner
from engine.attention.encoder import Encoder
from engine.attention.vocabulary import Vocabulary
from engine.cards import Card
from engine.data import flickr8k
from engine.train import captioners, plans, words
from engine.trunk import Trunk
from tests.conftest import card_of, shaken
from tests.data.test_flickr8k import write

KINDS = ("plain", "soft", "hard")
NAMES = ("a", "dog", "runs", "snow")


@pytest.fixture
def assets(tmp_path, monkeypatch):
    """Assets with an encoder of random weights and four words, and nothing else."""
    folder = tmp_path / "assets"
    for module in (cards, zoo):
        monkeypatch.setattr(module, "ASSETS", folder)
    monkeypatch.setattr(vocabulary, "_PATH", folder / "weights" / "captions.words.txt")
    for cached in (captions_model.encoder, vocabulary.bundled):
        cached.cache_clear()
    sha = zoo.write_weights(captions_model.ENCODER, shaken(Encoder(0)))
    card_of(name=captions_model.ENCODER, settings={"trunk": 0}, sha256=sha).write()
    Vocabulary(NAMES).write()
    yield folder
    for cached in (captions_model.encoder, vocabulary.bundled):
        cached.cache_clear()


@pytest.fixture
def data(tmp_path):
    """Six made-up pictures in Flickr8k's layout."""
    write(tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize("kind", KINDS)
def test_each_recipe_takes_a_step(kind, assets, data, tmp_path, monkeypatch):
    plan = plans.plan(f"caption-{kind}")
    assert plan.card.name == f"caption-{kind}"
    assert plan.card.summary.startswith("A toy")
    small = replace(plan, recipes=tuple(replace(r, epochs=1, batch=2, samples=2) for r in plan.recipes))
    monkeypatch.setattr(plans, "plan", lambda _: small)
    before = {p: p.read_bytes() for p in assets.rglob("*.*")}
    assert plans.train(plan.card.name, data, tmp_path / "runs" / "captions", steps=1) == plan.card
    assert {p: p.read_bytes() for p in assets.rglob("*.*")} == before


def test_annotations_are_made_once_and_are_the_encoders_own(assets, data, tmp_path):
    pictures = flickr8k.load(data, "train")
    made = captioners.annotations(pictures, tmp_path / "runs", "cpu")
    (file,) = (tmp_path / "runs").iterdir()
    stamp = file.stat().st_mtime_ns
    encoder = captions_model.encoder("cpu")
    with torch.inference_mode():
        seen = encoder(captioners.batch(pictures, [1], "cpu"))[0]
    np.testing.assert_allclose(made[1], seen.numpy(), rtol=1e-3, atol=1e-3)  # half precision
    captioners.annotations(pictures, tmp_path / "runs", "cpu")
    assert file.stat().st_mtime_ns == stamp


def test_what_ships_is_measured_and_loads_again(assets, data):
    plan = plans.plan("caption-soft")
    net = shaken(Captioner("soft", len(NAMES) + 2))
    card = plan.ship(net, flickr8k.load(data, "val"), 90.0, "cpu")
    assert Card.read("caption-soft") == card
    assert card.figures["images"] == 1
    assert set(card.settings["unsure"]) == {"log_p", "variety"}
    assert card.training["minutes"] == 1.5
    model = zoo.build(Card.read("caption-soft"))
    for key, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, net.state_dict()[key].half().float())


def test_the_encoder_ships_with_how_well_it_ranks_words(assets, data, monkeypatch):
    monkeypatch.setattr(words, "imagenet_weights", lambda size: _unfolded(size))
    plan = plans.plan("caption-encoder")
    plan = replace(plan, card=replace(plan.card, settings={"trunk": 0}),
                   recipe=replace(plan.recipe, trunk=0, epochs=1, batch=2, crop=64, least=1))  # fmt: skip
    card = plan.train(data, assets.parent / "runs", "cpu", resume=False, steps=None)
    assert 0 < card.figures["word_map"] <= 1
    assert vocabulary.bundled().words[2:] == ("a", "dog")  # the others were used less than five times
    captions_model.encoder.cache_clear()
    seen = captions_model.encoder("cpu")(captioners.batch(flickr8k.load(data, "train"), range(4), "cpu"))
    assert abs(float(seen.mean())) < 0.05
    assert abs(float(seen.flatten(0, 1).std(0).mean()) - 1) < 0.1


def _unfolded(size: int) -> dict[str, torch.Tensor]:
    """What a published state dict of the encoder's trunk and head looks like, random."""
    torch.manual_seed(0)
    state = {}
    encoder = Encoder(size)
    convolutions = [m for m in encoder.modules() if type(m).__name__ == "SameConv2d"]
    assert isinstance(encoder.trunk, Trunk)
    for i, conv in enumerate(convolutions):
        width = conv.out_channels
        state |= {f"{i}.w": conv.weight.detach() * 2, f"{i}.g": torch.ones(width), f"{i}.b": torch.zeros(width),
                  f"{i}.m": torch.zeros(width), f"{i}.v": torch.ones(width)}  # fmt: skip
    return state
