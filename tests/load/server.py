"""A Streamlit server of our own on a free port of the loopback, ended by its process id."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType

import psutil

from pages.kit.sessions import AWAY

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds that a server may take to come up


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`streamlit run` of an app as a context: up inside, ended after. Options of `.streamlit/config.toml` hold.

    app: path of the script. options: more for the command line, e.g. "--server.disconnectedSessionTTL", "3". base: the
    path that the app is served below, e.g. "/tool". away: seconds that a visit may be away.
    port: of the loopback, else a free one.
    """

    def __init__(self, app: str | Path, *options: str, base: str = "", away: float = AWAY, port: int = 0) -> None:
        self.base, self.away = base, away
        self.port, self.log = port or free_port(), Path(tempfile.mkstemp(suffix=".log", prefix="saccade-")[1])
        self._command = [sys.executable, "-m", "streamlit", "run", str(app), "--server.port", str(self.port),
                         "--server.address", "127.0.0.1", "--server.headless", "true", "--server.baseUrlPath", base,
                         *options]  # fmt: skip

    @property
    def url(self) -> str:
        """Its address without a slash at the end."""
        return f"http://127.0.0.1:{self.port}{self.base}"

    @property
    def alive(self) -> bool:
        """Whether the process runs and answers."""
        if self.process.poll() is not None:
            return False
        try:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=10) as answer:
                return answer.status == 200
        except OSError:
            return False

    def said(self) -> str:
        """What it wrote to its log."""
        return self.log.read_text(errors="replace")

    def memory(self) -> tuple[float, float]:
        """Its resident and its unique set size, in MiB."""
        info = psutil.Process(self.process.pid).memory_full_info()
        return info.rss / 2**20, info.uss / 2**20

    def cpu(self) -> float:
        """Seconds of a core that it has used since it began."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def __enter__(self) -> Server:
        around = os.environ | {"PYTHONPATH": str(ROOT), "SACCADE_AWAY": str(self.away)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self._command, cwd=ROOT, env=around, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + PATIENCE
        while not self.alive:
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__(None, None, None)
                raise RuntimeError(f"The server did not come up:\n{self.said()[-4000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
