"""The captioners' recipes: REINFORCE against exact expectations on toys, batches, baseline, resuming."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.attention.captioner import Captioner
from engine.attention.decoding import LONGEST, log_words
from engine.attention.vocabulary import EDGE, UNKNOWN, Vocabulary
from engine.data.flickr8k import Captions
from engine.train import captions as recipes
from engine.train.captions import (
    Baseline,
    CaptionRecipe,
    Reward,
    fit,
    mirrored,
    rewarded_loss,
    told_batches,
    told_loss,
)

NAMES = ("a", "dog", "runs", "snow")
WORDS = Vocabulary(NAMES)
BARE = CaptionRecipe(smoothing=0.0, coverage=0.0, entropy=0.0, expected=0.0)


def toy(kind: str) -> Captioner:
    """A captioner without dropout, for which it matters where it looks."""
    torch.manual_seed(1)
    net = Captioner(kind, len(WORDS)).eval()
    with torch.no_grad():
        net.from_state.weight.mul_(8)
        if kind != "plain":
            net.attend.score.weight.mul_(8)
            net.from_context.weight.mul_(4)
    return net


def gradient(loss: torch.Tensor, net: Captioner) -> torch.Tensor:
    """With respect to what scores the places, or, without attention, to what tells the words; flat."""
    parts = [net.bias, net.from_state.weight] if net.kind == "plain" else [*net.attend.parameters()]
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parts)])


def exact_loss(net: Captioner, annotations: torch.Tensor, target: list[int]) -> torch.Tensor:
    """The expectation of the mean cross-entropy of the words over every sequence of places."""
    scene, total = net.scene(annotations), 0.0
    for places in itertools.product(range(annotations.shape[1]), repeat=len(target)):
        state, before, log_chance, loss = net.begin(scene), EDGE, 0.0, 0.0
        for place, word in zip(places, target, strict=True):
            look = net.look(scene, state)
            log_chance = log_chance + look.alpha[0, 0, place].log()
            one = F.one_hot(torch.tensor(place), annotations.shape[1]).float()[None, None]
            state, logits = net.step(torch.full((1, 1), before), state, net.context(scene, state, look.e, one))
            loss = loss + F.cross_entropy(logits[0], torch.tensor([word])) / len(target)
            before = word
        total = total + log_chance.exp() * loss
    return total


@pytest.mark.parametrize("before", [-1.0, -3.0])
def test_reinforce_is_the_gradient_of_the_expectation(before):
    """Three places, two words: nine sequences of places. The mean of 3,000 samples, whatever the baseline."""
    net, target = toy("hard"), [3, EDGE]
    annotations = torch.randn(1, 3, 512, generator=torch.Generator().manual_seed(0))
    wanted = gradient(exact_loss(net, annotations, target), net)
    torch.manual_seed(0)
    many = torch.tensor([target]).expand(1500, -1)
    got = torch.zeros_like(wanted)
    for _ in range(2):
        loss, figures = told_loss(net, annotations.expand(1500, -1, -1), many, BARE, Baseline(0.9, before))
        got += gradient(loss, net) / 2
    never = Baseline(0.9, before)
    never.against = torch.zeros_like  # what is left where no reward counts
    blind = gradient(told_loss(net, annotations.expand(1500, -1, -1), many, BARE, never)[0], net)
    assert figures["variance"] > 0
    assert float((got - wanted).norm() / wanted.norm()) < 0.25
    assert float((blind - wanted).norm() / wanted.norm()) > 0.5


def test_rewarded_captions_follow_the_gradient_of_the_expected_reward(monkeypatch):
    """Captions of at most two draws: each of them enumerated, with a reward made up for it."""
    monkeypatch.setattr(recipes, "LONGEST", 1)
    net, worth = toy("plain"), (0.0, 0.0, 1.0, -2.0, 0.5, 3.0)
    annotations = torch.randn(1, 3, 512, generator=torch.Generator().manual_seed(0))

    def reward(i, words, caption):
        return sum(worth[k] * (j + 1) for j, k in enumerate(caption) if k >= 0)

    scene, known = net.scene(annotations), [k for k in range(len(WORDS)) if k != UNKNOWN]
    state, logits = net.step(torch.full((1, 1), EDGE), net.begin(scene), None)
    first, expected = log_words(logits)[0, 0], 0.0
    for a in known:
        if a == EDGE:
            expected = expected + first[a].exp() * reward(0, WORDS, [a])
            continue
        second = log_words(net.step(torch.full((1, 1), a), state, None)[1])[0, 0]
        expected = expected + sum((first[a] + second[b]).exp() * reward(0, WORDS, [a, b]) for b in known)
    wanted = gradient(-expected, net)
    torch.manual_seed(0)
    recipe = CaptionRecipe(rewarded=True, samples=5, entropy=0.0)
    loss, _ = rewarded_loss(net, annotations.expand(1500, -1, -1), [0] * 1500, recipe, WORDS, reward)
    assert float((gradient(loss, net) - wanted).norm() / wanted.norm()) < 0.15


def made(*captions: tuple[str, ...]) -> Captions:
    """Two captions for each picture; there are no pictures."""
    pairs = tuple(zip(captions[::2], captions[1::2], strict=True))
    return Captions("Made", "train", tuple(map(str, range(len(pairs)))), pairs)


sentences = st.lists(st.sampled_from([*NAMES, "zebra"]), min_size=1, max_size=LONGEST + 4).map(tuple)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(sentences, sentences), min_size=1, max_size=8), st.integers(1, 5), st.integers(0, 9))
def test_each_caption_comes_once_in_batches_of_its_length(pairs, size, seed):
    data = made(*itertools.chain(*pairs))
    told, lengths = [], []
    for pictures, table in told_batches(data, WORDS, size, np.random.default_rng(seed)):
        assert 1 <= len(pictures) == len(table) <= size
        counts = (table >= 0).sum(1)
        lengths.append((int(counts.min()), int(counts.max())))
        assert int(counts.max()) == table.shape[1]
        for i, row, count in zip(pictures.tolist(), table.tolist(), counts.tolist(), strict=True):
            assert row[count - 1] == EDGE
            assert EDGE not in row[: count - 1]
            assert set(row[count:]) <= {-1}
            told.append((i, tuple(row[: count - 1])))
    wanted = [(i, tuple(WORDS.encode(c[:LONGEST]))) for i, pair in enumerate(data.captions) for c in pair]
    assert sorted(told) == sorted(wanted)
    ordered = sorted(lengths)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(ordered))


def test_the_baseline_moves_after_it_was_used():
    baseline = Baseline(0.9)
    assert baseline.against(torch.tensor([1.0, 3.0])).tolist() == [-1.0, 1.0]  # the first batch is its own average
    assert baseline.value == pytest.approx(2.0)
    assert baseline.against(torch.tensor([12.0])).tolist() == [10.0]
    assert baseline.value == pytest.approx(0.9 * 2 + 0.1 * 12)
    other = Baseline(0.9)
    other.load_state_dict(baseline.state_dict())
    assert other == baseline


DATA = made(("a", "dog", "runs"), ("a", "dog"), ("snow",), ("a", "snow", "dog", "runs"), ("runs",), ("dog", "runs"))
TINY = CaptionRecipe(epochs=2, batch=3, average=0.5)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 196, 512)).astype(np.float16)


def test_a_mirror_image_turns_each_row_of_the_grid(features):
    annotations = torch.from_numpy(features).float()
    got = mirrored(annotations)
    for row, column in ((0, 0), (3, 9), (13, 13)):
        assert torch.equal(got[:, 14 * row + column], annotations[:, 14 * row + 13 - column])
    assert torch.equal(mirrored(got), annotations)


class Stopped(Exception):
    pass


def stops(net):
    raise Stopped


@pytest.mark.parametrize("rewarded", [False, True])
def test_a_resumed_run_equals_one_that_never_stopped(features, tmp_path, rewarded):
    recipe = CaptionRecipe(**{**TINY.__dict__, "rewarded": rewarded, "samples": 2})

    def run(name, **more):
        torch.manual_seed(3)
        return fit(Captioner("hard", len(WORDS)), DATA, features, WORDS, recipe, tmp_path / name, **more)

    whole = run("whole")
    assert not whole.training
    with pytest.raises(Stopped):
        run("parts", check=stops)
    resumed = run("parts", resume=True)
    for name, tensor in whole.state_dict().items():
        assert torch.allclose(tensor, resumed.state_dict()[name], atol=1e-6), name


@pytest.mark.parametrize("kind", ["plain", "soft", "hard"])
def test_a_step_of_each_kind(features, tmp_path, kind):
    torch.manual_seed(3)
    net = Captioner(kind, len(WORDS))
    before = net.embed.weight.detach().clone()
    trained = fit(net, DATA, features, WORDS, TINY, tmp_path, steps=1)
    assert trained is not net
    assert not torch.equal(trained.embed.weight, before)
    assert all(p.isfinite().all() for p in trained.parameters())


def test_a_reward_is_best_for_what_people_wrote():
    reward = Reward(DATA)
    own = [*WORDS.encode(("a", "dog", "runs")), EDGE]
    assert reward(0, WORDS, own) > reward(0, WORDS, own[:-1])  # an ending is a word
    assert reward(0, WORDS, own) > reward(1, WORDS, own)
    assert reward(0, WORDS, [*own, -1, -1]) == reward(0, WORDS, own)
