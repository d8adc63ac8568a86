"""PASCAL VOC 2012 segmentation reduced to animals and people; every other class becomes void.

References
1. Everingham et al. 2010, "The PASCAL Visual Object Classes Challenge".
   Layout: VOCdevkit/VOC2012/{JPEGImages, SegmentationClass, ImageSets/Segmentation/SPLIT.txt}.
2. Hariharan et al. 2011, "Semantic Contours from Inverse Detectors": the augmented masks (split trainaug).
3. Lecture slides 15-20 and 59.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from engine import palette
from engine.data import DataError, LabelSet, Segmentation, require
from engine.trace import VOID

_IDS = {"background": 0, "cat": 8, "cow": 10, "dog": 12, "horse": 13, "sheep": 17, "person": 15}
LABELS = LabelSet("animals", tuple(_IDS), palette.voc(21)[list(_IDS.values())])
_TABLE = np.full(256, VOID, np.uint8)
_TABLE[list(_IDS.values())] = np.arange(len(_IDS))


def load(folder: Path | str, split: str = "val") -> Segmentation:
    """The pictures that `folder`/VOCdevkit/VOC2012/ImageSets/Segmentation/`split`.txt names. Raises DataError."""
    root = require(Path(folder) / "VOCdevkit" / "VOC2012", "PASCAL VOC 2012")
    listing = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    names = require(listing, f"The list of split {split}").read_text(encoding="utf8").split()
    if not names:
        raise DataError(f"{listing} names no pictures.")
    items = tuple((root / "JPEGImages" / f"{n}.jpg", root / "SegmentationClass" / f"{n}.png") for n in names)
    return Segmentation("PASCAL VOC 2012, animals and people", split, LABELS, items, read_mask)


def read_mask(path: Path) -> np.ndarray:
    """(H, W) uint8 labels of `LABELS` from an indexed PNG of VOC ids; other classes and borders become 255."""
    with Image.open(path) as image:
        return _TABLE[np.asarray(image)]
