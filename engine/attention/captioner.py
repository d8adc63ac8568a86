"""Show, attend and tell: an LSTM that chooses, word by word, where on a grid of annotation vectors to look.

References
1. Xu et al. 2015, "Show, Attend and Tell": equations 1-3 (LSTM), 4-6 (attention e, alpha, z), 7 (deep output), the
   initial states of section 3.1.2, stochastic attention 4.1, deterministic attention 4.2 with the gate beta; lecture
   slides 85-100.
2. Vinyals et al. 2015, "Show and Tell": the captioner that sees the picture once (lecture slides 78-84).
3. Press and Wolf 2017, "Using the Output Embedding": words are told by the vectors that they are read by.

Convention
----------
B pictures, S sentences being told about each (captions, beams, samples), L places, K words. A step takes the word
before and the state before, and gives the state now and the logits of the word now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.attention.encoder import WIDTH

HIDDEN = 512  # n in the paper
EMBEDDING = 256  # m in the paper
_SCORER = 128  # width of the hidden layer of the attention MLP
KINDS = ("plain", "soft", "hard")


class State(NamedTuple):
    """The LSTM's memory: h and c, both (B, S, HIDDEN)."""

    h: Tensor
    c: Tensor

    def pick(self, index: Tensor) -> State:
        """The states of the sentences `index` (B, S') of each picture."""
        rows = index[..., None].expand(-1, -1, self.h.shape[-1])
        return State(self.h.gather(1, rows), self.c.gather(1, rows))


class Scene(NamedTuple):
    """What is computed once for each picture: annotation vectors (B, L, D) and their part of the scores (B, L, 128)."""

    annotations: Tensor
    keys: Tensor | None


@dataclass(frozen=True, eq=False)
class Look:
    """One look: scores e, weights alpha, both (B, S, L); gate beta (B, S); context z (B, S, D), the gate included."""

    e: Tensor
    alpha: Tensor
    beta: Tensor
    z: Tensor


class Attend(nn.Module):
    """The attention MLP: e_i = w . tanh(W_a a_i + W_h h), alpha = softmax(e) (reference 1, equations 4 and 5)."""

    def __init__(self, width: int = WIDTH, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.place = nn.Linear(width, _SCORER)
        self.state = nn.Linear(hidden, _SCORER, bias=False)
        self.score = nn.Linear(_SCORER, 1, bias=False)

    def forward(self, keys: Tensor, h: Tensor) -> Tensor:
        """(B, L, 128), (B, S, n) -> scores e (B, S, L)."""
        joined = keys[:, None] + self.state(h)[:, :, None]  # (B, S, L, 128)
        return self.score(joined.tanh_()).squeeze(-1)


class Captioner(nn.Module):
    """The decoder of one kind of `KINDS` for a vocabulary of `words` words."""

    def __init__(self, kind: str, words: int) -> None:
        super().__init__()
        self.kind = kind
        self.embed = nn.Embedding(words, EMBEDDING)
        seen = 0 if kind == "plain" else WIDTH
        self.lstm = nn.LSTMCell(EMBEDDING + seen, HIDDEN)
        self.from_state = nn.Linear(HIDDEN, EMBEDDING)  # L_h
        self.bias = nn.Parameter(torch.zeros(words))
        self.dropout = nn.Dropout(0.5)
        self.word_dropout = nn.Dropout(0.3)
        if kind == "plain":
            self.first = nn.Linear(WIDTH, EMBEDDING)
        else:
            self.init_h, self.init_c = nn.Linear(WIDTH, HIDDEN), nn.Linear(WIDTH, HIDDEN)
            self.attend = Attend()
            self.gate = nn.Linear(HIDDEN, 1)  # f_beta
            self.from_context = nn.Linear(WIDTH, EMBEDDING, bias=False)  # L_z
        nn.init.normal_(self.embed.weight, std=EMBEDDING**-0.5)

    def scene(self, annotations: Tensor) -> Scene:
        """(B, L, D) -> what the steps need of the pictures."""
        return Scene(annotations, None if self.kind == "plain" else self.attend.place(annotations))

    def begin(self, scene: Scene, count: int = 1) -> State:
        """The state before the first word, for `count` sentences about each picture.

        From the mean annotation vector: by an MLP (reference 1), or, where the picture is seen once, as the first input
        of the LSTM (reference 2).
        """
        mean = scene.annotations.mean(1)  # (B, D)
        if self.kind == "plain":
            h, c = self.lstm(self.first(mean))
        else:
            h, c = self.init_h(mean).tanh(), self.init_c(mean).tanh()
        return State(*(x[:, None].expand(-1, count, -1) for x in (h, c)))

    def look(self, scene: Scene, state: State) -> Look | None:
        """Where the state before the word wants to look, and the expected context: soft attention. None if plain."""
        if self.kind == "plain":
            return None
        e = self.attend(scene.keys, state.h)
        alpha = e.softmax(-1)
        return self.context(scene, state, e, alpha)

    def context(self, scene: Scene, state: State, e: Tensor, weights: Tensor) -> Look:
        """The context of given weights (B, S, L): z = beta sum_i weights_i a_i (equation 6 and section 4.2)."""
        beta = self.gate(state.h).sigmoid()  # (B, S, 1)
        return Look(e, weights, beta[..., 0], beta * (weights @ scene.annotations))

    def step(self, word: Tensor, state: State, look: Look | None) -> tuple[State, Tensor]:
        """The word before (B, S), the state before and where it looked -> the state now and logits (B, S, K)."""
        read = self.word_dropout(self.embed(word))  # (B, S, m)
        x = read if look is None else torch.cat([read, look.z], -1)
        h, c = self.lstm(x.flatten(0, 1), (state.h.flatten(0, 1), state.c.flatten(0, 1)))
        state = State(h.view_as(state.h), c.view_as(state.c))
        deep = read + self.from_state(self.dropout(state.h))
        if look is not None:
            deep = deep + self.from_context(look.z)
        return state, F.linear(self.dropout(deep), self.embed.weight, self.bias)


def drawn(alpha: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A place for each sentence, drawn from alpha (B, S, L), as weights that are 1 there (reference 1, equation 8)."""
    places = torch.multinomial(alpha.flatten(0, 1), 1, generator=generator)  # (B * S, 1)
    return torch.zeros_like(alpha).view(-1, alpha.shape[-1]).scatter_(1, places, 1.0).view_as(alpha)


def most(alpha: Tensor) -> Tensor:
    """The place of highest weight, as weights (B, S, L) that are 1 there."""
    return torch.zeros_like(alpha).scatter_(-1, alpha.argmax(-1, keepdim=True), 1.0)
