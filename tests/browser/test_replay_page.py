"""A Trace leaves the FCN page as a file and is opened again: the same picture, and its words stay words."""

import base64
import io

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from pages.kit.rooms import FCN, REPLAY, ROOT
from tests.browser.rooms import VIEWER, visit
from tests.debug.test_replay_page import WILD, wild

INPUT = "[data-testid=stFileUploaderDropzoneInput], [data-testid=stFileUploader] input[type=file]"


def drawn(page, key: str) -> np.ndarray:
    """What stands on the canvas of the viewer `key`, (H, W, 3), after the pointer has left it."""
    page.mouse.move(5, 5)
    page.wait_for_timeout(500)
    url = page.evaluate(f"window.__saccade.viewers.get('{key}').stage.canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")).astype(int)


def replay(page, serve, path) -> None:
    """Open the file on the page and wait until it is painted."""
    page.goto(f"{serve(ROOT / 'app.py')}/{REPLAY.url}?image=china")
    page.locator(INPUT).first.set_input_files(path)
    page.wait_for_selector(VIEWER)
    page.wait_for_timeout(500)


def test_what_was_exported_opens_again(page, serve, tmp_path):
    visit(page, serve, FCN, "image=landscape&view=opacity:0.8")
    before, content = drawn(page, "fcn"), page.get_attribute(VIEWER, "data-trace")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Trace (ZIP of NPZ and JSON)").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    replay(page, serve, path)
    for title, index in (("Errors", 7), ("Labels", 5)):
        page.locator(f"{VIEWER} .rail button").nth(index).click()
        expect(page.locator(f"{VIEWER} .rail button").nth(index)).to_contain_text(title)
    page.evaluate("window.__saccade.viewers.get('replay').set({opacity: 0.8})")
    after = drawn(page, "replay")
    assert after.shape == before.shape
    assert np.abs(after - before).max() < 4
    assert page.get_attribute(VIEWER, "data-trace") == content
    expect(page.get_by_text("saccade-fcn-scenes-landscape.zip")).to_be_visible()


def test_words_of_a_file_do_nothing(page, serve, tmp_path):
    page.add_init_script("window.alert = () => { window.__alerted = true; };")
    for i, words in enumerate(WILD[:3]):
        path = tmp_path / f"{i}.zip"
        path.write_bytes(wild(words).to_zip())
        if i:
            page.evaluate("() => sessionStorage.clear()")  # another visit, not this one loaded anew
        replay(page, serve, path)
        expect(page.locator(f"{VIEWER} .rail button").first).to_contain_text(words)
        page.get_by_role("tab", name="Card and settings").click()
        page.wait_for_timeout(200)
        assert page.locator("img[src='x'], a[href^='javascript']").count() == 0
        assert not page.evaluate("window.__alerted ?? false")
