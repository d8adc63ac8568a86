"""MNIST in the IDX files that its authors published: 60,000 + 10,000 handwritten digits of 28x28 pixels.

References
1. LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition"; the format: its authors' page.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.data import DataError

HELD_OUT = 5000  # our own validation: the last of the published training digits
SPLITS = ("train", "val", "test")  # "test" is the standard test set, of 10,000 digits as published


@dataclass(frozen=True, eq=False)
class Digits:
    """One split: images (N, 28, 28) uint8, ink bright on black, and labels (N,) uint8 from 0 to 9."""

    split: str
    images: np.ndarray
    labels: np.ndarray
    name: str = "MNIST"

    def __len__(self) -> int:
        return len(self.labels)


def load(folder: Path | str, split: str = "val") -> Digits:
    """Read a split from `folder`, or from MNIST/raw below it, plain or gzipped. Raises DataError."""
    if split not in SPLITS:
        raise DataError(f"MNIST has the splits {', '.join(SPLITS)}, not {split!r}.")
    root = Path(folder)
    root = next((place for place in (root / "MNIST" / "raw", root) if place.is_dir()), root)
    stem = "t10k" if split == "test" else "train"
    images, labels = _read(root, f"{stem}-images-idx3-ubyte", 3), _read(root, f"{stem}-labels-idx1-ubyte", 1)
    if images.shape[1:] != (28, 28) or len(images) != len(labels) or labels.max(initial=0) > 9:
        raise DataError(f"{root} does not hold MNIST: {images.shape} images with {len(labels)} labels up to "
                        f"{labels.max(initial=0)}.")  # fmt: skip
    part = {"train": slice(None, -HELD_OUT), "val": slice(-HELD_OUT, None), "test": slice(None)}[split]
    return Digits(split, images[part], labels[part])


def _read(root: Path, name: str, axes: int) -> np.ndarray:
    """One IDX file of unsigned bytes with so many axes, plain or gzipped."""
    path = next((p for p in (root / name, root / f"{name}.gz") if p.exists()), None)
    if path is None:
        raise DataError(f"{name} is missing in {root}: MNIST's four IDX files are wanted there, plain or gzipped.")
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be unpacked: {error}.") from error
    head = 4 + 4 * axes
    magic, *sizes = struct.unpack(f">{1 + axes}I", data[:head]) if len(data) >= head else (0,)
    if magic != 0x800 + axes or len(data) - head != np.prod(sizes, dtype=object):
        raise DataError(f"{path.name} is not an IDX file of {axes} axes, or it is cut off.")
    return np.frombuffer(data, np.uint8, offset=head).reshape(sizes)
