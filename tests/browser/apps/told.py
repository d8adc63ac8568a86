"""A made-up caption as a Trace: a step for each word, for the tests of linked viewers."""

from functools import cache

import numpy as np

from engine.trace import Layer, Step, Table, Trace

WORDS = ("a", "photographer", "holds", "colourful", "skateboards", ",", "smiling", ".")
NAMES = ("look here", "hide this")
SEEN = 0.7  # p of the word that was taken


@cache
def told(words: tuple[str, ...], name: str, shift: int) -> Trace:
    """A picture, then a step for each word with a spot of a heat map that moves along a row of cells."""
    y, x = np.mgrid[:240, :360] / np.array([240, 360]).reshape(2, 1, 1)
    image = np.stack([60 + 150 * x, 80 + 120 * y, 90 + 90 * np.sin(9 * x) ** 2], -1).astype(np.uint8)
    steps = [Step("picture", f"The whole caption, {name}: {' '.join(words)}")]
    rows, columns = np.mgrid[:14, :14]
    for i, word in enumerate(words):
        heat = np.exp(-((rows - 6 - shift) ** 2 + (columns - 1 - i) ** 2) / 4.0)
        layer = Layer("heat", "alpha", heat, range=(0.0, 1.0), unit="probability")
        table = Table(("next word", "p"), ((word, SEEN), ("dog", 0.2), ("unicycle", 0.05), ("<b>bold</b>", 0.0)))
        steps.append(Step(word, f"“{word}” has p {SEEN} here; entropy 3.1 of 5.3 nats.", (layer,), table))
    return Trace(image, {"name": name}, tuple(steps))
