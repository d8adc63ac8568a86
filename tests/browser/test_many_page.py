"""The page on many images in Chromium: a zip in, sorted, one opened; the report out, which works alone."""

from __future__ import annotations

import io
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from engine import gallery
from pages.kit.rooms import MANY, ROOT
from tests.browser.rooms import VIEWER

ROWS = "[data-testid=stDataFrame]"


def packed(count: int, height: int = 120, width: int = 160) -> bytes:
    """So many crops of a gallery picture, the first one with its truth, and a file that is no picture."""
    rgb, truth = gallery.get("landscape").load().rgb, gallery.get("landscape").truth("stanford")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(count):
            for name, array in ((f"p{i}.png", rgb), ("masks/p0.png", truth)) if i == 0 else ((f"p{i}.png", rgb),):
                data = io.BytesIO()
                Image.fromarray(np.roll(array, -15 * i, 0)[:height, :width].copy()).save(data, "PNG")
                archive.writestr(name, data.getvalue())
        archive.writestr("<img src=x onerror=alert(1)>.jpg", b"no picture")
    return out.getvalue()


@pytest.fixture
def many(page, serve):
    """open(zip) -> the page with these pictures, ready to run."""

    def opened(data: bytes):
        page.goto(f"{serve(ROOT / 'app.py')}/{MANY.url}?pictures=Your+files")
        page.wait_for_selector("input[type=file]", state="attached", timeout=60_000)
        page.set_input_files("input[type=file]", {"name": "set.zip", "mimeType": "application/zip", "buffer": data})
        page.get_by_role("button", name="Run on").wait_for()
        return page

    return opened


def test_a_zip_is_run_sorted_opened_and_taken_away(many, browser, tmp_path):
    page = many(packed(3))
    page.get_by_role("button", name="Run on 4 pictures").click()
    page.get_by_text("4 of 4 pictures, 1 could not be read, 1 with a mask").wait_for(timeout=60_000)
    box = page.locator(ROWS).first.bounding_box()
    assert box["y"] < 250
    assert box["width"] > 600
    page.get_by_role("radio", name="Uncertainty").click()
    page.wait_for_function("() => location.search.toLowerCase().includes('many_sort=uncertainty')")
    page.get_by_role("radio", name="Error").click()
    page.wait_for_timeout(500)
    box = page.locator(ROWS).first.bounding_box()
    page.mouse.click(box["x"] + 150, box["y"] + 70)  # the name in the first row
    page.wait_for_selector(VIEWER)
    page.get_by_text("1 of 4").wait_for()
    assert page.locator(f"{VIEWER} .rail button").last.inner_text().strip() == "Errors"
    assert page.locator(f"{VIEWER} canvas").first.bounding_box()["height"] > 300
    page.get_by_role("button", name="All pictures").click()
    page.get_by_role("radio", name="Contact sheet").click()
    tiles = page.locator(".st-key-many_sheet button")
    tiles.nth(3).wait_for()
    assert tiles.first.evaluate("(b) => getComputedStyle(b).backgroundImage").startswith('url("data:image/jpeg')
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Report (HTML").click()
    file = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)
    assert file.name == "saccade-fcn-scenes-report.html"
    works_alone(browser, file)


def works_alone(browser, file):
    """The report opened from disk: sorted by its heads, turned into a contact sheet; it asks for nothing."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    alone, asked, said = context.new_page(), [], []
    alone.on("request", lambda request: asked.append(request.url))
    alone.on("console", lambda message: said.append(message.text))
    alone.on("dialog", lambda dialog: said.append(dialog.message))
    alone.goto(f"file://{file}")

    def column(name: str) -> list[str]:
        return alone.eval_on_selector_all(f"td.{name}", "(cells) => cells.map((c) => c.dataset.value)")

    assert column("name")[0] == "p0.png", "the only one with a mask"
    alone.click("th.uncertainty button")
    values = column("uncertainty")
    assert [float(v) for v in values[:3]] == sorted((float(v) for v in values[:3]), reverse=True)
    assert values[3] == "", "what failed stays last"
    alone.click("th.uncertainty button")
    assert column("uncertainty") == [*reversed(values[:3]), ""]
    assert alone.get_attribute("th.uncertainty", "aria-sort") == "ascending"
    alone.click("th.name button")
    assert column("name") == ["<img src=x onerror=alert(1)>.jpg", "p0.png", "p1.png", "p2.png"]
    assert alone.locator("td.pictures img").evaluate_all("(x) => x.every((i) => i.complete && i.naturalWidth > 0)")
    alone.get_by_text("Contact sheet").click()
    first = alone.locator("td.pictures").nth(1).bounding_box()
    assert first["width"] > 200
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}
    assert [url for url in asked if url.startswith("file:")] == [f"file://{file}"]
    assert said == []
    context.close()


def test_a_run_is_given_up_and_goes_on(many):
    page = many(packed(29, 480, 640))  # seconds of work, so that it can be given up
    page.get_by_role("button", name="Run on 30 pictures").click()
    page.get_by_text(re.compile(r"Running: [1-9]\d* %")).wait_for(timeout=60_000)
    page.get_by_role("button", name="Cancel").click()
    more = page.get_by_role("button", name="Go on with")
    more.wait_for()
    words = more.inner_text()
    assert 0 < int(words.split()[-3]) < 30
    page.get_by_role("link", name="Home").click()
    page.wait_for_function("() => !location.pathname.includes('many')")
    more.wait_for(state="detached")
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=MANY.title).click()
    more.wait_for()
    assert more.inner_text() == words, "what is done survives a change of page"
    more.click()
    page.get_by_text("30 of 30 pictures").wait_for(timeout=60_000)
    assert page.get_by_role("button", name="Go on with").count() == 0
