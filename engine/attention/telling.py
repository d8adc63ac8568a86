"""One caption and all that was behind each of its words; what people may change, and what comes of it.

References
1. Xu et al. 2015, equations 4-7; lecture slides 87-100.
2. Lecture slide 131, from soft to hard: the distribution over the places is sharpened.

Convention
----------
alpha of a told caption is what weighed the annotation vectors, after sharpening, drawing or painting; `e` are
the scores before all that. Sharpness s gives alpha = softmax(s e): 0 looks everywhere alike, 1 is soft attention as
trained, infinity looks at the one place of highest score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.attention.captioner import Captioner, Look, Scene, State, drawn, most
from engine.attention.decoding import LONGEST, beam_search, log_words
from engine.attention.vocabulary import EDGE, UNKNOWN

KEPT = 10  # next words that a told word remembers


@dataclass(frozen=True, eq=False)
class Wish:
    """What people may ask of a caption.

    start: indices of the first words, as forced. only: tell nothing after them but the ending, which reads a caption of
    one's own. sharpness: of attention (Convention); None means as trained, that is 1 for soft, infinity for hard.
    draw: a seed: places are drawn from alpha, not weighed by it. temperature: of the words, 0 takes the likeliest each
    time; above 0 words are drawn by p^(1/T) with `seed`. beam: width of the search, where no chance plays a part.
    painted: number of a word (0 the first) -> (L,) weights >= 0 to look with there instead, scaled to a sum of one.
    """

    start: tuple[int, ...] = ()
    only: bool = False
    sharpness: float | None = None
    draw: int | None = None
    temperature: float = 0.0
    seed: int = 0
    beam: int = 1
    painted: Mapping[int, Tensor] = field(default_factory=dict)

    @property
    def free(self) -> bool:
        """Is the caption the model's own, the likeliest, looked at as it was trained to?"""
        asked = self.start or self.only or self.temperature or self.painted
        return not asked and self.draw is None and self.sharpness is None


@dataclass(frozen=True, eq=False)
class Told:
    """One word and the look before it.

    word: its index, the edge for the ending. log_p: -inf for the unknown word. top: the likeliest words there as
    (index, p). forced: it was wished. e, alpha: (L,), gate beta, context z (D,), None without attention. place: index
    of the one cell that was looked at, None where all were weighed.
    """

    word: int
    log_p: float
    top: tuple[tuple[int, float], ...]
    forced: bool = False
    e: Tensor | None = None
    alpha: Tensor | None = None
    beta: float = 1.0
    place: int | None = None
    z: Tensor | None = None

    @property
    def entropy(self) -> float:
        """Of alpha, in nats; 0 without attention."""
        return 0.0 if self.alpha is None else float(torch.special.entr(self.alpha).sum())


@dataclass(frozen=True, eq=False)
class Telling:
    """A caption: its words with the ending last (missing where time was up), and what was wished."""

    words: tuple[Told, ...]
    wish: Wish

    @property
    def indices(self) -> tuple[int, ...]:
        """The words without the ending."""
        return tuple(told.word for told in self.words if told.word != EDGE)

    @property
    def log_p(self) -> float:
        """Sum over the known words and the ending."""
        return sum(told.log_p for told in self.words if math.isfinite(told.log_p))

    @property
    def alphas(self) -> Tensor | None:
        """(T, L) of the words and the ending; None without attention."""
        return None if self.words[0].alpha is None else torch.stack([told.alpha for told in self.words])


class Gaze:
    """How a captioner looks under a `Wish`; a `decoding.Focus` that counts its words."""

    def __init__(self, wish: Wish, kind: str) -> None:
        self.wish, self.count = wish, 0
        as_trained = math.inf if kind == "hard" else 1.0
        self.sharpness = as_trained if wish.sharpness is None else wish.sharpness
        self.chance = None if wish.draw is None else torch.Generator().manual_seed(wish.draw)

    def __call__(self, net: Captioner, scene: Scene, state: State) -> Look | None:
        """Scores, and the context of the weights that the wish makes of them."""
        number, self.count = self.count, self.count + 1
        if net.kind == "plain":
            return None
        e = net.attend(scene.keys, state.h)  # (B, S, L)
        if number in self.wish.painted:
            painted = self.wish.painted[number].to(e)
            return net.context(scene, state, e, (painted / painted.sum()).expand_as(e))
        if self.chance is not None:
            return net.context(scene, state, e, drawn(e.softmax(-1).cpu(), self.chance).to(e))
        return net.context(scene, state, e, sharpened(e, self.sharpness))


def sharpened(e: Tensor, sharpness: float) -> Tensor:
    """alpha (..., L) of scores e (..., L): softmax(sharpness e), one place where sharpness is infinite."""
    return most(e) if math.isinf(sharpness) else (sharpness * e).softmax(-1)


@torch.inference_mode()
def tell(net: Captioner, annotations: Tensor, wish: Wish | None = None, longest: int = LONGEST) -> Telling:
    """The caption of one picture (1, L, D) under `wish`."""
    wish = wish or Wish()
    start, gaze = wish.start, Gaze(wish, net.kind)
    chance = wish.temperature > 0 or wish.draw is not None
    if wish.beam > 1 and not chance and not wish.only and UNKNOWN not in start and len(start) < longest:
        found = beam_search(net, annotations, wish.beam, gaze, longest=longest, start=start)
        start, gaze = found[0][0].words, Gaze(wish, net.kind)
    scene = net.scene(annotations)
    state, word = net.begin(scene), torch.full((1, 1), EDGE, device=annotations.device)
    dice = torch.Generator().manual_seed(wish.seed)
    words: list[Told] = []
    while True:
        look = gaze(net, scene, state)
        state, logits = net.step(word, state, look)
        log_p = log_words(logits)[0, 0].cpu()
        if len(words) < len(start):
            now = start[len(words)]
        elif wish.only or len(words) >= longest or len(start) > len(wish.start):
            now = EDGE
        elif wish.temperature:
            now = int(torch.multinomial((log_p / wish.temperature).softmax(0), 1, generator=dice))
        else:
            now = int(log_p.argmax())
        words.append(_told(now, log_p, look, len(words) < len(wish.start), gaze))
        if now == EDGE:
            return Telling(tuple(words), wish)
        word = torch.full_like(word, now)


def _told(word: int, log_p: Tensor, look: Look | None, forced: bool, gaze: Gaze) -> Told:
    p, index = log_p.exp().topk(min(KEPT, len(log_p)))
    top = tuple(zip(index.tolist(), p.tolist(), strict=True))
    if look is None:
        return Told(word, float(log_p[word]), top, forced)
    alpha = look.alpha[0, 0].cpu()
    single = gaze.count - 1 not in gaze.wish.painted and (gaze.chance is not None or math.isinf(gaze.sharpness))
    return Told(word, float(log_p[word]), top, forced, look.e[0, 0].cpu(), alpha, float(look.beta[0, 0]),
                int(alpha.argmax()) if single else None, look.z[0, 0].cpu())  # fmt: skip
