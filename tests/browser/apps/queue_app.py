"""A page whose button asks for work on a queue with one place; a slider answers beside it."""

import time

import streamlit as st

from engine.runs import Runs
from pages.kit import queue


@st.cache_resource
def runs() -> Runs:
    return Runs(1)


queue.RUNS = runs()


def work(job):
    for i in range(30):
        time.sleep(0.1)
        job.tell(i + 1, 30)
    return "the long answer"


@st.fragment
def ask():
    if st.toggle("Ask", key="ask"):
        st.text(queue.run(lambda: time.sleep(1.5) or "the answer", "The network looks ..."))


ask()
st.text(queue.task("long", (), "Work it out", work) or "nothing yet")
st.slider("Look", 0, 10, key="look")
st.text(f"looked at {st.session_state.look}")
