"""Two viewers that step together, steps as words, rows that can be chosen, and a brush with names of its own."""

import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import expect

from engine import palette
from tests.browser.apps.told import NAMES, SEEN, WORDS
from tests.browser.conftest import ROOT, sent
from tests.browser.looking import settle
from tests.browser.modules import load

KEYS = ("soft", "hard")
BOTH = "() => ['soft', 'hard'].every((k) => window.__saccade?.viewers.get(k)?.refs.wrap.dataset.ready)"

CUT = "(all) => all.filter((e) => e.scrollWidth > e.clientWidth || e.clientHeight > 20).map((e) => e.textContent)"


@pytest.fixture
def two(page, serve):
    """two(case, extra="") -> page: both viewers with their pictures and their panels."""

    def opened(case: str = "panels", extra: str = ""):
        page.goto(f"{serve(ROOT / 'tests/browser/apps/link_app.py')}/?case={case}{extra}")
        wait(page)
        return page

    return opened


def wait(page) -> None:
    page.wait_for_function(BOTH)
    expect(page.locator(".panel .pixel")).to_have_count(2)
    settle(page)


def steps(page) -> tuple[int, ...]:
    return tuple(page.evaluate(f"window.__saccade.viewers.get('{key}').step") for key in KEYS)


def look(page, key: str) -> dict:
    """What the viewer `key` looks at: its State."""
    return page.evaluate(f"({{...window.__saccade.viewers.get('{key}').state}})")


def data(page, key: str) -> np.ndarray:
    """The canvas of the viewer `key`, (H, W, 4) uint8."""
    text, shape = page.evaluate(f"""() => {{
        const {{ canvas, context }} = window.__saccade.viewers.get('{key}').stage, {{ width: w, height: h }} = canvas;
        return [Array.from(context.getImageData(0, 0, w, h).data), [h, w, 4]];
    }}""")
    return np.array(text, np.uint8).reshape(shape).astype(int)


def press(page, key: str, *keys: str) -> None:
    """Press keys on the picture of the viewer `key`."""
    page.evaluate(f"window.__saccade.viewers.get('{key}').refs.canvas.focus()")
    for name in keys:
        page.keyboard.press(name)
    settle(page)


def viewer(page, key: str):
    return page.locator(".viewer").nth(KEYS.index(key))


def panel(page, key: str):
    """The panel that the left viewer has in the third column, or the right one below its picture."""
    return page.locator(".aside .panel") if key == "soft" else page.locator(".below .panel")


def test_stepping_one_steps_both_and_sends_nothing(two):
    page = two()
    before, old = sent(page), [data(page, key) for key in KEYS]
    assert steps(page) == (2, 2)
    press(page, "hard", "ArrowRight")
    assert steps(page) == (3, 3)
    for key, former in zip(KEYS, old, strict=True):
        assert np.abs(data(page, key) - former).max() > 40, key
        expect(viewer(page, key).locator(".sentences p.now")).to_contain_text(WORDS[2])
    viewer(page, "soft").locator(".rail button").nth(5).click()
    assert steps(page) == (5, 5)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowLeft")  # from the bare page
    assert steps(page) == (4, 4)
    page.wait_for_timeout(400)
    assert sent(page) == before


def test_what_covers_the_picture_is_shared_but_the_rest_is_not(two):
    page = two()
    before, plain = sent(page), data(page, "hard")
    viewer(page, "soft").get_by_role("slider", name="opacity").fill("1")
    viewer(page, "soft").get_by_role("button", name="raw cells").click()
    settle(page)
    assert [look(page, k)["opacity"] for k in KEYS] == [1, 1]
    assert [look(page, k)["smooth"] for k in KEYS] == [False, False]
    covered = data(page, "hard")
    assert np.abs(covered - plain).max() > 40
    panel(page, "soft").get_by_label("alpha").uncheck()
    settle(page)
    assert look(page, "hard")["layers"] == {"alpha": False}
    expect(panel(page, "hard").get_by_label("alpha")).not_to_be_checked()
    assert np.abs(data(page, "hard") - covered).max() > 40
    viewer(page, "soft").get_by_role("button", name="Wipe", exact=True).click()
    assert [look(page, k)["wipe"] for k in KEYS] == [True, False]
    assert sent(page) == before


def test_fewer_steps_show_their_last_and_come_back(two):
    page = two("short")
    press(page, "soft", "End")
    assert steps(page) == (8, 3)
    press(page, "hard", "ArrowLeft")  # the group goes back, whoever has the focus
    assert steps(page) == (7, 3)
    press(page, "hard", *["ArrowLeft"] * 5)
    assert steps(page) == (2, 2)
    press(page, "hard", *["ArrowRight"] * 20)
    assert steps(page) == (8, 3)
    expect(viewer(page, "hard").locator("[data-do=next]")).to_be_disabled()
    viewer(page, "hard").locator(".rail button").nth(1).click()
    assert steps(page) == (1, 1)


def test_play_in_one_plays_both(two):
    page = two("short")
    press(page, "soft", "End", "ArrowLeft", "ArrowLeft")
    viewer(page, "hard").locator("[data-do=play]").click()
    for key in KEYS:
        expect(viewer(page, key).locator("[data-do=play]")).to_have_attribute("aria-label", "Pause")
    expect(viewer(page, "soft")).to_have_attribute("data-step", "8")
    for key in KEYS:
        expect(viewer(page, key).locator("[data-do=play]")).to_have_attribute("aria-label", "Play")
    viewer(page, "soft").locator("[data-do=play]").click()
    viewer(page, "hard").locator("[data-do=play]").click()  # either stops it
    expect(viewer(page, "soft").locator("[data-do=play]")).to_have_attribute("aria-label", "Play")
    left, right = steps(page)
    assert left == right < 3  # it began anew


def test_a_pointer_marks_the_same_pixel_in_the_other(two):
    page = two()
    before, plain = sent(page), data(page, "hard")
    x, y, scale = 180, 120, data(page, "soft").shape[1] / 360
    frame = viewer(page, "soft").locator(".stage").bounding_box()
    page.mouse.move(frame["x"] + frame["width"] * x / 360, frame["y"] + frame["height"] * y / 240)
    settle(page)
    rows, columns = np.nonzero(np.abs(data(page, "hard") - plain).max(-1) > 40)
    assert len(rows) > 20
    assert abs(rows.mean() - scale * y) < 3
    assert abs(columns.mean() - scale * x) < 3
    page.mouse.move(5, 5)
    settle(page)
    assert np.array_equal(data(page, "hard"), plain)
    assert sent(page) == before


def test_zoom_and_pan_are_shared(two):
    page = two()
    before, plain = sent(page), data(page, "hard")
    frame = viewer(page, "soft").locator(".stage").bounding_box()
    page.mouse.move(frame["x"] + 0.3 * frame["width"], frame["y"] + 0.4 * frame["height"])
    viewer(page, "soft").locator("canvas").first.focus()
    page.mouse.wheel(0, -400)
    settle(page)
    cameras = [page.evaluate(f"window.__saccade.viewers.get('{key}').stage.camera") for key in KEYS]
    assert cameras[0]["zoom"] > 1.5
    assert cameras[0] == cameras[1]
    assert np.abs(data(page, "hard") - plain).max() > 40
    page.mouse.down()
    page.mouse.move(frame["x"] + 0.5 * frame["width"], frame["y"] + 0.5 * frame["height"], steps=4)
    page.mouse.up()
    settle(page)
    panned = [page.evaluate(f"window.__saccade.viewers.get('{key}').stage.camera") for key in KEYS]
    assert panned[0]["x"] < cameras[0]["x"]
    assert panned[0] == panned[1]
    press(page, "hard", "0")  # the other one ends it for both
    assert [page.evaluate(f"window.__saccade.viewers.get('{key}').stage.camera.zoom") for key in KEYS] == [1, 1]
    page.mouse.move(5, 5)
    settle(page)
    assert np.array_equal(data(page, "hard"), plain)
    assert sent(page) == before


def test_viewers_without_a_link_go_their_own_ways(two):
    page = two("apart")
    press(page, "hard", "ArrowRight")
    assert steps(page) == (2, 3)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowLeft")  # the bare page does not know which
    assert steps(page) == (2, 3)
    viewer(page, "hard").locator("[data-do=play]").click()
    expect(viewer(page, "soft").locator("[data-do=play]")).to_have_attribute("aria-label", "Play")


def test_the_address_is_for_the_first_viewer(two):
    page = two("apart", "&view=step:4,opacity:0.9")
    assert steps(page) == (4, 2)
    page = two("panels", "&view=step:5,opacity:0.8")
    assert steps(page) == (5, 5)
    assert look(page, "hard")["opacity"] == 0.8
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(page, "hard", "ArrowLeft")
    viewer(page, "hard").get_by_role("button", name="Copy the link").click()
    expect(viewer(page, "hard").locator("[data-said]")).to_be_visible()
    address = urlsplit(page.evaluate("navigator.clipboard.readText()"))
    assert parse_qs(address.query)["view"][0].startswith("step:4,opacity:0.8")


def test_looking_together_survives_a_reload(two):
    page = two()
    press(page, "hard", "End")
    page.wait_for_function("() => JSON.parse(sessionStorage.getItem('saccade.soft') ?? '{}').step === 8")
    page.reload()
    wait(page)
    assert steps(page) == (8, 8)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowLeft")
    assert steps(page) == (7, 7)


def test_each_viewer_has_its_panel_where_it_is_wanted(two):
    page = two("both")
    expect(page.locator(".aside .panel")).to_have_count(2)
    press(page, "hard", "ArrowRight")
    for i in range(2):
        expect(page.locator(".aside .panel table").nth(i)).to_contain_text(WORDS[2])
    page = two("panels")
    expect(page.locator(".aside .panel")).to_have_count(1)
    expect(page.locator(".below .panel")).to_have_count(1)


def test_nothing_is_cut_where_two_stand_beside_each_other(two):
    page = two()
    for width in (1366, 1280):
        page.set_viewport_size({"width": width, "height": 768})
        settle(page)
        for key in KEYS:
            box = viewer(page, key).bounding_box()
            assert 340 < box["width"] < 430
            assert viewer(page, key).locator(".tools").bounding_box()["height"] < 40  # one line
            for part in viewer(page, key).locator(".tools :is(button, input), .words button").all():
                inner = part.bounding_box()
                if inner:
                    assert inner["x"] >= box["x"] - 6
                    assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 6
            cut = viewer(page, key).locator(".rail span").evaluate_all(CUT)
            assert cut == []  # a title of one word stands whole on one line


def test_words_lead_to_their_steps(two):
    page = two()
    before, words = sent(page), viewer(page, "hard").locator(".words")
    assert words.locator("button").all_inner_texts() == ["picture", *WORDS]
    expect(words.locator("[aria-current=step]")).to_have_text(WORDS[1])
    words.get_by_role("button", name="skateboards").click()
    assert steps(page) == (5, 5)
    expect(words.locator("[aria-current=step]")).to_have_text("skateboards")
    expect(viewer(page, "soft").locator(".words [aria-current=step]")).to_have_text("skateboards")
    page.keyboard.press("ArrowRight")
    settle(page)
    assert steps(page) == (6, 6)
    expect(words.get_by_role("button", name=",")).to_be_focused()  # the focus goes with the step
    word, comma = (words.locator("button").nth(i).bounding_box() for i in (5, 6))
    assert comma["y"] == pytest.approx(word["y"], abs=1)  # punctuation stays with its word
    assert comma["x"] <= word["x"] + word["width"]
    words.get_by_role("button", name="picture").click()
    assert steps(page) == (0, 0)
    assert sent(page) == before


def test_a_row_reaches_python_once_with_its_step(two):
    page = two()
    press(page, "hard", "ArrowRight")
    before = sent(page)
    row = panel(page, "hard").get_by_role("button", name="Force this word: unicycle")
    row.click()
    expect(page.get_by_text("hard row: Row")).to_have_text(re.compile(r"Row\(step=3, row=2, n=\d+\)"))
    expect(page.get_by_text("soft row: None")).to_be_visible()
    page.wait_for_timeout(400)
    assert sent(page) == before + 1
    first = page.get_by_text("hard row: Row").inner_text()
    row.focus()
    page.keyboard.press("Enter")  # the same again
    expect(page.get_by_text("hard row: Row")).not_to_have_text(first)
    assert sent(page) == before + 2
    expect(page.get_by_text("hard picked: None")).to_be_visible()
    expect(row).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_text("hard row: Row")).to_contain_text("row=3")
    assert page.locator(".panel b b").count() == 0  # the last row's word is text, not HTML


def test_bars_are_the_probabilities_themselves(two):
    page = two()
    rows = panel(page, "soft").locator(".choices tbody tr")
    shares = rows.evaluate_all("(all) => all.map((e) => Number(e.style.getPropertyValue('--share')))")
    assert shares == [SEEN, 0.2, 0.05, 0]
    expect(panel(page, "soft").locator(".choices tr[aria-current]")).to_have_text(re.compile(WORDS[1]))
    assert not panel(page, "soft").locator("[data-ref=views]").is_visible()  # no step has scores of classes


def test_the_last_column_of_shares(page):
    tables = {
        "p": ([["dog", 3, 0.5], ["cat", 7, None]], [0.5, None]),
        "wide": ([["dog", 0.5, 1.2]], None),
        "text": ([["dog", 0.25, "x"], ["cat", 1, "y"]], [0.25, 1]),
        "negative": ([["dog", 0.5, -0.1]], None),
        "words": ([["dog", "a", "b"]], None),
        "empty": ([], None),
    }
    run = load(page)
    for name, (rows, want) in tables.items():
        assert run("tables", "return m.lastShares(['word', 'a', 'b'], a.rows)", rows=rows) == want, name


def test_names_of_the_brush_are_shown_and_painted(two):
    page = two()
    before, card = sent(page), panel(page, "soft").locator(".brush")
    card.get_by_role("button", name="paint", exact=True).click()
    assert card.locator(".chips button").all_inner_texts() == [*NAMES, "eraser"]
    colours = card.locator(".chips i").evaluate_all("(all) => all.map((e) => getComputedStyle(e).backgroundColor)")
    safe = palette.safe(len(NAMES)).astype(float)
    assert colours[:2] == [f"rgb({r}, {g}, {b})" for r, g, b in palette.safe(2).tolist()]
    old = data(page, "soft")
    card.get_by_role("button", name=NAMES[1]).click()
    frame = viewer(page, "soft").locator(".stage").bounding_box()
    page.mouse.click(frame["x"] + 200, frame["y"] + 130)
    page.mouse.move(5, 5)
    settle(page)
    now = data(page, "soft")
    blended = 0.15 * old[130, 200, :3] + 0.85 * safe[1]
    assert np.abs(now[130, 200, :3] - blended).max() <= 3
    assert page.evaluate("window.__saccade.viewers.get('hard').brush.painting.empty")
    assert sent(page) == before
    card.get_by_role("button", name="Look there").click()
    expect(page.get_by_text("soft painted: [1, 255]")).to_be_visible()
    expect(page.get_by_text("hard painted: None")).to_be_visible()
