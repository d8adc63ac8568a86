"""What the layers page explains: the tabs below the picture."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from engine.debug import layer_onnx, layers, onnx_process
from engine.debug import layer_steps as steps
from engine.debug.onnx_model import OnnxModel
from engine.trace import Table
from pages.debug.layers_controls import NETWORK, Asked, take
from pages.kit import charts
from pages.kit.page import code

TREE = "layers_tree"
INDENT = "\u2003"
SHOWN = {"module": "module", "type": "type", "output": "output", "own parameters": "parameters",
         "dead channels": "dead", "channels": "channels", "zeros, %": "zeros, %", "field": "field",
         "calls": "calls"}  # column of the table -> head on the page  # fmt: skip


def what_you_see(recording: layers.Recording, asked: Asked) -> None:
    """The claim in plain words, and what to try."""
    network, ran = recording[""], sum(bool(m.outputs) for m in recording.modules)
    st.markdown(
        f"`{network.kind}` has {len(recording.modules)} modules with {network.total:,} parameters; {ran} of them gave "
        "something on this picture. The first step is the picture, the second the mean |value| of all channels of this "
        "layer: where it says much. Then come its channels one by one.\n\n"
        "**Try:** click a cell to see what it listens to: its gradient, and the box that arithmetic allows · walk from "
        "the first layers (edges) to the last (things) · tick *One colour scale* to see how few channels carry the "
        "layer · open *Dead channels*: those cost time and say nothing."
    )  # fmt: skip
    output = asked.module.outputs[asked.index]
    if network.kind == layer_onnx.KIND:
        st.caption(
            "This is a network in ONNX: a module is a node of its graph, run in its own process. onnxruntime "
            "gives no gradients, so a click shows what arithmetic allows, not what a cell does listen to."
        )
    if output.fields:
        st.caption(f"A cell of this map stands for {output.fields[0].stride:g} pixels and can see "
                   f"{steps.field_words(output)} of them. What it does see is less: click.")  # fmt: skip


def tree(model: Any, recording: layers.Recording, slug: str) -> None:
    """All modules with their last output; choosing a row shows that layer."""
    table = steps.table(recording)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    shown = [{head: row[name] for name, head in SHOWN.items()} for row in rows]
    for row, module in zip(shown, recording.modules, strict=True):
        row["module"] = INDENT * module.depth + (module.name or NETWORK)
        if not module.outputs:
            row |= {"output": "did not run", "zeros, %": None, "channels": 0, "dead": 0}
    st.dataframe(shown, hide_index=True, key=TREE, height=420, selection_mode="single-row",
                 on_select=lambda: _chosen(recording), column_config={
                     "module": st.column_config.TextColumn(pinned=True),
                     "zeros, %": st.column_config.ProgressColumn(format="%.0f", min_value=0, max_value=100),
                     "parameters": st.column_config.NumberColumn(format="localized")})  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button("CSV", _csv(table), f"saccade-layers-{model.card.name}-{slug}.csv", "text/csv",
                           icon=":material/download:", on_click="ignore")  # fmt: skip
        st.caption(f"Choose a row to see its maps. Parameters are a module's own, together {recording[''].total:,}. "
                   "Where a module gives several outputs, the numbers are those of the last.")  # fmt: skip


def _chosen(recording: layers.Recording) -> None:
    rows = st.session_state[TREE].selection.rows
    if rows and recording.modules[rows[0]].outputs:
        take(recording.modules[rows[0]].name or NETWORK)


def _csv(table: Table) -> str:
    out = io.StringIO()
    csv.writer(out).writerows((table.columns, *table.rows))
    return out.getvalue()


def statistics(asked: Asked, maps: layers.Maps) -> None:
    """The histogram of the layer, and each channel in numbers."""
    output = asked.module.outputs[asked.index]
    left, right = st.columns(2)
    widths = maps.edges[1:] - maps.edges[:-1]
    bars = go.Bar(x=maps.edges[:-1] + widths / 2, y=maps.counts, width=widths,
                  hovertemplate="about %{x:.3g}: %{y:,} values<extra></extra>")  # fmt: skip
    left.plotly_chart(go.Figure(bars).update_layout(
        height=charts.HEIGHT, title="Values of all channels and cells", yaxis_type="log", bargap=0,
        yaxis_title="how many", xaxis_title="value"), key="layers_histogram", alt="Histogram of the layer")  # fmt: skip
    whole = output.whole
    left.dataframe([{name: f"{100 * v:.2f} %" if name in ("zeros", "not finite") else f"{v:.4g}"
                     for name, v in whole.items()}], hide_index=True)  # fmt: skip
    table = steps.channel_table(output)
    right.dataframe([dict(zip(table.columns, row, strict=True)) for row in table.rows], hide_index=True,
                    height=charts.HEIGHT + 90)  # fmt: skip


def source(model: Any, name: str) -> None:
    """The code of the module, and of what listened to it."""
    if isinstance(model, OnnxModel):
        code(layer_onnx.record, layer_onnx.value, onnx_process.Network.inside)
        return
    with suppress(OSError, TypeError):  # somebody else's module may have no source
        code(type(layers.network_of(model).get_submodule(name)).forward)
    code(layers.capture, layers.listened)
