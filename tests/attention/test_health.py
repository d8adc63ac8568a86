"""What maps of attention say: divergence and entropy as SciPy has them, coverage and similarity by hand, warnings."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cosine, jensenshannon
from scipy.stats import entropy

from engine.attention.encoder import PLACES
from engine.attention.health import health, maps, warning
from engine.attention.telling import Wish


def even(steps, places=PLACES):
    return torch.full((steps, places), 1 / places)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # SciPy: the root of -1e-18 where maps are the same
@given(st.integers(1, 8), st.integers(2, 30), st.floats(0, 30), st.integers(0, 99))
def test_figures_are_scipys(steps, places, sharpness, seed):
    scores = torch.randn(steps, places, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    alphas = (sharpness * scores).softmax(-1)
    found, p = health(alphas), alphas.numpy()
    wanted = np.nan_to_num([jensenshannon(a, b) ** 2 for a, b in pairwise(p)])
    assert found.divergences == pytest.approx(wanted, abs=1e-9)
    assert found.entropies == pytest.approx(entropy(p, axis=1))
    assert found.entropy == pytest.approx(np.mean(entropy(p, axis=1)))
    for i in range(steps):
        for j in range(steps):
            assert found.similarity[i, j] == pytest.approx(1 - cosine(p[i], p[j]))
    assert math.isnan(found.divergence) == (steps == 1)
    if steps > 1:
        assert found.divergence == pytest.approx(wanted.mean(), abs=1e-9)


def test_the_ends_of_the_scales():
    apart = health(torch.eye(3, 9))
    assert apart.divergence == pytest.approx(math.log(2))
    assert apart.entropy == 0
    assert apart.coverage == pytest.approx(3 / 9)
    assert np.array_equal(apart.similarity, np.eye(3))
    same = health(even(3, 9))
    assert (same.divergence, same.coverage) == (pytest.approx(0, abs=1e-9), 0)
    assert same.entropy == pytest.approx(math.log(9))


def test_a_place_is_covered_by_twice_the_even_share():
    alphas = torch.tensor([[0.5, 0.3, 0.1, 0.1], [0.25, 0.25, 0.49, 0.01]])
    assert health(alphas).coverage == 1 / 4


def test_it_warns_of_a_model_that_looks_everywhere_alike():
    assert "everywhere alike" in warning(health(even(4)))
    wide = torch.randn(4, PLACES, generator=torch.Generator().manual_seed(0))
    assert "as wide as 19" in warning(health((0.1 * wide).softmax(-1)))
    assert warning(health((2 * wide).softmax(-1))) == ""


def test_it_warns_of_the_same_places_for_every_word():
    chosen = torch.randn(1, PLACES, generator=torch.Generator().manual_seed(0))
    alphas = (3 * chosen.expand(5, -1)).softmax(-1)
    assert "same places for every word" in warning(health(alphas))
    assert warning(health(alphas[:1])) == ""  # one word: nothing to compare
    found = health(alphas)
    assert warning(replace(found, divergences=np.full(4, 0.2))) == ""


def test_maps_are_what_can_be_compared(captions, encoding):
    soft, hard = (captions[kind].tell(encoding, Wish(start=(2, 5, 3), only=True)) for kind in ("soft", "hard"))
    assert torch.equal(maps(soft), soft.alphas)
    assert torch.equal(maps(hard), torch.stack([told.e for told in hard.words]).softmax(-1))
    assert torch.equal(maps(hard).argmax(1), hard.alphas.argmax(1))
    assert maps(captions["plain"].tell(encoding)) is None
    painted = captions["hard"].tell(encoding, Wish(start=(2, 5), only=True, painted={1: torch.ones(PLACES)}))
    assert maps(painted).sum(1) == pytest.approx(torch.ones(3))
