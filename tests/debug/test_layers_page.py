"""The layers page by AppTest: it runs, it answers its controls, its state is in the URL, every tab has its say."""

from __future__ import annotations

import numpy as np
import pytest

from pages.kit.rooms import LAYERS, OWN
from tests.debug import networks
from tests.segmentation.pages import open_tab, text_of, visit

KEY = "layers"


@pytest.fixture(scope="module")
def kept():
    """The page once it is there; tests that change nothing look at it in turn."""
    return visit(LAYERS, image="landscape").run()


def frame_of(app, *columns):
    """The first table of the page that has these columns."""
    return next(f.value for f in app.dataframe if set(columns) <= set(f.value.columns))


def test_the_page_runs_and_explains_itself(kept):
    assert not kept.exception
    assert kept.title[0].value == "Layers"
    assert kept.selectbox(key="layer").value == "trunk.stages.1.0.depthwise", "the first with cells of four pixels"
    words = text_of(kept)
    assert "84 modules with 3,681,992 parameters" in words
    assert "96 × 120 × 160" in words
    assert "11 × 11" in words


def test_the_tree_has_every_module_and_its_parameters_add_up(kept):
    table = frame_of(open_tab(kept, KEY, "Module tree"), "module", "parameters")
    assert len(table) == 84
    assert table["parameters"].sum() == 3_681_992
    assert [name.strip() for name in table["module"][:3]] == ["(network)", "trunk", "trunk.stem"]
    assert table["module"][2].startswith("\u2003\u2003trunk"), "as deep as it lies"


def test_the_statistics_mark_the_dead(kept):
    open_tab(kept, KEY, "Statistics")
    assert not kept.exception
    channels = frame_of(kept, "channel", "state")
    assert len(channels) == 96
    assert (channels["state"] == "dead").sum() == 2
    assert kept.get("plotly_chart"), "the histogram"


def test_the_dead_are_listed_the_worst_layer_first(kept):
    open_tab(kept, KEY, "Dead channels")
    table = frame_of(kept, "module", "dead here")
    assert table["dead here, %"].is_monotonic_decreasing
    assert table.set_index("module").loc["trunk.stages.1.0.depthwise", "dead here"] == 2
    assert kept.button(key="layers_survey_start").label == "Look at 8 pictures of the gallery"


def test_the_code_that_ran_is_there(kept):
    open_tab(kept, KEY, "Code that ran")
    assert "F.conv2d(x, weight" in kept.code[0].value
    assert any("def listened" in c.value for c in kept.code)


def test_another_layer_order_and_number_are_asked_for():
    app = visit(LAYERS, image="landscape").run()
    app.selectbox(key="layer").set_value("fc6.0").run()
    assert "256 × 15 × 20" in text_of(app)
    app.selectbox(key="maps").set_value(6).run()
    app.segmented_control(key="by").set_value("strength").run()
    assert not app.exception


def test_the_state_is_in_the_url():
    app = visit(LAYERS, image="chelsea", model="recurrent", layer="score", output="3", by="strength", maps="6").run()
    assert not app.exception
    assert app.selectbox(key="layer").value == "score"
    assert app.segmented_control(key="output").value == 3
    assert "call 3" in text_of(app)
    app.selectbox(key="layer").set_value("mix").run()
    assert "call 3" in text_of(app)
    app.selectbox(key="model").set_value("fcn-scenes").run()
    assert not app.exception
    assert app.selectbox(key="layer").value == "trunk.stages.1.0.depthwise", "this network has no layer called mix"


def test_nonsense_in_the_url_is_ignored():
    app = visit(LAYERS, image="landscape", layer="<script>", output="99", by="magic", maps="-3", model="../x").run()
    assert not app.exception
    assert app.selectbox(key="layer").value == "trunk.stages.1.0.depthwise"
    assert app.selectbox(key="maps").value == 12


def test_a_model_without_layers_says_so(monkeypatch):
    from engine.debug import layers

    def closed(model):
        raise layers.LayersError("This model has no layers to open.")

    monkeypatch.setattr(layers, "network_of", closed)
    app = visit(LAYERS, image="coins").run()
    assert not app.exception
    assert app.info[0].value == "This model has no layers to open."


def test_an_own_network_in_onnx_is_opened_node_by_node():
    app = visit(OWN, image="shapes").run()
    weight, bias = np.zeros((5, 3, 3, 3), np.float32), np.arange(5, dtype=np.float32)
    weight[1:] = 1
    data = networks.conv(weight=weight, bias=bias)
    app.file_uploader[0].upload("net.onnx", data, "application/octet-stream").run()
    (name,) = app.session_state["own_models"]
    app.switch_page(LAYERS.path)
    app.query_params["model"] = name
    app.run()
    assert not app.exception
    assert app.selectbox(key="model").value == name
    words = text_of(app)
    assert "5 × 192 × 256" in words
    assert "**1 dead**" in words
    assert "field 3 × 3" in words
    assert "no gradients" in words
    for tab in ("Module tree", "Statistics", "Dead channels", "Code that ran"):
        open_tab(app, KEY, tab)
        assert not app.exception, tab
    assert any("def record" in c.value for c in app.code)


def test_the_gallery_is_looked_through_on_demand(monkeypatch):
    from pages.debug import layers_dead

    monkeypatch.setattr(layers_dead, "SURVEY", ("shapes", "chelsea"))
    app = open_tab(visit(LAYERS, image="landscape"), KEY, "Dead channels")
    app.button(key="layers_survey_start").click().run()
    job = app.session_state["task_layers_survey"].job
    assert job is None or job.wait(60)
    app.run()
    table = frame_of(app, "module", "dead on all 2")
    assert (table["dead on all 2"] <= table["channels"]).all()
    assert table["dead on all 2"].sum() > 0
