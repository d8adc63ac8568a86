"""Pictures from folders, files and zips: which masks belong to them, and what an unfriendly zip cannot do."""

from __future__ import annotations

import io
import json
import os
import random
import stat
import struct
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from engine import exports, gallery
from engine.debug import collection, zips
from engine.debug.collection import Collection, CollectionError, from_files, from_folder, from_path
from engine.debug.ground import ground


def picture(level: int = 90, ending: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (12, 10), (level, 20, 30)).save(out, ending)
    return out.getvalue()


PNG = picture()


def packed(files: dict[str, bytes] | list[tuple], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, data in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, data)
    return out.getvalue()


def of_zip(files, **options) -> Collection:
    return from_files([("some.zip", packed(files, **options))])


def names(found: Collection) -> list[str]:
    return [item.name for item in found.items]


def why(item) -> str:
    with pytest.raises(CollectionError) as error:
        item.read()
    return str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_shapes_called_like_their_picture_belong_to_it_whatever_tool_wrote_them(encoding):
    """Also a COCO file of ours that was renamed: what it calls its picture says nothing any more."""
    square = [[1, 1], [7, 1], [7, 6], [1, 6]]
    labels = np.zeros((10, 12), np.uint8)
    labels[1:6, 1:7] = 1
    texts = {
        "a": json.dumps({"shapes": [{"label": "cat", "points": square}], "imageWidth": 12, "imageHeight": 10}),
        "b": exports.coco_json(labels, ("background", "cat"), "before.png"),
        "c": json.dumps(
            {"info": {"width": 12, "height": 10}, "objects": [{"category": "cat", "segmentation": square}]}
        ),
    }
    files = {f"{name}.png": picture(i) for i, name in enumerate("abc")}
    files |= {f"{name}.json": text.encode(encoding) for name, text in texts.items()}
    found = of_zip(files)
    assert [item.called.rsplit("/", 1)[-1] for item in found.items] == ["a.json", "b.json", "c.json"]
    for item in found.items:
        truth = ground(item.mask(), item.name, (12, 10), (12, 10), ("background", "cat"), np.zeros((2, 3), np.uint8))
        assert np.array_equal(truth.labels, labels)


def test_a_folder_a_zip_and_uploads_give_the_same(tmp_path):
    files = {"p10.png": PNG, "p2.png": picture(9), "p2_mask.png": picture(1), "notes.txt": b"x"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "all.zip").write_bytes(packed(files))
    for found in (from_folder(tmp_path), from_path(tmp_path / "all.zip"), from_files(list(files.items()))):
        assert names(found) == ["p2.png", "p10.png"], "numbers in names count as numbers"
        assert [item.read() for item in found.items] == [files["p2.png"], PNG]
        assert found.items[0].mask() == files["p2_mask.png"]
        assert found.items[1].mask is None
        assert any("not pictures by their names" in note for note in found.notes)
    assert from_path(tmp_path / "all.zip").held == len(packed(files))


@pytest.mark.parametrize("folder", ["masks", "labels", "SegmentationClass", "Masks"])
@pytest.mark.parametrize("at", ["", "images/", "JPEGImages/"])
def test_a_mask_is_found_by_its_stem_in_a_folder_beside(folder, at):
    found = of_zip({f"top/{at}a.jpg": PNG, f"top/{at}b.jpg": PNG, f"top/{folder}/a.png": b"mask",
                    f"top/{folder}/stray.png": b"nobody's"})  # fmt: skip
    assert names(found) == ["a.jpg", "b.jpg"], "folders that all share go unsaid"
    assert [item.mask and item.mask() for item in found.items] == [b"mask", None]
    assert "1 file was left out: a mask without a picture of the same name." in found.notes


def test_a_mask_in_another_place_is_not_used():
    found = of_zip({"one/a.jpg": PNG, "two/masks/a.png": PNG, "three/a.png": PNG, "lonely_mask.png": PNG})
    assert [item.mask for item in found.items] == [None] * len(found.items)
    assert names(found) == ["one/a.jpg", "three/a.png"]
    assert "one mask fits several pictures" in found.question


def test_the_gallery_knows_its_truth():
    found = collection.from_gallery("stanford")
    assert names(found) == list(gallery.names())
    truths = {item.name: item.mask for item in found.items if item.mask}
    assert set(truths) == {"china", "landscape"}
    read = np.asarray(Image.open(io.BytesIO(truths["china"]())))
    np.testing.assert_array_equal(read, gallery.get("china").truth("stanford"))
    assert not any(item.mask for item in collection.from_gallery("unheard of").items)


def test_hidden_files_and_what_macs_add_go_unseen():
    found = of_zip({"a.png": PNG, ".b.png": PNG, "__MACOSX/._a.png": b"fork", ".git/c.png": PNG})
    assert names(found) == ["a.png"]
    assert found.notes == ()


@pytest.mark.parametrize("files", [{}, {"readme.txt": b"x"}, {"masks/a.png": PNG}])
def test_nothing_to_see_is_one_sentence(files):
    with pytest.raises(CollectionError, match="There is no picture in it"):
        of_zip(files)


def test_a_place_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(CollectionError, match="no folder or zip"):
        from_path(tmp_path / "nothing")


def test_a_link_out_of_a_folder_is_not_followed(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "secret.png"
    inside.mkdir()
    outside.write_bytes(PNG)
    (inside / "a.png").write_bytes(PNG)
    (inside / "b.png").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    found = from_folder(inside)
    assert names(found) == ["a.png"]
    assert found.notes == ("1 file was left out: a link that leads out of the folder.",)


# ------------------------------------------------------------------------------------------------- unfriendly zips


@pytest.mark.parametrize("name", ["../up.png", "a/../../up.png", "/etc/up.png", "\\\\host\\up.png", "C:\\up.png",
                                  "..\\up.png"])  # fmt: skip
def test_a_name_that_leads_out_is_a_row_with_its_reason(name):
    found = of_zip({"good.png": PNG, name: PNG})
    bad = next(item for item in found.items if "up.png" in item.name)
    assert why(bad) == "Its name leads out of the zip, so it is not read."
    assert next(item for item in found.items if item.name == "good.png").read() == PNG


def test_links_and_devices_are_not_read():
    for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK):
        info = zipfile.ZipInfo("link.png")
        info.external_attr = (kind | 0o777) << 16
        assert "a link or a device" in why(of_zip([(info, b"/etc/passwd")]).items[0])


def test_an_encrypted_entry_is_not_read():
    data = bytearray(packed({"a.png": PNG}))
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + at] |= 1
    assert why(from_files([("x.zip", bytes(data))]).items[0]) == "It is encrypted, so it cannot be read."


@pytest.mark.parametrize("how", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_unusual_packing_is_not_read(how):
    assert "ordinary compression" in why(of_zip({"a.png": PNG}, how=how).items[0])


def test_of_two_files_of_one_name_the_first_is_read():
    with pytest.warns(UserWarning, match="Duplicate name"):
        found = of_zip([("a.png", PNG), ("a.png", picture(3))])
    assert found.items[0].read() == PNG
    assert "two files of this name" in why(found.items[1])


def test_a_zip_inside_is_not_opened():
    inner = packed({"deep.png": PNG})
    found = of_zip({"a.png": PNG, "b.zip": inner, "c.png": inner})
    assert names(found) == ["a.png", "c.png"]
    assert "1 file was left out: a zip inside is not opened." in found.notes
    assert found.items[1].read() == inner, "bytes that the decoder will refuse"


def test_a_ratio_bomb_stops_early():
    bomb = of_zip({"a.bmp": b"BM" + bytes(15_000_000)}).items[0]
    assert "200 times its size" in why(bomb)
    assert of_zip({"a.bmp": b"BM" + bytes(900_000)}).items[0].read(), "a small drawing may compress well"


def test_a_large_entry_is_refused_whatever_it_says_of_itself():
    noise = random.Random(0).randbytes(zips.MAX_BYTES + 10)
    data = packed({"a.bmp": noise}, zipfile.ZIP_STORED)
    assert "20 MB" in why(from_files([("x.zip", data)]).items[0])
    liar = bytearray(packed({"a.bmp": bytes(30_000_000)}))
    for mark, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", liar, liar.index(mark) + at, 500)
    assert len(why(from_files([("x.zip", bytes(liar))]).items[0])) < 120


def test_all_entries_together_are_counted(monkeypatch):
    monkeypatch.setattr(zips, "MAX_TOTAL", 3 * len(PNG))
    found = of_zip({f"{i}.png": PNG for i in range(5)}, how=zipfile.ZIP_STORED)
    for _ in range(2):
        assert [item.read() for item in found.items[:3]] == [PNG] * 3, "reading again costs nothing more"
    assert "unpacks to more than" in why(found.items[3])


def test_entries_that_overlap_cannot_multiply():
    """Fifield's trick: many names for one kernel of compressed zeros."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = kernel.compress(bytes(2_000_000)) + kernel.flush()
    head = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 0, 0, len(body), 2_000_000, 7, 0) + b"000.bmp"
    entry = b"".join(struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 0, 0, len(body), 2_000_000, 7, 0, 0, 0, 0,
                                 0, 0) + f"{i:03}.bmp".encode() for i in range(400))  # fmt: skip
    data = head + body + entry + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 400, 400, len(entry), len(head + body), 0)
    started = time.perf_counter()
    for item in from_files([("x.zip", data)]).items:
        why(item)
    assert time.perf_counter() - started < 5


def test_many_entries_are_refused_before_they_are_parsed(monkeypatch):
    many = packed({f"{i}.png": b"" for i in range(zips.MOST + 1)})
    with pytest.raises(CollectionError, match="501 entries; at most 500"):
        from_files([("x.zip", many)])
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(CollectionError, match="far more than 500"):
        from_files([("x.zip", b"PK\3\4" + b"PK\1\2" * (4 * zips.MOST + 1))])


def test_files_of_one_visit_are_bounded_together():
    with pytest.raises(CollectionError, match="together; at most"):
        from_files([("a.png", PNG), ("b.png", PNG)], most=len(PNG) + 5)


def test_names_are_cleaned_and_old_ones_read_as_utf8():
    utf8 = packed({"straße.png": PNG})
    old = bytearray(utf8)
    for mark, at in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
        old[old.index(mark) + at] &= ~8  # as the archivers of some systems write it
    odd = packed({"a\u202egnp.\x07b<script>.png": PNG, "x" * 200 + ".png": PNG})
    assert names(from_files([("x.zip", bytes(old))])) == names(from_files([("x.zip", utf8)])) == ["straße.png"]
    assert names(from_files([("x.zip", odd)])) == ["agnp.b<script>.png", "x" * 42 + " ... " + "x" * 9 + ".png"]


SEEDS = (packed({"a.png": PNG, "b/c.jpg": picture(4, "JPEG"), "b/masks/c.png": PNG, "d_mask.png": PNG}),
         packed({"a.png": PNG, "../b.png": bytes(3000)}, zipfile.ZIP_STORED), packed({}))  # fmt: skip


def try_all(data: bytes) -> tuple[int, list[str]]:
    """How many files could be read and what was said of the others; nothing but CollectionError may come out."""
    read, said = 0, []
    try:
        found = from_files([("x.zip", data)])
    except CollectionError as error:
        return 0, [str(error)]
    for item in found.items:
        for file in filter(None, (item.read, item.mask)):
            try:
                assert len(file()) <= zips.MAX_BYTES
                read += 1
            except CollectionError as error:
                said.append(str(error))
    return read, said


@pytest.fixture
def nothing_written(tmp_path, monkeypatch):
    """The working and temporary folders stay empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(os.listdir(Path(tmp_path).parent))
    yield
    assert os.listdir(tmp_path) == []
    assert set(os.listdir(Path(tmp_path).parent)) == before


def test_thousands_of_broken_zips_give_sentences_only(nothing_written):
    chance, read, said = random.Random(0), 0, []
    for _ in range(3000):
        data = bytearray(chance.choice(SEEDS))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            if chance.random() < 0.2:
                del data[at : at + chance.randint(1, 40)]
            elif chance.random() < 0.3:
                struct.pack_into("<I", data, min(at, len(data) - 4), chance.choice((0, 1, 2**31, 2**32 - 1)))
            else:
                data[at] = chance.randrange(256)
            if len(data) < 8:
                break
        count, sentences = try_all(bytes(data))
        read, said = read + count, said + sentences
    assert read > 1000
    assert len(said) > 1000
    assert all(sentence.endswith(".") for sentence in said)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(max_size=30), st.binary(max_size=60)), max_size=8), st.binary(max_size=20))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_names_and_bytes_give_sentences_only(nothing_written, files, tail):
    # a name that begins with NUL cannot be written by zipfile itself
    writable = [("x" + name.encode("utf8", "ignore").decode() + ".png", data) for name, data in files]
    assert all(sentence.endswith(".") for sentence in try_all(packed(writable) + tail)[1])
