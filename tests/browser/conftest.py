"""A real Streamlit server and a real Chromium for the browser tests, each ended by its own process id."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.chromium import find

ROOT = Path(__file__).parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip

# Before any script of the page: every message in either direction is noted in window.__ws.
WATCH_SOCKETS = """
window.__ws = {sends: [], recvs: [], sockets: []};
const Plain = window.WebSocket;
window.WebSocket = new Proxy(Plain, {construct(target, args) {
  const socket = new target(...args), send = socket.send.bind(socket);
  const size = (d) => d.byteLength || d.length || d.size || 0;
  socket.send = (data) => { window.__ws.sends.push({t: performance.now(), n: size(data)}); return send(data); };
  window.__ws.sockets.push(socket);
  socket.addEventListener('message', (e) => window.__ws.recvs.push({t: performance.now(), n: size(e.data)}));
  return socket;
}});
"""


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen, log: Path, seconds: float = 60) -> None:
    """Return once `url` answers; fail with the server's log if it ends or stays silent."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"The server did not come up:\n{log.read_text(errors='replace')[-4000:]}")


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """serve(app_path, env=None) -> url: `streamlit run` on a free loopback port; one server per app and environment."""
    servers: dict[tuple, tuple[subprocess.Popen, str]] = {}

    def start(app: str | Path, env: dict[str, str] | None = None) -> str:
        key = (str(Path(app).resolve()), tuple(sorted((env or {}).items())))
        if key not in servers:
            port, log = free_port(), tmp_path_factory.mktemp("server") / "log.txt"
            command = [sys.executable, "-m", "streamlit", "run", key[0], "--server.port", str(port),
                       "--server.address", "127.0.0.1", "--server.headless", "true", "--server.fileWatcherType", "none",
                       "--browser.gatherUsageStats", "false"]  # fmt: skip
            around = os.environ | {"PYTHONPATH": str(ROOT)} | (env or {})
            process = subprocess.Popen(command, cwd=ROOT, env=around, stdout=log.open("wb"), stderr=subprocess.STDOUT)
            servers[key] = (process, f"http://127.0.0.1:{port}")
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, log)
        return servers[key][1]

    yield start
    for process, _ in servers.values():
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def playwright() -> Iterator:
    """What drives Chromium."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright) -> Iterator:
    """A Chromium for tests of several visitors or other windows, the one that `chromium.find` names."""
    chromium = playwright.chromium.launch(executable_path=find(), headless=True, args=FLAGS)
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def profile(playwright, tmp_path_factory) -> Iterator:
    """A profile on disk, where Chromium keeps Streamlit's code compiled: each page is there a second earlier."""
    made = playwright.chromium.launch_persistent_context(
        tmp_path_factory.mktemp("profile"), executable_path=find(), headless=True, args=FLAGS,
        viewport={"width": 1366, "height": 768}, accept_downloads=True)  # fmt: skip
    made.add_init_script(WATCH_SOCKETS)
    yield made
    made.close()


@pytest.fixture
def page(profile) -> Iterator:
    """A fresh page of 1366x768 whose WebSocket is watched; an uncaught error on the page fails the test."""
    made, errors = profile.new_page(), []
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.set_default_timeout(20_000)
    yield made
    if not made.is_closed() and made.url.startswith("http"):
        made.evaluate("() => localStorage.clear()")  # drawings outlive their page
    made.close()
    profile.clear_cookies()
    profile.clear_permissions()
    assert not errors, errors


@pytest.fixture
def show(page, serve) -> Callable:
    """show(case, extra="") -> page: the viewer's test app (apps/viewer_app.py), once its picture is there."""
    from tests.browser.looking import ready

    def opened(case: str = "plain", extra: str = ""):
        page.goto(f"{serve(ROOT / 'tests/browser/apps/viewer_app.py')}/?case={case}{extra}")
        ready(page)
        return page

    return opened


def sent(page) -> int:
    """How many messages the page has sent to its server."""
    return page.evaluate("window.__ws.sends.length")
