"""The page that compares A and B: choices in the URL, swap, layouts, tabs, other pictures, other classes."""

from __future__ import annotations

from pages.kit.rooms import COMPARE
from tests.segmentation.pages import open_tab, text_of, visit


def test_two_models_on_a_picture_whose_truth_is_known():
    app = visit(COMPARE, image="landscape", b="fcn-scenes", vb="32s").run()
    assert not app.exception
    assert (app.selectbox(key="a").value, app.selectbox(key="va").value) == ("fcn-scenes", "8s")
    assert (app.selectbox(key="b").value, app.selectbox(key="vb").value) == ("fcn-scenes", "32s")
    assert "Who is right" in text_of(app)
    metrics = {m.label: float(m.value) for m in app.metric}
    shares = [v for k, v in metrics.items() if "right" in k or "wrong" in k]
    assert abs(sum(shares) - 100) < 0.3
    open_tab(app, "compare", "Where they disagree")
    assert not app.exception
    assert "A right, %" in app.dataframe[0].value.columns
    open_tab(app, "compare", "Against the truth")
    assert not app.exception
    assert list(app.dataframe[0].value.columns)[1:] == ["A", "B", "B - A"]
    open_tab(app, "compare", "Code that ran")
    assert not app.exception


def test_swap():
    app = visit(COMPARE, image="landscape", b="fcn-scenes", vb="32s").run()
    app.button(key="swap").click().run()
    assert not app.exception
    assert (app.selectbox(key="va").value, app.selectbox(key="vb").value) == ("32s", "8s")


def test_another_model_has_its_own_variants():
    app = visit(COMPARE, image="landscape", b="fcn-scenes", vb="32s").run()
    app.selectbox(key="b").set_value("recurrent").run()
    assert not app.exception
    assert app.selectbox(key="vb").value == "iteration 3"
    assert not any("six views" in option for option in app.selectbox(key="vb").options)


def test_another_picture_for_b():
    app = visit(COMPARE, image="landscape", b="fcn-scenes", on="china").run()
    assert not app.exception
    assert any("two pictures" in x.value for x in app.info)
    open_tab(app, "compare", "Against the truth")
    assert not app.exception
    app.button(key="swap").click().run()
    assert not app.exception
    assert app.selectbox(key="on").value == "landscape"
    assert app.query_params["image"] == "china"


def test_models_of_other_classes():
    app = visit(COMPARE, image="chelsea", a="fcn-animals").run()
    assert not app.exception
    assert any("share no class" in x.value for x in app.info)


def test_side_by_side():
    app = visit(COMPARE, image="landscape", b="fcn-scenes", vb="16s, six views", layout="Side by side").run()
    assert not app.exception
    assert "B: fcn-scenes, 16s, six views" in [x.value for x in app.text]
