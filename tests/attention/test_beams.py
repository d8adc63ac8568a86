"""The beam tree against the search itself: the same captions, scores that add up, maps of its own for each."""

import math

import pytest
import torch

from engine.attention.beams import BeamTree, beam_tree, path, tellings, words
from engine.attention.decoding import beam_search
from engine.attention.telling import Wish
from engine.attention.vocabulary import EDGE, UNKNOWN

KINDS = ("plain", "soft", "hard")


@pytest.fixture(scope="module")
def trees(captions, encoding) -> dict[str, BeamTree]:
    return {kind: beam_tree(captions[kind], encoding, 3) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_it_finishes_what_the_search_finishes(captions, encoding, trees, kind):
    tree = trees[kind]
    wanted = beam_search(captions[kind].network, encoding.annotations, 3)[0]
    assert [words(tree, i) for i in tree.finished] == [h.words for h in wanted]
    for i, h in zip(tree.finished, wanted, strict=True):
        assert tree.nodes[i].log_p == h.log_p
        assert tree.nodes[i].score == pytest.approx(h.score)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_tree_in_order_of_birth(trees, kind):
    tree = trees[kind]
    root, *others = tree.nodes
    assert (root.parent, root.depth, root.log_p, root.word) == (-1, 0, 0.0, EDGE)
    depths = [node.depth for node in tree.nodes]
    assert depths == sorted(depths)
    assert max(depths.count(d) for d in set(depths) - {0}) <= tree.width
    for i, node in enumerate(others, 1):
        mother = tree.nodes[node.parent]
        assert node.parent < i
        assert not mother.ended
        assert mother.kept
        assert node.depth == mother.depth + 1
        assert node.log_p == pytest.approx(mother.log_p + node.word_log_p)
        assert node.word_log_p <= 1e-5
        assert node.ended == (node.word == EDGE)
        assert node.kept == (node.ended or any(n.parent == i for n in tree.nodes))
        assert (node.alpha is None) == (kind == "plain")
    assert path(tree, 0) == ()
    assert path(tree, len(tree.nodes) - 1)[-1] == len(tree.nodes) - 1


@pytest.mark.parametrize("kind", KINDS)
def test_told_again_each_has_the_maps_of_the_tree(captions, encoding, trees, kind):
    tree = trees[kind]
    found = tellings(captions[kind], encoding, tree)
    assert len(found) == len(tree.finished) >= 3
    for telling, end in zip(found, tree.finished, strict=True):
        nodes = [tree.nodes[i] for i in path(tree, end)]
        assert [t.word for t in telling.words] == [n.word for n in nodes]
        assert not any(t.forced for t in telling.words)
        assert telling.log_p == pytest.approx(nodes[-1].log_p, abs=1e-3)
        if kind != "plain":
            assert torch.allclose(telling.alphas, torch.stack([n.alpha for n in nodes]), atol=1e-5)
    if kind == "soft":  # hypotheses of other words looked elsewhere
        apart = [path(tree, i)[-1] for i in tree.finished]
        assert len(set(apart)) == len(apart)
        assert not torch.equal(found[0].alphas[-1], found[-1].alphas[-1])


def test_width_one_is_one_sentence(captions, encoding):
    tree = beam_tree(captions["soft"], encoding, 1)
    assert [node.parent for node in tree.nodes] == list(range(-1, len(tree.nodes) - 1))
    assert tree.finished == (len(tree.nodes) - 1,)
    assert words(tree, tree.finished[0]) == captions["soft"].tell(encoding).indices


def test_wishes_reach_every_hypothesis(captions, encoding):
    first = torch.zeros(196)
    first[7] = 3.0
    wish = Wish(start=(5, 6), sharpness=0.0, painted={1: first}, draw=3, temperature=2.0, only=True)
    tree = beam_tree(captions["soft"], encoding, 2, wish)
    assert all(words(tree, i)[:2] == (5, 6) for i in tree.finished)
    by_depth = {node.depth: node.alpha for node in tree.nodes[1:]}
    assert torch.allclose(by_depth[1], torch.full((196,), 1 / 196))
    assert torch.equal(by_depth[2], first / 3)
    for telling in tellings(captions["soft"], encoding, tree):
        assert [t.forced for t in telling.words[:3]] == [True, True, False]
        assert torch.equal(telling.words[1].alpha, first / 3)


def test_an_unknown_word_has_no_beam(captions, encoding):
    tree = beam_tree(captions["soft"], encoding, 2, Wish(start=(UNKNOWN,)))
    assert tree.finished == ()
    assert tellings(captions["soft"], encoding, tree) == ()
    assert all(math.isfinite(node.log_p) for node in tree.nodes)
