"""The FCN page by AppTest: it runs, it answers its controls, it keeps its state in the URL, it scores the truth."""

import pytest
from streamlit.testing.v1 import AppTest

from pages.kit.rooms import ROOT


@pytest.fixture
def page() -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    app.run()
    return app.switch_page("pages/segmentation/fcn.py")


def open_tab(app: AppTest, label: str) -> None:
    """Tabs are built when they are open: open one."""
    app.session_state["fcn_tab"] = label
    app.run()


def text_of(app: AppTest) -> str:
    return "\n".join(str(x.value) for x in (*app.markdown, *app.caption, *app.latex))


def test_the_page_runs_and_explains_itself(page):
    page.run()
    assert not page.exception
    assert page.title[0].value == "Fully convolutional network"
    assert "39-43" in text_of(page)
    assert page.tabs[0].label == "What you see"


def test_muting_a_skip_changes_the_formula(page):
    page.run()
    open_tab(page, "Formula with live numbers")
    before = page.latex[0].value
    page.slider(key="g8").set_value(0.0).run()
    assert not page.exception
    assert page.latex[0].value != before
    assert "+0.00" in page.latex[0].value or "-0.00" in page.latex[0].value


def test_a_variant_button_sets_all_gains(page):
    page.run()
    page.button(key="set_16s").click().run()
    assert [page.slider(key=k).value for k in ("g32", "g16", "g8")] == [1.0, 1.0, 0.0]


def test_the_state_is_in_the_url(page):
    page.query_params["g16"] = "0.5"
    page.query_params["image"] = "landscape"
    page.run()
    assert page.slider(key="g16").value == 0.5
    assert "Against the truth" in [t.label for t in page.tabs]


def test_nonsense_in_the_url_is_ignored(page):
    page.query_params.update({"g16": "lots", "model": "<script>", "band": "-7", "image": "../../etc/passwd"})
    page.run()
    assert not page.exception
    assert page.slider(key="g16").value == 1.0


def test_the_drawn_scene_is_scored(page):
    page.query_params["image"] = "landscape"
    page.run()
    open_tab(page, "Against the truth")
    tables = [d.value for d in page.dataframe]
    scored = next(t for t in tables if any("boundaries" in str(c) for c in t.columns))
    assert len(scored) == 3
    page.slider(key="band").set_value(12).run()
    assert not page.exception


def test_animals_bring_their_own_classes(page):
    page.run()
    page.selectbox(key="model").select("fcn-animals").run()
    assert not page.exception
    assert "five animals" in text_of(page)


def test_a_model_that_must_be_fetched_is_offered_and_the_former_picture_stays(page, monkeypatch, tmp_path):
    from engine.cards import ModelError
    from engine.segmentation import published

    def offline(*_):
        raise ModelError("It needs the internet once, and nobody answers.")

    monkeypatch.setattr(published, "fetch", offline)
    monkeypatch.setattr(published.torch.hub, "get_dir", lambda: str(tmp_path))
    page.run()
    page.selectbox(key="model").select("lraspp_mobilenet_v3_large").run()
    assert not page.exception
    assert "MB, fetched once" in text_of(page)
    assert "five animals" not in text_of(page)
    assert "eight broad classes" in text_of(page), "the model that is here goes on"
    next(b for b in page.button if b.label == "Download").click().run()
    assert not page.exception
    assert "nobody answers" in page.warning[0].value
