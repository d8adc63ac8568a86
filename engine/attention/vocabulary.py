"""The words that the captioners know.

References
1. Xu et al. 2015, section 5.1: a fixed vocabulary of frequent words; here those that Flickr8k uses five times.

Convention
----------
Word 0 is the edge of a sentence: it is fed in before the first word and told after the last. Word 1 stands for every
word that is not known.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache

from engine.cards import ASSETS, ModelError

EDGE, UNKNOWN = 0, 1
LEAST = 5  # times that a word must have been used
_PATH = ASSETS / "weights" / "captions.words.txt"
_SPECIAL = ("<edge>", "<unknown>")


_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th"})


def typed(text: str) -> tuple[str, ...]:
    """The words that a person typed, in lower case, none left out: accents fold ("Café" is cafe), and words in other
    scripts and pictographs stay as they are, so that whoever looks them up can say that they are not known.

    Of Latin text the words are those of `engine.data.flickr8k.words`: apostrophes inside a word are closed up.
    """
    closed = re.sub(r"(?<=\w)['’](?=\w)", "", unicodedata.normalize("NFC", text))
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" or unicodedata.category(c) == "So" else " " for c in closed)
    return tuple(_folded(word.casefold()) for word in kept.split())


def _folded(word: str) -> str:
    """The word without its accents, where letters and digits from a to z and 0 to 9 are left; else as it is."""
    plain = unicodedata.normalize("NFKD", word.translate(_LETTERS))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return plain if plain.isascii() and plain.isalnum() else word


class Vocabulary:
    """Words by their index and back. words: the known words without the two special ones."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = (*_SPECIAL, *words)

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def index(self) -> dict[str, int]:
        """word -> its index."""
        return {word: i for i, word in enumerate(self.words)}

    def encode(self, words: Sequence[str]) -> list[int]:
        """Indices of words, `UNKNOWN` for those it does not know; no edge."""
        return [self.index.get(word, UNKNOWN) for word in words]

    def decode(self, indices: Iterable[int]) -> list[str]:
        """The words up to the first edge."""
        words = []
        for i in indices:
            if i == EDGE:
                break
            words.append(self.words[i])
        return words

    @staticmethod
    def of(captions: Iterable[Sequence[str]], least: int = LEAST) -> Vocabulary:
        """The words used at least `least` times, the most frequent first, equals in the order of the alphabet."""
        counts = Counter(word for caption in captions for word in caption)
        return Vocabulary(sorted((w for w, n in counts.items() if n >= least), key=lambda w: (-counts[w], w)))

    def write(self) -> None:
        """Save beside the weights, one word on each line."""
        _PATH.write_text("\n".join(self.words[len(_SPECIAL) :]) + "\n", encoding="utf8")


@lru_cache(maxsize=1)
def bundled() -> Vocabulary:
    """The vocabulary of the captioners that ship. Raises ModelError."""
    if not _PATH.exists():
        raise ModelError(f"The captioners' words are missing: {_PATH.name} is not in {_PATH.parent}.")
    return Vocabulary(_PATH.read_text(encoding="utf8").split())
