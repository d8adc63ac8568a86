"""The drag component's pure JavaScript in Chromium, held against torch and against the engine's Python."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import torch

from engine.spatial.mapping import folds, forward
from engine.spatial.presets import presets
from engine.spatial.sampling import MODES, PADDINGS, Sampling, explain, outside, sample
from engine.spatial.theta import TransformError, check, from_corners
from engine.spatial.transforms import FAMILIES, ThinPlateSpline, sampling_grid
from pages.kit.drag import MODULES
from pages.kit.modules import ASSETS
from tests.browser.modules import load

SIZE = (23, 31)  # rows, columns: small and odd
SPLINE = {name: ThinPlateSpline(regularisation=r) for name, r in (("tps", 0.0), ("tps, lambda 0.3", 0.3))}
KINDS = {name: family for name, family in FAMILIES.items() if name != "tps"} | SPLINE
PICTURE = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
SETUP = """
    const transform = {family: a.family, theta: a.theta, system: a.family === "tps" ? m.splineSystem(a.lambda) : null};
    const [H, W] = a.size, xs = m.centres(W, a.align), ys = m.centres(H, a.align), flat = new Float64Array(2 * W * H);
    for (let y = 0, i = 0; y < H; y++) for (let x = 0; x < W; x++) { flat[i++] = xs[x]; flat[i++] = ys[y]; }
    const picture = {pixels: m.toPixels(Uint8Array.from(a.picture ?? [])), width: W, height: H};
    const points = new m.Points(flat), grid = points.follow(transform);
"""


def theta_of(family, seed: int = 0) -> tuple[float, ...]:
    """The identity, shaken so much that some of it falls outside."""
    shake = np.random.default_rng(seed).normal(0, 0.12, len(family.identity))
    return check(family, 1.2 * np.array(family.identity) + shake)


def told(family, theta, align=False, **more) -> dict:
    """The arguments that SETUP takes."""
    return {"family": family.name, "theta": list(theta), "lambda": getattr(family, "regularisation", 0), "size": SIZE,
            "align": align, "picture": PICTURE.ravel().tolist(), **more}  # fmt: skip


@pytest.fixture
def modules(page):
    run = load(page, "drag")
    return lambda body, **arguments: run("families sampling forward handles history play matrix linear input",
                                         SETUP + body, **arguments)  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_sampling_equals_torch_in_every_way(modules, name):
    family = KINDS[name]
    theta = theta_of(family)
    for align in (False, True):
        ways = list(itertools.product(MODES, PADDINGS))
        got = modules("""
            return {grid: Array.from(grid), pictures: a.ways.map(([mode, padding]) => Array.from(
                m.sample(picture, grid, new Uint32Array(W * H), {mode, padding, align: a.align})).map(m.channels))};
        """, ways=ways, **told(family, theta, align))  # fmt: skip
        grid = sampling_grid(family, torch.tensor([theta], dtype=torch.float64), *SIZE, align)[0]
        assert np.allclose(np.reshape(got["grid"], (*SIZE, 2)), grid, atol=1e-12)
        for way, picture in zip(ways, got["pictures"], strict=True):
            want = sample(PICTURE, grid, Sampling(*way, align)).astype(int)
            assert np.abs(np.reshape(picture, want.shape) - want).max() <= 1, (way, align)
            assert want.std() > 20


@pytest.mark.parametrize("way", [*itertools.product(MODES, PADDINGS, (False, True))])
def test_neighbours_weights_and_sums_equal_pythons(modules, way):
    family, sampling = FAMILIES["projective"], Sampling(*way)
    theta = theta_of(family, 3)
    places = [(x, y) for x in range(0, SIZE[1], 5) for y in range(0, SIZE[0], 4)]
    got = modules("""return a.places.map(([x, y]) => { const i = 2 * (y * W + x);
        return m.explain(picture, grid[i], grid[i + 1], a.how); });""",
                  places=places, how={"mode": way[0], "padding": way[1], "align": way[2]},
                  **told(family, theta, way[2]))  # fmt: skip
    grid = sampling_grid(family, torch.tensor([theta], dtype=torch.float64), *SIZE, way[2])[0]
    for (x, y), one in zip(places, got, strict=True):
        want = explain(PICTURE, grid, x, y, sampling)
        assert one["index"] == pytest.approx(want.index)
        assert one["total"] == pytest.approx(want.total, abs=1e-6)
        assert one["seen"] == pytest.approx(sample(PICTURE, grid, sampling)[y, x].astype(float), abs=1)
        key = lambda n: (n["x"], n["y"], tuple(n["value"]), n["padded"])  # noqa: E731
        assert [key(n) for n in one["neighbours"]] == [(n.x, n.y, n.value, n.padded) for n in want.neighbours]
        assert [n["weight"] for n in one["neighbours"]] == pytest.approx([n.weight for n in want.neighbours])


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("name", ["attention", "affine", "projective"])
def test_forward_mapping_equals_pythons(modules, name, align):
    family = FAMILIES[name]
    for theta in (theta_of(family, 5), *list(presets(family).values())[1:3]):
        got = modules("""
            const out = m.push(picture, transform, new Uint32Array(W * H), a.align);
            return {hit: Array.from(out, (p) => p !== 0), colours: Array.from(out).map(m.channels),
                    inside: Array.from(out, (_, i) => m.isInside(grid[2 * i], grid[2 * i + 1]))};
        """, **told(family, theta, align))  # fmt: skip
        want = forward(PICTURE, family, torch.tensor(theta, dtype=torch.float64), *SIZE, align)
        hit = np.reshape(got["hit"], SIZE)
        assert np.array_equal(hit, want.hits > 0)
        assert np.array_equal(~hit & np.reshape(got["inside"], SIZE), want.holes)
        assert np.array_equal(np.reshape(got["colours"], want.rgb.shape), want.rgb)


@pytest.mark.parametrize("name", KINDS)
def test_masks_equal_pythons(modules, name):
    family = KINDS[name]
    for theta in (theta_of(family, 7), list(presets(family).values())[-1]):
        got = modules("""
            const bases = transform.system && {x: m.splineBasis(transform.system, points.pairs(), "x"),
                                               y: m.splineBasis(transform.system, points.pairs(), "y")};
            return {folds: Array.from(m.foldsAt(transform, flat, bases)),
                    outside: Array.from({length: W * H}, (_, i) => !m.isInside(grid[2 * i], grid[2 * i + 1]))};
        """, **told(family, theta))  # fmt: skip
        numbers = torch.tensor(theta, dtype=torch.float64)
        assert np.array_equal(np.reshape(got["folds"], SIZE), folds(family, numbers, *SIZE))
        assert np.array_equal(np.reshape(got["outside"], SIZE), outside(sampling_grid(family, numbers[None], *SIZE)[0]))


def test_a_spline_that_moves_one_point_is_what_it_would_be_afresh(modules):
    family = FAMILIES["tps"]
    got = modules("""
        const theta = [...a.theta];
        for (let k = 0; k < 60; k++) { theta[11] += 0.01; theta[20] -= 0.005; points.follow({...transform, theta}); }
        const moved = Array.from(points.places);
        return [moved, Array.from(points.follow({...transform, theta}, true))];
    """, **told(family, theta_of(family)))  # fmt: skip
    assert np.allclose(*got, atol=1e-12)
    assert not np.allclose(got[0], sampling_grid(family, torch.tensor([theta_of(family)]).double(), *SIZE)[0].ravel())


BAD = {
    "attention": [(0.0, 0, 0), (1e-4, 0, 0), (101.0, 0, 0)],
    "affine": [(1.0, 2, 0, 2, 4, 0), (1, 0, 1000, 0, 1, 0)],
    "projective": [(1.0, 0, 0, 0, 1, 0, 0.6, 0.6), (1, 1, 0, 1, 1, 0, 0, 0)],
    "tps": [(0.0,) * 32, tuple(float(i // 2) for i in range(32)), (*FAMILIES["tps"].identity[:30], -1.0, -1.0)],
}


@pytest.mark.parametrize("name", FAMILIES)
def test_what_python_refuses_the_browser_refuses_in_the_same_words(modules, name):
    family = FAMILIES[name]
    for theta in (*BAD[name], *(tuple(t) for t in presets(family).values()), theta_of(family, 2)):
        try:
            want = check(family, theta) and ""
        except TransformError as error:
            want = str(error)
        assert modules("return m.fault(a.family, a.theta)", **told(family, theta)) == want
    assert "finite" in modules("return m.fault(a.family, a.theta.map(() => NaN))", **told(family, family.identity))


def test_four_corners_make_the_homography_of_python(modules):
    corners = np.array([(-0.9, -1.1), (0.8, -0.7), (1.2, 1), (-0.6, 0.5)])
    family = FAMILIES["projective"]
    got = modules("return m.homography(a.corners)", corners=corners.tolist(), **told(family, family.identity))
    assert got == pytest.approx(from_corners(family, corners))


DRAG = """
    const handle = m.HANDLES[a.family].find(({id}) => id === a.handle), more = {shift: a.shift, aspect: a.aspect};
    const from = m.handlePlace(transform, handle, more), to = [from[0] + a.by[0], from[1] + a.by[1]];
    const theta = m.dragged(transform, handle, from, to, more);
    const five = (t) => [[-1, -1], [1, -1], [1, 1], [-1, 1], [0, 0]].map(([x, y]) => m.placeOfPoint(t, x, y));
    const after = {...transform, theta};
    return {theta, from, to, now: m.handlePlace(after, handle, more), places: five(after), before: five(transform)};
"""


def dragging(modules, name, handle, by, shift=False, aspect=0.7, theta=None) -> dict:
    family = FAMILIES[name]
    return modules(DRAG, handle=handle, by=by, shift=shift, aspect=aspect, **told(family, theta or theta_of(family)))


FREE = [("affine", "corner top left"), ("affine", "corner bottom right"), ("affine", "edge right"),
        ("affine", "edge top"), ("affine", "centre"), ("projective", "corner top right"), ("projective", "centre"),
        ("attention", "centre"), ("tps", "point 6")]  # fmt: skip


@pytest.mark.parametrize(("name", "handle"), FREE)
def test_a_handle_follows_the_hand(modules, name, handle):
    got = dragging(modules, name, handle, (0.11, -0.07))
    assert got["now"] == pytest.approx(got["to"], abs=1e-9)
    assert got["theta"] != pytest.approx(theta_of(FAMILIES[name]))


def test_what_stays_when_a_handle_moves(modules):
    corner = dragging(modules, "affine", "corner top left", (0.1, 0.05))
    assert corner["places"][2] == pytest.approx(corner["before"][2]), "the opposite corner"
    edge = dragging(modules, "affine", "edge right", (0.1, 0.05))
    assert np.allclose([edge["places"][i] for i in (0, 3)], [edge["before"][i] for i in (0, 3)]), "the opposite side"
    free = dragging(modules, "projective", "corner top right", (0.1, 0.05))
    assert np.allclose([free["places"][i] for i in (0, 2, 3)], [free["before"][i] for i in (0, 2, 3)]), "all others"
    crop = dragging(modules, "attention", "corner bottom left", (0.1, 0.05))
    assert crop["places"][4] == pytest.approx(crop["before"][4]), "the centre of a crop"
    assert crop["theta"][0] != crop["before"][2][0]


def test_shift_constrains(modules):
    centre = dragging(modules, "affine", "centre", (0.3, 0.05), shift=True)
    assert np.subtract(centre["now"], centre["from"]) == pytest.approx((0.3, 0))
    corner = dragging(modules, "affine", "corner bottom right", (0.3, 0.1), shift=True)
    before, after = np.array(corner["before"]), np.array(corner["places"])
    sides = [np.linalg.norm(c[1] - c[0]) / np.linalg.norm(c[3] - c[0]) for c in (before, after)]
    assert sides[0] == pytest.approx(sides[1]), "the proportion is kept"
    turned = dragging(modules, "affine", "rotation", (0.25, 0.1), shift=True, theta=(0.8, 0, 0.1, 0, 0.8, 0))
    angle = np.degrees(np.arctan2(turned["theta"][3] * 0.7, turned["theta"][0]))
    assert angle % 15 == pytest.approx(0, abs=1e-6) or angle % 15 == pytest.approx(15, abs=1e-6)
    assert abs(angle) > 1


def test_a_turn_is_rigid_in_pixels(modules):
    aspect = 0.7
    got = dragging(modules, "affine", "rotation", (0.3, 0.2), theta=(0.8, 0.1, 0.1, 0, 0.8, 0), aspect=aspect)
    lengths = [np.linalg.norm((np.array(got[k])[1:4] - np.array(got[k])[0]) * (1, aspect), axis=1)
               for k in ("before", "places")]  # fmt: skip
    assert lengths[0] == pytest.approx(lengths[1])
    assert got["theta"][2] == 0.1


def test_history_goes_back_and_forth(modules):
    got = modules("""
        const h = new m.History([0], 4), seen = [];
        for (const k of [1, 2, 2, 3]) h.push([k]);
        seen.push(h.go(-1)[0], h.go(-1)[0], h.go(1)[0]);
        h.push([9]);
        seen.push(h.canRedo, h.go(-1)[0], h.go(-1)[0], h.go(-9)[0], h.canUndo, h.go(9)[0]);
        for (let k = 20; k < 40; k++) h.push([k]);
        return [...seen, h.states.length];
    """, **told(FAMILIES["affine"], theta_of(FAMILIES["affine"])))  # fmt: skip
    assert got == [2, 1, 2, False, 2, 1, 0, False, 9, 4]


def test_numbers_are_read_and_written_as_people_do(modules):
    got = modules("""return {texts: [0, -0.0001, 1.23456, -2].map((v) => m.shortNumber(v)),
        typed: ["1.5", " 2,5 ", "\\u22123", "1e-2"].map(m.typedNumber),
        none: ["", "  ", "one", "1.2.3", "NaN"].map((t) => Number.isNaN(m.typedNumber(t)))};""",
                  **told(FAMILIES["affine"], FAMILIES["affine"].identity))  # fmt: skip
    assert got["texts"] == ["0.000", "0.000", "1.235", "-2.000"]
    assert got["typed"] == [1.5, 2.5, -3, 0.01]
    assert all(got["none"])


def test_joined_names_do_not_collide_and_imports_come_first():
    declared = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", re.M)
    texts = {name.split("/")[-1]: (ASSETS / "drag" / f"{name}.js").read_text() for name in MODULES}
    names = [found for text in texts.values() for found in declared.findall(text)]
    assert len(names) == len(set(names))
    order = list(texts)
    for i, name in enumerate(order):
        used = re.findall(r'^import .* from "\.{1,2}/(?:\w+/)?(\w+)\.js";$', texts[name], re.M)
        assert set(used) <= set(order[:i]), name
