"""Full screen, by f and by its button, and the link: the same on pages whose picture is not in the viewer."""

import pytest

from pages.kit.rooms import GRID, ROOT, TRANSFORMER

FULL = (
    "(s) => { const w = window.__saccade[s].values().next().value.refs.wrap; return w.matches(':fullscreen, .full'); }"
)


@pytest.mark.parametrize(("info", "parts"), [(GRID, "drags"), (TRANSFORMER, "digits")])
def test_f_fills_the_screen_and_the_link_is_copied(page, serve, info, parts):
    page.goto(f"{serve(ROOT / 'app.py')}/{info.url}")
    page.wait_for_selector(".drag[data-ready=true]", timeout=60_000)
    page.evaluate("() => document.activeElement?.blur()")
    for press in (lambda: page.keyboard.press("f"), lambda: page.locator(".drag [data-ref=full]").click()):
        press()
        page.wait_for_function(FULL, arg=parts)
        page.keyboard.press("f")
        page.wait_for_function(f"(s) => !({FULL})(s)", arg=parts)
    page.locator(".drag [data-ref=link]").click()
    page.wait_for_selector(".drag [data-ref=link][data-said]")
