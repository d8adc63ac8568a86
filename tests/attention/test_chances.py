"""Many captions with drawn places: one draw is the telling, the cloud follows alpha, captions are counted."""

import copy
from collections import Counter

import numpy as np
import pytest
import torch

from engine.attention.captions_model import Encoding, cell_box
from engine.attention.chances import Draws, cloud_layers, draw, trace
from engine.attention.decoding import LONGEST
from engine.attention.telling import Wish
from engine.attention.vocabulary import EDGE, UNKNOWN
from tests.attention.conftest import random_annotations


@pytest.fixture(scope="module")
def draws(captions, encoding) -> Draws:
    return draw(captions["hard"], encoding, 40, seed=3)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_a_single_draw_is_the_telling_of_that_seed(captions, encoding, kind, seed):
    telling = captions[kind].tell(encoding, Wish(draw=seed))
    alone = draw(captions[kind], encoding, 1, seed)
    assert alone.words.tolist() == [[told.word for told in telling.words]]
    assert alone.places.tolist() == [[told.place for told in telling.words]]
    assert alone.rewards == pytest.approx([telling.log_p / len(telling.words)], abs=1e-5)
    assert alone.captions == ((telling.indices, 1),)
    assert alone.variance == 0


def test_finished_sentences_stop_counting(draws):
    assert draws.words.shape == draws.places.shape
    assert draws.words.shape[1] <= LONGEST + 1
    for words, places in zip(draws.words, draws.places, strict=True):
        end = words.tolist().index(EDGE)
        assert (words[:end] > UNKNOWN).all()
        assert (words[end + 1 :] == -1).all()
        assert ((places >= 0) == (words >= 0)).all()
        assert places.max() < 196


def test_captions_and_their_counts(draws):
    listed = ["".join(f"{k} " for k in row if k > EDGE) for row in draws.words.tolist()]
    wanted = Counter(listed)
    assert {"".join(f"{k} " for k in c): n for c, n in draws.captions} == wanted
    assert [n for _, n in draws.captions] == sorted(wanted.values(), reverse=True)
    assert len(draws.captions) > 1


def test_rewards_are_those_of_telling_from_these_places(captions, encoding, draws):
    """Each drawn place is painted, so that `tell` looks there, and the words are forced."""
    for words, places, reward in list(zip(draws.words, draws.places, draws.rewards, strict=True))[:5]:
        seen = {i: torch.eye(196)[p] for i, p in enumerate(places.tolist()) if p >= 0}
        told = captions["hard"].tell(encoding, Wish(start=tuple(k for k in words.tolist() if k > EDGE), only=True,
                                                    painted=seen))  # fmt: skip
        assert reward == pytest.approx(told.log_p / len(told.words), abs=1e-4)


def test_the_first_cloud_follows_alpha(captions, encoding):
    """Before the first word all draws see the same alpha: the counts must fit it (chi-squared over heavy cells)."""
    model, count = copy.deepcopy(captions["soft"]), 600
    model.network.bias[EDGE] = 100.0  # ends at once: only the first places are of interest
    alpha = model.tell(encoding).words[0].alpha.numpy()
    draws = draw(model, encoding, count, seed=1)
    assert draws.places.shape == (count, 1)
    got = np.bincount(draws.places[:, 0], minlength=196)
    heavy = np.argsort(-alpha)[:12]
    expected = np.append(count * alpha[heavy], count * (1 - alpha[heavy].sum()))
    seen = np.append(got[heavy], count - got[heavy].sum())
    assert ((seen - expected) ** 2 / expected).sum() < 37.7  # 99.97 % of chi-squared with 12 degrees of freedom
    assert expected.min() > 4


def test_the_moving_average():
    rewards = np.array([-2.0, -1.0, -3.0])
    made = Draws(np.zeros((3, 1), int), np.zeros((3, 1), int), rewards, 0)
    assert made.baseline == pytest.approx([-2.0, -1.9, -2.01])
    assert made.advantages == pytest.approx([0.0, 1.0, -1.1])
    assert made.variance == pytest.approx(np.var([0.0, 1.0, -1.1]))


def test_seeds(captions, encoding, draws):
    again, other = (draw(captions["hard"], encoding, 40, seed) for seed in (3, 4))
    assert np.array_equal(again.places, draws.places)
    assert np.array_equal(again.words, draws.words)
    assert not np.array_equal(other.places[:, 0], draws.places[:, 0])


def test_progress_rises_to_the_end(captions, encoding):
    heard = []
    draws = draw(captions["hard"], encoding, 5, tell=lambda done, total: heard.append((done, total)))
    assert heard == sorted(heard)
    assert heard[-1] == (5, 5)
    assert len(heard) == draws.words.shape[1]


def test_points_lie_in_their_cells(draws):
    size = (90, 130)
    for number in range(draws.words.shape[1]):
        heat, cloud = cloud_layers(draws, number, size)
        cells = draws.places[:, number][draws.places[:, number] >= 0]
        assert heat.data.sum() == len(cells) == len(cloud.data)
        for point, cell in zip(cloud.data, cells.tolist(), strict=True):
            x0, y0, x1, y1 = cell_box(cell, size)
            assert x0 <= point[0] <= x1
            assert y0 <= point[1] <= y1
        assert np.array_equal(cloud.data, cloud_layers(draws, number, size)[1].data)
    _, cloud = cloud_layers(draws, 0, size)
    assert len(np.unique(cloud.data, axis=0)) == len(cloud.data)  # thrown, not piled


def test_the_trace(captions, encoding, draws):
    made = trace(captions["hard"], encoding, draws)
    first, *steps = made.steps
    assert len(steps) == draws.words.shape[1]
    assert f"{len(draws.captions)} different captions came of 40 draws" in first.sentence
    assert first.table.rows[0][1] == draws.captions[0][1]
    for number, step in enumerate(steps):
        assert [layer.kind for layer in step.layers] == ["image", "heat", "points"]
        told = Counter(k for k in draws.words[:, number].tolist() if k >= 0)
        assert step.table.rows[0][1] == max(told.values())
        assert step.sentence.startswith(f"{sum(told.values())} caption")
    assert made.settings == {"draws": 40, "seed": 3}


def test_one_look_at_the_picture_draws_nothing(captions, encoding):
    with pytest.raises(ValueError, match="only once"):
        draw(captions["plain"], encoding, 3)


def test_another_picture_another_cloud(captions, encoding, draws):
    other = draw(captions["hard"], Encoding(encoding.rgb, random_annotations(seed=9)), 40, seed=3)
    assert not np.array_equal(other.places[:, 0], draws.places[:, 0])
