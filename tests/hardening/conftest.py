"""One live server for this package, and a look at it after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hardening.live import healthy, wait
from tests.load.server import ROOT, Server

APP = ROOT / "app.py"


@pytest.fixture(scope="package")
def live() -> Iterator[Server]:
    """The app as it is served to people."""
    with Server(APP) as server:
        wait(healthy(server))
        yield server


@pytest.fixture
def server(live) -> Iterator[Server]:
    """The live server; after the test it must still serve a newcomer."""
    yield live
    assert wait(healthy(live)), live.said()[-3000:]
