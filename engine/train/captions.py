"""Recipes of the captioners: first the words that people wrote, then captions of their own, rewarded.

References
1. Xu et al. 2015, section 4.1 (hard attention: samples, moving-average baseline, entropy, half of them expected) and
   4.2.1 (doubly stochastic: all places should be looked at alike in the end).
2. Rennie et al. 2017, "Self-critical Sequence Training": captions are drawn and rewarded by the score that counts.
3. Luo 2020, "A Better Variant of Self-Critical Sequence Training": the baseline is the mean of the other captions.
4. Williams 1992, REINFORCE.

Convention
----------
Annotation vectors are computed once: (pictures, L, D) half precision in a file that is mapped, not read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from engine.attention.captioner import Captioner, drawn
from engine.attention.decoding import LONGEST, log_words
from engine.attention.encoder import GRID
from engine.attention.scores import CiderD, sentence_bleu
from engine.attention.vocabulary import EDGE, Vocabulary
from engine.data.flickr8k import Captions
from engine.train.running import average, keep, restore

_EDGE_WORD = "."  # an ending that is rewarded like a word: else captions stop in the middle


@dataclass(frozen=True)
class CaptionRecipe:
    """What a stage depends on besides the data; all of it goes on the card.

    rewarded: captions of its own, `samples` for each picture, beside one that people wrote, whose loss weighs `told`:
    rewards alone teach "a man in a red".
    sharpen: what the scores e are multiplied by before the stage (lecture slide 131, from soft towards hard).
    batch: captions, or pictures where rewarded. coverage: weight of the doubly stochastic term. entropy, baseline,
    expected: of hard attention (reference 1): weight of the entropy, decay of the moving average, share of captions
    that see the expected context instead of a drawn place.
    """

    epochs: int = 7
    batch: int = 128
    rate: float = 1e-3
    rewarded: bool = False
    samples: int = 5
    told: float = 0.2
    sharpen: float = 1.0
    smoothing: float = 0.1
    coverage: float = 0.1
    entropy: float = 0.002
    baseline: float = 0.9
    expected: float = 0.5
    weight_decay: float = 0.01
    average: float = 0.998
    seed: int = 0


@dataclass
class Baseline:
    """The moving average of the reward that hard attention's samples are compared with (reference 1, section 4.1)."""

    decay: float
    value: float | None = None

    def state_dict(self) -> dict:
        """For a checkpoint."""
        return {"value": self.value}

    def load_state_dict(self, state: dict) -> None:
        """From a checkpoint."""
        self.value = state["value"]

    def against(self, rewards: Tensor) -> Tensor:
        """rewards (B,) less the average so far, which then moves on."""
        mean = float(rewards.mean())
        before = mean if self.value is None else self.value
        self.value = self.decay * before + (1 - self.decay) * mean
        return rewards - before


def told_batches(data: Captions, words: Vocabulary, size: int, rng: np.random.Generator) -> Iterator[tuple]:
    """Batches of captions of about the same length, in random order: pictures (B,) and words (B, T).

    The last word of each is the edge; -1 stands after it.
    """
    pairs = [(i, words.encode(c[:LONGEST])) for i, several in enumerate(data.captions) for c in several]
    order = np.argsort([len(c) + rng.uniform() for _, c in pairs], kind="stable")
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    for k in rng.permutation(len(batches)):
        chosen = [pairs[j] for j in batches[k]]
        yield np.array([i for i, _ in chosen]), table([c for _, c in chosen])


def table(captions: Sequence[Sequence[int]]) -> Tensor:
    """(B, T) of captions without their edge: their words, the edge, then -1."""
    rows = [torch.tensor([*caption, EDGE]) for caption in captions]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)


def told_loss(net: Captioner, annotations: Tensor, target: Tensor, recipe: CaptionRecipe,
              baseline: Baseline) -> tuple[Tensor, dict[str, float]]:  # fmt: skip
    """The loss of captions that people wrote: (B, L, D), (B, T) -> scalar, and figures for the log."""
    scene = net.scene(annotations)
    state, word = net.begin(scene), torch.full_like(target[:, :1], EDGE)
    expect = torch.rand(len(target), 1, 1, device=target.device) < recipe.expected
    known = target >= 0
    losses, log_p, alphas, log_place, entropy = [], [], [], [], []
    for t in range(target.shape[1]):
        look = net.look(scene, state)
        if look is not None:
            alphas.append(look.alpha[:, 0])
        if net.kind == "hard":
            place = drawn(look.alpha.detach())
            log_alpha = look.e.log_softmax(-1)
            log_place.append(torch.where(expect, 0.0, log_alpha * place).sum(-1)[:, 0])
            entropy.append(-(look.alpha * log_alpha).sum(-1)[:, 0])
            look = net.context(scene, state, look.e, torch.where(expect, look.alpha, place))
        state, logits = net.step(word, state, look)
        now = target[:, t].clamp(min=0)
        losses.append(F.cross_entropy(logits[:, 0], now, reduction="none", label_smoothing=recipe.smoothing))
        log_p.append(-F.cross_entropy(logits[:, 0].detach(), now, reduction="none"))
        word = now[:, None]
    number = known.sum(1)
    per_caption = (torch.stack(losses, 1) * known).sum(1)
    total = per_caption.sum() / number.sum()
    figures = {"loss": float(total.detach())}
    if alphas:
        looked = (torch.stack(alphas, 1) * known[..., None]).sum(1)  # (B, L)
        total = total + recipe.coverage * ((1 - looked) ** 2).sum(1).mean() / number.float().mean()
    if net.kind == "hard":
        reward = (torch.stack(log_p, 1) * known).sum(1) / number  # mean log p of the words
        sampled = (~expect[:, 0, 0]).float()
        advantage = baseline.against(reward) * sampled
        chance = (torch.stack(log_place, 1) * known).sum(1)
        spread = (torch.stack(entropy, 1) * known).sum(1) / number
        total = total - (advantage * chance).mean() - recipe.entropy * spread.mean()
        figures |= {"variance": float(advantage.var()), "entropy": float(spread.detach().mean())}
    return total, figures


def rewarded_loss(net: Captioner, annotations: Tensor, pictures: Sequence[int], recipe: CaptionRecipe,
                  words: Vocabulary, reward: Reward) -> tuple[Tensor, dict[str, float]]:  # fmt: skip
    """The loss of drawn captions (references 2-4): (B, L, D) and the pictures' numbers -> scalar, figures."""
    scene, count = net.scene(annotations), recipe.samples
    state = net.begin(scene, count)
    word = torch.full((len(annotations), count), EDGE, device=annotations.device)
    alive, told, chance, entropy = word == EDGE, [], 0.0, 0.0
    for _ in range(LONGEST + 1):
        look = net.look(scene, state)
        if net.kind == "hard":
            place, log_alpha = drawn(look.alpha.detach()), look.e.log_softmax(-1)
            chance = chance + (log_alpha * place).sum(-1) * alive
            entropy = entropy - ((look.alpha * log_alpha).sum(-1) * alive).sum() / alive.numel()
            look = net.context(scene, state, look.e, place)
        state, logits = net.step(word, state, look)
        log_p = log_words(logits)
        word = torch.multinomial(log_p.detach().exp().flatten(0, 1), 1).view_as(word)
        chance = chance + log_p.gather(-1, word[..., None])[..., 0] * alive
        told.append(torch.where(alive, word, -1))
        alive = alive & (word != EDGE)
        if not alive.any():
            break
    captions = torch.stack(told, -1).tolist()  # (B, S, T)
    got = torch.tensor([[reward(i, words, c) for c in several] for i, several in zip(pictures, captions, strict=True)])
    got = got.to(annotations.device)
    others = (got.sum(1, keepdim=True) - got) / (count - 1)
    loss = -((got - others) * chance).mean() - recipe.entropy * entropy
    return loss, {"reward": float(got.mean()), "variance": float((got - others).var())}


def mirrored(annotations: Tensor) -> Tensor:
    """(B, L, D) as if the pictures had been mirrored: the encoder has learned from both, so its grid is mirrored."""
    return annotations.unflatten(1, (GRID, -1)).flip(2).flatten(1, 2)


class Reward:
    """CIDEr-D plus twice the smoothed BLEU-4 of a caption, its ending counted as a word.

    The brevity penalty is that against the second shortest reference: against the nearest one captions of six words
    were rewarded best, since some reference is always short.
    """

    def __init__(self, data: Captions) -> None:
        self._references = [[(*c, _EDGE_WORD) for c in several] for several in data.captions]
        self._lengths = [sorted(map(len, several))[min(1, len(several) - 1)] for several in self._references]
        self._cider = CiderD(self._references)

    def __call__(self, i: int, words: Vocabulary, caption: Sequence[int]) -> float:
        """Of indices of words, -1 after the edge, for picture `i`."""
        told = [_EDGE_WORD if k == EDGE else words.words[k] for k in caption if k >= 0]
        return self._cider.score(i, told) + 2 * sentence_bleu(told, self._references[i], self._lengths[i])


def fit(net: Captioner, data: Captions, features: np.ndarray, words: Vocabulary, recipe: CaptionRecipe, out: Path, *,
        device: str = "cpu", resume: bool = False, steps: int | None = None, check=None) -> Captioner:  # fmt: skip
    """Train `net` on `features` (pictures, L, D) and captions; return it with averaged weights.

    check: called with the averaged network after each epoch; what it returns is printed. Writes out/checkpoint.pt after
    each epoch; `resume` goes on from it. `steps` bounds them (smoke test).
    """
    torch.manual_seed(recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    net.to(device).train()
    if net.kind != "plain":
        net.attend.score.weight.data.mul_(recipe.sharpen)
    optimizer = torch.optim.AdamW(net.parameters(), recipe.rate, weight_decay=recipe.weight_decay)
    count = len(data) if recipe.rewarded else sum(map(len, data.captions))
    per_epoch = -(-count // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=per_epoch * recipe.epochs + 1,
                                                   pct_start=0.15)  # fmt: skip
    averaged, baseline = AveragedModel(net, multi_avg_fn=average(recipe.average)), Baseline(recipe.baseline)
    state = {"net": net, "averaged": averaged, "optimizer": optimizer, "schedule": schedule, "baseline": baseline}
    reward = Reward(data) if recipe.rewarded else None
    for epoch in range(restore(out / "checkpoint.pt", state) if resume else 0, recipe.epochs):
        torch.manual_seed(recipe.seed + 1000 * epoch)
        rng = np.random.default_rng((recipe.seed, epoch))
        started, log = time.monotonic(), []
        for step, loss in enumerate(_losses(net, data, features, words, recipe, baseline, reward, rng, device, log)):
            if steps is not None and step >= steps:
                return averaged.module.eval()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            averaged.update_parameters(net)
            if step % 25 == 0:
                recent = {k: round(float(np.mean([x[k] for x in log[-25:]])), 3) for k in log[-1]}
                print(f"epoch {epoch + 1}/{recipe.epochs} step {step}/{per_epoch} {recent} "
                      f"{time.monotonic() - started:.0f} s", flush=True)  # fmt: skip
        keep(out / "checkpoint.pt", epoch + 1, state)
        if check is not None:
            print(f"epoch {epoch + 1}: {check(averaged.module.eval())}", flush=True)
    return averaged.module.eval()


def _losses(net, data, features, words, recipe, baseline, reward, rng, device, log) -> Iterator[Tensor]:
    """The loss of each step of one epoch; figures are added to `log`."""
    if recipe.rewarded:
        order = rng.permutation(len(data))
        batches = ((order[i : i + recipe.batch], None) for i in range(0, len(order), recipe.batch))
    else:
        batches = told_batches(data, words, recipe.batch, rng)
    for pictures, target in batches:
        annotations = torch.from_numpy(features[pictures]).to(device).float()
        annotations = torch.where(
            torch.rand(len(pictures), 1, 1, device=device) < 0.5, mirrored(annotations), annotations
        )
        if recipe.rewarded:
            loss, figures = rewarded_loss(net, annotations, pictures, recipe, words, reward)
            some = [words.encode(data.captions[i][rng.integers(len(data.captions[i]))][:LONGEST]) for i in pictures]
            human, _ = told_loss(net, annotations, table(some).to(device), recipe, baseline)
            loss = loss + recipe.told * human
        else:
            loss, figures = told_loss(net, annotations, target.to(device), recipe, baseline)
        log.append(figures)
        yield loss
