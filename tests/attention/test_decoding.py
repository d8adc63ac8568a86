"""Beam search: width one is greedy, a width for all sentences is exhaustive search, batches do not mix."""

import itertools
import math

import pytest
import torch

from engine.attention.captioner import most
from engine.attention.decoding import LONGEST, beam_search, expected, focus_of, likeliest, log_words
from engine.attention.vocabulary import EDGE, UNKNOWN
from tests.attention.conftest import random_annotations, random_captioner

KINDS = ("plain", "soft", "hard")


@torch.inference_mode()
def log_p_of(net, annotations, sentence) -> float:
    """Sum of log p of the words of `sentence`, its ending included, one step after another."""
    scene = net.scene(annotations)
    state, before, total = net.begin(scene), EDGE, 0.0
    for word in sentence:
        look = net.look(scene, state)
        if net.kind == "hard":
            look = net.context(scene, state, look.e, most(look.alpha))
        state, logits = net.step(torch.full((1, 1), before), state, look)
        known = [logits[0, 0, k] for k in range(logits.shape[-1]) if k != UNKNOWN]
        total += float(logits[0, 0, word] - torch.logsumexp(torch.stack(known), 0))
        before = word
    return total


@torch.inference_mode()
def greedy(net, annotations, longest=LONGEST) -> tuple[int, ...]:
    """The likeliest word each time, its log p found by `log_p_of` for each candidate."""
    words: tuple[int, ...] = ()
    while len(words) < longest:
        candidates = [k for k in range(net.embed.num_embeddings) if k != UNKNOWN]
        word = max(candidates, key=lambda k: log_p_of(net, annotations, (*words, k)))
        if word == EDGE:
            break
        words += (word,)
    return words


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 2])
def test_width_one_is_greedy(kind, seed):
    net, annotations = random_captioner(kind, 6, seed), random_annotations(1, 5, seed)
    found = beam_search(net, annotations, 1, longest=5)[0]
    assert len(found) == 1
    assert found[0].words == greedy(net, annotations, longest=5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 2])
def test_a_width_for_all_sentences_is_exhaustive_search(kind, seed):
    """Five words, two of them special: 1 + 3 + 9 + 27 sentences of up to three words."""
    net, annotations = random_captioner(kind, 5, seed), random_annotations(1, 4, seed)
    wanted = {}
    for length in range(4):
        for words in itertools.product((2, 3, 4), repeat=length):
            total = log_p_of(net, annotations, (*words, EDGE))
            wanted[words] = (total, total / (length + 1))
    found = beam_search(net, annotations, len(wanted), longest=3)[0]
    assert {h.words for h in found} == set(wanted)
    assert len(found) == len(wanted) == 40
    for h in found:
        assert (h.log_p, h.score) == pytest.approx(wanted[h.words], abs=1e-4)
    assert found[0].words == max(wanted, key=lambda words: wanted[words][1])
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_a_batch_do_not_mix(captioners, kind):
    annotations = random_annotations(3, 5)
    together = beam_search(captioners[kind], annotations, 3)
    for b in range(3):
        alone = beam_search(captioners[kind], annotations[b : b + 1], 3)[0]
        assert together[b][0].words == alone[0].words
        assert together[b][0].log_p == pytest.approx(alone[0].log_p, abs=1e-3)
    assert len({t[0].words for t in together}) > 1


@pytest.mark.parametrize("width", [1, 2, 5])
def test_scores_are_log_p_of_what_was_found(captioners, annotations, width):
    found = beam_search(captioners["soft"], annotations, width)[0]
    assert len(found) >= width
    for h in found:
        assert EDGE not in h.words
        assert UNKNOWN not in h.words
        assert len(h.words) <= LONGEST
        assert h.log_p == pytest.approx(log_p_of(captioners["soft"], annotations, (*h.words, EDGE)), abs=1e-3)
        assert h.score == pytest.approx(h.log_p / (len(h.words) + 1))


def test_forced_words_begin_each_sentence(captioners, annotations):
    found = beam_search(captioners["soft"], annotations, 3, start=(4, 9))[0]
    assert all(h.words[:2] == (4, 9) for h in found)
    best = beam_search(captioners["soft"], annotations, 3)[0][0].words
    assert beam_search(captioners["soft"], annotations, 1, start=best)[0][0].words[: len(best)] == best


def test_watchers_see_each_step(captioners, annotations):
    """The sentences can be put together again from what a watcher is told."""
    sentences, seen = [((), 0.0)] * 3, set()

    def watch(parent, word, log_p, look):
        nonlocal sentences
        assert look.alpha.shape == (1, 3, 196)
        rows = zip(parent[0].tolist(), word[0].tolist(), log_p[0].tolist(), strict=True)
        sentences = [((*sentences[p][0], w), total) for p, w, total in rows]
        seen.update((s[:-1], total) for s, total in sentences if s[-1] == EDGE and math.isfinite(total))

    found = beam_search(captioners["soft"], annotations, 3, watch=watch)[0]
    assert seen == {(h.words, h.log_p) for h in found}


@torch.inference_mode()
def test_how_each_kind_looks(captioners, annotations):
    assert [focus_of(captioners[kind]) for kind in KINDS] == [expected, expected, likeliest]
    net = captioners["hard"]
    scene = net.scene(annotations)
    state = net.begin(scene, 2)
    soft, hard = expected(net, scene, state), likeliest(net, scene, state)
    assert torch.equal(soft.e, hard.e)
    place = int(soft.alpha[0, 0].argmax())
    assert hard.alpha[0, 0].tolist() == [float(i == place) for i in range(196)]
    assert torch.allclose(hard.z[0, 0], hard.beta[0, 0] * annotations[0, place], atol=1e-5)
    assert likeliest(captioners["plain"], captioners["plain"].scene(annotations), None) is None


def test_the_unknown_word_is_never_told():
    logits = torch.tensor([[0.0, 50.0, 1.0, -1.0]])
    log_p = log_words(logits)
    assert log_p[0, UNKNOWN] == -math.inf
    assert float(log_p.exp().sum()) == pytest.approx(1)
    assert float(log_p[0, 2] - log_p[0, 3]) == pytest.approx(2)
    assert log_words(logits.half()).dtype == torch.float32
