"""Tellings: every wish is heard, and what stands behind a word is what the network computed."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engine.attention.decoding import LONGEST, beam_search
from engine.attention.telling import KEPT, Wish, sharpened, tell
from engine.attention.vocabulary import EDGE, UNKNOWN

KINDS = ("plain", "soft", "hard")
LOOKING = ("soft", "hard")


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_wish_it_is_greedy(captioners, annotations, kind):
    telling = tell(captioners[kind], annotations)
    (best,) = beam_search(captioners[kind], annotations, 1)[0]
    assert telling.indices == best.words
    assert telling.log_p == pytest.approx(best.log_p, abs=1e-3)
    assert telling.words[-1].word == EDGE
    assert not any(told.forced for told in telling.words)
    assert telling.words[0].top[0][0] == telling.words[0].word
    for told in telling.words:
        p = [p for _, p in told.top]
        assert len(p) == KEPT
        assert p == sorted(p, reverse=True)
        assert sum(p) <= 1 + 1e-5
        assert UNKNOWN not in [k for k, _ in told.top]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [2, 3, 5])
def test_a_beam_tells_the_best_hypothesis(captioners, annotations, kind, width):
    telling = tell(captioners[kind], annotations, Wish(beam=width))
    best = beam_search(captioners[kind], annotations, width)[0][0]
    assert telling.indices == best.words
    assert telling.log_p == pytest.approx(best.log_p, abs=1e-3)
    assert not any(told.forced for told in telling.words)


def test_what_is_behind_each_word(captioners, annotations):
    telling = tell(captioners["soft"], annotations)
    assert telling.alphas.shape == (len(telling.words), 196)
    for told in telling.words:
        assert float(told.alpha.sum()) == pytest.approx(1, abs=1e-5)
        assert torch.allclose(told.alpha, told.e.softmax(0))
        assert torch.allclose(told.z, told.beta * told.alpha @ annotations[0], atol=1e-4)
        assert told.place is None
        wanted = -sum(p * math.log(p) for p in told.alpha.tolist() if p > 0)
        assert told.entropy == pytest.approx(wanted, abs=1e-4)
    assert tell(captioners["plain"], annotations).alphas is None
    assert tell(captioners["plain"], annotations).words[0].entropy == 0


def test_hard_attention_looks_at_one_cell(captioners, annotations):
    for told in tell(captioners["hard"], annotations).words:
        assert told.place == int(told.e.argmax())
        assert told.alpha.tolist() == [float(i == told.place) for i in range(196)]
        assert told.entropy == 0


@settings(deadline=None, max_examples=50)
@given(arrays.arrays(float, st.integers(1, 20), elements=st.floats(-50, 50)))
def test_the_ends_of_sharpness(values):
    e = torch.from_numpy(values)
    assert torch.allclose(sharpened(e, 0.0), torch.full_like(e, 1 / len(e)))
    assert torch.equal(sharpened(e, 1.0), e.softmax(-1))
    single = sharpened(e, math.inf)
    assert single.sum() == 1
    assert float(e[single.bool()]) == float(e.max())


@settings(deadline=None, max_examples=50)
@given(arrays.arrays(float, 6, elements=st.floats(-5, 5)), st.floats(0, 8), st.floats(0, 8))
def test_the_sharper_the_less_entropy(values, a, b):
    low, high = sorted((a, b))
    blunt, sharp = (torch.special.entr(sharpened(torch.from_numpy(values), s)).sum() for s in (low, high))
    assert sharp <= blunt + 1e-9
    assert float(sharpened(torch.from_numpy(values), high).sum()) == pytest.approx(1)


@pytest.mark.parametrize("kind", LOOKING)
def test_one_wish_makes_soft_of_hard_and_hard_of_soft(captioners, annotations, kind):
    for sharpness, single in ((0.0, False), (1.0, False), (3.0, False), (math.inf, True)):
        for told in tell(captioners[kind], annotations, Wish(sharpness=sharpness)).words:
            assert torch.allclose(told.alpha, sharpened(told.e, sharpness), atol=1e-6)
            assert (told.place is not None) == single
    as_trained = tell(captioners[kind], annotations, Wish(sharpness=math.inf if kind == "hard" else 1.0))
    assert as_trained.indices == tell(captioners[kind], annotations).indices


@pytest.mark.parametrize("kind", LOOKING)
@pytest.mark.parametrize("wish", [Wish(), Wish(beam=3), Wish(draw=1)], ids=["greedy", "beam", "drawn"])
def test_painted_maps_are_used(captioners, annotations, kind, wish):
    painted = torch.zeros(196)
    painted[10], painted[20] = 1.0, 3.0
    wish = Wish(painted={1: painted}, beam=wish.beam, draw=wish.draw, start=(3,))
    telling = tell(captioners[kind], annotations, wish)
    second = telling.words[1]
    assert second.alpha[[10, 20]].tolist() == [0.25, 0.75]
    assert float(second.alpha.sum()) == 1
    mixed = second.beta * (0.25 * annotations[0, 10] + 0.75 * annotations[0, 20])
    assert torch.allclose(second.z, mixed, atol=1e-5)
    assert second.place is None  # two cells were weighed, whatever the captioner does by itself
    plain = tell(captioners[kind], annotations, Wish(start=(3,), draw=wish.draw))
    assert not torch.equal(telling.words[0].alpha, second.alpha)
    assert torch.equal(telling.words[0].alpha, plain.words[0].alpha)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beam", [1, 3])
def test_forced_words_are_told_and_marked(captioners, annotations, kind, beam):
    start = (7, 3, 12)
    telling = tell(captioners[kind], annotations, Wish(start=start, beam=beam))
    assert telling.indices[:3] == start
    assert [told.forced for told in telling.words] == [True] * 3 + [False] * (len(telling.words) - 3)
    free = tell(captioners[kind], annotations, Wish())
    assert torch.tensor([p for _, p in free.words[0].top]).allclose(torch.tensor([p for _, p in telling.words[0].top]))


@pytest.mark.parametrize("kind", KINDS)
def test_reading_a_caption_of_ones_own(captioners, annotations, kind):
    own = (5, UNKNOWN, 8)
    telling = tell(captioners[kind], annotations, Wish(start=own, only=True, beam=3))
    assert [told.word for told in telling.words] == [*own, EDGE]
    assert [told.forced for told in telling.words] == [True, True, True, False]
    assert telling.words[1].log_p == -math.inf
    known = [telling.words[i].log_p for i in (0, 2, 3)]
    assert telling.log_p == pytest.approx(sum(known))
    assert math.isfinite(telling.log_p)


def test_an_unknown_word_to_begin_with(captioners, annotations):
    telling = tell(captioners["soft"], annotations, Wish(start=(UNKNOWN,), beam=3))
    assert telling.indices[0] == UNKNOWN
    assert len(telling.words) > 1


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("only", [False, True])
def test_more_words_than_a_caption_may_have(captioners, annotations, beam, only):
    start = (5, 6) * LONGEST
    telling = tell(captioners["soft"], annotations, Wish(start=start, beam=beam, only=only))
    assert telling.indices == start
    assert telling.words[-1].word == EDGE


def test_temperature_is_seeded(captioners, annotations):
    hot = [tell(captioners["soft"], annotations, Wish(temperature=1.5, seed=s)).indices for s in (0, 0, 1)]
    assert hot[0] == hot[1] != hot[2]
    cold = tell(captioners["soft"], annotations, Wish(temperature=1e-3))
    assert cold.indices == tell(captioners["soft"], annotations).indices


def test_temperature_draws_by_its_power_of_p(captioners, annotations):
    """The first words of many seeds against p^(1/T), normalised."""
    top = dict(tell(captioners["soft"], annotations).words[0].top)
    first = [tell(captioners["soft"], annotations, Wish(temperature=0.7, seed=s), longest=1).words[0].word
             for s in range(300)]  # fmt: skip
    a, b = list(top)[:2]
    share = first.count(a) / (first.count(a) + first.count(b))
    odds = (top[a] / top[b]) ** (1 / 0.7)
    assert share == pytest.approx(odds / (1 + odds), abs=0.15)
    assert first.count(a) + first.count(b) > 60


def test_draws_are_seeded(captioners, annotations):
    places = [[t.place for t in tell(captioners["hard"], annotations, Wish(draw=s)).words] for s in (0, 0, 1)]
    assert places[0] == places[1] != places[2]


def test_it_ends_when_time_is_up(captioners, annotations):
    for beam in (1, 3):
        telling = tell(captioners["soft"], annotations, Wish(beam=beam))
        assert len(telling.words) <= LONGEST + 1
        assert telling.words[-1].word == EDGE
    short = tell(captioners["soft"], annotations, longest=2)
    assert [told.word for told in short.words] == [*tell(captioners["soft"], annotations).indices[:2], EDGE]
