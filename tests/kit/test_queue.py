"""Work on the bounded queue, as a page asks for it."""

import time
from types import SimpleNamespace

import pytest
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests
from streamlit.testing.v1 import AppTest

from engine.runs import RUNS, Job, Runs
from pages.kit import queue


def quick():
    import streamlit as st

    from pages.kit.queue import run

    st.text(run(lambda: "an answer", "The network looks"))


def broken():
    import streamlit as st

    from pages.kit.queue import run

    try:
        run(lambda: 1 / 0, "The network looks")
    except ZeroDivisionError:
        st.text("its own mistake")


def long():
    import time

    import streamlit as st

    from pages.kit.queue import task

    owner = (st.selectbox("of", ("a", "b"), key="of"),)

    def work(job):
        for i in range(10):
            time.sleep(0.03)
            job.tell(i + 1, 10)
        if owner == ("b",):
            raise ValueError("The picture of b is broken.")
        return f"all of {owner[0]}"

    result = task("work", owner, "Work it out", work)
    st.text("nothing yet" if result is None else result)


def finished(app: AppTest) -> AppTest:
    """The app once its long work is over; a browser would look at it again and again."""
    end = time.monotonic() + 10
    while any(b.key == "work_cancel" for b in app.button) and time.monotonic() < end:
        time.sleep(0.05)
        app.run()
    return app


def texts(app: AppTest) -> list[str]:
    return [t.value for t in app.text]


def test_a_quick_run_shows_only_its_answer():
    app = AppTest.from_function(quick).run()
    assert texts(app) == ["an answer"]
    assert not app.button
    assert not app.exception


def test_what_a_run_raises_reaches_its_page():
    assert texts(AppTest.from_function(broken).run()) == ["its own mistake"]


def test_after_a_cancel_the_page_offers_to_ask_again():
    app = AppTest.from_function(quick)
    app.session_state[queue._GIVEN_UP] = True
    app.run()
    assert texts(app) == []
    assert app.info[0].value == "Cancelled."
    app.button(key="run_again").click().run()
    assert texts(app) == ["an answer"]


def test_who_has_too_many_runs_is_told(monkeypatch):
    monkeypatch.setattr(queue, "RUNS", Runs(1, most=0))
    app = AppTest.from_function(quick).run()
    assert "under way already" in app.warning[0].value
    monkeypatch.setattr(queue, "RUNS", RUNS)
    app.button(key="run_again").click().run()
    assert texts(app) == ["an answer"]


def test_a_long_work_begins_on_a_click_and_its_result_stays():
    app = AppTest.from_function(long).run()
    assert texts(app) == ["nothing yet"]
    app.button(key="work_start").click().run()
    assert texts(app) == ["nothing yet"]
    assert app.button(key="work_cancel")
    assert texts(finished(app)) == ["all of a"]
    assert texts(app.run()) == ["all of a"]
    assert not app.button


def test_it_can_be_cancelled_and_begun_again():
    app = AppTest.from_function(long).run()
    app.button(key="work_start").click().run()
    app.button(key="work_cancel").click().run()
    finished(app)
    assert texts(app) == ["nothing yet"]
    assert "Cancelled." in [c.value for c in app.caption]
    app.button(key="work_start").click().run()
    assert texts(finished(app)) == ["all of a"]


def test_another_owner_gives_it_up_and_a_failure_is_a_sentence():
    app = AppTest.from_function(long).run()
    app.button(key="work_start").click().run()
    job = app.session_state["task_work"].job
    app.selectbox(key="of").select("b").run()
    assert job.wait(5)
    assert job.state == "cancelled"
    app.button(key="work_start").click().run()
    finished(app)
    assert app.warning[0].value == "The picture of b is broken."


@pytest.mark.parametrize(("done", "said"), [(0, "Looking"), (5, "Looking · about 5 s left")])
def test_what_is_said_of_a_run(done, said):
    job = Job(Runs(1), "a", lambda job: None, "")
    job.state, job.done, job.total, job._started = "running", done, 10, time.monotonic() - 5
    assert queue.said(job, "Looking") == said


def twice():
    import time

    import streamlit as st

    from pages.kit.queue import run

    for name in ("one", "two"):
        st.text(run(lambda name=name: time.sleep(0.5) or name, "The network looks"))


def test_a_run_may_end_while_it_is_spoken_of():
    """The time left is known at the first look and no more at the second."""

    class Ending:
        state = "running"
        looks = iter((5.0, None))

        @property
        def left(self):
            return next(self.looks)

    assert queue.said(Ending(), "It looks") == "It looks · about 5 s left"


def test_one_run_of_a_script_may_wait_twice():
    app = AppTest.from_function(twice, default_timeout=20).run()
    assert not app.exception
    assert texts(app) == ["one", "two"]


@pytest.mark.parametrize(("asked", "left"), [
    (None, False),
    (RerunData(fragment_id_queue=["tab"]), True),
    (RerunData(fragment_id_queue=["progress"], is_auto_rerun=True), False),
    (RerunData(fragment_id_queue=["tab", "progress"], is_auto_rerun=True), True),
])  # fmt: skip
def test_only_what_the_visitor_does_ends_a_wait(monkeypatch, asked, left):
    """A fragment that looks again by itself does not; where both come at once, the visitor's counts."""
    requests = ScriptRequests()
    monkeypatch.setattr(queue, "get_script_run_ctx", lambda: SimpleNamespace(script_requests=requests))
    monkeypatch.setattr(queue.st, "session_state", {queue._LOOKS: {"progress"}})
    if asked:
        requests.request_rerun(asked)
    assert queue._left() is left
