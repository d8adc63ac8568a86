"""From probabilities to regions: what the steps say against the functions they call, at pictures of any size."""

import numpy as np
import pytest
from scipy.stats import entropy
from skimage.segmentation import find_boundaries

from engine.data import stanford
from engine.segmentation import regions
from engine.segmentation.parsing import AREA, LONGEST, Superpixels, limit, region_labels, region_steps, segment
from engine.segmentation.tree import Tree, cover_labels
from engine.trace import BEST, COST, HEIGHT, PARENT, SHARES, Trace

CLASSES = stanford.LABELS.classes


def chance(shape: tuple[int, int], seed: int = 0, sharp: float = 3.0) -> np.ndarray:
    """(8, h, w) float32 random class probabilities."""
    logits = sharp * np.random.default_rng(seed).normal(size=(8, *shape))
    return (np.exp(logits) / np.exp(logits).sum(0)).astype(np.float32)


@pytest.mark.parametrize("settings", [Superpixels(), Superpixels(scale=900.0, min_size=250),
                                      Superpixels("slic", segments=20)])  # fmt: skip
def test_a_picture_gets_the_superpixels_that_were_asked_for(rgb, settings):
    tree = segment(rgb, settings)
    if settings.method == "slic":
        wanted = regions.slic(rgb, 20, 10.0)
    else:
        share = rgb.shape[0] * rgb.shape[1] / AREA
        wanted = regions.felzenszwalb(rgb, settings.scale * share, 0.8, max(4, round(settings.min_size * share)))
    assert np.array_equal(tree.leaves, wanted)
    assert tree.count == wanted.max() + 1 > 5


def test_there_is_no_third_way(rgb):
    with pytest.raises(ValueError, match="made by felzenszwalb or slic, not by 'magic'"):
        segment(rgb, Superpixels("magic"))


@pytest.mark.parametrize(("size", "wanted"), [((20, 960), (13, 640)), ((960, 20), (640, 13)), ((1, 1300), (1, 640)),
                                              ((3, 640), (3, 640)), ((1, 1), (1, 1))])  # fmt: skip
def test_a_large_picture_is_shrunk_first(size, wanted):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    tree = segment(picture)
    assert tree.leaves.shape == wanted
    assert max(wanted) <= LONGEST
    for labels in region_labels(chance(wanted), tree, size):
        assert labels.shape == size
        assert labels.dtype == np.uint8


def test_a_shrunk_picture_keeps_its_places():
    """Black left, white right, 1280 pixels wide: the regions meet in the middle, and so do their labels."""
    picture = np.zeros((20, 1280, 3), np.uint8)
    picture[:, 640:] = 255
    tree = segment(picture, Superpixels(scale=5000.0, min_size=2000))
    assert tree.leaves.shape == (10, 640)
    assert tree.count == 2
    assert (tree.leaves[:, :320] == tree.leaves[0, 0]).all()
    assert (tree.leaves[:, 320:] == tree.leaves[0, -1]).all()
    probability = np.zeros((8, 10, 640), np.float32)
    probability[2, :, :320], probability[5, :, 320:] = 1, 1
    for labels in region_labels(probability, tree, (20, 1280)):
        assert (labels[:, :640] == 2).all()
        assert (labels[:, 640:] == 5).all()


def test_labels_are_those_of_superpixels_and_of_the_cover(rgb):
    tree = segment(rgb)
    probability = chance(rgb.shape[:2])
    superpixels, cover = region_labels(probability, tree, rgb.shape[:2])
    assert np.array_equal(superpixels, regions.superpixel_labels(probability, tree.leaves))
    assert np.array_equal(cover, cover_labels(probability, tree, limit(tree)))
    double = region_labels(probability, tree, (180, 260))
    assert np.array_equal(double[0], superpixels.repeat(2, 0).repeat(2, 1))
    assert np.array_equal(double[1], cover.repeat(2, 0).repeat(2, 1))


def layers(step) -> dict[str, np.ndarray]:
    return {x.kind: x for x in step.layers}


def test_steps_show_superpixels_tree_and_cover(rgb):
    tree, probability = segment(rgb), chance(rgb.shape[:2])
    one, two, three = region_steps(rgb, probability, tree, CLASSES)
    superpixels, cover = region_labels(probability, tree, rgb.shape[:2])
    plain = probability.argmax(0)
    assert [s.title for s in (one, two, three)] == ["Superpixels", "Tree", "Cover"]
    assert np.array_equal(layers(one)["labels"].data, superpixels)
    assert np.array_equal(layers(three)["labels"].data, cover)
    assert one.sentence.startswith(f"{tree.count} superpixels, ")
    assert one.sentence.endswith(f"; {100 * np.mean(superpixels != plain):.1f} % of the picture changes.")
    assert two.sentence.startswith(f"{tree.count - 1} merges, ")
    assert three.sentence.endswith(f"; {100 * np.mean(cover != plain):.1f} % of the picture differs from the sum.")
    assert np.array_equal(layers(two)["tree"].data, tree.leaves)
    for step, labels in ((one, superpixels), (three, cover)):
        shares = [round(100 * np.mean(labels == CLASSES.index(name)), 1) for name, _ in step.table.rows]
        assert [row[1] for row in step.table.rows] == shares == sorted(shares, reverse=True)
        assert len(shares) == len(np.unique(labels))


def test_borders_lie_between_superpixels(rgb):
    tree = segment(rgb)
    (one, *_) = region_steps(rgb, chance(rgb.shape[:2]), tree, CLASSES)
    mask = layers(one)["mask"].data
    thick = find_boundaries(tree.leaves, connectivity=1, mode="thick")
    assert not (mask & ~thick).any()
    apart = tree.leaves[:, 1:] != tree.leaves[:, :-1]
    assert (mask[:, :-1] >= apart).all()
    assert (mask[:-1] >= (tree.leaves[1:] != tree.leaves[:-1])).all()


def test_the_nodes_of_the_tree_hold_its_numbers(rgb):
    tree, probability = segment(rgb), chance(rgb.shape[:2], sharp=1.0)
    _, two, three = region_steps(rgb, probability, tree, CLASSES)
    nodes = layers(two)["tree"].nodes
    assert nodes.shape == (2 * tree.count - 1, SHARES + 8)
    assert np.array_equal(nodes[:, PARENT], tree.parent)
    assert np.array_equal(nodes[:, HEIGHT], tree.height)
    below = [np.isin(tree.leaves, leaves_of(tree, i)) for i in range(len(nodes))]
    for node, pixels in zip(nodes, below, strict=True):
        assert np.allclose(node[SHARES:], probability[:, pixels].mean(1), atol=1e-5)
        assert node[COST] == pytest.approx(entropy(node[SHARES:]), abs=1e-5)
    chosen = set()
    for leaf in range(tree.count):
        way = [leaf]
        while tree.parent[way[-1]] >= 0 and tree.height[tree.parent[way[-1]]] <= limit(tree):
            way.append(tree.parent[way[-1]])
        best = int(nodes[leaf, BEST])
        chosen.add(best)
        assert best in way
        assert nodes[best, COST] <= nodes[way, COST].min() + 1e-6
        assert (layers(three)["labels"].data[tree.leaves == leaf] == nodes[best, SHARES:].argmax()).all()
    assert f": {len(chosen)} regions, {sum(i >= tree.count for i in chosen)} of them merged; " in three.sentence


def leaves_of(tree: Tree, node: int) -> list[int]:
    """The leaves below a node, by going down."""
    children = np.flatnonzero(tree.parent == node)
    return [node] if len(children) == 0 else [leaf for child in children for leaf in leaves_of(tree, child)]


def test_one_superpixel_only(tmp_path):
    picture = np.full((12, 17, 3), 90, np.uint8)
    tree = segment(picture)
    assert tree.count == 1
    probability = chance((12, 17))
    best = probability.mean((1, 2)).argmax()
    one, two, three = steps = region_steps(picture, probability, tree, CLASSES)
    assert one.table.rows == three.table.rows == ((CLASSES[best], 100.0),)
    assert two.sentence.startswith("0 merges, ")
    assert "1 regions, 0 of them merged" in three.sentence
    card = {"name": "none"}
    again = Trace.load(Trace(picture, card, steps, CLASSES, stanford.LABELS.colours).save(tmp_path))
    assert np.array_equal(layers(again.steps[1])["tree"].nodes, layers(two)["tree"].nodes)


def test_one_class_only(rgb):
    tree = segment(rgb)
    probability = np.zeros((8, *rgb.shape[:2]), np.float32)
    probability[6] = 1
    one, two, three = region_steps(rgb, probability, tree, CLASSES)
    for step in (one, three):
        assert (layers(step)["labels"].data == 6).all()
        assert " 0.0 % of the picture" in step.sentence
        assert step.table.rows == ((CLASSES[6], 100.0),)
    assert not layers(two)["tree"].nodes[:, COST].any()
