"""The tabs of the spatial transformers' page by AppTest, each in a script of its own; networks of random weights."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine.cards import ModelError
from engine.spatial.curves import Curve
from pages.kit import models
from pages.spatial import transformer_angles, transformer_errors, transformer_panels
from pages.spatial.transformer_shown import Shown
from tests.conftest import card_of
from tests.spatial.untrained import find_model, model_of, pictures_of, with_past

TABS = ("What you see", "Angle in, angle out", "Watch it learn", "Two digits, one sum", "Find what they share",
        "Errors", "Formula with live numbers", "The paper, and here", "Code that ran")  # fmt: skip


def run(build, *args, **query) -> AppTest:
    """A script that calls `build` and nothing else."""

    def script(build, args):
        build(*args)

    app = AppTest.from_function(script, default_timeout=120, args=(build, args))
    app.query_params.update(query)
    app.run()
    assert not app.exception
    return app


def text_of(app: AppTest) -> str:
    return "\n".join(str(x.value) for x in (*app.markdown, *app.caption, *app.latex, *app.info, *app.warning))


@pytest.fixture
def here(monkeypatch) -> dict:
    """The models that are here; none is asked for from assets."""
    there = {
        "digits-rts-affine": with_past(model_of("RTS", "affine"), "error", (0.9, 0.2)),
        "digits-sum-tps": model_of("SUM", "tps"), "digits-sum-plain": model_of("SUM"),
        "digits-find-tc": with_past(find_model("TC"), "found", (0.1, 0.6)),
    }  # fmt: skip

    def model(name):
        if name not in there:
            raise ModelError(f"There is no card of a model called {name!r}.")
        return there[name]

    monkeypatch.setattr(models, "model", model)
    monkeypatch.setattr(models, "card", lambda name: None)
    return there


def shown(task: str = "RTS", family: str = "affine", plain: bool = True) -> Shown:
    return Shown(model_of(task, family), model_of(task) if plain else None, pictures_of(task)[0][4], 3)


@pytest.mark.parametrize("family", ["affine", "projective", "tps"])
@pytest.mark.parametrize("plain", [True, False])
def test_every_tab_is_built(here, family, plain):
    found = transformer_panels.builders(shown("R", family, plain))
    assert tuple(found) == TABS
    for name in ("What you see", "Formula with live numbers", "The paper, and here", "Code that ran"):
        run(found[name])
    assert len(transformer_panels.trace_of(shown("R", family, plain)).steps) == 2


@pytest.mark.parametrize(("name", "missing"), [("Watch it learn", "digits-rts-affine"),
                                               ("Two digits, one sum", "digits-sum-tps"),
                                               ("Find what they share", "digits-find-tc")])  # fmt: skip
def test_a_model_that_is_not_here_is_one_sentence(here, name, missing):
    build = transformer_panels.builders(shown())[name]
    assert not run(build).warning
    del here[missing]
    assert missing in run(build).warning[0].value


def test_what_you_see_shows_this_digits_numbers(here):
    one = shown()
    values = [m.value for m in run(transformer_panels.what_you_see, one).metric]
    for value, read in zip(values[2:], (one.reading, one.plain_reading), strict=True):
        assert value == f"{read.chances[0].argmax()} ({100 * read.chances[0].max():.0f} %)"
    assert run(transformer_panels.what_you_see, shown(plain=False)).metric[3].value == "not here"


def test_shaking_changes_the_sum_and_stands_in_the_url(here):
    app = run(transformer_panels.builders(shown())["Two digits, one sum"], upper="3", lower="8", sum_seed="7")
    assert "3 + 8 = 11" in text_of(app)
    app.button(key="sum_seed_button").click().run()
    assert app.query_params["sum_seed"] == "8"
    assert not app.exception


@pytest.mark.parametrize("seed", ["-1", "a", "99999", "٣", ""])
def test_nonsense_for_a_seed_is_one(here, seed):
    app = run(transformer_panels.builders(shown())["Find what they share"], find_seed=seed)
    app.button(key="find_seed_button").click().run()
    assert app.query_params["find_seed"] == "2"


def test_curves_are_drawn_for_each_quantity(here, monkeypatch):
    monkeypatch.setattr(transformer_angles, "tried", lambda name, task: np.array([0.5, 0.8, 1.0, 1.5]))
    one = shown()
    app = run(transformer_angles.angles, one.model, one.plain)
    assert "Within the trained range" in text_of(app)
    app.segmented_control[0].set_value("scale").run()
    assert not app.exception
    app = run(transformer_angles.angles, model_of("E", "tps"), None, vary="angle")
    assert "new to both" in text_of(app)


def test_what_the_curves_say():
    values = np.array([-60.0, -30, 0, 30, 60])
    error, nothing = np.array([0.5, 0.1, 0.0, 0.2, 0.9]), np.full(5, np.nan)
    found = Curve("angle", values, error, 1 - error, 0.5 * values, np.zeros(5))
    words = transformer_angles.said(found, Curve("angle", values, error + 0.1, error, nothing, nothing), (-45, 45))
    for number in ("**10.0 %**", "**20.0 %**", "**70.0 %**", "**80.0 %**", "**50 %**"):
        assert number in words


def test_errors_come_from_the_cards_alone(here, monkeypatch):
    assert "No network" in text_of(run(transformer_errors.errors))
    shares = {"digits-r-plain": 0.0123, "digits-r-affine": 0.0077, "digits-sum-tps": 0.0801}
    cards = {
        name: card_of(name=name, figures={"test_error": e, "error": e, "parameters": 1234})
        for name, e in shares.items()
    }
    cards["digits-find-tc"] = card_of(name="digits-find-tc", figures={"test_found": 0.6, "by_digit": {"0": 0.7}})
    monkeypatch.setattr(models, "card", cards.get)
    app = run(transformer_errors.errors)
    words, table = text_of(app), app.dataframe[0].value
    assert table["R"].tolist()[:2] == ["1.23 (1.2)", "0.77 (0.7)"]
    assert table["Sum"].tolist()[-1] == "8.01 (5.8)"
    assert "R: the best is ST-CNN affine with 0.77 %, better than the plain CNN with 1.23 %." in words
    assert "thin plate spline on the sum has 8.01 % where 7 % was wanted" in words
    assert "TC finds 60.0 % where 75 % was wanted" in words


def test_a_transformer_that_is_worse_is_called_so():
    said = transformer_errors.verdict({("e", "plain"): 1.0, ("e", "tps"): 1.3})
    assert said == ["E: the best is ST-CNN thin plate spline with 1.30 %, not better than the plain CNN with 1.00 %."]


def test_the_formula_follows_one_pixel(here):
    one = shown("R", "affine")
    app = run(transformer_panels.builders(one)["Formula with live numbers"])
    chances = one.reading.chances[0]
    assert f"p_{{{chances.argmax()}}} = {chances.max():.4f}" in text_of(app)
    app.slider(key="digit_x").set_value(0).run()
    assert not app.exception
