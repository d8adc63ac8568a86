"""Random views of a labelled picture: size, shape, place, mirror, light and colour; the labels follow.

References
1. Chen et al. 2017, "Rethinking Atrous Convolution", section 4.1: random scale 0.5 to 2, crop and flip.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from engine.trace import VOID


def view(rgb: np.ndarray, labels: np.ndarray, size: int, scale: tuple[float, float], rng: np.random.Generator):
    """A random crop of `size` x `size`: (size, size, 3) uint8 and (size, size) uint8.

    scale: lowest and highest enlargement, drawn log-uniformly; the aspect ratio varies by up to a fifth.
    What lies outside the picture is grey (128) and void.
    """
    h, w = labels.shape
    factor = np.exp(rng.uniform(*np.log(scale)))
    squeeze = np.exp(rng.uniform(-0.1, 0.1))
    new_w, new_h = max(1, round(w * factor * squeeze)), max(1, round(h * factor / squeeze))
    x, y = _place(new_w, size, rng), _place(new_h, size, rng)
    flip = rng.random() < 0.5
    # The window (x, y, x + size, y + size) of the enlarged picture, in pixels of the original.
    box = (x * w / new_w, y * h / new_h, (x + size) * w / new_w, (y + size) * h / new_h)
    transform = (box[2] - box[0]) / size, 0, box[0], 0, (box[3] - box[1]) / size, box[1]
    image = Image.fromarray(rgb)
    if factor < 0.8:  # an affine transform does not smooth: shrink first, so that nothing aliases
        image = image.resize((new_w, new_h), Image.Resampling.BOX)
        transform = (1, 0, x, 0, 1, y)
    image = image.transform((size, size), Image.Transform.AFFINE, transform, Image.Resampling.BILINEAR,
                            fillcolor=(128, 128, 128))  # fmt: skip
    transform = (box[2] - box[0]) / size, 0, box[0], 0, (box[3] - box[1]) / size, box[1]
    target = Image.fromarray(labels).transform((size, size), Image.Transform.AFFINE, transform,
                                               Image.Resampling.NEAREST, fillcolor=VOID)  # fmt: skip
    pixels, target = np.asarray(image), np.asarray(target)
    if flip:
        pixels, target = pixels[:, ::-1], target[:, ::-1]
    return colour(pixels, rng), target


def colour(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random brightness, contrast, saturation and tint; one picture in ten turns grey. uint8 in, uint8 out."""
    x = rgb.astype(np.float32)
    grey = x @ np.array([0.299, 0.587, 0.114], np.float32)
    saturation = 0.0 if rng.random() < 0.1 else rng.uniform(0.6, 1.4)
    x = grey[..., None] + saturation * (x - grey[..., None])
    x = (x - x.mean()) * rng.uniform(0.7, 1.3) + x.mean() * rng.uniform(0.7, 1.3)
    x *= rng.uniform(0.94, 1.06, 3)
    return np.clip(x, 0, 255).astype(np.uint8)


def _place(length: int, size: int, rng: np.random.Generator) -> int:
    """Where a window of `size` starts: inside where it fits, else so that it holds the whole picture."""
    low, high = min(0, length - size), max(0, length - size)
    return int(rng.integers(low, high + 1))
