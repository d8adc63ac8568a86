"""What the probe page says in numbers and words: beside the picture, and in the tabs below it."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from engine.debug import occlusion, probe_changes
from engine.debug.probe_changes import Change, mean_iou
from pages.debug import probe_state as state
from pages.kit.page import code
from pages.kit.panels import scored
from pages.kit.picker import Chosen

_STYLE = """<style>
.st-key-probe_numbers [data-testid="stMetricValue"] {font-size: 1.45rem; padding: 0}
.st-key-probe_numbers [data-testid="stMetricValue"] > div {overflow: visible}
</style>"""


def numbers(chosen: Chosen, change: Change, truth: np.ndarray | None) -> None:
    """How much of the answer changed, and the watched class before and after."""
    place = state.pixel(chosen)
    before, after = at(change, place)
    st.html(_STYLE)
    with st.container(key="probe_numbers"):
        columns = st.columns(2 if truth is None else 3, gap="small")
    columns[0].metric("Labels changed", f"{100 * change.share:.1f} %")
    gone = math.isnan(after)
    columns[1].metric("p, this pixel" if place else "p, its region", "out of frame" if gone else f"{after:.3f}",
                      None if gone else f"{after - before:+.3f}", help=f"Before: {before:.3f}")  # fmt: skip
    if truth is not None:
        known, count = change.truth(truth), len(change.before.classes)
        first, now = (mean_iou(known, x.labels, count) for x in (change.before, change.after))
        columns[2].metric("Mean IoU", f"{100 * now:.1f} %", f"{100 * (now - first):+.1f}",
                          help=f"Over the classes in the truth. Before, there: {100 * first:.1f} %")  # fmt: skip
    if place:
        st.button(f"Watched at ({place[0]}, {place[1]}): back to the whole region", icon=":material/close:",
                  type="tertiary", key="probe_forget", on_click=state.watch, args=(chosen, None))  # fmt: skip


def at(change: Change, place: tuple[int, int] | None) -> tuple[float, float]:
    """The watched probability before and after, at a pixel (x, y) or over the region; nan where it left the frame."""
    if place is None:
        return change.mean()
    here = np.zeros_like(change.known)
    here[place[1], place[0]] = True
    return change.mean(here)


def what_you_see(change: Change) -> None:
    """The claim in plain words, and what to try."""
    st.markdown(
        "A model that has understood a picture should hardly care whether it is a little darker, blurred or turned. "
        "The probed picture is asked anew; where pixels moved, the logits are brought back to their places, so that "
        "every number is about the same pixel. What left the frame is not compared.\n\n"
        "**Try:** raise the *blur* until large things go, too: what does it still know by colour alone? · *Mirror*: an "
        "honest network changes a little even there · *Grey patch*: drag it beside a thing rather than over it, and "
        "see what the answer leant on · click a pixel and watch its class · then let the *Occlusion map* do all places."
    )  # fmt: skip
    if change.probe.moves and not change.known.all():
        st.caption(f"{100 * (1 - change.known.mean()):.1f} % of the picture left the frame.")


def against_truth(change: Change, truth: np.ndarray) -> None:
    """The figures before and after, on the pixels that both can be judged on."""
    scored(lambda: {"before": change.before.labels, "after": change.after.labels}, change.truth(truth),
           change.before.classes)  # fmt: skip


def source(change: Change) -> None:
    """The code that ran."""
    kind = type(change.probe)
    code(*dict.fromkeys((kind.apply, kind.back)), probe_changes.changes, probe_changes.curve, occlusion.occlude)
