"""Beam search as a tree: every hypothesis that it kept for a while, and where each of them looked.

References
1. Xu et al. 2015, section 4.3; Vinyals et al. 2015, section 3.1.
2. The search itself is `engine.attention.decoding.beam_search`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from engine.attention.captioner import Look
from engine.attention.captions_model import CaptionModel, Encoding
from engine.attention.decoding import beam_search
from engine.attention.telling import Gaze, Telling, Wish
from engine.attention.vocabulary import EDGE


@dataclass(frozen=True, eq=False)
class Node:
    """A sentence that was in the beam, as its last word.

    parent: index of the node before it, -1 for the root, which stands for no words yet. depth: number of words. log_p:
    sum over the sentence. word_log_p: of this word. alpha: (L,) that the word was told with, None without attention.
    ended: the word is the ending. kept: it ended, or the search went on from it; else it fell out of the beam, or was
    still in it when enough others had ended. score: log_p / depth (`engine.attention.decoding`).
    """

    parent: int
    word: int
    depth: int
    log_p: float
    word_log_p: float
    alpha: Tensor | None
    ended: bool
    kept: bool = False

    @property
    def score(self) -> float:
        """Mean log p of the sentence's words; 0 for the root."""
        return self.log_p / max(self.depth, 1)


@dataclass(frozen=True, eq=False)
class BeamTree:
    """nodes: in order of birth, the root first. width: of the beam. wish: how it looked and which words were forced."""

    nodes: tuple[Node, ...]
    width: int
    wish: Wish

    @property
    def finished(self) -> tuple[int, ...]:
        """The nodes of the first `width` sentences that ended, best score first, of equals the older."""
        ends = [i for i, node in enumerate(self.nodes) if node.ended]
        return tuple(sorted(ends[: self.width], key=lambda i: -self.nodes[i].score))


def beam_tree(model: CaptionModel, encoding: Encoding, width: int, wish: Wish | None = None) -> BeamTree:
    """The tree of a beam search of `width` over one picture.

    Of the wish count start, sharpness and painted: a search leaves nothing to chance. A start that holds the unknown
    word has no probability, and no sentence finishes.
    """
    wish = replace(wish or Wish(), beam=width, temperature=0.0, draw=None, only=False)
    nodes = [Node(-1, EDGE, 0, 0.0, 0.0, None, False)]
    beam = [0] * width  # the node of each hypothesis, -1 where there is none

    def watch(parent: Tensor, word: Tensor, log_p: Tensor, look: Look | None) -> None:
        nonlocal beam
        fresh = []
        for k, last, total in zip(*(x[0].tolist() for x in (parent, word, log_p)), strict=True):
            fresh.append(len(nodes) if total > -float("inf") else -1)
            if fresh[-1] > 0:
                mother = nodes[beam[k]]
                nodes.append(Node(beam[k], last, mother.depth + 1, total, total - mother.log_p,
                                  None if look is None else look.alpha[0, k].cpu(), last == EDGE))  # fmt: skip
        beam = fresh

    beam_search(model.network, encoding.annotations, width, Gaze(wish, model.kind), start=wish.start, watch=watch)
    mothers = {node.parent for node in nodes}
    return BeamTree(tuple(replace(n, kept=n.ended or i in mothers) for i, n in enumerate(nodes)), width, wish)


def path(tree: BeamTree, node: int) -> tuple[int, ...]:
    """The nodes from the first word to `node`; empty for the root."""
    found = []
    while node > 0:
        found.append(node)
        node = tree.nodes[node].parent
    return tuple(reversed(found))


def words(tree: BeamTree, node: int) -> tuple[int, ...]:
    """The words of the sentence that `node` ends, without the ending."""
    found: Sequence[int] = [tree.nodes[i].word for i in path(tree, node)]
    return tuple(word for word in found if word != EDGE)


def tellings(model: CaptionModel, encoding: Encoding, tree: BeamTree) -> tuple[Telling, ...]:
    """The finished sentences with all that was behind each word, best first; told again, so each has its own maps."""
    forced = len(tree.wish.start)
    found = []
    for node in tree.finished:
        told = model.tell(encoding, replace(tree.wish, start=words(tree, node), only=True, beam=1)).words
        found.append(Telling(tuple(replace(t, forced=i < forced) for i, t in enumerate(told)), tree.wish))
    return tuple(found)
