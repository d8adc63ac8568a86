"""The tab of the captions page that shows beam search as a tree, each finished caption with its own maps.

References
1. Xu et al. 2015, section 4.3; Vinyals et al. 2015, section 3.1.
"""

from __future__ import annotations

from html import escape

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from engine.attention.beams import BeamTree, beam_tree, path, tellings
from pages.attention.captions_charts import COLOURS, QUIET
from pages.attention.captions_controls import Asked
from pages.attention.captions_sides import Side
from pages.kit.charts import HEIGHT
from pages.kit.keeping import once
from pages.kit.viewer import viewer


def beams(side: Side, asked: Asked) -> None:
    """The tree, the captions that ended, and the maps of the one that is chosen."""
    width = max(asked.beam, 2)
    owner = (*side.owner, width)
    found = once("captions_tree", owner, lambda: beam_tree(side.model, side.encoding, width, side.telling.wish),
                 "Following the captions ...")  # fmt: skip
    ends = once("captions_ends", owner, lambda: tellings(side.model, side.encoding, found), "Telling each of them ...")
    if not ends:
        st.info("No caption ended: a search finds no way on from a word that it does not know.")
        return
    st.markdown(f"**{side.kind}, beam {width}:** at each word the {width} captions of highest log p live on; the best "
                "mean log p of a word wins.")  # fmt: skip
    captions = [f"{i + 1}. {side.model.sentence(one)}  ({found.nodes[node].score:.2f})"
                for i, (one, node) in enumerate(zip(ends, found.finished, strict=True))]  # fmt: skip
    choice = st.selectbox("Finished captions, mean log p of a word", range(len(captions)), filter_mode=None,
                          format_func=captions.__getitem__, key=f"{side.key}_hypothesis")  # fmt: skip
    st.plotly_chart(tree(found, side.model.word, found.finished[choice]), key="beam_tree",
                    alt="Tree of the captions that beam search followed")  # fmt: skip
    told = once(
        "captions_hypothesis", (*side.owner, width, choice), lambda: side.model.trace(side.encoding, ends[choice])
    )
    viewer(told, "captions_hypothesis", start=1, words=True)


def tree(beam: BeamTree, word_of, chosen: int) -> go.Figure:
    """The hypotheses of a beam search: x the word's number, each ended or given up sentence on a line of its own.

    word_of: index of a word -> how it is written. chosen: the node of a finished sentence, drawn strongly.
    """
    nodes, y = beam.nodes, spread(beam)
    on = {0, *path(beam, chosen)}
    links: dict[bool, tuple[list, list]] = {False: ([], []), True: ([], [])}
    for i, node in enumerate(nodes[1:], 1):
        xs, ys = links[i in on]
        xs += [node.depth - 1, node.depth, None]
        ys += [y[node.parent], y[i], None]
    hover = [f"{escape(word_of(n.word))}: log p {n.word_log_p:.2f}, all {n.log_p:.2f}, mean {n.score:.2f}"
             f"{'' if n.kept else '; given up'}" for n in nodes]  # fmt: skip
    colours = [COLOURS[1] if i in on else COLOURS[0] if n.kept else QUIET for i, n in enumerate(nodes)]
    lines = [go.Scatter(x=xs, y=ys, mode="lines", hoverinfo="skip",
                        line={"color": COLOURS[1] if strong else QUIET, "width": 3 if strong else 1})
             for strong, (xs, ys) in links.items()]  # fmt: skip
    dots = go.Scatter(x=[n.depth for n in nodes], y=y, mode="markers+text", textposition="top center",
                      text=["", *(escape(word_of(n.word)) for n in nodes[1:])], hovertext=hover, hoverinfo="text",
                      marker={"color": colours, "size": 8})  # fmt: skip
    return go.Figure([*lines, dots]).update_layout(
        height=max(HEIGHT, 34 * len(set(y))), showlegend=False, xaxis_title="word", margin={"t": 20}
    ).update_yaxes(visible=False)  # fmt: skip


def spread(beam: BeamTree) -> list[float]:
    """A height for each node: leaves one below the other in the order of the tree, mothers amid their daughters."""
    daughters: dict[int, list[int]] = {}
    for i, node in enumerate(beam.nodes[1:], 1):
        daughters.setdefault(node.parent, []).append(i)
    y, lines = [0.0] * len(beam.nodes), 0
    stack = [0]
    while stack:
        i = stack.pop()
        stack += reversed(daughters.get(i, []))
        if i not in daughters:
            y[i], lines = -float(lines), lines + 1
    for i in reversed(range(len(beam.nodes))):  # a mother is born before her daughters
        if i in daughters:
            y[i] = float(np.mean([y[j] for j in daughters[i]]))
    return y
