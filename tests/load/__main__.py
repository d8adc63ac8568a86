"""How the server holds: latency, errors and memory with 1 to 30 sessions, each asking once a second.

`python -m tests.load [--page fcn] [--sessions 1 10 20 30] [--seconds 30] [--rounds 2]`. Without --page it asks
tests/load/app.py, a page of the kit whose work is small; with it a page of the app by its address (with a slider).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg

from pages.kit.sessions import LOOK
from tests.load.server import ROOT, Server
from tests.load.visitor import Answer, Visitor

MOST = 30  # sessions at once
EVERY = 1.0  # seconds between two interactions of one session
GLANCE = 0.5  # seconds between two looks at the memory
AWAY = 10.0  # seconds that a visit may be away here
GONE = AWAY + 2 * LOOK + 2  # seconds after which a session that left must be gone


@dataclass
class Figures:
    """What was measured with so many sessions. Milliseconds, MiB; per session: above what was there before."""

    page: str
    sessions: int
    round: int
    asked: int = 0
    errors: int = 0
    p50: float = 0.0
    p95: float = 0.0
    most: float = 0.0
    server_cpu: float = 0.0  # milliseconds of a core for each interaction, opening not counted
    messages: float = 0.0  # for each interaction
    kilobytes: float = 0.0  # for each interaction
    before: tuple[float, float] = (0.0, 0.0)  # resident and unique set size
    peak: tuple[float, float] = (0.0, 0.0)
    after: tuple[float, float] = (0.0, 0.0)
    per_session: tuple[float, float] = (0.0, 0.0)
    seconds: list[float] = field(default_factory=list, repr=False)


def interaction(page: Answer, value: float) -> BackMsg:
    """The first slider of the page moved to `value`, 0 to 1 of its range, as a browser sends it."""
    slider = page.of("slider")[0]
    message = BackMsg()
    run = message.rerun_script
    run.page_script_hash, run.fragment_id = page.page, page.fragment("slider")
    widget = run.widget_states.widgets.add(id=slider.id)
    steps = round((slider.max - slider.min) / slider.step)
    widget.double_array_value.data.append(slider.min + slider.step * round(value * steps))
    return message


async def session(visitor: Visitor, page: Answer, figures: Figures, until: float, rng: random.Random) -> None:
    """One session: the slider moved once a second, at a time of its own within it."""
    due = time.monotonic() + EVERY * rng.random()
    while due < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        figures.asked += 1
        try:
            answer = await visitor.ask(interaction(page, rng.random()))
        except (TimeoutError, OSError):
            figures.errors += 1
            return
        figures.errors += bool(answer.of("exception")) or not answer.of("slider")
        figures.seconds.append(answer.seconds)
        figures.messages += answer.messages
        figures.kilobytes += answer.bytes / 1000
        due = max(due + EVERY, time.monotonic())


async def watch(server: Server, figures: Figures) -> None:
    """Note the most memory that the server holds, until it is cancelled."""
    while True:
        figures.peak = tuple(map(max, figures.peak, server.memory()))
        await asyncio.sleep(GLANCE)


async def measure(server: Server, figures: Figures, seconds: float) -> None:
    """Open the sessions one after another, let them ask, close them all, and wait until they are gone."""
    figures.before = server.memory()
    visitors = [Visitor(server.url) for _ in range(figures.sessions)]
    rng = random.Random(figures.sessions)
    for visitor in visitors:
        await visitor.__aenter__()
    watching = asyncio.create_task(watch(server, figures))
    try:
        opened = [await visitor.visit(figures.page, "image=landscape") for visitor in visitors]
        used, until = server.cpu(), time.monotonic() + seconds
        each = (session(v, page, figures, until, random.Random(rng.random()))
                for v, page in zip(visitors, opened, strict=True))  # fmt: skip
        await asyncio.gather(*each)
        used = server.cpu() - used
    finally:
        watching.cancel()
        for visitor in visitors:
            await visitor.socket.close()
    await asyncio.sleep(GONE)
    figures.after = server.memory()
    figures.per_session = tuple((p - b) / figures.sessions for p, b in zip(figures.peak, figures.before, strict=True))
    n = max(1, len(figures.seconds))
    times = 1000 * np.array(figures.seconds or [float("nan")])
    figures.p50, figures.p95, figures.most = (round(float(v), 1) for v in np.percentile(times, (50, 95, 100)))
    figures.server_cpu, figures.messages = 1000 * used / n, figures.messages / n
    figures.kilobytes /= n


async def warm(server: Server, page: str) -> None:
    """One visit before anything is measured: what is loaded once for all is there then."""
    async with Visitor(server.url) as visitor:
        opened = await visitor.visit(page, "image=landscape")
        opened = await visitor.visit(page, "image=landscape")
        for i in range(20):
            await visitor.ask(interaction(opened, i / 20))
    await asyncio.sleep(GONE)


HEAD = "round sessions  asked errors    p50     p95     max  cpu ms  kB each    RSS before/peak/after MiB   each"


def line(figures: Figures) -> str:
    """One row of the table."""
    before, peak, after = (x[0] for x in (figures.before, figures.peak, figures.after))
    return (f"{figures.round:5} {figures.sessions:8} {figures.asked:6} {figures.errors:6} {figures.p50:6.0f} "
            f"{figures.p95:7.0f} {figures.most:7.0f} {figures.server_cpu:7.1f} {figures.kilobytes:8.0f} "
            f"{before:12.0f} {peak:6.0f} {after:6.0f} {figures.per_session[0]:12.2f}")  # fmt: skip


def plain(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """For JSON: two decimals, and not every single time."""
    return {name: [round(v, 2) for v in value] if isinstance(value, tuple) else round(value, 2)
            if isinstance(value, float) else value for name, value in pairs if name != "seconds"}  # fmt: skip


def run(app: Path, page: str, sessions: list[int], seconds: float, rounds: int) -> list[Figures]:
    """Measure all of it on one server and print it."""
    found = []
    with Server(app, away=AWAY) as server:
        asyncio.run(warm(server, page))
        print(HEAD, flush=True)
        for number in range(1, rounds + 1):
            for n in sessions:
                figures = Figures(page, n, number)
                asyncio.run(measure(server, figures, seconds))
                print(line(figures), flush=True)
                found.append(figures)
    for figures in found:
        print(json.dumps(asdict(figures, dict_factory=plain)))
    ends = [figures.after for figures in found][len(sessions) - 1 :: len(sessions)]
    if len(ends) > 1:
        print(f"From the end of round {rounds - 1} to that of round {rounds}: {ends[-1][0] - ends[-2][0]:+.1f} MiB "
              f"resident, {ends[-1][1] - ends[-2][1]:+.1f} MiB unique.")  # fmt: skip
    return found


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__.splitlines()[0])
    parser.add_argument("--page", default="", help="a page of the app by its address, with a slider, e.g. fcn")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 10, 20, 30], help=f"at most {MOST}")
    parser.add_argument("--seconds", type=float, default=30.0, help="that each number of sessions asks for")
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    if not all(0 < n <= MOST for n in asked.sessions):
        parser.error(f"From 1 to {MOST} sessions.")
    app = ROOT / ("app.py" if asked.page else "tests/load/app.py")
    run(app, asked.page, asked.sessions, asked.seconds, asked.rounds)


if __name__ == "__main__":
    main()
