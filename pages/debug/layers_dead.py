"""The tab of dead channels on the layers page: on the image in hand, and on pictures of the gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine import gallery
from engine.debug import layers
from engine.runs import Job
from pages.debug.layers_controls import NETWORK, Asked
from pages.kit import queue

SURVEY = ("china", "chelsea", "astronaut", "rocket", "coffee", "flower", "coins", "shapes")  # of the gallery
NAMED = 60  # channels of one layer that are listed

Found = Mapping[str, tuple[tuple[int, ...], ...]]  # module -> for each output the channels that are dead on all


def panel(model: Any, recording: layers.Recording, asked: Asked) -> None:
    """Which channels say nothing, on this picture and on several."""
    st.markdown("A channel is **dead** where it is the same number all over the picture, after the ReLU that directly "
                "follows the layer, if one does: it costs time and says nothing here. One that is dead on every "
                "picture could be cut out.")  # fmt: skip
    found = queue.task("layers_survey", (model.card.name,), f"Look at {len(SURVEY)} pictures of the gallery",
                       lambda job: survey(model, job))  # fmt: skip
    rows = _rows(recording, found)
    if not rows:
        st.success("Every channel of every layer says something here.", icon=":material/check:")
        return
    st.dataframe(rows, hide_index=True, height=300)
    name = asked.module.name
    here = f"`{name or NETWORK}`, dead here: {_listed(asked.module.outputs[asked.index].dead.nonzero()[0].tolist())}"
    st.caption(here + (f" · on all {len(SURVEY)} pictures: {_listed(found[name][asked.index])}" if found else ""))


def _rows(recording: layers.Recording, found: Found | None) -> list[dict[str, Any]]:
    """The modules without children that have dead channels, those with the largest share first."""
    rows = []
    for module in recording.modules:
        here = sum(int(o.dead.sum()) for o in module.outputs)
        always = sum(map(len, found[module.name])) if found else 0
        if module.children or not here + always:
            continue
        channels = sum(o.channels for o in module.outputs)
        row = {"module": module.name or NETWORK, "type": module.kind, "channels": channels, "dead here": here,
               "dead here, %": round(100 * here / channels, 1)}  # fmt: skip
        rows.append(row | ({f"dead on all {len(SURVEY)}": always} if found else {}))
    return sorted(rows, key=lambda row: -row["dead here, %"])


def _listed(channels: Sequence[int]) -> str:
    return (", ".join(map(str, channels[:NAMED])) or "none") + (" ..." if len(channels) > NAMED else "")


def survey(model: Any, job: Job) -> Found:
    """Run the network on each picture of `SURVEY`."""
    recordings = []
    for i, slug in enumerate(SURVEY):
        recordings.append(layers.record(model, gallery.get(slug).load().rgb))
        job.tell(i + 1, len(SURVEY))
    return {name: tuple(tuple(o.dead.nonzero()[0].tolist()) for o in outputs)
            for name, outputs in layers.together(recordings).items()}  # fmt: skip
