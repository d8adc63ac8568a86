"""Words for people that more than one page needs: numbers with their nouns, durations, names told apart.

Convention
----------
Plain English. Nothing here knows what it is about; whoever quotes a visitor cuts the quotation first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def many(n: float, one: str, more: str = "") -> str:
    """A number with its noun: "1 run", "3,750 runs". more: the plural, where it is not `one` and an s."""
    return f"{n:,} {one if n == 1 else more or one + 's'}"


def duration(seconds: float) -> str:
    """A duration as people say it before or while something runs: "1 s", "40 s", "28 min", "2.5 h"."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def apart(names: Iterable[str]) -> tuple[str, ...]:
    """The names, each once: one that comes more than once carries its place, counted from 1, as in "a (8)".

    For what is chosen by its place: widgets light the first of options that read alike.
    """
    names = tuple(names)
    taken, shown = Counter(names), []
    for i, name in enumerate(names, 1):
        text = f"{name} ({i})" if taken[name] > 1 else name
        while text != name and text in taken:
            text += " "  # such a name is there already
        shown.append(text)
        taken[text] += text != name
    return tuple(shown)
