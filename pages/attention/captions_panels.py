"""What the captions page explains: the tabs below the pictures that show what was already computed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from engine import render
from engine.attention.health import health, maps, warning
from pages.attention import captions_charts
from pages.attention.captions_sides import Side
from pages.kit import charts
from pages.kit.keeping import once
from pages.kit.panels import decimals


def what_you_see(sides: Sequence[Side]) -> None:
    """The claim in plain words, what to try, and how healthy attention is here."""
    st.markdown(
        "**For each word it looks anew.** An LSTM turns what it has said so far into weights over 14 x 14 cells. "
        "*Soft* weighs them all, *hard* takes one, *plain* saw the picture once, before the first word. Nobody told it "
        "where to look: it only learned to say what people wrote.\n\n"
        "**Try:** step with the arrow keys · click another next word and see it go on from there · type a caption of "
        "your own and read only · press *b* and paint where it should look, or hide a part of the picture."
    )
    seeing = [side for side in sides if side.telling.alphas is not None]
    found = {side.kind: health(maps(side.telling)) for side in seeing}
    first = next(iter(found.values()))
    rows = (
        ("successive maps differ, nats (Jensen-Shannon)", lambda one: f"{one.divergence:.3f}", f"{math.log(2):.2f}"),
        ("entropy of a map, nats", lambda one: f"{one.entropy:.2f}", f"{math.log(first.places):.2f}"),
        ("cells that some word gave twice the even share", lambda one: f"{100 * one.coverage:.0f} %", "100 %"),
    )
    st.dataframe([{"attention here": name, **{kind: value(one) for kind, one in found.items()}, "at most": most}
                  for name, value, most in rows], hide_index=True,
                 column_config={"attention here": st.column_config.TextColumn(width="large")})  # fmt: skip
    for kind, one in found.items():
        if warning(one):
            st.warning(f"{kind}: {warning(one)}")
    if len(seeing) < len(sides):
        st.caption("The plain model has no maps: its state is all that is left of the picture.")


def all_words(sides: Sequence[Side]) -> None:
    """The paper's figure: the map of each word side by side, for a slide."""
    for side in sides:
        png = once("captions_sheet", side.owner, lambda side=side: render.sheet(side.trace), "Drawing all words ...")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{side.kind}**", width="content")
            st.download_button("Sheet (PNG)", png, f"saccade-{side.model.card.name}-words.png", "image/png",
                               key=f"sheet_{side.key}", icon=":material/download:", on_click="ignore")  # fmt: skip
        st.image(png, width="stretch", alt=f"All words of the {side.kind} model with their maps")
    seeing = [side for side in sides if side.telling.alphas is not None]
    for column, side in zip(st.columns(2), seeing, strict=False):
        chart = captions_charts.similarity(health(maps(side.telling)).similarity, side.words, side.kind)
        column.plotly_chart(chart, key=f"similar_{side.key}", alt="Cosine similarity between the maps of all words")


def next_words(sides: Sequence[Side]) -> None:
    """The likeliest next words at each word, and entropy and gate over the words."""
    st.plotly_chart(captions_charts.next_words(sides), key="next_words", alt="The likeliest next words at each word")
    seeing = {side.kind: side.telling for side in sides if side.telling.alphas is not None}
    x = list(range(1, max(len(side.words) for side in sides) + 1))
    left, right = st.columns(2)
    for column, title, of in ((left, "Entropy of the map, nats", lambda telling: health(maps(telling)).entropies),
                              (right, "Gate beta", lambda telling: [told.beta for told in telling.words])):  # fmt: skip
        lines = {kind: list(of(telling)) for kind, telling in seeing.items()}
        column.plotly_chart(charts.curves(x, lines, "word", title), key=title, alt=f"{title} over the words")


def compared(sides: Sequence[Side], whole: Sequence[Side]) -> None:
    """Captions with and without what was hidden."""
    st.dataframe([{"": name.kind, "picture": words, "caption": one.model.sentence(one.telling),
                   "log p of a word": round(one.telling.log_p / len(one.words), 2)}
                  for name, without in zip(sides, whole, strict=True)
                  for words, one in (("whole", without), ("hidden in part", name))], hide_index=True,
                 column_config=decimals(**{"log p of a word": 2}))  # fmt: skip
    st.caption("What was hidden has its mean colour, and the picture was encoded again.")
