"""A tree of regions: the two with the weakest boundary merge until one is left, and the purest cover is picked from it.

References
1. Farabet, Couprie, Najman and LeCun 2013, "Learning Hierarchical Features for Scene Labeling", section 4.3: each leaf
   takes the class of the component of least cost between itself and the root; lecture slides 32-33.
2. Koepfler, Lopez and Morel 1994, "A Multiscale Algorithm for Image Segmentation by Variational Method", and Robinson,
   Redding and Crisp 2002, the full lambda-schedule: regions merge in the order of what their boundary is worth.
3. SciPy, `scipy.cluster.hierarchy.linkage`: how nodes are numbered.

Convention
----------
Of n leaves: leaves are nodes 0 .. n-1, merge m makes node n + m, the root is 2n - 2. A parent has a higher number than
its children. A boundary runs between pixels that share a side.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np

from engine.segmentation.regions import entropy, mean_distribution

LIMIT = 0.01  # a height above which merges are not to be trusted; chosen on validation, pictures of 320 x 240 pixels
SLACK = 1e-6  # of a weight; without it thousands of equal islands in one ground are all weighed anew at each merge

Edge = tuple[float, int]  # of two neighbours: sum of strengths along the common boundary, its length in pixels


@dataclass(frozen=True, eq=False)
class Tree:
    """A binary tree of regions of a picture.

    leaves: (H, W) int32 ids 0 .. n-1 of the smallest regions.
    parent: (2n-1,) int32, -1 for the root.
    height: (2n-1,) float32, the weight of the boundary that a node's merge removed; leaves 0, never falling.
    size: (2n-1,) int64, pixels below each node.
    """

    leaves: np.ndarray
    parent: np.ndarray
    height: np.ndarray
    size: np.ndarray

    @property
    def count(self) -> int:
        """n, the number of leaves."""
        return (len(self.parent) + 1) // 2

    def cut(self, regions: int) -> np.ndarray:
        """(n,) int32: the node that each leaf lies in when the tree is cut into so many `regions`, held in 1 .. n.

        Node i is in the cut iff i < 2n - regions and its parent is not, or it is the root.
        """
        end = 2 * self.count - min(max(regions, 1), self.count)
        node = np.arange(len(self.parent), dtype=np.int32)
        for i in range(end - 2, -1, -1):
            if self.parent[i] < end:
                node[i] = node[self.parent[i]]
        return node[: self.count]

    def distributions(self, leaf_distributions: np.ndarray) -> np.ndarray:
        """(n, K) distributions of the leaves -> (2n-1, K): their mean below each node, weighted by size."""
        sums = np.zeros((len(self.parent), leaf_distributions.shape[1]))
        sums[: self.count] = leaf_distributions * self.size[: self.count, None]
        for i, parent in enumerate(self.parent[:-1]):
            sums[parent] += sums[i]
        return (sums / self.size[:, None]).astype(leaf_distributions.dtype)

    def cover(self, cost: np.ndarray, limit: float = math.inf) -> np.ndarray:
        """(2n-1,) int32: for each node the one of least `cost` (2n-1,) between it and the root; of equals the largest.

        For leaves this is k* of reference 1. As there, a node that one leaf chooses may hold another leaf that chooses
        a smaller one: each pixel takes one class, but the nodes chosen may lie inside each other.
        limit: paths end below the first node higher than this. Without it, as in the paper, a small thing in something
        large and pure costs its ancestors next to nothing and is lost (see `LIMIT`).
        """
        best = np.arange(len(self.parent), dtype=np.int32)
        for i in range(len(self.parent) - 2, -1, -1):
            above = best[self.parent[i]]
            if self.height[self.parent[i]] <= limit and cost[above] <= cost[i]:
                best[i] = above
        return best

    def paint(self, node_of_leaf: np.ndarray, values: np.ndarray) -> np.ndarray:
        """(H, W, ...): at each pixel the one of `values` (2n-1, ...) that belongs to the node (n,) of its leaf."""
        return values[node_of_leaf][self.leaves]


def cover_labels(probability: np.ndarray, tree: Tree, limit: float = math.inf) -> np.ndarray:
    """(H, W) uint8: each pixel takes the likeliest class of the purest node between its leaf and the root.

    probability: (K, H, W). A node's cost is the entropy of the mean distribution below it. limit: see `Tree.cover`.
    """
    distributions = tree.distributions(mean_distribution(probability, tree.leaves))
    best = tree.cover(entropy(distributions), limit)[: tree.count]
    return tree.paint(best, distributions.argmax(1).astype(np.uint8))


def merge(leaves: np.ndarray, strength: np.ndarray) -> Tree:
    """The tree above `leaves` (H, W), ids 0 .. n-1 all used, by boundary `strength` (H, W).

    A boundary of length l between regions of a and b pixels, of mean strength s over its pairs of pixels (the larger of
    the two), weighs s^2 ab / (a + b) / l: what removing it costs in squared contrast, for each pixel of its length
    (reference 2). The pair of least weight merges, up to `SLACK`, of equals the lowest ids; what merges keeps the id of
    the part with more neighbours. Heights are the weights, levelled where one falls. Raises ValueError on unused ids.
    """
    area = np.bincount(leaves.ravel()).tolist()
    n = len(area)
    if not all(area):
        raise ValueError(f"Of the ids 0 .. {n - 1} of regions {area.count(0)} are not used.")
    neighbours = _neighbours(leaves, strength, n)

    def weight(a: int, b: int) -> float | None:
        if b not in neighbours[a]:
            return None
        total, length = neighbours[a][b]
        return (total / length) ** 2 * area[a] * area[b] / (area[a] + area[b]) / length

    heap = [(weight(a, b), a, b) for a in range(n) for b in neighbours[a] if a < b]
    heapq.heapify(heap)
    parent, height = np.full(2 * n - 1, -1, np.int32), np.zeros(2 * n - 1)
    size = np.array(area + [0] * (n - 1))
    node = list(range(n))  # that the region with an id is now
    for made in range(n, 2 * n - 1):
        known, a, b = heapq.heappop(heap)
        while (now := weight(a, b)) is None or now > known * (1 + SLACK):  # gone, or grown since with one of the two
            if now is not None:
                heapq.heappush(heap, (now, a, b))
            known, a, b = heapq.heappop(heap)
        if len(neighbours[a]) < len(neighbours[b]):
            a, b = b, a
        area[a] += area[b]
        parent[[node[a], node[b]]], height[made], size[made] = made, now, area[a]
        node[a] = made
        for c in _absorb(neighbours, a, b):
            heapq.heappush(heap, (weight(a, c), min(a, c), max(a, c)))
    return Tree(leaves, parent, np.maximum.accumulate(height).astype(np.float32), size)


def _neighbours(leaves: np.ndarray, strength: np.ndarray, n: int) -> list[dict[int, Edge]]:
    """The region adjacency graph: for each region its neighbours. It is connected, as a picture is."""
    pairs, strengths = [], []
    for one, two in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        apart = leaves[one] != leaves[two]
        ends = np.stack([leaves[one][apart], leaves[two][apart]]).astype(np.int64)  # (2, pairs of pixels)
        pairs.append(ends.min(0) * n + ends.max(0))
        strengths.append(np.maximum(strength[one][apart], strength[two][apart]))
    edges, which, lengths = np.unique(np.concatenate(pairs), return_inverse=True, return_counts=True)
    totals = np.bincount(which, np.concatenate(strengths), len(edges))
    neighbours: list[dict[int, Edge]] = [{} for _ in range(n)]
    for edge, total, length in zip(edges.tolist(), totals.tolist(), lengths.tolist(), strict=True):
        a, b = divmod(edge, n)
        neighbours[a][b] = neighbours[b][a] = (total, length)
    return neighbours


def _absorb(neighbours: list[dict[int, Edge]], a: int, b: int) -> list[int]:
    """Let region a take over b with its boundaries; return the regions whose boundary with a has changed."""
    del neighbours[a][b], neighbours[b][a]
    changed, neighbours[b] = neighbours[b], {}
    for c, (total, length) in changed.items():
        del neighbours[c][b]
        more, longer = neighbours[a].get(c, (0.0, 0))
        neighbours[a][c] = neighbours[c][a] = (total + more, length + longer)
    return list(changed)
