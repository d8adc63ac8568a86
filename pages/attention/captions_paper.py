"""What the captions page says of the paper: one look with its numbers, the figures beside ours, the code."""

from __future__ import annotations

import streamlit as st

from engine.attention.captioner import Attend, Captioner
from engine.attention.encoder import GRID
from engine.attention.telling import Gaze, tell
from pages.attention.captions_probes import ask_word
from pages.attention.captions_sides import Side
from pages.kit import models
from pages.kit.panels import decimals, filled
from pages.kit.rooms import CAPTIONS

# Xu et al. 2015, table 1, Flickr8k: BLEU-1, BLEU-4; Google NIC (Vinyals et al.) as quoted there
PAPER = {"plain": (63.0, None), "soft": (67.0, 19.5), "hard": (67.0, 21.3)}
CODE = (Captioner, Attend, Gaze, tell)


def formula(side: Side) -> None:
    """One look with its numbers."""
    number = ask_word(side, "formula")
    told = side.telling.words[number]
    if told.alpha is None:
        st.latex(r"x_{-1} = W\,\tfrac{1}{L}\textstyle\sum_i a_i,\qquad h_t = \mathrm{LSTM}(E y_{t-1}, h_{t-1})")
        st.caption("The plain model: no e, no alpha, no z. The picture is the LSTM's first input and never comes back.")
        return
    best = told.e.topk(5).indices.tolist()
    i, alpha = best[0], told.alpha
    st.latex(
        r"\begin{aligned} e_i &= w^\top \tanh(W_a a_i + W_h h_{t-1}), \qquad \alpha_i = \frac{e^{e_i}}{\sum_j e^{e_j}},"
        r"\qquad z = \beta \sum_i \alpha_i a_i \\"
        rf" e_{{{i + 1}}} &= {told.e[i]:.2f},\qquad \alpha_{{{i + 1}}} = {float(alpha[i]):.4f},"
        rf"\qquad \beta = {told.beta:.3f},"
        rf"\qquad \lVert z \rVert = {float(told.z.norm()):.2f},\qquad \log p = {told.log_p:.2f} \end{{aligned}}"
    )
    st.dataframe([{"cell": j + 1, "row": j // GRID + 1, "column": j % GRID + 1, "e": round(float(told.e[j]), 3),
                   "softmax(e)": round(float(told.e.softmax(0)[j]), 4), "weight": round(float(alpha[j]), 4)}
                  for j in best], hide_index=True,
                 column_config=decimals(**{"e": 3, "softmax(e)": 4, "weight": 4}))  # fmt: skip
    st.caption("The five cells of highest score, counted from 1 row by row. a: annotation vectors of 512 numbers, h: "
               "the state before the word, beta: the gate. Hard attention gives one cell the weight 1.")  # fmt: skip


def paper() -> None:
    """The paper's figures on the same data beside ours, and what differs."""
    rows = []
    for name in CAPTIONS.models:
        card, kind = models.card(name), name.removeprefix("caption-")
        ours = card.figures if card else {}
        rows.append({"": kind, **{f"paper, BLEU-{n}": "" if v is None else f"{v:.1f}"
                                  for n, v in zip((1, 4), PAPER[kind], strict=True)},
                     **{f"here, BLEU-{n}": f"{100 * ours[f'bleu{n}']:.1f}" for n in (1, 4) if f"bleu{n}" in ours},
                     **({"here, CIDEr-D": f"{ours['cider_d']:.2f}"} if "cider_d" in ours else {})})  # fmt: skip
    st.dataframe(filled(rows), hide_index=True)
    st.markdown(
        "Both on Flickr8k; the plain row of the paper is Vinyals et al. Here the trunk is EfficientNet-Lite2, first "
        "trained to say which words a caption holds. One matrix both reads words and scores the next one (tied "
        "embeddings). After maximum likelihood the captioner is rewarded for whole captions (self-critical training)."
        "\n\n"
        "**A small model that saw 6,000 pictures** of people and dogs out of doors. It can name who, what they do and "
        "where, in the words of that data. It counts badly, confuses colours, and on pictures of another kind it says "
        "what is usual. The maps show where it looked, not why; see *Is it faithful?*"
    )
