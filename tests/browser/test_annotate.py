"""Drawing ground truth in a real Chromium: clicks, drags, keys and fingers, until Python has the same labels."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from engine import palette
from engine.debug.polygons import rasterise
from pages.kit.annotate import read_drawing
from tests.browser.conftest import ROOT, WATCH_SOCKETS, sent

A = "window.__saccade.annotators.get('test')"
H, W = 300, 400
SAFE = palette.safe(3).astype(float)
SKY, TREE, DISC, IGNORE = 0, 1, 2, 255
QUAD = [(60, 60), (160, 50), (180, 150), (80, 170)]
Y, X = np.mgrid[:H, :W]
PICTURE = np.stack([60 + X // 4, 90 + Y // 4, np.where(np.hypot(X - 200, Y - 150) < 80, 220, 110)], -1)
REGIONS = Y // 60 * 10 + (X + Y // 3) // 80


@pytest.fixture
def draw(page, serve):
    """draw(case) -> page: the test app, once its picture is there."""

    def opened(case: str = "plain"):
        page.goto(f"{serve(ROOT / 'tests/browser/apps/annotate_app.py')}/?case={case}")
        return ready(page)

    return opened


def ready(page):
    page.wait_for_selector(".annotate[data-ready=true]")
    settle(page)
    return page


def settle(page):
    page.evaluate(
        "() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(r, 20))))"
    )


def at(page, x, y) -> tuple[float, float]:
    """Where a place of the picture is on the screen."""
    return tuple(page.evaluate(f"""([x, y]) => {{
        const e = {A}.easel, p = e.place, b = e.canvas.getBoundingClientRect();
        return [b.left + (x * p.scale + p.left) / e.ratio, b.top + (y * p.scale + p.top) / e.ratio];
    }}""", [x, y]))  # fmt: skip


def click(page, *places, **how):
    for place in places:
        page.mouse.click(*at(page, *place), **how)
    settle(page)


def drag(page, *places, button="left"):
    page.mouse.move(*at(page, *places[0]))
    page.mouse.down(button=button)
    for place in places[1:]:
        page.mouse.move(*at(page, *place), steps=3)
    page.mouse.up(button=button)
    settle(page)


def press(page, *keys):
    page.locator(".stage canvas").focus()
    for key in keys:
        page.keyboard.press(key)
    settle(page)


def choose(page, name: str):
    page.locator(".chips").get_by_role("button", name=name, exact=True).click()
    settle(page)


def state(page) -> dict:
    return page.evaluate(f"{A}.sketch.state")


def polygons(page) -> list[tuple[int, list]]:
    return [(p["label"], [tuple(point) for point in p["points"]]) for p in state(page)["polygons"]]


def close_to(points, wanted, off=0.7) -> bool:
    """A click lands on a whole pixel of the screen, not on any hundredth of one of the picture."""
    return np.shape(points) == np.shape(wanted) and np.abs(np.subtract(points, wanted)).max() <= off


def labels(page) -> np.ndarray:
    """(H, W) what Python would make of what the browser holds."""
    now = state(page)
    told = {"polygons": [[p["label"], np.ravel(p["points"]).tolist()] for p in now["polygons"]], "cells": now["cells"]}
    return rasterise(read_drawing(told, (H, W), 3))


def shows(page, x, y, label: int | None) -> bool:
    """Does the canvas show that label over the picture at the pixel, None: the picture alone?"""
    got = page.evaluate(f"""([x, y]) => {{
        const {{ place: p, context }} = {A}.easel;
        return Array.from(context.getImageData(x * p.scale + p.left, y * p.scale + p.top, 1, 1).data).slice(0, 3);
    }}""", [x + 0.5, y + 0.5])  # fmt: skip
    plain = PICTURE[y, x].astype(float)
    wanted = plain if label is None else 0.45 * plain + 0.55 * SAFE[label]
    return bool(np.abs(got - wanted).max() <= 8)


LOOK = f"new Uint32Array({A}.easel.context.getImageData(0, 0, ...{A}.easel.size).data.buffer)"  # the canvas


def send(page) -> dict:
    """Press the button and wait until Python has printed what came."""
    before = page.locator("code").inner_text() if page.locator("code").count() else ""
    page.get_by_role("button", name="Send it").click()
    page.wait_for_function("(old) => (document.querySelector('code')?.innerText ?? '') !== old", arg=before)
    return json.loads(page.locator("code").inner_text())


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.astype(np.uint8).tobytes()).hexdigest()


def test_a_polygon_of_clicks_is_shown_and_reaches_python(draw):
    page = draw()
    quiet = sent(page)
    choose(page, "tree")
    click(page, *QUAD)
    assert polygons(page) == []
    assert shows(page, 120, 110, None)
    click(page, QUAD[0])
    (label, points), *rest = polygons(page)
    assert (label, rest) == (TREE, [])
    assert close_to(points, QUAD)
    assert shows(page, 120, 110, TREE)
    assert shows(page, 40, 110, None)
    choose(page, "<b>disc</b>")  # text stays text
    click(page, (300, 60), (380, 60), (340, 120))
    page.mouse.dblclick(*at(page, 300, 120))  # a double click sets the last point and closes
    settle(page)
    assert [(p[0], len(p[1])) for p in polygons(page)] == [(TREE, 4), (DISC, 4)]
    choose(page, "ignore")
    click(page, (100, 80), (140, 80), (140, 120))
    press(page, "Enter")
    assert [p[0] for p in polygons(page)] == [TREE, DISC, IGNORE]
    assert labels(page)[100, 138] == 255
    assert labels(page)[140, 120] == TREE
    assert sent(page) == quiet, "nothing is sent before the user asks for it"
    got = send(page)
    assert got["polygons"] == [[k, [list(point) for point in points]] for k, points in polygons(page)]
    assert got["sha"] == digest(labels(page))
    assert send(page)["n"] > got["n"]


def test_points_edges_and_classes_are_edited_and_all_of_it_is_undone(draw):
    page = draw()
    click(page, *QUAD, QUAD[0])
    seen = [polygons(page)]
    press(page, "v")
    click(page, (120, 110))
    drag(page, QUAD[1], (200, 30))  # a point
    seen.append(polygons(page))
    assert close_to(seen[-1][0][1], [QUAD[0], (200, 30), *QUAD[2:]])
    drag(page, (130, 160), (130, 200))  # an edge: a new point
    seen.append(polygons(page))
    assert close_to(seen[-1][0][1], [QUAD[0], (200, 30), QUAD[2], (130, 200), QUAD[3]])
    page.keyboard.down("Alt")
    click(page, (200, 30))
    page.keyboard.up("Alt")
    seen.append(polygons(page))
    assert close_to(seen[-1][0][1], [QUAD[0], QUAD[2], (130, 200), QUAD[3]])
    drag(page, (110, 130), (160, 80))  # the whole of it
    seen.append(polygons(page))
    assert close_to(seen[-1][0][1], [(110, 10), (230, 100), (180, 150), (130, 120)])
    choose(page, "tree")
    seen.append(polygons(page))
    assert seen[-1] == [(TREE, seen[-2][0][1])]
    assert shows(page, 160, 90, TREE)
    click(page, (180, 150))
    press(page, "Delete")  # the chosen point
    seen.append(polygons(page))
    assert len(seen[-1][0][1]) == 3
    click(page, seen[-1][0][1][0])
    press(page, "Backspace")
    assert page.get_by_role("alert").inner_text() == "A polygon has at least 3 points."
    assert polygons(page) == seen[-1]
    page.get_by_role("button", name="Delete the chosen polygon").click()  # points first, so once more
    press(page, "Escape", "Delete")
    assert polygons(page) == []
    for before in reversed(seen):
        press(page, "Control+z")
        assert polygons(page) == before
    for after in seen[1:]:
        press(page, "Control+Shift+Z")
        assert polygons(page) == after
    press(page, *["Control+z"] * len(seen))
    assert (polygons(page), len(state(page)["draft"])) == ([], 4)  # each point was an action, too
    press(page, "Control+z")
    assert len(state(page)["draft"]) == 3


def test_brush_eraser_and_superpixels(draw):
    page = draw()
    click(page, *QUAD, QUAD[0])
    press(page, "b", "2")
    page.get_by_role("slider", name="size").fill("20")
    drag(page, (100, 100), (300, 100))
    distance = np.hypot(X + 0.5 - (X + 0.5).clip(100, 300), Y + 0.5 - 100)
    got = labels(page)
    assert (got[distance < 9.3] == TREE).all()
    assert not (got[distance > 10.7] == TREE).any()
    assert shows(page, 250, 100, TREE)
    choose(page, "eraser")
    drag(page, (110, 80), (110, 120))
    assert labels(page)[100, 110] == SKY  # the polygon below is still there
    choose(page, "ignore")
    drag(page, (140, 60), (140, 150))
    assert labels(page)[130, 140] == 255
    before = labels(page)
    press(page, "s", "3")
    page.mouse.move(*at(page, 330, 200))
    settle(page)
    page.evaluate(f"window.before = {LOOK}")
    page.mouse.move(*at(page, 30, 290))
    settle(page)
    assert page.evaluate(f"{LOOK}.filter((v, i) => v !== before[i]).length") > 300  # another superpixel is outlined
    drag(page, (330, 200), (330, 270))
    want = before.copy()
    want[np.isin(REGIONS, REGIONS[200:271, 330])] = DISC
    assert np.array_equal(labels(page), want)
    assert shows(page, 330, 210, DISC)
    assert send(page)["sha"] == digest(want)
    page.get_by_role("button", name="clear").click()
    assert (labels(page) == 255).all()
    page.get_by_role("button", name="Undo").click()
    assert np.array_equal(labels(page), want)
    press(page, "Control+z")
    assert np.array_equal(labels(page), before)


def test_the_keyboard_does_all_of_it(draw):
    page = draw("bare")
    assert page.locator('[data-tool="superpixel"]').is_hidden()
    press(page, "2", "ArrowLeft", "Enter", *["ArrowRight"] * 6, "Enter", *["ArrowDown"] * 6, "Enter", "Enter")
    x, y = W // 2 + 0.5, H // 2 + 0.5
    assert polygons(page) == [(TREE, [(x - 8, y), (x + 40, y), (x + 40, y + 48)])]
    press(page, "Shift+ArrowUp", "Enter", "Backspace", "Enter", "Escape")
    assert state(page)["draft"] == []
    press(page, "]", "n", "n", "Shift+ArrowUp", "ArrowRight")
    page.wait_for_timeout(350)
    assert polygons(page) == [(TREE, [(x - 8, y), (x + 41, y - 10), (x + 40, y + 48)])]
    press(page, "a", "Escape", "1", "ArrowDown")
    page.wait_for_timeout(350)
    assert polygons(page) == [(SKY, [(x - 8, y + 1), (x + 41, y - 9), (x + 40.5, y + 20), (x + 40, y + 49)])]
    press(page, "Control+z")
    assert polygons(page)[0][1][0] == (x - 8, y)
    press(page, "b", ".", ".", "3", "ArrowUp", "Enter")
    assert (labels(page) == DISC).sum() == pytest.approx(np.pi * 25**2 / 4, rel=0.1)
    press(page, "[", "Delete")
    assert polygons(page) == []
    keys = page.locator("canvas").get_attribute("aria-keyshortcuts").split()
    assert {"Enter", "Escape", "Delete", "Control+Z", "V", "P", "B", "S"} <= set(keys)


def test_it_outlives_reruns_reloads_and_takes_a_file_once(draw):
    page = draw()
    click(page, *QUAD, QUAD[0])
    one = polygons(page)
    page.get_by_text("load a file").click()
    page.wait_for_function(f"() => {A}.sketch.state.polygons[0]?.label === 1")
    press(page, "Control+z")
    assert polygons(page) == one  # the file took its place, and that is undone
    page.get_by_text("other page").click()
    page.wait_for_selector(".annotate", state="detached")
    page.get_by_text("other page").click()
    ready(page)
    assert polygons(page) == one
    press(page, "Control+z")
    assert len(state(page)["draft"]) == 4  # its history as well
    press(page, "Control+Shift+Z", "b")
    drag(page, (20, 250), (200, 250))
    two = labels(page)
    page.reload()
    ready(page)
    assert np.array_equal(labels(page), two)


def test_a_drawing_comes_back_in_a_later_visit_and_reaches_python(draw):
    page = draw("live")
    press(page, "b")
    drag(page, (50, 60), (300, 60))
    want = digest(labels(page))
    known = "(sha) => document.querySelector('code')?.innerText.includes(sha)"
    page.wait_for_function(known, arg=want)
    page.reload()  # another visit for the server, which knows nothing any more
    ready(page)
    page.locator(".said", has_text="Your drawing from before is back. Undo takes it away.").wait_for()
    page.wait_for_function(known, arg=want)
    press(page, "Control+z")
    page.wait_for_function(known, arg=digest(np.full((H, W), IGNORE)))
    assert state(page)["cells"] == f"255 {W * H}"
    page.reload()
    ready(page)
    assert labels(page).min() == IGNORE
    assert page.locator(".said").inner_text() == ""
    assert page.locator("code").count() == 0


def test_live_sends_each_finished_action_and_nothing_before(draw):
    page = draw("live")
    quiet = sent(page)
    click(page, *QUAD[:3])
    page.wait_for_timeout(400)
    assert sent(page) == quiet  # an open polygon is no part of the drawing
    press(page, "Escape", "b")
    page.mouse.move(*at(page, 50, 50))
    page.mouse.down()
    page.mouse.move(*at(page, 300, 60), steps=8)
    page.wait_for_timeout(400)
    assert sent(page) == quiet
    page.mouse.up()
    page.wait_for_selector("code")
    for y in (120, 130, 140):
        drag(page, (50, y), (300, y))
    want = digest(labels(page))
    page.wait_for_function("(sha) => document.querySelector('code')?.innerText.includes(sha)", arg=want)
    assert sent(page) - quiet <= 4
    page.wait_for_function(f"() => !{A}.messenger.flying")


def test_zoom_and_pan_keep_places(draw):
    page = draw()
    click(page, QUAD[0])
    page.mouse.move(*at(page, 200, 150))
    before = at(page, 200, 150)
    for _ in range(2):
        page.mouse.wheel(0, -400)
    settle(page)
    page.wait_for_function(f"() => {A}.easel.camera.zoom > 3")
    assert at(page, 200, 150) == pytest.approx(before, abs=4)  # the mouse keeps to whole pixels
    page.keyboard.down(" ")
    drag(page, (200, 150), (220, 160))
    page.keyboard.up(" ")
    moved = at(page, 200, 150)
    assert min(np.subtract(moved, before)) > 20
    drag(page, (220, 160), (200, 150), button="middle")
    assert at(page, 200, 150) == pytest.approx(before, abs=4)
    assert len(state(page)["draft"]) == 1  # neither set a point
    click(page, (220, 120), (210, 160))
    press(page, "0")
    click(page, QUAD[0])
    assert close_to(polygons(page)[0][1], [QUAD[0], (220, 120), (210, 160)])
    assert page.evaluate(f"{A}.easel.camera.zoom") == 1


def test_fingers_on_a_dense_screen(browser, serve):
    context = browser.new_context(viewport={"width": 900, "height": 700}, device_scale_factor=2, has_touch=True)
    context.add_init_script(WATCH_SOCKETS)
    page = context.new_page()
    page.goto(f"{serve(ROOT / 'tests/browser/apps/annotate_app.py')}/")
    ready(page)
    assert page.evaluate(f"{A}.easel.canvas.width / {A}.easel.canvas.clientWidth") == pytest.approx(2, abs=0.01)
    for place in (*QUAD, QUAD[0]):
        page.touchscreen.tap(*at(page, *place))
    settle(page)
    assert close_to(polygons(page)[0][1], QUAD)
    touch = context.new_cdp_session(page)
    fingers = [at(page, 150, 100), at(page, 250, 200)]

    def put(kind: str, *points):
        places = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    press(page, "b")
    put("touchStart", fingers[0])
    put("touchMove", (fingers[0][0] + 30, fingers[0][1]))
    put("touchStart", fingers[0], fingers[1])  # a second finger: the stroke was not meant
    put("touchMove", fingers[0], (fingers[1][0] + 60, fingers[1][1] + 60))
    put("touchEnd")
    settle(page)
    assert page.evaluate(f"{A}.easel.camera.zoom") > 1.2
    assert page.evaluate(f"{A}.sketch.painting.cells.every((cell) => cell === 255)")
    spot = page.evaluate(f"[{A}.easel.camera.x, {A}.easel.camera.y]")
    page.touchscreen.tap(*at(page, *spot))
    settle(page)
    assert labels(page)[int(spot[1]), int(spot[0])] == SKY
    context.close()
