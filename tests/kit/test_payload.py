"""A packed Trace, unpacked here with struct, json and NumPy alone, holds what the Trace held."""

import io
import json
import struct

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine import palette
from engine.trace import VOID, Layer, Step, Table, Trace
from pages.kit.payload import frame, image_id, pack
from tests.trees import made_layer

EVIL = '<img src=x onerror="alert(1)"> é "quotes" \n 漢字'


def unpack(data: bytes) -> tuple[dict, callable]:
    (length,) = struct.unpack_from("<I", data)
    head, base = json.loads(data[4 : 4 + length]), 4 + length
    assert base % 8 == 0

    def blob(part: dict) -> np.ndarray | bytes:
        offset, size = head["blobs"][part["blob"]]
        assert offset % 8 == 0
        raw = data[base + offset : base + offset + size]
        assert len(raw) == size
        return np.frombuffer(raw, "<" + part["dtype"]).reshape(part["shape"]) if "dtype" in part else raw

    return head, blob


def one(layer: Layer, image: np.ndarray | None = None) -> tuple[dict, np.ndarray]:
    image = np.zeros((6, 8, 3), np.uint8) if image is None else image
    head, blob = unpack(pack(Trace(image, {}, (Step("a", "b", (layer,)),))))
    part = head["steps"][0]["layers"][0]
    return part, blob(part) if "blob" in part else None


shapes = hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9)
numbers = st.floats(-1e4, 1e4, width=32)


@settings(max_examples=60, deadline=None)
@given(shapes.flatmap(lambda s: hnp.arrays(np.float32, s, elements=numbers)))
def test_logits_round_trip(logits):
    part, got = one(Layer("labels", "scores", logits, unit="logit"))
    assert part["shape"] == list(logits.shape)
    assert part["unit"] == "logit"
    assert np.array_equal(got, logits.astype(np.float16))


@settings(max_examples=60, deadline=None)
@given(hnp.array_shapes(min_dims=2, max_dims=3, max_side=9).flatmap(
    lambda s: hnp.arrays(np.float64, s, elements=st.floats(-1e30, 1e30))))  # fmt: skip
def test_heat_keeps_its_relative_precision_at_any_size(heat):
    part, got = one(Layer("heat", "h", heat))
    top = np.abs(heat).max()
    assert np.allclose(got.astype(np.float64) * part["scale"], heat, rtol=1e-3, atol=1e-7 * max(top, 1e-2))
    assert part["range"] == [heat.min(), heat.max()]


def test_small_attention_weights_survive():
    heat = np.full((14, 14), 1e-9)
    heat[3, 4] = 5e-9
    part, got = one(Layer("heat", "alpha", heat))
    assert np.allclose(got.astype(float) * part["scale"], heat, rtol=1e-3)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_label_maps_and_masks_are_exact(labels):
    assert np.array_equal(one(Layer("labels", "l", labels))[1], labels)
    assert np.array_equal(one(Layer("mask", "m", labels > 100))[1], labels > 100)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 7).flatmap(lambda n: hnp.arrays(np.float32, (n, 4), elements=st.floats(-1e3, 1e3, width=32))))
def test_vectors_are_exact(rows):
    assert np.array_equal(one(Layer("boxes", "b", rows))[1], rows)
    assert np.array_equal(one(Layer("points", "p", rows[:, :2]))[1], rows[:, :2])


def test_a_lifted_pen_and_a_grid():
    stroke = np.array([[1, 2], [np.nan, np.nan], [3, 4]])
    assert np.array_equal(one(Layer("lines", "s", stroke))[1], stroke.astype(np.float32), equal_nan=True)
    part, _ = one(Layer("cells", "c", np.array([3, 5]), attributes={"stride": 32, "field": 611.0, "centre": 15.5}))
    assert part["cells"] == [3, 5]
    assert part["attributes"] == {"stride": 32, "field": 611.0, "centre": 15.5}


@pytest.mark.parametrize("n", [1, 2, 300])
def test_trees_are_exact(n):
    layer = made_layer(n, (7, 11), box=(1, 2, 5, 6))
    head, blob = unpack(pack(Trace(np.zeros((6, 8, 3), np.uint8), {}, (Step("a", "b", (layer,)),))))
    part = head["steps"][0]["layers"][0]
    assert part["dtype"] == "u2"
    assert np.array_equal(blob(part), layer.data)
    assert np.array_equal(blob(part["nodes"]), layer.nodes)
    assert head["image_id"] == image_id(np.zeros((6, 8, 3), np.uint8)) != image_id(np.zeros((8, 6, 3), np.uint8))


@pytest.mark.parametrize(("size", "mime"), [((40, 60), "image/png"), ((300, 400), "image/jpeg")])
def test_small_images_are_exact_and_large_ones_close(size, mime):
    y, x = np.mgrid[: size[0], : size[1]]
    image = np.stack([x % 256, y % 256, (x + y) // 4 % 256], -1).astype(np.uint8)
    head, blob = unpack(pack(Trace(image, {}, ())))
    got = np.asarray(Image.open(io.BytesIO(blob(head["image"]))))
    assert head["image"]["mime"] == mime
    assert (head["height"], head["width"]) == size
    assert got.shape == image.shape
    assert np.abs(got.astype(int) - image).mean() <= (0 if mime == "image/png" else 4)


def test_numbers_that_json_lacks_become_null_and_text_stays_text():
    table = Table(("a", EVIL), ((EVIL, float("nan")), (np.float32(0.5), float("-inf")), (np.int64(3), True)))
    logits = np.array([[[np.nan, np.inf, -np.inf, 1e9]]], np.float32)
    steps = (Step(EVIL, EVIL, (Layer("labels", EVIL, logits, attributes={"x": float("inf")}),), table),)
    trace = Trace(np.zeros((2, 2, 3), np.uint8), {"name": EVIL}, steps, (EVIL,), palette.voc(1))
    head, blob = unpack(pack(trace, name=EVIL))
    step = head["steps"][0]
    assert head["name"] == head["classes"][0] == step["title"] == step["sentence"] == step["layers"][0]["name"] == EVIL
    assert step["table"] == {"columns": ["a", EVIL], "rows": [[EVIL, None], [0.5, None], [3, True]]}
    assert step["layers"][0]["attributes"] == {"x": None}
    assert np.array_equal(blob(step["layers"][0]).ravel(), np.float16([-60000, 60000, -60000, 60000]))


def test_heat_without_a_value_stays_nan_and_leaves_the_range_alone():
    part, got = one(Layer("heat", "h", np.array([[1.0, np.nan], [2.0, np.inf]])))
    assert np.isnan(got[0, 1])
    assert np.isfinite(got[1, 1])
    assert part["range"] == [1.0, 2.0]
    assert one(Layer("heat", "h", np.full((2, 2), np.nan)))[0]["range"] == [0.0, 1.0]


def test_palettes_and_boxes():
    image, classes = np.zeros((4, 5, 3), np.uint8), ("a", "b", "c")
    layer = Layer("labels", "l", np.full((2, 2), VOID, np.uint8), box=(1.0, 0.5, 3.0, 4.0))
    head, _ = unpack(pack(Trace(image, {}, (Step("", "", (layer,)),), classes, palette.voc(3))))
    assert head["palettes"] == {"safe": palette.safe(3).tolist(), "data": palette.voc(3).tolist()}
    assert head["steps"][0]["layers"][0]["box"] == [1.0, 0.5, 3.0, 4.0]


def test_equal_arrays_travel_once_and_ids_follow_the_content():
    big = np.random.default_rng(0).normal(size=(8, 60, 80)).astype(np.float32)
    image = np.zeros((20, 20, 3), np.uint8)

    def made(logits, times=1, picture=image):
        return pack(Trace(picture, {}, tuple(Step(str(i), "", (Layer("labels", "x", logits),)) for i in range(times))))

    assert len(made(big, 5)) < 1.1 * len(made(big, 1))
    head, again, other = (unpack(data)[0] for data in (made(big), made(big.copy()), made(big + 1)))
    assert head["id"] == again["id"] != other["id"]
    assert head["image_id"] == other["image_id"] != unpack(made(big, picture=image + 1))[0]["image_id"]


def test_a_frame_ends_where_a_blob_may_begin():
    for n in range(20):
        data = frame({"k": "é" * n})
        assert len(data) % 8 == 0
        assert json.loads(data[4:]) == {"k": "é" * n}
