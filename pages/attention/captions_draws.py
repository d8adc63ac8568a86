"""The tab of the captions page in which hard attention throws its dice: captions, their counts, reward and baseline.

References
1. Xu et al. 2015, section 4.1: the places are drawn, log p is the reward, a moving average the baseline; slide 100.
"""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from engine.attention import chances
from engine.attention.chances import Draws
from engine.cards import ModelError
from engine.wording import many
from pages.attention.captions_charts import COLOURS, QUIET
from pages.attention.captions_sides import Side
from pages.kit import models
from pages.kit.charts import HEIGHT
from pages.kit.keeping import once, told
from pages.kit.viewer import viewer

HARD = "caption-hard"
COUNTS = (1, 10, 100)


def draws(side: Side) -> None:
    """Draw places again and again for the picture of `side`, always by the hard model."""
    try:
        model = models.model(HARD)
    except ModelError as error:
        st.warning(str(error))
        return
    st.markdown("**Hard attention is random.** Each word is told from **one** cell, drawn from alpha. The caption's "
                "log p is the reward of its draws; only what beats the baseline is made likelier. Nothing else reaches "
                "the weights of attention, since a drawn cell has no gradient (slide 100).")  # fmt: skip
    state = st.session_state.setdefault("captions_draws", {"seed": 0, "count": 0})
    with st.container(horizontal=True):
        for count in COUNTS:
            if st.button(f"Draw {count}", icon=":material/casino:", key=f"draw_{count}"):
                state.update(seed=state["seed"] + 1, count=count)
    if not state["count"]:
        st.caption("Press a button: it looks with the hard model, whichever captions stand above.")
        return
    owner = (side.owner[1], side.owner[2], state["seed"], state["count"])
    count, seed = state["count"], state["seed"]
    made = told("captions_draws", owner, lambda tell: chances.draw(model, side.encoding, count, seed, tell),
                f"Telling {many(count, 'caption')} ...")  # fmt: skip
    trace = once("captions_cloud", owner, lambda: chances.trace(model, side.encoding, made))
    left, right = st.columns(2)
    with left:
        viewer(trace, "captions_cloud", start=1)
    with right:
        st.dataframe([{"caption": " ".join(model.words.words[i] for i in words), "draws": n}
                      for words, n in made.captions], hide_index=True, height=220)  # fmt: skip
        st.plotly_chart(rewards(made), key="rewards", alt="Reward of each draw and the baseline")
        st.caption(f"Variance of reward less baseline: {made.variance:.4f}. Words are the likeliest ones, so only the "
                   "places are left to chance.")  # fmt: skip


def rewards(draws: Draws) -> go.Figure:
    """The reward of each draw and the moving average that it is compared with."""
    x = list(range(1, len(draws.rewards) + 1))
    return go.Figure([
        go.Scatter(x=x, y=draws.rewards, name="reward: log p of a word", mode="markers", marker_color=QUIET),
        go.Scatter(x=x, y=draws.baseline, name="baseline b", mode="lines", line_color=COLOURS[1]),
    ]).update_layout(height=HEIGHT, xaxis_title="draw", yaxis_title="nats",
                     legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"})  # fmt: skip
