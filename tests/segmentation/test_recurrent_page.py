"""The page of recurrent refinement by AppTest: passes, starts, a painting that was sent, the curves."""

import numpy as np
import pytest

from pages.kit.payload import image_id
from pages.kit.rooms import RECURRENT
from tests.segmentation.pages import open_tab, text_of, visit


def rows(page) -> int:
    """How many passes the formula's table lists."""
    open_tab(page, "recurrent", "Formula with live numbers")
    return len(next(d.value for d in page.dataframe if "pass" in d.value.columns))


def test_the_page_runs_and_explains_itself():
    page = visit(RECURRENT).run()
    assert not page.exception
    assert page.title[0].value == "Recurrent refinement"
    assert "34-38" in text_of(page)
    assert rows(page) == 3


def test_passes_and_start_are_in_the_url():
    page = visit(RECURRENT, passes="6", start="wrong").run()
    assert not page.exception
    assert page.slider(key="passes").value == 6
    assert rows(page) == 6


@pytest.mark.parametrize("query", [{"passes": "99"}, {"start": "odd"}, {"passes": "many", "hold": "x"}])
def test_nonsense_in_the_url_is_ignored(query):
    page = visit(RECURRENT, **query).run()
    assert not page.exception
    assert rows(page) in (3, 12)


def test_curves_with_and_without_a_truth():
    page = visit(RECURRENT, image="landscape").run()
    open_tab(page, "recurrent", "Pass by pass")
    assert not page.exception
    assert len(page.get("plotly_chart")) == 2
    open_tab(page, "recurrent", "Against the truth")
    assert [str(x) for x in page.dataframe[-1].value[""]] == ["iteration 1", "iteration 2", "iteration 3"]


def test_a_painting_makes_it_go_on_and_can_be_forgotten(monkeypatch):
    """AppTest has no browser that could paint: what the browser would have sent stands in the session."""
    from pages.kit import viewer
    from pages.segmentation import recurrent_controls

    sent = {}

    def painted(key, image, classes):
        sent["image"] = image_id(image)
        return viewer.Painted(np.full((12, 16), 4, np.uint8), step=3, n=17)

    monkeypatch.setattr(recurrent_controls, "painted", painted)
    page = visit(RECURRENT).run()
    assert not page.exception
    assert rows(page) == 6  # three, the painting, three more
    page.toggle(key="hold").set_value(True).run()
    assert set(page.dataframe[-1].value["class"][3:]) == {"water"}
    next(b for b in page.button if b.label == "Forget it").click().run()
    assert rows(page) == 3


def test_a_missing_model_is_said_in_a_sentence(monkeypatch, tmp_path):
    from engine import cards, zoo

    zoo.LOADED.clear()
    monkeypatch.setattr(cards, "ASSETS", tmp_path)
    page = visit(RECURRENT).run()
    assert not page.exception
    assert "no card of a model called 'recurrent'" in page.warning[0].value
