"""The viewer's pure JavaScript in Chromium, held against NumPy, torch, scikit-image and the packer in Python."""

import base64
import json
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import special

from engine import palette, render
from engine.trace import Layer, Step, Trace
from pages.kit.modules import ASSETS
from pages.kit.payload import frame, pack
from pages.kit.viewer import MODULES
from tests.browser.modules import load
from tests.trees import made_layer


@pytest.fixture
def modules(page):
    return load(page)


def scores(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, shape).astype(np.float16).astype(np.float32)


def enlarged(data: np.ndarray, height: int, width: int) -> np.ndarray:
    return F.interpolate(torch.from_numpy(data)[None].double(), (height, width), mode="bilinear")[0].numpy()


SIZES = [((4, 15, 20), (427, 640)), ((7, 3, 5), (64, 33)), ((2, 1, 1), (5, 9)), ((5, 40, 30), (40, 30)),
         ((3, 50, 60), (20, 25))]  # fmt: skip


@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_bilinear_and_argmax_equal_torch(modules, shape, size):
    data = scores(shape)
    got = modules("sampling scores", """
        const d = Float32Array.from(a.data), [H, W] = a.size;
        const labels = Array.from(m.labelMap(d, a.shape, H, W, true));
        return {labels, one: Array.from(m.enlarge(d, a.shape, 1, H, W))};
    """, data=data.ravel().tolist(), shape=shape, size=size)  # fmt: skip
    want = enlarged(data, *size)
    assert np.allclose(np.reshape(got["one"], size), want[1], atol=1e-5)
    first, second = np.sort(want, 0)[::-1][:2]
    clear = first - second > 1e-5  # nearer than that, float32 may choose either
    assert clear.mean() > 0.99
    assert np.array_equal(np.reshape(got["labels"], size)[clear], want.argmax(0)[clear])


def test_raw_cells_equal_the_map_itself(modules):
    data, (height, width) = scores((4, 5, 7)), (50, 70)
    got = modules("scores", "return Array.from(m.labelMap(Float32Array.from(a.data), [4, 5, 7], 50, 70, false))",
                  data=data.ravel().tolist())  # fmt: skip
    want = np.kron(data.argmax(0), np.ones((10, 10), int))
    assert np.array_equal(np.reshape(got, (height, width)), want)


def test_probability_entropy_and_margin(modules):
    data, size = scores((6, 9, 12)) * 4, (36, 50)
    got = modules("scores", """
        const d = Float32Array.from(a.data), f = (w) => Array.from(m.scoreMap(d, [6, 9, 12], 36, 50, true, w, 2));
        return {probability: f("probability"), entropy: f("entropy"), margin: f("margin")};
    """, data=data.ravel().tolist())  # fmt: skip
    p = special.softmax(enlarged(data, *size), 0)
    ordered = np.sort(p, 0)
    assert np.allclose(np.reshape(got["probability"], size), p[2], atol=1e-5)
    assert np.allclose(np.reshape(got["entropy"], size), special.entr(p).sum(0), atol=1e-5)
    assert np.allclose(np.reshape(got["margin"], size), ordered[-1] - ordered[-2], atol=1e-5)


def test_scores_that_overflow_stay_probabilities(modules):
    got = modules("scores", """
        const d = Float32Array.from([60000, -60000, 0]), f = (w, k) => m.scoreMap(d, [3, 1, 1], 1, 1, true, w, k)[0];
        return [f("probability", 0), f("probability", 1), f("entropy"), f("margin"), ...m.softmax(d)];
    """)  # fmt: skip
    assert got == [1, 0, 0, 1, 1, 0, 0]


def test_reading_one_place_equals_the_map(modules):
    data, size = scores((3, 6, 8)), (30, 40)
    got = modules("sampling", """
        const d = Float32Array.from(a.data), out = [];
        for (const [y, x] of a.places) out.push(m.valuesAt(d, [3, 6, 8], (x + .5) / 40, (y + .5) / 30, true));
        return out;
    """, data=data.ravel().tolist(), places=[(0, 0), (29, 39), (13, 22), (7, 1)])  # fmt: skip
    want = enlarged(data, *size)
    assert np.allclose(got, [want[:, y, x] for y, x in [(0, 0), (29, 39), (13, 22), (7, 1)]], atol=1e-5)


def test_mean_probability_of_each_class(modules):
    data, size = scores((5, 8, 8)), (24, 24)
    got = modules("scores", """
        const d = Float32Array.from(a.data), labels = m.labelMap(d, [5, 8, 8], 24, 24, true);
        return m.classMeans(d, [5, 8, 8], labels, 24, 24);
    """, data=data.ravel().tolist())  # fmt: skip
    p = special.softmax(enlarged(data, *size), 0)
    assert np.allclose(got, [p[k][p.argmax(0) == k].mean() for k in range(5)], atol=1e-4)


def test_every_half_precision_number(modules):
    got = modules("payload", "return Array.from(m.halfTable(), (v) => Object.is(v, -0) ? 'minus' : String(v))")
    want = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float64)
    assert got[0x8000] == "minus"
    values = np.array([float(v.replace("Infinity", "inf")) if v != "minus" else -0.0 for v in got])
    assert np.array_equal(values, want, equal_nan=True)


def test_the_browser_reads_what_python_packed(modules):
    rng = np.random.default_rng(1)
    heat, mask = rng.normal(0, 1e-7, (3, 4, 5)), rng.random((9, 7)) > 0.5
    layers = (Layer("labels", "s", scores((3, 4, 5))), Layer("heat", "h", heat), Layer("mask", "m", mask),
              Layer("lines", "l", np.array([[1.5, 2], [np.nan, np.nan]])), made_layer(300, (20, 31)))  # fmt: skip
    trace = Trace(rng.integers(0, 255, (9, 7, 3), np.uint8), {}, (Step("é <b>", "s", layers),), ("a", "b", "漢"),
                  palette.voc(3))  # fmt: skip
    data = frame({"key": "k", "id": "x"}) + pack(trace)
    got = modules("payload", """
        const raw = Uint8Array.from(atob(a.text), (c) => c.charCodeAt(0)), odd = new Uint8Array(raw.length + 3);
        odd.set(raw, 3); // Streamlit's bytes begin anywhere in its message
        const bytes = odd.subarray(3), {head, end} = m.readFrame(bytes), t = m.decodeTrace(bytes, end);
        return {head, classes: t.classes, title: t.steps[0].title, box: t.steps[0].layers[0].box,
                data: t.steps[0].layers.map((l) => Array.from(l.data, String)),
                nodes: Array.from(t.steps[0].layers[4].nodes.data)};
    """, text=base64.b64encode(data).decode())  # fmt: skip
    assert got["head"] == {"key": "k", "id": "x"}
    assert (got["classes"], got["title"], got["box"]) == (["a", "b", "漢"], "é <b>", [0, 0, 7, 9])
    read = [np.array([float(v) for v in values]) for values in got["data"]]
    assert np.array_equal(read[0], layers[0].data.ravel())
    assert np.allclose(read[1], heat.ravel(), rtol=1e-3, atol=1e-11)
    assert np.array_equal(read[2], mask.ravel())
    assert np.array_equal(read[3], [1.5, 2, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(read[4], layers[4].data.ravel())
    assert np.array_equal(got["nodes"], layers[4].nodes.ravel())


def test_edges_and_areas(modules):
    labels = np.random.default_rng(2).integers(0, 3, (20, 30)).astype(np.uint8).repeat(2, 0).repeat(3, 1)
    got = modules("outline", """
        const l = Uint8Array.from(a.labels);
        return {edges: Array.from(m.edges(l, 40, 90, 1)), areas: Array.from(m.areas(l)).slice(0, 3)};
    """, labels=labels.ravel().tolist())  # fmt: skip
    wide = np.pad(labels.astype(int), 1, mode="edge")
    near = [wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]]
    assert np.array_equal(np.reshape(got["edges"], labels.shape), np.any([n != labels for n in near], 0))
    assert got["areas"] == np.bincount(labels.ravel(), minlength=3).tolist()


def test_scales(modules):
    got = modules("palette", """
        const signed = m.scale(-1, 4), plain = m.scale(2, 6);
        const table = m.labelTable([[1, 2, 3], [4, 5, 6]], new Set([1]));
        const bytes = (w) => [w & 255, w >> 8 & 255, w >> 16 & 255, w >>> 24];
        return {ends: [signed.low, signed.high, plain.low, plain.high], zero: bytes(signed.table[127])[3],
                less: bytes(signed.table[0]), more: bytes(signed.table[255]), plain: Array.from(plain.table, bytes),
                flat: m.scale(3, 3).high, labels: Array.from(table.slice(0, 3))};
    """)  # fmt: skip
    assert got["ends"] == [-4, 4, 2, 6]  # zero lies in the middle of a signed scale
    assert got["zero"] < 10  # and is clear
    assert got["less"][2] > got["less"][0]  # blue for less, orange for more
    assert got["more"][0] > got["more"][2]
    light = np.array(got["plain"])[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(light) > -1)  # the sequential scale only grows lighter
    assert got["flat"] > 3
    assert got["labels"] == [1 | 2 << 8 | 3 << 16 | 255 << 24, 0, 0]


SPANS = [(-1.0, 4.0), (-3.0, 3.0), (2.0, 6.0), (0.0, 8.0), (0.0, 1e-6), (-5.0, -1.0), (3.0, 3.0)]


@pytest.mark.parametrize(("low", "high"), SPANS)
def test_the_exported_pictures_have_the_same_scales(modules, low, high):
    """Each of the 256 colours of a scale in the browser is what `engine.render` gives its value, to rounding."""
    got = modules("palette", """
        const {table, low, high} = m.scale(...a.span);
        return {low, high, words: Array.from(table, (w) => [w & 255, w >> 8 & 255, w >> 16 & 255, w >>> 24])};
    """, span=[low, high])  # fmt: skip
    values = np.linspace(got["low"], got["high"], 256)
    rgb, alpha = render.scale(values, low, high)
    words = np.array(got["words"])
    assert np.abs(words[:, 3] - 255 * alpha).max() <= 0.51
    seen = alpha > 0
    assert seen.sum() >= 255
    assert np.abs(words[seen, :3] - rgb[seen]).max() <= 0.51


def test_state_as_text_returns_whole(modules):
    state = {"step": 3, "opacity": 0.25, "smooth": False, "mode": "outline", "hidden": ["sky", "a~b,c:d é"],
             "layers": {"x:y": True, "!z": False}, "wipe": True, "at": 0.3, "left": "1.0", "cls": "<b>",
             "tree": "cover", "regions": 1437, "node": 12}  # fmt: skip
    got = modules("state", """
        const full = {...m.defaults(), ...a.state}, text = m.stateText(full);
        const back = {...m.defaults(), ...m.parseState(text)}, json = m.parseState(JSON.stringify(a.state));
        return {text, back, full, json};
    """, state=state)  # fmt: skip
    assert got["back"] == got["full"]
    assert got["json"] == state
    assert "palette" not in got["text"]


BAD = ["", "step", "step:-5", "step:1e9", "step:x", "opacity:7", "opacity:NaN", "mode:evil", "left:../x", "%E0%A4%A",
       "hidden:%E0", "{", '{"step":"3","hidden":[1],"layers":{"a":2},"__proto__":{"x":1}}', '{"layers":[true]}',
       "constructor:1,__proto__:2", "regions:-1", "regions:2.5", "regions:1e9", "node:-2", "node:x", "tree:evil",
       '{"regions":"3","node":null,"tree":["cut"]}']  # fmt: skip


def test_state_from_a_hostile_address_is_dropped(modules):
    got = modules("state", "return a.texts.map((t) => m.parseState(t))", texts=BAD)
    assert all(v in ({}, {"hidden": []}, {"layers": {}}, {"hidden": [], "layers": {}}) for v in got), json.dumps(got)


def test_zoom_keeps_the_point_under_the_cursor(modules):
    got = modules("gestures", """
        let camera = m.wholePicture(640, 427);
        const frame = [640, 427, 900, 500], at = (c) => {
            const p = m.placeOf(c, ...frame);
            return [(700 - p.left) / p.scale, (200 - p.top) / p.scale];
        };
        const before = at(camera);
        camera = m.zoomAbout(camera, 3, 700, 200, 640, 427, 900, 500);
        const after = at(camera), out = m.zoomAbout(camera, 1e-3, 10, 10, 640, 427, 900, 500);
        return {before, after, out, far: m.zoomAbout(camera, 1e9, 700, 200, 640, 427, 900, 500).zoom};
    """)  # fmt: skip
    assert got["after"] == pytest.approx(got["before"])
    assert got["out"] == {"zoom": 1, "x": 320, "y": 213.5}
    assert got["far"] == 32


def test_a_box_is_shown_with_as_much_around_it(modules):
    got = modules("gestures", """
        const on = (box) => m.cameraOn(box, 640, 480, 640, 480);
        return [on([280, 200, 360, 260]), on([0, 0, 640, 480]), on([0, 0, 80, 60]), on([100, 100, 101, 101])];
    """)  # fmt: skip
    assert got[0] == {"zoom": 4, "x": 320, "y": 230}
    assert got[1] == {"zoom": 1, "x": 320, "y": 240}
    assert got[2] == {"zoom": 4, "x": 80, "y": 60}, "the frame stays filled"
    assert got[3]["zoom"] == 12


def test_receptive_field_of_a_cell(modules):
    got = modules("scene", """
        const layer = {box: [0, 0, 640, 320], cells: [10, 20], attributes: {stride: 32, field: 100, centre: 15.5}};
        return m.cellBoxes({layer, row: 2, column: 3});
    """)  # fmt: skip
    assert got == {"square": [96, 64, 128, 96], "seen": [61.5, 29.5, 161.5, 129.5]}


def test_joined_names_do_not_collide():
    """Modules share one scope once joined: a name declared at the top of two of them would break the page."""
    declared = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", re.M)
    names = [name for module in MODULES for name in declared.findall((ASSETS / "viewer" / f"{module}.js").read_text())]
    assert len(names) > 50
    assert len(names) == len(set(names)), sorted(n for n in names if names.count(n) > 1)


def test_every_import_is_joined_before_it_is_used():
    for i, name in enumerate(MODULES):
        used = re.findall(r'^import .* from "\./(\w+)\.js";$', (ASSETS / "viewer" / f"{name}.js").read_text(), re.M)
        assert set(used) <= set(MODULES[:i]) | set(MODULES[i + 1 :])
        assert name not in used
