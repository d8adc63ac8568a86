"""What the page tests of this room share."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from pages.kit.rooms import ROOT, PageInfo


def visit(page: PageInfo, **query: str) -> AppTest:
    """The app on `page`, with these query parameters; not run yet."""
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    app.run()
    app.switch_page(page.path)
    app.query_params.update(query)
    return app


def open_tab(app: AppTest, key: str, label: str) -> AppTest:
    """Tabs are built when they are open: open one."""
    app.session_state[f"{key}_tab"] = label
    return app.run()


def text_of(app: AppTest) -> str:
    """All that is written on the page."""
    return "\n".join(str(x.value) for x in (*app.markdown, *app.caption, *app.latex))
