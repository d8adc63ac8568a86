"""Model, picture and mask go with the visitor over the pages of the bench, and stand in the address where they may."""

from __future__ import annotations

import io
import zipfile

import pytest
from PIL import Image

from engine import gallery
from pages.kit.keys import BENCH
from pages.kit.rooms import BENCH as PAGES
from pages.kit.rooms import COMPARE, FCN, LAYERS, MANY, OWN, PROBE, TRUTH
from tests.segmentation.pages import text_of, visit

MODEL = "recurrent"  # not the one that is there at first
BY_URL = {page.url: page for page in PAGES}


@pytest.fixture
def labelled() -> bytes:
    """A zip with a picture of 160x120 and its mask."""
    picture = gallery.get("landscape")
    files = {"land.png": picture.load().rgb, "masks/land.png": picture.truth("stanford")}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, array in files.items():
            image = io.BytesIO()
            Image.fromarray(array).resize((160, 120), Image.Resampling.NEAREST).save(image, "PNG")
            archive.writestr(name, image.getvalue())
    return out.getvalue()


def go(app, page, **address: str):
    """To another page, as the menu does it: nothing stands in the address but what is written here."""
    app.switch_page(page.path)
    for name in list(app.query_params):
        del app.query_params[name]
    app.query_params.update(address)
    app.run()
    assert not app.exception, page.url
    return app


def network(app, page) -> tuple[str, str | None]:
    """Of the page: in its box, and in its address."""
    key = BENCH[page.url]
    return app.selectbox(key=key).value, app.query_params.get(key)


def test_a_picture_of_many_is_judged_with_its_model_and_its_mask(labelled):
    app = visit(MANY, pictures="Your files", many_model=MODEL).run()
    app.file_uploader[0].set_value(("set.zip", labelled, "application/zip"))
    app.run()
    next(b for b in app.button if b.key == "many_start").click()
    app.run()
    while app.session_state["task_many"].job.state in ("waiting", "running"):
        app.run()
    app.session_state["many_desk"].show(0)
    app.run()
    next(b for b in app.button if b.key == "many_take").click()
    app.run()
    assert not app.exception
    hand = app.session_state["image_in_hand"].chosen
    assert hand.rgb.shape == (120, 160, 3)
    for page in (TRUTH, PROBE, LAYERS, COMPARE):
        go(app, page)
        assert app.session_state["image_in_hand"].chosen is hand
        assert network(app, page) == (MODEL, MODEL), page.url
        assert "image" not in app.query_params, "an upload has no address"
        if page is TRUTH:
            assert "Your truth" in text_of(app)
    assert next(iter(app.session_state["own_truths"]))[0] == hand.key


@pytest.mark.parametrize("first", list(BENCH))
def test_a_model_chosen_on_one_page_is_chosen_on_all(first):
    app = visit(BY_URL[first], image="camera").run()
    app.selectbox(key=BENCH[first]).set_value(MODEL).run()
    for url in BENCH:
        if url != first:
            go(app, BY_URL[url])
            assert network(app, BY_URL[url]) == (MODEL, MODEL), url
            assert app.query_params["image"] == "camera"
    go(app, BY_URL[first])
    assert network(app, BY_URL[first]) == (MODEL, MODEL)


def test_back_to_the_first_one():
    """The one that is there at first is carried too, over what a page had before."""
    app = visit(MANY, image="camera", many_model=MODEL).run()
    go(app, TRUTH)
    app.selectbox(key="model").set_value("fcn-scenes").run()
    go(app, MANY)
    assert network(app, MANY)[0] == "fcn-scenes"


def test_a_link_goes_before():
    """A link to another network, from a page that has no box for it."""
    app = visit(TRUTH, image="camera", model=MODEL).run()
    go(app, OWN)
    go(app, PROBE, model="patches")
    assert network(app, PROBE)[0] == "patches"
    go(app, LAYERS)
    assert network(app, LAYERS) == ("patches", "patches")


def test_a_page_of_the_lecture_does_not_take_it_away():
    """A page that knows fewer networks shows one of its own; back on the bench the other one is there."""
    app = visit(TRUTH, image="camera", model=MODEL).run()
    go(app, FCN)
    assert app.selectbox(key="model").value in app.selectbox(key="model").options
    go(app, PROBE)
    assert network(app, PROBE) == (MODEL, MODEL)


def test_a_network_that_another_page_does_not_know():
    app = visit(LAYERS, image="camera", model="caption-soft").run()
    go(app, TRUTH)
    assert network(app, TRUTH)[0] == "fcn-scenes"
