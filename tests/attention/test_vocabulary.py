"""Words and their numbers: there and back, what is not known, and the vocabulary that ships."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.attention import vocabulary
from engine.attention.vocabulary import EDGE, UNKNOWN, Vocabulary
from engine.cards import ModelError

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
