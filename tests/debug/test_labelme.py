"""labelme's files: there and back without a pixel lost, scaled where they must be, and refused in one sentence."""

import copy
import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.debug.labelme import IGNORE, LabelmeError, read, write
from engine.debug.polygons import IGNORED, Drawing, Polygon, blank, inside, rasterise

CLASSES = ("sky", "Tree top", "water")
SHAPE = (30, 40)
SQUARE = [[4.0, 3.0], [20.0, 3.0], [20.0, 17.0], [4.0, 17.0]]


def shape(label="sky", points=SQUARE, kind="polygon", **more):
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        **more,
    }


def file(*shapes, **more):
    whole = {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imagePath": "../../etc/passwd",
             "imageData": None, "imageHeight": 30, "imageWidth": 40}  # fmt: skip
    return json.dumps(whole | more).encode()


def test_a_file_is_read_in_order():
    got = read(
        file(shape(), shape("tree_TOP", [[10, 0], [40, 0], [40, 30]]), shape("__ignore__", SQUARE[:3])), CLASSES, SHAPE
    )
    assert got.note == ""
    assert [p.label for p in got.drawing.polygons] == [0, 1, 255]
    want = np.full(SHAPE, 255, np.uint8)
    for label, points in ((0, SQUARE), (1, [[10, 0], [40, 0], [40, 30]]), (255, SQUARE[:3])):
        want[inside(np.array(points, float), SHAPE)] = label
    assert np.array_equal(rasterise(got.drawing), want)


def test_other_types_of_shapes():
    shapes = [shape(kind="rectangle", points=[[20, 17], [4, 3]]), shape(kind="circle", points=[[20, 15], [26, 23]]),
              *(shape(kind=kind) for kind in ("oriented_rectangle", "rectangle", None))]  # fmt: skip
    got = read(file(*shapes), CLASSES, SHAPE)
    made = [inside(p.points, SHAPE) for p in got.drawing.polygons]
    for i in (0, 2, 3, 4):
        assert np.array_equal(made[i], inside(np.array(SQUARE), SHAPE))
    y, x = np.mgrid[:30, :40] + 0.5
    disc = np.hypot(x - 20, y - 15)
    assert made[1][disc < 9.95].all()
    assert not made[1][disc > 10].any()


def test_what_is_left_out_is_said():
    shapes = [shape("car"), shape("car"), shape("<b>x</b>" * 9), shape(kind="line", points=SQUARE[:2]),
              shape(kind="mask"), shape(points=SQUARE[:2])]  # fmt: skip
    got = read(file(*shapes), CLASSES, SHAPE)
    assert got.drawing.empty
    assert got.note == (
        "No class of this model is called “car”, “<b>x</b><b>x</b><b>x</b><b>x</b><b>x</b…”: 3 shapes were left out. "
        "Only polygons, rectangles and circles are read: 3 shapes were left out (“line”, “mask”, “polygon”)."
    )
    assert read(file(shape("\ud800")), CLASSES, SHAPE).note.encode()
    many = read(file(*(shape(f"c{i}") for i in range(9))), CLASSES, SHAPE).note
    assert "“c4” and 4 more: 9 shapes" in many


def test_sizes_are_scaled_or_refused():
    large = shape(points=[[2 * x, 3 * y] for x, y in SQUARE])
    got = read(file(large, imageWidth=80, imageHeight=90), CLASSES, SHAPE, (80, 90))
    assert np.array_equal(got.drawing.polygons[0].points, SQUARE)
    got = read(file(large, imageWidth=None, imageHeight=None), CLASSES, SHAPE, (80, 90))
    assert np.array_equal(got.drawing.polygons[0].points, SQUARE)
    assert np.array_equal(read(file(shape()), CLASSES, SHAPE, (80, 90)).drawing.polygons[0].points, SQUARE)
    with pytest.raises(LabelmeError, match="drawn over 80 x 90 pixels and the picture has 40 x 30"):
        read(file(large, imageWidth=80, imageHeight=90), CLASSES, SHAPE)
    outside = read(file(shape(points=[[-5, -5], [900, 3], [20, 1e6]])), CLASSES, SHAPE).drawing.polygons[0].points
    assert outside.tolist() == [[0, 0], [40, 3], [20, 30]]


DEEP, DIGITS = b"[" * 30_000, b"9" * 5000


@pytest.mark.parametrize(("data", "why"), [
    (b"", "no JSON file"), (b"\xff\xfe\x00", "no JSON file"), (b'{"shapes": ' + DEEP, "no JSON file"),
    (b'{"shapes": [], "x": NaN}', "no JSON file"), (b'{"shapes": [' + DIGITS + b"]}", "no JSON file"),
    (b"[]", "no list of shapes"), (b'{"shapes": {}}', "no list of shapes"), (b"[" * 70_000, "too many values"),
    (b'{"shapes": [' + b"0," * 250_000, "too many values"), (b" " * 20_000_001, "more than 20 MB"),
    (file(1), "not an object"), (file(shape(label=1)), "lacks"), (file(shape(points={})), "lacks"),
    (file(shape(points=[[1, 2, 3]])), "not two numbers"), (file(shape(points=[[1, True]])), "not two numbers"),
    (file(shape(points=[[1, 1e9]])), "not two numbers"), (file(shape(points=[1])), "not two numbers"),
    (file(imageWidth="40"), "no sizes"), (file(imageWidth=0), "no sizes"), (file(imageWidth=None), "no sizes"),
    (file(*[shape(points=SQUARE[:3])] * 501), "too many shapes"),
    (file(shape(points=SQUARE * 5001)), "too many shapes"),
])  # fmt: skip
def test_what_is_no_drawing_is_refused_in_one_sentence(data, why):
    with pytest.raises(LabelmeError, match=why) as caught:
        read(data, CLASSES, SHAPE)
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 160


@settings(max_examples=30, deadline=None)
@given(arrays(np.uint8, SHAPE, elements=st.just(255), fill=st.nothing()), st.data())
def test_written_and_read_again_it_is_the_same(cells, data):
    for _ in range(data.draw(st.integers(0, 4))):
        x, y, w, h = (data.draw(st.integers(0, 25)) for _ in range(4))
        cells[y : y + h, x : x + w] = data.draw(st.sampled_from([0, 1, 2, IGNORED, 255]))
    spots = st.lists(st.tuples(st.floats(0, 40), st.floats(0, 30)), min_size=3, max_size=6)
    polygons = data.draw(st.lists(st.tuples(st.sampled_from([0, 1, 2, 255]), spots), max_size=3))
    drawing = Drawing(tuple(Polygon(label, np.array(points)) for label, points in polygons), cells)
    written = write(drawing, CLASSES, "a/b/photo.jpg")
    got = read(written, CLASSES, SHAPE)
    assert got.note == ""
    assert np.array_equal(rasterise(got.drawing), rasterise(drawing))
    for before, after in zip(drawing.polygons, got.drawing.polygons, strict=False):
        assert np.array_equal(before.points, after.points)
    whole = json.loads(written)
    assert (whole["imagePath"], whole["imageData"], whole["imageWidth"], whole["imageHeight"]) == (
        "photo.jpg",
        None,
        40,
        30,
    )


def test_it_is_written_at_the_size_of_the_file():
    drawing = blank(SHAPE, (Polygon(1, np.array(SQUARE)), Polygon(255, np.array(SQUARE))))
    whole = json.loads(write(drawing, CLASSES, "x.png", (80, 90)))
    assert (whole["imageWidth"], whole["imageHeight"]) == (80, 90)
    assert whole["shapes"][0]["points"] == [[2 * x, 3 * y] for x, y in SQUARE]
    assert [s["label"] for s in whole["shapes"]] == ["Tree top", IGNORE]
    assert all(s["shape_type"] == "polygon" and s["flags"] == {} for s in whole["shapes"])
    noise = Drawing((), np.indices((60, 60)).sum(0).astype(np.uint8) % 2)
    with pytest.raises(LabelmeError, match="separate areas"):
        write(noise, CLASSES, "x.png")


WILD = [None, True, 0, -1, 2**70, 1e400, "", "x" * 300, [], {}, [[]], [[0, 0]] * 3, {"points": []}, "polygon", 1.5]


def mutated(chance: random.Random) -> bytes:
    """A good file with some of its values replaced, removed or doubled, or some of its bytes changed."""
    whole = copy.deepcopy(json.loads(file(shape(), shape("water", kind="circle", points=SQUARE[:2]))))
    for _ in range(chance.randint(1, 3)):
        place = whole
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(place[key], (dict, list)) and place[key] and chance.random() < 0.75:
                place = place[key]
                continue
            if chance.random() < 0.2:
                del place[key]
            else:
                place[key] = copy.deepcopy(chance.choice(WILD))
            break
    data = bytearray(json.dumps(whole).encode())
    for _ in range(chance.choice([0, 0, 1, 5])):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def test_thousands_of_damaged_files_give_a_drawing_or_a_sentence():
    chance, refused, taken = random.Random(7), 0, 0
    for _ in range(6000):
        try:
            got = read(mutated(chance), CLASSES, SHAPE)
        except LabelmeError:
            refused += 1
        else:
            taken += 1
            for polygon in got.drawing.polygons:
                assert polygon.label in (0, 1, 2, 255)
                assert np.isfinite(polygon.points).all()
                assert (polygon.points >= 0).all()
                assert (polygon.points <= (40, 30)).all()
    assert min(refused, taken) > 500
