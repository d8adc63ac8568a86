"""The page of own models: samples and files, guesses that can be changed, sentences for what is wrong, other pages."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import safetensors.torch
import torch

from engine import registry, zoo
from engine.debug.onnx_model import OnnxModel, card_of
from engine.debug.onnx_process import Network
from engine.debug.onnx_spec import GUESS, guess
from pages.debug import own_snippets as snippets
from pages.kit.rooms import FCN, OWN
from tests.debug import networks
from tests.segmentation.pages import open_tab, text_of, visit


def bring(app, data: bytes, name: str = "mine.onnx", **beside: bytes):
    """Upload a file on the page, and those that come with it."""
    uploader = app.file_uploader[0].upload(name, data, "application/octet-stream")
    for other, content in beside.items():
        uploader.upload(other, content, "application/octet-stream")
    return app.run()


def said(app) -> str:
    """All that is written by `st.text`, and in boxes."""
    return "\n".join(str(x.value) for x in (*app.text, *app.error, *app.warning))


def check(app):
    return next(b for b in app.button if b.label == "Check it").click().run()


@pytest.fixture
def app():
    return visit(OWN, image="shapes").run()


def test_the_page_says_what_to_do(app):
    assert not app.exception
    assert [b.label for b in app.button if b.label in ("ONNX", "safetensors")] == ["ONNX", "safetensors"]
    open_tab(app, "own_empty", "In Python")
    assert any("register(card, build)" in c.value for c in app.code)
    open_tab(app, "own_empty", "Safety")
    assert "a process of its own" in text_of(app)


def test_a_file_is_checked_with_its_guesses_and_chosen_on_another_page(app):
    bring(app, networks.conv(names="{0: 'a', 1: 'b', 2: 'c', 3: 'd', 4: 'e'}"))
    assert not app.exception
    assert "It ran on" in said(app)
    assert "stride 2, 5 classes" in said(app)
    assert app.text_area[0].value == "a, b, c, d, e"
    (name,) = app.session_state["own_models"]
    assert name.startswith("mine-")
    app.text_area[0].set_value("a, b, c, d, f")
    app.text_input[0].set_value("0.5 0.5 0.5")
    check(app)
    (other,) = app.session_state["own_models"]
    assert other != name
    model = app.session_state["own_models"][other].model
    assert (model.card.classes[-1], model.spec.mean) == ("f", (0.5, 0.5, 0.5))
    app.switch_page(FCN.path)
    app.query_params["model"] = other
    app.run()
    assert not app.exception
    assert app.selectbox(key="model").value == other
    assert other in app.selectbox(key="model").options


def test_what_is_wrong_is_said_and_mended(app):
    bring(app, networks.conv())
    app.text_area[0].set_value("a, b")
    check(app)
    assert "5 classes, but there are 2 names" in said(app)
    assert not app.session_state["own_models"]
    app.text_area[0].set_value("a, b, c, d, e")
    check(app)
    assert len(app.session_state["own_models"]) == 1
    app.text_input[1].set_value("0, 1, 1")
    check(app)
    assert "deviation larger than 0" in said(app)
    app.text_input[1].set_value("one")
    check(app)
    assert "three numbers each" in said(app)
    assert len(app.session_state["own_models"]) == 1  # the former one stays


def test_names_are_never_made_up_and_ticks_confirm_what_was_seen(app):
    weight, bias = np.zeros((21, 3, 3, 3), np.float32), np.arange(21, dtype=np.float32)
    bring(app, networks.conv(out=(1, 21, "r", "c"), weight=weight, bias=bias))
    assert app.text_area[0].value.startswith("class 0, class 1, ")
    assert "aeroplane" not in text_of(app) + said(app)
    assert "does not name them" in said(app)
    findings = app.session_state["own_desk"].draft.all_findings
    assert {f.level for f in findings if "guess" in f.sentence or "does not name" in f.sentence} == {GUESS}
    app.button(key="own_names_21").click().run()
    (own,) = app.session_state["own_models"].values()
    assert own.model.card.classes[15] == "person"
    assert "does not name them" not in said(app), "the visitor said it"
    assert "are a guess" in said(app), "of the normalisation nothing was said"


def test_a_network_that_chooses_the_class_itself_is_asked_about(app):
    bring(app, networks.turned(kind="labels"))
    assert "does not tell how many" in said(app)
    assert not app.session_state["own_models"]
    assert app.text_area[0].value == ""
    app.text_area[0].set_value("5")
    check(app)
    (own,) = app.session_state["own_models"].values()
    assert own.model.card.classes == ("class 0", "class 1", "class 2", "class 3", "class 4")
    assert "does not tell" not in said(app)


@pytest.mark.parametrize(
    "names", [("two.onnx", "two.onnx.data"), ("b.onnx", "renamed.bin"), ("two.onnx.data", "x.ONNX")]
)
def test_a_network_in_two_files_comes_in_any_order_and_under_other_names(app, names):
    network, data = networks.two_files("two.onnx.data")
    content = [network if name.lower().endswith("onnx") else data for name in names]
    bring(app, content[0], names[0], **{names[1]: content[1]})
    assert not app.exception
    (own,) = app.session_state["own_models"].values()
    rgb = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    source = Network(networks.conv())
    whole = OnnxModel(card_of("whole", own.model.spec, source), source, own.model.spec)
    assert torch.equal(own.model.encode(rgb).logits, whole.encode(rgb).logits)
    source.close()


def test_one_of_two_files_says_what_is_missing_and_takes_it_later(app):
    network, data = networks.two_files("net.onnx.data")
    bring(app, network, "net.onnx")
    assert "bring net.onnx.data together with it" in said(app)
    assert "external_data=False" in said(app)
    bring(app, data, "net.onnx.data", **{"net.onnx": network})  # a browser sends what stands in the box again
    assert len(app.session_state["own_models"]) == 1
    other = visit(OWN, image="shapes").run()
    bring(other, data, "net.onnx.data")
    assert "bring the network's own file" in said(other)


def test_files_that_were_refused_and_are_still_listed_do_not_stand_in_the_way(app):
    bring(app, pickle.dumps({"a": 1}), "weights.onnx", **{"cut.onnx": b"nonsense", "good.onnx": networks.conv()})
    assert [name[:5] for name in app.session_state["own_models"]] == ["good-"]


def test_two_files_of_the_same_name_are_told_apart(app):
    for i in range(2):
        bring(app, networks.conv(names=str(i)), "net.onnx")
        app.session_state["own_desk"].turn += 1  # a fresh uploader
        app.run()
    box = next(b for b in app.selectbox if b.label == "Your files")
    assert list(box.options) == ["net.onnx", "net.onnx (2)"]
    assert len(app.session_state["own_models"]) == 2


def test_other_ways_in(app):
    bring(app, networks.conv())
    open_tab(app, "own", "Other ways in")
    app.button(key="own_try").click().run()
    assert not app.exception
    assert sum(b.label == "Take this" for b in app.button) == 6
    app.button(key="own_take_2").click().run()
    (own,) = app.session_state["own_models"].values()
    assert (own.model.spec.scale, own.model.spec.mean) == ("x / 127.5 - 1", (0.0, 0.0, 0.0))


def test_weights_and_closing_them_and_undo(app):
    bring(app, zoo.weights_path("fcn-scenes").read_bytes(), "w.safetensors")
    assert "All keys fit" in said(app)
    (own,) = app.session_state["own_models"].values()
    assert own.model.card.classes[0] == "sky"
    assert "weights" not in "".join(e.value for e in app.error)
    app.button(key="own_close").click().run()
    assert not app.session_state["own_models"]
    app.button(key="own_undo").click().run()
    assert len(app.session_state["own_models"]) == 1
    assert not app.exception


@pytest.mark.parametrize(("data", "words"), [
    (pickle.dumps({"a": 1}), "Python pickle"),
    (b"nonsense", "not an ONNX file"),
    (safetensors.torch.save({"x": torch.zeros(2)}), "no network known here"),
    (networks.conv(shape=(4, 3, "h", "w")), "takes 4 pictures at once"),
])  # fmt: skip
def test_bad_files_are_one_sentence(app, data, words):
    bring(app, data, "<b>x</b>.onnx")
    assert not app.exception
    assert words in said(app)
    assert not app.session_state["own_desk"].drafts


def test_names_of_strangers_are_text_only(app):
    bring(app, networks.conv(names="{0: '<img src=x>', 1: '[b](http://c)', 2: '$c$', 3: '`d`', 4: '*e*'}"),
          "<script>[x](http://y).onnx")  # fmt: skip
    assert not app.exception
    shown = "\n".join([text_of(app), *(str(x.value) for x in (*app.error, *app.warning))])
    for sign in ("<script", "<img", "](http"):
        assert sign not in shown
    (own,) = app.session_state["own_models"].values()
    assert own.model.card.classes == ("img src x", "b (http //c)", "c", "d", "e")


def test_the_fourth_file_sends_the_first_away(app):
    for i in range(4):
        bring(app, networks.conv(names=str(i)), f"net{i}.onnx")
        app.session_state["own_desk"].turn += 1  # a fresh uploader
        app.run()
    assert [name[:4] for name in app.session_state["own_models"]] == ["net1", "net2", "net3"]
    assert [d.title for d in app.session_state["own_desk"].drafts.values()] == ["net1.onnx", "net2.onnx", "net3.onnx"]


def test_the_example_of_a_python_model_runs():
    """The documented code is run as it stands; the model is then known to the engine and to the FCN page."""
    place: dict = {}
    exec(snippets.REGISTER, place)
    place["register_models"]()
    try:
        assert "threshold" in zoo.names()
        app = visit(FCN, image="shapes", model="threshold").run()
        assert not app.exception
        assert app.selectbox(key="model").value == "threshold"
    finally:
        registry.unregister("threshold")
        zoo.LOADED.clear()


def test_the_examples_of_export_run(tmp_path):
    """A network that leaves PyTorch by the documented lines comes in with its guesses right."""
    network = torch.nn.Conv2d(3, 4, 3, stride=4)
    path = str(tmp_path / "mine.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no other package is called legacy
        exec(snippets.EXPORT, {"network": network, "path": path})
    exec(snippets.NAMES, {"path": path, "classes": ["a", "b", "c", "d"]})
    source = Network((tmp_path / "mine.onnx").read_bytes())
    spec = guess(source.info)
    assert (spec.classes, spec.scale, spec.mean[0]) == (("a", "b", "c", "d"), "x / 255", 0.485)
    source.close()
    saved = str(tmp_path / "w.safetensors")
    exec(snippets.SAVE, {"network": network, "path": saved})
    assert safetensors.torch.load_file(saved)["weight"].dtype == torch.float16
