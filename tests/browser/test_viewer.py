"""Looking at a Trace in Chromium: what is seen changes, and the server hears nothing."""

import re
from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import sent
from tests.browser.looking import (
    DISC,
    SAFE,
    SKY,
    TREE,
    WATER,
    V,
    canvas,
    near,
    on_screen,
    pixel,
    press,
    sentence,
    settle,
    state,
)


def test_stepping_changes_picture_and_sentence_and_sends_nothing(show):
    page = show()
    before, pictures, sentences = sent(page), [], []
    press(page, "Home")
    for _ in range(6):
        pictures.append(canvas(page))
        sentences.append(sentence(page))
        press(page, "ArrowRight")
    assert len(set(sentences)) == 6
    assert all(np.abs(a - b).max() > 8 for a, b in pairwise(pictures))
    press(page, "End", "ArrowRight")
    assert page.locator(".viewer").get_attribute("data-step") == "5"
    press(page, "Home")
    assert sentence(page) == "This is the picture, 640 pixels wide."
    page.locator(".rail button").nth(3).click()
    assert "borders are sharp" in sentence(page)
    expect(page.locator("[aria-live=polite]")).to_contain_text("borders are sharp")  # told when the eye has its frame
    words = page.locator(".stage canvas").get_attribute("aria-label")
    assert re.search(r"\+ stride 8\. .* Largest classes: sky 47 %", words)
    assert sent(page) == before


def test_keys_reach_a_lone_viewer_from_the_bare_page(show):
    page = show()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".viewer").get_attribute("data-step") == "2"


def test_stepping_over_prepared_steps_only_copies(show):
    page = show()
    page.wait_for_function(f"() => {V}.stage.frames.items.size >= 6")  # idle time has prepared every step
    made = page.evaluate(f"""async () => {{
        const v = {V}, make = OffscreenCanvas.prototype.transferToImageBitmap;
        let made = 0;
        OffscreenCanvas.prototype.transferToImageBitmap = function () {{ made++; return make.call(this); }};
        for (let i = 0; i < 40; i++) {{
            const key = i % 2 ? 'ArrowLeft' : 'ArrowRight';
            v.refs.canvas.dispatchEvent(new KeyboardEvent('keydown', {{key, bubbles: true, cancelable: true}}));
            await new Promise((r) => setTimeout(r, 40));
        }}
        return made;
    }}""")
    assert made == 0, "how long a step takes is measured by `make bench`"


def test_play_goes_to_the_end_and_stops(show):
    page = show()
    page.locator("[data-do=play]").click()
    assert page.locator("[data-do=play]").get_attribute("aria-label") == "Pause"
    page.wait_for_selector('.viewer[data-step="5"]', timeout=8000)
    page.wait_for_selector('[data-do=play][aria-label="Play"]')


def test_scrubbing_the_rail(show):
    page = show()
    boxes = [page.locator(".rail button").nth(i).bounding_box() for i in (0, 4)]
    page.mouse.move(boxes[0]["x"] + 20, boxes[0]["y"] + 20)
    page.mouse.down()
    page.mouse.move(boxes[1]["x"] + 20, boxes[1]["y"] + 20, steps=6)
    assert page.locator(".viewer").get_attribute("data-step") == "4"
    page.mouse.up()


def test_wipe_shows_two_steps_and_moves_by_key(show):
    page = show()
    press(page, "Home")
    plain = pixel(page, *SKY), pixel(page, *WATER)
    press(page, "End", "w")
    page.locator("select.left").select_option("0")
    settle(page)
    assert near(pixel(page, *SKY), plain[0])
    assert not near(pixel(page, *WATER), plain[1], 10)
    page.locator(".handle").focus()
    page.keyboard.press("End")
    settle(page)
    assert near(pixel(page, *WATER), plain[1])
    page.keyboard.press("Home")
    settle(page)
    assert not near(pixel(page, *SKY), plain[0], 10)
    start, end = on_screen(page, 0, 200), on_screen(page, 320, 200)
    page.mouse.move(start[0] + 1, start[1])
    page.mouse.down()
    page.mouse.move(*end, steps=5)
    page.mouse.up()
    settle(page)
    assert abs(int(page.locator(".handle").get_attribute("aria-valuenow")) - 50) <= 1
    page.locator("select.right").select_option("2.1")  # one layer of a step alone
    settle(page)
    assert page.locator(".viewer").get_attribute("data-step") == "2"


def test_solo_toggle_and_all(show):
    page = show()
    state(page, opacity=1)
    assert near(pixel(page, *SKY), SAFE["sky"])
    assert near(pixel(page, *DISC), SAFE["disc"])
    page.get_by_role("button", name="tree alone").click()
    settle(page)
    assert near(pixel(page, *TREE), SAFE["tree"])
    assert not near(pixel(page, *SKY), SAFE["sky"], 20)
    assert not near(pixel(page, *DISC), SAFE["disc"], 20)
    page.get_by_role("button", name="all", exact=True).click()
    page.locator(".legend button.class").first.dblclick()  # the largest class, sky
    settle(page)
    assert near(pixel(page, *SKY), SAFE["sky"])
    assert not near(pixel(page, *TREE), SAFE["tree"], 20)
    page.locator(".legend button.class").first.press("Enter")
    settle(page)
    assert not near(pixel(page, *SKY), SAFE["sky"], 20)


def test_probability_and_threshold(show):
    page = show()
    press(page, "Home")
    plain, sky = pixel(page, *DISC), pixel(page, *SKY)
    press(page, "ArrowRight", "ArrowRight", "ArrowRight")
    page.get_by_role("button", name="probability").click()
    settle(page)
    assert not near(pixel(page, *SKY), sky, 10)
    assert not near(pixel(page, *DISC), plain, 2)  # a little, where it is hardly probable
    page.get_by_role("slider", name="at least").fill("0.5")
    settle(page)
    assert near(pixel(page, *DISC), plain)  # the disc is hardly sky
    assert not near(pixel(page, *SKY), plain, 10)
    pictures = [canvas(page)]
    for view in ("entropy", "margin"):
        page.get_by_role("button", name=view).click()
        settle(page)
        assert page.locator(".bar .ramp").count() == 1
        pictures.append(canvas(page))
    assert all(np.abs(a - b).mean() > 3 for a, b in pairwise(pictures))


def test_raw_outline_greyed_and_palette(show):
    page = show()
    press(page, "Home")
    plain = canvas(page)
    press(page, "ArrowRight")
    state(page, opacity=1)
    smooth, inside = canvas(page), pixel(page, *TREE)
    page.get_by_role("button", name="raw cells").click()
    settle(page)
    assert 0 < (np.abs(smooth - canvas(page)).max(-1) > 20).mean() < 0.1
    page.get_by_role("button", name="outline").click()
    settle(page)
    drawn = np.abs(plain - canvas(page)).max(-1) > 20
    assert 0.001 < drawn.mean() < 0.1
    assert not near(pixel(page, *TREE), inside, 20)
    page.get_by_role("button", name="greyed").click()
    page.get_by_role("button", name="tree alone").click()
    settle(page)
    r, g, b = pixel(page, *SKY)
    assert max(r, g, b) - min(r, g, b) < 4
    r, g, b = pixel(page, *TREE)
    assert max(r, g, b) - min(r, g, b) > 20
    page.get_by_role("button", name="fill").click()
    page.get_by_label("colours").select_option("data")
    settle(page)
    assert near(pixel(page, *TREE), (0, 128, 0))  # entry 2 of the VOC colours


def test_hover_reads_the_pixel_and_stays_inside(show):
    page = show()
    before, heat_step = sent(page), 2
    page.mouse.move(*on_screen(page, *TREE))
    settle(page)
    tip = page.locator(".tip")
    assert tip.inner_text().split("\n")[:2] == [f"x {TREE[0]} y {TREE[1]}", "tree"]
    assert float(tip.locator(".value").first.inner_text()) > 0.5
    assert "tree" in page.locator(".panel .pixel").inner_text()
    frame = page.locator(".stage").bounding_box()
    for x, y in [(1, 1), (638, 1), (1, 425), (638, 425), (320, 425)]:
        page.mouse.move(*on_screen(page, x, y))
        settle(page)
        box = tip.bounding_box()
        assert box["x"] >= frame["x"]
        assert box["y"] >= frame["y"]
        assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 0.5
        assert box["y"] + box["height"] <= frame["y"] + frame["height"] + 0.5
    state(page, step=heat_step)
    page.mouse.move(*on_screen(page, *DISC))
    settle(page)
    assert re.search(r"what the skip adds.*\n?[+-]?\d", tip.inner_text())
    page.mouse.move(5, 5)
    settle(page)
    assert tip.is_hidden()
    press(page, "Shift+ArrowRight")
    assert tip.is_visible()
    assert sent(page) == before


def test_cells_show_what_they_see(show):
    page = show()
    state(page, step=1, layers={"cells of stride 32": True})
    page.mouse.move(*on_screen(page, 10, 10))
    settle(page)
    away = pixel(page, 336, 229)
    page.mouse.move(*on_screen(page, 330, 220))  # column 10, row 7: 320..352 x 213.5..244
    settle(page)
    assert not near(pixel(page, 336, 229), away, 8)
    assert "column 10, row 7, sees 97 px" in page.locator(".tip").inner_text()


def test_the_fields_of_several_strides_are_told_apart(show):
    page = show("fields")
    state(page, step=1)
    plain = canvas(page)
    page.mouse.move(*on_screen(page, 330, 220))
    settle(page)
    drawn = np.abs(canvas(page) - plain).max(-1) > 40
    place = page.evaluate(f"{V}.stage.place")
    for stride in (8, 16, 32):
        cell, half = 330 // stride + 0.5, (4 * stride + 1) / 2
        rows = 14 * 32 // stride  # of the grid over 427 pixels
        X = (cell * stride - half) * place["scale"] + place["left"]  # the left side of the field, and its middle
        Y = 427 / rows * (220 * rows // 427 + 0.5) * place["scale"] + place["top"]
        side = drawn[int(Y) - 10 : int(Y) + 10, int(X) - 2 : int(X) + 3]
        assert side.any(1).mean() > 0.4, stride  # dashed
        clear = drawn[int(Y) - 10 : int(Y) + 10, int(X) - 12 : int(X) - 6]
        assert clear.any(1).mean() < 0.3, stride
    words = page.locator(".tip").inner_text()
    assert all(f"stride {s}" in words and f"sees {4 * s + 1} px" in words for s in (8, 16, 32))
    state(page, layers={"stride 32": False})
    settle(page)
    less = np.abs(canvas(page) - plain).max(-1) > 40
    assert less.sum() < 0.8 * drawn.sum()
    page.mouse.move(5, 5)
    settle(page)
    assert np.abs(canvas(page) - plain).max() <= 2


def test_zoom_pan_and_reset(show):
    page = show()
    whole = canvas(page)
    x, y = on_screen(page, *DISC)
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    settle(page)
    assert page.evaluate(f"{V}.stage.camera.zoom") > 2
    assert np.allclose(on_screen(page, *DISC), (x, y), atol=3)  # the mouse comes in whole pixels
    assert np.abs(canvas(page) - whole).mean() > 3
    page.mouse.down()
    page.mouse.move(x - 60, y, steps=4)
    page.mouse.up()
    settle(page)
    assert on_screen(page, *DISC)[0] == pytest.approx(x - 60, abs=2)
    page.mouse.dblclick(x, y)
    page.mouse.move(5, 5)
    settle(page)
    assert page.evaluate(f"{V}.stage.camera.zoom") == 1
    assert np.abs(canvas(page) - whole).max() <= 2


def test_pinch_zooms_and_a_tap_reads(show):
    page = show()
    page.evaluate(f"""() => {{
        const c = {V}.refs.canvas, b = c.getBoundingClientRect(), x = b.left + b.width / 2, y = b.top + b.height / 2;
        const send = (type, pointerId, dx) => c.dispatchEvent(new PointerEvent(type,
            {{pointerId, pointerType: 'touch', clientX: x + dx, clientY: y, bubbles: true}}));
        send('pointerdown', 1, -30); send('pointerdown', 2, 30);
        send('pointermove', 1, -60); send('pointermove', 2, 60);
        send('pointerup', 1, -60); send('pointerup', 2, 60);
    }}""")  # fmt: skip
    settle(page)
    assert page.evaluate(f"{V}.stage.camera.zoom") == pytest.approx(2, rel=0.05)
    assert page.locator(".tip").is_hidden()
    x, y = on_screen(page, 330, 200)
    page.evaluate(f"""([x, y]) => {{
        for (const type of ['pointerdown', 'pointerup']) {V}.refs.canvas.dispatchEvent(
            new PointerEvent(type, {{pointerId: 3, pointerType: 'touch', clientX: x, clientY: y, bubbles: true}}));
    }}""", [x, y])  # fmt: skip
    settle(page)
    assert page.locator(".tip").inner_text().startswith("x 330 y 200\nsky")


def test_the_plain_wheel_scrolls_the_page_until_the_picture_is_clicked(show):
    page = show()
    page.mouse.move(*on_screen(page, *SKY))
    page.mouse.wheel(0, -200)
    settle(page)
    assert page.evaluate(f"{V}.stage.camera.zoom") == 1
    page.mouse.click(*on_screen(page, *SKY))
    page.mouse.wheel(0, -200)
    settle(page)
    assert page.evaluate(f"{V}.stage.camera.zoom") > 1
