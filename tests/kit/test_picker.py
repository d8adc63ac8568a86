"""The picker without a browser: gallery, URL, bad and odd uploads, undo, and sessions that do not meet."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine import gallery
from pages.kit import picker

APP = Path(__file__).parents[1] / "browser" / "apps" / "picker_app.py"


def start(**query: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def shown(app: AppTest) -> dict:
    assert not app.exception
    return json.loads(app.code[0].value)


def url(app: AppTest) -> str | None:
    value = app.query_params.get("image")
    return value[0] if isinstance(value, list) else value


def choose(app: AppTest, slug: str) -> AppTest:
    app.button("image_change").click().run()
    return app.button(f"gallery_{slug}").click().run()


def upload(app: AppTest, data: bytes, name: str = "mine.png") -> AppTest:
    app.button("image_change").click().run()
    return app.file_uploader[0].set_value((name, data, "image/png")).run()


def png(level: int = 90, size: tuple[int, int] = (60, 40)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (level, 20, 30)).save(out, "PNG")
    return out.getvalue()


def test_the_default_is_in_hand_and_in_the_url():
    app = start()
    assert shown(app)["slug"] == gallery.DEFAULT
    assert shown(app)["truth"] == ["stanford"]
    assert url(app) == gallery.DEFAULT


def test_one_click_chooses_and_closes():
    app = choose(start(), "chelsea")
    assert shown(app)["slug"] == "chelsea"
    assert shown(app)["shape"] == [300, 451, 3]
    assert url(app) == "chelsea"
    assert not [button for button in app.button if (button.key or "").startswith("gallery_")]  # the dialog is gone


def test_the_url_chooses():
    app = start(image="astronaut")
    assert shown(app)["slug"] == "astronaut"
    assert url(app) == "astronaut"


@pytest.mark.parametrize("slug", ["nope", "<script>alert(1)</script>", "", "../../etc/passwd"])
def test_an_unknown_name_gets_one_sentence_and_the_default(slug):
    app = start(image=slug)
    assert shown(app)["slug"] == gallery.DEFAULT
    assert [w.value for w in app.warning] == [
        "The gallery has no picture of the name in the link, so this one is shown."
    ]
    assert url(app) == gallery.DEFAULT
    app.run()
    choose(app, "coffee")
    assert not app.warning


def test_an_upload_is_in_hand_and_leaves_the_url():
    app = upload(start(), png(77))
    found = shown(app)
    assert found["slug"] is None
    assert found["truth"] == []
    assert found["mean"] == [77, 20, 30]
    assert len(found["key"]) == 64
    assert url(app) is None
    assert shown(app.run()) == found


@pytest.mark.parametrize(("data", "words"), [(b"just text", "not a PNG"), (b"", "empty"), (png()[:60], "damaged"),
                                             (png(size=(2, 900)), "at least 8")])  # fmt: skip
def test_a_bad_file_gets_one_sentence_and_the_former_image_stays(data, words):
    app = upload(start(image="coffee"), data)
    assert shown(app)["slug"] == "coffee"
    assert len(app.error) == 1
    assert words in app.error[0].value
    assert app.error[0].value.count(".") == 1
    assert url(app) == "coffee"
    app = app.file_uploader[0].set_value(("good.png", png(5), "image/png")).run()
    assert shown(app)["mean"] == [5, 20, 30]
    assert not app.error


@pytest.mark.parametrize("name", ["<script>alert(1)</script>.png", "**bold** [link](http://x) $x^2$ :red[a] `b`.png",
                                  "<img src=x onerror=alert(1)>.png"])  # fmt: skip
def test_a_file_name_is_only_ever_plain_text(name):
    app = upload(start(), png(), name)
    assert name in [text.value for text in app.text]
    for kind in ("markdown", "caption", "html", "title", "header", "warning", "error"):
        for element in app.get(kind):
            assert name[:8] not in str(getattr(element, "value", "") or element.proto)


def test_names_are_cut_and_cleaned():
    assert picker._plain("a\u202egnp.exe\n\0b.png") == "agnp.exeb.png"
    assert picker._plain("\u202e\n") == "Your image"
    assert picker._plain("cafe\u0301.png") == "caf\u00e9.png"  # as macOS writes it
    for name in ("日本の寺.jpg", "صورة.png", "می\u200cخواهم.png", "👩\u200d🔬.webp"):
        assert picker._plain(name) == name
    long = picker._plain("x" * 300 + ".jpeg")
    assert len(long) <= 60
    assert long.endswith("x.jpeg")


def test_back_to_the_former_image_and_again():
    app = start()
    assert "image_back" not in [button.key for button in app.button]
    app = upload(choose(app, "chelsea"), png(33))
    app.button("image_back").click().run()
    assert shown(app)["slug"] == "chelsea"
    assert url(app) == "chelsea"
    app.button("image_back").click().run()
    assert shown(app)["mean"] == [33, 20, 30]
    assert url(app) is None


def test_what_was_done_is_said():
    exif = Image.Exif()
    exif[0x0112] = 8
    out = io.BytesIO()
    Image.new("RGBA", (900, 1200), (0, 0, 0, 0)).save(out, "PNG", exif=exif)
    app = upload(start(), out.getvalue())
    words = "Turned by EXIF, scaled from 1200x900 to 640x480, transparency on white"
    assert shown(app)["notice"] == words
    assert any(words in caption.value for caption in app.caption)
    assert shown(app)["mean"] == [255, 255, 255]


def test_sessions_do_not_meet():
    mine, yours = start(), start()
    mine = upload(mine, png(111))
    assert shown(yours.run())["slug"] == gallery.DEFAULT
    yours = upload(yours, png(222))
    assert shown(mine.run())["mean"] == [111, 20, 30]
    assert shown(yours.run())["mean"] == [222, 20, 30]


def test_the_process_keeps_no_image_of_a_user():
    data = png(201)
    app = upload(start(), data)
    key = shown(app)["key"]
    held = [value for name, value in vars(picker).items() if not name.startswith("__") and not callable(value)]
    assert key not in repr(held)
    assert not any(isinstance(value, (np.ndarray, dict, list, set)) for value in held)


def test_the_camera_waits_for_the_user():
    app = start()
    app.button("image_change").click().run()
    assert not app.get("camera_input")
    app.button("image_camera_start").click().run()
    assert len(app.get("camera_input")) == 1


def test_every_picture_of_the_gallery_can_be_chosen():
    app = start()
    for slug in gallery.names():
        assert shown(choose(app, slug))["slug"] == slug


def test_the_style_of_the_grid_holds_one_picture_for_each_slug():
    style = picker._grid_style()
    assert style.count("data:image/jpeg;base64,") == len(gallery.names())
    assert len(style) < 300_000
