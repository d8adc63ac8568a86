"""Any layer of any model on the user's picture: its maps, its numbers, dead channels, what a cell listens to."""

import streamlit as st

from engine.debug import layer_steps as steps
from engine.debug import layers
from engine.debug.onnx_model import OnnxModel
from engine.trace import Step
from pages.debug import layers_dead
from pages.debug import layers_panels as panels
from pages.debug.layers_controls import Asked, ask
from pages.kit import models
from pages.kit.fields import remember, with_field
from pages.kit.page import frame, tabs
from pages.kit.picker import Chosen, picker
from pages.kit.rooms import LAYERS
from pages.kit.viewer import Pick, viewer, viewer_panel

KEY = "layers"
OVERALL = 1  # the step that a first visitor sees; the channels follow it
_CHANNEL = "layers_channel"  # of the cell that was clicked last


@st.fragment
def look(chosen: Chosen) -> None:
    """Everything that answers: the title's badge, the picture, the controls, the explanations."""
    page = frame()
    with page.side, st.container(border=True, gap="small"):
        model = page.model(LAYERS, lambda: models.ask((*models.segmenters(), "caption-soft")))
        if model is None:
            return
        controls = st.container(gap="small")
    name = model.card.name
    try:
        with page.picture:
            recording = models.found(("layers", name, chosen.key), lambda: layers.record(model, chosen.rgb),
                                     "All layers are listened to ...")  # fmt: skip
        with controls:
            asked = ask(recording)
        with page.picture:
            maps = models.found(("maps", name, chosen.key, *asked.key), lambda: layers.capture(
                model, chosen.rgb, *asked.key), "The network runs up to this layer ...")  # fmt: skip
    except layers.LayersError as error:
        page.title(LAYERS, model.card)
        page.picture.info(str(error), icon=":material/info:")
        return
    trace = steps.trace(chosen.rgb, model.card.asdict(), recording, asked.module, asked.index, maps, asked.one_scale)
    page.title(LAYERS, model.card, trace, chosen.slug)
    with page.picture:
        owner = (chosen.key, name, asked.key)
        shown, go = with_field(trace, KEY, owner)
        pick = viewer(shown, KEY, picks=True, start=OVERALL, go=go)
        channel, shape = channel_of(pick, maps), maps.overall.shape
        if remember(pick, KEY, owner, lambda x, y, _: listen(model, chosen, recording, asked, channel, shape, x, y)):
            st.rerun(scope="fragment")
        explain(model, chosen, recording, asked, maps)
    with page.side:
        viewer_panel(KEY)


def channel_of(pick: Pick | None, maps: layers.Maps) -> int | None:
    """The channel that was shown where the cell was clicked, None for all of them together."""
    if pick is not None and pick.step - OVERALL - 1 < len(maps.order):
        at = pick.step - OVERALL - 1
        st.session_state[_CHANNEL] = int(maps.order[at]) if at >= 0 else None
    return st.session_state.get(_CHANNEL)  # the last step, which shows such a field, is about the same channel again


def listen(model, chosen: Chosen, recording: layers.Recording, asked: Asked, channel: int | None,
           shape: tuple[int, ...], x: float, y: float) -> Step:  # fmt: skip
    """What the cell under (x, y) listens to, as a step; this runs in the queue."""
    cell = steps.cell_at(chosen.rgb, shape, x, y)
    found = None
    if not isinstance(model, OnnxModel):
        found = layers.listened(model, chosen.rgb, asked.module.name, asked.index, cell, channel)
    return steps.field_step(chosen.rgb, recording, asked.module.outputs[asked.index], cell, channel, shape, found)


def explain(model, chosen: Chosen, recording: layers.Recording, asked: Asked, maps: layers.Maps) -> None:
    """The tabs below the picture; only the open one is built."""
    tabs(KEY, {
        "What you see": lambda: panels.what_you_see(recording, asked),
        "Module tree": lambda: panels.tree(model, recording, chosen.slug or "picture"),
        "Statistics": lambda: panels.statistics(asked, maps),
        "Dead channels": lambda: layers_dead.panel(model, recording, asked),
        "Code that ran": lambda: panels.source(model, asked.module.name),
    })  # fmt: skip


look(picker())
