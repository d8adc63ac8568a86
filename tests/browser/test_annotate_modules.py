"""The annotation component's pure JavaScript in Chromium, held against the engine's Python: equal pixel for pixel."""

from __future__ import annotations

import re

import numpy as np
import pytest

from engine.debug.polygons import IGNORED, MOST_POINTS, UNTOUCHED, Drawing, Polygon, inside, outlined, rasterise, snap
from pages.kit.annotate import MODULES, _start, read_drawing
from pages.kit.modules import ASSETS
from tests.browser.modules import load

H, W = 23, 37


@pytest.fixture
def modules(page):
    run = load(page, "annotate")
    return lambda body, **arguments: run("raster shapes sketch easel hand annotate", body, **arguments)


def random_polygons(seed: int, count: int) -> list[np.ndarray]:
    """Stars and tangles: some lie on pixel centres and edges, some reach far outside, some have no area."""
    rng, made = np.random.default_rng(seed), []
    for k in range(count):
        points = rng.uniform(-8, 45, (rng.integers(1, 14), 2))
        points = [points, np.round(points), np.round(2 * points) / 2, points * 40 - 700, np.repeat(points, 2, 0)][k % 5]
        made.append(points)
    return made


def test_polygons_hold_the_same_pixels_as_in_python(modules):
    polygons = random_polygons(3, 200)
    got = modules("""return a.polygons.map((points) => {
        const out = new Uint8Array(a.W * a.H);
        m.fillPolygon(out, a.W, a.H, points, 1);
        return out.join("");
    });""", W=W, H=H, polygons=[p.tolist() for p in polygons])  # fmt: skip
    areas = []
    for points, text in zip(polygons, got, strict=True):
        want = inside(points, (H, W))
        assert text == "".join(map(str, want.astype(int).ravel()))
        areas.append(int(want.sum()))
    assert sum(area > 50 for area in areas) > 50
    assert 0 in areas


def test_whole_drawings_make_the_same_labels_after_their_way_through_a_message(modules):
    rng = np.random.default_rng(5)
    for seed in range(4):
        points = [p for p in random_polygons(seed, 9) if len(p) > 2]
        cells = np.full((H, W), UNTOUCHED, np.uint8)
        cells[rng.integers(0, 12) :: 5, 3:30] = rng.choice([0, 1, 2, IGNORED])
        polygons = [{"label": int(rng.choice([0, 1, 2, 255])), "points": p.clip(0, (W, H)).tolist()} for p in points]
        got = modules("""
            const painting = new Uint8Array(a.cells), labels = m.rasterised(a.polygons, painting, a.W, a.H);
            const message = JSON.parse(JSON.stringify(m.asMessage({ polygons: a.polygons, cells: a.text })));
            return {labels: Array.from(labels), message, back: m.asState(message)};
        """, W=W, H=H, cells=cells.ravel().tolist(), polygons=polygons, text=runs(cells))  # fmt: skip
        drawing = read_drawing(got["message"], (H, W), 3)
        assert np.array_equal(drawing.cells, cells)
        labels = np.reshape(got["labels"], (H, W))
        assert np.array_equal(np.where(labels == IGNORED, 255, labels), rasterise(drawing))
        assert np.isin([0, 1, 2, 255], labels).any()
        assert got["back"] == {"polygons": polygons, "cells": got["message"]["cells"], "draft": []}


def runs(cells: np.ndarray) -> str:
    return " ".join(f"{label} 1" for label in cells.ravel())


def test_outlines_from_python_keep_their_pixels(modules):
    labels = np.random.default_rng(1).choice(np.array([0, 1, 255], np.uint8), (H, W), p=[0.5, 0.4, 0.1])
    polygons = outlined(labels)
    got = modules("""return Array.from(m.rasterised(a.polygons, new Uint8Array(a.W * a.H).fill(255), a.W, a.H));""",
                  W=W, H=H, polygons=[{"label": p.label, "points": p.points.tolist()} for p in polygons])  # fmt: skip
    assert np.array_equal(np.reshape(got, (H, W)), labels)


def test_superpixels_are_filled_and_outlined(modules):
    regions = np.arange(H)[:, None] // 6 * 10 + (np.arange(W) + np.arange(H)[:, None] // 2) // 9
    got = modules("""
        const regions = new Uint16Array(a.regions), cells = new Uint8Array(regions.length).fill(255);
        m.fillRegion(cells, regions, a.id, 2);
        return {cells: Array.from(cells), sides: m.regionSides(regions, a.W, a.H, a.id)};
    """, W=W, H=H, regions=regions.ravel().tolist(), id=int(regions[9, 20]))  # fmt: skip
    want = snap(regions, 20.5, 9.5)
    assert np.array_equal(np.reshape(got["cells"], (H, W)) == 2, want)
    padded = np.pad(want, 1).astype(int)
    down, across = np.argwhere(np.diff(padded, axis=0)), np.argwhere(np.diff(padded, axis=1))
    sides = {(x - 1, y, x, y) for y, x in down.tolist()} | {(x, y - 1, x, y) for y, x in across.tolist()}
    assert set(map(tuple, got["sides"])) == sides
    assert len(got["sides"]) == len(sides)


def test_what_lies_under_a_hand(modules):
    square = [[10, 10], [30, 10], [30, 20], [10, 20]]
    got = modules("""
        const s = a.square, other = [[0, 0], [20, 0], [20, 15], [0, 15]];
        return {
          points: [[11, 11], [30, 24], [20, 15], [10, 14]].map((at) => m.nearestPoint(s, at, 4)),
          edges: [[20, 8], [31, 15], [9, 15], [20, 15], [33, 22]].map((at) => m.nearestEdge(s, at, 3)),
          over: [[15, 12], [25, 12], [5, 5], [35, 5]].map((at) => m.polygonAt([{points: s}, {points: other}], at)),
          moved: [[3.333, 0], [100, -100]].map((by) => m.movedBy(s, by, 37, 23)),
          inserted: m.inserted(s, 3, [10, 15]),
          placed: [[-3, 99], [1.23456, 2.999]].map((at) => m.placed(at, 37, 23)),
          count: m.countPoints([{points: s}, {points: other}]),
        };
    """, square=square)  # fmt: skip
    assert got["points"] == [0, 2, -1, 0]
    assert got["edges"] == [0, 1, 3, -1, -1]
    assert got["over"] == [1, 0, 1, -1]
    assert got["moved"] == [
        [[13.33, 10], [33.33, 10], [33.33, 20], [13.33, 20]],
        [[17, 0], [37, 0], [37, 10], [17, 10]],
    ]
    assert got["inserted"] == [*square, [10, 15]]
    assert got["placed"] == [[0, 23], [1.23, 3]]
    assert got["count"] == 8


def test_a_place_lies_inside_a_polygon_as_pixel_centres_do(modules):
    polygons = random_polygons(11, 15)
    got = modules("""return a.polygons.map((points) => {
        const out = [];
        for (let y = 0; y < a.H; y++) for (let x = 0; x < a.W; x++) out.push(m.contains(points, [x + 0.5, y + 0.5]));
        return out;
    });""", W=W, H=H, polygons=[p.tolist() for p in polygons])  # fmt: skip
    for points, held in zip(polygons, got, strict=True):
        assert np.array_equal(np.reshape(held, (H, W)), inside(points, (H, W)))


def test_a_sketch_comes_back_to_every_state(modules):
    got = modules("""
        const made = (subject) => new m.Sketch(subject, a.W, a.H), s = made("subject");
        const now = ({ state }) => JSON.stringify(state), seen = [], look = () => seen.push(now(s));
        const whole = ({ painting, state }) => painting.text === state.cells;
        look();
        for (const point of [[2, 2], [20, 2], [20, 15]]) { s.commit({draft: [...s.state.draft, point]}); look(); }
        s.close(1); look();
        s.relabel(2); look();
        s.reshape([[2, 2], [20, 2], [20, 15], [2, 15]]); s.commit(); look();
        s.painting.stroke([5, 5], [30, 5], 3, 0); s.painted(); look();
        s.remove(); look();
        s.clear(); look();
        const nothing = [s.clear(), s.commit()], back = [], forth = [];
        for (let i = 0; i < seen.length - 1; i++) { s.travel(-1); back.push(now(s)); }
        s.travel(-1);
        const first = now(s);
        for (let i = 0; i < seen.length - 1; i++) { s.travel(1); forth.push(now(s) + whole(s)); }
        s.travel(-2);
        const again = made("subject"), fresh = now(made("another")) === seen[0];
        return {seen, back, first, forth, nothing, fresh, kept: now(again) === seen.at(-3), cells: whole(again),
                undo: again.history.canUndo};
    """, W=W, H=H)  # fmt: skip
    seen = got["seen"]
    assert len(set(seen)) == len(seen) - 1  # the first and the last are both empty
    assert got["back"] == seen[-2::-1]
    assert got["first"] == seen[0]
    assert got["forth"] == [f"{state}true" for state in seen[1:]]
    assert got["nothing"] == [False, False]
    assert got["kept"]
    assert got["cells"]
    assert got["fresh"]
    assert got["undo"]  # what was stored can be taken away


def test_a_drawing_from_python_is_taken_once_and_can_be_undone(modules):
    polygon = Polygon(1, np.array([[1.0, 2.0], [9.0, 2.0], [5.0, 9.5]]))
    start = _start(Drawing((polygon,), np.full((H, W), UNTOUCHED, np.uint8)), (H, W))
    got = modules("""
        const s = new m.Sketch("start", a.W, a.H), seen = [];
        s.start(a.start); seen.push(s.state.polygons);
        s.travel(-1); seen.push(s.state.polygons);
        s.start(a.start); seen.push(s.state.polygons);
        const again = new m.Sketch("start", a.W, a.H);
        again.start(a.start); seen.push(again.state.polygons);
        again.start({...a.start, id: "another"}); seen.push(again.state.polygons);
        s.start(null); seen.push(s.state.polygons);
        return seen;
    """, W=W, H=H, start=start)  # fmt: skip
    whole = [{"label": 1, "points": polygon.points.tolist()}]
    assert got == [whole, [], [], [], whole, []]


def test_the_limits_and_constants_are_pythons(modules):
    got = modules("return [m.IGNORED, m.NOTHING, m.cellOf(-1), m.cellOf(255), m.cellOf(3), m.LEAST_POINTS]")
    assert got == [IGNORED, 255, UNTOUCHED, IGNORED, 3, 3]
    assert MOST_POINTS >= 3


def test_joined_modules_share_no_name_at_their_top():
    """What `join` makes of them is one module: a name that two of them declare would be an error in the browser."""
    names = []
    for module in MODULES:
        text = (ASSETS / "annotate" / f"{module}.js").resolve().read_text(encoding="utf8")
        names += re.findall(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", text, re.M)
        names += re.findall(r"^(?:export )?const .*?, ([A-Z_]{2,}) = ", text, re.M)
        assert len(text.splitlines()) <= 380, module
    assert len(names) == len(set(names)) > 60


def test_stored_drawings_are_bounded_and_the_oldest_go_first(page):
    run = load(page, "annotate")
    got = run("store", """
        const names = () => Object.keys(localStorage).filter((name) => name !== "other").sort(), now = Date.now;
        localStorage.setItem("other", "x".repeat(2e6));
        let day = 0;
        Date.now = () => now() + day * 864e5;
        for (const [i, name] of ["a", "b", "c"].entries()) { day = i; m.storeDrawing(name, { text: "x".repeat(8e5) }); }
        const last = names(), read = m.storedDrawing("c").text.length, none = m.storedDrawing("a");
        m.storeDrawing("b", { text: "y" });
        m.storeDrawing("d", { text: "x".repeat(15e5) });
        const newest = names();
        m.storeDrawing("b", { text: "x".repeat(3e6) });
        const large = m.storedDrawing("b");
        day = 30;
        const old = m.storedDrawing("d"), left = names();
        m.storeDrawing("e", 1);
        localStorage.setItem("saccade.drawing.f", "no JSON");
        const broken = m.storedDrawing("f");
        m.forgetDrawing("e");
        return { last, read, none, newest, large, old, left, broken, other: localStorage.getItem("other").length };
    """)  # fmt: skip
    assert got["last"] == ["saccade.drawing.b", "saccade.drawing.c"]
    assert (got["read"], got["none"]) == (800_000, None)
    assert got["newest"] == ["saccade.drawing.b", "saccade.drawing.d"]
    assert (got["large"], got["old"], got["left"], got["broken"]) == (None, None, [], None)
    assert got["other"] == 2_000_000
