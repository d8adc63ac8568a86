"""COCO's instances over a picture: equal to pycocotools pixel for pixel, found by name, and refused in one sentence."""

import json
import random

import numpy as np
import pytest
from pycocotools import mask as oracle

from engine import exports
from engine.debug import coco
from engine.debug.coco import CocoError
from engine.debug.polygons import inside

CLASSES = ("background", "person", "dog")
SHAPE = (30, 40)
SQUARE = [4, 3, 20, 3, 20, 17, 4, 17]


def instance(category=1, what=None, **more):
    return {"id": 1, "image_id": 7, "category_id": category, "segmentation": [SQUARE] if what is None else what,
            "iscrowd": 0, "bbox": [4, 3, 16, 14], "area": 224.0, **more}  # fmt: skip


def file(*objects, pictures=({"id": 7, "file_name": "val/a.jpg", "width": 40, "height": 30},), **more):
    names = {1: "person", 18: "Dog", 90: "toothbrush"}
    categories = [{"id": key, "name": name} for key, name in names.items()]
    whole = {"images": list(pictures), "annotations": list(objects), "categories": categories}
    return json.dumps(whole | more).encode()


def labels(data, name="a.jpg", size=SHAPE, classes=CLASSES, **more):
    found = coco.read(data).shapes(name, size, **more)
    mapping = found.guess(classes)
    return found.labels(mapping, classes), " ".join(found.remarks(mapping, classes))


def test_polygons_are_painted_from_the_largest_to_the_smallest():
    small = instance(18, [[6, 5, 12, 5, 12, 11, 6, 11]], area=36)
    got, said = labels(file(small, instance()))
    want = np.zeros(SHAPE, np.uint8)
    want[3:17, 4:20], want[5:11, 6:12] = 1, 2
    assert np.array_equal(got, want)
    assert said == "What no shape covers is taken as background."
    assert np.array_equal(labels(file(instance(), small))[0], want)
    assert np.array_equal(labels(file(instance(area=None), small | {"area": "x", "bbox": [6, 5, 6, 6]}))[0], want)


def test_an_object_in_several_parts():
    got, _ = labels(file(instance(1, [SQUARE, [30, 20, 38, 20, 38, 28]])))
    want = inside(np.array(SQUARE, float).reshape(-1, 2), SHAPE) | inside(
        np.array([[30, 20], [38, 20], [38, 28]]), SHAPE
    )
    assert np.array_equal(got == 1, want)
    assert np.array_equal(labels(file(instance(1, SQUARE)))[0] == 1, labels(file(instance()))[0] == 1)


@pytest.mark.parametrize("seed", range(6))
def test_run_lengths_are_those_of_pycocotools(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(SHAPE) < (0.02, 0.5, 0.98)[seed % 3]
    mask[5:20, 8:30] |= seed > 2
    packed = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = {"size": packed["size"], "counts": packed["counts"].decode()}
    flat = mask.T.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    runs = [0] * bool(flat[0]) + np.diff(ends, prepend=0).tolist()
    for what in (text, {"size": list(SHAPE), "counts": runs}):
        assert np.array_equal(labels(file(instance(1, what)))[0] == 1, mask)


def test_large_run_lengths_go_down_as_well_as_up():
    mask = np.zeros((300, 500), bool)
    mask[10:290, ::37], mask[:, 450:] = True, True
    packed = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))
    picture = {"id": 7, "file_name": "a.jpg", "width": 500, "height": 300}
    data = file(instance(1, {"size": [300, 500], "counts": packed["counts"].decode()}), pictures=[picture])
    assert np.array_equal(labels(data, size=(300, 500))[0] == 1, mask)


def test_a_crowd_is_void_below_everything():
    got, said = labels(file(instance(), instance(1, [[0, 0, 40, 0, 40, 30, 0, 30]], iscrowd=1, area=1)))
    assert (got[3:17, 4:20] == 1).all()
    assert (got == 255).sum() == 1200 - 224
    assert "1 shape was marked as a crowd, and is void." in said


def test_what_the_app_wrote_opens_again():
    """`exports.coco_json` marks its maps as crowds: nothing else is there, so they are no objects' neighbourhood."""
    want = np.zeros(SHAPE, np.uint8)
    want[3:17, 4:20], want[5:11, 6:30] = 1, 2
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        data = json.dumps(json.loads(exports.coco_json(want, CLASSES, "a.png")), indent=4).replace("\n", "\r\n")
        got, _ = labels(data.encode(encoding), "renamed.png")
        assert np.array_equal(got, want)


def test_categories_that_are_no_classes_are_said():
    got, said = labels(file(instance(90), instance(18, [[30, 20, 38, 20, 38, 28]])))
    assert set(np.unique(got)) == {0, 2, 255}
    assert (got == 255).sum() == 14 * 16, "nobody said that a toothbrush is background"
    assert "No class of this model is called “toothbrush”: 1 shape was left out." in said


def test_pictures_are_found_by_their_names():
    pictures = [{"id": i, "file_name": name, "width": 40, "height": 30}
                for i, name in enumerate(("train/a.jpg", "val/a.jpg", "val/b.jpg"))]  # fmt: skip
    found = coco.read(file(instance(image_id=1), pictures=pictures))
    assert found.find("some/where/val/A.jpg")["id"] == 1
    assert found.find("b.jpg")["id"] == 2
    assert found.find("c.jpg") is None
    with pytest.raises(CocoError, match="not clear which"):
        found.find("a.jpg")
    with pytest.raises(CocoError, match="3 pictures, and of none"):
        found.shapes("c.jpg", SHAPE)
    assert (labels(file(instance()), "any name at all.png")[0] == 1).any(), "a single picture is the one"
    part = coco.read(found.part("val/a.jpg"))
    assert part.files == ("val/a.jpg",)
    assert (part.shapes("x", SHAPE).labels({"person": 1}, CLASSES) == 1).sum() == 224
    assert found.part("c.jpg") == b""


def test_sizes_are_scaled_or_refused():
    picture = {"id": 7, "file_name": "a.jpg", "width": 80, "height": 90}
    data = file(instance(1, [[2 * x if i % 2 == 0 else 3 * x for i, x in enumerate(SQUARE)]]), pictures=[picture])
    assert (labels(data, original=(80, 90))[0] == 1).sum() == 224
    with pytest.raises(CocoError, match="80 x 90 pixels and the picture has 40 x 30"):
        labels(data)


def test_masks_that_unpack_too_far_are_refused_before():
    picture = {"id": 7, "file_name": "a.jpg", "width": 7000, "height": 7000}
    data = file(*[instance(1, {"size": [7000, 7000], "counts": [49_000_000]})] * 103, pictures=[picture])
    with pytest.raises(CocoError, match="more than 5,000 megapixels"):
        labels(data, original=(7000, 7000))


DEEP = b"[" * 30_000


@pytest.mark.parametrize(("data", "why"), [
    (b"", "no JSON file"), (DEEP, "no JSON file"), (b"[" * 2_000_001, "too many values"), (b"{}", "not of COCO"),
    (b"[]", "not of COCO"), (file(1), "not of COCO"), (file(instance(category=5)), "not in it"),
    (file(instance(image_id=[1])), "does not say"), (file(pictures=[{"id": 1}]), "name or its id"),
    (file(categories=[{"id": 1}]), "name or its id"), (file(instance(1, [[1, 2, 3]])), "pairs"),
    (file(instance(1, [["x", 2] * 3])), "no number"), (file(instance(1, [[1e300, 2] * 3])), "no number"),
    (file(instance(1, {"size": [3, 4], "counts": [12]})), "another size"),
    (file(instance(1, {"size": [30, 40], "counts": [-1, 1201]})), "cannot be read"),
    (file(instance(1, {"size": [30, 40], "counts": [12]})), "fill"),
    (file(instance(1, {"size": [30, 40]})), "cannot be read"),
    (file(instance(1, {"size": [30, 40], "counts": "o" * 99})), "cannot be read"),
    (file(instance(), pictures=[{"id": 7, "file_name": "a", "width": "4", "height": 3}]), "no sizes"),
    (file(*[instance()] * 2001), "at most 2000"),
])  # fmt: skip
def test_what_is_no_such_file_is_refused_in_one_sentence(data, why):
    with pytest.raises(CocoError, match=why) as caught:
        labels(data)
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 160


def test_hundreds_of_damaged_files_give_labels_or_a_sentence():
    chance, good, refused, taken = random.Random(3), bytearray(file(instance(), instance(18, iscrowd=1))), 0, 0
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.choice(b'0123456789"[]{},:-aeE. \xff')
        try:
            got, _ = labels(bytes(data))
        except CocoError:
            refused += 1
        else:
            taken += 1
            assert set(np.unique(got)) <= {0, 1, 2, 255}
    assert min(refused, taken) > 100
