"""Two pages that show what the picker gives them, for the tests of the picker."""

import json

import streamlit as st

from pages.kit.picker import picker


def show(name: str) -> None:
    chosen = picker()
    st.title(name)
    st.image(chosen.rgb)
    mean = [round(float(value), 2) for value in chosen.rgb.mean((0, 1))]
    truth = [n for n in ("stanford", "animals") if chosen.truth and chosen.truth(n) is not None]
    found = {"key": chosen.key, "slug": chosen.slug, "shape": chosen.rgb.shape, "mean": mean, "truth": truth,
             "notice": chosen.notice}  # fmt: skip
    st.code(json.dumps(found), language=None)


def one() -> None:
    show("One")


def two() -> None:
    show("Two")


st.set_page_config(layout="wide")
st.navigation([st.Page(one, title="One", default=True), st.Page(two, title="Two")]).run()
