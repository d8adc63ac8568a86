"""Traces from unknown files: what the export wrote opens, everything else is one sentence and costs little."""

import io
import json
import random
import zipfile
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from engine import exports, render
from engine.foreign import Incomplete, read, read_zip
from engine.trace import Layer, Step, Table, Trace, TraceError
from pages.kit import payload


def made(**changes) -> Trace:
    """A small Trace with a layer of every kind but tree."""
    rng, image = np.random.default_rng(0), np.full((20, 30, 3), 90, np.uint8)
    layers = (
        Layer("image", "picture", image), Layer("labels", "scores", rng.normal(size=(2, 5, 6)).astype(np.float16)),
        Layer("labels", "truth", rng.integers(0, 2, (20, 30)).astype(np.uint8)),
        Layer("heat", "heat", rng.random((5, 6)).astype(np.float32), range=(0.0, 1.0), box=(0, 0, 10, 10)),
        Layer("mask", "mask", np.eye(20, 30, dtype=bool)), Layer("boxes", "boxes", np.array([[1.0, 2, 3, 4]])),
        Layer("points", "points", np.zeros((0, 2))), Layer("lines", "lines", np.array([[0, 0], [np.nan] * 2, [1, 1]])),
        Layer("cells", "cells", np.array((5, 6)), attributes={"stride": 8}),
    )  # fmt: skip
    step = Step("One", "A sentence.", layers, Table(("a", "b"), (("x", 1.5), ("y", 2))))
    values = {"image": image, "card": {"name": "made"}, "steps": (step,), "classes": ("sky", "tree"),
              "colours": np.zeros((2, 3), np.uint8)}  # fmt: skip
    return Trace(**{**values, **changes})


def test_what_was_exported_opens_the_same():
    trace = made()
    again = Trace.from_zip(trace.to_zip())
    assert (render.render(again, 0) == render.render(trace, 0)).all()
    assert again.steps[0].table == trace.steps[0].table
    assert again.classes == trace.classes
    for one, two in zip(trace.steps[0].layers, again.steps[0].layers, strict=True):
        assert np.array_equal(one.data, two.data, equal_nan=one.data.dtype.kind == "f")
        assert (one.kind, one.name, one.unit) == (two.kind, two.name, two.unit)


@pytest.mark.parametrize("data", [b"", b"PK", b"\x89PNG", bytes(1000), b'{"format": 1}'])
def test_other_files_are_a_sentence(data):
    with pytest.raises(TraceError, match="readable Trace"):
        read_zip(data)


@cache
def parts() -> tuple[str, dict[str, bytes]]:
    """The JSON of the Trace of `made` and the members of its NPZ."""
    archive = zipfile.ZipFile(io.BytesIO(made().to_zip()))
    inner = zipfile.ZipFile(io.BytesIO(archive.read("trace.npz")))
    return archive.read("trace.json").decode(), {name: inner.read(name) for name in inner.namelist()}


def repacked(change) -> bytes:
    """The Trace of `made` with its two parts changed: change(head, members of the NPZ)."""
    text, members = parts()
    head, members = json.loads(text), dict(members)
    change(head, members)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as inner:
        for name, data in members.items():
            inner.writestr(name, data)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("trace.json", json.dumps(head))
        archive.writestr("trace.npz", packed.getvalue())
    return out.getvalue()


def npy(array: np.ndarray, **options) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def test_the_repacked_one_itself_opens():
    assert len(read_zip(repacked(lambda head, members: None)).steps) == 1


def anew(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Files as a ZIP file, in this order."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def whole() -> dict[str, bytes]:
    """The two files that a Trace is saved as."""
    with zipfile.ZipFile(io.BytesIO(made().to_zip())) as archive:
        return {name: archive.read(name) for name in ("trace.npz", "trace.json")}


HANDLED = {
    "other order": lambda f: {"trace.json": f["trace.json"], "trace.npz": f["trace.npz"]},
    "in a folder": lambda f: {f"my trace/{name}": data for name, data in f.items()},
    "with the folder's entry": lambda f: {"my trace/": b"", **{f"my trace/{name}": data for name, data in f.items()}},
    "from Windows": lambda f: {f"my trace\\{name}": data for name, data in f.items()},
    "from a Mac": lambda f: {**{f"t/{name}": data for name, data in f.items()}, "__MACOSX/t/._trace.json": b"\0\5{",
                             "__MACOSX/t/._trace.npz": b"\0\5\x16\7", "t/.DS_Store": b"\0\0\0\1Bud1"},
    "renamed": lambda f: {"dog (1).json": f["trace.json"], "dog (1).zip": f["trace.npz"]},
    "with a mark of UTF-8": lambda f: {**f, "trace.json": b"\xef\xbb\xbf" + f["trace.json"]},
    "ours in another": lambda f: {"saccade-fcn.zip": anew(f), "notes.txt": b"{ not JSON"},
    "beside other JSON": lambda f: {**f, "package.json": b'{"name": "x"}', "trace.png": b"\x89PNG"},
    "arrays unpacked": lambda f: {"t/trace.json": f["trace.json"], **{
        f"t/trace/{name}": data for name, data in parts()[1].items()}},
}  # fmt: skip


@pytest.mark.parametrize("handle", HANDLED.values(), ids=HANDLED.keys())
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_it_opens_after_ordinary_handling(handle, method):
    again = read_zip(anew(handle(whole()), method))
    assert (render.render(again, 0) == render.render(made(), 0)).all()


def test_its_two_files_open_whatever_they_are_called():
    numbers, words = whole().values()
    for files in ([("trace.npz", numbers), ("trace.json", words)], [("a (2).bin", words), ("b", numbers)]):
        assert len(read(files).steps) == 1
    with pytest.raises(Incomplete, match=r"trace\.json"):
        read([("x", numbers)])
    with pytest.raises(Incomplete, match=r"trace\.npz"):
        read([("x", words)])
    other = replace(made(), image=np.zeros((20, 30, 3), np.uint8)).to_zip()
    with pytest.raises(TraceError, match="several Traces"):
        read([("a.zip", made().to_zip()), ("b.zip", other)])


def test_what_packs_a_thousandfold_is_bounded():
    flat = Layer("heat", "flat", np.zeros((80, 1000, 1000), np.float32))
    data = made(steps=(Step("One", "A sentence.", (flat,)),)).to_zip()
    assert len(data) < 400_000
    with pytest.raises(TraceError, match="unpack to more than"):
        read_zip(data)
    label = Layer("labels", "flat", np.zeros((2000, 3000), np.uint8))
    assert len(read_zip(made(steps=(Step("One", "A sentence.", (label,)),)).to_zip()).steps) == 1


LIES = npy(np.zeros((2, 5, 6), np.float16)).replace(b"(2, 5, 6)", b"(2,9**9,)"[:9])
WRONG = {
    "objects": lambda h, m: m.update({"step0_layer1.npy": npy(np.array([{}, []], object), allow_pickle=True)}),
    "shape that lies": lambda h, m: m.update({"step0_layer1.npy": LIES}),
    "text array": lambda h, m: m.update({"step0_layer1.npy": npy(np.array([["a" * 9]]))}),
    "missing array": lambda h, m: m.pop("step0_layer2.npy"),
    "huge picture": lambda h, m: m.update({"image.npy": npy(np.zeros((5000, 10, 3), np.uint8))}),
    "float picture": lambda h, m: m.update({"image.npy": npy(np.zeros((20, 30, 3)))}),
    "empty box": lambda h, m: h["steps"][0]["layers"][3].update(box=[5, 5, 5, 9]),
    "box of text": lambda h, m: h["steps"][0]["layers"][3].update(box=["a", 0, 1, 1]),
    "infinite box": lambda h, m: h["steps"][0]["layers"][3].update(box=[0, 0, float("inf"), 1]),
    "range upside down": lambda h, m: h["steps"][0]["layers"][3].update(range=[1, 0]),
    "unknown kind": lambda h, m: h["steps"][0]["layers"][0].update(kind="script"),
    "title that is no text": lambda h, m: h["steps"][0].update(title={"$": 1}),
    "uneven table": lambda h, m: h["steps"][0]["table"]["rows"].append(["only one"]),
    "nested cell": lambda h, m: h["steps"][0]["table"]["rows"].append([["deep"], 1]),
    "attributes that are no numbers": lambda h, m: h["steps"][0]["layers"][8].update(attributes={"grid": "no"}),
    "no steps": lambda h, m: h.update(steps=[]),
    "too many steps": lambda h, m: h.update(steps=[{"title": "", "sentence": "", "layers": [], "table": None}] * 500),
    "too few colours": lambda h, m: h.update(classes=["a", "b", "c"]),
    "card that is none": lambda h, m: h.update(card=["name"]),
    "other format": lambda h, m: h.update(format=99),
    "cells without end": lambda h, m: m.update({"step0_layer8.npy": npy(np.array((10**6, 10**6)))}),
    "points in three dimensions": lambda h, m: m.update({"step0_layer6.npy": npy(np.zeros((4, 3)))}),
}  # fmt: skip


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_each_lie_is_one_sentence(change):
    with pytest.raises(TraceError) as error:
        read_zip(repacked(change))
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_a_bomb_is_not_unpacked():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("trace.json", b" " * 50_000_000)
        archive.writestr("trace.npz", b"")
    assert len(out.getvalue()) < 100_000
    with pytest.raises(TraceError, match="unpack"):
        read_zip(out.getvalue())


WILD = (
    None,
    True,
    -1,
    0,
    1e308,
    "",
    "<img src=x onerror=alert(1)>",
    [],
    {},
    [[[]]],
    "a" * 5000,
    10**30,
    [1, 2],
    {"a": 1},
)


def spoiled(value, rng: random.Random):
    """`value` with one part of it replaced by something wild."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        return {**value, key: spoiled(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], spoiled(value[at], rng), *value[at + 1 :]]
    return rng.choice(WILD)


def cut(data: bytes, rng: random.Random) -> bytes:
    """`data` with a few bytes changed, lost or added."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        data[at : at + rng.choice((0, 1, 1, 8))] = rng.randbytes(rng.choice((0, 1, 1, 1, 4)))
    return bytes(data)


def wild_file(good: bytes, rng: random.Random) -> bytes:
    """A file of which the words, an array or the bytes are not what they were."""

    def change(head, members):
        if rng.random() < 0.8:
            key = rng.choice(("steps", "steps", "steps", *head))
            head[key] = spoiled(head[key], rng)
        else:
            name = rng.choice(sorted(members))
            members[name] = cut(members[name], rng)

    return cut(good, rng) if rng.random() < 0.3 else repacked(change)


def test_nothing_in_a_wild_file_gets_past():
    """2,000 files: a Trace that can be drawn, packed and written down, or one sentence."""
    good, rng, opened, refused = repacked(lambda head, members: None), random.Random(0), 0, []
    for _ in range(2000):
        try:
            trace = read_zip(wild_file(good, rng))
        except TraceError as error:
            refused.append(str(error))
            continue
        opened += 1
        payload.pack(trace)
        exports.json_text(trace)
        render.csv_text(trace)
        if opened % 10 == 0:
            render.render(trace, -1)
    assert not any("\n" in words for words in refused)
    assert opened > 50
    assert len(set(refused)) > 10, "the lies were found one by one"


def test_trees_and_other_cards_open(rgb, multiscale):
    trace = multiscale.trace(rgb)
    again = read_zip(trace.to_zip())
    assert len(again.steps) == len(trace.steps)
    assert (render.render(again, -1) == render.render(trace, -1)).all()
    replace(again, steps=again.steps[:1])
