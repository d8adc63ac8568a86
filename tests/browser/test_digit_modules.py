"""The live digit's pure JavaScript in Chromium, held against the engine's Python."""

from __future__ import annotations

import re

import numpy as np
import pytest

from engine.spatial.distortions import TASKS
from engine.spatial.placing import KIND, PlacingError, check, draw, scatter
from engine.spatial.samples import samples
from pages.kit.digit import MODULES
from pages.kit.modules import ASSETS
from pages.spatial.transformer_hand import START
from tests.browser.modules import load

DIGIT = samples().images[38]
NUDGED = {"R": (-130.0, 1.4, 5.5, -3.25), "RTS": (-45, 0.7, -9.1, 8.0), "TC": (12.0, 1.1, -20.0, 14.0),
          "P": (-1.2, -0.9, 0.8, -1.1, 1.3, 0.7, -0.6, 1.2),
          "E": tuple(1.2 * v + 0.05 * (-1) ** i for i, v in enumerate(START["E"]))}  # fmt: skip


@pytest.fixture
def modules(page):
    run = load(page, "digit")
    return lambda body, **arguments: run("placing pad frames scene answer", body, **arguments)


@pytest.mark.parametrize("name", list(KIND))
def test_the_browser_draws_what_python_draws(modules, name):
    task = TASKS[name]
    pieces = scatter(samples().images, task, 2) if name == "TC" else None
    for numbers in (START[name], NUDGED[name]):
        numbers = check(task, numbers)
        got = modules(
            "return Array.from(m.drawCanvas(Uint8Array.from(a.digit), a.canvas, a.numbers, "
            "{cut: Uint8Array.from(a.cut), places: a.places}))",
            digit=DIGIT.ravel().tolist(), canvas={"kind": KIND[name], "size": task.size}, numbers=numbers,
            cut=pieces.cut.ravel().tolist() if pieces else [], places=pieces.places if pieces else [],
        )  # fmt: skip
        wanted = draw(DIGIT, task, numbers, pieces)
        assert wanted.max() > 100
        assert np.abs(np.reshape(got, wanted.shape) - wanted.astype(int)).max() <= 1


@pytest.mark.parametrize("name", list(KIND))
def test_a_handle_goes_where_it_is_dragged(modules, name):
    """The point of the digit under a handle is under the hand afterwards; of corners of a pose at the same distance."""
    got = modules(
        """
        const canvas = a.canvas, by = [0.09, -0.07];
        return m.placingHandles(canvas.kind).map((handle) => {
          const from = m.placingHandleAt(canvas, a.numbers, handle), to = [from[0] + by[0], from[1] + by[1]];
          const moved = m.placingDragged(canvas, a.numbers, handle, from, to);
          return {kind: handle.kind, to, at: m.placingHandleAt(canvas, moved, handle), moved};
        });
        """,
        canvas={"kind": KIND[name], "size": TASKS[name].size}, numbers=START[name],
    )  # fmt: skip
    assert len(got) == {"pose": 6, "corners": 5, "points": 16}[KIND[name]]
    for one in got:
        check(TASKS[name], one["moved"])
        if KIND[name] != "pose" or one["kind"] == "centre":
            assert one["at"] == pytest.approx(one["to"], abs=1e-6)
        else:
            centre = 2 * np.array(START[name][2:]) / TASKS[name].size
            at, to = np.array(one["at"]) - centre, np.array(one["to"]) - centre
            if one["kind"] == "corner":
                assert np.hypot(*at) == pytest.approx(np.hypot(*to))
            else:  # the stalk has one length, so directions from the centre agree
                assert np.arctan2(*at) == pytest.approx(np.arctan2(*to), abs=1e-6)


def test_both_refuse_the_same_placements(modules):
    dice = np.random.default_rng(0)
    for name in ("P", "E"):
        wild = [(np.array(START[name]) + dice.normal(0, s, len(START[name]))).tolist() for s in (0.1, 0.5, 0.8) * 15]
        wild += [[0.0] * len(START[name])]
        said = modules("return a.wild.map((numbers) => m.placingFault({kind: a.kind}, numbers) === '')", wild=wild,
                       kind=KIND[name])  # fmt: skip
        assert {True, False} == set(said)
        for numbers, good in zip(wild, said, strict=True):
            try:
                check(TASKS[name], numbers)
                known = True
            except PlacingError:
                known = False
            assert good == known, numbers


def test_turning_and_scaling_are_about_the_middle(modules):
    for name in KIND:
        got = np.array(modules("return m.placingTurned(a.canvas, a.numbers, 30, 1.1)", numbers=START[name],
                               canvas={"kind": KIND[name], "size": TASKS[name].size}))  # fmt: skip
        if KIND[name] == "pose":
            assert got == pytest.approx(np.array(START[name]) * (1, 1.1, 1, 1) + (30, 0, 0, 0))
            continue
        before, after = (np.reshape(v, (-1, 2)) for v in (START[name], got))
        x, y = (before - before.mean(0)).T
        turned = (x + 1j * y) * 1.1 * np.exp(-1j * np.pi / 6)  # counter-clockwise as seen: y points down
        assert after - before.mean(0) == pytest.approx(np.stack([turned.real, turned.imag], -1))


def test_strokes_are_smooth_and_can_be_erased(modules):
    got = modules("""
        const pad = new m.Pad(), one = () => Array.from(pad.bytes());
        pad.stroke([5, 10.5], [20, 10.5], 1);
        const drawn = one();
        pad.stroke([0, 10.5], [28, 10.5], 3, true);
        return [drawn, one(), atob(m.asText(pad.bytes())).length];
    """)
    drawn, erased, length = np.reshape(got[0], (28, 28)), np.array(got[1]), got[2]
    assert (drawn[10, 6:19] == 255).all()
    assert (drawn[9, 7:18] == 128).all()
    assert (drawn[11, 7:18] == 128).all(), "half a pixel of the edge on each side"
    assert drawn[:8].sum() == drawn[13:].sum() == 0
    assert erased.sum() == 0
    assert length == 784


def test_every_import_stands_on_one_line_and_names_are_common():
    """What `join` relies on."""
    names: dict[str, str] = {}
    for module in MODULES:
        text = (ASSETS / "digit" / f"{module}.js").resolve().read_text(encoding="utf8")
        for line in text.splitlines():
            if line.startswith("import"):
                path = re.fullmatch(r'import \{ [\w, ]+ \} from "(\./|\.\./\w+/)(\w+)\.js";', line)
                assert path, line
                assert path[2] in {m.split("/")[-1] for m in MODULES[: MODULES.index(module)]}, line
        for name in re.findall(r"^(?:export )?(?:const|let|class|function) (\w+)", text, re.M):
            assert name not in names, f"{name} is in {names.get(name)} and in {module}"
            names[name] = module
