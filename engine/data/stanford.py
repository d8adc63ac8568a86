"""Stanford Background, the data of the lecture's scene labelling papers: outdoor pictures, eight classes.

References
1. Gould, Fulton and Koller 2009, "Decomposing a Scene into Geometric and Semantically Consistent Regions".
   Layout: iccv09Data/images/NAME.jpg and iccv09Data/labels/NAME.regions.txt, integers, negative = unknown.
2. Lecture slides 32-38: the papers that were measured on it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tarfile
import tempfile
import zlib
from pathlib import Path

import numpy as np

from engine.data import DataError, LabelSet, Segmentation, require
from engine.trace import VOID

SPLIT = "val: every eighth name in order; the rest is train; the authors publish none"  # in the words of a card
TERMS = "Data: Stanford Background (Gould et al. 2009), research use, not shipped."
LABELS = LabelSet(
    "stanford",
    ("sky", "tree", "road", "grass", "water", "building", "mountain", "foreground"),
    np.array([(135, 206, 235), (34, 110, 42), (120, 110, 120), (124, 200, 80), (40, 90, 200), (190, 135, 90),
              (128, 90, 160), (220, 50, 60)], np.uint8),
)  # fmt: skip
SPLITS = ("all", "train", "val")
_EVERY = 8  # the authors publish no split: here each eighth name, in order, is kept for validation


def load(folder: Path | str, split: str = "val") -> Segmentation:
    """The pairs below `folder`/iccv09Data, or in `folder`/iccv09Data.tar.gz; `split` is one of `SPLITS`.

    The archive is unpacked once into the user's cache folder. Raises DataError.
    """
    if split not in SPLITS:
        raise DataError(f"Stanford Background has the splits {', '.join(SPLITS)} here, not {split}.")
    root = _root(Path(folder))
    pairs = [
        (image, root / "labels" / f"{image.stem}.regions.txt") for image in sorted((root / "images").glob("*.jpg"))
    ]
    pairs = [pair for pair in pairs if pair[1].exists()]
    chosen = [pair for i, pair in enumerate(pairs) if split == "all" or (i % _EVERY == 0) == (split == "val")]
    if not chosen:
        raise DataError(f"{root} holds no pictures with labels.")
    return Segmentation("Stanford Background", split, LABELS, tuple(chosen), read_regions)


def _root(folder: Path) -> Path:
    """The folder iccv09Data itself: in `folder`, or unpacked from the archive there. Raises DataError."""
    archive = folder / "iccv09Data.tar.gz"
    if (folder / "iccv09Data").exists() or not archive.exists():
        return require(folder / "iccv09Data", "Stanford Background")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saccade"
    try:
        with archive.open("rb") as file:
            done = cache / f"stanford-{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
        if not done.exists():
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache) as fresh, tarfile.open(archive) as tar:
                tar.extractall(Path(fresh) / "all", filter="data")  # refuses links and paths that lead outside
                with contextlib.suppress(FileExistsError):  # another process was faster
                    (Path(fresh) / "all").rename(done)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{archive} cannot be unpacked: {error}.") from error
    return require(done / "iccv09Data", f"In {archive.name} Stanford Background")


def read_regions(path: Path) -> np.ndarray:
    """(H, W) uint8 labels from a .regions.txt; what is negative or unknown to `LABELS` becomes 255."""
    values = np.loadtxt(path, dtype=np.int64, ndmin=2)
    return np.where((values >= 0) & (values < len(LABELS.classes)), values, VOID).astype(np.uint8)
