"""Pictures, animation and table of a Trace, against the colours and positions that were put in."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from engine import exports, palette, render
from engine.trace import VOID, Layer, Step, Table, Trace
from tests.trees import cover_of, made_layer

H, W = 24, 36
RGB = np.full((H, W, 3), (100, 110, 120), np.uint8)


def of(*layers: Layer, classes=("a", "b", "c")) -> Trace:
    return Trace(RGB, {}, (Step("One", "First."), Step("Two", "Second.", layers)), classes, palette.voc(len(classes)))


def test_a_step_without_layers_is_the_picture():
    assert np.array_equal(render.render(of(), 0), RGB)


@pytest.mark.parametrize(("name", "colours"), [("safe", palette.safe(3)), ("voc", palette.voc(3))])
def test_labels_take_the_colours_of_the_palette(name, colours):
    labels = np.array([[0, 1], [2, VOID]], np.uint8)
    out = render.render(of(Layer("labels", "l", labels)), 1, palette=name, opacity=0.25)
    for row, column in ((0, 0), (0, 1), (1, 0)):
        mixed = 0.75 * RGB[0, 0] + 0.25 * colours[labels[row, column]].astype(float)
        block = out[row * 12 : row * 12 + 12, column * 18 : column * 18 + 18]
        assert np.abs(block - mixed).max() <= 0.5
    assert np.array_equal(out[12:, 18:], RGB[12:, 18:])  # void is clear
    assert np.array_equal(render.render(of(Layer("labels", "l", labels)), 1, opacity=0), RGB)


def test_logits_are_enlarged_before_the_highest_is_taken(model, rgb):
    trace = model.trace(rgb)
    labels = model.predict(rgb)["8s"]
    out = render.render(trace, -1, palette="voc", opacity=1.0)
    assert np.array_equal(out, trace.colours[labels])


def test_only_one_layer_covers_the_picture():
    labels = Layer("labels", "l", np.zeros((2, 2), np.uint8))
    heat = Layer("heat", "h", np.ones((2, 2)), range=(0, 1))
    both = render.render(of(heat, labels), 1)
    assert np.array_equal(both, render.render(of(labels), 1))
    assert not np.array_equal(both, render.render(of(heat), 1))
    cells = Layer("cells", "c", np.array([2, 3]))
    assert np.array_equal(render.render(of(labels, cells), 1), both)
    shown = Layer("cells", "c", np.array([2, 3]), attributes={"on": 1})
    lines = (render.render(of(shown), 1) != RGB).any(2)
    assert lines[:, 12].all()
    assert lines[12].all()
    assert not lines[2:10, 3:10].any()
    quiet = Layer("cells", "c", np.array([2, 3]), attributes={"on": 1, "grid": 0})
    assert np.array_equal(render.render(of(quiet), 1), RGB)


def test_a_tree_shows_its_cover_and_its_borders():
    layer, colours = made_layer(30, (H, W), classes=3, seed=1), palette.voc(3).astype(int)
    out = render.render(of(layer), 1, palette="voc", opacity=1)
    node = np.array(cover_of(layer.nodes))[layer.data]
    label = layer.nodes[:, 4:].argmax(1)[node]
    for y in range(H):
        for x in range(W):
            others = [(v, u) for v, u in ((y, x + 1), (y + 1, x)) if v < H and u < W and node[v, u] != node[y, x]]
            wanted = colours[label[y, x]]
            if others:
                wanted = wanted // 2 + 128
            if any(label[place] != label[y, x] for place in others):
                wanted = [255, 255, 255]
            assert np.array_equal(out[y, x], wanted), (y, x)
    assert len(np.unique(node)) > 5
    labels = Layer("labels", "l", np.zeros((2, 2), np.uint8))
    assert np.array_equal(render.render(of(labels, layer), 1, palette="voc", opacity=1), out)  # the tree comes first
    half = render.render(of(layer), 1, palette="voc", opacity=0.5)
    assert np.abs(half - (RGB + out.astype(float)) / 2).max() <= 0.5


def test_what_is_background_in_a_tree_is_clear():
    layer = made_layer(30, (H, W), classes=3, seed=1, box=(0, 0, 18, H))
    out = render.render(of(layer, classes=("a", "background", "c")), 1, opacity=1)
    label = layer.nodes[:, 4:].argmax(1)[np.array(cover_of(layer.nodes))[layer.data]]
    assert (out[:, 18:] == RGB[:, 18:]).all()
    clear = label[:, 1::2] == 1  # a pixel takes the cell that its centre lies in
    same, alone = (out[:, :18] == RGB[:, :18]).all(2), clear.copy()
    alone[:, :-1] &= clear[:, 1:]
    alone[:-1] &= clear[1:]
    assert np.array_equal(same, alone)  # clear but for the borders to what is shown
    assert alone.sum() > 20


def test_signed_heat_is_clear_at_zero_and_has_two_colours():
    heat = Layer("heat", "h", np.array([[-2.0, 0.0, 1.0, np.nan]]), range=(-2.0, 1.0))
    values, alpha = render.scale(heat.data[0], -2.0, 1.0)
    assert alpha[0] == 1
    assert alpha[1] == alpha[3] == 0
    assert 0 < alpha[2] < 1
    assert values[0][2] > values[0][0]  # blue below zero
    assert values[2][0] > values[2][2]  # orange above
    out = render.render(of(Layer("heat", "h", np.zeros((2, 2)), range=(-1, 1))), 1)
    assert np.array_equal(out, RGB)


def test_sequential_heat_is_viridis():
    colours, alpha = render.scale(np.array([1.0, 4.5, 8.0, 99.0]), 1.0, 8.0)
    assert (alpha == 1).all()
    assert colours[0].tolist() == [68, 1, 84]
    assert colours[1].tolist() == [33, 144, 141]
    assert colours[2].tolist() == colours[3].tolist() == [253, 231, 37]
    flat, _ = render.scale(np.array([3.0]), 3.0, 3.0)
    assert np.isfinite(flat).all()


def test_heat_for_each_class_shows_the_strongest():
    maps = np.zeros((3, 2, 2))
    maps[1] = [[0, -5], [0, 0]]
    one = Layer("heat", "h", maps[1], range=(-5, 5))
    assert np.array_equal(render.render(of(Layer("heat", "h", maps, range=(-5, 5))), 1), render.render(of(one), 1))


def test_a_box_bounds_its_map():
    mask = Layer("mask", "m", np.ones((1, 1), bool), box=(6, 3, 18, 9))
    changed = (render.render(of(mask), 1) != RGB).any(2)
    wanted = np.zeros((H, W), bool)
    wanted[3:9, 6:18] = True
    assert np.array_equal(changed, wanted)
    picture = Layer("image", "i", np.full((2, 2, 3), 250, np.uint8), box=(6, 3, 18, 9))
    out = render.render(of(picture), 1, opacity=0.1)
    assert (out[wanted] == 250).all()
    assert (out[~wanted] == RGB[~wanted]).all()


@pytest.mark.parametrize(("layer", "on", "off"), [
    (Layer("boxes", "b", np.array([[4.0, 4, 30, 20]])), (4, 12), (12, 18)),
    (Layer("lines", "l", np.array([[2.0, 12], [30, 12], [np.nan, np.nan], [5, 2], [9, 2]])), (12, 15), (7, 18)),
    (Layer("points", "p", np.array([[18.0, 12], [np.nan, 3]])), (12, 18), (3, 3)),
])  # fmt: skip
def test_lines_and_points_are_where_they_belong(layer, on, off):
    out = render.render(of(layer), 1)
    assert (out[on] != RGB[on]).any()
    assert np.array_equal(out[off], RGB[off])


@pytest.mark.parametrize("kind", ["boxes", "points", "lines"])
def test_nothing_to_draw_is_no_error(kind):
    width = 4 if kind == "boxes" else 2
    assert np.array_equal(render.render(of(Layer(kind, "none", np.zeros((0, width)))), 1), RGB)


def test_files_hold_the_same_pictures():
    trace = of(Layer("labels", "l", np.array([[0, 1]], np.uint8)))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(render.png(trace, 1)))), render.render(trace, 1))
    film = Image.open(io.BytesIO(render.gif(trace, seconds=0.5)))
    assert (film.format, film.n_frames, film.size) == ("GIF", 2, (W, H))
    assert film.info["duration"] == 500
    for i in range(2):
        film.seek(i)
        assert np.abs(np.asarray(film.convert("RGB")).astype(int) - render.render(trace, i)).max() <= 8


@pytest.mark.parametrize("make", [render.gif, exports.webp])
@pytest.mark.parametrize("colour", [0, 127, 200])
def test_an_animation_has_a_frame_for_each_step_even_where_two_look_alike(make, colour):
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    other = np.full((48, 64, 3), colour, np.uint8)
    steps = tuple(
        Step(str(i), "", (Layer("image", "i", image),)) for i, image in enumerate((noise, noise, other, other))
    )
    film = Image.open(io.BytesIO(make(Trace(noise, {}, steps + steps[-1:]), seconds=0.2)))
    assert film.n_frames == 5


def test_csv_holds_every_sentence_and_cell():
    table = Table(("class", "share, %"), (('a "quoted"', 12.5), ("b", 1)))
    trace = Trace(RGB, {}, (Step("One", "Commas, here."), Step("Two", "Ünï.", table=table)))
    rows = list(csv.DictReader(io.StringIO(render.csv_text(trace))))
    assert [r["value"] for r in rows if r["column"] == "sentence"] == ["Commas, here.", "Ünï."]
    cells = [(r["step"], r["row"], r["column"], r["value"]) for r in rows if r["row"]]
    assert cells == [("1", "0", "class", 'a "quoted"'), ("1", "0", "share, %", "12.5"), ("1", "1", "class", "b"),
                     ("1", "1", "share, %", "1")]  # fmt: skip


def test_csv_holds_the_regions_of_a_cover():
    layer = made_layer(12, (H, W), classes=3)
    trace = Trace(RGB, {}, (Step("One", "S.", (layer,), Table(("a",), ((1,), (2,)))),), ("x", "y", "z"), palette.voc(3))
    rows = [r for r in csv.DictReader(io.StringIO(render.csv_text(trace))) if r["column"].startswith("tree: ")]
    nodes, pixels = np.unique(np.array(cover_of(layer.nodes))[layer.data], return_counts=True)
    got = [tuple(r["value"] for r in rows[i : i + 3]) for i in range(0, len(rows), 3)]
    assert [r["column"] for r in rows[:3]] == ["tree: class", "tree: pixels", "tree: cost"]
    assert [int(r["row"]) for r in rows[::3]] == list(range(2, 2 + len(nodes)))  # the table's two rows come first
    assert [int(g[1]) for g in got] == sorted(pixels, reverse=True)
    named = {("xyz"[layer.nodes[i, 4:].argmax()], str(count)) for i, count in zip(nodes, pixels, strict=True)}
    assert {g[:2] for g in got} == named
    assert sorted(float(g[2]) for g in got) == pytest.approx(sorted(layer.nodes[nodes, 2]), abs=1e-4)


def test_what_is_not_there_is_refused():
    with pytest.raises(IndexError):
        render.render(of(), 2)
    with pytest.raises(ValueError, match="no palette called 'loud'"):
        render.render(of(), 1, palette="loud")


def test_a_scale_from_zero_is_clear_where_there_is_nothing():
    _, alpha = render.scale(np.array([0.0, 2.0, 8.0]), 0.0, 8.0)
    assert alpha.tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("columns", [None, 1, 3, 50])
def test_a_sheet_holds_each_step_below_its_title(columns):
    heat = Layer("heat", "h", np.array([[0.0, 1.0]]), range=(0, 1))
    steps = tuple(Step("a title that is too long for its picture" if i == 3 else str(i), "", (heat,) if i % 2 else ())
                  for i in range(5))  # fmt: skip
    trace = Trace(RGB, {}, steps)
    file = Image.open(io.BytesIO(render.sheet(trace, columns)))
    assert file.format == "PNG"
    page = np.asarray(file).astype(int)
    n = min(columns or 3, 5)  # 3 : 2 pictures with their titles, 3 x 2 of them, come closest to 16 : 9
    height = 2 * 22 + 320 * H // W  # titles, picture
    assert page.shape == (-(-5 // n) * height + 16, n * 336 + 16, 3)
    assert (page[:, :16] == 255).all()
    for i in range(5):
        tile = page[i // n * height :, 16 + i % n * 336 :][:height, :336]
        assert (tile[:44] < 128).any(), "the title"
        assert (tile[:, 320:] == 255).all(), "the gap, also beside a long title"
        wanted = Image.fromarray(render.render(trace, i)).resize((320, height - 44), Image.Resampling.LANCZOS)
        assert np.array_equal(tile[44:, :320], np.asarray(wanted))


@pytest.mark.parametrize("size", [(1, 1), (1, 640), (640, 1)])
def test_a_sheet_of_odd_pictures(size):
    trace = Trace(np.zeros((*size, 3), np.uint8), {}, (Step("", ""), Step("ünï “x”", "")))
    assert Image.open(io.BytesIO(render.sheet(trace))).width > 160
