"""A tree of regions: neighbours merge across the weakest boundary until one is left, and the purest cover is cut out.

References
1. Farabet, Couprie, Najman and LeCun 2013, "Learning Hierarchical Features for Scene Labeling", section 4.3: each leaf
   takes the class of the component of least cost between itself and the root; lecture slides 32-33.
2. Arbelaez, Maire, Fowlkes and Malik 2011, "Contour Detection and Hierarchical Image Segmentation", section 3.2: regions
   merged in the order of the mean strength of their common boundary.
3. SciPy, `scipy.cluster.hierarchy.linkage`: the numbering of nodes.

Convention
----------
Of n leaves: leaves are nodes 0 .. n-1, merge m makes node n + m, the root is 2n - 2; a parent has a higher number than
its children. Boundaries lie between pixels that share a side.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from engine.segmentation.regions import entropy, mean_distribution


@dataclass(frozen=True, eq=False)
class Tree:
    """A binary tree of regions of a picture.

    leaves: (H, W) int32 ids 0 .. n-1 of the smallest regions.
    parent: (2n-1,) int32, -1 for the root.
    height: (2n-1,) float32, the strength of the boundary that each node's merge removed; leaves 0, never falling.
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
        """(n,) int32: the node that each leaf lies in after the tree is cut into so many `regions`, held in 1 .. n.

        Node i is in the cut iff i < 2n - regions, and its parent is not or it is the root.
        """
        end = 2 * self.count - min(max(regions, 1), self.count)
        top = np.arange(len(self.parent), dtype=np.int32)
        for i in range(end - 2, -1, -1):
            if self.parent[i] < end:
                top[i] = top[self.parent[i]]
        return top[: self.count]

    def distributions(self, leaf_distributions: np.ndarray) -> np.ndarray:
        """(n, K) distributions of the leaves -> (2n-1, K): the mean over the pixels below each node."""
        sums = np.zeros((len(self.parent), leaf_distributions.shape[1]))
        sums[: self.count] = leaf_distributions * self.size[: self.count, None]
        for i, parent in enumerate(self.parent[:-1]):
            sums[parent] += sums[i]
        return (sums / self.size[:, None]).astype(leaf_distributions.dtype)

    def cover(self, cost: np.ndarray) -> np.ndarray:
        """(2n-1,) int32: for each node the one of least `cost` (2n-1,) between itself and the root; ties: the larger.

        For leaves it is k* of reference 1. As there, a node that one leaf chooses may hold another leaf that
        chooses something smaller: each pixel is covered once, but the nodes chosen may lie inside each other.
        """
        best = np.arange(len(self.parent), dtype=np.int32)
        for i in range(len(self.parent) - 2, -1, -1):
            above = best[self.parent[i]]
            if not cost[i] < cost[above]:
                best[i] = above
        return best

    def paint(self, node_of_leaf: np.ndarray, values: np.ndarray) -> np.ndarray:
        """(H, W, ...): at each pixel the one of `values` (2n-1, ...) that belongs to the node (n,) of its leaf."""
        return values[node_of_leaf][self.leaves]


def merge(leaves: np.ndarray, strength: np.ndarray) -> Tree:
    """The tree that starts from `leaves` (H, W), ids 0 .. n-1 all used, and merges by boundary `strength` (H, W).

    The weight of two neighbours is the mean over the pairs of pixels on both sides of their common boundary of the
    larger strength of the two. The lightest pair merges (of equals the lowest ids; a region made of two goes under the
    id of the one with more neighbours); boundaries that come together are averaged by length (reference 2).
    No mean is lower than its lightest part, so weights never fall; rounding is levelled out.
    """
    n = int(leaves.max()) + 1
    neighbours = _neighbours(leaves, strength, n)
    heap = [(_mean(edge), a, b) for a in range(n) for b, edge in neighbours[a].items() if a < b]
    heapq.heapify(heap)
    parent, height = np.full(2 * n - 1, -1, np.int32), np.zeros(2 * n - 1)
    size = np.concatenate([np.bincount(leaves.ravel()), np.zeros(n - 1, np.int64)])
    node = list(range(n))  # that the region under an id is now
    for made in range(n, 2 * n - 1):
        weight, a, b = heapq.heappop(heap)
        while _mean(neighbours[a].get(b)) != weight:  # merged since, or another boundary was joined to it
            weight, a, b = heapq.heappop(heap)
        if len(neighbours[a]) < len(neighbours[b]):
            a, b = b, a
        parent[[node[a], node[b]]] = made
        size[made] = size[node[a]] + size[node[b]]
        height[made] = weight
        node[a] = made
        for c in _absorb(neighbours, a, b):
            heapq.heappush(heap, (_mean(neighbours[a][c]), min(a, c), max(a, c)))
    return Tree(leaves, parent, np.maximum.accumulate(height).astype(np.float32), size)


def _neighbours(leaves: np.ndarray, strength: np.ndarray, n: int) -> list[dict[int, tuple[float, int]]]:
    """For each region its neighbours, each with the sum of strengths and the length of the common boundary in pixels.

    The graph is connected, since the picture is.
    """
    pairs, strengths = [], []
    for one, two in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        apart = leaves[one] != leaves[two]
        ends = np.stack([leaves[one][apart], leaves[two][apart]]).astype(np.int64)
        pairs.append(ends.min(0) * n + ends.max(0))
        strengths.append(np.maximum(strength[one][apart], strength[two][apart]))
    edges, which, lengths = np.unique(np.concatenate(pairs), return_inverse=True, return_counts=True)
    totals = np.bincount(which, np.concatenate(strengths), len(edges))
    neighbours: list[dict[int, tuple[float, int]]] = [{} for _ in range(n)]
    for edge, total, length in zip(edges.tolist(), totals.tolist(), lengths.tolist(), strict=True):
        a, b = divmod(edge, n)
        neighbours[a][b] = neighbours[b][a] = (total, length)
    return neighbours


def _absorb(neighbours: list[dict[int, tuple[float, int]]], a: int, b: int) -> list[int]:
    """Let the region under id a take over b and its boundaries; return the ids whose boundary with a has changed."""
    del neighbours[a][b], neighbours[b][a]
    changed, neighbours[b] = neighbours[b], {}
    for c, (total, length) in changed.items():
        more, longer = neighbours[a].get(c, (0.0, 0))
        del neighbours[c][b]
        neighbours[a][c] = neighbours[c][a] = (total + more, length + longer)
    return list(changed)


def _mean(edge: tuple[float, int] | None) -> float | None:
    return edge and edge[0] / edge[1]


def cover_labels(probability: np.ndarray, tree: Tree) -> np.ndarray:
    """(H, W) uint8: each pixel takes the likeliest class of k*, the purest node between its leaf and the root.

    probability: (K, H, W). Cost of a node: entropy of the mean distribution below it (reference 1).
    """
    distributions = tree.distributions(mean_distribution(probability, tree.leaves))
    best = tree.cover(entropy(distributions))[: tree.count]
    return tree.paint(best, distributions.argmax(1).astype(np.uint8))
