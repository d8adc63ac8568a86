"""Nudges: z moves as predicted where places are weighed and not at all by argmax, against gradients and loops."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.attention.nudging import direction, nudge
from engine.attention.telling import Told, Wish

OFFS = (-0.002, 0.01, 0.3, 0.9)


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 40), st.integers(0, 2**31), st.floats(0.01, 60), st.data())
def test_the_line_keeps_the_sum_and_the_others_proportions(places, seed, sharpness, data):
    scores = torch.randn(places, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    p, cell = (sharpness * scores).softmax(0), data.draw(st.integers(0, places - 1))
    line = direction(p, cell)
    assert line[cell] == 1
    assert float(line.sum()) == pytest.approx(0, abs=1e-9)
    after = p + (1 - p[cell]) / 2 * line
    assert (after >= -1e-12).all()
    others = torch.arange(places) != cell
    assert torch.allclose(after[others] * p[others].sum(), p[others] * after[others].sum())


def test_others_that_hold_nothing_share_evenly():
    p = torch.tensor([0.0, 1.0, 0.0])
    assert direction(p, 1).tolist() == [-0.5, 1.0, -0.5]


@pytest.mark.parametrize("delta", OFFS)
@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_z_against_sums_over_the_places(captions, encoding, kind, delta):
    model = captions[kind]
    telling = model.tell(encoding)
    told, cell = telling.words[2], 17
    p = told.e.double().softmax(0)
    after = p * (1 - delta / (1 - p[cell]))
    after[cell] = p[cell] + delta
    got = nudge(model, encoding, telling, 2, cell, delta)
    a = encoding.annotations[0].double()
    moved = told.beta * sum((after[i] - p[i]) * a[i] for i in range(len(a)))
    assert got.delta == delta
    assert got.p == pytest.approx(float(p[cell]))
    assert got.soft.measured == pytest.approx(float(moved.norm()), rel=1e-5)
    assert got.soft.predicted == pytest.approx(got.soft.measured, rel=1e-9)  # z is linear in p
    assert got.soft.difference < 1e-9
    assert got.argmax.predicted == 0
    jump = told.beta * float((a[after.argmax()] - a[p.argmax()]).norm())
    assert got.argmax.measured == pytest.approx(jump, rel=1e-5)
    assert got.flipped == (int(after.argmax()) != int(p.argmax()))
    assert got.flipped == (delta > got.flips_at)


@pytest.mark.parametrize("cell", range(0, 196, 39))
def test_argmax_flips_where_it_is_said_to(captions, encoding, cell):
    telling = captions["hard"].tell(encoding)
    at = nudge(captions["hard"], encoding, telling, 1, cell, 0.0).flips_at
    assert at > 0
    for share, flips in ((0.999, False), (1.001, True)):
        got = nudge(captions["hard"], encoding, telling, 1, cell, share * at)
        assert got.flipped == flips == (got.argmax.measured > 0)
        assert got.argmax.log_p_predicted == 0
        assert (got.argmax.log_p_after != got.argmax.log_p_before) == flips


def test_the_heaviest_place_flips_when_it_loses(captions, encoding):
    telling = captions["soft"].tell(encoding)
    cell = int(telling.words[1].alpha.argmax())
    at = nudge(captions["soft"], encoding, telling, 1, cell, 0.0).flips_at
    assert at < 0
    assert nudge(captions["soft"], encoding, telling, 1, cell, 1.001 * at).flipped
    assert not nudge(captions["soft"], encoding, telling, 1, cell, 0.999 * at).flipped


def test_log_p_is_that_of_the_telling_and_its_gradient_that_of_autograd(captions, encoding):
    model, number, cell = captions["soft"], 3, 60
    telling = model.tell(encoding)
    told = telling.words[number]
    small = nudge(model, encoding, telling, number, cell, 1e-5).soft
    assert small.log_p_before == pytest.approx(told.log_p, abs=1e-4)
    assert small.log_p_after - small.log_p_before == pytest.approx(small.log_p_predicted, rel=1e-3)

    net = copy.deepcopy(model.network).double()  # backwards through the words, by hand
    scene = net.scene(encoding.annotations.double())
    state, word = net.begin(scene), torch.zeros(1, 1, dtype=torch.long)
    for before in telling.words[:number]:
        state, _ = net.step(word, state, net.look(scene, state))
        word = torch.full((1, 1), before.word)
    alpha = net.look(scene, state).alpha.detach().requires_grad_(True)
    _, logits = net.step(word, state, net.context(scene, state, alpha, alpha))
    logits = torch.cat([logits[..., :1], logits[..., 2:]], -1)  # without the unknown word
    log_p = logits.log_softmax(-1)[0, 0, told.word - 1]
    (gradient,) = torch.autograd.grad(log_p, alpha)
    along = float((gradient[0, 0] * direction(alpha[0, 0].detach(), cell)).sum())
    assert small.log_p_predicted == pytest.approx(1e-5 * along, rel=1e-4)
    assert abs(along) > 1e-3


def test_a_nudge_stays_inside(captions, encoding):
    telling = captions["soft"].tell(encoding)
    p = float(telling.words[0].alpha[5])
    assert nudge(captions["soft"], encoding, telling, 0, 5, 9.0).delta == pytest.approx(1 - p)
    assert nudge(captions["soft"], encoding, telling, 0, 5, -9.0).delta == pytest.approx(-p)


@pytest.mark.parametrize("wish", [Wish(draw=4), Wish(sharpness=0.0), Wish(sharpness=1e6)], ids=["drawn", "0", "1e6"])
def test_whatever_way_it_looked(captions, encoding, wish):
    """One place that was drawn: p is the distribution it came from. Weights as they were: even, or all on one."""
    telling = captions["soft"].tell(encoding, wish)
    told = telling.words[1]
    got = nudge(captions["soft"], encoding, telling, 1, 8, 0.25)
    wanted = told.e.softmax(0) if wish.draw is not None else told.alpha
    assert got.p == pytest.approx(float(wanted[8]), abs=1e-6)
    assert got.soft.difference < 1e-9 < got.soft.measured


def test_an_unknown_word_has_no_log_p(captions, encoding):
    telling = captions["soft"].tell(encoding, Wish(start=(1,), only=True))
    effect = nudge(captions["soft"], encoding, telling, 0, 8, 0.25).soft
    assert effect.log_p_before == effect.log_p_after == -math.inf
    assert effect.log_p_predicted == 0


def test_one_look_at_the_picture_has_no_places(captions, encoding):
    telling = captions["plain"].tell(encoding)
    assert isinstance(telling.words[0], Told)
    with pytest.raises(ValueError, match="only once"):
        nudge(captions["plain"], encoding, telling, 0, 0, 0.1)


def test_it_works_where_gradients_are_off(captions, encoding):
    telling = captions["soft"].tell(encoding)
    with torch.inference_mode():
        off = nudge(captions["soft"], encoding, telling, 1, 8, 0.1)
    assert off == nudge(captions["soft"], encoding, telling, 1, 8, 0.1)
