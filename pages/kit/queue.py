"""Work of models asked for by a page: in turn with everybody else's, with its place and time shown, and a way out.

References
1. `engine.runs`: how many run at once, and whose turn it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

from engine.runs import RUNS, Busy, Job, Tell
from engine.wording import duration

T = TypeVar("T")

QUIET = 0.3  # seconds before anything is shown: what is quick does not flicker
LOOK = 0.25  # seconds between two looks at a run
RESULTS = 4  # of a long work that one visit keeps
_GIVEN_UP = "run_given_up"
_LOOKS = "run_looks"  # in the session: ids of fragments that run again and again by themselves
_NUMBERS = count()  # so that one run of a script may wait twice


def visitor() -> str:
    """What tells this visit from any other."""
    context = get_script_run_ctx()
    return context.session_id if context else "nobody"


def run(work: Callable[[], T], waiting: str) -> T:
    """`told` for work that cannot say how far it is; given up, it ends only by itself."""
    return told(lambda _: work(), waiting)


def told(work: Callable[[Tell], T], waiting: str) -> T:
    """`work(tell)` on the bounded queue: waits and shows `waiting`, the place and a way out where it takes long.

    work: runs in another thread, so nothing of Streamlit in it, and calls ``tell(done, total)``, where it ends once it
    is given up. Whoever does something else on the page gives it up at once; whoever cancels it finds a button to ask
    again, and the rest of the script or fragment does not run. Raises what `work` raises.
    """
    if st.session_state.pop(_GIVEN_UP, False):
        _given_up()
    try:
        job = RUNS.submit(visitor(), lambda job: work(job.tell), waiting)
    except Busy as error:
        st.warning(str(error))
        st.button("Try again", icon=":material/refresh:", key="run_again")
        st.stop()
    try:
        if not job.wait(QUIET):
            _watch(job, waiting)
        return job.result()
    finally:
        job.cancel()  # nobody waits for it any more, unless it is over


def _watch(job: Job, waiting: str) -> None:
    """Show how it goes until it is over; an exception ends this where the visitor does something else."""
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center"):
        words = st.empty()
        st.button("Cancel", icon=":material/close:", key=f"run_cancel_{next(_NUMBERS)}", on_click=_give_up)
    while True:
        words.caption(said(job, waiting))
        if job.wait(LOOK):
            break
        if _left():
            st.rerun()
    place.empty()


def _left() -> bool:
    """Whether the visitor has done something else meanwhile. What is done outside of fragments Streamlit sees by
    itself; what is done in one waits until the run that is under way has ended (Streamlit 1.67, script_requests.py)."""
    context = get_script_run_ctx()
    requests = context and context.script_requests
    if requests is None or requests._state is not ScriptRequestType.RERUN:
        return False
    asked = requests._rerun_data
    if not asked.is_auto_rerun:
        return True
    alone = st.session_state.setdefault(_LOOKS, set())
    if len(asked.fragment_id_queue) == 1:
        alone.update(asked.fragment_id_queue)
    return not alone.issuperset(asked.fragment_id_queue)


def _give_up() -> None:
    st.session_state[_GIVEN_UP] = True


def _given_up() -> None:
    st.info("Cancelled.", icon=":material/close:")
    st.button("Ask again", icon=":material/refresh:", key="run_again")
    st.stop()


def said(job: Job, waiting: str) -> str:
    """How a run goes, in words."""
    seconds = job.left  # asked once: the run may end meanwhile
    left = "" if seconds is None else f" · about {duration(seconds)} left"
    if job.state == "waiting":
        return f"Place {job.place} in the queue{left}"
    return f"{waiting}{left}"


@dataclass
class _Task:
    """A long work of this visit: the run that is under way or has just ended, and earlier results by their owners."""

    owner: tuple = ()
    job: Job | None = None
    results: dict[tuple, Any] = field(default_factory=dict)

    def __del__(self) -> None:
        """The visit is over: nobody waits for it."""
        if self.job:
            self.job.cancel()


_NONE = _Task()


def task(key: str, owner: tuple, start: str, work: Callable[[Job], T], auto: bool = False) -> T | None:
    """A button `start` that begins long work, then its progress, time left and a way out, at last what it returned.

    owner: all that the work depends on; another owner gives the former run up. work: runs in another thread and calls
    `job.tell(done, total)`; a ValueError or RuntimeError that it raises is shown as its sentence. auto: begins by
    itself. Returns None while there is nothing. The last `RESULTS` are kept for the visit.
    """
    state = st.session_state.setdefault(f"task_{key}", _Task())
    if owner in state.results:
        return state.results[owner]
    if state.owner != owner and state.job:
        state.job.cancel()
        state.job = None
    job = state.job
    if job and job.state == "done":
        state.results[owner] = job.result()
        state.job = None
        while len(state.results) > RESULTS:
            del state.results[next(iter(state.results))]
        return state.results[owner]
    if not job or job.state in ("failed", "cancelled"):
        _say_end(job)
        wanted = st.button(start, icon=":material/play_arrow:", key=f"{key}_start", type="primary")
        if not wanted and not (auto and not job):
            return None
        try:
            state.owner, state.job = owner, RUNS.submit(visitor(), work, start)
        except Busy as error:
            st.warning(str(error))
            return None
        st.rerun(scope="app")
    _progress(key, start)
    return None


def under_way(key: str, owner: tuple | None = None) -> bool:
    """True while the long work `key` of this visit waits or runs; owner: whose it must be, where that matters."""
    state = st.session_state.get(f"task_{key}", _NONE)
    running = state.job is not None and state.job.state in ("waiting", "running")
    return running and owner in (None, state.owner)


def give_up(key: str) -> None:
    """End the long work `key` of this visit, if it is under way."""
    if job := st.session_state.get(f"task_{key}", _NONE).job:
        job.cancel()


def _say_end(job: Job | None) -> None:
    """Why there is no result, where one was asked for."""
    if job and job.state == "cancelled":
        st.caption("Cancelled.")
    elif job:
        try:
            job.result()
        except (ValueError, RuntimeError) as error:
            st.warning(str(error))


@st.fragment(run_every=LOOK)
def _progress(key: str, label: str) -> None:
    """How a long run goes, looked at again and again by itself; the page runs once more when it is over."""
    job = st.session_state[f"task_{key}"].job
    if job is None or job.state in ("done", "failed", "cancelled"):
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(job.progress or 0.0, said(job, f"{label}: {100 * (job.progress or 0):.0f} %"))
        st.button("Cancel", icon=":material/close:", key=f"{key}_cancel", on_click=job.cancel)
