"""How good captions are: BLEU by sacrebleu, CIDEr-D by its authors' formula.

References
1. Papineni et al. 2002, "BLEU"; Post 2018, "A Call for Clarity in Reporting BLEU Scores" (sacrebleu).
2. Vedantam, Zitnick and Parikh 2015, "CIDEr", section 8: CIDEr-D; the tests hold ours against the authors' code.
3. Lin and Och 2004, "ORANGE", section 3: BLEU of a single sentence, n-gram counts beyond the first plus one.

Convention
----------
A caption is a sequence of lower-case words without punctuation. CIDEr-D is given as published: 10 times a cosine, so
that 1.0 is what tables call 100.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

Words = Sequence[str]
_ORDER = 4  # n-grams up to this length count
_SIGMA = 6.0  # words: how fast a caption of another length loses


def ngrams(words: Words) -> Counter:
    """How often each run of 1 to 4 words occurs."""
    return Counter(tuple(words[i : i + n]) for n in range(1, _ORDER + 1) for i in range(len(words) - n + 1))


class CiderD:
    """CIDEr-D against a set of references, one sequence of captions for each picture."""

    def __init__(self, references: Sequence[Sequence[Words]]) -> None:
        self.references = references
        self._log_count = math.log(max(len(references), 1))

    @cached_property
    def _frequency(self) -> Counter:
        """In how many pictures' captions each n-gram occurs."""
        return Counter(gram for several in self.references for gram in {g for words in several for g in ngrams(words)})

    @cached_property
    def _known(self) -> list[list[tuple]]:
        return [[self._vector(words) for words in several] for several in self.references]

    def _vector(self, words: Words) -> tuple[list[dict], list[float], int]:
        """Term frequency by inverse document frequency for each n, the norms, and the number of words."""
        parts: list[dict] = [{} for _ in range(_ORDER)]
        for gram, count in ngrams(words).items():
            rarity = self._log_count - math.log(max(self._frequency.get(gram, 0), 1))
            parts[len(gram) - 1][gram] = count * rarity
        return parts, [math.sqrt(sum(v * v for v in part.values())) for part in parts], len(words)

    def score(self, i: int, words: Words) -> float:
        """CIDEr-D of one caption for picture `i`."""
        parts, norms, length = self._vector(words)
        total = 0.0
        for theirs, their_norms, their_length in self._known[i]:
            penalty = math.exp(-((length - their_length) ** 2) / (2 * _SIGMA**2))
            for part, norm, other, other_norm in zip(parts, norms, theirs, their_norms, strict=True):
                if norm and other_norm:
                    shared = sum(min(v, other[g]) * other[g] for g, v in part.items() if g in other)
                    total += penalty * shared / (norm * other_norm)
        return 10 * total / (_ORDER * max(len(self._known[i]), 1))

    def mean(self, captions: Sequence[Words]) -> float:
        """Mean over all pictures, one caption each, in order."""
        return sum(self.score(i, words) for i, words in enumerate(captions)) / max(len(captions), 1)


def sentence_bleu(words: Words, references: Sequence[Words], length: int | None = None) -> float:
    """BLEU-4 of one caption, smoothed (reference 3), with brevity penalty against `length` words.

    length: that of the reference of nearest length if missing.
    """
    if not words:
        return 0.0
    counts, most = ngrams(words), Counter()
    for reference in references:
        most |= ngrams(reference)
    matched, total = [0] * _ORDER, [0] * _ORDER
    for gram, count in counts.items():
        total[len(gram) - 1] += count
        matched[len(gram) - 1] += min(count, most[gram])
    if not matched[0]:
        return 0.0
    precision = math.log(matched[0] / total[0])
    precision += sum(math.log((m + 1) / (t + 1)) for m, t in zip(matched[1:], total[1:], strict=True))
    wanted = length or min((abs(len(r) - len(words)), len(r)) for r in references)[1]
    return math.exp(precision / _ORDER + min(0.0, 1 - wanted / len(words)))


def corpus_bleu(captions: Sequence[Words], references: Sequence[Sequence[Words]]) -> dict[str, float]:
    """BLEU-1 to BLEU-4 in percent, with and without the brevity penalty, by sacrebleu, and that penalty.

    Keys: bleu1 ... bleu4, plain1 ... plain4 (without the penalty), brevity (0 to 1), words (mean length).
    """
    from sacrebleu.metrics import BLEU

    most = max(map(len, references))
    columns = [[" ".join(several[k]) if k < len(several) else None for several in references] for k in range(most)]
    texts = [" ".join(words) for words in captions]
    figures: dict[str, float] = {}
    for n in range(1, _ORDER + 1):
        score = BLEU(tokenize="none", max_ngram_order=n, force=True).corpus_score(texts, columns)
        figures |= {f"bleu{n}": score.score, f"plain{n}": score.score / max(score.bp, 1e-9)}
    return figures | {"brevity": score.bp, "words": sum(map(len, captions)) / max(len(captions), 1)}
