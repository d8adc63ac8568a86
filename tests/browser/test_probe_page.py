"""The probe page in Chromium: strengths change picture and numbers, the square is dragged, the map can be given up."""

from __future__ import annotations

import base64
import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from engine import gallery
from engine.debug.answers import answer
from engine.debug.probe import Blur, Patch, Probe, grey
from engine.debug.probe_changes import changes
from pages.kit.rooms import PROBE
from tests.browser.conftest import ROOT, sent
from tests.browser.rooms import canvas, go_to, middle, new_trace
from tests.debug.toy import Toy

RGB = gallery.get("chelsea").load().rgb
P = "window.__saccade.patches.get('probe_patch')"


def visit(page, serve, query: str):
    page.goto(f"{serve(ROOT / 'tests/browser/apps/probe_app.py')}/{PROBE.url}?image=chelsea&{query}")
    page.wait_for_selector("[data-ready=true]", timeout=60_000)
    return page


@pytest.fixture
def patch(page, serve):
    """The page with the grey square in the middle of its picture."""
    visit(page, serve, "probe=Grey+patch&patch=225_150_96")
    answered(page)
    return page


def says(page, probe: Probe) -> None:
    """Wait until the page tells the share of labels that this probe changes."""
    probed, before = probe.apply(RGB), answer(Toy(), RGB)
    share = changes(probe, before, answer(Toy(), probed), probed, 0).share
    page.get_by_test_id("stMetricValue").first.filter(has_text=f"{100 * share:.1f} %").wait_for()


def answered(page) -> None:
    """Until Python has answered all that was told, and it is painted."""
    page.wait_for_function(f"() => {{ const d = {P}; return d && !d.flying && !d.unsent && !d.pending && d.bitmap; }}")
    page.evaluate("() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")


def square(page) -> tuple[int, int, int]:
    return tuple(page.evaluate(f"(({{x, y, side}}) => [x, y, side])({P}.square)"))


def pixels(page) -> np.ndarray:
    """The component's canvas, (H, W, 3), at the picture's size."""
    text = page.evaluate(f"{P}.pane.canvas.toDataURL()")
    image = Image.open(io.BytesIO(base64.b64decode(text.split(",")[1]))).convert("RGB")
    return np.asarray(image.resize(RGB.shape[1::-1])).astype(int)


FRAMES = "() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))"


def off(page, x: int, y: int) -> float:
    """The most that a pixel of the square around (x, y) is off the grey it should have, once a frame has come."""
    for _ in range(20):  # an answer to a place on the way may be painted between two frames
        found = np.abs(pixels(page)[y - 40 : y + 40, x - 40 : x + 40] - grey(RGB)).max()
        if found <= 2:
            break
        page.evaluate(FRAMES)
    return found


def test_a_strength_changes_the_picture_and_the_number(page, serve):
    visit(page, serve, "blur=1")
    page.wait_for_selector(".panel .legend")
    x, y = middle(page)
    says(page, Blur(1.0))
    before = canvas(page)
    page.get_by_role("slider", name="Strength").focus()
    new_trace(page, "probe_view", lambda: page.keyboard.press("End"))
    says(page, Blur(16.0))
    assert (np.abs(canvas(page) - before).max(-1) > 15).mean() > 0.05
    assert "blur=16" in page.url
    go_to(page, "Before")
    page.mouse.click(x - 60, y)
    page.get_by_text("p, this pixel").wait_for()
    page.wait_for_function("() => ['dark', 'bright'].includes(new URLSearchParams(location.search).get('watch'))")
    assert "at=" in page.url


def test_the_square_is_dragged_and_the_answer_follows(patch):
    page = patch
    assert square(page) == (225, 150, 96)
    page.get_by_role("button", name="picture", exact=True).click()
    assert off(page, 225, 150) <= 2
    shown = pixels(page)
    outside = np.abs(shown - RGB)[:, :170].mean()
    assert outside < 8, "the picture beside it is as it was"
    box = page.locator(".square").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.evaluate(f"""() => {{ const d = {P}, plain = d.send; window.__told = [];
        d.send = (name, value) => {{
            window.__told.push([value.n, value.done, d.head.n, Date.now()]); plain(name, value); }};
        const receive = d.receive.bind(d);
        d.receive = (head, bytes, end, send) => receive(head, bytes, end, d.send); }}""")
    messages, link = sent(page), page.url
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 150, y - 60, steps=8)
    page.evaluate(FRAMES)
    x1, y1, side = square(page)
    scale = box["width"] / 96
    assert (x1, y1, side) == (pytest.approx(225 - 150 / scale, abs=1), pytest.approx(150 - 60 / scale, abs=1), 96)
    assert off(page, x1, y1) <= 2, "drawn by the browser"
    answered(page)
    assert sent(page) > messages, "Python is asked during the drag"
    says(page, Patch(96.0, x1, y1))
    assert page.url == link
    page.mouse.up()
    page.wait_for_function(f"() => new URLSearchParams(location.search).get('patch') === '{x1}_{y1}_96'")
    answered(page)
    told = page.evaluate("window.__told")
    in_turn = [then[2] >= first[0] or then[3] - first[3] >= 3000 for first, then in pairwise(told)]
    assert all(in_turn), "one in flight at most, but for one that was lost"
    assert told[-1][1], "the last one says that it was let go"


def test_keys_move_it_and_the_labels_follow(patch):
    page = patch
    says(page, Patch(96.0, 225, 150))
    page.locator(".square").focus()
    for key in ("ArrowRight", "Shift+ArrowDown", "]", "]"):
        page.keyboard.press(key)
    assert square(page) == (226, 166, 112)
    page.locator("[data-ref=side]").fill("360")
    page.wait_for_function("() => new URLSearchParams(location.search).get('patch') === '226_166_360'")
    answered(page)
    says(page, Patch(360.0, 226, 166))
    labels = pixels(page)
    page.get_by_role("button", name="changed", exact=True).click()
    answered(page)
    assert (np.abs(pixels(page) - labels).max(-1) > 20).mean() > 0.1
    page.reload()
    page.wait_for_selector("[data-ready=true]", timeout=60_000)
    assert square(page) == (226, 166, 360)


def test_the_occlusion_map_is_run_and_given_up(page, serve):
    visit(page, serve, "side=160&step=128&copy=160+px&probe=No+change")
    page.get_by_role("tab", name="Occlusion map").click()
    page.get_by_role("button", name="Slide the square").click()
    page.get_by_role("button", name="Hide the place that costs most").wait_for(timeout=60_000)
    assert page.locator("[data-ready=true] canvas").count() >= 2
    page.get_by_role("slider", name="Step, px").focus()
    page.keyboard.press("Home")
    page.get_by_text("57 x 38 places: 2,166 runs").wait_for()
    page.get_by_role("button", name="Slide the square").click()
    page.get_by_text("Slide the square: ").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled.").wait_for()
    page.get_by_role("button", name="Slide the square").wait_for()
