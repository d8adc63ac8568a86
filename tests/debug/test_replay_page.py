"""A Trace from a file: it is shown without its model, and nothing that the file says is read as Markdown or HTML."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

from engine import exports, render
from engine.keep import size_of
from engine.trace import Layer, Step, Table, Trace
from pages.debug.replay_panels import _even, one_line
from pages.kit.rooms import REPLAY
from tests.segmentation.pages import open_tab, visit

WILD = ("<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", ":material/delete:", "**b** $x^2$ :red[r] `c`")


def wild(words: str) -> Trace:
    """A well-formed Trace all of whose words are `words`."""
    rgb = np.full((24, 32, 3), 90, np.uint8)
    layers = (Layer("image", words, rgb), Layer("labels", words, np.zeros((24, 32), np.uint8), unit=words))
    step = Step(words, words, layers, Table((words, "n", words), ((words, 1.0, None), ("x", words, words))))
    card = dict.fromkeys(("name", "title", "summary", "paper", "data", "licence"), words)
    card |= {"figures": {words: words}, "failures": [words], "classes": [words]}
    return Trace(rgb, card, (step,), (words,), np.zeros((1, 3), np.uint8), {words: words})


def opened(data: bytes, name: str = "trace.zip"):
    """The page once this file was uploaded."""
    app = visit(REPLAY, image="landscape").run()
    app.file_uploader[0].upload(name, data, "application/zip").run()
    assert not app.exception
    return app


def markdown(app) -> str:
    """All that the page renders as Markdown or HTML."""
    boxes = (app.markdown, app.caption, app.info, app.error, app.warning, app.success, app.title)
    labels = [getattr(w, "label", "") for w in (*app.button, *app.selectbox, *app.file_uploader, *app.expander)]
    return "\n".join([str(x.value) for box in boxes for x in box] + labels)


@pytest.mark.parametrize("words", WILD)
def test_words_of_a_file_stay_text(words):
    app = opened(wild(words).to_zip(), f"{words}.zip".replace("/", "_"))
    for tab in ("All steps", "Numbers", "Card and settings", "What is in the file"):
        open_tab(app, "replay", tab)
        assert not app.exception, tab
        assert words not in markdown(app), tab
    assert words in [x.value for x in app.text]


@pytest.mark.parametrize("words", WILD)
def test_such_a_trace_can_be_exported_again(words):
    trace = Trace.from_zip(wild(words).to_zip())
    assert render.png(trace, -1)[:4] == b"\x89PNG"
    assert json.loads(exports.json_text(trace))


def broken() -> dict[str, bytes]:
    """Files that are no Trace, by what is wrong with them."""
    good = wild("a").to_zip()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("trace.json", "{}")
    return {"empty": b"", "text": b"no zip at all", "half": good[: len(good) // 2], "head": packed.getvalue()}


def test_the_two_files_of_an_unpacked_trace_open_and_one_alone_says_which_is_missing(tmp_path):
    wild("a").save(tmp_path)
    numbers, words = (
        ("renamed", (tmp_path / "trace.npz").read_bytes()),
        ("x.txt", (tmp_path / "trace.json").read_bytes()),
    )
    app = visit(REPLAY, image="landscape").run()
    app.file_uploader[0].upload(*numbers, "application/octet-stream").run()
    assert any("trace.json" in x.value for x in app.info)
    app.file_uploader[0].set_value([(*numbers, "application/octet-stream"), (*words, "text/plain")]).run()
    assert not app.exception
    assert any("1 steps" in x.value and "renamed + x.txt" in x.value for x in app.text)
    opened = app.session_state["replay_opened"]
    assert size_of(opened) < 5000 + sum(len(data) for _, data in opened.files)


@pytest.mark.parametrize("name", list(broken()))
def test_a_broken_file_is_a_sentence_and_the_page_goes_on(name):
    app = opened(broken()[name])
    assert any("not opened" in x.value for x in app.error)
    assert any(x.value.endswith(".") and "Trace" in x.value for x in app.text)
    app.button(key="replay_sample").click().run()
    assert not app.exception
    assert any(x.value.startswith("6 steps") for x in app.text)


def test_it_stays_open_over_a_change_of_page_and_can_be_closed():
    app = visit(REPLAY, image="landscape").run()
    assert any("Export" in x.value for x in app.info)
    app.button(key="replay_sample").click().run()
    app.switch_page("pages/home/home.py").run()
    app.switch_page(REPLAY.path).run()
    assert not app.exception
    assert any("saccade-fcn-scenes-landscape.zip" in x.value for x in app.text)
    next(b for b in app.button if b.label == "Close this Trace").click().run()
    assert any("Export" in x.value for x in app.info)


def test_one_line_is_one_line():
    assert one_line("a\nb\u202e\x00c") == "a b  c"
    assert one_line({"a": [1, None]}) == '{"a": [1, null]}'
    assert len(one_line("x" * 10_000)) == 400
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert one_line(deep) == "too deep to be written"


def test_a_column_is_numbers_or_words():
    assert _even([1, 2.5, None]) == [1, 2.5, None]
    assert _even([1, "x", None]) == ["1", "x", "null"]
    assert _even([2**70]) == [str(2**70)]
