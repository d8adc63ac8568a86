"""MNIST's reader: splits of the published files, gzipped or plain, and a sentence for each folder that is not MNIST."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data import DataError, mnist

FILES = {"train": 5006, "t10k": 4}


def write(folder, sizes=FILES, *, packed=True, seed=0):
    """Files as published, of random digits; returns {stem: (images, labels)}."""
    rng, made = np.random.default_rng(seed), {}
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for stem, n in sizes.items():
        images, labels = rng.integers(0, 256, (n, 28, 28), np.uint8), np.arange(n, dtype=np.uint8) % 10
        made[stem] = images, labels
        for name, values in ((f"{stem}-images-idx3-ubyte", images), (f"{stem}-labels-idx1-ubyte", labels)):
            data = struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape) + values.tobytes()
            (raw / f"{name}{'.gz' * packed}").write_bytes(gzip.compress(data, 1) if packed else data)
    return made


@pytest.mark.parametrize("packed", [True, False])
def test_the_last_5000_are_held_out(tmp_path, packed):
    made = write(tmp_path, packed=packed)
    images, labels = made["train"]
    train, val, test = (mnist.load(tmp_path, split) for split in mnist.SPLITS)
    assert (len(train), len(val), len(test)) == (6, 5000, 4)
    assert np.array_equal(np.concatenate([train.images, val.images]), images)
    assert np.array_equal(np.concatenate([train.labels, val.labels]), labels)
    assert np.array_equal(test.images, made["t10k"][0])
    assert np.array_equal(mnist.load(tmp_path / "MNIST" / "raw", "test").labels, test.labels)


def test_mistakes_are_sentences(tmp_path):
    with pytest.raises(DataError, match="train, val, test"):
        mnist.load(tmp_path, "dev")
    with pytest.raises(DataError, match="is missing"):
        mnist.load(tmp_path)
    write(tmp_path)
    path = tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match="cannot be unpacked"):
        mnist.load(tmp_path, "test")
    path.write_bytes(gzip.compress(struct.pack(">4I", 0x803, 5, 28, 28) + bytes(100)))
    with pytest.raises(DataError, match="cut off"):
        mnist.load(tmp_path, "test")
    path.write_bytes(gzip.compress(struct.pack(">4I", 0x803, 5, 28, 28) + bytes(5 * 784)))
    with pytest.raises(DataError, match="does not hold MNIST"):
        mnist.load(tmp_path, "test")


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=60))
def test_wild_files_raise_nothing_else(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("wild")
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (folder / name).write_bytes(data)
    with pytest.raises(DataError):
        mnist.load(folder, "test")
