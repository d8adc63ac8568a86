"""What a session keeps: an answer is made once, and the oldest of too many is forgotten."""

import pytest

from pages.kit import keeping


@pytest.fixture(autouse=True)
def session(monkeypatch):
    """A session of its own."""
    state = {}
    monkeypatch.setattr(keeping.st, "session_state", state)
    return state


def test_an_answer_is_made_once_for_each_owner_and_name():
    made = []

    def ask(name, owner):
        return keeping.once(name, owner, lambda: made.append((name, owner)) or len(made))

    assert [ask("a", (1,)), ask("a", (1,)), ask("a", (2,)), ask("b", (1,)), ask("a", (1,))] == [1, 1, 2, 3, 1]
    assert made == [("a", (1,)), ("a", (2,)), ("b", (1,))]


def test_the_oldest_of_too_much_is_forgotten(session, monkeypatch):
    monkeypatch.setattr(keeping, "MOST", 5_000)
    made = []
    for i in (*range(8), 7, 0):
        keeping.once("a", (i,), lambda i=i: made.append(i) or bytes(1000))
    assert made == [*range(8), 0], "the last one was still there, the first was not"
    assert session["kept"].held <= 5_000


def test_what_fails_is_not_kept(session):
    with pytest.raises(ZeroDivisionError):
        keeping.once("a", (1,), lambda: 1 / 0, "One moment ...")
    assert keeping.once("a", (1,), lambda: 2) == 2
