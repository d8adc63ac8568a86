"""The JavaScript modules of assets/, each loaded alone into a page of Chromium."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from pages.kit.modules import ASSETS

ORIGIN = "http://viewer.test"
TYPES = {".js": "text/javascript", ".html": "text/html"}


def load(page, folder: str = "viewer") -> Callable:
    """run(names, body, **arguments): call `body` with the exports of modules of assets/`folder` in `m`, and with the
    arguments in `a`."""

    def serve_file(route):
        path = ASSETS / urlsplit(route.request.url).path.lstrip("/")
        if path.is_file():
            route.fulfill(body=path.read_text(encoding="utf8"), content_type=TYPES.get(path.suffix, "text/plain"))
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    page.route(f"{ORIGIN}/**", serve_file)
    page.goto(f"{ORIGIN}/empty")

    def run(names: str, body: str, **arguments):
        imports = ", ".join(f'import("{ORIGIN}/{folder}/{n}.js")' for n in names.split())
        code = f"async (a) => {{ const m = Object.assign({{}}, ...await Promise.all([{imports}])); {body} }}"
        return page.evaluate(code, arguments)

    return run
