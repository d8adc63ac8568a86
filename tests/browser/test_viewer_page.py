"""The viewer as part of a page: files, full screen, panel, reruns, themes, picks, hostile text."""

import re

import pytest
from PIL import Image

from tests.browser.conftest import sent
from tests.browser.looking import (
    DISC,
    SAFE,
    SKY,
    V,
    canvas,
    near,
    on_screen,
    pixel,
    press,
    ready,
    sentence,
    settle,
    state,
)


def test_download_is_the_picture_as_seen(show):
    page = show()
    state(page, opacity=1)
    with page.expect_download() as waiting:
        page.locator("[data-do=download]").click()
    saved = Image.open(waiting.value.path())
    assert waiting.value.suggested_filename == "fcn-test-stride-8.png"
    assert (saved.format, saved.size) == ("PNG", (1280, 854))
    assert near(saved.convert("RGB").getpixel((2 * SKY[0], 2 * SKY[1])), SAFE["sky"])


def test_full_screen_and_back(show):
    page = show()
    before = page.locator(".stage").bounding_box()
    press(page, "f")
    page.wait_for_selector(".viewer:fullscreen")
    settle(page)
    after = page.locator(".stage").bounding_box()
    assert after["width"] * after["height"] > 1.2 * before["width"] * before["height"]
    assert page.locator(".sentences p.now").is_visible()
    assert page.locator(".panel").is_hidden()
    page.keyboard.press("f")
    page.wait_for_selector(".viewer:not(:fullscreen)")


def test_text_of_a_trace_is_never_html(show):
    page = show()
    page.mouse.move(*on_screen(page, *DISC))
    page.locator("summary", has_text="Table behind").click()
    press(page, "w", "ArrowLeft")
    assert page.evaluate("window.hacked") is None
    assert page.locator(".viewer img, .panel img").count() == 0
    assert "<img src=x onerror=window.hacked=1>" in page.locator(".legend").inner_text()
    assert "<img src=x onerror=window.hacked=1>" in sentence(page)


def test_table_behind_the_picture(show):
    page = show()
    page.locator("summary", has_text="Table behind").click()
    settle(page)
    rows = [row.split("\t") for row in page.locator("details table").inner_text().split("\n")]
    assert rows[0] == ["class", "pixels", "share", "mean probability"]
    assert [rows[1][0], rows[1][2]] == ["sky", "47 %"]
    assert sum(int(r[1]) for r in rows[1:]) == 640 * 427
    assert all(0.25 <= float(r[3]) <= 1 for r in rows[1:])


def test_panel_in_another_column(show):
    page = show("panel")
    stage, panel = page.locator(".stage").bounding_box(), page.locator(".panel").bounding_box()
    assert panel["x"] >= stage["x"] + stage["width"]
    assert page.locator(".panel").count() == 1
    state(page, opacity=1)
    page.get_by_role("button", name="tree alone").click()
    settle(page)
    assert not near(pixel(page, *SKY), SAFE["sky"], 20)


def test_looking_survives_reruns_other_traces_and_reloads(show):
    page = show()
    press(page, "Home", "ArrowRight")
    state(page, mode="outline", opacity=0.8, hidden=["sky"])
    trace, before = page.locator(".viewer").get_attribute("data-trace"), sent(page)
    page.get_by_role("button", name="ask again").click()
    page.wait_for_function(f"() => {V}.film.trace.id !== '{trace}'")
    settle(page)
    assert sent(page) > before
    now = page.evaluate(f"({{...{V}.state}})")
    assert (now["step"], now["mode"], now["opacity"], now["hidden"]) == (1, "outline", 0.8, ["sky"])
    page.wait_for_timeout(300)
    page.reload()
    ready(page)
    assert page.evaluate("window.__saccade.state('test')") == "step:1,opacity:0.8,mode:outline,hidden:sky"
    assert page.evaluate("window.__saccade.viewers.size") == 1


def test_an_address_sets_the_first_look(show):
    page = show(extra="&view=step:1,mode:outline,hidden:sky")
    assert page.locator(".viewer").get_attribute("data-step") == "1"
    assert page.locator('[data-value="outline"]').get_attribute("aria-pressed") == "true"
    press(page, "ArrowRight")
    page.get_by_role("button", name="ask again").click()
    page.wait_for_timeout(1000)
    assert page.locator(".viewer").get_attribute("data-step") == "2"  # later looking is not undone


def test_picks_reach_python_and_nothing_else_does(show):
    page = show("picks")
    before = sent(page)
    page.mouse.move(*on_screen(page, 50, 50))
    press(page, "ArrowLeft", "ArrowRight")
    assert sent(page) == before
    counts = []
    for _ in range(2):  # the same place twice
        page.mouse.click(*on_screen(page, *DISC))
        page.wait_for_function("(n) => window.__ws.sends.length > n", arg=sent(page) - 1)
        page.wait_for_timeout(900)
        text = page.get_by_text("picked: Pick").inner_text()
        x, y, step, n = map(float, re.search(r"x=([\d.]+), y=([\d.]+), step=(\d+), n=(\d+)", text).groups())
        assert (x, y, step) == (pytest.approx(DISC[0] + 0.5, abs=1), pytest.approx(DISC[1] + 0.5, abs=1), 3)
        counts.append(n)
    assert counts[1] > counts[0]
    page.mouse.move(5, 5)
    press(page, "Shift+ArrowRight", "Enter")
    page.get_by_text(re.compile("picked: Pick.x=33")).wait_for()


def test_follows_the_theme(show):
    page = show()
    light = page.evaluate(f"getComputedStyle({V}.refs.wrap).backgroundColor")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"() => getComputedStyle({V}.refs.wrap).backgroundColor !== '{light}'")
    rgb = [int(n) for n in re.findall(r"\d+", page.evaluate(f"getComputedStyle({V}.refs.wrap).backgroundColor"))[:3]]
    assert max(rgb) < 80


def test_quick_double_clicks_and_resizing_leave_it_whole(show):
    page = show()
    for name in ("play", "wipe", "next", "in", "out", "previous"):
        page.locator(f"[data-do={name}]").dblclick()
    for width in (700, 500, 1366):
        page.set_viewport_size({"width": width, "height": 768})
    settle(page)
    press(page, "Escape", "0", "Home", "End")
    assert page.locator(".viewer").get_attribute("data-step") == "5"
    assert page.evaluate(f"{V}.state.wipe") is False
    assert canvas(page).std() > 10


@pytest.mark.parametrize("case", ["plain", "portrait", "panorama", "small", "panel"])
def test_picture_toolbar_and_rail_fit_above_the_fold(show, case):
    page = show(case)
    bottom = page.locator(".rail").bounding_box()
    top = page.locator(".viewer").bounding_box()["y"]
    assert bottom["y"] + bottom["height"] - top <= 768 - 110
    assert page.locator(".stage").bounding_box()["height"] >= 150


def test_nothing_is_heard_after_it_is_gone(show):
    page = show()
    page.evaluate(f"window.gone = {V}; document.activeElement.blur()")
    page.evaluate("window.gone.destroy()")
    page.keyboard.press("ArrowLeft")
    page.set_viewport_size({"width": 900, "height": 700})
    settle(page)
    assert page.evaluate("[window.gone.state.step, window.__saccade.viewers.size]") == [3, 0]


def test_copy_link_holds_the_view_and_brings_it_back(show):
    page = show()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    state(page, mode="outline", step=2)
    page.get_by_role("button", name="Copy the link").click()
    address = page.evaluate("navigator.clipboard.readText()")
    assert "mode%3Aoutline" in address
    assert "step%3A2" in address
    other = page.context.new_page()
    other.goto(address)
    ready(other)
    assert other.locator(".viewer").get_attribute("data-step") == "2"
    assert other.evaluate(f"{V}.state.mode") == "outline"
    other.close()
