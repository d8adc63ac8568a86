"""Names and other words of uploads as one visible line, in any script.

References
1. Unicode Standard Annex 9, table 1: marks that turn the direction of everything after them.
2. Unicode Standard Annex 15: an accent and its letter as one (NFC); macOS' file names have them apart.
"""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"  # without them words of Persian and Hindi, and families of emoji, fall apart


def visible(text: str, instead: str = "") -> str:
    """`text` on one line; what cannot be seen, such as ends of lines and marks of direction, becomes `instead`."""
    text = unicodedata.normalize("NFC", text)
    return "".join(letter if letter.isprintable() or letter in _JOINERS else instead for letter in text).strip()
