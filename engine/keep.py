"""A cache for all visitors that is bounded by bytes, and in which each value is made by one of those who want it.

References
1. cachetools, `LRUCache` with `getsizeof`: what was not used for longest goes first.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from cachetools import LRUCache

SMALL = 64  # bytes that anything counts at least


def size_of(value: Any) -> int:
    """Bytes that the arrays, tensors and texts in `value` hold: through dataclasses, mappings and sequences.

    What is found twice counts once. What says itself how many bytes it has `held` is believed.
    """
    return _size(value, set())


def _size(value: Any, seen: set[int]) -> int:
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if not isinstance(value, type) and isinstance(held := getattr(value, "held", getattr(value, "nbytes", None)), int):
        return SMALL + held  # arrays and tensors say nbytes
    if isinstance(value, (bytes, str)):
        return SMALL + len(value)
    inside: Iterable[Any] = ()
    if isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, (tuple, list, set, frozenset, deque)):
        inside = value
    elif is_dataclass(value) and not isinstance(value, type):
        inside = (getattr(value, field.name) for field in fields(value))
    return SMALL + sum(_size(part, seen) for part in inside)


class Keep:
    """Values by key, at most `most` bytes of them; safe among threads."""

    def __init__(self, most: int) -> None:
        self._values: LRUCache = LRUCache(most, getsizeof=size_of)
        self._makers: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes that are kept now."""
        return int(self._values.currsize)

    def peek(self, key: Hashable) -> Any | None:
        """The value of `key` if it is here, else None."""
        with self._lock:
            return self._values.get(key)

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of `key`, made by `make()` where there is none; whoever wants it meanwhile waits for it.

        A value larger than the whole cache is given but not kept. What `make` raises passes, and nothing is kept.
        """
        with self._lock:
            if key in self._values:
                return self._values[key]
            maker = self._makers.setdefault(key, threading.Lock())
        with maker:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            try:
                value = make()
                with self._lock:
                    if size_of(value) <= self._values.maxsize:
                        self._values[key] = value
            finally:
                with self._lock:
                    self._makers.pop(key, None)
        return value

    def drop(self, which: Callable[[Hashable], bool]) -> None:
        """Forget the values of those keys."""
        with self._lock:
            for key in [key for key in self._values if which(key)]:
                del self._values[key]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
