"""The page on many images without a browser: files in, a run that is given up and goes on, order, one opened, out."""

from __future__ import annotations

import io
import threading
import time
import zipfile

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine import gallery
from engine.debug import batch
from engine.debug.readings import MINUS_ONE
from pages.debug.many_state import KEY, Desk, Source
from pages.kit.rooms import MANY
from tests.segmentation.pages import text_of, visit

FILES = {"pictures": "Your files"}


def png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def packed() -> bytes:
    """Three small pictures of the gallery, one with its truth, a broken one, and a name that is a tag."""
    files = {"set/broken.jpg": b"no picture"}
    for slug, name in (("landscape", "land.png"), ("china", "<b>china</b>.png"), ("coffee", "**cup** :red[x].png")):
        image = Image.fromarray(gallery.get(slug).load().rgb)
        files[f"set/{name}"] = png(np.asarray(image.resize((160, 120))))
    truth = Image.fromarray(gallery.get("landscape").truth("stanford")).resize((160, 120), Image.Resampling.NEAREST)
    files["set/masks/land.png"] = png(np.asarray(truth))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def desk(app: AppTest) -> Desk:
    return app.session_state[f"{KEY}_desk"]


def upload(app: AppTest, data: bytes, name: str = "set.zip") -> AppTest:
    app.file_uploader[0].set_value((name, data, "application/zip"))
    return app.run()


def button(app: AppTest, key: str):
    return next(b for b in app.button if b.key == key)


def buttons(app: AppTest) -> set[str]:
    return {b.key for b in app.button}


def rows(app: AppTest) -> list:
    """Those of the last run."""
    source: Source = desk(app).source or next(iter(desk(app).galleries.values()))
    return list(source.runs.values())[-1]


def table(app: AppTest):
    """The table of the pictures."""
    return next(x.value for x in app.dataframe if "Name" in x.value.columns)


def until(app: AppTest, done) -> AppTest:
    """Look again until it is so, as the page's own clock does in a browser."""
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)
    return app.run()


@pytest.fixture(scope="module")
def ran(packed):
    """The page after a run on the uploaded zip."""
    app = upload(visit(MANY, **FILES).run(), packed)
    button(app, "many_start").click()
    app.run()
    return until(app, lambda: len(rows(app)) == 4)


def test_the_page_says_what_to_do_before_there_is_anything():
    app = visit(MANY, **FILES).run()
    assert not app.exception
    assert "Bring pictures" in text_of(app)
    assert "SegmentationClass" not in text_of(app)
    assert app.file_uploader
    assert "many_start" not in buttons(app)
    app = visit(MANY).run()
    assert "10 pictures** wait, 2 with a mask" in text_of(app)
    assert button(app, "many_start").label == "Run on 10 pictures"


@pytest.mark.parametrize(("data", "words"), [(b"PK\3\4 nothing", "This zip is damaged"),
                                             (b"just text", "There is no picture in it")])  # fmt: skip
def test_what_holds_no_pictures_gets_one_sentence(data, words):
    app = upload(visit(MANY, **FILES).run(), data, "x.zip")
    assert not app.exception
    assert words in app.error[0].value
    assert desk(app).source is None


def test_a_run_gives_a_row_for_each_picture(ran):
    assert not ran.exception
    by_name = {row.name: row for row in rows(ran)}
    assert by_name["broken.jpg"].error
    assert by_name["land.png"].wrong is not None
    assert by_name["<b>china</b>.png"].wrong is None
    assert list(table(ran)["Name"]) == [row.name for row in batch.ordered(rows(ran), "error")]
    assert "4 of 4 pictures, 1 could not be read, 1 with a mask" in text_of(ran)
    assert [metric.label for metric in ran.metric] == ["pixel accuracy", "mean IoU, in truth", "mean IoU, in either",
                                                    "uncertainty"]  # fmt: skip
    assert "many_start" not in buttons(ran), "there is nothing left to do"


def test_names_from_outside_are_only_ever_plain_text(ran):
    app = ran
    app.segmented_control("many_view").set_value("Contact sheet").run()
    assert {"<b>china</b>.png", "**cup** :red[x].png"} <= {text.value for text in app.text}
    for kind in ("markdown", "caption", "html", "warning", "error", "button"):
        for element in app.get(kind):
            assert "china</b>" not in str(element.proto)
            assert "**cup**" not in str(element.proto)
    app.segmented_control("many_view").set_value("Table").run()


def test_the_order_is_asked_for(ran):
    for by in batch.ORDERS:
        ran.segmented_control("many_sort").set_value(by).run()
        assert list(table(ran)["Name"]) == [row.name for row in batch.ordered(rows(ran), by)]
    ran.segmented_control("many_sort").set_value("disagreement").run()
    assert "There is no second model to disagree with" in text_of(ran)
    ran.segmented_control("many_sort").set_value("error").run()


def test_a_tile_opens_its_picture_and_the_next_ones(ran):
    app = ran
    app.segmented_control("many_view").set_value("Contact sheet").run()
    order = [row.name for row in batch.ordered(rows(app), "error")]
    place = [row.name for row in rows(app)].index("land.png")
    button(app, f"many_tile_{place}").click()
    app.run()
    assert not app.exception
    assert "land.png" in [text.value for text in app.text]
    assert "1 of 4" in text_of(app)
    assert button(app, "many_before").disabled
    for name in order[1:]:
        button(app, "many_after").click()
        app.run()
        assert not app.exception
        assert name in [text.value for text in app.text]
    assert button(app, "many_after").disabled
    assert "not a PNG" in app.warning[0].value, "the broken one is last and says why"
    button(app, "many_all").click()
    app.run()
    assert f"many_tile_{place}" in buttons(app), "the contact sheet is still chosen"
    app.segmented_control("many_view").set_value("Table").run()


def test_a_picture_is_taken_in_hand_with_its_mask_as_truth(ran):
    app = ran
    place = [row.name for row in rows(app)].index("land.png")
    desk(app).show(place)
    app.run()
    button(app, "many_take").click()
    app.run()
    assert not app.exception
    hand = app.session_state["image_in_hand"].chosen
    assert (hand.title, hand.slug) == ("land.png", None)
    assert hand.key == rows(app)[place].key
    ((key, classes), truth) = next(iter(app.session_state["own_truths"].items()))
    assert (key, len(classes), truth.shape) == (hand.key, 8, (120, 160))
    desk(app).show(None)
    app.run()


def test_cleared_pictures_come_back_with_their_rows(ran):
    app, before = ran, rows(ran)
    button(app, "many_clear").click()
    app.run()
    assert "Bring pictures" in text_of(app)
    button(app, "many_undo").click()
    app.run()
    assert not app.exception
    assert rows(app) is before
    assert list(table(app)["Name"]) == [row.name for row in batch.ordered(before, "error")]


def test_rows_survive_a_change_of_page(ran):
    app, before = ran, list(rows(ran))
    app.switch_page("pages/home/home.py").run()
    app.switch_page(MANY.path)
    app.query_params.update(FILES)
    app.run()
    assert not app.exception
    assert rows(app) == before
    assert len(table(app)) == 4


def test_a_run_that_is_given_up_goes_on(packed, monkeypatch):
    go, seen, answered = threading.Semaphore(0), [], batch._row

    def slow(*arguments):
        go.acquire()
        seen.append(1)
        return answered(*arguments)

    monkeypatch.setattr(batch, "_row", slow)
    app = upload(visit(MANY, **FILES).run(), packed)
    button(app, "many_start").click()
    app.run()
    go.release()
    go.release()
    until(app, lambda: len(rows(app)) == 2)
    assert "2 of 4 pictures" in text_of(app), "rows are shown as they come"
    app.session_state[f"task_{KEY}"].job.cancel()
    go.release()
    until(app, lambda: app.session_state[f"task_{KEY}"].job.state == "cancelled")
    assert len(rows(app)) == 3, "the one that was under way counts"
    assert button(app, "many_start").label == "Go on with 1 of 4"
    button(app, "many_start").click()
    app.run()
    go.release()
    until(app, lambda: len(rows(app)) == 4)
    assert len(seen) == 4, "no picture was looked at twice"
    assert not app.exception


def test_a_second_model_shows_where_they_disagree(packed):
    app = upload(visit(MANY, many_against="recurrent", **FILES).run(), packed)
    button(app, "many_start").click()
    app.run()
    until(app, lambda: len(rows(app)) == 4)
    assert "disagreement" in [metric.label for metric in app.metric]
    assert "Disagreement" in table(app).columns
    desk(app).show([row.name for row in rows(app)].index("land.png"))
    app.run()
    assert not app.exception
    kept = app.session_state["kept"]
    assert any(name == "many_trace" for name, _ in kept._values)
    (trace,) = (trace for (name, _), trace in kept._values.items() if name == "many_trace")
    assert [step.title for step in trace.steps[-3:]] == ["Otherwise", "Ground truth", "Errors"]
    wrong = rows(app)[desk(app).opened].wrong
    assert trace.steps[-1].sentence.startswith(f"{100 * wrong:.1f} %")


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def picture(level: int = 0) -> bytes:
    return png(np.random.default_rng(level).integers(0, 255, (64, 80, 3), np.uint8))


def test_unsure_pairs_are_shown_and_chosen():
    mask = png(np.zeros((64, 80), np.uint8))
    app = upload(visit(MANY, **FILES).run(), zipped({"a.png": picture(), "masks/a.png": mask, "labels/a.png": mask}))
    assert not app.exception
    assert any("two masks fit one picture" in text.value for text in app.text)
    pairs = next(x.value for x in app.dataframe if "Mask?" in x.value.columns)
    assert set(pairs["Mask?"]) == {"masks/a.png", "labels/a.png"}
    assert "1 pictures** wait, 0 with a mask" in text_of(app)
    next(box for box in app.selectbox if box.label == "Masks").set_value("labels/").run()
    assert not app.exception
    assert desk(app).source.found.items[0].called == "labels/a.png"
    assert "1 pictures** wait, 1 with a mask" in text_of(app)


def test_a_reading_is_chosen_once_for_all_masks():
    mask = np.ones((64, 80), np.uint8)
    mask[:, :8] = 0
    files = {f"{name}.png": picture(i) for i, name in enumerate("ab")}
    app = upload(visit(MANY, **FILES).run(), zipped(files | {f"masks/{name}": png(mask) for name in files}))
    next(box for box in app.selectbox if box.label == "Masks are read by").set_value(MINUS_ONE.name).run()
    button(app, "many_start").click()
    app.run()
    until(app, lambda: len(rows(app)) == 2)
    assert not app.exception
    for row in rows(app):
        assert np.sum(row.confusion) == 64 * 72, "0 is void"
        assert np.sum(row.confusion[0]) == 64 * 72, "and 1 the first class"
        assert MINUS_ONE.name in row.note


def test_a_labelmap_beside_the_masks_is_used():
    mask = Image.fromarray(np.full((64, 80, 3), (9, 8, 7), np.uint8))
    labelmap = b"# label:color_rgb:parts:actions\nbackground:0,0,0::\ntree:9,8,7::\n"
    files = {"a.png": picture(), "SegmentationClass/a.png": png(np.asarray(mask)), "labelmap.txt": labelmap}
    app = upload(visit(MANY, **FILES).run(), zipped(files))
    button(app, "many_start").click()
    app.run()
    until(app, lambda: len(rows(app)) == 1)
    assert np.sum(rows(app)[0].confusion[1]) == 64 * 80, "tree"
