"""The back button in Chromium: one press leaves a page, however it was come to and whatever was changed on it."""

from __future__ import annotations

import pytest

from pages.kit.rooms import FCN, MULTISCALE, PROBE, TRUTH
from tests.browser.rooms import ROOT, VIEWER

AWAY = "about:blank"


def painted(page, info, **address: str) -> None:
    """The page is there with its picture, and these parameters stand in its address."""
    page.wait_for_function("""([title, url, address]) => location.pathname.endsWith(url)
        && [...document.querySelectorAll('h1')].some((h) => h.innerText === title)
        && Object.entries(address).every(([k, v]) => new URLSearchParams(location.search).get(k) === v)""",
                           arg=[info.title, info.url, address], timeout=30_000)  # fmt: skip
    page.wait_for_selector(VIEWER, timeout=30_000)


def follow(page, info) -> None:
    """To another page by the sidebar."""
    page.locator("[data-testid=stSidebarNav] a", has_text=info.title).click()
    painted(page, info)


@pytest.fixture
def opened(page, serve):
    """opened(address): a page of the app, after an empty one."""
    page.goto(AWAY)
    before = page.evaluate("history.length")

    def visit(address: str, info, **expected: str):
        page.goto(f"{serve(ROOT / 'app.py')}/{address}")
        painted(page, info, **expected)
        assert page.evaluate("history.length") == before + 1
        return page

    return visit


@pytest.mark.parametrize("address", ["fcn", "fcn?image=nobody&g16=1&g8=lots"])
def test_one_press_leaves_the_first_page(opened, address):
    page = opened(address, FCN, image="china")
    page.go_back()
    assert page.url == AWAY


def test_one_press_for_each_page(opened):
    """Over pages, a moved control and another picture; each page comes back as it was left."""
    page = opened("fcn?image=coffee&model=fcn-animals", FCN, image="coffee", model="fcn-animals")
    page.get_by_text("Average over six views").click()
    painted(page, FCN, average="true")
    follow(page, MULTISCALE)
    page.get_by_role("button", name="Change").first.click()
    page.get_by_role("button", name="Chelsea the cat").first.click()
    painted(page, MULTISCALE, image="chelsea")
    follow(page, TRUTH)
    follow(page, PROBE)
    page.go_back()
    painted(page, TRUTH, image="chelsea")
    page.go_back()
    painted(page, MULTISCALE, image="chelsea")
    page.go_back()
    painted(page, FCN, image="coffee", average="true", model="fcn-animals")
    page.go_back()
    assert page.url == AWAY
