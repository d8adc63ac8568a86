"""Numbers with their nouns, durations, and names told apart."""

import pytest

from engine.wording import apart, duration, many


@pytest.mark.parametrize(("n", "words"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (3750, "3,750 runs")])
def test_a_number_agrees_with_its_noun(n, words):
    assert many(n, "run") == words


def test_a_plural_of_its_own():
    assert (many(1, "class", "classes"), many(8, "class", "classes")) == ("1 class", "8 classes")


@pytest.mark.parametrize(("seconds", "words"), [(0.02, "1 s"), (40, "40 s"), (1680, "28 min"), (9000, "2.5 h")])
def test_a_duration_has_a_fitting_unit(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(("names", "shown"), [
    (("a", "dog", "and", "a", "."), ("a (1)", "dog", "and", "a (4)", ".")),
    (("car", "car (1)", "car"), ("car (1) ", "car (1)", "car (3)")),
    ((), ()),
])  # fmt: skip
def test_names_that_come_twice_carry_their_place(names, shown):
    assert apart(names) == shown
    assert len(set(shown)) == len(names)
