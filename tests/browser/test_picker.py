"""The picker in a real Chromium: odd files, two people at once, the URL, pages, keyboard, and how it looks."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

APP = Path(__file__).parent / "apps" / "picker_app.py"


@pytest.fixture(scope="session")
def address(serve) -> str:
    return serve(APP)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def visit(page, url: str):
    page.goto(url)
    page.get_by_test_id("stCode").wait_for(timeout=60_000)
    return page


def settled(page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=60_000)


def facts(page) -> dict:
    """What the page says of the image in hand."""
    settled(page)
    return json.loads(page.get_by_test_id("stCode").inner_text())


def open_dialog(page) -> None:
    settled(page)
    page.get_by_role("button", name="Change").click()
    page.get_by_role("button", name="Dahlia").wait_for(timeout=60_000)


def upload(page, name: str, data: bytes, mime: str = "image/png") -> None:
    open_dialog(page)
    page.locator('input[type="file"]').first.set_input_files({"name": name, "mimeType": mime, "buffer": data})


def wait_closed(page) -> None:
    page.get_by_role("dialog").wait_for(state="detached", timeout=30_000)
    settled(page)


def test_a_phone_picture_of_twelve_megapixels(page, address):
    left = np.zeros((3024, 4032, 3), np.uint8)
    left[:, :2016] = (200, 30, 40)  # stored left half red: held upright (orientation 6) it is the top half
    exif = Image.Exif()
    exif[0x0112] = 6
    visit(page, address)
    upload(page, "IMG_0001.jpg", encoded(Image.fromarray(left), "JPEG", exif=exif), "image/jpeg")
    wait_closed(page)
    found = facts(page)
    assert found["shape"] == [640, 480, 3]
    assert found["notice"] == "Turned by EXIF, scaled from 3024x4032 to 480x640"
    card = page.locator(".st-key-image_card")
    assert found["notice"] in card.inner_text()
    assert "IMG_0001.jpg" in card.inner_text()
    picture = page.get_by_test_id("stMain").get_by_test_id("stImage").locator("img")
    shot = np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("RGB")).astype(int)
    middle = shot.shape[1] // 2
    assert shot[shot.shape[0] // 4, middle, 0] > 150  # red above
    assert shot[3 * shot.shape[0] // 4, middle].max() < 60  # black below
    assert "image=" not in page.url


def test_a_transparent_png_and_a_grey_png(page, address):
    visit(page, address)
    upload(page, "clear.png", encoded(Image.new("RGBA", (300, 200), (0, 0, 0, 0)), "PNG"))
    wait_closed(page)
    found = facts(page)
    assert found["mean"] == [255, 255, 255]
    assert found["notice"] == "Transparency on white"
    upload(page, "grey.png", encoded(Image.new("L", (300, 200), 77), "PNG"))
    wait_closed(page)
    assert facts(page)["mean"] == [77, 77, 77]
    page.get_by_role("button", name="Back").click()
    page.get_by_text("clear.png").wait_for()
    assert facts(page)["mean"] == [255, 255, 255]


def test_a_text_file_named_png(page, address):
    visit(page, f"{address}/?image=coffee")
    upload(page, "notes.png", b"these are my notes")
    alert = page.get_by_role("dialog").get_by_test_id("stAlert")
    alert.wait_for()
    assert "This file is not a PNG, JPEG, WebP, AVIF, BMP, GIF or TIFF picture." in alert.inner_text()
    page.keyboard.press("Escape")
    wait_closed(page)
    assert facts(page)["slug"] == "coffee"
    assert "image=coffee" in page.url


def test_a_name_is_not_markup(page, address):
    visit(page, address)
    page.evaluate("window.hacked = 0")
    name = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script> **b** [a](http:x).png"
    upload(page, name, encoded(Image.new("RGB", (60, 40), "navy"), "PNG"))
    wait_closed(page)
    card = page.locator(".st-key-image_card")
    assert "<img src=x onerror" in card.inner_text()
    assert card.locator("script, a, strong, img[src='x']").count() == 0
    assert page.evaluate("window.hacked") == 0
    upload(page, name, b"not a picture")
    page.get_by_role("dialog").get_by_test_id("stAlert").wait_for()
    assert page.evaluate("window.hacked") == 0
    assert page.locator("img[src='x']").count() == 0


def test_two_people_never_see_each_others_image(browser, address):
    contexts = [browser.new_context(viewport={"width": 1366, "height": 768}) for _ in range(2)]
    pages = [visit(context.new_page(), address) for context in contexts]
    for level, page in zip((60, 180), pages, strict=True):
        upload(page, f"mine-{level}.png", encoded(Image.new("RGB", (80, 60), (level,) * 3), "PNG"))
        wait_closed(page)
    for _ in range(2):
        for level, other, page in zip((60, 180), (180, 60), pages, strict=True):
            page.get_by_role("link", name="Two").click()
            page.get_by_role("heading", name="Two").wait_for()
            assert facts(page)["mean"] == [level] * 3
            assert f"mine-{other}" not in page.content()
            page.get_by_role("link", name="One").click()
            page.get_by_role("heading", name="One").wait_for()
            assert facts(page)["mean"] == [level] * 3
    for context in contexts:
        context.close()


def test_the_choice_outlives_a_change_of_page(page, address):
    visit(page, address)
    open_dialog(page)
    page.get_by_role("button", name="Chelsea the cat").click()
    wait_closed(page)
    page.wait_for_url("**/?image=chelsea")
    page.get_by_role("link", name="Two").click()
    page.get_by_role("heading", name="Two").wait_for()
    page.wait_for_url("**/two?image=chelsea")
    assert facts(page)["slug"] == "chelsea"
    page.reload()
    page.get_by_role("heading", name="Two").wait_for()
    assert facts(page)["slug"] == "chelsea"


def test_a_deep_link_and_an_unknown_one(page, address):
    visit(page, f"{address}/two?image=astronaut")
    assert facts(page)["slug"] == "astronaut"
    visit(page, f"{address}/two?image=%3Cscript%3E")
    assert facts(page)["slug"] == "china"
    assert "The gallery has no picture of the name in the link" in page.get_by_test_id("stAlert").inner_text()


def test_the_gallery_by_keyboard(page, address):
    visit(page, address)
    settled(page)
    page.get_by_role("button", name="Change").focus()
    page.keyboard.press("Enter")
    tile = page.get_by_role("button", name="Dahlia")
    tile.wait_for(timeout=60_000)
    tile.focus()
    page.keyboard.press("Enter")
    wait_closed(page)
    assert facts(page)["slug"] == "flower"


def test_the_camera_starts_only_when_asked(page, address):
    visit(page, address)
    open_dialog(page)
    assert page.locator("video").count() == 0
    assert page.get_by_test_id("stCameraInput").count() == 0
    page.get_by_role("button", name="Start the camera").click()
    page.get_by_test_id("stCameraInput").wait_for()


def test_the_card_is_small_and_the_dialog_fits(page, address):
    """At 1366x768: a card below 330 pixels, and gallery, upload and camera in one view."""
    visit(page, address)
    settled(page)
    assert page.locator(".st-key-image_card").bounding_box()["height"] < 330
    open_dialog(page)
    box = page.get_by_role("dialog").bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= 768
    tiles = page.locator(".st-key-gallery_grid button")
    assert tiles.count() >= 8
    assert all(tiles.nth(i).evaluate("b => getComputedStyle(b).backgroundImage").startswith("url(") for i in range(8))
