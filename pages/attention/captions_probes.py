"""The tabs of the captions page that ask what attention does: sharpen it, nudge it, blank what it saw, trace its cell.

References
1. Lecture slides 97-100 (gradients), 102 (how can it work at all?), 103 (a fixed grid), 131 (from soft to hard).
2. Xu et al. 2015, sections 4.1 and 4.2.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from engine.attention.faithfulness import faithfulness, means
from engine.attention.fields import field_step
from engine.attention.health import maps
from engine.attention.nudging import Nudge, nudge
from engine.runs import Tell
from engine.trace import Trace
from engine.wording import apart
from pages.attention import captions_charts as charts
from pages.attention.captions_controls import sharpness_at
from pages.attention.captions_sides import Side
from pages.kit.keeping import once, told
from pages.kit.panels import decimals
from pages.kit.viewer import viewer, viewer_panel

PLACES = tuple(np.linspace(0, 2, 9).tolist())  # of the slider of sharpness


def ask_word(side: Side, tab: str) -> int:
    """The number of a word of this caption, 0 the first; another caption starts at its first.

    A word that comes twice carries its number: Streamlit lights and returns the first of pills that read alike.
    """
    shown = apart(word.replace("<", "").replace(">", "") for word in side.words)
    return st.pills("Word", range(len(shown)), default=0, required=True, format_func=shown.__getitem__,
                    key=f"{tab}_{side.key}_{hash(side.owner)}")  # fmt: skip


def sharpen(side: Side) -> None:
    """The caption and its numbers over the sharpness of attention, and the nudge of one weight."""

    def make(tell: Tell) -> list:
        wish, found = replace(side.telling.wish, temperature=0.0, painted={}), []
        for place in PLACES:
            found.append(side.model.tell(side.encoding, replace(wish, sharpness=sharpness_at(place), beam=1)))
            tell(len(found), len(PLACES))
        return found

    found = told("captions_sharpen", side.owner, make, "Telling it with other sharpness ...")
    entropies = [float(np.mean([word.entropy for word in one.words])) for one in found]
    log_ps = [one.log_p / len(one.words) for one in found]
    st.plotly_chart(charts.sharpening(PLACES, entropies, log_ps), key="sharpening",
                      alt="Entropy and log p over the sharpness of attention")  # fmt: skip
    names = {0: "uniform", 1: "soft", 2: "argmax"}
    rows = zip(PLACES, found, entropies, log_ps, strict=True)
    st.dataframe([{"attention": names.get(p, f"softmax({sharpness_at(p):.2f} e)"),
                      "caption": side.model.sentence(one), "entropy": round(entropy, 2), "log p": round(log_p, 2)}
                     for p, one, entropy, log_p in rows], hide_index=True,
                 column_config={**decimals(entropy=2, **{"log p": 2}),
                                "caption": st.column_config.TextColumn(width="large")},
                 row_height=52)  # fmt: skip
    st.caption(f"The {side.kind} model, the likeliest word each time; entropy and log p are means over the words.")
    _nudge(side)


def _nudge(side: Side) -> None:
    """Move p of one cell and watch z: soft against argmax."""
    st.markdown("**Nudge p, watch z** (slides 97-100). Soft: z moves as the derivative says, so errors flow back. "
                "Argmax: z does not move at all, so nothing does.")  # fmt: skip
    number = ask_word(side, "nudge")
    p = maps(side.telling)[number]
    with st.container(horizontal=True):
        cell = -1 + int(st.number_input(f"Cell, 1 to {len(p)} row by row", 1, len(p), int(p.argmax()) + 1, width=200,
                                        key=f"cell_{hash((side.owner, number))}"))  # fmt: skip
        delta = st.slider("Move its p (0 to 1) by", -0.2, 0.2, 0.05, 0.01, key="delta", width=320)
    made: Nudge = once("captions_nudge", (side.owner, number, cell, delta),
                       lambda: nudge(side.model, side.encoding, side.telling, number, cell, delta),
                       "Moving p and computing again ...")  # fmt: skip
    effects = {"soft": made.soft, "argmax": made.argmax}
    st.dataframe([{"": name, "‖dz‖ predicted": f"{e.predicted:.6f}", "‖Δz‖ measured": f"{e.measured:.6f}",
                   "difference": f"{e.difference:.1e}", "log p of the word predicted": f"{e.log_p_predicted:+.5f}",
                   "measured": f"{e.log_p_after - e.log_p_before:+.5f}"} for name, e in effects.items()],
                 hide_index=True)  # fmt: skip
    flips = f"at {made.flips_at:+.3f} another cell becomes the heaviest, and z jumps"
    st.caption(f"p of cell {made.cell + 1} was {made.p:.4f} and moved by {made.delta:+.4f}; the others keep their "
               f"proportions. Argmax: {flips}{', as here' if made.flipped else ''}. Predicted by automatic "
               "differentiation, measured by computing again.")  # fmt: skip


def faithful(side: Side) -> None:
    """What the places looked at were worth to each word."""

    def make() -> list:
        return faithfulness(side.model, side.encoding, side.telling, draws=20)

    drops = once("captions_faithful", side.owner, make, "Blanking cells ...")
    series = {"its own top tenth": [d.top for d in drops], "random tenths": [d.random for d in drops],
              "attention uniform": [d.uniform for d in drops]}  # fmt: skip
    st.plotly_chart(charts.bars([side.words[d.number] for d in drops], series, "Drop of log p, nats"), key="faithful",
                    alt="Drop of log p of each word where cells are blanked")  # fmt: skip
    st.markdown(means(drops).sentence)
    st.caption("The words are held, one look at a time is changed: blanked cells hold the picture's mean vector. Above "
               "0 the word became less likely." + (" Hard attention sees one cell: read the drops, not the ratio."
                                                   if side.kind == "hard" else ""))  # fmt: skip


def cell_field(side: Side) -> None:
    """What the most attended cell of a word sees."""
    number = ask_word(side, "field")
    place = int(maps(side.telling)[number].argmax())
    step = once("captions_field", (side.owner[1], side.owner[2], place),
                lambda: field_step(side.model, side.encoding, place),
                "Following the gradient back to the picture ...")  # fmt: skip
    shown = once("captions_field_trace", (side.owner[1], side.owner[2], place),
                 lambda: Trace(side.encoding.rgb, side.model.card.asdict(), (step,)))  # fmt: skip
    left, right = st.columns([1.6, 1])
    with left:
        viewer(shown, "captions_field")
    with right:
        st.markdown("**A cell is not its square.** The heat is the gradient of the annotation vector: what truly moves "
                    "it. The grid is fixed: attention can only choose among its cells (slide 103).")  # fmt: skip
        viewer_panel("captions_field")
