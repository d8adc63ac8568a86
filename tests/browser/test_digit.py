"""The live digit in a real Chromium, on its page: hands, keys, a pad, distractors, autoplay, the address."""

from __future__ import annotations

import base64
import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from engine.spatial.distortions import TASKS
from engine.spatial.placing import draw, from_url, scatter
from engine.spatial.samples import samples
from pages.spatial.transformer_controls import TASK_WORDS
from pages.spatial.transformer_hand import START
from tests.browser.conftest import ROOT, sent
from tests.spatial.untrained import small_model

D = "window.__saccade.digits.get('transformer_digit')"
FOUR = samples().images[40]


@pytest.fixture
def visit(page, serve):
    """visit(task, query) -> page: the transformers' page with small networks, once Python has answered."""

    def opened(task: str = "RTS", query: str = ""):
        words = TASK_WORDS[task].replace(" ", "+").replace(",", "%2C")
        page.goto(f"{serve(ROOT / 'tests/browser/apps/digit_app.py')}/transformer?task={words}{query}")
        page.wait_for_selector(".digit[data-ready=true]", timeout=60_000)
        answered(page)
        return page

    return opened


def answered(page) -> None:
    """Wait until Python has answered all that was told, and it is painted."""
    page.wait_for_function(f"() => {{ const d = {D}; return d && !d.flying && !d.unsent && !d.pending && !d.dead; }}")
    page.evaluate(
        "() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(r, 30))))"
    )


def settled(page, state: str) -> None:
    """Wait until a state of the component holds, and Python has answered for it."""
    page.wait_for_function(f"() => {{ const d = {D}; return d && {state}; }}")
    answered(page)


def canvas(page, part: str) -> np.ndarray:
    text = page.evaluate(f"{D}.{part}.pane.canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text.split(",")[1]))).convert("RGB")).astype(int)


def numbers(page) -> list[float]:
    return page.evaluate(f"{D}.state.numbers")


def joined(values: list[float]) -> str:
    """As JavaScript joins them."""
    return ",".join(f"{v:g}" for v in values)


def agrees(page, task: str, digit: np.ndarray = FOUR, pieces=None) -> None:
    """The browser's input is the engine's, and the answer is the networks' of just that input."""
    size = TASKS[task].size
    levels = np.reshape(page.evaluate(f"Array.from({D}.levels)"), (size, size))
    wanted = draw(digit, TASKS[task], tuple(numbers(page)), pieces)
    assert np.abs(levels - wanted.astype(int)).max() <= 1
    assert np.reshape(page.evaluate(f"Array.from({D}.frame.input)"), (size, size)).tolist() == wanted.tolist()
    read = small_model(task, "affine").read(wanted[None, None] / 255)
    assert page.evaluate(f"Array.from({D}.frame.chances)") == pytest.approx(read.chances[0], abs=1e-3)
    assert page.evaluate(f"Array.from({D}.frame.theta)") == pytest.approx(read.theta[0][0], abs=1e-3)


def pull(page, selector: str, dx: float, dy: float, *, release: bool = True) -> None:
    box = page.locator(selector).first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=6)
    if release:
        page.mouse.up()


KINDS = [("R", ["rotation"]), ("RTS", ["rotation", "corner top left", "centre"]), ("TC", ["centre"]),
         ("P", ["corner bottom right", "centre"]), ("E", ["point 5"])]  # fmt: skip


@pytest.mark.parametrize(("task", "handles"), KINDS, ids=[task for task, _ in KINDS])
def test_each_kind_of_handle_moves_the_digit_and_python_answers_while_it_is_dragged(visit, task, handles):
    page = visit(task)
    pieces = scatter(samples().images, TASKS[task], 0) if task == "TC" else None
    agrees(page, task, pieces=pieces)
    for handle in handles:
        before, was, messages = canvas(page, "scene"), numbers(page), sent(page)
        pull(page, f'[data-handle="{handle}"]', 31, 17, release=False)
        settled(page, f"d.state.numbers.join() !== '{joined(was)}'")
        assert numbers(page) != was
        assert (np.abs(canvas(page, "scene") - before).max(-1) > 20).mean() > 0.005
        assert sent(page) > messages, "Python is asked during the drag"
        agrees(page, task, pieces=pieces)
        assert page.evaluate("new URLSearchParams(location.search).get('pose')") is None or handle != handles[0]
        page.mouse.up()
        page.wait_for_function(
            f"() => ({D}?.state.numbers ?? []).join('_') === new URLSearchParams(location.search).get('pose')"
        )
        answered(page)
        agrees(page, task, pieces=pieces)


def test_one_message_is_in_flight_at_most(visit):
    page = visit()
    page.evaluate(f"""() => {{ const d = {D}, plain = d.send; window.__told = [];
        d.send = (name, value) => {{ window.__told.push([value.n, value.done, d.head.n]); plain(name, value); }};
        const receive = d.receive.bind(d);
        d.receive = (head, bytes, end, send) => receive(head, bytes, end, d.send); }}""")
    pull(page, '[data-handle="rotation"]', 40, 60)
    answered(page)
    told = page.evaluate("window.__told")
    assert len(told) >= 2
    assert all(answer >= before[0] for before, (_, _, answer) in pairwise(told)), told
    assert told[-1][1], "the last one says that it was let go"


def test_undo_redo_keys_and_upright(visit):
    page = visit()
    start = list(START["RTS"])
    page.locator('[data-handle="centre"]').focus()
    page.keyboard.press("q")
    settled(page, "d.history.at === 1")
    assert numbers(page) == [35, *start[1:]]
    # two keys at once, however slow the machine is: they join the same state
    page.locator('[data-handle="centre"]').evaluate("""(handle) => {
        for (const [key, shiftKey] of [["ArrowLeft", true], ["ArrowDown", false]])
            handle.dispatchEvent(new KeyboardEvent("keydown", {key, shiftKey, bubbles: true, composed: true}));
    }""")
    settled(page, "d.history.at === 2")
    page.locator('[data-handle="centre"]').focus()
    assert numbers(page) == pytest.approx([35, 0.9, -1, -2])
    page.keyboard.press("+")
    settled(page, "d.history.at === 3")
    assert numbers(page)[1] == pytest.approx(0.945)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert numbers(page) == [35, *start[1:]]
    page.keyboard.press("Control+Shift+z")
    assert numbers(page) == pytest.approx([35, 0.9, -1, -2])
    page.get_by_role("button", name="upright").click()
    settled(page, "d.state.numbers.join() === '0,1,0,0'")
    agrees(page, "RTS")
    assert page.locator("[data-ref=reset]").is_disabled()


def test_the_address_is_taken_and_a_bad_one_told(visit):
    page = visit("RTS", "&pose=-20.5_1.1_-3_2&digit=7&variant=2")
    assert numbers(page) == [-20.5, 1.1, -3, 2]
    agrees(page, "RTS", samples().images[72])
    page.reload()
    page.wait_for_selector(".digit[data-ready=true]", timeout=60_000)
    answered(page)
    assert numbers(page) == [-20.5, 1.1, -3, 2]
    page = visit("RTS", "&pose=1_2_nonsense")
    assert "not a list of numbers" in page.get_by_text("as it does at first").inner_text()
    assert tuple(numbers(page)) == from_url(TASKS["RTS"], "30_0.9_4_-3") == START["RTS"]


def test_distractors_are_dragged_and_thrown_anew(visit):
    page = visit("TC")
    places = page.evaluate(f"{D}.state.places")
    assert [tuple(p) for p in places] == list(scatter(samples().images, TASKS["TC"], 0).places)
    k = next(i for i, (x, y) in enumerate(places) if x < 40 and y < 40)
    page.locator(f'[data-piece="{k}"]').focus()
    page.keyboard.press("Shift+ArrowRight")
    settled(page, "d.history.at === 1")
    moved = page.evaluate(f"{D}.state.places")
    assert moved[k] == [places[k][0] + 5, places[k][1]]
    page.get_by_role("button", name="New distractors").click()
    page.wait_for_function("() => location.search.includes('clutter=1')")
    settled(page, f"d.state.places.join() !== '{joined(np.ravel(moved))}'")
    agrees(page, "TC", pieces=scatter(samples().images, TASKS["TC"], 1))


def test_a_drawn_digit_is_read_and_then_turned(visit):
    page = visit("RTS", "&from=draw")
    assert page.get_attribute(".digit", "data-mode") == "draw"
    assert page.evaluate(f"{D}.frame") is None, "nothing to read yet"
    assert (canvas(page, "scene")[:, :, :3].min(-1) > 150).any(), "a blank pad says what it is for"
    box = page.locator(".pane.input").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.8 * box["height"], steps=8)
    page.mouse.up()
    settled(page, "d.head.live && d.digit.some((v) => v)")
    ink = np.reshape(page.evaluate(f"Array.from({D}.digit)"), (28, 28))
    assert np.ptp(np.flatnonzero(ink.max(1))) == 19, "fitted into 20 pixels"
    assert (canvas(page, "scene").min(-1) > 200).mean() > 0.02
    agrees(page, "RTS", ink.astype(np.uint8))
    page.get_by_role("button", name="turn and move").click()
    settled(page, "d.mode === 'place'")
    pull(page, '[data-handle="rotation"]', 30, 40)
    settled(page, "d.history.at >= 1")
    agrees(page, "RTS", ink.astype(np.uint8))
    page.get_by_role("button", name="draw", exact=True).first.click()
    page.get_by_role("button", name="clear").click()
    settled(page, "!d.head.live")
    page.keyboard.press("Control+z")
    settled(page, "d.head.live")
    assert np.array_equal(np.reshape(page.evaluate(f"Array.from({D}.digit)"), (28, 28)), ink)


def test_autoplay_plays_when_asked_and_only_steps_for_those_who_want_no_motion(visit):
    page = visit("RTS")
    assert page.evaluate(f"{D}.film.timer") in (None, 0)
    page.get_by_role("button", name="play the video").click()
    settled(page, "d.film.frames && d.film.at > 5")
    assert page.evaluate(f"{D}.film.frames.length") == 72
    assert "input" in page.locator("[data-ref=held]").inner_text()
    page.get_by_role("button", name="Pause").click()
    at = page.evaluate(f"{D}.film.at")
    page.wait_for_timeout(300)
    assert page.evaluate(f"{D}.film.at") == at
    page.locator("[data-ref=scrub]").fill("30")
    before = canvas(page, "scene")
    page.get_by_role("button", name="Next frame").click()
    settled(page, "d.film.at === 31")
    assert (np.abs(canvas(page, "scene") - before).max(-1) > 20).mean() > 0.002
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="back to the hand").click()
    settled(page, "d.mode === 'place'")
    page.get_by_role("button", name="play the video").click()
    settled(page, "d.film.frames")
    page.wait_for_timeout(300)
    assert page.evaluate(f"{D}.film.at") == 0
    assert not page.locator("[data-ref=play]").is_visible()


def test_winners_are_named_and_judged(visit):
    page = visit("RTS")
    for ref, family in (("stWins", "affine"), ("cnnWins", "")):
        wanted = draw(FOUR, TASKS["RTS"], START["RTS"])
        digit = int(small_model("RTS", family).read(wanted[None, None] / 255).chances[0].argmax())
        shown = page.locator(f"[data-ref={ref}]")
        assert int(shown.get_attribute("data-digit")) == digit
        assert shown.get_attribute("class") == ("right" if digit == 4 else "wrong")
    assert page.locator(".row.truth b").inner_text() == "4"
