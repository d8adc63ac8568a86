"""A captioner's figures on a data set: how good its captions are, and whether its attention means something.

References
1. Xu et al. 2015, section 5: BLEU on Flickr8k; `engine.attention.scores` computes it, and CIDEr-D.
2. Lecture slides 101-102: where it looks; `engine.attention.health`, `engine.attention.faithfulness`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from engine.attention.captions_model import CaptionModel, Encoding
from engine.attention.decoding import beam_search
from engine.attention.faithfulness import Drop, faithfulness, means
from engine.attention.health import Health, health, maps
from engine.attention.scores import CiderD, Words, corpus_bleu
from engine.attention.telling import Wish
from engine.data import DataError
from engine.data.flickr8k import Captions
from engine.evaluate import plain

HEADLINE = 3  # the beam whose figures stand for the model
_BATCH = 8  # pictures that are told of at once
_RARE = 1  # per cent of the pictures are below the bounds of "unsure"


def evaluate_captions(model: CaptionModel, data: Captions, *, limit: int | None = None,
                      beams: Sequence[int] = (1, 3, 5), looked: int = 200,
                      progress: Callable[[str], None] = print) -> dict[str, Any]:  # fmt: skip
    """Score `model` on the first `limit` pictures of `data`, or on all.

    beams: widths of the search, to which 1 and 3 are added. looked: attention is judged on so many pictures at most.
    progress: told about every 40 pictures.
    Returns data, split, images, bleu1, bleu4 and cider_d of beam 3; "beams" {width: bleu1 ... bleu4, plain1 ... plain4
    (without the brevity penalty), brevity, all shares from 0 to 1, words, the mean length, and cider_d (1.0 is what
    tables call 100)}; what `attention_figures` gives, where the model has any; "unsure" {log_p, variety}: bounds that
    99 of 100 pictures are above, of the greedy caption's mean log p of a word and of the annotation vectors' mean
    deviation over the places; seconds. What could not be judged is None. Raises DataError.
    """
    started = time.monotonic()
    count = len(data) if limit is None else min(limit, len(data))
    if count < 1:
        raise DataError("At least one picture is needed to score a model.")
    told: dict[int, list[list[str]]] = {width: [] for width in sorted({1, HEADLINE, *beams})}
    log_p, variety, seen = [], [], []
    for first in range(0, count, _BATCH):
        encodings = [model.encode(data.rgb(i)) for i in range(first, min(first + _BATCH, count))]
        annotations = torch.cat([encoding.annotations for encoding in encodings])  # (B, L, D)
        best = {width: [found[0] for found in beam_search(model.network, annotations, width)] for width in told}
        for width, captions in told.items():
            captions += [model.words.decode(caption.words) for caption in best[width]]
        log_p += [caption.score for caption in best[1]]
        variety += annotations.std(1).mean(1).tolist()
        if model.kind != "plain":
            some = list(zip(encodings, best[HEADLINE], strict=True))[: max(looked - first, 0)]
            seen += [_looks(model, encoding, caption.words) for encoding, caption in some]
        done = first + len(encodings)
        if done % (5 * _BATCH) == 0 or done == count:
            progress(f"{done} of {count} pictures, {time.monotonic() - started:.0f} s")
    figures = _caption_figures(told, data.captions[:count])
    unsure = {"log_p": np.percentile(log_p, _RARE), "variety": np.percentile(variety, _RARE)}
    return {"data": data.name, "split": data.split, "images": count,
            **{key: figures[str(HEADLINE)][key] for key in ("bleu1", "bleu4", "cider_d")}, "beams": figures,
            **(attention_figures(seen) if seen else {}), "unsure": {k: plain(float(v)) for k, v in unsure.items()},
            "seconds": round(time.monotonic() - started, 1)}  # fmt: skip


def attention_figures(seen: Sequence[tuple[Health, Sequence[Drop]]]) -> dict[str, float | None]:
    """What the attention of some captions was like.

    Means over the captions: js_divergence between the maps of successive words and entropy of the maps (nats), coverage
    of the grid (share). Means over all content words, in nats: drop_top, drop_random, drop_uniform; faithfulness =
    drop_top / drop_random. looked: the number of captions.
    """
    divergences = [found.divergence for found, _ in seen if math.isfinite(found.divergence)]
    drops = means([drop for _, drops in seen for drop in drops])
    figures = {"js_divergence": np.mean(divergences) if divergences else math.nan,
               "entropy": np.mean([found.entropy for found, _ in seen]),
               "coverage": np.mean([found.coverage for found, _ in seen]), "faithfulness": drops.ratio,
               "drop_top": drops.top, "drop_random": drops.random, "drop_uniform": drops.uniform}  # fmt: skip
    return {"looked": len(seen), **{key: plain(float(value)) for key, value in figures.items()}}


def _looks(model: CaptionModel, encoding: Encoding, caption: tuple[int, ...]) -> tuple[Health, tuple[Drop, ...]]:
    telling = model.tell(encoding, Wish(start=caption, only=True))
    return health(maps(telling)), faithfulness(model, encoding, telling)


def _caption_figures(told: dict[int, list[list[str]]], references: Sequence[Sequence[Words]]) -> dict[str, dict]:
    """{width: figures}, as strings and numbers that JSON gives back the same."""
    cider, figures = CiderD(references), {}
    for width, captions in told.items():
        found = corpus_bleu(captions, references)
        shares = {key: value / 100 if key.startswith(("bleu", "plain")) else value for key, value in found.items()}
        figures[str(width)] = {k: plain(v) for k, v in {**shares, "cider_d": cider.mean(captions)}.items()}
    return figures
