"""The queue as two visitors at once meet it: place, way out, and nobody's mistake but one's own."""

from __future__ import annotations

import pytest

from tests.browser.conftest import ROOT


@pytest.fixture
def app(serve):
    return serve(ROOT / "tests/browser/apps/queue_app.py")


def ask(page):
    page.get_by_text("Ask", exact=True).click()


def test_who_comes_second_sees_the_place_and_can_leave_it(browser, app):
    contexts = [browser.new_context() for _ in range(2)]
    first, second = (context.new_page() for context in contexts)
    for page in (first, second):
        page.goto(app)
        page.get_by_text("Ask", exact=True).wait_for()
    ask(first)
    first.get_by_text("The network looks").wait_for()
    ask(second)
    second.get_by_text("Place 1 in the queue").wait_for()
    second.get_by_role("button", name="Cancel").click()
    second.get_by_text("Cancelled.").wait_for()
    first.get_by_text("the answer", exact=True).wait_for()
    second.get_by_role("button", name="Ask again").click()
    second.get_by_text("the answer", exact=True).wait_for()
    assert second.get_by_role("button", name="Cancel").count() == 0
    for context in contexts:
        context.close()


def test_long_work_tells_how_it_goes_and_lets_others_look(page, app):
    page.goto(app)
    page.get_by_role("button", name="Work it out").click()
    page.get_by_text("left", exact=False).first.wait_for()
    page.get_by_text("looked at 0").wait_for()
    page.get_by_role("slider").press("ArrowRight")
    page.get_by_text("looked at 1").wait_for(timeout=2500)
    assert page.get_by_text("nothing yet").is_visible(), "the long work goes on"
    page.get_by_text("the long answer").wait_for()


def test_long_work_can_be_cancelled(page, app):
    page.goto(app)
    page.get_by_role("button", name="Work it out").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled.").wait_for()
    page.get_by_role("button", name="Work it out").wait_for()
    assert page.get_by_text("nothing yet").is_visible()


def test_what_takes_long_in_a_fragment_can_be_cancelled_and_left(page, app):
    """Streamlit alone would let both clicks wait for a minute, until the work is over."""
    page.goto(app)
    page.get_by_text("Begin", exact=True).click()
    page.get_by_text("Counting").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled.").wait_for()
    page.get_by_role("button", name="Ask again").click()
    page.get_by_text("about").wait_for()
    page.get_by_role("tab", name="Other").click()
    page.get_by_text("beside it").wait_for()
    while not page.get_by_text("beside it, 0 at work").is_visible():
        page.get_by_role("button", name="Look again").click()
        page.wait_for_timeout(100)
