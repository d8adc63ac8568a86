"""A tree of regions in Chromium: its cuts and cover against the definition, and looking at it, all in the browser."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from engine import palette, render
from tests.browser.apps.traces import CLASSES, trace
from tests.browser.conftest import sent
from tests.browser.looking import V, canvas, near, on_screen, pixel, press, ready, settle, state
from tests.browser.modules import load
from tests.trees import cover_of, cut_of, made_layer, way

SAFE = palette.safe(len(CLASSES)).astype(int)
CARD = f"{V}.panel.treeCard"
LAYER = trace("tree").steps[2].layers[0]
PARENT = LAYER.nodes[:, 0].astype(int)
N = 60


@pytest.fixture
def modules(page):
    return load(page)


@pytest.fixture
def tree(show):
    """The page with the tree shown opaque, cut into 20 regions."""
    page = show("tree")
    state(page, opacity=1, regions=20, step=2)
    return page


def painted(page, uid="2.0") -> np.ndarray:
    """(427, 640, 4): the layer's own bitmap, before it is placed and blended."""
    text = page.evaluate(f"""async () => {{
        const reader = new FileReader(), file = await {V}.film.canvases.get("{uid}").canvas.convertToBlob();
        return new Promise((done) => {{ reader.onload = () => done(reader.result); reader.readAsDataURL(file); }});
    }}""")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text.split(",")[1]))).convert("RGBA")).astype(int)


def regions(nodes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Of a node for each leaf: the colour of each pixel's class, and whether the pixel is border."""
    node = np.array(nodes)[LAYER.data]
    border = np.zeros(node.shape, bool)
    border[:, :-1] |= node[:, 1:] != node[:, :-1]
    border[:-1] |= node[1:] != node[:-1]
    return SAFE[LAYER.nodes[:, 4:].argmax(1)[node]], border


def assert_shows(page, nodes: list[int]) -> None:
    got, (colours, border) = painted(page), regions(nodes)
    assert (got[..., 3] == 255).all()
    assert np.array_equal(got[~border, :3], colours[~border])
    assert (got[border, :3] != colours[border]).any(-1).mean() > 0.99  # white has no half white, which is white too


def values(layer) -> dict:
    return {"leaves": layer.data.ravel().tolist(), "nodes": layer.nodes.ravel().tolist(), "shape": layer.nodes.shape}


TREES = [(1, 3), (2, 1), (7, 4), (60, 8), (400, 21)]


@pytest.mark.parametrize(("n", "classes"), TREES)
def test_cuts_cover_and_sizes_follow_the_definition(modules, n, classes):
    layer = made_layer(n, (13, 29), classes, seed=n)
    cuts = sorted({1, 2, n // 3, n - 1, n} & set(range(1, n + 1)))
    got = modules("tree", """
        const leaves = Uint16Array.from(a.leaves), data = Float32Array.from(a.nodes);
        const t = new m.Tree({data, shape: a.shape}, leaves, 29);
        return {cuts: a.cuts.map((r) => Array.from(t.cut(r))), cover: Array.from(t.cover()), top: Array.from(t.top),
                pixels: Array.from(t.pixels), holds: Array.from(t.parent, (_, i) => t.holds(i, 0)),
                leaves: t.leaves[t.root], first: Array.from(t.first.subarray(0, t.n)).sort((p, q) => p - q)};
    """, cuts=cuts, **values(layer))  # fmt: skip
    assert got["cuts"] == [cut_of(layer.nodes, r) for r in cuts]
    assert [len(set(cut)) for cut in got["cuts"]] == cuts
    assert got["cover"] == cover_of(layer.nodes)
    assert got["top"] == layer.nodes[:, 4:].argmax(1).tolist()
    above = way(layer.nodes[:, 0].astype(int), 0)
    assert got["holds"] == [i in above for i in range(2 * n - 1)]
    below = [sum(i in way(layer.nodes[:, 0].astype(int), leaf) for leaf in layer.data.ravel()) for i in above]
    assert [got["pixels"][i] for i in above] == below
    assert (got["leaves"], got["first"]) == (n, list(range(n)))


def test_the_dendrogram_has_room_for_all_and_a_cut_is_a_line(modules):
    layer = made_layer(50, (13, 29))
    got = modules("tree dendrogram", """
        const t = new m.Tree({data: Float32Array.from(a.nodes), shape: a.shape}, Uint16Array.from(a.leaves), 29);
        const {x, y, from, to} = m.layoutOf(t), all = Array.from({length: 50}, (_, i) => i + 1);
        return {x: Array.from(x), y: Array.from(y), from: Array.from(from), to: Array.from(to),
                lines: all.map((r) => m.lineAt(r, 50)), back: all.map((r) => m.regionsOfLine(m.lineAt(r, 50), 50)),
                ends: [m.regionsOfLine(-1, 50), m.regionsOfLine(2, 50)],
                slider: all.map((r) => m.regionsAt(m.placeOfRegions(r, 50), 50))};
    """, **values(layer))  # fmt: skip
    x, y, start, end = (np.array(got[name]) for name in ("x", "y", "from", "to"))
    assert got["back"] == got["slider"] == list(range(1, 51))
    assert got["ends"] == [1, 50]
    for r, line in enumerate(got["lines"], 1):
        assert np.array_equal(y > line, np.arange(99) < 100 - r)  # below the line is what has merged
    parent = layer.nodes[:, 0].astype(int)
    assert (start[:-1] >= start[parent[:-1]] - 1e-12).all()
    assert (end[:-1] <= end[parent[:-1]] + 1e-12).all()
    order = np.argsort(start[:50])
    assert (start[:50][order][1:] >= end[:50][order][:-1] - 1e-12).all()
    assert ((start < x) & (x < end)).all()
    assert (np.diff(np.sort(x[:50])) > 1e-3).all()  # at 400 pixels more than a third of one


def test_dragging_the_slider_cuts_anew_and_sends_nothing(tree):
    page, before = tree, sent(tree)
    slider = page.get_by_role("slider", name="regions")
    box = slider.bounding_box()
    seen = []
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in (0.45, 0.6, 0.8, 0.95):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
        settle(page)
        r = page.evaluate(f"{CARD}.count")
        seen.append(r)
        assert_shows(page, cut_of(LAYER.nodes, r))
        assert page.locator("[data-ref=regionsText]").inner_text() == f"{r} regions"
    page.mouse.up()
    assert sorted(set(seen)) == seen
    assert seen[0] < 12 < 40 < seen[-1]
    page.wait_for_timeout(300)
    assert sent(page) == before


def test_what_is_seen_on_the_canvas_is_the_cut(tree):
    colours, border = regions(cut_of(LAYER.nodes, 20))
    inside = ~(border | np.roll(border, 1, 0) | np.roll(border, 1, 1) | np.roll(border, -1, 0) | np.roll(border, -1, 1))
    places = np.argwhere(inside)[:: len(np.argwhere(inside)) // 40]
    assert all(near(pixel(tree, x, y), colours[y, x]) for y, x in places.tolist() if 4 < x < 635 and 4 < y < 422)


def test_the_cover_is_the_same_as_in_the_exported_picture(tree):
    state(tree, tree="cover")
    assert_shows(tree, cover_of(LAYER.nodes))
    shown = painted(tree)
    assert np.array_equal(shown[..., :3], render.render(trace("tree"), 2, opacity=1))
    assert tree.get_by_role("slider", name="regions").is_disabled()
    count = len(set(cover_of(LAYER.nodes)))
    assert tree.locator("[data-ref=regionsText]").inner_text() == f"{count} regions"


def test_the_legend_counts_what_is_shown(tree):
    label = LAYER.nodes[:, 4:].argmax(1)[np.array(cut_of(LAYER.nodes, 20))[LAYER.data]]
    got = tree.evaluate(f"{V}.panel.legend.shares({V}.film.trace.steps[2])")
    assert dict(map(tuple, got)) == pytest.approx(
        {k: n / label.size for k, n in enumerate(np.bincount(label.ravel())) if n}
    )


def test_modes_and_hidden_classes(tree):
    colours, border = regions(cut_of(LAYER.nodes, 20))
    sky = (colours == SAFE[0]).all(-1)
    state(tree, hidden=["sky"])
    got = painted(tree)
    clear = got[..., 3] == 0
    assert np.array_equal(clear & ~border, sky & ~border)
    assert np.array_equal(got[~border & ~sky, :3], colours[~border & ~sky])
    state(tree, mode="outline", hidden=[])
    got = painted(tree)
    drawn = got[..., 3] > 0
    assert drawn[border].all()
    assert drawn.mean() < 3 * border.mean()
    assert np.array_equal(got[drawn, :3], colours[drawn])
    state(tree, mode="greyed", hidden=[name for name in CLASSES if name != "sky"])
    got = painted(tree)
    assert (got[sky & ~border, 3] == 0).all()
    rest = got[~sky & ~border]
    assert (rest[:, 3] == 255).all()
    assert (rest[:, :3].max(1) == rest[:, :3].min(1)).all()


def test_keys_step_the_cut_and_walk_the_tree(tree):
    before = sent(tree)
    press(tree, "]", "]", "[")
    assert tree.evaluate(f"{CARD}.count") == 21
    tree.get_by_role("slider", name="regions").focus()
    tree.keyboard.press("ArrowRight")
    tree.keyboard.press("]")
    settle(tree)
    assert tree.evaluate(f"{CARD}.count") == 23
    state(tree, node=5)
    press(tree, "p")
    assert tree.evaluate(f"{CARD}.selected") == PARENT[5]
    tree.locator("[data-ref=dendrogram]").focus()
    tree.keyboard.press("ArrowUp")
    grand = PARENT[PARENT[5]]
    assert tree.evaluate(f"{CARD}.selected") == grand
    tree.keyboard.press("ArrowDown")
    assert PARENT[tree.evaluate(f"{CARD}.selected")] == grand
    seen = set()
    for key in ("ArrowLeft", "ArrowRight"):
        tree.keyboard.press(key)
        seen.add(tree.evaluate(f"{CARD}.selected"))
    assert seen == set(np.flatnonzero(np.equal(PARENT, grand)))
    tree.keyboard.press("Escape")
    assert tree.evaluate(f"{V}.state.node") == -1
    assert tree.locator(".viewer").get_attribute("data-step") == "2"
    assert sent(tree) == before


def test_a_click_on_the_picture_selects_and_outlines(tree):
    plain, before = canvas(tree), sent(tree)
    x, y = 320, 200
    tree.mouse.click(*on_screen(tree, x, y))
    tree.mouse.move(5, 5)
    settle(tree)
    node = cut_of(LAYER.nodes, 20)[LAYER.data[y, x]]
    assert tree.evaluate(f"{V}.state.node") == node
    region = np.array([node in way(PARENT, leaf) for leaf in range(N)])[LAYER.data]
    changed = np.abs(canvas(tree) - plain).max(-1) > 30
    place = tree.evaluate(f"{V}.stage.place")
    rows, columns = np.nonzero(changed)
    at_x = ((columns + 0.5 - place["left"]) / place["scale"]).astype(int).clip(2, 637)
    at_y = ((rows + 0.5 - place["top"]) / place["scale"]).astype(int).clip(2, 424)
    square = [region[at_y + dy, at_x + dx] for dy in range(-2, 3) for dx in range(-2, 3)]
    mixed = np.any(square, 0) & ~np.all(square, 0)
    assert len(rows) > 300
    assert (mixed | np.isin(at_x, (2, 637)) | np.isin(at_y, (2, 424))).all()  # along the border and nowhere else
    words = tree.locator("[data-ref=nodeCard]").inner_text()
    name = CLASSES[LAYER.nodes[node, 4:].argmax()]
    assert f"{name}, node {node}" in words
    share = 100 * region.mean()
    assert f"size {share:.1f} %" in words or f"size {share:.0f} %" in words
    assert f"cost {LAYER.nodes[node, 2]:.2f} nat" in words
    assert ("The cover chooses" in words) == (node in cover_of(LAYER.nodes))
    tree.keyboard.press("Escape")
    settle(tree)
    assert np.abs(canvas(tree) - plain).max() <= 2
    assert tree.locator("[data-ref=nodeCard]").is_hidden()
    assert sent(tree) == before


def test_buttons_lead_to_parent_children_and_best(tree):
    node = int(next(i for i in range(N, 2 * N - 2) if LAYER.nodes[i, 3] != i))
    state(tree, node=node)
    tree.wait_for_selector(f"text=node {node}")
    tree.get_by_role("button", name="larger part").focus()
    tree.keyboard.press("Enter")
    first = tree.evaluate(f"{V}.state.node")
    tree.get_by_role("button", name="parent").click()
    tree.wait_for_selector(f"text=node {node}")
    tree.get_by_role("button", name="smaller part").click()
    assert {first, tree.evaluate(f"{V}.state.node")} == set(np.flatnonzero(np.equal(PARENT, node)))
    state(tree, node=node)
    tree.get_by_role("button", name="Less on its way").click()
    assert tree.evaluate(f"{V}.state.node") == LAYER.nodes[node, 3]


def dot(page, node: int) -> list[float]:
    """Where a node of the dendrogram is marked, on the screen."""
    return page.evaluate(f"""(i) => {{
        const {{drawn, refs}} = {CARD}, [X, Y] = drawn.mark(i), b = refs.dendrogram.getBoundingClientRect();
        return [b.left + X / drawn.ratio, b.top + Y / drawn.ratio];
    }}""", node)  # fmt: skip


def dendrogram(page) -> np.ndarray:
    values, w = page.evaluate(f"""() => {{
        const c = {CARD}.refs.dendrogram;
        return [Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data), c.width];
    }}""")
    return np.array(values).reshape(-1, w, 4)


def test_a_click_on_the_dendrogram_selects(tree):
    for node in sorted(set(cut_of(LAYER.nodes, 20)))[-3:]:
        plain = dendrogram(tree)
        tree.mouse.click(*dot(tree, node))
        settle(tree)
        assert tree.evaluate(f"{V}.state.node") == node
        assert (np.abs(dendrogram(tree) - plain).max(-1) > 20).sum() > 50
        state(tree, node=-1)
    root = tree.evaluate(f"""() => {{
        const {{drawn, refs}} = {CARD}, b = refs.dendrogram.getBoundingClientRect();
        return [b.left + drawn.X(118) / drawn.ratio, b.top + drawn.Y(118) / drawn.ratio];
    }}""")
    tree.mouse.click(*root)
    assert tree.evaluate(f"{V}.state.node") == 2 * N - 2


def test_the_line_of_the_cut_can_be_dragged(tree):
    before = sent(tree)
    box = tree.locator("[data-ref=dendrogram]").bounding_box()
    _, y = dot(tree, cut_of(LAYER.nodes, 20)[0])
    tree.mouse.move(box["x"] + box["width"] - 6, y)
    tree.mouse.down()
    tree.mouse.move(box["x"] + box["width"] - 6, y - 40, steps=4)
    settle(tree)
    fewer = tree.evaluate(f"{CARD}.count")
    assert 1 < fewer < 15
    assert_shows(tree, cut_of(LAYER.nodes, fewer))
    tree.mouse.move(box["x"] + 20, box["y"] + box["height"] + 60, steps=4)
    tree.mouse.up()
    settle(tree)
    assert tree.evaluate(f"{CARD}.count") == N
    assert tree.evaluate(f"{V}.state.node") == -1
    assert sent(tree) == before


def test_the_reading_names_the_region(tree):
    tree.mouse.move(*on_screen(tree, 320, 200))
    settle(tree)
    node = cut_of(LAYER.nodes, 20)[LAYER.data[200, 320]]
    words = tree.locator(".tip").inner_text()
    shares = LAYER.nodes[node, 4:]
    assert CLASSES[shares.argmax()] in words
    assert f"{shares.max():.2f}"[1:] in words
    assert "of the picture" in words
    assert f"{LAYER.nodes[node, 2]:.2f} nat" in words


def test_an_address_restores_all_of_it(show):
    page = show("tree", "&view=step:2,regions:7,node:33,opacity:1")
    assert_shows(page, cut_of(LAYER.nodes, 7))
    assert "node 33" in page.locator("[data-ref=nodeCard]").inner_text()
    text = page.evaluate(f"{V}.stateText()")
    assert {"regions:7", "node:33"} <= set(text.split(","))
    page = show("tree", "&view=step:2,tree:cover,node:9000,opacity:1")
    assert_shows(page, cover_of(LAYER.nodes))
    assert page.locator("[data-ref=nodeCard]").is_hidden()


def ask_again(page):
    old = page.locator(".viewer").get_attribute("data-trace")
    page.get_by_role("button", name="ask again").click()
    page.wait_for_selector(f'.viewer:not([data-trace="{old}"])')
    settle(page)


@pytest.mark.parametrize(("case", "kept"), [("tree", 33), ("tree-other", -1)])
def test_a_selection_belongs_to_its_tree(show, case, kept):
    page = show(case)
    state(page, step=2, node=33)
    ask_again(page)
    assert page.evaluate(f"{V}.state.node") == kept
    assert page.locator("[data-ref=nodeCard]").is_visible() == (kept > 0)


def test_half_a_picture_and_the_wipe(tree):
    state(tree, step=1)
    inside, outside = pixel(tree, 100, 200), pixel(tree, 500, 200)
    node = cut_of(LAYER.nodes, 20)[LAYER.data[200, 200]]  # the map is squeezed into the left half
    assert near(inside, SAFE[LAYER.nodes[node, 4:].argmax()])
    state(tree, step=0)
    assert near(pixel(tree, 500, 200), outside)
    state(tree, step=1)
    tree.mouse.click(*on_screen(tree, 500, 200))
    assert tree.evaluate(f"{V}.state.node") == -1
    tree.mouse.click(*on_screen(tree, 100, 200))
    assert tree.evaluate(f"{V}.state.node") == node
    state(tree, step=0, wipe=True, left="2", at=0.5, node=-1)
    tree.mouse.click(*on_screen(tree, 60, 60))  # on the left of the wipe, where the tree is
    assert tree.evaluate(f"{V}.state.node") == cut_of(LAYER.nodes, 20)[LAYER.data[60, 60]]


def test_a_drag_leaves_no_frame_of_each_level(tree):
    for r in range(1, 60, 3):
        state(tree, regions=r)
    signs = tree.evaluate(f"Array.from({V}.stage.frames.items.keys())")
    assert sum(sign.startswith("2 ") for sign in signs) == 1


def test_a_tree_of_one_leaf(show):
    page = show("tree1")
    state(page, step=2, opacity=1)
    assert page.locator("[data-ref=regionsText]").inner_text() == "1 region"
    page.mouse.click(*on_screen(page, 320, 200))
    settle(page)
    assert "node 0" in page.locator("[data-ref=nodeCard]").inner_text()
    page.locator("[data-ref=dendrogram]").focus()
    for key in ("ArrowUp", "ArrowDown", "ArrowLeft", "p", "[", "]"):
        page.keyboard.press(key)
    assert page.evaluate(f"{V}.state.node") == 0


def test_the_card_is_there_with_a_tree_only(show):
    page = show()
    assert page.locator("[data-ref=treeCard]").is_hidden()
    press(page, "p", "[", "]")
    assert page.evaluate(f"[{V}.state.regions, {V}.state.node]") == [0, -1]
    page = show("tree")
    ready(page)
    assert page.locator("[data-ref=treeCard]").is_visible()
    state(page, step=0)
    assert page.locator("[data-ref=treeCard]").is_hidden()
