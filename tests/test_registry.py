"""Models that engineers register: known to the zoo, the command line and the pages that fit them."""

import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from engine import registry, zoo
from engine.__main__ import main
from engine.cards import ModelError
from engine.debug.answers import answer
from engine.segmentation.fcn_model import FcnModel
from tests.conftest import card_of


@pytest.fixture
def mine(network):
    """A registered model of random weights."""
    registry.register(card_of(name="mine"), lambda card, device: FcnModel(card, network, device))
    yield "mine"
    registry.unregister("mine")
    zoo.LOADED.clear()


def test_a_registered_model_is_as_good_as_ours(mine, rgb, capsys):
    assert mine in zoo.names()
    assert registry.registered() == (mine,)
    model = zoo.load(mine)
    assert zoo.load(mine) is model
    assert answer(model, rgb).labels.shape == rgb.shape[:2]
    assert main(["models"]) == 0
    assert "mine" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["fcn-scenes", "mine", "", "a b", "../x", "x" * 61])
def test_names_are_new_and_plain(mine, name):
    with pytest.raises(ModelError):
        registry.register(card_of(name=name), lambda card, device: None)


def test_a_kind_without_pages_is_refused():
    with pytest.raises(ModelError, match="no pages"):
        registry.register(card_of(name="other"), lambda card, device: None, kind="detection")


def test_installed_packages_register_themselves_and_a_broken_one_stops_nobody(monkeypatch, tmp_path):
    (tmp_path / "package_of_mine.py").write_text(
        "from engine import registry\nfrom tests.conftest import card_of\n"
        "def good(): registry.register(card_of(name='from-a-package'), lambda card, device: None)\n"
        "def bad(): raise RuntimeError('no')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint(n, f"package_of_mine:{n}", registry.GROUP) for n in ("bad", "missing", "good")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == registry.GROUP else [])
    registry._discover.cache_clear()
    assert "from-a-package" in registry.registered()
    registry.unregister("from-a-package")
    monkeypatch.undo()
    registry._discover.cache_clear()
    sys.modules.pop("package_of_mine", None)


def test_an_answer_is_the_models_own(model, rgb):
    said = answer(model, rgb)
    assert (said.labels == model.predict(rgb)["8s"]).all()
    assert said.variant == "8s"
    coarse = answer(model, model.encode(rgb), "32s")
    assert (coarse.labels == model.predict(rgb)["32s"]).all()
    probability = said.probability
    assert np.allclose(probability.sum(0), 1, atol=1e-5)
    assert np.allclose(probability.max(0), said.certainty, atol=1e-6)
    assert (probability.argmax(0) == said.labels).mean() > 0.999
    with pytest.raises(KeyError):
        answer(model, rgb, "64s")


@pytest.mark.parametrize("name", ["model", "patches", "multiscale", "recurrent"])
def test_every_model_gives_the_scores_of_each_variant(name, rgb, request):
    asked = request.getfixturevalue(name)
    encoding, predicted = asked.encode(rgb), asked.predict(rgb)
    for variant in asked.scored:
        same = answer(asked, encoding, variant).labels == predicted[variant]
        assert same.mean() > 0.999, variant
    assert asked.usual in asked.scored
