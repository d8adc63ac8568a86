"""Blanked looks: against a plain loop over the paper's equations, and what must hold whatever the weights."""

import math

import pytest
import torch
from torch import Tensor

from engine.attention.captioner import State
from engine.attention.captions_model import Encoding
from engine.attention.decoding import log_words
from engine.attention.encoder import PLACES
from engine.attention.faithfulness import Drop, Means, faithfulness, means, ratio
from engine.attention.telling import Wish
from engine.attention.vocabulary import EDGE, UNKNOWN

START = (2, 3, 4, 5, 2, 6)  # a dog runs over a the


@torch.inference_mode()
def by_hand(model, annotations: Tensor, telling, number: int, blanked: list[int]) -> float:
    """The drop of one word, told from the first on with the model's own looks, without anything kept from before."""
    net, scene = model.network, model.network.scene(annotations)
    state, before = net.begin(scene), EDGE
    for i, told in enumerate(telling.words):
        look = net.context(scene, state, told.e[None, None], told.alpha[None, None])
        state_now, logits = net.step(torch.tensor([[before]]), state, look)
        if i == number:
            seen = annotations.clone()
            for place in blanked:
                seen[0, place] = annotations[0].mean(0)
            z = sum(told.alpha[k] * seen[0, k] for k in range(seen.shape[1])) * net.gate(state.h).sigmoid()[0, 0]
            look.z.copy_(z)
            _, changed = net.step(torch.tensor([[before]]), State(*state), look)
            return float((log_words(logits) - log_words(changed))[0, 0, told.word])
        state, before = state_now, told.word
    raise AssertionError


def top(telling, number: int) -> list[int]:
    told = telling.words[number]
    return told.e.topk(PLACES // 10).indices.tolist()


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_drops_are_those_of_a_plain_loop(kind, captions, encoding):
    model = captions[kind]
    telling = model.tell(encoding, Wish(start=START, only=True))
    drops = faithfulness(model, encoding, telling)
    assert [drop.number for drop in drops] == list(range(7))
    for drop in drops:
        wanted = by_hand(model, encoding.annotations, telling, drop.number, top(telling, drop.number))
        assert drop.top == pytest.approx(wanted, abs=1e-5)
        all_places = by_hand(model, encoding.annotations, telling, drop.number, list(range(PLACES)))
        assert drop.uniform == pytest.approx(all_places, abs=1e-5)
    assert any(abs(drop.top) > 1e-3 for drop in drops)


def test_function_words_and_the_ending_are_no_content(captions, encoding):
    model = captions["soft"]
    telling = model.tell(encoding, Wish(start=START, only=True))
    assert [drop.content for drop in faithfulness(model, encoding, telling)] == [
        False, True, True, False, False, False, False]  # fmt: skip


def test_one_place_alone_counts_only_where_it_is_blanked(captions, encoding):
    """Hard attention: a tenth with its place drops as much as all places, another one not at all."""
    model = captions["hard"]
    telling = model.tell(encoding, Wish(start=START, only=True))
    shares = []
    for drop in faithfulness(model, encoding, telling, draws=50):
        assert drop.top == pytest.approx(drop.uniform, abs=1e-5)
        shares.append(drop.random / drop.top)
        assert shares[-1] * 50 == pytest.approx(round(shares[-1] * 50), abs=0.05)  # so many draws held it
    assert sum(shares) / len(shares) == pytest.approx(19 / PLACES, abs=0.06)  # 350 draws


def test_a_place_that_was_drawn_is_blanked_though_it_is_unlikely(captions, encoding):
    model = captions["hard"]
    telling = model.tell(encoding, Wish(start=START, only=True, draw=3))
    assert any(told.place not in top(telling, i) for i, told in enumerate(telling.words))
    for drop in faithfulness(model, encoding, telling):
        assert drop.top == pytest.approx(drop.uniform, abs=1e-5)


def test_maps_that_were_painted_are_those_that_count(captions, encoding):
    model = captions["soft"]
    corner = torch.zeros(PLACES)
    corner[:5] = 1
    telling = model.tell(encoding, Wish(start=START, only=True, painted={2: corner}))
    drop = faithfulness(model, encoding, telling)[2]
    assert drop.top == pytest.approx(drop.uniform, abs=1e-5)
    assert drop.top == pytest.approx(by_hand(model, encoding.annotations, telling, 2, list(range(5))), abs=1e-5)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_a_picture_that_is_alike_everywhere_loses_nothing(kind, captions, rgb):
    alike = Encoding(rgb, torch.randn(1, 1, 512).expand(1, PLACES, 512))
    model = captions[kind]
    drops = faithfulness(model, alike, model.tell(alike, Wish(start=START, only=True)))
    assert [x for d in drops for x in (d.top, d.random, d.uniform)] == pytest.approx([0.0] * 21, abs=1e-4)
    assert math.isnan(ratio(drops))


def test_chance_is_seeded(captions, encoding):
    model = captions["soft"]
    telling = model.tell(encoding, Wish(start=START, only=True))
    first, same, other = (faithfulness(model, encoding, telling, seed=seed) for seed in (0, 0, 1))
    assert first == same
    assert [d.random for d in first] != [d.random for d in other]
    assert [d.top for d in first] == [d.top for d in other]


def test_unknown_words_are_left_out_and_a_caption_may_be_empty(captions, encoding):
    model = captions["soft"]
    telling = model.tell(encoding, Wish(start=(3, UNKNOWN, 4), only=True))
    drops = faithfulness(model, encoding, telling)
    assert [drop.number for drop in drops] == [0, 2, 3]
    assert all(math.isfinite(value) for drop in drops for value in (drop.top, drop.random, drop.uniform))
    empty = faithfulness(model, encoding, model.tell(encoding, Wish(only=True)))
    assert [drop.content for drop in empty] == [False]
    assert math.isnan(ratio(empty))


def test_without_attention_there_is_nothing_to_blank(captions, encoding):
    model = captions["plain"]
    with pytest.raises(ValueError, match="sees the picture once"):
        faithfulness(model, encoding, model.tell(encoding))


def test_means_are_over_content_words():
    drops = (Drop(0, False, 9, 9, 9), Drop(1, True, 2, 0.5, 1), Drop(2, True, 1, 0.1, 2))
    assert means(drops) == Means(2, 1.5, pytest.approx(0.3), 1.5)
    assert ratio(drops) == pytest.approx(5)


@pytest.mark.parametrize("random", [0.0, 5e-4, -0.2])
def test_no_ratio_without_a_measure(random):
    assert math.isnan(ratio((Drop(0, True, 1, random, 1),)))
    assert means(()).words == 0
    assert math.isnan(ratio(()))


@pytest.mark.parametrize(("means", "said"), [
    (Means(4, -0.09, 0.0117, 0.2), "gain 0.090 nats"), (Means(4, 0.4, 0.016, 0.46), "25.0 times as much"),
    (Means(4, 0.4, 0.0, 0.46), "Random cells cost nothing"),
    (Means(0, math.nan, math.nan, math.nan), "No content word"),
])  # fmt: skip
def test_the_sentence_names_a_loss_only_where_something_was_lost(means, said):
    assert said in means.sentence
    assert "-" not in means.sentence
    assert "nan" not in means.sentence
    assert math.isnan(means.ratio) or means.ratio > 0
