"""Words and their numbers: there and back, what is not known, and the vocabulary that ships."""

import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.attention import vocabulary
from engine.attention.vocabulary import EDGE, UNKNOWN, Vocabulary, typed
from engine.cards import ModelError
from engine.data.flickr8k import words

WORDS = st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True)


@given(st.lists(WORDS, unique=True), st.data())
def test_known_words_come_back(known, data):
    words = Vocabulary(known)
    caption = data.draw(st.lists(st.sampled_from(known))) if known else []
    assert words.decode([*words.encode(caption), EDGE]) == caption
    assert len(words) == len(known) + 2
    assert [words.index[w] for w in words.words] == list(range(len(words)))


@given(st.lists(WORDS, unique=True), st.lists(WORDS))
def test_only_unknown_words_become_the_unknown_one(known, caption):
    indices = Vocabulary(known).encode(caption)
    assert [i == UNKNOWN for i in indices] == [w not in known for w in caption]
    assert EDGE not in indices


def test_nothing_is_read_after_the_first_edge():
    words = Vocabulary(["dog", "runs"])
    assert words.decode([3, EDGE, 2, 2]) == ["runs"]
    assert words.decode([EDGE]) == words.decode([]) == []


@given(st.lists(st.lists(WORDS, max_size=6), max_size=20), st.integers(1, 4))
def test_the_frequent_words_are_kept_in_order(captions, least):
    kept = Vocabulary.of(captions, least).words[2:]
    counts = Counter(word for caption in captions for word in caption)
    assert set(kept) == {word for word, n in counts.items() if n >= least}
    keys = [(-counts[word], word) for word in kept]
    assert keys == sorted(keys)


def test_what_was_written_is_what_ships(tmp_path, monkeypatch):
    monkeypatch.setattr(vocabulary, "_PATH", tmp_path / "words.txt")
    vocabulary.bundled.cache_clear()
    try:
        with pytest.raises(ModelError, match=r"words\.txt is not in"):
            vocabulary.bundled()
        Vocabulary(["dog", "a", "t"]).write()
        assert vocabulary.bundled().words == ("<edge>", "<unknown>", "dog", "a", "t")
    finally:
        vocabulary.bundled.cache_clear()


@pytest.mark.parametrize(("text", "found"), [
    ("A dog's ball, isn't it?", ("a", "dogs", "ball", "isnt", "it")),
    ("Café naïve Ångström", ("cafe", "naive", "angstrom")), ("smørrebrød Straße", ("smorrebrod", "strasse")),
    ("Собака a dog", ("собака", "a", "dog")), ("犬 runs", ("犬", "runs")), ("नमस्ते a", ("नमस्ते", "a")),
    ("강아지 dog", ("강아지", "dog")), ("🐶 dog", ("🐶", "dog")), ("Ｄｏｇ １２", ("dog", "12")), ("!!! ...", ()),
])  # fmt: skip
def test_typed_words_are_folded_and_none_is_left_out(text, found):
    assert typed(text) == tuple(unicodedata.normalize("NFC", word) for word in found)


def test_typed_words_of_latin_text_are_those_of_the_data():
    text = "Two young children's dogs, running in 3 fields -- isn't it?"
    assert typed(text) == words(text)
