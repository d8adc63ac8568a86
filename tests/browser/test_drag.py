"""The drag component in a real Chromium, on its page: hands, keys, numbers, presets, both directions, the address."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from engine import gallery
from engine.spatial.mapping import forward
from engine.spatial.sampling import Sampling, explain, sample
from engine.spatial.theta import from_url
from engine.spatial.transforms import FAMILIES, sampling_grid
from pages.kit.rooms import ROOT
from pages.spatial.grid_controls import NAMES, small
from tests.browser.conftest import sent

D = "window.__saccade.drags.get('grid')"
SLUG = "landscape"


@pytest.fixture
def visit(page, serve):
    """visit(query) -> page: the sampling grid, once Python's picture agrees with the browser's."""

    def opened(query: str = "", family: str = "affine"):
        page.goto(f"{serve(ROOT / 'app.py')}/grid?image={SLUG}&family={NAMES[family].replace(' ', '+')}{query}")
        page.wait_for_selector(".drag[data-ready=true]", timeout=60_000)
        agreed(page)
        return page

    return opened


def agreed(page) -> int:
    """Wait until Python has answered for what is shown, glides and delayed keys included; the largest difference."""
    done = f"""() => {{ const d = {D}; return !d.play.frame && !d.frame && d.refs.agree.dataset.difference
        && d.transform.theta.every((v, i) => v === d.history.now[i]); }}"""
    page.wait_for_function(done, timeout=30_000)
    settle(page)
    return int(page.get_attribute("[data-ref=agree]", "data-difference"))


def settle(page) -> None:
    page.evaluate(
        "() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(r, 30))))"
    )


def canvas(page, name: str) -> np.ndarray:
    text = page.evaluate(f"{D}.{name}.pane.canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text.split(",")[1]))).convert("RGB")).astype(int)


def theta(page) -> list[float]:
    return page.evaluate(f"{D}.transform.theta")


def output(page, shape) -> np.ndarray:
    """(h, w, 3): what the browser sampled."""
    pixels = np.array(page.evaluate(f"Array.from({D}.output.seen)"), np.uint32).reshape(shape[:2])
    return np.stack([pixels >> 8 * c & 255 for c in range(3)], -1).astype(int)


def choose(page, family: str) -> None:
    """Take another family of transforms in the side column."""
    page.get_by_test_id("stButtonGroup").get_by_text(family, exact=True).click()


def grip(page, handle: str) -> tuple[float, float]:
    box = page.locator(f'[data-handle="{handle}"]').bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


PULLS = [
    ("attention", ["corner top left", "centre"]),
    ("affine", ["corner top left", "edge right", "rotation", "centre"]),
    ("projective", ["corner bottom right", "centre"]),
    ("tps", ["point 5", "point 15"]),
]


@pytest.mark.parametrize(("family", "handles"), PULLS, ids=[name for name, _ in PULLS])
def test_each_kind_of_handle_moves_both_pictures_and_python_agrees(visit, family, handles):
    page = visit(family=family)
    picture = small(gallery.get(SLUG).load().rgb)
    for handle in handles:
        before, was = [canvas(page, name) for name in ("input", "output")], theta(page)
        x, y = grip(page, handle)
        page.mouse.move(x, y)
        page.mouse.down()
        messages = sent(page)
        page.mouse.move(x + 31, y + 17, steps=5)
        settle(page)
        assert grip(page, handle) != pytest.approx((x, y), abs=5)
        for former, name in zip(before, ("input", "output"), strict=True):
            assert (np.abs(canvas(page, name) - former).max(-1) > 20).mean() > 0.005, (handle, name)
        assert sent(page) == messages, "nothing is sent before the release"
        page.mouse.up()
        assert agreed(page) <= 1
        assert sent(page) > messages
        assert theta(page) != was
        grid = sampling_grid(FAMILIES[family], torch.tensor([theta(page)]).double(), *picture.shape[:2])[0]
        assert np.abs(output(page, picture.shape) - sample(picture, grid, Sampling())).max() <= 1
    assert f"theta={page.evaluate('new URLSearchParams(location.search).get(`theta`)')}" in page.url


def test_numbers_move_the_grid_and_bad_ones_do_not(visit):
    page = visit()
    before = canvas(page, "output")
    field = page.locator('[data-theta="2"]')
    field.fill("0.4")
    settle(page)
    assert theta(page)[2] == 0.4
    assert np.abs(canvas(page, "output") - before).max() > 50
    for text in ("NaN", "", "abc"):
        field.fill(text)
        settle(page)
        assert "finite number" in page.locator("[data-ref=said]").inner_text()
        assert theta(page)[2] == 0.4
    page.locator('[data-theta="0"]').fill("0")
    settle(page)
    assert "singular" in page.locator("[data-ref=said]").inner_text()
    assert theta(page)[0] == 1
    page.locator('[data-theta="0"]').press("Tab")
    assert page.locator('[data-theta="0"]').input_value() == "1.000"
    assert page.locator('[data-theta="2"]').input_value() == "0.400"
    assert agreed(page) <= 1


def test_undo_redo_reset_and_the_address_survive(visit):
    page = visit()
    page.emulate_media(reduced_motion="reduce")
    start = theta(page)
    page.get_by_role("button", name="zoom in").click()
    page.get_by_role("button", name="turn 30°").click()
    assert agreed(page) <= 1
    turned = theta(page)
    page.get_by_role("button", name="Undo").click()
    settle(page)
    assert theta(page)[0] == 0.5
    page.locator('[data-handle="centre"]').focus()
    page.keyboard.press("Control+z")
    settle(page)
    assert theta(page) == start
    assert page.get_by_role("button", name="Undo").is_disabled()
    page.keyboard.press("Control+Shift+z")
    page.get_by_role("button", name="Redo").click()
    assert agreed(page) <= 1
    assert theta(page) == turned
    page.wait_for_function("() => location.search.includes('theta=0.866')")
    page.reload()
    page.wait_for_selector(".drag[data-ready=true]", timeout=60_000)
    assert agreed(page) <= 1
    assert theta(page) == pytest.approx(turned, abs=1e-4)
    page.locator('[data-handle="centre"]').focus()
    page.keyboard.press("r")
    assert agreed(page) <= 1
    assert theta(page) == start
    page.wait_for_function("() => !location.search.includes('theta')")


def test_keys_walk_the_handles_and_move_them_by_pixels(visit):
    page = visit()
    width = page.evaluate(f"{D}.picture.width")
    page.locator('[data-handle="centre"]').focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    settle(page)
    assert theta(page)[2] == pytest.approx(11 * 2 / width)
    page.keyboard.press("Tab")
    focused = f"{D}.refs.wrap.getRootNode().activeElement.dataset.handle"
    assert page.evaluate(focused) == "rotation"
    page.keyboard.press("ArrowRight")
    settle(page)
    assert np.degrees(np.arccos(theta(page)[0])) == pytest.approx(1)
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "corner top left"
    assert agreed(page) <= 1


def test_the_card_says_what_python_says(visit):
    text = "0.7_0.2_0.1_-0.2_0.7_0.05"
    page = visit(f"&theta={text}&padding=reflection")
    picture = small(gallery.get(SLUG).load().rgb)
    grid = sampling_grid(FAMILIES["affine"], torch.tensor([from_url(FAMILIES["affine"], text)]).double(),
                         *picture.shape[:2])[0]  # fmt: skip
    box = page.locator(".pane.output").bounding_box()
    for at in ((0.3, 0.4), (0.97, 0.9)):
        page.mouse.move(box["x"] + at[0] * box["width"], box["y"] + at[1] * box["height"])
        settle(page)
        x, y = map(int, page.get_attribute("[data-ref=cardBody]", "data-pixel").split())
        assert (x / picture.shape[1], y / picture.shape[0]) == pytest.approx(at, abs=0.02)
        want = explain(picture, grid, x, y, Sampling("bilinear", "reflection"))
        facts = page.locator("[data-ref=facts]").inner_text()
        assert f"({want.normalised[0]:.3f}, {want.normalised[1]:.3f})" in facts
        rows = [re.split(r"\s+", row.strip()) for row in page.locator("[data-ref=weights] tr").all_inner_texts()]
        assert len(rows) == 4
        for row, one in zip(rows, want.neighbours, strict=True):
            numbers = re.findall(r"-?[\d.]+", " ".join(row))
            assert [int(n) for n in numbers[:2]] == [one.x, one.y]
            assert float(numbers[2]) == pytest.approx(one.weight, abs=6e-4)
            assert tuple(map(int, numbers[3:6])) == one.value
            assert ("padding" in row) == one.padded
        assert page.locator("svg.arrow:not(.off)").count() == 1
        seen = sample(picture, grid, Sampling("bilinear", "reflection"))[y, x]
        assert page.locator("[data-ref=result]").inner_text().strip().endswith(" ".join(map(str, seen)))


@pytest.mark.parametrize("family", ["projective", "tps"])
def test_holes_of_forward_mapping_are_pythons(visit, family):
    page = visit(family=family)
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="tilt aside" if family == "projective" else "bulge").click()
    agreed(page)
    page.get_by_role("button", name="forward").click()
    page.wait_for_function(f"() => {D}.refs.wrap.dataset.holes > 0")
    assert agreed(page) <= 1
    picture = small(gallery.get(SLUG).load().rgb)
    want = forward(picture, FAMILIES[family], torch.tensor(theta(page)).double(), *picture.shape[:2])
    assert int(page.get_attribute(".drag", "data-holes")) == want.holes.sum() > 500
    assert f"{want.holes.sum():,} holes" in page.locator(".status").inner_text()
    pink = (np.abs(canvas(page, "output") - (255, 0, 160)).max(-1) < 40).mean()
    assert pink > 0.01
    page.locator(".pane.input").hover()
    settle(page)
    assert "is pushed to" in page.locator("[data-ref=facts]").inner_text()
    assert page.locator("svg.arrow:not(.off)").count() == 1


def test_another_family_takes_over_and_a_bad_link_is_told(visit):
    page = visit("&theta=0.7_0.2_0.1_-0.2_0.7_0.05")
    was = theta(page)
    page.get_by_role("radio", name="thin plate spline").or_(
        page.get_by_role("button", name="thin plate spline")
    ).first.click()
    page.wait_for_function(f"() => {D}.transform.family === 'tps'")
    assert agreed(page) <= 1
    assert len(theta(page)) == 32
    assert theta(page)[:2] == pytest.approx([-was[0] - was[1] + was[2], -was[3] - was[4] + was[5]])
    choose(page, "affine")
    page.wait_for_function(f"() => {D}.transform.family === 'affine'")
    assert agreed(page) <= 1
    assert theta(page) == pytest.approx(was), "back again without a touch it is what it was"
    page = visit("&theta=1_2_nonsense")
    assert "not a list of numbers" in page.get_by_text("the identity is shown").inner_text()
    assert theta(page) == [1, 0, 0, 0, 1, 0]


def test_presets_glide_and_the_slider_plays_between_two(visit):
    page = visit()
    page.get_by_role("button", name="zoom in").click()
    page.wait_for_timeout(200)
    assert 0.5 < theta(page)[0] < 1, "on the way"
    page.wait_for_function(f"() => {D}.transform.theta[0] === 0.5")
    assert agreed(page) <= 1
    page.locator("[data-ref=from]").select_option("identity")
    page.locator("[data-ref=to]").select_option("zoom out")
    slider = page.locator("[data-ref=slider]")
    slider.fill("0.5")
    settle(page)
    assert theta(page)[0] == pytest.approx(1.3)
    page.locator("[data-ref=outside]").check()
    settle(page)
    share = int(re.search(r"(\d+) %", page.locator("[data-ref=outsideShare]").inner_text()).group(1))
    assert share == pytest.approx(100 * (1 - 1 / 1.3**2), abs=1.5)
    assert agreed(page) <= 1
