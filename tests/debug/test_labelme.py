"""labelme's files: there and back without a pixel lost, scaled where they must be, and refused in one sentence."""

import base64
import copy
import io
import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from engine.debug import labelme
from engine.debug.labelme import IGNORE, LabelmeError, write
from engine.debug.masks import upright
from engine.debug.polygons import IGNORED, Drawing, Polygon, blank, inside, rasterise

CLASSES = ("sky", "Tree top", "water")
SHAPE = (30, 40)
SQUARE = [[4.0, 3.0], [20.0, 3.0], [20.0, 17.0], [4.0, 17.0]]


class Got:
    """A file as a drawing in the guessed classes, and what is said of it."""

    def __init__(self, data, classes=CLASSES, size=SHAPE, original=None, orientation=1):
        self.shapes = labelme.read(data, size, original, orientation)
        mapping = self.shapes.guess(classes)
        self.drawing, self.note = self.shapes.drawing(mapping, classes), " ".join(self.shapes.remarks(mapping, classes))
        self.labels = rasterise(self.drawing)


def read(data, classes=CLASSES, size=SHAPE, original=None, orientation=1):
    return Got(data, classes, size, original, orientation)


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
    shapes = [shape("car"), shape("car"), shape("<b>x</b>" * 9), shape("car", SQUARE[:2], "line"),
              shape(kind="mask"), shape(points=SQUARE[:2]), shape(kind="point", points=SQUARE[:1])]  # fmt: skip
    got = read(file(*shapes), CLASSES, SHAPE)
    assert got.drawing.empty
    assert got.note == (
        "Lines are painted 10 pixels wide, as labelme does. "
        "Shapes without an area were left out: 3 of kind “mask”, “polygon”, “point”. "
        "No class of this model is called “car”, “<b>x</b><b>x</b><b>x</b><b>x</b><b>x</b…”: 4 shapes were left out."
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


def test_points_outside_are_cut_off_and_not_moved():
    """The triangle keeps its slopes: what lies on the picture is what would lie there on a larger one."""
    points = np.array([[-20.0, -10.0], [60.0, 8.0], [45.0, 50.0]])
    got = read(file(shape(points=points.tolist())))
    large = inside(points + 30, (100, 120))[30:60, 30:70]
    assert np.array_equal(got.labels == 0, large)
    assert large.any()
    assert not large.all()
    away = read(file(shape(points=[[50, 40], [70, 40], [60, 60]])))
    assert away.drawing.empty
    assert away.note == "1 shape was outside the picture."


def png(mask):
    out = io.BytesIO()
    Image.fromarray(mask).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def test_a_mask_lies_in_its_box():
    cut = np.zeros((8, 6), bool)
    cut[2:, 1:5] = cut[4, 0] = True
    got = read(
        file(shape("water", [[10, 5], [15, 12]], "mask", mask=png(cut)), shape("sky", [[12, 8], [14, 10]], "rectangle"))
    )
    want = np.full(SHAPE, 255, np.uint8)
    want[5:13, 10:16][cut] = 2
    want[8:10, 12:14] = 0
    assert np.array_equal(got.labels, want)
    over = read(file(shape("water", [[36, 26], [41, 33]], "mask", mask=png(cut)))).labels
    assert np.array_equal(over[26:, 36:] == 2, cut[:4, :4])
    for broken in ("!", "AAAA", png(np.ones((31, 6), bool))):
        with pytest.raises(LabelmeError, match="mask inside this file"):
            read(file(shape("water", [[10, 5], [15, 12]], "mask", mask=broken)))


def test_a_ragged_mask_is_exact_too():
    speckles = np.random.default_rng(0).random((30, 40)) < 0.5
    got = read(file(shape("water", [[0, 0], [39, 29]], "mask", mask=png(speckles))))
    assert np.array_equal(got.labels == 2, speckles)


@pytest.mark.parametrize("kind", ["rectangle", "oriented_rectangle", "rotation"])
def test_four_corners_in_any_order_are_a_box(kind):
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 1, 3], [1, 0, 2, 3], [0, 1, 3, 2]):
        got = read(file(shape(kind=kind, points=[SQUARE[i] for i in order])))
        assert np.array_equal(got.labels == 0, inside(np.array(SQUARE), SHAPE))
    for points in ([[4, 17], [20, 3]], [[20, 3], [4, 17]], [[20, 17], [4, 3]]):
        assert (read(file(shape(kind="rectangle", points=points))).labels == 0).sum() == 14 * 16


def test_more_shapes_than_a_drawing_holds_are_read_all_the_same():
    dots = [[[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]] for y in range(30) for x in range(0, 40, 2)]
    got = read(file(*(shape(points=points) for points in dots)))
    assert len(dots) == 600
    assert (got.labels[:, ::2] == 0).all()
    assert (got.labels[:, 1::2] == 255).all()


def test_long_lines_take_no_long_time():
    """Each segment looks at its own box: 10,000 of them over a picture of 2 megapixels would take minutes."""
    points = [[10 + i % 7 / 7, 10 + i % 5 / 5] for i in range(10_000)]
    got = labelme.read(file(shape(kind="linestrip", points=points), imageWidth=1600, imageHeight=1200), (1200, 1600))
    assert 75 < (got.labels({"sky": 0}, CLASSES) == 0).sum() < 200


def test_masks_that_unpack_too_far_are_refused_before():
    big = png(np.zeros((3000, 4000), bool))
    data = file(*[shape("sky", [[0, 0], [3999, 2999]], "mask", mask=big)] * 42, imageWidth=4000, imageHeight=3000)
    with pytest.raises(LabelmeError, match="more than 500 megapixels"):
        read(data, original=(4000, 3000))


def test_what_has_no_area_makes_no_background():
    for flat in (shape(points=[[1, 1], [9, 9], [5, 5]]), shape("ignore"), shape("sky", [[3, 3], [3, 3]], "circle")):
        got = read(file(flat), ("background", "sky"))
        assert (got.labels == 255).all()


def test_files_of_isat():
    square, corner = {"category": "sky", "segmentation": SQUARE, "layer": 2.0}, [[0, 0], [40, 0], [0, 30]]
    objects = [square, {"category": "water", "segmentation": corner, "layer": 1.0}]
    data = json.dumps({"info": {"description": "ISAT", "width": 40, "height": 30}, "objects": objects}).encode()
    want = np.full(SHAPE, 255, np.uint8)
    want[inside(np.array(corner, float), SHAPE)] = 2
    want[3:17, 4:20] = 0
    assert np.array_equal(read(data).labels, want)
    with pytest.raises(LabelmeError, match="40 x 30"):
        read(data, size=(10, 10))
    with pytest.raises(LabelmeError, match="lacks"):
        read(b'{"objects": [1]}')


@pytest.mark.parametrize(("label", "text"), [("天空", "gb18030"), ("鎔", "gb18030"), ("Bäume", "cp1252")])
def test_old_encodings_by_how_their_bytes_pair(label, text):
    data = json.dumps(json.loads(file(shape(label), shape("树木"), shape("水"))), ensure_ascii=False)
    data = data if text == "gb18030" else data.replace("树木", "Gewässer").replace("水", "Öl")
    assert label in labelme.read(data.encode(text), SHAPE).names


def test_vowels_of_other_scripts_are_no_accents():
    names = labelme.read(file(shape("की"), shape("का"), shape("Й"), shape("é")), SHAPE).guess(("का", "की", "й", "e"))
    assert names == {"की": 1, "का": 0, "Й": 2, "é": 3}


def test_a_line_has_the_width_that_labelme_gives_it():
    got = read(file(shape("sky", [[5, 15], [20, 15], [20, 28]], "linestrip")))
    assert (got.labels[10:20, 6:14] == 0).all()
    assert (got.labels[:9] == 255).all()
    assert (got.labels[25, 15:25] == 0).all()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
def test_text_in_many_encodings(encoding):
    data = (
        json.dumps(json.loads(file(shape("天空"))), ensure_ascii=False, indent=2).replace("\n", "\r\n").encode(encoding)
    )
    got = read(data, ("天空", "树"))
    assert [p.label for p in got.drawing.polygons] == [0]
    assert ("GB18030" in got.note) == (encoding == "gb18030")


def test_latin_is_not_taken_for_chinese():
    data = json.dumps(json.loads(file(shape("Bäume"))), ensure_ascii=False).encode("latin-1")
    got = read(data, ("bäume", "see"))
    assert [p.label for p in got.drawing.polygons] == [0]
    assert "Latin" in got.note


@pytest.mark.parametrize(("name", "label"), [
    ("sky-1", 0), ("sky2", 0), ("SKY", 0), ("Tree_Top 03", 1), ("tree-tops", 1),
    ("wa\u0301ter", 2), ("wáter", 2), ("ｓｋｙ", 0),
    ("ignore", 255), ("__ignore__", 255), ("Void", 255), ("небо", None), ("skyline", None), ("7", None),
])  # fmt: skip
def test_names_as_people_write_them(name, label):
    assert labelme.read(file(shape(name)), SHAPE).guess(CLASSES) == {name: label}


def test_a_name_that_was_guessed_is_said():
    assert read(file(shape("sky-1"))).note == "Taken: “sky-1” as “sky”."
    assert read(file(shape("небо"))).note == "No class of this model is called “небо”: 1 shape was left out."


def test_a_sentence_repeats_little_of_a_file():
    names = ["sky" + "-" * (20 + i) + "1" for i in range(5)]
    note = read(file(*map(shape, names))).note
    assert note.startswith("Taken: “sky-")
    assert note.endswith(" and 2 more.")
    assert len(note) < 140


def test_background_is_said_of_many_shapes_too():
    """More than a drawing holds as polygons."""
    dots = [shape(points=[[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]]) for y in range(30) for x in range(0, 40, 2)]
    got = read(file(*dots), ("sky", "Background"))
    assert (got.labels[:, 1::2] == 1).all()
    assert got.note == "What no shape covers is taken as background."


def test_the_rest_is_background_where_there_is_one():
    """Else a model that calls everything "sky" would be right everywhere (the same in a folder)."""
    classes = ("background", "sky")
    got = read(file(shape()), classes)
    assert (got.labels[3:17, 4:20] == 1).all()
    assert (got.labels == 0).sum() == 30 * 40 - 14 * 16
    assert got.note == "What no shape covers is taken as background."
    told = read(file(shape(), shape("_background_", [[0, 0], [3, 0], [3, 3], [0, 3]])), classes)
    assert (told.labels == 0).sum() == 9, "who draws background says where it is"
    ours = read(write(blank(SHAPE, (Polygon(1, np.array(SQUARE)),)), classes, "a.png"), classes)
    assert (ours.labels == 255).sum() == 30 * 40 - 14 * 16
    assert read(file(shape("car")), classes).drawing.empty
    both = read(file(shape("car", [[0, 0], [9, 0], [9, 9], [0, 9]]), shape()), classes)
    assert (both.labels[:9, :4] == 255).all(), "nobody said that a car is background"
    assert (both.labels[3:17, 4:20] == 1).all()


def test_shapes_over_the_photo_as_its_sensor_saw_it():
    """A photo of 30 x 40 that is held upright at 40 x 30: its corner boxes land where the photo's corners do."""
    for orientation in (5, 6, 7, 8):
        box = [[0, 0], [10, 4]]
        got = read(file(shape(kind="rectangle", points=box), imageWidth=30, imageHeight=40), orientation=orientation)
        raw = np.zeros((40, 30), np.uint8)
        raw[:4, :10] = 1
        assert np.array_equal(got.labels == 0, upright(raw, orientation) == 1)
        assert f"orientation {orientation}" in got.note
    with pytest.raises(LabelmeError, match="must be equal"):
        read(file(shape(), imageWidth=30, imageHeight=40), orientation=3)


DEEP, DIGITS = b"[" * 30_000, b"9" * 5000


@pytest.mark.parametrize(("data", "why"), [
    (b"", "no JSON file"), (b"\xff\xfe\x00", "no known encoding"), (b'{"shapes": ' + DEEP, "no JSON file"),
    (b'{"shapes": [], "x": NaN}', "no JSON file"), (b'{"shapes": [' + DIGITS + b"]}", "no JSON file"),
    (b"[]", "no list of shapes"), (b'{"shapes": {}}', "no list of shapes"), (b"[" * 70_000, "too many values"),
    (b'{"shapes": [' + b"0," * 250_000, "too many values"), (b" " * 20_000_001, "more than 20 MB"),
    (file(1), "not an object"), (file(shape(label=1)), "lacks"), (file(shape(points={})), "lacks"),
    (file(shape(points=[[1, 2, 3]])), "not two numbers"), (file(shape(points=[[1, True]])), "not two numbers"),
    (file(shape(points=[[1, 1e9]])), "not two numbers"), (file(shape(points=[1])), "not two numbers"),
    (file(imageWidth="40"), "no sizes"), (file(imageWidth=0), "no sizes"), (file(imageWidth=None), "no sizes"),
    (file(*[shape(points=SQUARE[:3])] * 2001), "too many shapes"),
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
    spots = st.lists(st.tuples(st.floats(0.5, 39.5), st.floats(0.5, 29.5)), min_size=3, max_size=6)
    polygons = data.draw(st.lists(st.tuples(st.sampled_from([0, 1, 2, 255]), spots), max_size=3))
    drawing = Drawing(tuple(Polygon(label, np.array(points)) for label, points in polygons), cells)
    written = write(drawing, CLASSES, "a/b/photo.jpg")
    got = read(written)
    assert got.note == ""
    assert np.array_equal(rasterise(got.drawing), rasterise(drawing))
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
