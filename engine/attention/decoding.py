"""From a captioner to captions: the likeliest word each time, beam search, sampling.

References
1. Xu et al. 2015, section 4.3; Vinyals et al. 2015, section 3.1: beam search.
2. Wu et al. 2016, "Google's Neural Machine Translation System", section 7: longer sentences are not punished.

Convention
----------
A score is the sum of log p of a sentence's words, its ending included, divided by the number of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.attention.captioner import Captioner, Look, Scene, State, most
from engine.attention.vocabulary import EDGE, UNKNOWN

LONGEST = 20  # words of a caption
Focus = Callable[[Captioner, Scene, State], Look | None]
# Of a step of beam search, for each hypothesis that is left after it (B, width): which of those before it goes on from,
# its last word, its sum of log p (-inf: none), and what each of those *before* it looked at.
Watch = Callable[[Tensor, Tensor, Tensor, Look | None], None]


@dataclass(frozen=True)
class Hypothesis:
    """A caption that beam search finished, or gave up: words without the edge, sum of log p, the mean of it."""

    words: tuple[int, ...]
    log_p: float
    score: float


def expected(net: Captioner, scene: Scene, state: State) -> Look | None:
    """Soft attention: the expected context."""
    return net.look(scene, state)


def likeliest(net: Captioner, scene: Scene, state: State) -> Look | None:
    """Hard attention without chance: the one place of highest weight."""
    look = net.look(scene, state)
    return look and net.context(scene, state, look.e, most(look.alpha))


def focus_of(net: Captioner) -> Focus:
    """How a captioner of this kind looks when it is used."""
    return likeliest if net.kind == "hard" else expected


def log_words(logits: Tensor) -> Tensor:
    """Log-probabilities of the words that may be told: the unknown one never is."""
    logits = logits.float()
    logits[..., UNKNOWN] = -torch.inf
    return logits.log_softmax(-1)


@torch.inference_mode()
def beam_search(
    net: Captioner,
    annotations: Tensor,
    width: int = 3,
    focus: Focus | None = None,
    *,
    longest: int = LONGEST,
    start: Sequence[int] = (),
    watch: Watch | None = None,
) -> list[list[Hypothesis]]:
    """For each picture of (B, L, D) the captions that ended, best first; width 1 takes the likeliest word each time.

    start: the first words, as forced. watch: is told of every step (`Watch`).
    """
    focus = focus or focus_of(net)
    scene = net.scene(annotations)
    count, device = len(annotations), annotations.device
    state = net.begin(scene, width)
    word = torch.full((count, width), EDGE, device=device)
    log_p = torch.full((count, width), -torch.inf, device=device)
    log_p[:, 0] = 0.0  # at first all hypotheses are the same one
    told = torch.zeros(count, width, 0, dtype=torch.long, device=device)
    done: list[list[Hypothesis]] = [[] for _ in range(count)]
    for length in range(1, longest + 2):
        look = focus(net, scene, state)
        state, logits = net.step(word, state, look)
        words = log_words(logits)
        if length <= len(start) or length > longest:  # time is up: only an ending may follow
            only = start[length - 1] if length <= len(start) else EDGE
            words = torch.where(torch.arange(words.shape[-1], device=device) == only, words, -torch.inf)
        total = log_p[..., None] + words  # (B, width, K)
        log_p, best = total.flatten(1).topk(width)
        parent, word = best // words.shape[-1], best % words.shape[-1]
        state = state.pick(parent)
        if watch is not None:
            watch(parent, word, log_p, look)
        told = torch.cat([told.gather(1, parent[..., None].expand(-1, -1, told.shape[-1])), word[..., None]], -1)
        for b, k in ((word == EDGE) & log_p.isfinite()).nonzero().tolist():
            if len(done[b]) < width:  # enough of this picture, though the search goes on for others
                value = float(log_p[b, k])
                done[b].append(Hypothesis(tuple(told[b, k, :-1].tolist()), value, value / length))
        log_p = log_p.masked_fill(word == EDGE, -torch.inf)
        if all(len(some) >= width for some in done):
            break
    return [sorted(some, key=lambda h: -h.score) for some in done]
