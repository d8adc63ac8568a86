"""Captioners as people meet them: a picture is looked at once, then captions answer any number of wishes.

References
1. Xu et al. 2015 and Vinyals et al. 2015; the network itself is `engine.attention.captioner`.
2. Lecture slides 78-103.

Convention
----------
Attention maps are 14 x 14 cells that divide the picture evenly (`engine.attention.encoder`); a box of cell (row,
column) is (column W / 14, row H / 14, (column + 1) W / 14, (row + 1) H / 14) in the picture's pixel frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from engine import tensors
from engine.attention.captioner import Captioner
from engine.attention.decoding import beam_search
from engine.attention.encoder import GRID, PLACES, SIDE, Encoder
from engine.attention.telling import Telling, Told, Wish, tell
from engine.attention.vocabulary import EDGE, UNKNOWN, Vocabulary, bundled
from engine.cards import Card
from engine.trace import Layer, Step, Table, Trace
from engine.zoo import read_weights

ENCODER = "caption-encoder"  # the name of the card and weights that all captioners share
_TENTH = PLACES // 10


@dataclass(frozen=True, eq=False)
class Encoding:
    """One picture: `rgb` (H, W, 3) uint8 and `annotations` (1, 196, 512), the same for every captioner."""

    rgb: np.ndarray
    annotations: Tensor


def build(card: Card, device: str) -> CaptionModel:
    """The bundled captioner that `card` describes, on `device`. Raises ModelError."""
    net = Captioner(card.settings["kind"], len(bundled()))
    net.load_state_dict(read_weights(card))
    return CaptionModel(card, net, encoder(device), bundled(), device)


@lru_cache(maxsize=4)
def encoder(device: str) -> Encoder:
    """The bundled encoder that all captioners share, on `device`. Raises ModelError."""
    card = Card.read(ENCODER)
    network = Encoder(card.settings["trunk"])
    network.load_state_dict(read_weights(card))
    return network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)


class CaptionModel:
    """A trained `Captioner` with the encoder and the words that it knows; `kind` is plain, soft or hard."""

    def __init__(self, card: Card, net: Captioner, encoder: Encoder, words: Vocabulary, device: str = "cpu") -> None:
        self.card, self.kind, self.words, self.device = card, net.kind, words, device
        self.network = net.to(device).eval().requires_grad_(False)
        self.encoder = encoder

    def working_size(self, rgb: np.ndarray) -> tuple[int, int]:
        """(h, w) at which the encoder sees any picture: a square."""
        return SIDE, SIDE

    @torch.inference_mode()
    def encode(self, rgb: np.ndarray) -> Encoding:
        """What the captioners see of (H, W, 3) uint8, squashed to a square."""
        return Encoding(rgb, self.encoder(tensors.to_input(rgb, self.working_size(rgb), self.device)).float())

    def tell(self, encoding: Encoding, wish: Wish | None = None) -> Telling:
        """A caption with all that was behind each word."""
        return tell(self.network, encoding.annotations, wish)

    def sentence(self, telling: Telling) -> str:
        """The words of a telling, or of what there is of it."""
        return " ".join(self.words.words[i] for i in telling.indices)

    def captions(self, annotations: Tensor, beam: int = 3) -> list[list[str]]:
        """The best caption of each of (B, L, D) as words."""
        return [self.words.decode(found[0].words) for found in beam_search(self.network, annotations, beam)]

    def unsure(self, encoding: Encoding, telling: Telling) -> str:
        """Why this caption should not be believed, as a sentence; "" where nothing speaks against it.

        The bounds stand on the card: a caption less likely, and a picture more alike everywhere, than 99 of 100
        pictures of the validation set. Words that somebody wished for say nothing about the model's own doubts.
        """
        least = self.card.settings.get("unsure", {})
        variety = float(encoding.annotations.std(1).mean())
        if variety < least.get("variety", 0.0):
            return "Unsure: the picture looks nearly alike everywhere, so the words come from habit."
        per_word = telling.log_p / max(len(telling.words), 1)
        if telling.wish.free and per_word < least.get("log_p", -math.inf):
            return f"Unsure: a word of this caption has log p {per_word:.1f} on average, unlike pictures it knows."
        return ""

    def trace(self, image: np.ndarray | Encoding, telling: Telling | None = None) -> Trace:
        """The picture, then a step for each word and the ending.

        image: (H, W, 3) uint8 or what `encode` gave. telling: of this picture; the caption of beam 3 if missing.
        """
        encoding = image if isinstance(image, Encoding) else self.encode(image)
        telling = self.tell(encoding, Wish(beam=3)) if telling is None else telling
        photo = Layer("image", "picture", encoding.rgb)
        caption = self.sentence(telling)
        first = Step("picture", f"{self.unsure(encoding, telling) or 'The whole caption:'} {caption}".strip(), (photo,))
        steps = (first, *(self._step(photo, told) for told in telling.words))
        wish = telling.wish
        settings = {"caption": caption, "beam": wish.beam, "temperature": wish.temperature, "draw": wish.draw,
                    "sharpness": wish.sharpness if wish.sharpness is None or wish.sharpness < math.inf else "one place",
                    "forced": " ".join(self.words.words[i] for i in wish.start), "log p": telling.log_p}  # fmt: skip
        return Trace(encoding.rgb, self.card.asdict(), steps, settings=settings)

    def _step(self, photo: Layer, told: Told) -> Step:
        table = Table(("next word", "p"), tuple((self.word(i), round(p, 4)) for i, p in told.top))
        return Step(self.word(told.word), self._words(told), (photo, *layers(told, photo.data.shape[:2])), table)

    def word(self, index: int) -> str:
        """How a word is written on the page: the ending as a full stop."""
        return "." if index == EDGE else self.words.words[index]

    def _words(self, told: Told) -> str:
        """The sentence of a step."""
        name = "The ending" if told.word == EDGE else f"“{self.word(told.word)}”"
        chance = "is a word it does not know" if told.word == UNKNOWN else f"has p {math.exp(told.log_p):.2f}"
        words = f"{name} {chance}{', as you wished' if told.forced else ''}"
        if told.alpha is None:
            return words + "; it sees the picture only once, before the first word."
        if told.place is not None:
            row, column = divmod(told.place, GRID)
            p = float(told.e.softmax(0)[told.place])
            return (f"{words}; it looked at the cell of row {row + 1}, column {column + 1} alone, whose p was {p:.3f} "
                    f"(everywhere alike: {1 / PLACES:.3f}); gate {told.beta:.2f}.")  # fmt: skip
        share = 100 * float(told.alpha.topk(_TENTH).values.sum())
        return (f"{words}; entropy {told.entropy:.1f} of {math.log(PLACES):.1f} nats, {share:.0f} % of the weight on a "
                f"tenth of the grid; gate {told.beta:.2f}.")  # fmt: skip


def layers(told: Told, size: tuple[int, int]) -> tuple[Layer, ...]:
    """What a word looked at, over a picture of `size` = (H, W): a heat map, and the cell where it was one alone."""
    if told.alpha is None:
        return ()
    shown = told.alpha if told.place is None else told.e.softmax(0)
    heat = shown.reshape(GRID, GRID).numpy()
    layer = Layer("heat", "alpha" if told.place is None else "p of each cell", heat, range=(0.0, float(heat.max())),
                  unit="probability")  # fmt: skip
    if told.place is None:
        return (layer,)
    return layer, Layer("boxes", "the cell", np.array([cell_box(told.place, size)]))


def cell_box(place: int, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The rectangle that a cell is usually drawn as (Convention), over a picture of `size` = (H, W)."""
    row, column = divmod(place, GRID)
    h, w = size[0] / GRID, size[1] / GRID
    return column * w, row * h, (column + 1) * w, (row + 1) * h
