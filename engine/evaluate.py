"""A model's figures on a data set, for each of its variants.

References
1. Long et al. 2015, section 5: the figures; `engine.metrics` computes them over all pixels together.

Convention
----------
A model whose classes are not those of the data is asked the data's own question: its labels are turned into the data's
classes by name, and every class of its own becomes background. So torchvision's 21-class models are scored on the
animals as "which of the six is here, or none": calling a piece of background "sofa" is not held against them, and
pixels whose truth is another VOC class are void for every model. Their figures are therefore not the published ones.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from engine.cards import Card
from engine.data import DataError, Segmentation, flickr8k, mnist, stanford, voc
from engine.data.flickr8k import Captions
from engine.data.mnist import Digits
from engine.metrics import Meter, Scores
from engine.trace import VOID

_READERS = {"stanford": stanford.load, "animals": voc.load, "voc": voc.load}  # a card's settings["labels"]
_THERE = ((("iccv09Data", "iccv09Data.tar.gz"), stanford.load), (("VOCdevkit",), voc.load))


def data_for(card: Card, folder: Path | str, split: str = "val") -> Segmentation | Captions | Digits:
    """The data set that `card`'s model is scored on, in its published layout below `folder`. Raises DataError.

    A card that names none, as that of a model's own file, is scored on what lies there.
    """
    by_key = {"kind": flickr8k.load, "task": mnist.load}  # what captioners' and digit readers' cards say
    reader = next((by_key[key] for key in by_key if key in card.settings), None)
    reader = reader or _READERS.get(card.settings.get("labels", ""))
    if reader is None and "labels" not in card.settings:
        reader = next((read for names, read in _THERE if any((Path(folder) / name).exists() for name in names)), None)
    if reader is None:
        raise DataError(f"There is no data set here to score {card.name} on; `report` scores a folder of pictures and "
                        "masks.")  # fmt: skip
    return reader(folder, split)


def reduction(theirs: tuple[str, ...], ours: tuple[str, ...]) -> np.ndarray:
    """(256,) uint8: for each label of a model (`theirs`) the label of the data (`ours`), see Convention.

    Raises DataError where a model knows none of the classes, or knows others and the data have no background.
    """
    shared = set(theirs) & set(ours) - {"background"}
    if not shared or (set(theirs) - set(ours) and "background" not in ours):
        raise DataError(f"A model of {', '.join(theirs)} cannot be scored on {', '.join(ours)}.")
    table = np.full(256, VOID, np.uint8)
    for i, name in enumerate(theirs):
        table[i] = ours.index(name if name in ours else "background")
    return table


def evaluate(model: Any, data: Segmentation | Captions | Digits, *, limit: int | None = None, average: bool = False,
             progress: Callable[[str], None] = print) -> dict[str, Any]:  # fmt: skip
    """Score `model` on the first `limit` pictures of `data`, or on all, by what the data ask for.

    Captions: see `engine.attention.evaluate`. Digits: see `engine.spatial.digits_evaluate`. A segmentation: see
    `segmentation`. average: mean over mirrored and scaled views of each picture. progress: told now and then. Raises
    DataError.
    """
    if isinstance(data, Segmentation):
        return segmentation(model, data, limit=limit, average=average, progress=progress)
    if average:
        raise DataError(f"{type(data).__name__} have no mean over several views: leave --average away.")
    from engine.attention.evaluate import evaluate_captions
    from engine.spatial.digits_evaluate import evaluate_digits

    score = evaluate_captions if isinstance(data, Captions) else evaluate_digits
    return score(model, data, limit=limit, progress=progress)


def segmentation(model: Any, data: Segmentation, *, limit: int | None = None, average: bool = False,
                 progress: Callable[[str], None] = print) -> dict[str, Any]:  # fmt: skip
    """Score `model` (`variants`, `predict`, `card`) on the first `limit` pictures of `data`, or on all.

    average: mean over mirrored and scaled views of each picture. progress: told about every 20 pictures.
    Returns data, split, images, the figures of the model's `answer`, else of its last variant (shares from 0 to 1; None
    where nothing could be judged), its iou by class, "variants" {name: figures} and seconds. Raises DataError.
    """
    started = time.monotonic()
    classes = data.labels.classes
    table = reduction(tuple(model.card.classes), classes)
    meters = {name: Meter(len(classes)) for name in model.variants}
    count = len(data) if limit is None else min(limit, len(data))
    if count < 1:
        raise DataError("At least one picture is needed to score a model.")
    for i in range(count):
        rgb, truth = data[i]
        for name, labels in model.predict(rgb, average=average).items():
            meters[name].add(truth, table[labels])
        if (i + 1) % 20 == 0 or i + 1 == count:
            progress(f"{i + 1} of {count} pictures, {time.monotonic() - started:.0f} s")
    scores = {name: meter.scores() for name, meter in meters.items()}
    last = scores[getattr(model, "answer", None) or model.variants[-1]]
    return {"data": data.name, "split": data.split, "images": count, **_figures(last),
            "iou": {k: plain(v) for k, v in zip(classes, last.iou, strict=True)},
            "variants": {name: _figures(s) for name, s in scores.items()},
            "seconds": round(time.monotonic() - started, 1)}  # fmt: skip


def _figures(scores: Scores) -> dict[str, float | None]:
    return {key: plain(value) for key, value in asdict(scores).items() if key != "iou"}


def plain(value: float) -> float | None:
    """Five digits; None (null in JSON, which has no nan) where there was nothing to judge."""
    return round(value, 5) if math.isfinite(value) else None
