"""Work of models, bounded: so many runs at once on a machine, the others wait in turn, and each can be given up.

Whoever asks is an owner (one visitor). Owners take turns: the one whose last turn is longest ago comes next, and a long
run that tells of its progress steps back there for the others. So nobody who asks for much stops those who ask for
little. What a run raises is its own: the others never see it.

References
1. Nagle 1987, "On Packet Switches with Infinite Storage": fair queueing, one queue for each source, served in turn.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

from engine.keep import size_of

MOST = 4  # runs of one owner that may wait or be under way
CROWD = 200  # runs that may wait in all
KEPT = 50  # durations that the guess of a waiting time rests on
SLICE = 0.1  # seconds after which a run that tells of its progress steps back for others


Tell = Callable[[int, int], None]  # so much is done, of so much; raises Cancelled where nobody waits any more


def quiet(done: int, total: int) -> None:
    """The `Tell` of work that nobody watches."""


class Busy(RuntimeError):
    """There is no place for another run; the message is one clear sentence."""


class Cancelled(RuntimeError):
    """Raised inside a run that was given up; let it pass."""


class Job:
    """One run. state: "waiting", "running", "done", "failed" or "cancelled"."""

    def __init__(self, runs: Runs, owner: str, work: Callable[[Job], Any], label: str) -> None:
        self.owner, self.label, self.state = owner, label, "waiting"
        self.done, self.total = 0, 0
        self._runs, self._work, self._value, self._error = runs, work, None, None
        self._given_up, self._over = threading.Event(), threading.Event()
        self._started, self.turns = 0.0, 0

    @property
    def held(self) -> int:
        """Bytes that its result holds."""
        return size_of(self._value)

    @property
    def place(self) -> int:
        """Its place in the queue, the next one's is 1: 0 while it runs or is over."""
        return self._runs.place(self)

    @property
    def progress(self) -> float | None:
        """The share that is done, 0 to 1; None where the work did not tell."""
        return min(self.done / self.total, 1.0) if self.total else None

    @property
    def left(self) -> float | None:
        """Seconds that are left by the pace so far, or by the usual duration while it waits; None if unknown."""
        if self.state == "waiting":
            return self._runs.wait_of(self)
        if self.state != "running" or not self.done or not self.total:
            return None
        return (time.monotonic() - self._started) * (self.total - self.done) / self.done

    def tell(self, done: int, total: int) -> None:
        """Called by the work: so much of it is done; others may have a turn. Raises Cancelled where it was given up."""
        self.done, self.total = done, total
        if not self._given_up.is_set():
            self._runs.step_back(self)
        if self._given_up.is_set():
            raise Cancelled

    def cancel(self) -> None:
        """Give it up: at once while it waits, at its next `tell` while it runs."""
        self._given_up.set()
        self._runs.forget(self)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is over, at most so long; True where it is."""
        return self._over.wait(seconds)

    def result(self) -> Any:
        """What the work returned, once it is over; raises what it raised, Cancelled where it was given up."""
        self.wait()
        if self.state == "cancelled":
            raise Cancelled("This run was cancelled.")
        try:
            if self._error is not None:
                raise self._error
            return self._value
        finally:
            self = None  # an error holds this frame, which holds the job, which holds the error

    def run(self) -> None:
        """Do the work, in the thread that calls; every outcome ends in a state."""
        self._started, self.state = time.monotonic(), "running"
        try:
            self._value = self._work(self)
            self.end("done")
        except Cancelled:
            self.end("cancelled")
        except BaseException as error:  # a run that fails is its own
            traceback.clear_frames(error.__traceback__)  # the log gets its lines, and what they held is let go
            self._error = error
            self.end("failed")

    def end(self, state: str) -> None:
        """It is over in this state; what it worked on is let go."""
        self.state = state
        self._work = None  # with all that it held
        self._over.set()


class Runs:
    """At most `slots` runs at once. most: of one owner, waiting or under way. crowd: waiting in all."""

    def __init__(self, slots: int, most: int = MOST, crowd: int = CROWD) -> None:
        self.slots, self.most, self.crowd = slots, most, crowd
        self._queue: list[Job] = []  # those who wait for a turn, in the order in which they came
        self._running: dict[Job, float] = {}  # since when
        self._last: dict[str, int] = {}  # owner -> number of their last turn, while they have runs here
        self._turn = 0
        self._changed = threading.Condition()
        self._durations: deque[float] = deque(maxlen=KEPT)

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return len(self._queue)

    def submit(self, owner: str, work: Callable[[Job], Any], label: str = "") -> Job:
        """Put `work(job)` in the queue. Raises Busy where the owner, or everybody together, has too many there."""
        job = Job(self, owner, work, label)
        with self._changed:
            if self._count(owner) >= self.most:
                raise Busy(f"You have {self.most} runs under way already; wait for one of them, or cancel it.")
            if len(self._queue) >= self.crowd:
                raise Busy("Too many people wait for this machine at the moment; please try again in a minute.")
            self._queue.append(job)
            self._grant()
        return job

    def place(self, job: Job) -> int:
        """The place of `job` in the queue, from 1; 0 where it does not wait."""
        with self._changed:
            return 1 + sorted(self._queue, key=self._rank).index(job) if job in self._queue else 0

    def wait_of(self, job: Job) -> float | None:
        """Seconds that `job` is likely to wait; None while nothing is known of the usual duration."""
        place, durations = self.place(job), list(self._durations)
        return place * sum(durations) / len(durations) / self.slots if durations else None

    def forget(self, job: Job) -> None:
        """Take a job that has not begun out of the queue, and wake one that had stepped back."""
        with self._changed:
            if job in self._queue and job.state == "waiting":
                self._queue.remove(job)
                job.end("cancelled")
            self._changed.notify_all()

    def step_back(self, job: Job) -> None:
        """Let others have their turn where `job` has had its own; returns at its next one, or once it is given up."""
        with self._changed:
            if not self._queue or time.monotonic() - self._running.get(job, 0) < SLICE:
                return
            del self._running[job]
            self._queue.append(job)
            self._grant()
            while job in self._queue:
                self._changed.wait()

    def _count(self, owner: str) -> int:
        return sum(job.owner == owner for job in (*self._queue, *self._running))

    def _rank(self, job: Job) -> tuple[int, int, int]:
        """Whose turn it is: the owner's last one longest ago, then the run with the fewest, then who came first."""
        return self._last.get(job.owner, 0), job.turns, self._queue.index(job)

    def _grant(self) -> None:
        """Give turns as long as there are slots; the lock is held."""
        while self._queue and len(self._running) < self.slots:
            job = min(self._queue, key=self._rank)
            self._queue.remove(job)
            self._turn += 1
            self._last[job.owner] = self._turn
            self._running[job] = time.monotonic()
            job.turns += 1
            if job.turns == 1:
                threading.Thread(target=self._serve, args=(job,), daemon=True, name="run").start()
        self._changed.notify_all()

    def _serve(self, job: Job) -> None:
        started = time.monotonic()
        job.run()
        with self._changed:
            self._running.pop(job, None)
            self._durations.append(time.monotonic() - started)
            if not self._count(job.owner):
                self._last.pop(job.owner, None)
            self._grant()


RUNS = Runs(max(1, (os.cpu_count() or 2) // 2))  # a run of PyTorch uses several cores by itself
