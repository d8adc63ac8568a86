"""The models of a visit on the pages that fit them, and what a page says when a model cannot answer."""

import pytest

from engine import registry, zoo
from engine.cards import ModelError
from engine.segmentation.fcn_model import FcnModel
from engine.segmentation.recurrent_model import RecurrentModel
from pages.kit import models, owned
from pages.kit.rooms import COMPARE, FCN, LAYERS, PATCHES, PROBE, RECURRENT, TRUTH
from tests.conftest import card_of
from tests.segmentation.pages import text_of, visit


@pytest.fixture(scope="module")
def brought(network, recurrent):
    """Two models as a visit holds its own."""
    fcn, rnn = (card_of(name=name, summary="Brought by me.") for name in ("mine-fcn", "mine-rnn"))
    mine = FcnModel(fcn, network), RecurrentModel(rnn, recurrent.network)
    return {model.card.name: owned._Own(model, model.card.name) for model in mine}


CASES = ((FCN, "model", "mine-fcn"), (RECURRENT, "recurrent_model", "mine-rnn"), (PROBE, "model", "mine-fcn"),
         (TRUTH, "model", "mine-rnn"), (LAYERS, "model", "mine-fcn"), (COMPARE, "b", "mine-rnn"))  # fmt: skip


@pytest.mark.parametrize(("page", "box", "name"), CASES, ids=[page.url for page, *_ in CASES])
def test_an_own_model_is_on_every_page_that_fits_it(brought, page, box, name):
    app = visit(page, image="shapes")
    app.session_state["own_models"] = brought
    app.run()
    assert name in app.selectbox(key=box).options
    app.selectbox(key=box).select(name).run()
    assert not app.exception
    assert "Brought by me." in text_of(app)


def test_it_is_not_where_it_does_not_fit(brought):
    app = visit(PATCHES, image="shapes")
    app.session_state["own_models"] = brought
    app.run()
    assert not app.exception
    assert "patches_model" not in {box.key for box in app.selectbox}, "of a single choice nothing is asked"


def test_a_registered_model_is_on_the_page_too(network):
    registry.register(card_of(name="registered", summary="Registered."), lambda c, device: FcnModel(c, network, device))
    try:
        app = visit(FCN, image="shapes", model="registered").run()
        assert not app.exception
        assert "Registered." in text_of(app)
    finally:
        registry.unregister("registered")
        zoo.LOADED.clear()


def test_a_model_that_cannot_answer_is_a_sentence(brought, monkeypatch):
    def encode(rgb, average=False):
        raise ModelError("Its process ended: it needed more memory than it may have.")

    monkeypatch.setattr(brought["mine-fcn"].model, "encode", encode)
    models.FOUND.clear()
    app = visit(FCN, image="shapes", model="mine-fcn")
    app.session_state["own_models"] = brought
    app.run()
    assert not app.exception
    assert any("more memory" in warning.value for warning in app.warning)
