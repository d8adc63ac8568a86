"""Flickr8k: pictures of people and dogs, mostly out of doors, with five captions each.

References
1. Hodosh, Young and Hockenmaier 2013, "Framing Image Description as a Ranking Task".
   Layout: flickr8k/images/NAME.jpg, flickr8k/Flickr8k.token.txt, flickr8k/Flickr_8k.SPLITImages.txt.
2. Xu et al. 2015, section 5.1: the data of the lecture's captions (slides 85-102).
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from engine.data import DataError, require

SPLIT = "train: the authors' 6,000; val: their 1,000 of dev"  # in the words of a card
TERMS = "Data: Flickr8k (Hodosh et al. 2013), research use, not shipped."
SPLITS = {"train": "train", "val": "dev", "test": "test"}


@dataclass(frozen=True)
class Captions:
    """Pictures (`paths`) with their captions, each a tuple of lower-case words without punctuation."""

    name: str
    split: str
    paths: tuple[Path, ...]
    captions: tuple[tuple[tuple[str, ...], ...], ...]

    def __len__(self) -> int:
        return len(self.paths)

    def rgb(self, i: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB of picture i. Raises DataError where it cannot be read."""
        try:
            with Image.open(self.paths[i]) as image:
                return np.asarray(image.convert("RGB"))
        except (OSError, ValueError) as error:
            raise DataError(f"{self.paths[i]} cannot be read.") from error


def words(text: str) -> tuple[str, ...]:
    """The lower-case words of a caption: letters and digits, with apostrophes inside a word closed up."""
    return tuple(re.findall(r"[a-z0-9]+", re.sub(r"(?<=\w)['’](?=\w)", "", text.lower())))


def load(folder: Path | str, split: str = "val") -> Captions:
    """The pictures of `split`, one of `SPLITS`, below `folder`/flickr8k. Raises DataError."""
    if split not in SPLITS:
        raise DataError(f"Flickr8k has the splits {', '.join(SPLITS)}, not {split}.")
    root = require(Path(folder) / "flickr8k", "Flickr8k")
    listed = require(root / f"Flickr_8k.{SPLITS[split]}Images.txt", f"The list of Flickr8k's {split} pictures")
    by_name = _captions(require(root / "Flickr8k.token.txt", "Flickr8k's captions"))
    names = listed.read_text(encoding="utf8", errors="replace").split()
    missing = [name for name in names if name not in by_name or not (root / "images" / name).exists()]
    if missing or not names:
        raise DataError(f"{len(missing)} pictures of {listed.name} have no file or no captions in {root}.")
    return Captions("Flickr8k", split, tuple(root / "images" / name for name in names),
                    tuple(tuple(by_name[name]) for name in names))  # fmt: skip


def _captions(path: Path) -> dict[str, list[tuple[str, ...]]]:
    """picture name -> its captions. A line is NAME#i, a tab, the caption."""
    found = defaultdict(list)
    for line in path.read_text(encoding="utf8", errors="replace").splitlines():
        name, _, text = line.partition("\t")
        if words(text):
            found[name.partition("#")[0]].append(words(text))
    return found
