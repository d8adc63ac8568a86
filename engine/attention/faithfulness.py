"""Whether a word needed what attention brought to it: blank what was looked at most, and see what log p it costs.

References
1. Xu et al. 2015, "Show, Attend and Tell", equations 4-7; lecture slide 102: why should it look at the right places?
2. Samek et al. 2017, "Evaluating the Visualization of What a Deep Neural Network Has Learned": take away the places of
   highest relevance, and as many at random.
3. Jain and Wallace 2019, "Attention is not Explanation": other weights in the place of the model's own.

Convention
----------
The words stay as they were told, and so do the states before each: one look is changed, that before the word. To blank
a place is to give it the picture's mean annotation vector. The weights are not computed anew, so that the content goes
missing and nothing else: the change is beta sum_i alpha_i (mean - a_i) over the blanked places. The initial state keeps
what it knows of the whole picture. A drop is log p as told minus log p after the change, in nats; above 0 the word
became less likely. Blanking all places is the same as attention that weighs them alike.

Where one place alone is looked at, a random tenth of the places holds it one time in ten and changes nothing else. The
ratio of the drops is then near ten for any model whose words need their place at all, and nan or noise for others: of
hard attention read the drops, not the ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.attention.captioner import Captioner, Look, Scene, State
from engine.attention.captions_model import CaptionModel, Encoding
from engine.attention.decoding import log_words
from engine.attention.health import maps
from engine.attention.telling import Telling
from engine.attention.vocabulary import EDGE, UNKNOWN

_LEAST = 1e-3  # nats: a smaller mean drop of random places is no measure for another
_SMALL = """a about above across after against all along also an and another are around as at away be been before behind
being below beside between both but by can do down during each for from front has have he her here him his how i in
inside into is it its near next no not of off on onto or other out outside over past she so some that the their them
then there these they this those through to together toward towards under up upon very was we were what when where which
while who whose with without you"""
FUNCTION_WORDS = frozenset(_SMALL.split())


@dataclass(frozen=True)
class Drop:
    """How far log p of word `number` (0 the first) of a caption falls, in nats, for each change of its look.

    content: not one of `FUNCTION_WORDS`, nor the ending. top: the tenth of the places that it looked at most is
    blanked. random: random tenths, the mean over the draws. uniform: all places are weighed alike.
    """

    number: int
    content: bool
    top: float
    random: float
    uniform: float


@dataclass(frozen=True)
class Means:
    """Mean drops of the `words` content words, in nats; nan where there are none."""

    words: int
    top: float
    random: float
    uniform: float

    @property
    def ratio(self) -> float:
        """top / random: above 1 the places looked at matter more than others; nan unless both are above 0.001."""
        return self.top / self.random if min(self.random, self.top) > _LEAST else math.nan

    @property
    def sentence(self) -> str:
        """What the changes cost, in words that people read: a drop below 0 is a gain, and has no ratio."""
        if not self.words:
            return "No content word in this caption."
        costs = [f"{name} {_cost(drop)}" for name, drop in (
            ("Without the tenth of the cells that they looked at most, content words", self.top),
            ("without a random tenth they", self.random), ("if all cells weigh alike they", self.uniform))]  # fmt: skip
        ratio = ("The first costs nothing" if self.top <= _LEAST else "Random cells cost nothing") + ": no ratio."
        if not math.isnan(self.ratio):
            ratio = f"The first costs {self.ratio:.1f} times as much as the second."
        return f"{', '.join(costs)}, in the mean. {ratio}"


def _cost(drop: float) -> str:
    """A drop of log p as a loss or a gain."""
    if abs(drop) < 0.0005:
        return "lose nothing"
    return f"{'lose' if drop > 0 else 'gain'} {abs(drop):.3f} nats"


@torch.inference_mode()
def faithfulness(model: CaptionModel, encoding: Encoding, telling: Telling, *, draws: int = 5,
                 seed: int = 0) -> tuple[Drop, ...]:  # fmt: skip
    """The drops of each word of `telling` and of its ending; words that the model does not know are left out.

    draws: random tenths for each word, of generator `seed`. Raises ValueError where there is no attention.
    """
    seen = maps(telling)
    if seen is None:
        raise ValueError(f"{model.card.name} sees the picture once, before the first word: no look can be changed.")
    annotations = encoding.annotations[0]  # (L, D)
    blanks = _blanks(telling, seen, draws, seed).to(annotations)  # (T, 2 + draws, L)
    alphas = telling.alphas.to(annotations)
    beta = torch.tensor([told.beta for told in telling.words]).to(annotations)
    away = (blanks * alphas[:, None]) @ (annotations.mean(0) - annotations)  # (T, 2 + draws, D)
    told = torch.stack([told.z for told in telling.words]).to(annotations)[:, None]  # (T, 1, D)
    looks = torch.cat([told, told + beta[:, None, None] * away], 1)  # (T, 3 + draws, D)
    log_p = _replayed(model.network, encoding.annotations, telling, looks).cpu()  # (T, 3 + draws)
    drops = (log_p[:, :1] - log_p[:, 1:]).tolist()
    return tuple(Drop(i, _is_content(model, told.word), top, sum(random) / draws, uniform)
                 for i, (told, (uniform, top, *random)) in enumerate(zip(telling.words, drops, strict=True))
                 if told.word != UNKNOWN)  # fmt: skip


def means(drops: Sequence[Drop]) -> Means:
    """Over the content words of one caption or of many."""
    content = [(drop.top, drop.random, drop.uniform) for drop in drops if drop.content]
    return Means(len(content), *(np.mean(content, 0) if content else np.full(3, math.nan)).tolist())


def ratio(drops: Sequence[Drop]) -> float:
    """`Means.ratio` of the content words: the mean drop at the places looked at over that at random ones."""
    return means(drops).ratio


def _is_content(model: CaptionModel, word: int) -> bool:
    return word not in (EDGE, UNKNOWN) and model.words.words[word] not in FUNCTION_WORDS


def _blanks(telling: Telling, seen: Tensor, draws: int, seed: int) -> Tensor:
    """(T, 2 + draws, L), 1 where a place is blanked: everywhere, at the tenth looked at most, at random tenths."""
    steps, places = seen.shape
    chance = torch.rand(steps, draws, places, generator=torch.Generator().manual_seed(seed))
    order = torch.cat([(seen + telling.alphas)[:, None], chance], 1)  # one place alone comes first
    chosen = torch.zeros_like(order).scatter_(-1, order.topk(max(places // 10, 1)).indices, 1.0)
    return torch.cat([torch.ones(steps, 1, places), chosen], 1)


def _replayed(net: Captioner, annotations: Tensor, telling: Telling, looks: Tensor) -> Tensor:
    """log p (T, V) of each told word after V looks (T, V, D); the states before are those of the looks as told."""
    scene = Scene(annotations, None)
    state, before = net.begin(scene), torch.full((1, 1), EDGE, device=annotations.device)
    states, words = [], []
    for told, look in zip(telling.words, looks, strict=True):
        states.append(state)
        words.append(before)
        state, _ = net.step(before, state, _look(look[None, :1]))
        before = torch.full_like(before, told.word)
    spread = looks.shape[:2]
    first = State(*(torch.cat(x).expand(*spread, -1) for x in zip(*states, strict=True)))  # (T, V, n)
    _, logits = net.step(torch.cat(words).expand(spread), first, _look(looks))
    told = torch.tensor([told.word for told in telling.words], device=logits.device)
    return log_words(logits).gather(-1, told[:, None, None].expand(*spread, 1))[..., 0]


def _look(z: Tensor) -> Look:
    """A look of which only the context matters."""
    return Look(z, z, z, z)
