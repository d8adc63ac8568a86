"""The page on ground truth without a browser: uploads, mappings, sizes, dropping, undoing, drawings, addresses."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from engine import exports, gallery
from engine.data import stanford
from pages.debug.truth_state import DRAW, JUDGE, UPLOAD
from pages.kit.rooms import FCN, TRUTH
from tests.segmentation.pages import open_tab, text_of, visit

TRUE = gallery.get("landscape").truth("stanford")
MASK = exports.indexed_png(TRUE, stanford.LABELS.colours)


@pytest.fixture
def page():
    """open(**query) -> the page, run."""

    def opened(image="landscape", **query):
        app = visit(TRUTH, image=image, **query).run()
        assert not app.exception
        return app

    return opened


def figures(app) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def share(figures: dict[str, str]) -> float:
    return float(figures["pixel accuracy"].removesuffix(" %"))


def grey(labels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(labels).save(out, "PNG")
    return out.getvalue()


def upload(app, data: bytes, name: str = "mask.png", kind: str = "image/png"):
    app.file_uploader[0].upload(name, data, kind).run()
    assert not app.exception
    return app


def test_a_known_truth_judges_at_once(page):
    app = page()
    assert figures(app)["pixel accuracy"] == "82.6 %"
    assert "The gallery’s truth: 100 % labelled." in text_of(app)
    for tab in ("Confusion matrix", "Boundaries and calibration", "Worst regions", "What you see", "Code that ran"):
        assert not open_tab(app, TRUTH.url, tab).exception, tab


def test_a_picture_without_truth_says_what_to_do(page):
    app = page("coffee")
    assert "upload a mask, or draw it" in app.info[0].value
    assert not app.metric


def test_an_uploaded_mask_is_mapped_judged_dropped_and_taken_back(page):
    app = page("landscape", truth_source=UPLOAD)
    before = figures(app)
    upload(app, MASK)
    assert figures(app) == before, "the same truth judges the same"
    assert "Read by: The data set's colours." in text_of(app)
    boxes = [box for box in app.selectbox if box.label.startswith("Class of")]
    assert len(boxes) == 8
    mountain = next(box for box in boxes if box.value == "mountain")
    mountain.set_value("tree").run()
    assert not app.exception
    changed = figures(app)
    assert share(changed) > share(before), "what it calls tree is tree"
    app.segmented_control[0].set_value(JUDGE).run()
    assert figures(app) == changed, "the truth stays without the uploader"
    app.segmented_control[0].set_value(UPLOAD).run()
    assert figures(app) == changed, "and so does its mapping"
    app.button(key="truth_drop").click().run()
    assert figures(app) == before, "the gallery's truth again"
    app.button(key="truth_undo").click().run()
    assert figures(app) == changed


def test_a_mask_that_names_no_class_asks_for_the_mapping(page):
    app = upload(page("coffee", truth_source=UPLOAD), grey(np.full((300, 600), 77, np.uint8)))
    height, width = gallery.get("coffee").load().rgb.shape[:2]
    assert f"{width} x {height}" in app.error[0].value
    upload(app, grey(np.full((height, width), 77, np.uint8)))
    assert "No entry stands for a class yet" in app.warning[0].value
    box = next(box for box in app.selectbox if box.label == "Class of 77")
    assert box.value == "void"
    box.set_value("foreground").run()
    assert "pixel accuracy" in figures(app)


def test_wrong_files_get_one_sentence(page):
    app = page("landscape", truth_source=UPLOAD)
    before = figures(app)
    for data in (b"", b"no picture", MASK[:200], grey(np.zeros((10, 12), np.uint8))):
        upload(app, data)
        assert app.error[0].value.endswith(".")
        assert figures(app) == before


def test_the_users_truth_is_known_on_other_pages(page):
    app = page("coffee", truth_source=UPLOAD)
    height, width = gallery.get("coffee").load().rgb.shape[:2]
    upload(app, grey(np.full((height, width), 7, np.uint8)))
    app.switch_page(FCN.path).run()
    assert "Against the truth" in [tab.label for tab in app.tabs]


def test_a_drawing_of_labelme_becomes_the_truth(page):
    app = page("landscape", truth_source=DRAW)
    square = {"label": "sky", "points": [[0, 0], [640, 0], [640, 100], [0, 100]], "shape_type": "polygon"}
    shapes = [square, square | {"label": "nobody"}]
    whole = {"version": "5.5.0", "shapes": shapes, "imageHeight": 480, "imageWidth": 640}
    upload(app, json.dumps(whole).encode(), "a.json", "application/json")
    assert "Your truth: 21 % labelled." in text_of(app)
    assert any("nobody" in text.value for text in app.text)
    assert share(figures(app)) > 70
    upload(app, b"{}", "b.json", "application/json")
    assert "not of labelme" in app.error[0].value


def test_the_answer_can_be_corrected(page):
    app = page("coffee", truth_source=DRAW)
    assert app.button(key="truth_From the truth").disabled
    app.button(key="truth_From the answer").click().run()
    assert figures(app)["pixel accuracy"] == "100.0 %"
    assert not open_tab(app, TRUTH.url, "Worst regions").exception


def test_the_address_brings_class_and_confusion_back(page):
    app = page(true="water", called="building", model="fcn-scenes")
    assert [app.selectbox(key=key).value for key in ("true", "called")] == ["water", "building"]
    app = page(true="<b>evil</b>", called="nothing")
    assert [app.selectbox(key=key).value for key in ("true", "called")] == ["mountain", "tree"]
    app.selectbox(key="model").set_value("fcn-animals").run()
    assert not app.exception
