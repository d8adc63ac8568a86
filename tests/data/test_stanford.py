"""Stanford Background in its published layout, made here: labels, splits, the archive, and what is wrong with it."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from engine.data import DataError, stanford
from engine.trace import VOID

REGIONS = "0 1 2 -1\n3 4 5 6\n7 8 -5 0\n"
WANTED = np.array([[0, 1, 2, VOID], [3, 4, 5, 6], [7, VOID, VOID, 0]])


def write(folder, count=10):
    root = folder / "iccv09Data"
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (4, 3), (i, 0, 0)).save(root / "images" / f"{i:07}.jpg")
        (root / "labels" / f"{i:07}.regions.txt").write_text(REGIONS)
        (root / "labels" / f"{i:07}.surfaces.txt").write_text("1")
    return folder


def pack(folder):
    with tarfile.open(folder / "iccv09Data.tar.gz", "w:gz") as tar:
        tar.add(folder / "iccv09Data", "iccv09Data")
    return folder / "iccv09Data.tar.gz"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "saccade"


def test_pictures_and_labels(tmp_path):
    data = stanford.load(write(tmp_path), "all")
    rgb, labels = data[3]
    assert (rgb.shape, rgb.dtype, labels.dtype) == ((3, 4, 3), np.uint8, np.uint8)
    assert np.array_equal(labels, WANTED)
    assert (len(data), data.split, data.labels.classes[7]) == (10, "all", "foreground")


def test_splits_share_nothing_and_miss_nothing(tmp_path):
    write(tmp_path, 20)
    names = {split: {p.name for p, _ in stanford.load(tmp_path, split).items} for split in stanford.SPLITS}
    assert names["train"] | names["val"] == names["all"]
    assert not names["train"] & names["val"]
    assert names["val"] == {"0000000.jpg", "0000008.jpg", "0000016.jpg"}


def test_all_takes_every_pair_found(tmp_path):
    root = write(tmp_path) / "iccv09Data"
    (root / "labels" / "0000004.regions.txt").unlink()
    (root / "images" / "0000005.jpg").unlink()
    assert len(stanford.load(tmp_path, "all")) == 8


def test_the_archive_is_read_as_it_is(tmp_path, cache):
    pack(write(tmp_path / "source"))
    alone = tmp_path / "alone"
    alone.mkdir()
    (tmp_path / "source" / "iccv09Data.tar.gz").rename(alone / "iccv09Data.tar.gz")
    data = stanford.load(alone, "all")
    assert len(data) == 10
    assert np.array_equal(data[0][1], WANTED)
    assert list(alone.iterdir()) == [alone / "iccv09Data.tar.gz"]
    assert [p.name[:9] for p in cache.iterdir()] == ["stanford-"]
    again = stanford.load(alone, "all")  # from the cache: the same files
    assert again.items == data.items


def test_an_archive_cannot_write_outside(tmp_path, cache):
    with tarfile.open(tmp_path / "iccv09Data.tar.gz", "w:gz") as tar:
        entry = tarfile.TarInfo("../../../escaped.txt")
        entry.size = 4
        tar.addfile(entry, io.BytesIO(b"evil"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        stanford.load(tmp_path, "all")
    assert not list(tmp_path.rglob("escaped.txt"))
    assert list(cache.iterdir()) == []


def test_a_broken_archive_gives_one_sentence(tmp_path, cache):
    archive = pack(write(tmp_path / "source"))
    whole = archive.read_bytes()
    for data in (whole[: len(whole) // 2], b"not a tar", b"", whole[:200] + b"\0" * 50 + whole[250:]):
        (tmp_path / "iccv09Data.tar.gz").write_bytes(data)
        with pytest.raises(DataError):
            stanford.load(tmp_path, "all")
        assert list(cache.iterdir()) == []


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(DataError, match="Stanford Background was expected at"):
        stanford.load(tmp_path, "val")
    with pytest.raises(DataError, match="splits all, train, val"):
        stanford.load(tmp_path, "test")
    (tmp_path / "iccv09Data").mkdir()
    with pytest.raises(DataError, match="no pictures with labels"):
        stanford.load(tmp_path, "val")


def test_labels_of_another_size_are_refused(tmp_path):
    root = write(tmp_path, 1) / "iccv09Data"
    (root / "labels" / "0000000.regions.txt").write_text("0 1\n")
    with pytest.raises(DataError, match=r"\(2, 1\) but its picture is \(4, 3\)"):
        stanford.load(tmp_path, "all")[0]
