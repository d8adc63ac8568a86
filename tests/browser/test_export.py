"""What is taken away is what is seen: the step, the opacity and the wipe of the viewers; both captions side by side."""

import io

import numpy as np
from PIL import Image

from pages.kit.rooms import CAPTIONS, FCN, ROOT
from tests.browser.looking import settle
from tests.browser.rooms import visit

PICTURE = """async (key) => {
    const file = await window.__saccade.viewers.get(key).toolbar.picture(1).convertToBlob({ type: "image/png" });
    return Array.from(new Uint8Array(await file.arrayBuffer()));
}"""


def shown(page, key: str) -> np.ndarray:
    """The whole picture as the viewer `key` shows it."""
    return np.asarray(Image.open(io.BytesIO(bytes(page.evaluate(PICTURE, key)))).convert("RGB")).astype(int)


def taken(page) -> tuple[str, np.ndarray]:
    """Name and pixels of the file that Export, Picture (PNG) gives."""
    page.get_by_role("button", name="Export").first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Picture (PNG)").click()
    page.keyboard.press("Escape")
    return download.value.suggested_filename, np.asarray(Image.open(download.value.path()).convert("RGB")).astype(int)


def key_of(page) -> str:
    return page.evaluate("() => [...window.__saccade.viewers.keys()][0]")


def test_the_exported_picture_is_the_step_on_the_screen(page, serve):
    visit(page, serve, FCN)
    key = key_of(page)
    before = shown(page, key)
    page.evaluate("(key) => window.__saccade.viewers.get(key).set({ step: 1, opacity: 0.9 })", key)
    settle(page)
    wanted = shown(page, key)
    assert np.abs(wanted - before).max() > 20
    name, got = taken(page)
    assert np.array_equal(got, wanted)
    title = page.evaluate("(key) => window.__saccade.viewers.get(key).film.trace.steps[1].title", key)
    assert title.split()[0].strip(",") in name


def test_captions_give_both_sides(page, serve):
    page.goto(f"{serve(ROOT / 'app.py')}/{CAPTIONS.url}?image=landscape")
    page.wait_for_function(
        "() => [...(window.__saccade?.viewers.values() ?? [])].filter((v) => v.film).length === 2", timeout=60_000
    )
    keys = page.evaluate("() => [...window.__saccade.viewers.keys()]")
    page.evaluate("(key) => window.__saccade.viewers.get(key).set({ step: 2 })", keys[0])
    settle(page)
    left, right = (shown(page, key) for key in keys)
    _, got = taken(page)
    assert np.array_equal(got[:, : left.shape[1]], left)
    assert np.array_equal(got[:, -right.shape[1] :], right)
    page.get_by_role("button", name="Export").first.click()
    assert page.get_by_role("button", name="Trace (ZIP of NPZ and JSON)").first.is_visible()
    assert len(page.get_by_role("tab", name="soft").all()) + len(page.get_by_role("tab", name="plain").all()) >= 1
