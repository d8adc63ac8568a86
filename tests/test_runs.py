"""Bounded runs: at most so many at once, owners take turns, each can be given up, a failure stays its own."""

import threading
import time

import pytest

from engine.runs import Busy, Cancelled, Runs


def slow(steps: int, told: list | None = None, name: str = "", seconds: float = 0.02):
    """Work in steps that tells of each."""

    def work(job):
        for i in range(steps):
            time.sleep(seconds)
            if told is not None:
                told.append(name)
            job.tell(i + 1, steps)
        return name

    return work


def held(runs: Runs, owner: str = "holder"):
    """A run that keeps its slot until it is let go."""
    begun, go = threading.Event(), threading.Event()

    def work(job):
        begun.set()
        go.wait(10)

    job = runs.submit(owner, work)
    assert begun.wait(10)
    return job, go


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_never_more_at_once_than_slots(slots):
    runs, lock, now, most = Runs(slots, most=20), threading.Lock(), 0, 0

    def work(job):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return job.owner

    jobs = [runs.submit(f"visitor {i % 4}", work) for i in range(12)]
    assert [job.result() for job in jobs] == [f"visitor {i % 4}" for i in range(12)]
    assert most == slots


def test_an_owner_with_many_runs_does_not_stop_the_others():
    runs = Runs(1, most=5)
    first, go = held(runs, "much")
    many = [runs.submit("much", lambda job: time.monotonic()) for _ in range(3)]
    one = runs.submit("little", lambda job: time.monotonic())
    assert one.place == 1, "who had no turn yet comes next"
    assert [job.place for job in many] == [2, 3, 4]
    go.set()
    assert one.result() < min(job.result() for job in many)
    assert first.place == 0


def test_a_long_run_steps_back_for_a_short_one_and_goes_on():
    runs = Runs(1)
    long = runs.submit("long", slow(60))
    time.sleep(0.15)
    started = time.monotonic()
    short = runs.submit("short", lambda job: long.state)
    assert short.result() == "running"
    assert time.monotonic() - started < 0.6, "it did not wait for the end of 1.2 seconds"
    long.result()
    assert long.progress == 1.0


def test_two_long_runs_take_turns():
    runs, told = Runs(1), []
    jobs = [runs.submit(name, slow(30, told, name)) for name in "ab"]
    for job in jobs:
        job.result()
    half = told[: len(told) // 2]
    assert min(half.count("a"), half.count("b")) >= 5


def test_a_waiting_run_is_given_up_at_once_and_a_running_one_at_its_next_word():
    runs = Runs(1)
    running = runs.submit("a", slow(500))
    waiting = runs.submit("b", slow(1, seconds=0))
    waiting.cancel()
    assert waiting.state == "cancelled"
    running.cancel()
    assert running.wait(5)
    assert running.state == "cancelled"
    for job in (waiting, running):
        with pytest.raises(Cancelled):
            job.result()
    assert runs.submit("c", lambda job: 7).result() == 7, "the slot is free again"


def test_one_that_had_stepped_back_can_be_given_up():
    runs = Runs(1)
    long = runs.submit("a", slow(500))
    time.sleep(0.15)
    blocker, go = held(runs, "b")
    long.cancel()
    go.set()
    assert long.wait(5)
    assert long.state == "cancelled"
    assert blocker.wait(5)


@pytest.mark.parametrize("error", [ValueError, MemoryError, SystemExit, KeyboardInterrupt])
def test_a_run_that_fails_is_its_own(error):
    runs = Runs(1)

    def work(job):
        raise error("no")

    bad, good = runs.submit("a", work), runs.submit("b", lambda job: "fine")
    assert good.result() == "fine"
    with pytest.raises(error):
        bad.result()
    assert bad.state == "failed"


def test_there_is_a_limit_for_each_owner_and_for_all():
    runs = Runs(1, most=2, crowd=3)
    first, go = held(runs, "a")
    runs.submit("a", slow(1))
    with pytest.raises(Busy, match="2 runs under way"):
        runs.submit("a", slow(1))
    runs.submit("b", slow(1))
    runs.submit("c", slow(1))
    with pytest.raises(Busy, match="Too many people"):
        runs.submit("d", slow(1))
    go.set()
    first.result()
    runs.submit("a", slow(1)).result()


def test_time_left_and_place_are_told():
    runs = Runs(1)
    runs.submit("a", slow(1, seconds=0.2)).result()
    job = runs.submit("a", slow(10, seconds=0.05))
    behind = runs.submit("b", lambda job: None)
    assert behind.place == 1
    assert 0.1 < behind.left < 1
    while not job.done:
        time.sleep(0.01)
    assert job.left is None or 0 <= job.left < 3
    job.result()
    assert job.place == 0


def test_nothing_of_an_owner_stays():
    runs = Runs(2)
    for i in range(50):
        runs.submit(f"visitor {i}", lambda job: None).result()
    time.sleep(0.05)
    assert not runs._last
    assert not runs._running
