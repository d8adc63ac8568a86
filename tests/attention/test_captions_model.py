"""Captioners as people meet them: steps, words and layers of a Trace, boxes of cells, pictures of every kind."""

import math

import numpy as np
import pytest
import torch

from engine.attention.captions_model import CaptionModel, Encoding, cell_box, layers
from engine.attention.decoding import beam_search
from engine.attention.telling import Telling, Told, Wish
from engine.attention.vocabulary import EDGE, UNKNOWN
from engine.trace import Trace
from tests.attention.conftest import NAMES, random_annotations
from tests.conftest import card_of

KINDS = ("plain", "soft", "hard")


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_for_each_word_and_the_ending(captions, encoding, kind):
    model = captions[kind]
    telling = model.tell(encoding, Wish(start=(4, 5)))
    trace = model.trace(encoding, telling)
    assert [step.title for step in trace.steps] == ["picture", *(NAMES[i - 2] for i in telling.indices), "."]
    assert trace.steps[0].sentence == f"The whole caption: {model.sentence(telling)}"
    assert trace.settings["caption"] == model.sentence(telling)
    assert trace.settings["forced"] == f"{NAMES[2]} {NAMES[3]}"
    assert trace.settings["log p"] == pytest.approx(telling.log_p)
    for number, (step, told) in enumerate(zip(trace.steps[1:], telling.words, strict=True)):
        assert ("as you wished" in step.sentence) == (number < 2)
        assert f"p {math.exp(told.log_p):.2f}" in step.sentence
        assert step.table.rows == tuple((model.word(i), round(p, 4)) for i, p in told.top)
        kinds = [layer.kind for layer in step.layers]
        assert kinds == {"plain": ["image"], "soft": ["image", "heat"], "hard": ["image", "heat", "boxes"]}[kind]
        assert ("only once" in step.sentence) == (kind == "plain")
    assert trace.steps[-1].sentence.startswith("The ending")


def test_soft_shows_alpha_and_hard_the_cell(captions, encoding):
    telling = captions["soft"].tell(encoding)
    (heat,) = layers(telling.words[0], (90, 130))
    assert np.array_equal(heat.data.ravel(), telling.words[0].alpha.numpy())
    assert heat.range == (0.0, float(heat.data.max()))
    told = captions["hard"].tell(encoding).words[0]
    heat, box = layers(told, (90, 130))
    assert torch.allclose(torch.from_numpy(heat.data.ravel()), told.e.softmax(0))
    assert int(heat.data.argmax()) == told.place
    assert box.data[0] == pytest.approx(cell_box(told.place, (90, 130)))


def test_cells_divide_the_picture():
    assert cell_box(0, (140, 280)) == (0, 0, 20, 10)
    assert cell_box(195, (140, 280)) == (260, 130, 280, 140)
    assert cell_box(14 * 2 + 5, (140, 280)) == (100, 20, 120, 30)
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (cell_box(i, (91, 131)) for i in range(196))]
    assert sum(areas) == pytest.approx(91 * 131)


def test_the_sentence_says_how_much_lies_on_a_tenth(captions, encoding):
    even = captions["soft"].trace(encoding, captions["soft"].tell(encoding, Wish(sharpness=0.0)))
    assert f"entropy {math.log(196):.1f} of {math.log(196):.1f} nats, 10 % of the weight" in even.steps[1].sentence


def test_the_sentence_of_one_cell_says_which_and_how_likely_it_was(captions, encoding):
    telling = captions["hard"].tell(encoding)
    told = telling.words[0]
    row, column = divmod(told.place, 14)
    words = captions["hard"].trace(encoding, telling).steps[1].sentence
    p = np.exp(told.e.double().numpy())
    assert f"row {row + 1}, column {column + 1} alone, whose p was {p[told.place] / p.sum():.3f}" in words


def test_an_unknown_word_is_named(captions, encoding):
    telling = captions["soft"].tell(encoding, Wish(start=(UNKNOWN,), only=True))
    assert "a word it does not know, as you wished" in captions["soft"].trace(encoding, telling).steps[1].sentence


def test_captions_of_a_batch_are_those_of_the_search(captions):
    annotations = random_annotations(3)
    wanted = [[NAMES[i - 2] for i in found[0].words] for found in beam_search(captions["soft"].network, annotations, 2)]
    assert captions["soft"].captions(annotations, beam=2) == wanted


@pytest.mark.parametrize(("annotations", "log_p", "start"), [
    (torch.zeros(1, 196, 512), -1.0, "Unsure: the picture looks nearly alike"),
    (random_annotations(), -9.0, "Unsure: a word of this caption has log p -9.0"),
    (random_annotations(), -1.0, ""),
])  # fmt: skip
def test_it_says_when_it_is_unsure(captions, rgb, annotations, log_p, start):
    plain = captions["plain"]
    bounds = card_of(settings={"unsure": {"variety": 0.5, "log_p": -2.0}})
    model = CaptionModel(bounds, plain.network, plain.encoder, plain.words)
    told = Telling((Told(EDGE, log_p, ((EDGE, 0.1),)),), Wish())
    said = model.unsure(Encoding(rgb, annotations), told)
    assert said.startswith(start)
    assert bool(said) == bool(start)
    assert plain.unsure(Encoding(rgb, annotations), told) == ""  # a card without bounds
    if start:
        assert model.trace(Encoding(rgb, annotations), told).steps[0].sentence.startswith(start)


@pytest.mark.parametrize("wish", [
    Wish(start=(3,)), Wish(only=True), Wish(temperature=1.0), Wish(draw=0), Wish(sharpness=0.0),
    Wish(painted={0: torch.ones(196)}),
])  # fmt: skip
def test_words_that_were_wished_for_are_not_its_own_doubt(captions, rgb, annotations, wish):
    plain = captions["plain"]
    model = CaptionModel(card_of(settings={"unsure": {"log_p": -2.0}}), plain.network, plain.encoder, plain.words)
    words = (Told(EDGE, -9.0, ((EDGE, 0.1),)),)
    assert model.unsure(Encoding(rgb, annotations), Telling(words, Wish(beam=5))).startswith("Unsure")
    assert model.unsure(Encoding(rgb, annotations), Telling(words, wish)) == ""


@pytest.mark.parametrize("picture", [
    np.full((1, 1, 3), 255, np.uint8), np.zeros((1, 500, 3), np.uint8), np.full((300, 4, 3), 128, np.uint8),
    np.repeat(np.arange(120, dtype=np.uint8).reshape(10, 12, 1), 3, 2),
], ids=["1x1", "1x500", "blank", "grey"])  # fmt: skip
def test_pictures_of_every_kind(captions, picture, tmp_path):
    """Through a real encoder; what comes out can be saved and read again."""
    encoding = captions["soft"].encode(picture)
    assert encoding.annotations.shape == (1, 196, 512)
    assert encoding.annotations.isfinite().all()
    for kind in KINDS:
        trace = captions[kind].trace(encoding)
        assert len(trace.steps) >= 2
        for step in trace.steps:
            assert all(np.isfinite(layer.data).all() for layer in step.layers)
    assert [s.title for s in Trace.load(trace.save(tmp_path)).steps] == [s.title for s in trace.steps]


def test_one_encoding_serves_all_and_is_the_encoders(captions, rgb):
    encoding = captions["soft"].encode(rgb)
    assert captions["hard"].working_size(rgb) == (448, 448)
    assert torch.equal(encoding.annotations, captions["plain"].encode(rgb).annotations)
    upside_down = captions["soft"].encode(np.ascontiguousarray(rgb[::-1]))
    assert not torch.allclose(encoding.annotations, upside_down.annotations)
