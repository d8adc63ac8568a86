"""Readers of data sets in the layout that their authors published; one module each.

A reader is a `Segmentation`: a sequence of pairs (rgb (H, W, 3) uint8, labels (H, W) uint8, 255 = nobody may judge).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


class DataError(ValueError):
    """The folder does not hold the data set that was asked for; the message is one clear sentence."""


@dataclass(frozen=True)
class LabelSet:
    """The classes of a data set: names in the order of their indices, and its usual colours (n, 3) uint8."""

    name: str
    classes: tuple[str, ...]
    colours: np.ndarray


@dataclass(frozen=True)
class Segmentation:
    """Pictures with a label for each pixel: `items` are paths (picture, labels), `read` opens the second."""

    name: str
    split: str
    labels: LabelSet
    items: tuple[tuple[Path, Path], ...]
    read: Callable[[Path], np.ndarray]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) uint8 RGB and (H, W) uint8 labels of one picture.

        Raises DataError where a file cannot be read or the sizes differ.
        """
        picture, labels = self.items[i]
        try:
            with Image.open(picture) as image:
                rgb = np.asarray(image.convert("RGB"))
            target = self.read(labels)
        except (OSError, ValueError) as error:
            raise DataError(f"{picture.name} or {labels.name} in {picture.parents[1]} cannot be read.") from error
        if target.shape != rgb.shape[:2]:
            raise DataError(f"{labels.name} is {target.shape[::-1]} but its picture is {rgb.shape[1::-1]}.")
        return rgb, target


def require(path: Path, what: str) -> Path:
    """`path` if it exists, else a DataError that says what should have been there."""
    if not path.exists():
        raise DataError(f"{what} was expected at {path}, and there is nothing.")
    return path
