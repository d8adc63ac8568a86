"""The tab of the patches page that measures on this machine: patch by patch against the dense pass."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import numpy as np
import streamlit as st

from engine.segmentation.patches_model import SIDE, Encoding, PatchesModel
from engine.segmentation.patchwise import BATCHES, Comparison
from engine.wording import duration, many
from pages.kit.keeping import once
from pages.kit.keys import linked
from pages.kit.rooms import PATCHES

SIDES = (8, 16, SIDE, 64)
CHUNK = 0.3  # seconds of work between two looks at the Stop button
RUNNING = "patches_running"  # key in the session: the reports of the run that is under way


def price(model: PatchesModel, encoding: Encoding, x: float, y: float, window: int, key: str) -> None:
    """Label a crop patch by patch and in one dense pass. key: of the picture. Any other question ends a run."""
    st.session_state.pop(RUNNING, None)
    _price(model, encoding, x, y, window, key)


@st.fragment
def _price(model: PatchesModel, encoding: Encoding, x: float, y: float, window: int, key: str) -> None:
    """A piece of the run in each rerun: a click in a fragment waits for its end, so Stop is looked at in between."""
    runs, session = runs_of(key), st.session_state
    with st.container(horizontal=True, vertical_alignment="bottom"):
        side = st.segmented_control("Crop around the window's middle, pixels a side", SIDES, default=SIDE,
                                    **linked(PATCHES, "crop"), required=True)  # fmt: skip
        if st.button("Run", icon=":material/play_arrow:", key="price_run", type="primary"):
            runs.pop(window, None)
            session[RUNNING] = model.compare(encoding, x, y, window, side)
        if RUNNING in session and st.button("Stop", icon=":material/stop:", key="price_stop"):
            del session[RUNNING]
            st.rerun(scope="fragment")
    if RUNNING not in session:
        patches = int(np.prod(np.minimum(side, encoding.seen.shape[:2])))
        each = once("patches_pace", (key, window), lambda: model.pace(encoding, window), "Timing one patch ...")
        st.caption(f"{many(patches, 'patch', 'patches')}: at most about {duration(patches * each)}.")
    if RUNNING in session:
        _progress(runs.get(window))
        for report in _for_a_while(session[RUNNING]):
            if report.done:
                runs[window] = report
        if window in runs and runs[window].done == runs[window].total:
            del session[RUNNING]
        st.rerun(scope="fragment")
    if window in runs:
        st.markdown(_said(runs[window]))
    if runs:
        st.dataframe([_row(runs[w]) for w in sorted(runs)], hide_index=True)
    st.caption("Both run with the same threads and in full precision, and stop after the layer that this window is "
               f"read from. Patches go in batches of the fastest size of {', '.join(map(str, BATCHES))} that fits; the "
               "dense pass is the median of three, margins included. That is why nobody classifies patch by patch "
               "(slide 57).")  # fmt: skip


def _for_a_while(reports: Iterator[Comparison]) -> Iterator[Comparison]:
    """As many of `reports` as come within `CHUNK` seconds, at least one of those that are left."""
    started = monotonic()
    for report in reports:
        yield report
        if monotonic() - started > CHUNK:
            return


def _progress(report: Comparison | None) -> None:
    if report is None:
        st.progress(0.0, "The dense pass, then the fastest batch size ...")
    else:
        st.progress(report.done / report.total, f"{report.done:,} of {report.total:,} patches · {report.rate:,.0f} a "
                    f"second · {in_words(report.left)} left")  # fmt: skip


def _said(report: Comparison) -> str:
    """What the last run of this window has shown, as a sentence to project."""
    return (f"#### One pass is {report.ratio:,.0f} times faster\n{report.rate:,.0f} patches a second; the dense pass "
            f"takes {in_words(report.dense_seconds)} for these {report.total:,} pixels. By patches the whole picture "
            f"takes {in_words(report.whole)}. The logits of {report.done:,} patches differ from those of the pass by "
            f"at most **{report.difference:.1g}**.")  # fmt: skip


def _row(report: Comparison) -> dict[str, str | int]:
    return {"window": report.window, "crop": f"{report.columns} x {report.rows}",
            "patches": f"{report.done:,} of {report.total:,}", "batch": report.batch,
            "a second": f"{report.rate:,.1f}", "dense pass": in_words(report.dense_seconds),
            "times faster": f"{report.ratio:,.0f}", "whole picture": in_words(report.whole),
            "difference": f"{report.difference:.1g}"}  # fmt: skip


def runs_of(key: str) -> dict[int, Comparison]:
    """window -> its last run on the picture `key`, for this visit; each has done at least one patch."""
    return st.session_state.setdefault("patches_runs", {}).setdefault(key, {})


def in_words(seconds: float) -> str:
    """A duration in words of a fitting unit."""
    for unit, length in (("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= 2 * length or (unit == "s" and seconds >= 1):
            return f"{seconds / length:,.1f} {unit}"
    return f"{1000 * seconds:.1f} ms"
