"""Models of a visit: few, under names that say what they are, gone with it, and never somebody else's."""

from __future__ import annotations

import gc

import pytest
from streamlit.testing.v1 import AppTest

from engine.cards import ModelError
from pages.kit import owned
from tests.conftest import card_of

FILES = ("f" * 64, "e" * 64, "d" * 64, "c" * 64)


class Model:
    """As much of a model as this needs."""

    def __init__(self, name: str) -> None:
        self.card = card_of(name=name)


@pytest.fixture
def visit(monkeypatch):
    """A visit without a page: its session is a dict."""
    state = {}
    monkeypatch.setattr(owned.st, "session_state", state)
    return state


def test_names_tell_files_and_what_was_said_apart():
    name = owned.name_of("My Net (v2).onnx", FILES[0], ("RGB",))
    assert name.startswith("my-net-v2-")
    assert len({name, owned.name_of("My Net (v2).onnx", FILES[1], ("RGB",)),
                owned.name_of("My Net (v2).onnx", FILES[0], ("BGR",))}) == 3  # fmt: skip
    for title in ("", "../../etc/passwd", "<script>.onnx", "模型.onnx", "a" * 500, "?model=x&y#z"):
        made = owned.name_of(title, FILES[0], None)
        assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert 9 < len(made) <= 33
        assert card_of(name=made).name == made


def test_the_oldest_goes_and_a_file_counts_once(visit):
    for i, file in enumerate(FILES):
        owned.add(Model(f"m{i}"), file, 10)
    assert owned.names() == ("m1", "m2", "m3")
    owned.add(Model("m1-again"), FILES[1], 10)
    assert owned.names() == ("m2", "m3", "m1-again")
    assert owned.get("m3").card.name == "m3"
    owned.drop(FILES[3])
    owned.drop("never there")
    assert owned.names() == ("m2", "m1-again")
    with pytest.raises(KeyError):
        owned.get("m3")


def test_all_visits_together_are_bounded(visit, monkeypatch):
    gc.collect()
    monkeypatch.setattr(owned, "MOST_BYTES", sum(owned._SIZES.values()) + 100)
    owned.add(Model("a"), FILES[0], 60)
    with pytest.raises(ModelError, match="as many models"):
        owned.add(Model("b"), FILES[1], 60)
    assert owned.names() == ("a",)
    visit.clear()  # that visit ends, and another one has the room
    gc.collect()
    owned.add(Model("b"), FILES[1], 60)
    assert owned.names() == ("b",)


def test_nobody_sees_anothers():
    def page() -> None:
        import streamlit as st

        from pages.kit import owned
        from tests.debug.test_owned import FILES, Model

        if st.button("Bring"):
            owned.add(Model("mine"), FILES[0], 1)
        st.text(",".join(owned.names()) or "none")

    first, second = AppTest.from_function(page).run(), AppTest.from_function(page).run()
    first.button[0].click().run()
    second.run()
    assert (first.text[0].value, second.text[0].value) == ("mine", "none")
