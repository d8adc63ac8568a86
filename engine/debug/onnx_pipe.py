"""Messages between the app and the process that holds a user's network: JSON and raw arrays, never pickle.

Convention
----------
A message is a little-endian u32 (length of the JSON), the JSON, then the arrays that it lists under "arrays" as
[[dtype, shape], ...], each as its raw bytes in C order. Neither side trusts the other: lengths, types and shapes are
bounded before anything is allocated.
"""

from __future__ import annotations

import json
import math
import os
import select
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

MOST_JSON = 2**20  # bytes
MOST_BYTES = 2**28  # of the arrays of one message
MOST_ARRAYS = 8
DTYPES = ("uint8", "int8", "bool", "int32", "int64", "float16", "float32", "float64")
LOOK = 0.1  # seconds between two calls of `tick`

Tick = Callable[[], None]


class PipeError(RuntimeError):
    """The other side ended, or what it said is not a message."""


class Late(PipeError):
    """The other side took too long."""


class Pipe:
    """One side of the conversation: reads from one file descriptor and writes to another."""

    def __init__(self, source: int, target: int) -> None:
        self._source, self._target = source, target
        os.set_blocking(source, False)
        os.set_blocking(target, False)

    def send(self, head: Mapping[str, Any], arrays: Sequence[np.ndarray] = (), seconds: float | None = None,
             tick: Tick | None = None) -> None:  # fmt: skip
        """Send a message. seconds: at most. tick: called now and then, and may raise. Raises PipeError."""
        listed = [[str(a.dtype), list(a.shape)] for a in arrays]
        text = json.dumps({**head, "arrays": listed}).encode()
        end = _end(seconds)
        for part in (struct.pack("<I", len(text)) + text, *(_flat(a) for a in arrays)):
            self._write(memoryview(part), end, tick)

    def receive(self, seconds: float | None = None, tick: Tick | None = None) -> tuple[dict, list[np.ndarray]]:
        """The next message. seconds, tick: as for `send`. Raises PipeError."""
        end = _end(seconds)
        (length,) = struct.unpack("<I", self._read(4, end, tick))
        if length > MOST_JSON:
            raise PipeError("The message is too long.")
        try:
            head = json.loads(bytes(self._read(length, end, tick)))
            sizes = [(np.dtype(_known(dtype)), tuple(map(int, shape))) for dtype, shape in head.pop("arrays")]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise PipeError("The message is not well formed.") from error
        total = sum(dtype.itemsize * math.prod(shape) for dtype, shape in sizes)
        if len(sizes) > MOST_ARRAYS or total > MOST_BYTES or any(s < 0 or len(x) > 8 for _, x in sizes for s in x):
            raise PipeError("The message holds too much.")
        return head, [np.frombuffer(self._read(d.itemsize * math.prod(s), end, tick), d).reshape(s) for d, s in sizes]

    def _read(self, count: int, end: float, tick: Tick | None) -> bytearray:
        found = bytearray(count)
        view = memoryview(found)
        while view:
            try:
                got = os.readv(self._source, [view])
            except BlockingIOError:
                _wait(self._source, select.POLLIN, end, tick)
                continue
            except OSError as error:
                raise PipeError("The other side is gone.") from error
            if got == 0:
                raise PipeError("The other side has ended.")
            view = view[got:]
        return found

    def _write(self, view: memoryview, end: float, tick: Tick | None) -> None:
        while view:
            try:
                view = view[os.write(self._target, view) :]
            except BlockingIOError:
                _wait(self._target, select.POLLOUT, end, tick)
            except OSError as error:
                raise PipeError("The other side is gone.") from error


def _flat(array: np.ndarray) -> memoryview:
    """The bytes of an array in C order."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _known(dtype: str) -> str:
    if dtype not in DTYPES:
        raise ValueError(dtype)
    return dtype


def _end(seconds: float | None) -> float:
    return math.inf if seconds is None else time.monotonic() + seconds


def _wait(descriptor: int, event: int, end: float, tick: Tick | None) -> None:
    """Wait until a descriptor is ready. Raises Late after `end`, and whatever `tick` raises."""
    if tick:
        tick()
    left = max(end - time.monotonic(), 0.0)
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(1000 * min(left, LOOK if tick else 60.0)) and not left:
        raise Late("The other side takes too long.")
