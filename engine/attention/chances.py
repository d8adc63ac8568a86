"""Hard attention is random: many captions of one picture, each word told from a place that was drawn from alpha.

References
1. Xu et al. 2015, section 4.1: the places are drawn (equation 8), log p of the caption is the reward of the draw, and
   the moving average b_k = 0.9 b_(k-1) + 0.1 r_k is the baseline that it is compared with.
2. Lecture slides 100-102.

Convention
----------
The words are the likeliest ones, so that only the places are left to chance. A reward is the mean log p of a caption's
words, its ending included, in nats. Points lie in the picture's pixel frame (`engine.trace`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import torch

from engine.attention.captioner import drawn
from engine.attention.captions_model import CaptionModel, Encoding, cell_box
from engine.attention.decoding import LONGEST, log_words
from engine.attention.encoder import GRID
from engine.attention.vocabulary import EDGE
from engine.runs import Tell, quiet
from engine.trace import Layer, Step, Table, Trace

DECAY = 0.9  # of the moving average
_ROWS = 10  # of a table at most


@dataclass(frozen=True, eq=False)
class Draws:
    """N captions of one picture.

    words: (N, T) int, the ending of each is the edge, -1 after it. places: (N, T) int, the cell that each word was told
    from, -1 after the ending. rewards: (N,) float (Convention). seed: of the draws.
    """

    words: np.ndarray
    places: np.ndarray
    rewards: np.ndarray
    seed: int

    @cached_property
    def captions(self) -> tuple[tuple[tuple[int, ...], int], ...]:
        """The different captions without their endings, each with how often it came; the most frequent first."""
        return tuple(Counter(tuple(k for k in row if k > EDGE) for row in self.words.tolist()).most_common())

    @cached_property
    def baseline(self) -> np.ndarray:
        """(N,) float: the moving average after each draw, the first reward after the first."""
        return np.array([*accumulate(self.rewards, lambda before, reward: DECAY * before + (1 - DECAY) * reward)])

    @property
    def advantages(self) -> np.ndarray:
        """(N,) float: each reward less the average before it, by which REINFORCE weighs a draw; the first has none."""
        return self.rewards - np.append(self.rewards[:1], self.baseline[:-1])

    @property
    def variance(self) -> float:
        """Of the advantages, in squared nats; 0 for a single draw."""
        return float(self.advantages.var())


def draw(model: CaptionModel, encoding: Encoding, count: int, seed: int = 0,
         tell: Tell = quiet) -> Draws:  # fmt: skip
    """`count` captions with places drawn from alpha, all in one pass.

    tell: called after each word with the captions that have ended. Raises ValueError where the captioner sees the
    picture only once.
    """
    if model.kind == "plain":
        raise ValueError("A captioner that sees the picture only once draws no places.")
    with torch.inference_mode():
        net, chance = model.network, torch.Generator().manual_seed(seed)
        scene = net.scene(encoding.annotations)
        state = net.begin(scene, count)
        word = torch.full((1, count), EDGE, device=encoding.annotations.device)
        alive, total = torch.ones_like(word, dtype=torch.bool), torch.zeros(1, count, device=word.device)
        words, places = [], []
        for number in range(LONGEST + 1):
            look = net.look(scene, state)
            weights = drawn(look.alpha.cpu(), chance).to(look.alpha)  # (1, N, L)
            state, logits = net.step(word, state, net.context(scene, state, look.e, weights))
            log_p = log_words(logits)
            word = log_p.argmax(-1) if number < LONGEST else torch.full_like(word, EDGE)
            total += log_p.gather(-1, word[..., None])[..., 0] * alive
            words.append(word.where(alive, -1)[0])
            places.append(weights.argmax(-1).where(alive, -1)[0])
            alive = alive & (word != EDGE)
            tell(count - int(alive.sum()), count)
            if not alive.any():
                break
    told = torch.stack(words, 1)  # (N, T)
    rewards = total[0] / (told >= 0).sum(1)
    return Draws(told.cpu().numpy(), torch.stack(places, 1).cpu().numpy(), rewards.double().cpu().numpy(), seed)


def cloud_layers(draws: Draws, number: int, size: tuple[int, int]) -> tuple[Layer, Layer]:
    """Where the draws told word `number` (0 the first) from, over a picture of `size` = (H, W).

    A heat map of how many drew each cell, and a point for each draw, thrown anywhere in its cell by the draws' seed.
    """
    cells = draws.places[:, number]
    cells = cells[cells >= 0]
    counts = np.bincount(cells, minlength=GRID * GRID).reshape(GRID, GRID)
    boxes = np.array([cell_box(int(cell), size) for cell in cells]).reshape(-1, 4)
    share = np.random.default_rng((draws.seed, number)).random((len(cells), 2))
    points = boxes[:, :2] + share * (boxes[:, 2:] - boxes[:, :2])
    return (Layer("heat", "draws of each cell", counts.astype(np.float32), range=(0.0, max(1.0, float(counts.max()))),
                  unit="draws"),
            Layer("points", "drawn places", points))  # fmt: skip


def trace(model: CaptionModel, encoding: Encoding, draws: Draws) -> Trace:
    """The captions that came of the draws, then a step for each word number: the cloud, and the words told there."""
    photo, count = Layer("image", "picture", encoding.rgb), len(draws.words)
    captions = tuple((" ".join(model.words.words[k] for k in caption), n) for caption, n in draws.captions)
    first = Step("captions", f"{len(captions)} different captions came of {count} draws; the most frequent one came "
                 f"{captions[0][1]} times. Reward {draws.rewards.mean():.2f} nats in the mean, baseline "
                 f"{draws.baseline[-1]:.2f}, variance of their difference {draws.variance:.3f}.",
                 (photo,), Table(("caption", "draws"), captions[:_ROWS]))  # fmt: skip
    steps = (_step(model, draws, number, photo) for number in range(draws.words.shape[1]))
    return Trace(encoding.rgb, model.card.asdict(), (first, *steps), settings={"draws": count, "seed": draws.seed})


def _step(model: CaptionModel, draws: Draws, number: int, photo: Layer) -> Step:
    told = Counter(k for k in draws.words[:, number].tolist() if k >= 0).most_common()
    heat, cloud = cloud_layers(draws, number, photo.data.shape[:2])
    row, column = divmod(int(heat.data.argmax()), GRID)
    sentence = (f"{len(cloud.data)} captions have a word {number + 1}; they drew {int((heat.data > 0).sum())} of "
                f"{GRID * GRID} cells, most often row {row + 1}, column {column + 1} ({int(heat.data.max())} times), "
                f"and told {len(told)} different words.")  # fmt: skip
    rows = tuple((model.word(k), n) for k, n in told[:_ROWS])
    return Step(f"word {number + 1}", sentence, (photo, heat, cloud), Table(("word", "draws"), rows))
