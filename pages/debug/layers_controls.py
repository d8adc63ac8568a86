"""What the layers page asks: which module and which of its outputs, the order and number of its maps; in the URL."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from engine.debug.layer_steps import field_words, shape_words
from engine.debug.layers import MOST, ORDERS, Module, Recording
from pages.kit.keys import linked
from pages.kit.rooms import LAYERS

NETWORK = "(network)"  # what the network itself is called in the list of its modules
LAYER, OUTPUT, BY, MAPS, SCALE = "layer", "output", "by", "maps", "scale"  # keys, and names in the URL
COUNTS = (6, 12, 24, MOST)
EARLY = 4  # input pixels a cell of the layer that is shown first: small enough to know it again


@dataclass(frozen=True)
class Asked:
    """A module of a recording, the index of its output, the order of its channels and how many of them are shown."""

    module: Module
    index: int
    by: str
    most: int
    one_scale: bool

    @property
    def key(self) -> tuple:
        """What the maps depend on, besides model and picture."""
        return self.module.name, self.index, self.by, self.most


def ask(recording: Recording) -> Asked:
    """All of it; what is in the URL but not in this network is ignored."""
    names = [m.name or NETWORK for m in recording.modules if m.outputs]
    if st.session_state.get(LAYER, st.query_params.get(LAYER)) not in names:
        st.session_state[LAYER] = first(recording)
    name = st.selectbox("Layer", names, **linked(LAYERS, LAYER),
                        help="Type to search; the tab Module tree shows all of them.")  # fmt: skip
    module = recording["" if name == NETWORK else name]
    index = _ask_output(module)
    words(module, index)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        by = st.segmented_control("Channels by", ORDERS, default=ORDERS[0], **linked(LAYERS, BY), required=True,
                                  help="Variation: the standard deviation over the picture. "
                                  "Strength: the mean |value|.")  # fmt: skip
        most = st.selectbox("Maps", COUNTS, index=1, **linked(LAYERS, MAPS), filter_mode=None, width=84)
    one = st.toggle("One colour scale for all maps", **linked(LAYERS, SCALE),
                    help="On: a colour is the same value in each map. A scale ends where 98 % of the cells are "
                    "within it.")  # fmt: skip
    return Asked(module, index, by, most, one)


def first(recording: Recording) -> str:
    """The module that a first visitor sees: the first one without children whose cells are `EARLY` pixels wide."""
    leaves = [m for m in recording.modules if m.outputs and not m.children]
    early = [m.name for m in leaves if len(m.outputs[0].shape) == 4
             and m.outputs[0].shape[2] * EARLY <= recording.size[0]]  # fmt: skip
    return next(iter((*early, *(m.name for m in leaves), NETWORK)))


def _ask_output(module: Module) -> int:
    """Which output, where the module gives several."""
    count = len(module.outputs)
    if count == 1:
        return 0
    numbers = tuple(range(1, count + 1))
    if st.session_state.get(OUTPUT, 1) not in numbers:  # another layer had more
        del st.session_state[OUTPUT]
    return st.segmented_control("Output", numbers, default=1, **linked(LAYERS, OUTPUT), required=True,
                                help="It runs several times, or gives several maps at once.") - 1  # fmt: skip


def words(module: Module, index: int) -> None:
    """The module in a line."""
    output = module.outputs[index]
    calls, parts = (max(getattr(o, name) for o in module.outputs) for name in ("call", "part"))
    field, dead = field_words(output), int(output.dead.sum())
    facts = (f"`{module.kind}`", f"call {output.call}" * (calls > 1), f"tensor {output.part}" * (parts > 1),
             shape_words(output), f"{module.total:,} parameters", f"field {field}" if field else "",
             f"**{dead} dead**" if dead else "")  # fmt: skip
    st.caption(" · ".join(filter(None, facts)))


def take(name: str) -> None:
    """Choose a layer from a callback, by its name in the table of modules."""
    st.session_state[LAYER] = name
