"""The tab with the occlusion map: what hiding each place costs the watched class; long work that can be cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.debug import occlusion
from engine.debug.answers import Answer
from engine.debug.occlusion import Occlusion, OcclusionError, Sliding, Target
from engine.runs import Job
from engine.wording import duration, many
from pages.debug import probe_state as state
from pages.debug.probe_controls import take
from pages.kit import queue
from pages.kit.keeping import once
from pages.kit.keys import linked
from pages.kit.page import export
from pages.kit.picker import Chosen
from pages.kit.rooms import PROBE
from pages.kit.viewer import viewer

KEY = "occlusion"
LONG = 60.0  # seconds from which on it is said what comes first
AGAIN = 2.0  # seconds between two looks at a map that gets finer
COPIES = {"320 px": 320, "160 px": 160, "as it is": None}


def panel(model: Any, chosen: Chosen, before: Answer, watched: int) -> None:
    """The controls, then the run, then the map."""
    sliding = ask()
    target = Target(watched, state.pixel(chosen))
    of = f"at ({target.pixel[0]}, {target.pixel[1]})" if target.pixel else "over its region"
    try:
        rows, columns = sliding.cells(chosen.rgb.shape[:2])
    except OcclusionError as error:
        st.warning(str(error))
        return
    owner = (model.card.name, chosen.key, before.variant, target, sliding)
    seconds = rows * columns * pace(model, chosen, before.variant, sliding.longest)
    st.text(f"Watched: {before.classes[watched]}, {of}. {columns} x {rows} places: {many(rows * columns, 'run')} of "
            f"the model, about {duration(seconds)}.")  # fmt: skip
    order = occlusion.visits(rows, columns)
    coarse = sum(level == order[0][2] for *_, level in order)
    if seconds > LONG:
        st.caption(f"A coarse map of {many(coarse, 'place')} comes first, after about "
                   f"{duration(seconds * coarse / len(order))}, and gets finer while you look at it: cancel when it is "
                   "fine enough. A larger step or a smaller copy takes less.")  # fmt: skip
    so_far: dict[tuple, Occlusion] = st.session_state.setdefault("occlusion_so_far", {})
    for other in so_far.keys() - {owner}:
        so_far.pop(other, None)

    def work(job: Job) -> Occlusion:
        block = 0
        for found in occlusion.occlude(model, chosen.rgb, target, sliding, before.variant):
            if found.block != block:
                block = found.block
                so_far[owner] = found
            job.tell(found.done, found.drop.size)
        return found

    found = queue.task(KEY, owner, "Slide the square", work)
    if found is not None:
        show(chosen, found, before)
    elif queue.under_way(KEY, owner):
        st.fragment(growing, run_every=AGAIN)(chosen, so_far, owner, before)
    elif owner in so_far:
        growing(chosen, so_far, owner, before)


def pace(model: Any, chosen: Chosen, variant: str, longest: int | None) -> float:
    """Seconds that a run on the image in hand takes, measured once for a visit."""
    return once("probe_pace", (model.card.name, chosen.key, variant, longest),
                lambda: occlusion.pace(model, chosen.rgb, longest, variant), "Timing one run ...")  # fmt: skip


def growing(chosen: Chosen, so_far: Mapping[tuple, Occlusion], owner: tuple, before: Answer) -> None:
    """The map while it gets finer, or as far as it came."""
    if found := so_far.get(owner):
        show(chosen, found, before)


def ask() -> Sliding:
    """Side and step of the square, and the size of the picture that the network is shown."""
    left, middle, right = st.columns([1, 1, 1.2], gap="medium")
    side = left.slider("Side, px", 8, 256, 80, 8, **linked(PROBE, "side"))
    step = middle.slider("Step, px", 8, 128, 40, 8, **linked(PROBE, "step"))
    with right:
        copy = st.segmented_control("Longest side of the working copy", tuple(COPIES), default="320 px",
                                    **linked(PROBE, "copy"), required=True,
                                    help="A smaller copy is quicker, where the network takes it.")  # fmt: skip
    return Sliding(side, step, COPIES[copy])


def show(chosen: Chosen, found: Occlusion, before: Answer) -> None:
    """The map in its own viewer, and the best place to try by hand."""
    trace = occlusion.trace(found, before)
    with st.container(horizontal=True):
        if best := occlusion.probe_of(found):
            st.button("Hide the place that costs most", icon=":material/square:", key="occlusion_take", on_click=take,
                      args=(chosen, best))  # fmt: skip
        export(trace, f"occlusion-{before.card['name']}-{chosen.slug or 'picture'}", viewers=(KEY,))
    viewer(trace, KEY)
