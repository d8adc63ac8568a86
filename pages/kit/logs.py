"""What is written to the server's log is bounded: visitors' files make libraries speak, and nobody may fill a disk so.

References
1. Python, `logging`: a filter of a handler sees the records of all loggers that reach it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

LONGEST = 4000  # characters of one record, its traceback included
MOST = 60  # records of one logger in a minute
_MINUTE = 60.0


class Bound(logging.Filter):
    """Lets `MOST` records of each logger through in a minute, and shortens each to `LONGEST` characters.

    What was left out is said once the minute is over, with the logger's next record. clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._minutes: dict[str, tuple[float, int]] = {}  # logger -> when its minute began, and its records since

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written; see the class."""
        now = self._clock()
        with self._lock:
            began, count = self._minutes.get(record.name, (now, 0))
            left_out = max(0, count - MOST)
            if now - began >= _MINUTE:
                began, count = now, 0
            else:
                left_out = 0
            self._minutes[record.name] = began, count + 1
            if len(self._minutes) > 1000:  # names of loggers are few; whoever makes them up starts all anew
                self._minutes.clear()
        if count >= MOST:
            return False
        _shorten(record, f" [{left_out} more in the minute before were left out]" if left_out else "")
        return True


def _shorten(record: logging.LogRecord, more: str) -> None:
    try:
        text = record.getMessage()
    except Exception:  # somebody else's words do not fit their arguments
        text = str(record.msg)
        record.msg, record.args = text, ()
    if record.exc_info and not record.exc_text:
        record.exc_text = logging.Formatter().formatException(record.exc_info)
    trace = record.exc_text or ""
    if len(text) + len(trace) > LONGEST or more:
        text = text if len(text) <= LONGEST // 2 else text[: LONGEST // 2] + " ..."
        record.msg, record.args = text + more, ()
    if len(trace) > LONGEST // 2:
        record.exc_text = "... " + trace[-LONGEST // 2 :]  # its end says what happened


def bound() -> None:
    """Bound what all handlers of the root logger, of Streamlit's and of the server's write; once in a process."""
    for name in ("", "streamlit", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        for handler in logger.handlers or ([logging.lastResort] if not name and logging.lastResort else []):
            if not any(isinstance(found, Bound) for found in handler.filters):
                handler.addFilter(Bound())
