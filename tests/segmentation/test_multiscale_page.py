"""The multi-scale page by AppTest: it runs, it answers its controls, it keeps its state in the URL."""

import pytest

from pages.kit.rooms import FCN, MULTISCALE
from tests.segmentation.pages import open_tab, text_of, visit


def test_the_page_runs_and_explains_itself():
    page = visit(MULTISCALE).run()
    assert not page.exception
    assert page.title[0].value == "Multi-scale network"
    assert "28-33" in text_of(page)
    assert next(t.label for t in page.tabs) == "What you see"


def test_muting_an_octave_changes_the_formula_and_is_in_the_url():
    page = visit(MULTISCALE).run()
    open_tab(page, "multiscale", "Formula with live numbers")
    before = page.latex[0].value
    page.toggle(key="o4").set_value(False).run()
    assert not page.exception
    assert page.latex[0].value != before
    again = visit(MULTISCALE, o4="false").run()
    assert again.toggle(key="o4").value is False
    assert open_tab(again, "multiscale", "Formula with live numbers").latex[0].value == page.latex[0].value


def test_superpixels_are_made_as_asked():
    page = visit(MULTISCALE, superpixels="slic", image="landscape").run()
    assert page.segmented_control(key="superpixels").value == "slic" if hasattr(page, "segmented_control") else True
    page.slider(key="segments").set_value(60).run()
    assert not page.exception
    assert not [s for s in page.slider if s.key == "scale"]


def test_each_variant_is_scored_on_a_drawn_scene():
    page = visit(MULTISCALE, image="landscape").run()
    open_tab(page, "multiscale", "Against the truth")
    scored = next(d.value for d in page.dataframe if any("boundaries" in str(c) for c in d.value.columns))
    assert list(scored[""]) == ["single scale", "multi-scale", "superpixels", "cover"]
    assert not page.exception


@pytest.mark.parametrize("tab", ["The paper, and here", "Code that ran"])
@pytest.mark.parametrize("model", MULTISCALE.models)
def test_every_tab_of_both_models(tab, model):
    page = visit(MULTISCALE, multiscale_model=model).run()
    open_tab(page, "multiscale", tab)
    assert not page.exception
    assert page.selectbox(key="multiscale_model").value == model


def test_each_page_keeps_its_own_model():
    page = visit(FCN, model="fcn-animals").run()
    page.switch_page(MULTISCALE.path).run()
    assert not page.exception
    assert page.selectbox(key="multiscale_model").value == "multiscale"
    page.selectbox(key="multiscale_model").select("multiscale-classic").run()
    page.switch_page(FCN.path).run()
    assert page.selectbox(key="model").value == "fcn-animals"
    page.switch_page(MULTISCALE.path).run()
    assert page.selectbox(key="multiscale_model").value == "multiscale-classic"


def test_nonsense_in_the_url_is_ignored():
    page = visit(MULTISCALE, multiscale_model="<b>", superpixels="watershed", scale="-3", o1="perhaps", view="{").run()
    assert not page.exception
    assert page.selectbox(key="multiscale_model").value == "multiscale"


def test_a_missing_model_is_said_in_a_sentence(monkeypatch, tmp_path):
    from engine import cards, zoo

    monkeypatch.setattr(cards, "ASSETS", tmp_path)

    zoo.LOADED.clear()
    page = visit(MULTISCALE).run()
    assert not page.exception
    assert "no card of a model called 'multiscale'" in page.warning[0].value
