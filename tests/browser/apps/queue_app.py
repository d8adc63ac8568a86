"""A page whose button asks for work on a queue with one place; a slider answers beside it."""

import time
from itertools import count

import streamlit as st

from engine.runs import Runs
from pages.kit import queue


@st.cache_resource
def runs() -> Runs:
    return Runs(1)


@st.cache_resource
def asked() -> count:
    return count()


queue.RUNS = runs()


def work(job):
    for i in range(30):
        time.sleep(0.1)
        job.tell(i + 1, 30)
    return "the long answer"


def answer():
    """The first one takes until somebody waits for a second and a half, the others are quick."""
    end, waited = time.monotonic() + (10 if next(asked()) == 0 else 0), 0.0
    while time.monotonic() < end and waited < 1.5:
        time.sleep(0.1)
        waited += 0.1 * (runs().waiting > 0)
    return "the answer"


@st.fragment
def ask():
    if st.toggle("Ask", key="ask"):
        st.text(queue.run(answer, "The network looks ..."))


def endless(tell):
    """Nobody waits for its end."""
    for i in range(600):
        time.sleep(0.1)
        tell(i, 600)
    return "the end"


@st.fragment
def tour():
    """Tabs as on a page: what they hold is built when they are open."""
    long, other = st.tabs(["Long", "Other"], key="tour", on_change="rerun")
    if long.open and st.toggle("Begin", key="begin"):
        with long:
            st.text(queue.told(endless, "Counting ..."))
    if other.open:
        with other:
            st.text(f"beside it, {len(runs()._running)} at work")
            st.button("Look again")


ask()
tour()
st.text(queue.task("long", (), "Work it out", work) or "nothing yet")
st.slider("Look", 0, 10, key="look")
st.text(f"looked at {st.session_state.look}")
