"""Controls belong to their page: whatever was moved on another, and whatever the address holds, every page opens."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

import pytest
from streamlit.testing.v1 import AppTest

from pages.kit.keys import FORMER, PLAIN, SHARED, key, linked
from pages.kit.rooms import CAPTIONS, COMPARE, GRID, LAYERS, MULTISCALE, PAGES, PROBE, ROOT

PICTURE = "camera"
FILES = sorted((ROOT / "pages").rglob("*.py"))
NONSENSE = ("", "-1", "1e9", "nan", "true", "B", "fcn-animals", "one_two", "<b>", "0.5&0.5")


def opened(page, **address: str) -> AppTest:
    """The app on `page` at this address, not run yet."""
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120).run()
    app.switch_page(page.path)
    app.query_params.update({"image": PICTURE, **address})
    return app


def whole(app: AppTest, page, *where: object) -> None:
    """The page stands there: no exception, and its title."""
    assert not app.exception, (page.url, *where, [e.value for e in app.exception])
    assert page.title in [t.value for t in app.title], (page.url, *where)


def raw(widget, option: str) -> object:
    """The value behind an option's words."""
    table = getattr(widget.format_func, "__self__", None)
    return next((k for k, words in table.items() if words == option), option) if isinstance(table, dict) else option


def move(app: AppTest) -> None:
    """Put every control that stands in the address elsewhere than it was; a network's choice stays, for speed."""
    for slider in app.slider:
        slider.set_value(slider.max if slider.value != slider.max else slider.min)
    for slider in app.select_slider:
        slider.set_value(slider.options[0])
    for toggle in app.toggle:
        toggle.set_value(not toggle.value)
    for box in (*app.selectbox, *app.button_group):
        values = [raw(box, option) for option in box.options]
        others = [value for value in values if str(value) != str(box.value)]
        if others and box.key not in ("model", "a", "b", "many_model", "many_against"):
            box.set_value(others[0])


def circuit(names: list[str]) -> Iterator[str]:
    """Nodes of a closed walk that takes each ordered pair of different names once (Hierholzer)."""
    ahead = {name: [other for other in names if other != name] for name in names}
    stack, walk = [names[0]], []
    while stack:
        if ahead[stack[-1]]:
            stack.append(ahead[stack[-1]].pop())
        else:
            walk.append(stack.pop())
    return reversed(walk)


def test_pairs():
    """Every page after every other one, with every control moved."""
    by_url = {page.url: page for page in PAGES}
    walk = list(circuit(list(by_url)))
    assert len(set(pairwise(walk))) == len(PAGES) * (len(PAGES) - 1)
    app, seen, before = opened(by_url[walk[0]]), set(), ""
    for url in walk:
        page = by_url[url]
        app.switch_page(page.path).run()
        whole(app, page, "after", before)
        if url not in seen:
            move(app)
            app.run()
            whole(app, page, "moved")
        seen.add(url)
        before = url


@pytest.mark.parametrize("page", PAGES, ids=[page.url for page in PAGES])
def test_other_addresses(page):
    """A page with the parameters of all others in its address, and its own with values that nobody can take."""
    app = opened(page, **{name: NONSENSE[i % len(NONSENSE)] for i, name in enumerate((*PLAIN, "band", "model"))})
    whole(app.run(), page, "the first round of nonsense")
    app = opened(page, **{name: NONSENSE[(i + 4) % len(NONSENSE)] for i, name in enumerate((*PLAIN, "band", "model"))})
    whole(app.run(), page, "the second")


@pytest.mark.parametrize(("page", "old", "value", "now", "expected"), [
    (LAYERS, "scale", "true", "layers_scale", True), (PROBE, "variant", "32s", "probe_variant", "32s"),
])  # fmt: skip
def test_old_links(page, old, value, now, expected):
    """A name that another page has now still says in old links what it said."""
    app = opened(page, **{old: value}).run()
    whole(app, page)
    assert app.session_state[now] == expected
    assert old not in app.query_params
    assert app.query_params[now] == value


@pytest.mark.parametrize(("page", "name", "usual"), [
    (GRID, "mode", "bilinear"), (CAPTIONS, "numbers", "soft"), (COMPARE, "layout", "Wipe"),
])  # fmt: skip
def test_says_nothing(page, name, usual):
    """``?mode=`` is no choice, and no error."""
    app = opened(page, **{name: ""}).run()
    whole(app, page)
    whole(app.run(), page, "once more")
    assert app.session_state[name] == usual


def test_names():
    """A name is one page's; whoever asks for another page's gets one with its own address before it."""
    assert key(MULTISCALE, "scale") == "scale"
    assert key(LAYERS, "scale") == "layers_scale" == key(LAYERS, "layers_scale")
    made = [key(page, name) for page in PAGES for name in (*PLAIN, *SHARED, "new")]
    assert len(set(made)) == len(made)
    assert key(None, "model") == "model"
    with pytest.raises(KeyError):
        linked(None, "scale")
    assert set(FORMER) <= {page.url for page in PAGES}


def test_nobody_else_binds():
    """Only the kit binds a control to the address, and each file speaks for its own page."""
    for path in FILES:
        text = path.read_text()
        assert "query-params" not in text or path.name == "keys.py", path
        if "kit" in path.parts:
            continue
        for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
            if ast.unparse(call.func) == "linked":
                assert ast.unparse(call.args[0]) == path.stem.split("_")[0].upper(), (path, call.lineno)


def test_session():
    """No two pages keep something in the visit, or call a control, by the same name."""
    users = defaultdict(set)
    for path in FILES:
        page = "kit" if "kit" in path.parts else path.stem.split("_")[0]
        for node in ast.walk(ast.parse(path.read_text())):
            for name in names(node):
                users[name].add(page)
    assert {name: pages for name, pages in users.items() if len(pages) > 1} == {}


def names(node: ast.AST) -> list[str]:
    """The literal names of controls and of entries in the session that a piece of source mentions."""
    found = []
    if isinstance(node, ast.Call):
        found = [k.value for k in node.keywords if k.arg == "key"]
        if ast.unparse(node.func) in ("st.session_state.get", "st.session_state.setdefault", "st.session_state.pop"):
            found += node.args[:1]
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "st.session_state":
        found = [node.slice]
    return [x.value for x in found if isinstance(x, ast.Constant) and isinstance(x.value, str)]
