"""Recipe of the captioners' encoder: each square of the grid learns to tell which words a caption would use.

ImageNet's classes know dogs by their breed and people not at all. So the trunk learns the words of the captions first
(reference 1), from the pictures alone; captions are then learned over annotation vectors that do not change any more,
computed once.

References
1. Fang et al. 2015, "From Captions to Visual Concepts and Back", section 3: words from places, pooled over the picture.
2. Wu et al. 2016, "What Value Do Explicit High Level Concepts Have in Vision to Language Problems?": what it is worth.
3. Pinheiro and Collobert 2015, "From Image-level to Pixel-level Labeling": log-sum-exp pooling.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from engine.attention.encoder import WIDTH, Encoder
from engine.data.flickr8k import Captions
from engine.train.running import keep, restore
from engine.trunk import imagenet_weights, load_unfolded

_SHARPNESS = 4.0  # of the pooling: 0 is the mean over the places, infinity the best place


@dataclass(frozen=True)
class WordRecipe:
    """What the encoder's training depends on besides the data; all of it goes on the card."""

    trunk: int = 2
    epochs: int = 6
    batch: int = 16
    crop: int = 256
    area: float = 0.3  # least share of the picture in a view
    aspect: float = 1.6  # largest change of the aspect ratio
    least: int = 30  # pictures that a word must be told of
    trunk_rate: float = 3e-4
    head_rate: float = 1e-3
    weight_decay: float = 0.01
    seed: int = 0


class WordNet(nn.Module):
    """An Encoder and a linear map from its places to words."""

    def __init__(self, encoder: Encoder, count: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.words = nn.Linear(WIDTH, count)
        nn.init.constant_(self.words.bias, -3.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, words) logits: log-mean-exp over the places (reference 3)."""
        places = self.words(self.encoder(x))  # (B, L, words)
        pooled = torch.logsumexp(_SHARPNESS * places, 1) - math.log(places.shape[1])
        return pooled / _SHARPNESS


def frequent(captions: Captions, least: int) -> list[str]:
    """The words told of at least `least` pictures, the most frequent first."""
    counts = Counter(word for several in captions.captions for word in {w for caption in several for w in caption})
    return [word for word, count in counts.most_common() if count >= least]


def targets(captions: Captions, words: Sequence[str]) -> Tensor:
    """(pictures, words): the share of a picture's captions that use the word."""
    index = {word: i for i, word in enumerate(words)}
    table = torch.zeros(len(captions), len(words))
    for i, several in enumerate(captions.captions):
        for caption in several:
            for word in set(caption) & index.keys():
                table[i, index[word]] += 1 / len(several)
    return table


class Views(Dataset):
    """Random views of pictures: part of it, another aspect ratio, mirrored, lighter or darker."""

    def __init__(self, data: Captions, target: Tensor, recipe: WordRecipe, epoch: int) -> None:
        self.data, self.target, self.recipe, self.epoch = data, target, recipe, epoch

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        """(3, S, S) float32 in [-1, 1] and (words,)."""
        rng = np.random.default_rng((self.recipe.seed, self.epoch, i))
        rgb = part(self.data.rgb(i), self.recipe.crop, self.recipe.area, self.recipe.aspect, rng)
        gain, shift = rng.uniform(0.7, 1.3), rng.uniform(-0.2, 0.2)
        x = torch.tensor(rgb).permute(2, 0, 1).float() / 127.5 - 1
        return (x * gain + shift).clamp(-1, 1), self.target[i]


def part(rgb: np.ndarray, size: int, area: float, aspect: float, rng: np.random.Generator) -> np.ndarray:
    """A random part of a picture as (size, size, 3) uint8, mirrored half the time.

    area: its least share of the picture; aspect: how much wider or higher than the picture it may be.
    """
    h, w = rgb.shape[:2]
    share, shape = rng.uniform(area, 1), np.exp(rng.uniform(-1, 1) * math.log(aspect) / 2)
    width, height = min(w, w * math.sqrt(share) * shape), min(h, h * math.sqrt(share) / shape)
    x, y = rng.uniform(0, w - width), rng.uniform(0, h - height)
    image = Image.fromarray(rgb).resize((size, size), Image.Resampling.BILINEAR, (x, y, x + width, y + height))
    pixels = np.asarray(image)
    return np.ascontiguousarray(pixels[:, ::-1] if rng.random() < 0.5 else pixels)


def fit(data: Captions, recipe: WordRecipe, out: Path, *, device: str = "cpu", resume: bool = False,
        steps: int | None = None) -> WordNet:  # fmt: skip
    """Train an Encoder and its words, from ImageNet weights. Writes out/checkpoint.pt after each epoch."""
    torch.manual_seed(recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    vocabulary = frequent(data, recipe.least)
    encoder = Encoder(recipe.trunk)
    load_unfolded(encoder, imagenet_weights(recipe.trunk))
    encoder.trunk.freeze_early()
    net = WordNet(encoder, len(vocabulary)).to(device, memory_format=torch.channels_last).train()
    pretrained = [p for m in (encoder.trunk, encoder.head) for p in m.parameters() if p.requires_grad]
    fresh = [*encoder.narrow.parameters(), *net.words.parameters()]
    rates = [recipe.trunk_rate, recipe.head_rate]
    optimizer = torch.optim.AdamW([{"params": pretrained}, {"params": fresh}], weight_decay=recipe.weight_decay)
    per_epoch = len(data) // recipe.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=per_epoch * recipe.epochs + 1)
    state = {"net": net, "optimizer": optimizer, "schedule": schedule}
    first, target = restore(out / "checkpoint.pt", state) if resume else 0, targets(data, vocabulary)
    for epoch in range(first, recipe.epochs):
        loader = DataLoader(Views(data, target, recipe, epoch), recipe.batch, shuffle=True, drop_last=True,
                            generator=torch.Generator().manual_seed(epoch))  # fmt: skip
        started, losses = time.monotonic(), []
        for step, (x, y) in enumerate(loader):
            if steps is not None and step >= steps:
                return net.eval()
            logits = net(x.to(device, memory_format=torch.channels_last))
            loss = F.binary_cross_entropy_with_logits(logits, y.to(device), reduction="sum") / len(y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 20.0)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
            if step % 25 == 0:
                print(f"epoch {epoch + 1}/{recipe.epochs} step {step}/{per_epoch} loss {np.mean(losses[-25:]):.3f} "
                      f"{time.monotonic() - started:.0f} s", flush=True)  # fmt: skip
        keep(out / "checkpoint.pt", epoch + 1, state)
    return net.eval()


@torch.inference_mode()
def standardise(net: WordNet, pictures: Tensor) -> None:
    """Give the annotation vectors of `pictures` (B, 3, H, W) mean 0 and deviation 1; the words stay what they were."""
    seen = torch.cat([net.encoder(x[None]).flatten(0, 1) for x in pictures])  # (B * L, D)
    mean, deviation = seen.mean(0), seen.std(0).clamp(min=1e-3)
    net.encoder.narrow.weight.div_(deviation[:, None, None, None])
    net.encoder.narrow.bias.sub_(mean).div_(deviation)
    net.words.bias.add_(net.words.weight @ mean)
    net.words.weight.mul_(deviation)
