"""The captioner's equations against NumPy, loops and PyTorch's own LSTM; weights that sum to one."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn

from engine.attention.captioner import Attend, State, drawn, most
from tests.attention.conftest import NAMES, random_annotations, random_captioner

KINDS = ("plain", "soft", "hard")
WORDS = len(NAMES) + 2
SOFT = random_captioner("soft", WORDS)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@settings(deadline=None, max_examples=30)
@given(arrays.arrays(np.float32, (1, 5, 512), elements=st.floats(-1e4, 1e4, width=32)), st.integers(1, 3))
def test_alphas_sum_to_one(values, count):
    """Whatever the annotation vectors are."""
    scene = SOFT.scene(torch.from_numpy(values))
    look = SOFT.look(scene, SOFT.begin(scene, count))
    assert look.alpha.shape == (1, count, 5)
    assert torch.allclose(look.alpha.sum(-1), torch.ones(1, count), atol=1e-5)
    assert (look.alpha >= 0).all()
    assert ((look.beta >= 0) & (look.beta <= 1)).all()


@torch.inference_mode()
def test_the_attention_mlp_is_the_papers_formula():
    """e_ti = f_att(a_i, h_(t-1)), a perceptron of one hidden layer; alpha = exp(e_ti) / sum_k exp(e_tk)."""
    annotations = random_annotations(2, 7)
    scene = SOFT.scene(annotations)
    state = State(*torch.randn(2, 2, 3, 512, generator=torch.Generator().manual_seed(1)))
    look = SOFT.look(scene, state)
    a, h = annotations.double().numpy(), state.h.double().numpy()
    att = {name: p.double().numpy() for name, p in SOFT.attend.named_parameters()}
    for b in range(2):
        for s in range(3):
            hidden = [
                att["place.weight"] @ a[b, i] + att["place.bias"] + att["state.weight"] @ h[b, s] for i in range(7)
            ]
            e = [float(att["score.weight"][0] @ np.tanh(x)) for x in hidden]
            alpha = np.exp(e) / np.exp(e).sum()
            assert look.e[b, s].numpy() == pytest.approx(e, abs=1e-4)
            assert look.alpha[b, s].numpy() == pytest.approx(alpha, abs=1e-5)


def test_the_score_does_not_change_its_keys():
    """tanh works in place: on the sum, not on what the next word needs."""
    attend, keys = Attend(), torch.randn(1, 4, 128)
    before = keys.clone()
    attend(keys, torch.zeros(1, 2, 512))
    assert torch.equal(keys, before)


@torch.inference_mode()
def test_the_soft_context_against_a_loop():
    """z = beta sum_i alpha_i a_i with beta = sigmoid(f_beta(h)), in plain Python."""
    scene = SOFT.scene(random_annotations(2, 5))
    state = State(*torch.randn(2, 2, 3, 512, generator=torch.Generator().manual_seed(2)))
    look = SOFT.look(scene, state)
    weight, bias = SOFT.gate.weight[0].tolist(), float(SOFT.gate.bias)
    for b in range(2):
        for s in range(3):
            gate = sigmoid(sum(w * h for w, h in zip(weight, state.h[b, s].tolist(), strict=True)) + bias)
            assert float(look.beta[b, s]) == pytest.approx(gate, abs=1e-5)
            for d in (0, 100, 511):
                z = 0.0
                for i in range(5):
                    z += float(look.alpha[b, s, i]) * float(scene.annotations[b, i, d])
                assert float(look.z[b, s, d]) == pytest.approx(gate * z, abs=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_pytorchs_lstm_and_the_deep_output(kind):
    net = random_captioner(kind, WORDS)
    scene = net.scene(random_annotations(2, 5))
    state = net.begin(scene, 3)
    look = net.look(scene, state)
    word = torch.randint(0, WORDS, (2, 3), generator=torch.Generator().manual_seed(3))
    after, logits = net.step(word, state, look)
    lstm = nn.LSTM(net.lstm.input_size, 512)
    lstm.load_state_dict({f"{name}_l0": p for name, p in net.lstm.state_dict().items()})
    for b in range(2):
        for s in range(3):
            read = net.embed.weight[word[b, s]]
            x = read if look is None else torch.cat([read, look.z[b, s]])
            _, (h, c) = lstm(x[None, None], (state.h[b, s][None, None], state.c[b, s][None, None]))
            assert torch.allclose(after.h[b, s], h[0, 0], atol=1e-5)
            assert torch.allclose(after.c[b, s], c[0, 0], atol=1e-5)
            deep = read + net.from_state.weight @ h[0, 0] + net.from_state.bias
            if look is not None:
                deep = deep + net.from_context.weight @ look.z[b, s]
            assert torch.allclose(logits[b, s], net.embed.weight @ deep + net.bias, atol=1e-4)


@torch.inference_mode()
def test_the_first_state_comes_from_the_mean_annotation():
    annotations = random_annotations(2, 5)
    mean = annotations.sum(1) / 5
    state = SOFT.begin(SOFT.scene(annotations), 2)
    for s in range(2):
        assert torch.allclose(state.h[:, s], torch.tanh(mean @ SOFT.init_h.weight.T + SOFT.init_h.bias), atol=1e-5)
        assert torch.allclose(state.c[:, s], torch.tanh(mean @ SOFT.init_c.weight.T + SOFT.init_c.bias), atol=1e-5)
    plain = random_captioner("plain", WORDS)
    h, c = plain.lstm(plain.first(mean))
    assert plain.scene(annotations).keys is None
    assert torch.allclose(plain.begin(plain.scene(annotations)).h[:, 0], h, atol=1e-5)
    assert torch.allclose(plain.begin(plain.scene(annotations)).c[:, 0], c, atol=1e-5)
    assert plain.look(plain.scene(annotations), plain.begin(plain.scene(annotations))) is None


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 3), st.integers(1, 4), st.data())
def test_states_are_picked_for_each_picture(pictures, count, data):
    index = data.draw(arrays.arrays(np.int64, (pictures, data.draw(st.integers(1, 5))),
                                    elements=st.integers(0, count - 1)))  # fmt: skip
    h = torch.arange(pictures * count * 6.0).view(pictures, count, 6)
    got = State(h, -h).pick(torch.from_numpy(index))
    for b in range(pictures):
        for k, s in enumerate(index[b].tolist()):
            assert torch.equal(got.h[b, k], h[b, s])
            assert torch.equal(got.c[b, k], -h[b, s])


def test_one_place_has_all_the_weight():
    alpha = torch.tensor([[[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]]])
    assert most(alpha).tolist() == [[[0, 1, 0], [1, 0, 0]]]
    one = drawn(alpha, torch.Generator().manual_seed(0))
    assert one.shape == alpha.shape
    assert one.sum(-1).tolist() == [[1, 1]]
    assert torch.equal(one, one.bool().float())


def test_places_are_drawn_as_often_as_alpha_says():
    alpha = torch.tensor([[[0.0, 0.5, 0.3, 0.2]]]).expand(1, 20000, 4)
    share = drawn(alpha, torch.Generator().manual_seed(0)).mean(1)[0]
    assert share[0] == 0
    assert torch.allclose(share, alpha[0, 0], atol=0.015)  # four standard errors


def test_dropout_only_in_training():
    scene = SOFT.scene(random_annotations(1, 5))
    state, word = SOFT.begin(scene), torch.full((1, 1), 3)
    look = SOFT.look(scene, state)
    same = [SOFT.step(word, state, look)[1] for _ in range(2)]
    assert torch.equal(*same)
    net = random_captioner("soft", WORDS).train()
    torch.manual_seed(0)
    assert not torch.equal(*(net.step(word, state, look)[1] for _ in range(2)))


def test_words_are_told_by_the_vectors_that_they_are_read_by():
    net = random_captioner("plain", WORDS)
    scene = net.scene(random_annotations(1, 5))
    state = net.begin(scene)
    before = net.step(torch.full((1, 1), 3), state, None)[1]
    net.embed.weight[7] = 0.0
    after = net.step(torch.full((1, 1), 3), state, None)[1]
    assert float(after[0, 0, 7]) == float(net.bias[7])
    others = torch.arange(WORDS) != 7
    assert torch.equal(F.normalize(before[0, 0, others], dim=0), F.normalize(after[0, 0, others], dim=0))
