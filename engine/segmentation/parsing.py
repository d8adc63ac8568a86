"""From class probabilities to regions: superpixels, the tree above them, and its purest cover, as labels and as steps.

References
1. Farabet, Couprie, Najman and LeCun 2013, sections 4.1 (superpixels) and 4.3 (optimal cover of a tree).
2. Lecture slides 32-33.

Convention
----------
Superpixels are sought in the picture shrunk to at most `LONGEST` pixels a side; maps there cover the whole picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from engine import tensors
from engine.segmentation import regions
from engine.segmentation.tree import LIMIT, Tree, cover_labels, merge
from engine.trace import Layer, Step, Table

LONGEST = 640
AREA = 640 * 480


@dataclass(frozen=True)
class Superpixels:
    """How superpixels are made: Felzenszwalb's (scale, sigma, min_size) or SLIC's (segments, compactness) settings.

    scale and min_size are meant for a picture of 640 x 480 pixels and follow the area of a smaller one.
    """

    method: str = "felzenszwalb"
    scale: float = 100.0
    sigma: float = 0.8
    min_size: int = 20
    segments: int = 700
    compactness: float = 10.0


USUAL = Superpixels()


def segment(rgb: np.ndarray, settings: Superpixels = USUAL) -> Tree:
    """Superpixels of a picture (H, W, 3) uint8 and the tree above them, at most `LONGEST` pixels along a side.

    Raises ValueError on a method that is neither "felzenszwalb" nor "slic".
    """
    small = _bounded(rgb)
    if settings.method == "felzenszwalb":
        share = small.shape[0] * small.shape[1] / AREA
        least = max(4, round(settings.min_size * share))
        leaves = regions.felzenszwalb(small, settings.scale * share, settings.sigma, least)
    elif settings.method == "slic":
        leaves = regions.slic(small, settings.segments, settings.compactness)
    else:
        raise ValueError(f"Superpixels are made by felzenszwalb or slic, not by {settings.method!r}.")
    return merge(leaves, regions.boundary_strength(small))


def region_labels(probability: np.ndarray, tree: Tree, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(K, h, w) probabilities in the tree's picture -> labels (H, W) uint8 of its superpixels and of its cover."""
    answers = regions.superpixel_labels(probability, tree.leaves), cover_labels(probability, tree, limit(tree))
    return tuple(_enlarged(labels, size) for labels in answers)


def limit(tree: Tree) -> float:
    """`LIMIT` for a picture of the tree's size: enlarged n times, a step is n times weaker and weighs n times less."""
    return LIMIT * (320 * 240 / tree.leaves.size) ** 0.5


def region_steps(rgb: np.ndarray, probability: np.ndarray, tree: Tree, classes: tuple[str, ...]) -> tuple[Step, ...]:
    """Superpixels, tree and cover of a picture (H, W, 3) uint8 with (K, h, w) probabilities in the tree's picture."""
    photo, plain = Layer("image", "picture", rgb), probability.argmax(0)
    means = regions.mean_distribution(probability, tree.leaves)
    shares = tree.distributions(means)
    cost = regions.entropy(shares)
    best = tree.cover(cost, limit(tree))
    averaged = means.argmax(1).astype(np.uint8)[tree.leaves]
    covered = tree.paint(best[: tree.count], shares.argmax(1).astype(np.uint8))
    nodes = np.column_stack([tree.parent, tree.height, cost, best, shares]).astype(np.float32)
    chosen = np.unique(best[: tree.count])
    return (
        Step("Superpixels", f"{tree.count} superpixels, each with the mean of its class probabilities; "
             f"{100 * (averaged != plain).mean():.1f} % of the picture changes.",
             (photo, Layer("labels", "labels of superpixels", averaged),
              Layer("mask", "borders", _borders(tree.leaves), attributes={"on": 0})), _shares(averaged, classes)),
        Step("Tree", f"{tree.count - 1} merges, the weakest boundary first, from {tree.count} superpixels to the whole "
             "picture: drag the level.", (photo, Layer("tree", "regions", tree.leaves, nodes=nodes))),
        Step("Cover", f"Each superpixel takes the class of the purest region above it: {len(chosen)} regions, "
             f"{(chosen >= tree.count).sum()} of them merged; {100 * (covered != plain).mean():.1f} % of the picture "
             "differs from the sum.", (photo, Layer("labels", "labels of the cover", covered)),
             _shares(covered, classes)),
    )  # fmt: skip


def _bounded(rgb: np.ndarray) -> np.ndarray:
    h, w = rgb.shape[:2]
    factor = LONGEST / max(h, w)
    if factor >= 1:
        return rgb
    size = (max(1, round(h * factor)), max(1, round(w * factor)))
    x = tensors.to_input(rgb, size)
    return ((x[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()


def _enlarged(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) labels -> (H, W), each pixel the nearest cell."""
    x = torch.from_numpy(np.ascontiguousarray(labels))[None, None]
    return x[0, 0].numpy() if x.shape[-2:] == size else F.interpolate(x, size, mode="nearest-exact")[0, 0].numpy()


def _borders(leaves: np.ndarray) -> np.ndarray:
    """(h, w) bool: pixels whose right or lower neighbour lies in another region."""
    edge = np.zeros(leaves.shape, bool)
    edge[:, :-1] |= leaves[:, 1:] != leaves[:, :-1]
    edge[:-1] |= leaves[1:] != leaves[:-1]
    return edge


def _shares(labels: np.ndarray, classes: tuple[str, ...]) -> Table:
    """Share of each class, the largest first."""
    shares = 100 * np.bincount(labels.ravel(), minlength=len(classes)) / labels.size
    order = [k for k in shares.argsort()[::-1] if shares[k]]
    return Table(("class", "share, %"), tuple((classes[k], round(float(shares[k]), 1)) for k in order))
