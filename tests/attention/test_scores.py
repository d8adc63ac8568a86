"""Captions are scored as sacrebleu and the authors of CIDEr score them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.cider.cider import Cider
from sacrebleu.metrics import BLEU

from engine.attention.scores import CiderD, corpus_bleu, ngrams, sentence_bleu


def said(text: str) -> list[str]:
    return text.split()


CAPTION = st.lists(st.sampled_from(said("a dog man runs on grass red ball")), min_size=1, max_size=9)
REFERENCES = st.lists(CAPTION, min_size=1, max_size=5)
CORPUS = st.lists(st.tuples(CAPTION, REFERENCES), min_size=1, max_size=6)

TOLD = [said("a dog runs on the green grass"), said("a man in red"), said("two boys play")]
TRUE = [[said("a dog runs on grass"), said("the dog runs over the green grass")],
        [said("a man in a red shirt"), said("the man sits")],
        [said("two boys play with a ball"), said("boys play")]]  # fmt: skip


def test_runs_of_words():
    assert ngrams(said("a b a")) == {("a",): 2, ("b",): 1, ("a", "b"): 1, ("b", "a"): 1, ("a", "b", "a"): 1}
    assert max(map(len, ngrams(said("a b c d e")))) == 4


def test_corpus_bleu_by_hand():
    """Unigrams that count: 7 of 7, 4 of 4, 3 of 3; lengths 14 against the nearest 7 (of 5 and 7), 3 (of 6 and 3), 2."""
    figures = corpus_bleu(TOLD, TRUE)
    assert figures["bleu1"] == figures["plain1"] == pytest.approx(100)
    assert figures["brevity"] == 1
    assert figures["words"] == pytest.approx(14 / 3)
    short = corpus_bleu([said("a dog")], [[said("a dog runs on grass")]])
    assert short["plain2"] == pytest.approx(100)
    assert short["brevity"] == pytest.approx(math.exp(1 - 5 / 2))
    assert short["bleu2"] == pytest.approx(100 * short["brevity"])


def test_corpus_bleu_is_sacrebleus_for_any_number_of_references():
    uneven = [*TRUE[:2], TRUE[2][:1]]
    columns = [[" ".join(several[0]) for several in uneven], [" ".join(several[1]) for several in uneven[:2]] + [None]]
    texts = [" ".join(words) for words in TOLD]
    for order in (1, 2, 3, 4):
        wanted = BLEU(tokenize="none", force=True, max_ngram_order=order).corpus_score(texts, columns)
        figures = corpus_bleu(TOLD, uneven)
        assert figures[f"bleu{order}"] == pytest.approx(wanted.score)
        assert figures["brevity"] == pytest.approx(wanted.bp)
        logs = [math.log(p) for p in wanted.precisions]
        assert figures[f"plain{order}"] == pytest.approx(math.exp(sum(logs) / order))


def test_silence_scores_nothing():
    figures = corpus_bleu([[], []], TRUE[:2])
    assert {figures[f"bleu{n}"] for n in (1, 2, 3, 4)} == {0.0}
    assert CiderD(TRUE).score(0, []) == sentence_bleu([], TRUE[0]) == 0.0


@settings(max_examples=60, deadline=None)
@given(CORPUS)
def test_cider_is_the_authors(corpus):
    told = {i: [" ".join(words)] for i, (words, _) in enumerate(corpus)}
    true = {i: [" ".join(words) for words in several] for i, (_, several) in enumerate(corpus)}
    mean, each = Cider().compute_score(true, told)
    ours = CiderD([several for _, several in corpus])
    assert [ours.score(i, words) for i, (words, _) in enumerate(corpus)] == pytest.approx(list(each), abs=1e-9)
    assert ours.mean([words for words, _ in corpus]) == pytest.approx(mean, abs=1e-9)


def test_cider_of_the_only_caption_is_ten():
    """Every n-gram of it occurs with this picture alone."""
    references = [[said("one two three four five")], [said("six seven eight nine ten")]]
    assert CiderD(references).score(0, references[0][0]) == pytest.approx(10)
    assert CiderD(references).score(1, references[0][0]) == 0


@settings(max_examples=60, deadline=None)
@given(CAPTION, REFERENCES)
def test_a_sentences_bleu_is_sacrebleus_with_one_added(words, references):
    """sacrebleu leaves out the orders that a sentence is too short for only where nothing is added to them."""
    oracle = BLEU(tokenize="none", smooth_method="add-k", smooth_value=1, effective_order=False)
    wanted = oracle.sentence_score(" ".join(words), [" ".join(r) for r in references]).score / 100
    assert sentence_bleu(words, references) == pytest.approx(wanted)
