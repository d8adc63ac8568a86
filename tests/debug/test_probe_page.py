"""The probe page by AppTest: it answers its controls, keeps its state in the URL, and runs its long work."""

from __future__ import annotations

import time

import pytest
from streamlit.testing.v1 import AppTest

from pages.kit.rooms import PROBE
from tests.segmentation.pages import text_of, visit

TABS = "probe_tabs"


@pytest.fixture
def page() -> AppTest:
    return visit(PROBE, image="chelsea", model="fcn-animals")


def open_tab(app: AppTest, label: str) -> AppTest:
    app.session_state[f"{TABS}_tab"] = label
    return app.run()


def numbers(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def share(app: AppTest) -> float:
    return float(numbers(app)["Labels changed"].split()[0])


def test_the_page_runs_and_explains_itself(page):
    page.run()
    assert not page.exception
    assert page.title[0].value == "Probe"
    assert "should hardly care" in text_of(page)
    assert page.slider(key="blur").value == 3.0


def test_a_strength_changes_the_numbers_and_no_change_takes_it_back(page):
    page.run()
    page.slider(key="blur").set_value(12.0).run()
    assert share(page) > 0
    page.button_group(key="probe").set_value("No change").run()
    assert not page.exception
    assert share(page) == 0
    assert page.metric[1].delta == "+0.000"
    page.button_group(key="probe").set_value("Mirror").run()
    assert not page.slider
    assert share(page) >= 0


@pytest.mark.parametrize("name", ["Noise", "Brightness", "Offset", "JPEG", "Rotation", "Upside down", "Grey patch"])
def test_each_change_runs(page, name):
    page.query_params["probe"] = name
    page.run()
    assert not page.exception
    assert page.button_group(key="probe").value == name
    assert 0 <= share(page) <= 100


def test_the_state_comes_from_the_url(page):
    page.query_params.update({"probe": "Rotation", "rotation": "-30", "watch": "cat", "at": "100_50"})
    page.run()
    assert page.slider(key="rotation").value == -30
    assert page.selectbox(key="watch").value == "cat"
    assert "p, this pixel" in numbers(page)
    page.button(key="probe_forget").click().run()
    assert "p, its region" in numbers(page)
    assert "at" not in page.query_params


def test_the_square_comes_from_the_url_and_is_cut_to_the_picture(page):
    page.query_params.update({"probe": "Grey patch", "patch": "9999_20_400"})
    page.run()
    assert not page.exception
    assert share(page) > 0


@pytest.mark.parametrize("query", [{"probe": "<b>"}, {"blur": "lots"}, {"blur": "-5"}, {"at": "1_2_3"}, {"at": "x"},
                                   {"patch": "1_2", "probe": "Grey patch"}, {"watch": "../x"}, {"variant": "none"},
                                   {"patch": "9" * 400, "probe": "Grey patch"}, {"side": "nan"}])  # fmt: skip
def test_nonsense_in_the_url_is_ignored(page, query):
    page.query_params.update(query)
    page.run()
    assert not page.exception
    assert 0 <= share(page) <= 100


def test_another_model_has_other_classes(page):
    page.query_params["watch"] = "cat"
    page.run()
    page.selectbox(key="model").set_value("patches").run()
    assert not page.exception
    assert page.selectbox(key="watch").value == "most of the picture"


def test_the_truth_is_held_against_both(page):
    page.query_params.update({"model": "patches", "image": "china"})
    page.run()
    assert "Mean IoU" in numbers(page)
    open_tab(page, "Against the truth")
    assert not page.exception
    assert list(page.dataframe[-1].value.iloc[:, 0]) == ["before", "after"]


def until(app: AppTest, there, seconds: float = 60) -> None:
    """Run again until the long work is over."""
    end = time.monotonic() + seconds
    while not there(app):
        assert time.monotonic() < end
        time.sleep(0.2)
        app.run()


def test_the_curve_is_drawn(page):
    page.query_params["probe"] = "JPEG"
    page.run()
    open_tab(page, "Stability curve")
    page.button(key="curve_start").click().run()
    until(page, lambda app: "labels unchanged" in app.dataframe[-1].value)
    assert not page.exception
    table = page.dataframe[-1].value
    assert list(table.iloc[:, 0]) == [95, 75, 50, 30, 20, 10, 5, 1]
    assert table["labels unchanged"].iloc[0] > table["labels unchanged"].iloc[-1]


def test_a_change_without_strength_has_no_curve(page):
    page.query_params["probe"] = "Mirror"
    page.run()
    open_tab(page, "Stability curve")
    assert "no strength" in page.info[0].value


def test_the_occlusion_map_is_made_and_its_best_place_taken(page):
    page.query_params.update({"side": "128", "step": "128", "copy": "160 px"})
    page.run()
    open_tab(page, "Occlusion map")
    assert any("12 runs" in t.value for t in page.text)
    page.button(key="occlusion_start").click().run()
    until(page, lambda app: any(b.key == "occlusion_take" for b in app.button))
    page.button(key="occlusion_take").click().run()
    assert not page.exception
    assert page.button_group(key="probe").value == "Grey patch"
    assert "_128" in str(page.query_params["patch"])


def test_long_work_says_how_long_and_what_comes_first(page, monkeypatch):
    """3,750 runs of half a second: half an hour, so a coarse map comes first and stays when the rest is given up."""
    from engine.debug import occlusion

    monkeypatch.setattr(occlusion, "pace", lambda *args: 0.5)
    page.query_params.update({"side": "8", "step": "8", "copy": "160 px"})
    page.run()
    open_tab(page, "Occlusion map")
    said = next(t.value for t in page.text if "runs of the model" in t.value)
    runs = int(said.split(" places: ")[1].split(" runs")[0].replace(",", ""))
    assert runs > 200
    assert f"about {runs / 2 / 60:.0f} min" in said
    coarse = next(c.value for c in page.caption if "coarse map" in c.value)
    first = int(coarse.split("coarse map of ")[1].split()[0])
    assert first <= occlusion.FIRST
    assert f"after about {round(first / 2)} s" in coarse
    page.button(key="occlusion_start").click().run()
    until(page, lambda app: any(b.key == "occlusion_take" for b in app.button))
    page.button(key="occlusion_cancel").click().run()
    until(page, lambda app: any(b.key == "occlusion_start" for b in app.button))
    assert any(b.key == "occlusion_take" for b in page.button), "the coarse map stays"
    assert not page.exception


def test_the_code_that_ran(page):
    page.run()
    open_tab(page, "Code that ran")
    assert any("gaussian_filter" in c.value for c in page.code)


def test_classes_that_read_alike_are_watched_by_their_place(page, monkeypatch):
    """Two classes of one name: the watched probability is the second's where the second is chosen."""
    from dataclasses import replace

    from pages.debug import probe_state

    asked = probe_state.answers

    def twice(*args):
        before, after, probed = asked(*args)
        names = ("thing",) * 2 + before.classes[2:]
        return replace(before, classes=names), replace(after, classes=names), probed

    monkeypatch.setattr(probe_state, "answers", twice)
    page.run()
    box = page.selectbox(key="watch")
    assert box.options[1:3] == ["thing", "thing (2)"]
    seen = [float(page.selectbox(key="watch").select(name).run().metric[1].value) for name in box.options[1:3]]
    assert not page.exception
    assert seen[0] != seen[1]
