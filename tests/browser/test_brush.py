"""The brush in Chromium: labels painted over the picture stay in the browser until they are sent, then arrive whole."""

import json
import re

import numpy as np
import pytest

from engine import palette
from tests.browser.apps.traces import CLASSES
from tests.browser.conftest import sent
from tests.browser.looking import V, near, on_screen, pixel, press, ready, settle, state
from tests.browser.modules import load

SAFE = palette.safe(len(CLASSES)).astype(float)
BRUSH = f"{V}.brush"
W, H = 64, 43  # cells over the picture of 640 x 427 pixels
SKY, TREE, UNTOUCHED = 0, 1, 255


@pytest.fixture
def modules(page):
    return load(page)


@pytest.fixture
def brush(show):
    """The page with the brush on, a tip of 4 cells and the class tree."""
    page = show("brush")
    page.get_by_role("button", name="paint", exact=True).click()
    page.get_by_role("slider", name="tip").fill("4")
    pick_class(page, "tree")
    return page


def pick_class(page, name: str) -> None:
    page.locator(".chips").get_by_role("button", name=name, exact=True).click()
    settle(page)


def cells(page) -> np.ndarray:
    return np.array(page.evaluate(f"Array.from({BRUSH}.painting.cells)")).reshape(H, W)


def drag(page, *places: tuple[float, float]) -> None:
    """One stroke through places in image pixels."""
    page.mouse.move(*on_screen(page, *places[0]))
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*on_screen(page, *place))
    page.mouse.up()
    settle(page)


def centres() -> tuple[np.ndarray, np.ndarray]:
    """x and y of each cell's centre, in image pixels."""
    y, x = np.mgrid[:H, :W] + 0.5
    return x * 640 / W, y * 427 / H


def received(page) -> tuple[int, np.ndarray] | None:
    """The step and the labels that Python has printed."""
    text = re.search(r"painted: (.*)", page.locator("body").inner_text())[1]
    step, labels = json.loads(text) if text != "None" else (None, None)
    return None if step is None else (step, np.array(labels))


def test_a_stroke_covers_what_the_round_tip_passes(modules):
    strokes = [((3.2, 4.1), (17.9, 12.3), 5), ((10, 10), (10, 10), 8), ((0.5, 0.5), (19.5, 14.5), 1),
               ((-9, -9), (30, 5), 3), ((4.99, 5.01), (5.01, 4.99), 1)]  # fmt: skip
    for (x0, y0), (x1, y1), size in strokes:
        got = modules("painting", """
            const p = new m.Painting(20, 15);
            p.stroke(a.from, a.to, a.size, 3);
            return Array.from(p.cells);
        """, **{"from": [x0, y0], "to": [x1, y1], "size": size})  # fmt: skip
        y, x = np.mgrid[:15, :20] + 0.5
        way = np.linspace(0, 1, 4001)[:, None, None]
        distance = np.hypot(x - x0 - way * (x1 - x0), y - y0 - way * (y1 - y0)).min(0)
        r, inside = max(size / 2, 0.5**0.5), np.reshape(got, (15, 20)) == 3
        assert inside[distance < r - 0.01].all()
        assert not inside[distance > r + 0.01].any()
        assert inside.any()


def test_undo_redo_clear_and_text(modules):
    got = modules("painting", """
        const p = new m.Painting(9, 4), seen = [], look = () => seen.push(p.cells.filter((v) => v !== 255).length);
        for (const label of [1, 2]) { p.begin(); p.stroke([label, 1], [label + 3, 1], 1, label); look(); }
        p.undo(); look(); p.undo(); look(); p.undo(); look(); p.redo(); p.redo(); look(); p.redo();
        const {text} = p, copy = new m.Painting(9, 4), other = new m.Painting(4, 4);
        copy.read(text); other.read(text);
        for (const bad of ["", "x", "1 -3", "1 99999999999", "1 36 2 1", null]) copy.read(bad);
        p.clear(); look(); p.undo(); look(); p.begin(); p.cancel(); look();
        return {seen, text, same: copy.text === text, other: other.text,
                sizes: [[640, 427, 64], [1, 500, 64], [40, 30, 256]].map((s) => m.Painting.sizeFor(...s))};
    """)  # fmt: skip
    first, second = got["seen"][:2]
    assert 0 < first < second
    assert got["seen"] == [first, second, first, 0, 0, second, 0, second, second]
    assert got["same"]
    assert got["other"] == "255 16"
    runs = np.array(got["text"].split(), int).reshape(-1, 2)
    assert runs[:, 1].sum() == 36
    assert (runs[1:, 0] != runs[:-1, 0]).all()
    assert got["sizes"] == [[64, 43], [1, 64], [40, 30]]


def test_painting_is_live_and_silent(brush):
    page, before = brush, sent(brush)
    plain = pixel(page, 300, 200)
    page.mouse.move(*on_screen(page, 200, 200))
    page.mouse.down()
    page.mouse.move(*on_screen(page, 400, 200))  # one long jump is drawn as a line
    settle(page)
    blended = 0.15 * np.array(plain) + 0.85 * SAFE[TREE]
    assert near(pixel(page, 300, 200), blended)  # before the button is released
    page.mouse.up()
    page.mouse.move(5, 5)
    settle(page)
    assert near(pixel(page, 300, 200), blended)
    assert near(pixel(page, 300, 300), pixel(page, 302, 300), 12)
    x, y = centres()
    distance = np.hypot(x - x.clip(200.5, 400.5), y - 200.5)
    got = cells(page) == TREE
    assert got[distance < 18].all()  # a tip of 4 cells reaches 20 pixels
    assert not got[distance > 22].any()
    assert set(np.unique(cells(page))) == {TREE, UNTOUCHED}
    assert page.evaluate(f"{V}.stage.camera.zoom") == 1
    assert sent(page) == before


def test_what_is_painted_reaches_python_cell_by_cell(brush):
    page = brush
    state(page, step=2)
    drag(page, (100, 100), (250, 300), (500, 120))
    pick_class(page, "sky")
    drag(page, (30, 400), (600, 400))
    pick_class(page, "eraser")
    drag(page, (250, 350), (250, 250))
    painted = cells(page)
    assert set(np.unique(painted)) == {SKY, TREE, UNTOUCHED}
    assert received(page) is None
    page.get_by_role("button", name="Send it").click()
    page.wait_for_function("() => !document.body.innerText.includes('painted: None')")
    step, labels = received(page)
    assert step == 2
    assert np.array_equal(labels, painted)
    assert page.locator("text=picked: None").is_visible()
    assert page.evaluate(f"{BRUSH}.on") is False  # so that the answer is not covered
    assert np.array_equal(cells(page), painted)  # and yet not lost
    press(page, "b")
    pick_class(page, "tree")
    drag(page, (20, 20), (40, 20))
    page.get_by_role("button", name="Send it").click()
    page.wait_for_function(
        "(text) => !document.body.innerText.includes(text)", arg=json.dumps(labels[:3].tolist())[:-2]
    )
    assert np.array_equal(received(page)[1], cells(page))


def test_undo_redo_and_clear_by_key_and_button(brush):
    drag(brush, (100, 100), (200, 100))
    one = cells(brush)
    drag(brush, (100, 300), (200, 300))
    two = cells(brush)
    assert (one != two).any()
    press(brush, "Control+z")
    assert np.array_equal(cells(brush), one)
    press(brush, "Control+z", "Control+z")
    assert (cells(brush) == UNTOUCHED).all()
    assert brush.get_by_role("button", name="Send it").is_disabled()
    press(brush, "Control+Shift+Z", "Control+Shift+Z")
    assert np.array_equal(cells(brush), two)
    brush.get_by_role("button", name="undo").click()
    brush.locator(".chips button").first.focus()
    brush.keyboard.press("Control+Shift+Z")  # in the panel too
    assert np.array_equal(cells(brush), two)
    brush.get_by_role("button", name="clear").click()
    assert (cells(brush) == UNTOUCHED).all()
    press(brush, "Control+z")
    assert np.array_equal(cells(brush), two)


def test_keys_turn_it_on_and_size_the_tip(show):
    page = show("brush")
    before = sent(page)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("b")
    settle(page)
    assert page.evaluate(f"{BRUSH}.on")
    press(page, ".", ".")
    large = page.evaluate(f"{BRUSH}.diameter")
    assert large >= 20
    assert page.locator("[data-ref=tipText]").inner_text() == f"{large} cells"
    press(page, *[","] * 14)
    assert page.evaluate(f"{BRUSH}.diameter") == 1
    press(page, *["."] * 20)
    assert page.evaluate(f"{BRUSH}.diameter") == 64
    press(page, "Escape")
    assert page.evaluate(f"{BRUSH}.on") is False
    press(page, ",", "Control+z")
    assert page.evaluate(f"{BRUSH}.diameter") == 64
    page.locator(".stage canvas").focus()
    press(page, "b", "Shift+ArrowRight", "Enter")  # without a pointer: a dab at the cross
    assert (cells(page) != UNTOUCHED).sum() > 100
    assert sent(page) == before


def test_two_quick_clicks_are_two_dabs(brush):
    before = sent(brush)
    brush.mouse.dblclick(*on_screen(brush, 300, 200))
    settle(brush)
    assert brush.evaluate(f"{BRUSH}.painting.past.length") == 2
    assert (cells(brush) == TREE).sum() > 8
    press(brush, "Control+z")
    assert (cells(brush) == TREE).sum() > 8
    press(brush, "Control+z")
    assert (cells(brush) == UNTOUCHED).all()
    brush.wait_for_timeout(300)
    assert sent(brush) == before  # and no pick
    press(brush, "b")
    brush.mouse.click(*on_screen(brush, 100, 100))
    brush.wait_for_selector("text=picked: Pick")


def test_a_zoomed_picture_is_painted_where_the_tip_is(brush):
    brush.evaluate(f"{V}.stage.zoom(4)")
    settle(brush)
    camera = brush.evaluate(f"{V}.stage.camera")
    drag(brush, (300, 200), (340, 220))
    assert brush.evaluate(f"{V}.stage.camera") == camera
    x, y = centres()
    got = cells(brush) == TREE
    assert got[(np.hypot(x - 320.5, y - 210.5) < 12)].all()
    assert not got[np.hypot(x - 320.5, y - 210.5) > 50].any()
    press(brush, "b")
    drag(brush, (300, 200), (340, 220))
    assert brush.evaluate(f"{V}.stage.camera") != camera  # without the brush the same drag pans


FINGERS = """([x, y]) => {
    const c = %s.refs.canvas;
    window.finger = (type, pointerId, dx, dy = 0) => c.dispatchEvent(new PointerEvent(type,
        {pointerId, pointerType: 'touch', clientX: x + dx, clientY: y + dy, bubbles: true}));
}"""


def test_a_finger_paints_and_two_fingers_zoom(brush):
    brush.evaluate(FINGERS % V, on_screen(brush, 320, 200))
    brush.evaluate("finger('pointerdown', 1, 0); finger('pointermove', 1, 60); finger('pointerup', 1, 60)")
    settle(brush)
    painted = cells(brush)
    assert (painted == TREE).sum() > 15
    brush.evaluate("""finger('pointerdown', 1, -30); finger('pointermove', 1, -40); finger('pointerdown', 2, 40);
        finger('pointermove', 1, -80); finger('pointermove', 2, 80);
        finger('pointerup', 1, -80); finger('pointerup', 2, 80)""")
    settle(brush)
    assert brush.evaluate(f"{V}.stage.camera.zoom") == pytest.approx(2, rel=0.05)
    assert np.array_equal(cells(brush), painted)
    brush.evaluate(
        "finger('pointerdown', 3, 0, 90); finger('pointermove', 3, 30, 90); finger('pointercancel', 3, 30, 90)"
    )
    settle(brush)
    assert np.array_equal(cells(brush), painted)


def test_a_painting_outlives_reruns_and_reloads_but_not_its_picture(brush):
    page = brush
    drag(page, (100, 100), (400, 300))
    painted = cells(page)
    page.get_by_role("button", name="ask again").click()
    page.wait_for_function(f"() => {V}.film.trace.id !== '{page.locator('.viewer').get_attribute('data-trace')}'")
    settle(page)
    assert np.array_equal(cells(page), painted)
    assert page.evaluate(f"{BRUSH}.on")
    page.reload()
    ready(page)
    assert np.array_equal(cells(page), painted)
    assert page.evaluate(f"{BRUSH}.on") is False
    page.goto(page.url.replace("case=brush", "case=brush-small"))
    ready(page)
    assert page.evaluate(f"{BRUSH}.painting.empty")
    assert page.evaluate(f"[{BRUSH}.painting.width, {BRUSH}.painting.height]") == [64, 43]


def test_without_a_brush_there_is_none(show):
    page = show("brush-off")
    assert page.locator("[data-ref=brushCard]").is_hidden()
    press(page, "b")
    assert page.evaluate(f"{BRUSH}.on") is False
    drag(page, (100, 100), (300, 200))
    assert page.evaluate(f"{BRUSH}.painting") is None
