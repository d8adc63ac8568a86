"""The page on ground truth without a browser: uploads, mappings, sizes, dropping, undoing, drawings, addresses."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from engine import exports, gallery
from engine.data import stanford
from engine.images import decode
from pages.debug.truth_state import DRAW, JUDGE, UPLOAD
from pages.kit import picker
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


def drawing(*shapes, **more) -> bytes:
    """A file of labelme over the landscape: names and the number of rows that each covers, from the top."""
    made = [{"label": label, "points": [[0, 0], [640, 0], [640, rows], [0, rows]]} for label, rows in shapes]
    return json.dumps({"shapes": made, "imageHeight": 480, "imageWidth": 640} | more).encode()


def test_each_drawing_that_was_brought_can_be_taken_back(page):
    app = page("landscape", truth_source=DRAW)
    before = figures(app)
    upload(app, drawing(("sky", 96)), "a.json", "application/json")
    assert "Your truth: 20 % labelled." in text_of(app)
    one = figures(app)
    upload(app, drawing(("sky", 240)), "b.json", "application/json")
    assert "Your truth: 50 % labelled." in text_of(app)
    app.button(key="truth_undo").click().run()
    assert figures(app) == one
    app.button(key="truth_drop").click().run()
    assert "The gallery’s truth: 100 % labelled." in text_of(app)
    app.button(key="truth_undo").click().run()
    assert figures(app) == one
    app.button(key="truth_undo").click().run()
    assert figures(app) == before


@pytest.mark.parametrize(("data", "why"), [
    (drawing(), "cover no pixel"), (drawing(("sky", 0)), "outside the picture"), (drawing(("nobody", 9)), "nobody"),
    (drawing(("ignore", 9)), "cover no pixel"), (drawing(("sky", 9), imageWidth=9), "they must be equal"),
    (b'{"images": [], "annotations": [], "categories": []}', "0 pictures"), (b"[1]", "not of labelme"),
])  # fmt: skip
def test_a_file_without_a_usable_shape_changes_nothing_and_says_why(page, data, why):
    app = page("landscape", truth_source=DRAW)
    upload(app, drawing(("sky", 96)), "a.json", "application/json")
    before = figures(app)
    upload(app, data, "b.json", "application/json")
    said = " ".join(element.value for element in (*app.error, *app.warning, *app.text))
    assert why in said
    assert "othing was changed" in said
    assert figures(app) == before
    assert "Your truth: 20 % labelled." in text_of(app)


def test_names_that_are_no_classes_are_mapped_as_a_masks_values_are(page):
    app = page("landscape", truth_source=DRAW)
    upload(app, drawing(("Himmel", 96), ("tree-2", 48), ("\ud800", 2)), "a.json", "application/json")
    assert [box.value for box in app.selectbox if box.label.startswith("Class of")] == ["left out", "tree", "left out"]
    assert "Your truth: 10 % labelled." in text_of(app)
    next(box for box in app.selectbox if box.label == "Class of name 1").select("sky").run()
    assert "Your truth: 20 % labelled." in text_of(app)
    next(box for box in app.selectbox if box.label == "Class of name 2").select("void").run()
    assert "Your truth: 10 % labelled." in text_of(app)
    app.button(key="truth_undo").click().run()
    assert "The gallery’s truth: 100 % labelled." in text_of(app)


def test_what_the_app_saved_as_coco_opens_as_a_drawing(page):
    app = page("landscape", truth_source=DRAW)
    data = exports.coco_json(TRUE, stanford.LABELS.classes, "any.png").encode("utf-16")
    upload(app, data, "renamed.json", "application/json")
    share = f"Your truth: {100 * (TRUE != 255).mean():.0f} % labelled."
    assert share in text_of(app)


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


def rows_of_mapping(app) -> dict[str, str]:
    return {box.label.removeprefix("Class of "): box.value for box in app.selectbox if box.label.startswith("Class of")}


def test_ids_are_asked_for_and_one_click_reads_them_so(page):
    app = page("landscape", truth_source=UPLOAD)
    before = figures(app)
    upload(app, grey(np.where(TRUE == 3, 0, TRUE + 1).astype(np.uint8)))
    assert figures(app) == before, "8 is no class, so nothing was changed"
    assert "The truth stays as it was" in app.warning[0].value
    assert any("0 is void, the rest minus one" in text.value for text in app.text)
    app.button(key="truth_better").click().run()
    assert not app.exception
    assert rows_of_mapping(app) == {"0": "void"} | {str(k + 1): name for k, name in enumerate(stanford.LABELS.classes)
                                                    if k != 3}  # fmt: skip
    assert f"Your truth: {100 * (TRUE != 3).mean():.0f} % labelled" in text_of(app)
    assert any("“grass” never occurs in the truth: its IoU cannot be judged." in text.value for text in app.text)


def test_values_of_another_table_are_chosen_by_name(page):
    app = upload(page("landscape", truth_source=UPLOAD), grey(np.full(TRUE.shape, 23, np.uint8)))
    box = next(box for box in app.selectbox if box.label == "What its values stand for")
    box.set_value("Cityscapes labelIds, by name").run()
    assert rows_of_mapping(app) == {"23": "sky"}
    assert any("7 of the 8 classes never occur in the truth" in text.value for text in app.text)


def test_a_labelmap_goes_with_the_mask_in_either_order(page):
    lines = b"# label:color_rgb:parts:actions\nSky:7,0,0::\nother:0,9,0::\n"
    colours = np.array([[7, 0, 0], [0, 9, 0]], np.uint8)
    mask = grey(colours[(np.arange(TRUE.size) % 2).reshape(TRUE.shape)])
    wanted = {"#070000": "sky", "#000900": "void"}
    app = page("landscape", truth_source=UPLOAD)
    upload(app, lines, "labelmap.txt", "text/plain")
    upload(app, mask)
    assert rows_of_mapping(app) == wanted
    app = upload(page("landscape", truth_source=UPLOAD), mask)
    assert rows_of_mapping(app) == dict.fromkeys(wanted, "void")
    upload(app, lines, "labelmap.txt", "text/plain")
    assert rows_of_mapping(app) == wanted
    upload(app, b"\0\1", "labelmap.txt", "text/plain")
    assert "no labelmap.txt" in app.error[0].value
    assert rows_of_mapping(app) == wanted


def test_each_import_can_be_undone_and_one_without_a_class_changes_nothing(page):
    app = page("landscape", truth_source=UPLOAD)
    gallery_says = figures(app)
    upload(app, grey(np.full(TRUE.shape, 0, np.uint8)))
    first = figures(app)
    upload(app, grey(np.full(TRUE.shape, 1, np.uint8)))
    second = figures(app)
    assert len({share(x) for x in (gallery_says, first, second)}) == 3
    upload(app, grey(np.full(TRUE.shape, 77, np.uint8)))
    assert figures(app) == second
    for known in (first, gallery_says):
        app.button(key="truth_undo").click().run()
        assert not app.exception
        assert figures(app) == known
    assert "The gallery’s truth" in text_of(app)
    assert "truth_undo" not in {button.key for button in app.button}


def test_both_mean_ious_stand_there(page):
    shown = figures(page())
    assert {"mean IoU, classes in the truth", "mean IoU, classes in truth or answer"} < set(shown)


def test_a_mask_of_a_turned_photo_is_turned_by_one_click(page):
    """A photo that carries orientation 3: the mask lies as the sensor saw it, and nothing but the model can tell."""
    photo = Image.fromarray(gallery.get("landscape").load().rgb[::-1, ::-1])
    exif = photo.getexif()
    exif[274] = 3
    out = io.BytesIO()
    photo.save(out, "PNG", exif=exif)
    app = page("landscape", truth_source=UPLOAD)
    before = figures(app)
    picture = decode(out.getvalue())
    hand = picker.Chosen(picture.rgb, picture.key, "photo.png", thumbnail=MASK, original=picture.original,
                         orientation=picture.orientation)  # fmt: skip
    app.session_state[picker._STATE].chosen = hand
    app.run()
    upload(app, exports.indexed_png(TRUE[::-1, ::-1], stanford.LABELS.colours))
    assert any("orientation (3)" in text.value for text in app.text)
    app.button(key="truth_turn").click().run()
    assert not app.exception
    assert figures(app) == before
