"""Trees for the tests: made by merging regions at random, and cut and covered by the definitions, leaf by leaf."""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from engine.trace import Layer


def made_tree(n: int, classes: int = 4, seed: int = 0) -> np.ndarray:
    """Nodes (2n-1, 4 + classes) float32 as `Layer.nodes` wants them; any two regions may merge."""
    rng = np.random.default_rng(seed)
    parent, height, alive = np.full(2 * n - 1, -1), np.zeros(2 * n - 1), list(range(n))
    shares = np.zeros((2 * n - 1, classes))
    shares[:n] = rng.dirichlet(np.full(classes, 0.3), n)
    for new in range(n, 2 * n - 1):
        pair = [alive.pop(int(rng.integers(len(alive)))) for _ in range(2)]
        parent[pair], height[new], shares[new] = new, new - n + 1, shares[pair].mean(0)
        alive.append(new)
    cost = entr(shares).sum(1).astype(np.float32)
    best = [min(way(parent, i), key=lambda j: (cost[j], -j)) for i in range(2 * n - 1)]
    return np.column_stack([parent, height, cost, best, shares]).astype(np.float32)


def made_layer(n: int, size: tuple[int, int], classes: int = 4, seed: int = 0, **more: object) -> Layer:
    """A tree layer of `size` (h, w): each leaf is what lies nearest to its random centre."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    centres = rng.random((n, 2)) * size
    leaves = np.argmin((y[..., None] - centres[:, 0]) ** 2 + (x[..., None] - centres[:, 1]) ** 2, -1)
    return Layer("tree", "tree", leaves.astype(np.int32), nodes=made_tree(n, classes, seed), **more)


def way(parent: np.ndarray, i: int) -> list[int]:
    """Node i and all above it, up to the root."""
    nodes = [i]
    while parent[nodes[-1]] >= 0:
        nodes.append(int(parent[nodes[-1]]))
    return nodes


def cut_of(nodes: np.ndarray, regions: int) -> list[int]:
    """The node that each leaf lies in after a cut: the last on its way that is there before merge n - regions."""
    n = (len(nodes) + 1) // 2
    return [[j for j in way(nodes[:, 0].astype(int), leaf) if j < 2 * n - regions][-1] for leaf in range(n)]


def cover_of(nodes: np.ndarray) -> list[int]:
    """The node of least cost on the way from each leaf to the root; of equals the largest."""
    n = (len(nodes) + 1) // 2
    return [min(way(nodes[:, 0].astype(int), leaf), key=lambda j: (nodes[j, 2], -j)) for leaf in range(n)]
