"""The tree against a merge that computes everything anew at each step; cuts and covers against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import measure
from skimage.segmentation import join_segmentations

from engine.segmentation.regions import boundary_strength, entropy, felzenszwalb, mean_distribution, superpixel_labels
from engine.segmentation.tree import LIMIT, Tree, cover_labels, merge
from tests.trees import way

sides = st.integers(1, 8)
seeds = st.integers(0, 10_000)


def cells(shape: tuple[int, int], seed: int, kinds: int = 3) -> np.ndarray:
    """(H, W) int32 random 4-connected regions."""
    kind = np.random.default_rng(seed).integers(0, kinds, shape)
    return (measure.label(kind, background=-1, connectivity=1) - 1).astype(np.int32)


def made(shape: tuple[int, int], seed: int) -> tuple[Tree, np.ndarray]:
    strength = np.random.default_rng(seed + 1).random(shape).astype(np.float32)
    return merge(cells(shape, seed), strength), strength


def weights(labels: np.ndarray, strength: np.ndarray) -> dict[tuple[int, int], float]:
    """For each two neighbouring labels s^2 ab / (a + b) / l, pixel by pixel (see `merge`)."""
    found: dict[tuple[int, int], list[float]] = {}
    for y, x in np.ndindex(labels.shape):
        for v, u in ((y, x + 1), (y + 1, x)):
            if v < labels.shape[0] and u < labels.shape[1] and labels[y, x] != labels[v, u]:
                pair = tuple(sorted((int(labels[y, x]), int(labels[v, u]))))
                found.setdefault(pair, []).append(max(strength[y, x], strength[v, u]))
    area = {int(k): int((labels == k).sum()) for k in np.unique(labels)}
    return {(a, b): float(np.mean(values)) ** 2 / (1 / area[a] + 1 / area[b]) / len(values)
            for (a, b), values in found.items()}  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.tuples(sides, sides), seeds)
def test_each_merge_takes_the_weakest_boundary_of_all(shape, seed):
    """The brute force: after each merge the weights of all neighbours are computed anew from the pixels."""
    tree, strength = made(shape, seed)
    labels, n, highest = tree.leaves.copy(), tree.count, 0.0
    for node in range(n, 2 * n - 1):
        pair = tuple(np.flatnonzero(tree.parent == node).tolist())
        weight = weights(labels, strength)
        assert len(pair) == 2
        assert weight[pair] == pytest.approx(min(weight.values()), abs=1e-6)
        highest = max(highest, weight[pair])
        assert tree.height[node] == pytest.approx(highest, abs=1e-6)
        labels[np.isin(labels, pair)] = node
        assert tree.size[node] == (labels == node).sum()
    assert (labels == 2 * n - 2).all()


@settings(max_examples=50, deadline=None)
@given(st.tuples(sides, sides), seeds)
def test_a_tree_is_numbered_from_the_leaves_to_the_root(shape, seed):
    tree, _ = made(shape, seed)
    n = tree.count
    assert n == tree.leaves.max() + 1
    assert {len(a) for a in (tree.parent, tree.height, tree.size)} == {2 * n - 1}
    assert tree.parent[-1] == -1
    assert (tree.parent[:-1] > np.arange(2 * n - 2)).all()
    assert (np.diff(tree.height) >= 0).all()
    assert not tree.height[:n].any()
    assert np.array_equal(tree.size[:n], np.bincount(tree.leaves.ravel()))
    assert (tree.parent.dtype, tree.height.dtype) == (np.int32, np.float32)


def test_equal_weights_merge_the_same_way_each_time():
    leaves, flat = cells((12, 12), 3), np.zeros((12, 12), np.float32)
    one, two = merge(leaves, flat), merge(leaves.copy(), flat)
    assert np.array_equal(one.parent, two.parent)
    assert set(np.flatnonzero(one.parent == one.count)) == {0, min(b for a, b in weights(leaves, flat) if a == 0)}


def test_heights_never_fall_though_weights_do():
    tree = merge(cells((12, 12), 0), np.full((12, 12), 0.5))
    assert (np.diff(tree.height) >= 0).all()


def test_a_ground_with_many_islands():
    """A star: each island has one neighbour, so the islands go in the order of their own boundary."""
    leaves, strength = np.zeros((41, 61), np.int32), np.zeros((41, 61), np.float32)
    order = np.random.default_rng(0).permutation(600)
    for i, (y, x) in enumerate((y, x) for y in range(1, 41, 2) for x in range(1, 61, 2)):
        leaves[y, x], strength[y, x] = i + 1, 0.001 * (1 + order[i])
    tree = merge(leaves, strength)
    first_merge = tree.parent[1:601] - tree.count
    assert np.array_equal(first_merge, order)


def test_ids_that_are_not_used_are_refused():
    with pytest.raises(ValueError, match=r"ids 0 \.\. 3 of regions 2 are not used"):
        merge(np.array([[0, 3]], np.int32), np.zeros((1, 2), np.float32))


def nested() -> np.ndarray:
    """Four flat quarters of width 30: differences of 10 within the left half, 20 within the right, 120 between."""
    return np.repeat(np.uint8([40, 50, 170, 190]), 30)[None, :, None].repeat(40, 0).repeat(3, 2)


def test_weak_contrasts_merge_before_strong_ones():
    rgb = nested()
    leaves = felzenszwalb(rgb, 1, 0, 20)
    tree = merge(leaves, boundary_strength(rgb))
    assert tree.count == 4
    quarters = tree.leaves[0, [15, 45, 75, 105]]
    assert tree.parent[quarters].tolist() == [4, 4, 5, 5]
    assert tree.parent[[4, 5]].tolist() == [6, 6]
    assert tree.height[4] < tree.height[5] < tree.height[6]
    two = tree.paint(tree.cut(2), np.arange(7))
    assert (two[:, :60] == 4).all()
    assert (two[:, 60:] == 5).all()


@settings(max_examples=50, deadline=None)
@given(st.tuples(sides, sides), seeds)
def test_cuts_have_so_many_regions_and_lie_within_each_other(shape, seed):
    tree, _ = made(shape, seed)
    n, finer = tree.count, None
    for regions in range(n, 0, -1):
        cut = tree.cut(regions)
        end = 2 * n - regions
        chosen = [i for i in range(end) if tree.parent[i] >= end or i == 2 * n - 2]
        assert sorted(set(cut.tolist())) == chosen
        assert len(chosen) == regions
        assert all(cut[leaf] in way(tree.parent, leaf) for leaf in range(n))
        if finer is not None:
            assert len(np.unique(join_segmentations(finer, tree.paint(cut, np.arange(2 * n - 1))))) == regions + 1
        finer = tree.paint(cut, np.arange(2 * n - 1))
    assert np.array_equal(tree.cut(0), tree.cut(1))
    assert np.array_equal(tree.cut(10_000), np.arange(n))


@settings(max_examples=50, deadline=None)
@given(st.tuples(sides, sides), seeds)
def test_distributions_are_means_over_the_pixels_below(shape, seed):
    tree, _ = made(shape, seed)
    probability = np.random.default_rng(seed).dirichlet(np.ones(4), shape).transpose(2, 0, 1)  # (4, H, W)
    nodes = tree.distributions(mean_distribution(probability, tree.leaves))
    assert nodes.dtype == np.float32
    for i, shares in enumerate(nodes):
        below = np.isin(tree.leaves, [leaf for leaf in range(tree.count) if i in way(tree.parent, leaf)])
        assert np.allclose(shares, probability[:, below].mean(1), atol=1e-6)


@settings(max_examples=80, deadline=None)
@given(st.tuples(sides, sides), seeds, st.booleans(), st.sampled_from([np.inf, 0.5, 0.8, 0.0, 2.0]))
def test_the_cover_is_the_least_cost_on_each_way_to_the_root(shape, seed, ties, limit):
    tree, _ = made(shape, seed)
    cost = np.random.default_rng(seed).random(2 * tree.count - 1)
    cost = np.round(4 * cost) if ties else cost
    best = tree.cover(cost, limit)
    for i in range(2 * tree.count - 1):
        candidates = [i] + [j for j in way(tree.parent, i)[1:] if tree.height[j] <= limit]
        assert best[i] == min(candidates, key=lambda j: (cost[j], -j))
    assert best.dtype == np.int32


def test_a_chosen_node_may_hold_a_leaf_that_chooses_itself():
    """The paper's rule is taken leaf by leaf: node 3 is best for leaf 0, leaf 1 below it is purer still."""
    tree = Tree(np.array([[0, 1, 2]]), np.array([3, 3, 4, 4, -1]), np.array([0, 0, 0, 0.1, 0.2]), np.ones(5))
    cost = np.array([0.9, 0.1, 0.2, 0.5, 0.8])
    assert tree.cover(cost)[:3].tolist() == [3, 1, 2]
    assert tree.cover(cost, 0.1)[:3].tolist() == [3, 1, 2], "a node as high as the limit is allowed"
    assert tree.cover(cost, 0.09)[:3].tolist() == [0, 1, 2]


def test_labels_of_the_cover():
    """The doubtful second strip follows the sure first one, with which it merges before the halves meet."""
    rgb = nested()
    tree = merge(felzenszwalb(rgb, 1, 0, 20), boundary_strength(rgb))
    first = np.zeros((40, 120))
    first[:, :30], first[:, 30:60], first[:, 60:] = 0.99, 0.45, 0.02
    probability = np.stack([first, 1 - first])
    left, whole, alone = (entropy(np.array([q, 1 - q])) for q in (0.72, 0.37, 0.45))
    assert left < whole < alone
    assert (superpixel_labels(probability, tree.leaves) == np.repeat([0, 1, 1, 1], 30)).all()
    assert (cover_labels(probability, tree) == np.repeat([0, 0, 1, 1], 30)).all()
    assert (cover_labels(probability, tree, 0.0) == superpixel_labels(probability, tree.leaves)).all()
    assert (cover_labels(probability, tree, LIMIT) == np.repeat([0, 0, 1, 1], 30)).all()
    assert cover_labels(probability, tree).dtype == np.uint8


def test_a_small_thing_in_a_large_one_is_lost_without_a_limit():
    rgb = np.full((40, 60, 3), 200, np.uint8)
    rgb[15:25, 25:35] = 20
    tree = merge(felzenszwalb(rgb, sigma=0), boundary_strength(rgb))
    first = np.full((40, 60), 0.99)
    first[15:25, 25:35] = 0.2
    labels = cover_labels(np.stack([first, 1 - first]), tree)
    assert not labels.any()
    kept = cover_labels(np.stack([first, 1 - first]), tree, LIMIT)
    assert np.array_equal(kept, (first < 0.5).astype(np.uint8))


def test_paint_gives_each_pixel_the_value_of_its_node():
    tree, _ = made((5, 7), 1)
    colours = np.random.default_rng(0).integers(0, 256, (2 * tree.count - 1, 3), np.uint8)
    cut = tree.cut(3)
    painted = tree.paint(cut, colours)
    assert painted.shape == (5, 7, 3)
    for y, x in np.ndindex(5, 7):
        assert np.array_equal(painted[y, x], colours[cut[tree.leaves[y, x]]])


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (7, 7)])
def test_a_constant_picture_is_one_leaf_or_melts_at_height_nought(shape):
    rgb = np.full((*shape, 3), 128, np.uint8)
    probability = np.random.default_rng(0).dirichlet(np.ones(3), shape).transpose(2, 0, 1)
    whole = merge(felzenszwalb(rgb), boundary_strength(rgb))
    assert (whole.count, whole.parent.tolist(), whole.size.tolist()) == (1, [-1], [shape[0] * shape[1]])
    split = merge(cells(shape, 0), boundary_strength(rgb))
    assert split.height.max() < 1e-6
    for tree in (whole, split):
        assert cover_labels(probability, tree, LIMIT).shape == shape
        assert np.array_equal(
            tree.cover(np.zeros(len(tree.parent)), LIMIT), np.full(len(tree.parent), len(tree.parent) - 1)
        )
