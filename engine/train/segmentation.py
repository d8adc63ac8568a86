"""The recipe for networks that label pixels: cross-entropy on every variant, AdamW, one cycle, averaged weights.

References
1. Long et al. 2015, section 4 (fine-tuning from ImageNet); every variant is trained at once here, not in stages.
2. Smith and Topin 2018, "Super-Convergence": the one-cycle schedule.
3. Ronneberger, Fischer and Brox 2015, "U-Net", section 3: pixels at boundaries weigh more.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset

from engine.data import Segmentation
from engine.trace import VOID
from engine.train.augment import view
from engine.train.running import average, keep, restore

# variant name -> logits (B, K, h, w); the last one is the model's answer
Variants = Callable[[nn.Module, Tensor], dict[str, Tensor]]


@dataclass(frozen=True)
class Recipe:
    """What a training depends on besides the data; all of it goes on the card."""

    epochs: int = 16
    batch: int = 8
    crop: int = 288
    scale: tuple[float, float] = (0.75, 2.0)
    trunk_rate: float = 3e-4
    head_rate: float = 2e-3
    weight_decay: float = 1e-4
    aside: float = 0.3  # weight of each variant but the last in the loss
    edge: float = 1.0  # weight of a pixel at most 5 pixels from a boundary, where others count 1 (reference 3)
    average: float = 0.99  # decay of the exponential average of weights
    seed: int = 0


class Views(Dataset):
    """Random views of a data set; the same (seed, epoch, index) gives the same view on every machine."""

    def __init__(self, data: Segmentation, recipe: Recipe, epoch: int) -> None:
        self.data, self.recipe, self.epoch = data, recipe, epoch

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        """(3, S, S) float32 in [-1, 1] and (S, S) int64."""
        rng = np.random.default_rng((self.recipe.seed, self.epoch, i))
        rgb, labels = view(*self.data[i], self.recipe.crop, self.recipe.scale, rng)
        return torch.tensor(rgb.copy()).permute(2, 0, 1).float() / 127.5 - 1, torch.tensor(labels.astype(np.int64))


def loss_of(variants: dict[str, Tensor], target: Tensor, aside: float, edge: float = 1.0) -> Tensor:
    """Cross-entropy of the last variant at every pixel, plus `aside` times that of each other at every fourth.

    variants: logits (B, K, h, w); target: (B, H, W) int64, 255 = void. edge: see `Recipe`. A batch without known pixels
    gives 0.
    """
    *others, last = variants.values()
    weight = torch.where(near_boundary(target), edge, 1.0) * (target != VOID)  # (B, H, W)
    coarse = np.s_[:, 2::4, 2::4]
    loss = _cross_entropy(last, target, weight)
    beside = (_cross_entropy(x, target[coarse], weight[coarse]) for x in others)
    return loss + aside * sum(beside, torch.zeros(()).to(loss))


def near_boundary(target: Tensor) -> Tensor:
    """(B, H, W) int64, 255 = void -> bool: pixels with two known classes in the 11 x 11 square around them."""
    known = (target != VOID)[:, None]
    labels = target[:, None].float()
    highest = F.max_pool2d(labels.masked_fill(~known, -1), 11, 1, 5)
    lowest = -F.max_pool2d(-labels.masked_fill(~known, VOID), 11, 1, 5)
    return (highest > lowest)[:, 0]


def _cross_entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    logits = F.interpolate(logits, target.shape[-2:], mode="bilinear", align_corners=False)
    each = F.cross_entropy(logits, target, ignore_index=VOID, reduction="none")
    return (each * weight).sum() / weight.sum().clamp(min=1)


def fit(model: nn.Module, variants: Variants, data: Segmentation, recipe: Recipe, out: Path, *,
        device: str = "cpu", resume: bool = False, steps: int | None = None) -> nn.Module:  # fmt: skip
    """Train `model`; return it with averaged weights.

    A model with a pretrained part names it `trunk`: that learns at its own rate, its early stages frozen.
    Writes out/checkpoint.pt after each epoch; `resume` goes on from it. `steps` bounds them (smoke test).
    """
    torch.manual_seed(recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    model.to(device, memory_format=torch.channels_last).train()
    groups, rates = _groups(model, recipe)
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    per_epoch = len(data) // recipe.batch or 1
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=per_epoch * recipe.epochs + 1)
    averaged = AveragedModel(model, multi_avg_fn=average(recipe.average))
    state = {"model": model, "averaged": averaged, "optimizer": optimizer, "schedule": schedule}
    first = restore(out / "checkpoint.pt", state) if resume else 0
    for epoch in range(first, recipe.epochs):
        torch.manual_seed(recipe.seed + 1000 * epoch)  # a resumed run throws the same dice for dropout
        loader = DataLoader(Views(data, recipe, epoch), recipe.batch, shuffle=True, drop_last=len(data) > recipe.batch,
                            generator=torch.Generator().manual_seed(epoch + 1000 * recipe.seed))  # fmt: skip
        started, losses = time.monotonic(), []
        for step, (x, target) in enumerate(loader):
            if steps is not None and step >= steps:
                return averaged.module.eval()
            losses.append(_step(model, variants, x.to(device, memory_format=torch.channels_last), target.to(device),
                                optimizer, schedule, recipe))  # fmt: skip
            averaged.update_parameters(model)
            if step % 20 == 0:
                print(f"epoch {epoch + 1}/{recipe.epochs} step {step}/{per_epoch} loss {np.mean(losses[-20:]):.3f} "
                      f"{time.monotonic() - started:.0f} s", flush=True)  # fmt: skip
        keep(out / "checkpoint.pt", epoch + 1, state)
    (out / "recipe.json").write_text(json.dumps(asdict(recipe)))
    return averaged.module.eval()


def _groups(model: nn.Module, recipe: Recipe) -> tuple[list[dict], list[float]]:
    """Parameter groups and their rates: of the trunk, where there is one, and of everything else."""
    if not hasattr(model, "trunk"):
        return [{"params": list(model.parameters())}], [recipe.head_rate]
    model.trunk.freeze_early()
    known = {id(p) for p in model.trunk.parameters()}
    trunk = [p for p in model.trunk.parameters() if p.requires_grad]
    heads = [p for p in model.parameters() if id(p) not in known]
    return [{"params": trunk}, {"params": heads}], [recipe.trunk_rate, recipe.head_rate]


def _step(model, variants, x, target, optimizer, schedule, recipe) -> float:
    loss = loss_of(variants(model, x), target, recipe.aside, recipe.edge)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    schedule.step()
    return float(loss.detach())
