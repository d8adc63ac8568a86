"""Cards and weights: a round trip, and one clear sentence for all that can be missing or wrong."""

import json

import pytest
import torch
from torch import nn

from engine import cards, zoo
from engine.cards import Card, ModelError
from tests.conftest import card_of


@pytest.fixture
def assets(tmp_path, monkeypatch):
    """An empty assets folder, and a zoo that has loaded nothing yet."""
    monkeypatch.setattr(cards, "ASSETS", tmp_path)
    monkeypatch.setattr(zoo, "ASSETS", tmp_path)
    zoo.LOADED.clear()
    yield tmp_path
    zoo.LOADED.clear()


def test_a_card_comes_back(assets):
    card = card_of(figures={"pixel_accuracy": 0.875, "mean_iou": 0.5, "variants": {"8s": {"mean_iou": 0.5}}},
                   failures=("It fails.",), sha256="ab", licence="MIT", bundled=False)  # fmt: skip
    assert card.write() == assets / "cards" / "random.json"
    back = Card.read("random")
    assert back.classes == card.classes
    assert back.failures == card.failures
    assert json.loads(json.dumps(back.asdict())) == json.loads(json.dumps(card.asdict()))
    assert back.line == "random · nothing · pixels right 87.5 %, mean IoU 50.0 %"


def test_unknown_names_are_refused(assets):
    for name in ("nothing", "../../etc/passwd", "", "a b"):
        with pytest.raises(ModelError, match="There is no model called"):
            zoo.load(name)
        with pytest.raises(ModelError, match="no card"):
            Card.read(name)


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 2))


def test_weights_come_back_in_single_precision(assets):
    model = small()
    card = card_of(sha256=zoo.write_weights("random", model))
    back = zoo.read_weights(card)
    assert set(back) == set(model.state_dict())
    for name, tensor in model.state_dict().items():
        assert back[name].dtype == torch.float32
        assert torch.equal(back[name], tensor.half().float())


def test_changed_weights_are_refused(assets):
    card = card_of(sha256=zoo.write_weights("random", small()))
    path = zoo.weights_path("random")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="checksum"):
        zoo.read_weights(card)
    path.write_bytes(data[:100])
    with pytest.raises(ModelError, match="checksum"):
        zoo.read_weights(card)
    path.unlink()
    with pytest.raises(ModelError, match="missing"):
        zoo.read_weights(card)


def test_a_model_is_loaded_once_and_a_failure_is_not_kept(assets, network):
    with pytest.raises(ModelError, match="no card"):
        zoo.load("fcn-scenes")
    card_of(name="fcn-scenes", sha256="0").write()
    with pytest.raises(ModelError, match="missing"):
        zoo.load("fcn-scenes")
    card_of(name="fcn-scenes", sha256=zoo.write_weights("fcn-scenes", network)).write()
    model = zoo.load("fcn-scenes")
    assert zoo.load("fcn-scenes", "cpu") is model
    assert not model.network.training
    wanted = network.score32.weight.half().float()
    assert torch.equal(model.network.score32.weight, wanted)


def test_the_cards_that_ship_are_whole():
    for name in zoo.names():
        card = Card.read(name)
        assert card.name == name
        assert card.bundled == zoo.weights_path(name).exists()
        assert card.title
        assert card.summary.endswith(".")
        assert card.licence
        assert card.failures
        if "task" in card.settings:
            found = [card.figures[key] for key in card.figures if key in ("test_error", "test_found")]
            assert len(found) == 1
            assert 0 < found[0] < 1
        else:
            less, more = ("bleu4", "bleu1") if "kind" in card.settings else ("mean_iou", "pixel_accuracy")
            assert 0 < card.figures[less] < card.figures[more] < 1
        if card.bundled:
            assert zoo.read_weights(card)


def test_models_kept_are_bounded_by_bytes(monkeypatch, model, network):
    """The one that was not asked for longest goes first, and is built anew when it is wanted."""
    from engine.keep import Keep

    size = sum(x.numel() * x.element_size() for x in (*network.parameters(), *network.buffers()))
    monkeypatch.setattr(zoo, "LOADED", Keep(int(2.5 * size)))
    monkeypatch.setattr(zoo.registry, "card", lambda name: card_of(name=name))
    built = []
    monkeypatch.setattr(zoo, "build", lambda card, device: built.append(card.name) or type(model)(card, network))
    for name in ("fcn-scenes", "fcn-animals", "fcn-scenes", "patches", "fcn-scenes", "fcn-animals"):
        zoo.load(name)
    assert built == ["fcn-scenes", "fcn-animals", "patches", "fcn-animals"]
    assert 2 * size <= zoo.LOADED.held < 2.1 * size
