"""How often networks that read distorted digits are wrong.

References
1. Jaderberg et al. 2015, table 1 (classification) and table 4 (addition): errors on the standard 10,000 test digits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from engine.data import DataError
from engine.data.mnist import Digits
from engine.spatial.distortions import Task
from engine.spatial.networks import DigitNet

SEED = 2015  # of the dice that distort what is measured on: everybody is asked the same
BATCH = 500


def error_rate(net: DigitNet, task: Task, digits: Digits) -> float:
    """The share of `digits` that `net` gets wrong, in [0, 1], each distorted once as `task` says, with a fixed seed."""
    dice = torch.Generator().manual_seed(SEED)
    device = next(net.parameters()).device
    images, labels = torch.tensor(digits.images).float() / 255, torch.tensor(digits.labels).long()
    wrong = 0
    with torch.inference_mode():
        for rows in torch.arange(len(digits)).split(BATCH):
            x, y = task.draw(images[rows], labels[rows], dice)
            wrong += int((net(x.to(device)).argmax(1).cpu() != y).sum())
    return round(wrong / len(digits), 5)


def evaluate_digits(model: Any, data: Digits, *, limit: int | None = None,
                    progress: Callable[[str], None] = print) -> dict[str, Any]:  # fmt: skip
    """Score a `DigitModel` or a `FindModel` on the first `limit` of `data`, or on all.

    Returns data, task, split, images and seconds; of a reader `error`, of a finder `found` and `by_digit`, which are
    shares from 0 to 1. Raises DataError.
    """
    from engine.spatial.finding_model import FindModel, found_share

    started = time.monotonic()
    count = len(data) if limit is None else min(limit, len(data))
    if count < 1:
        raise DataError("At least one digit is needed to score a model.")
    some = replace(data, images=data.images[:count], labels=data.labels[:count])
    if isinstance(model, FindModel):
        shares = found_share(model.finder, model.task, some)
        task, figures = model.task, {"found": shares.pop("all"), "by_digit": shares}
    else:
        task, figures = model.task.name, {"error": error_rate(model.net, model.task, some)}
    progress(f"{count} digits, {time.monotonic() - started:.0f} s")
    return {"data": data.name, "task": task, "split": data.split, "images": count, **figures,
            "seconds": round(time.monotonic() - started, 1)}  # fmt: skip
