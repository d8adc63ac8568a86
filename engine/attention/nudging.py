"""The lecture's point about gradients, made live: nudge the weight of one place and watch the context vector z.

References
1. Lecture slides 97-99: soft attention, dz/dp is easy; slide 100: argmax, the derivative is zero almost everywhere.
2. Xu et al. 2015, section 4.2 (the expected context, smooth) and 4.1 (one place, hence REINFORCE).

Convention
----------
p (L,) are the weights of the places, summing to one. A nudge by delta at cell a moves p along the line
p_a + delta, p_i (1 - delta / (1 - p_a)) for the others: they keep their proportions, and the sum stays one. Where the
others hold nothing they share it evenly. A prediction is the directional derivative along that line, by autograd; a
measurement computes again. Both in float64 on the CPU, the words before as told.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.functional import jvp

from engine.attention.captioner import Captioner, Scene, State, most
from engine.attention.captions_model import CaptionModel, Encoding
from engine.attention.telling import Telling, Told
from engine.attention.vocabulary import EDGE, UNKNOWN


@dataclass(frozen=True)
class Effect:
    """What a nudge does to z, as norms in the units of the annotation vectors, and to log p of the word told.

    predicted: of the derivative times delta. measured: of the change. difference: of one less the other. log_p_before,
    log_p_after: nats, -inf for the unknown word. log_p_predicted: the change of log p, by the derivative; 0 for it.
    """

    predicted: float
    measured: float
    difference: float
    log_p_before: float
    log_p_after: float
    log_p_predicted: float


@dataclass(frozen=True)
class Nudge:
    """A nudge of p at `cell` by `delta` (clipped so that p_cell stays in 0 to 1), which was `p` before.

    soft: where all places are weighed. argmax: where only the heaviest is seen. flips_at: the delta at which the
    heaviest place becomes another one. flipped: whether this nudge went past it.
    """

    cell: int
    delta: float
    p: float
    soft: Effect
    argmax: Effect
    flips_at: float
    flipped: bool


def nudge(model: CaptionModel, encoding: Encoding, telling: Telling, number: int, cell: int, delta: float) -> Nudge:
    """Move the weight of `cell` by `delta` at word `number` (0 the first) of a telling of this picture.

    p is what the word looked with; where it looked at one place only, the softmax of its scores. Raises ValueError
    where the captioner sees the picture only once, IndexError where there is no such word or cell.
    """
    told = telling.words[number]
    if told.alpha is None:
        raise ValueError("A captioner that sees the picture only once has no places to weigh.")
    with torch.inference_mode(False), torch.enable_grad():
        net = copy.deepcopy(model.network).cpu().double()
        p = _weights(told)
        delta = min(max(delta, -float(p[cell])), 1 - float(p[cell]))
        line = direction(p, cell)
        scene, state, word = _replayed(net, encoding.annotations.cpu().double(), telling, number)

        def soft(weights: Tensor) -> tuple[Tensor, Tensor]:
            look = net.context(scene, state, weights, weights[None, None])
            _, logits = net.step(word, state, look)
            known = torch.arange(logits.shape[-1]) != UNKNOWN
            return look.z[0, 0], torch.where(known, logits, -torch.inf).log_softmax(-1)[0, 0, told.word]

        def argmax(weights: Tensor) -> tuple[Tensor, Tensor]:
            return soft(most(weights))

        rival = p.clone()
        rival[cell] = -1.0
        other = int(rival.argmax())
        flips_at = float((p[other] - p[cell]) / (1 - line[other]))
        after = p + delta * line
        return Nudge(cell, delta, float(p[cell]), _effect(soft, p, after, delta * line, told.word),
                     _effect(argmax, p, after, delta * line, told.word), flips_at,
                     bool(after.argmax() != p.argmax()))  # fmt: skip


def direction(p: Tensor, cell: int) -> Tensor:
    """dp / d delta (L,) of a nudge at `cell` (Convention): 1 there, -1 in all over the others."""
    others = p.clone()
    others[cell] = 0.0
    if not others.any():
        others = torch.ones_like(p)
        others[cell] = 0.0
    line = -others / others.sum()
    line[cell] = 1.0
    return line


def _weights(told: Told) -> Tensor:
    """p (L,) float64 of a told word, summing to one."""
    if told.place is not None:
        return told.e.double().softmax(0)
    return told.alpha.double() / told.alpha.double().sum()


def _replayed(net: Captioner, annotations: Tensor, telling: Telling, number: int) -> tuple[Scene, State, Tensor]:
    """The scene, and state and word (1, 1) before word `number`, each word before it seen as it was told."""
    scene = net.scene(annotations)
    state, word = net.begin(scene), torch.full((1, 1), EDGE)
    for told in telling.words[:number]:
        weights = told.alpha.double()[None, None]
        state, _ = net.step(word, state, net.context(scene, state, weights, weights))
        word = torch.full((1, 1), told.word)
    return scene, state, word


def _effect(look, before: Tensor, after: Tensor, change: Tensor, word: int) -> Effect:
    """What ``look(p) -> (z, log p)`` makes of `change` = after - before."""
    dz, d_log_p = (jvp(lambda p, k=k: look(p)[k], before, change)[1] for k in range(2))
    (z, log_p), (moved, log_p_after) = look(before), look(after)
    return Effect(float(dz.norm()), float((moved - z).norm()), float((moved - z - dz).norm()), float(log_p),
                  float(log_p_after), 0.0 if word == UNKNOWN else float(d_log_p))  # fmt: skip
