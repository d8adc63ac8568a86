"""The cache that is bounded by bytes."""

import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from engine.keep import SMALL, Keep, size_of


@dataclass(frozen=True, eq=False)
class Pair:
    one: np.ndarray
    two: dict


def test_sizes_are_those_of_the_arrays():
    array, tensor = np.zeros((10, 10), np.float32), torch.zeros(50, dtype=torch.float16)
    assert size_of(array) == 400 + SMALL
    assert size_of(tensor) == 100 + SMALL
    assert size_of(Pair(array, {"a": tensor, "b": b"12345"})) == 400 + 100 + 5 + 5 * SMALL
    assert size_of([array, (array, None)]) == 400 + 4 * SMALL, "what is found twice counts once"


def test_it_never_holds_more_than_it_may_and_drops_what_was_not_used():
    keep, made = Keep(5000), []
    for i in range(20):
        keep.get(i, lambda i=i: made.append(i) or np.zeros(1000, np.uint8))
        keep.get(0, lambda: made.append("again") or np.zeros(1000, np.uint8))
        assert keep.held <= 5000
    assert "again" not in made, "what is used stays"
    keep.get(1, lambda: made.append("one again") or np.zeros(1000, np.uint8))
    assert made[-1] == "one again"


def test_a_value_that_is_too_large_is_given_and_not_kept():
    keep = Keep(1000)
    assert keep.get("a", lambda: np.zeros(5000, np.uint8)).size == 5000
    assert keep.held == 0


def test_one_makes_it_and_the_others_wait():
    keep, made = Keep(10_000), []

    def make():
        made.append(1)
        time.sleep(0.1)
        return np.arange(3)

    found = []
    threads = [threading.Thread(target=lambda: found.append(keep.get("a", make))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert all(value is found[0] for value in found)


def test_a_failure_is_not_kept():
    keep = Keep(1000)
    with pytest.raises(ValueError, match="no"):
        keep.get("a", lambda: (_ for _ in ()).throw(ValueError("no")))
    assert keep.get("a", lambda: "fine") == "fine"
