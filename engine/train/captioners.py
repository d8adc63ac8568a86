"""The plans of the encoder and of the three captioners that look through it.

References
1. Xu et al. 2015; Vinyals et al. 2015; lecture slides 78-102.
2. The recipes: `engine.train.words`, `engine.train.captions`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import average_precision_score

from engine import tensors, zoo
from engine.attention.captioner import Captioner
from engine.attention.captions_model import ENCODER, encoder
from engine.attention.decoding import beam_search
from engine.attention.encoder import PLACES, SIDE, WIDTH
from engine.attention.evaluate import evaluate_captions
from engine.attention.scores import corpus_bleu
from engine.attention.vocabulary import Vocabulary, bundled
from engine.cards import Card
from engine.data import flickr8k
from engine.data.flickr8k import Captions
from engine.train import words
from engine.train.captions import CaptionRecipe, fit
from engine.train.plans import record
from engine.train.words import WordNet, WordRecipe


@dataclass(frozen=True)
class EncoderPlan:
    """What the encoder is trained from."""

    card: Card
    recipe: WordRecipe

    def train(self, data: Path | str, out: Path, device: str, resume: bool, steps: int | None) -> Card:
        """See `engine.train.plans.train`."""
        started, pictures = time.monotonic(), flickr8k.load(data, "train")
        net = words.fit(pictures, self.recipe, out, device=device, resume=resume, steps=steps)
        some = range(0, len(pictures), max(1, len(pictures) // 150))
        words.standardise(net, batch(pictures, some, device))
        if steps is not None:
            return self.card
        Vocabulary.of([c for several in pictures.captions for c in several]).write()
        return self.ship(net, pictures, flickr8k.load(data, "val"), time.monotonic() - started, device)

    def ship(self, net: WordNet, pictures: Captions, held_out: Captions, seconds: float, device: str) -> Card:
        """Write the encoder's weights and its card: how well the words of `held_out` are ranked."""
        card = replace(self.card, sha256=zoo.write_weights(self.card.name, net.encoder))
        listed = words.frequent(pictures, self.recipe.least)
        truth = words.targets(held_out, listed).numpy() > 0
        with torch.inference_mode():
            told = torch.cat([net(batch(held_out, [i], device)).cpu() for i in range(len(held_out))]).numpy()
        shown = truth.any(0)
        precision = average_precision_score(truth[:, shown], told[:, shown], average="macro")
        figures = {"words": int(shown.sum()), "word_map": round(float(precision), 5),
                   "chance": round(float(truth[:, shown].mean()), 5)}  # fmt: skip
        card = replace(card, figures=figures, training=record([self.recipe], "train", seconds, device))
        card.write()
        return card


@dataclass(frozen=True)
class CaptionPlan:
    """What a captioner is trained from: recipes, one after the other, each from the averaged weights before it.

    Annotation vectors are kept beside the folders of checkpoints.
    """

    card: Card
    recipes: tuple[CaptionRecipe, ...]

    def train(self, data: Path | str, out: Path, device: str, resume: bool, steps: int | None) -> Card:
        """See `engine.train.plans.train`."""
        started, pictures, held_out = time.monotonic(), flickr8k.load(data, "train"), flickr8k.load(data, "val")
        torch.manual_seed(0)
        net, vocabulary = Captioner(self.card.settings["kind"], len(bundled())), bundled()
        seen, unseen = annotations(pictures, out.parent, device), annotations(held_out, out.parent, device)
        for i, recipe in enumerate(self.recipes):
            net = fit(net, pictures, seen, vocabulary, recipe, out / f"stage{i}", device=device, resume=resume,
                      steps=steps, check=lambda net: quick(net, held_out, unseen, vocabulary))  # fmt: skip
        return self.card if steps is not None else self.ship(net, held_out, time.monotonic() - started, device)

    def ship(self, net: Captioner, held_out: Captions, seconds: float, device: str) -> Card:
        """Write the weights in half precision, measure what was written on `held_out`, and write the card."""
        card = replace(self.card, sha256=zoo.write_weights(self.card.name, net))
        figures = evaluate_captions(zoo.build(card, device), held_out)
        settings = {**card.settings, "unsure": figures.pop("unsure")}
        figures = {k: v for k, v in figures.items() if k not in ("model", "data", "split", "seconds")}
        card = replace(
            card, figures=figures, settings=settings, training=record(self.recipes, "train", seconds, device)
        )
        card.write()
        return card


@torch.inference_mode()
def annotations(data: Captions, folder: Path, device: str) -> np.ndarray:
    """(pictures, L, D) half precision of `data` by the bundled encoder, mapped from a file in `folder`."""
    network, sha = encoder(device), Card.read(ENCODER).sha256
    path = folder / f"{ENCODER}-{sha[:12]}-{data.split}-{len(data)}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".fresh.npy")
        made = np.lib.format.open_memmap(fresh, "w+", np.float16, (len(data), PLACES, WIDTH))
        for i in range(len(data)):
            made[i] = network(batch(data, [i], device))[0].half().cpu().numpy()
        made.flush()
        fresh.replace(path)
    return np.load(path, mmap_mode="r")


def quick(net: Captioner, data: Captions, seen: np.ndarray, vocabulary: Vocabulary) -> str:
    """BLEU of beam 3 on `data`, in one line for the log of a training."""
    told = []
    for i in range(0, len(data), 50):
        some = torch.from_numpy(seen[i : i + 50]).to(net.bias.device).float()
        told += [vocabulary.decode(found[0].words) for found in beam_search(net, some, 3)]
    figures = corpus_bleu(told, data.captions)
    return f"BLEU-1 {figures['bleu1']:.1f}, BLEU-4 {figures['bleu4']:.1f}, {figures['words']:.1f} words"


def batch(data: Captions, some: Iterable[int], device: str) -> torch.Tensor:
    """(B, 3, 448, 448): the pictures `some` of `data` as the encoder takes them."""
    return torch.cat([tensors.to_input(data.rgb(i), (SIDE, SIDE), device) for i in some])


_LICENCE = "Weights: MIT, trained by us from EfficientNet-Lite2 ImageNet weights (Apache-2.0). " + flickr8k.TERMS
_FAILURES = (
    "It knows people, dogs, sport, snow, water and grass, because Flickr8k shows little else: a kitchen or a cat "
    "is described as something that it has met.",
    "Colours of clothes and the number of people are often wrong, and it says man for many women.",
    "It never counts beyond a few, reads no text and names nobody.",
)


def _card(kind: str, title: str, summary: str, paper: str, slides: str) -> Card:
    return Card(f"caption-{kind}", title, summary, paper, slides, "Flickr8k", flickr8k.SPLIT, (),
                settings={"kind": kind}, licence=_LICENCE, failures=_FAILURES)  # fmt: skip


_XU = "Xu et al. 2015, Show, Attend and Tell"
_TOLD = CaptionRecipe(epochs=6)
# Left alone its maps stay nearly even (entropy 4.9 of 5.3 nats); sharpened, they and the captions are better.
_SHARPER = (
    CaptionRecipe(epochs=1, rate=3e-4, sharpen=3.0, coverage=0.02),
    CaptionRecipe(epochs=1, rate=3e-4, sharpen=2.0, coverage=0.02, seed=1),
)
_REWARDED = CaptionRecipe(epochs=3, batch=32, rate=1.5e-4, rewarded=True, coverage=0.02)
_POLISHED = replace(_REWARDED, epochs=2, told=0.05, seed=1)
# Hard attention from even maps learns nothing (see README): it begins as soft attention that was sharpened.
_SOFT_FIRST = tuple(replace(recipe, expected=1.0) for recipe in (_TOLD, *_SHARPER))
_HARD = CaptionRecipe(epochs=2, rate=3e-4, sharpen=1.5, coverage=0.02, entropy=0.0)

PLANS = {
    "caption-encoder": EncoderPlan(
        Card(
            name="caption-encoder",
            title="What the captioners look at",
            summary="EfficientNet-Lite2, taught the words of captions: 14 x 14 annotation vectors of a picture.",
            paper="Fang et al. 2015, From Captions to Visual Concepts and Back",
            slides="85-86",
            data="Flickr8k",
            split=flickr8k.SPLIT,
            classes=(),
            settings={"trunk": 2},
            licence=_LICENCE,
            failures=_FAILURES[:1],
        ),
        WordRecipe(),
    ),
    "caption-plain": CaptionPlan(
        _card("plain", "Captions, the picture seen once", "A toy: 6,000 training pictures; an LSTM that is shown the "
              "picture before the first word and never again.", "Vinyals et al. 2015, Show and Tell", "78-84"),
        (_TOLD, replace(_REWARDED, epochs=2)),
    ),
    "caption-soft": CaptionPlan(
        _card("soft", "Captions, soft attention", "A toy: 6,000 training pictures; before each word it weighs 196 "
              "places of the picture.", _XU, "85-99"),
        (_TOLD, *_SHARPER, _REWARDED, _POLISHED),
    ),
    "caption-hard": CaptionPlan(
        _card("hard", "Captions, hard attention", "A toy: 6,000 training pictures; before each word it looks at one of "
              "196 places, and learned by trial and error which.", _XU, "100-101"),
        (
            *_SOFT_FIRST,
            _HARD,
            replace(_REWARDED, entropy=0.0),
            replace(_POLISHED, entropy=0.0, sharpen=2.0),
        ),
    ),
}  # fmt: skip
