"""Superpixels of a picture, the mean class distribution inside each, and how strong the boundaries between them are.

References
1. Farabet, Couprie, Najman and LeCun 2013, "Learning Hierarchical Features for Scene Labeling", section 4.1: each
   superpixel takes the class of its mean distribution; lecture slide 32.
2. Felzenszwalb and Huttenlocher 2004, "Efficient Graph-Based Image Segmentation".
3. Achanta et al. 2012, "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods".
4. Di Zenzo 1986, "A Note on the Gradient of a Multi-Image": the gradient of several channels together.

Convention
----------
Regions are (H, W) int32 ids 0 .. n-1, all of them used; each region is 4-connected (its pixels share sides).
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_gradient_magnitude
from scipy.special import entr
from skimage import measure, segmentation
from skimage.color import rgb2lab

MOST = 4096  # regions


def felzenszwalb(rgb: np.ndarray, scale: float = 30.0, sigma: float = 0.8, min_size: int = 5) -> np.ndarray:
    """At most `MOST` regions (H, W) of a picture (H, W, 3) uint8 by reference 2, none below `min_size` pixels.

    scale: preference for large regions (k of the paper); sigma: of the Gaussian before, in pixels. Where nothing comes
    to `min_size` pixels, the picture is one region.
    """
    return _connected(rgb, segmentation.felzenszwalb(rgb, scale, sigma, min_size), min_size)


def slic(rgb: np.ndarray, segments: int = 700, compactness: float = 10.0) -> np.ndarray:
    """About `segments`, at most `MOST`, regions (H, W) of a picture (H, W, 3) uint8 by reference 3: k-means.

    compactness: weight of the position against the Lab colour. None gets below a quarter of the mean size.
    """
    segments = min(max(segments, 1), MOST)
    labels = segmentation.slic(rgb, segments, compactness, start_label=0, enforce_connectivity=False)
    return _connected(rgb, labels, labels.size // (4 * segments))


def _connected(rgb: np.ndarray, labels: np.ndarray, min_size: int) -> np.ndarray:
    """The 4-connected components of `labels` (H, W) from `min_size` pixels on, at most the `MOST` largest, as regions.

    The others are flooded by their neighbours: specks that hung together by corners only from all sides alike; where
    there were too many components, across the weakest boundary of the picture first.
    """
    parts = measure.label(labels, background=-1, connectivity=1)  # 1, 2, ...
    size = np.bincount(parts.ravel())
    enough = max((size >= max(min_size, 1)).sum(), 1)
    keep = np.zeros(len(size), bool)
    keep[np.argsort(-size, kind="stable")[: min(enough, MOST)]] = True
    markers = np.where(keep, keep.cumsum(), 0)[parts]
    ground = boundary_strength(rgb) if enough > MOST else np.zeros(parts.shape, np.uint8)
    return segmentation.watershed(ground, markers, connectivity=1).astype(np.int32) - 1


def mean_distribution(probability: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """(n, K) float32: the mean of `probability` (K, H, W) inside each of the regions (H, W)."""
    flat = regions.ravel()
    size = np.bincount(flat)
    sums = [np.bincount(flat, p.ravel(), len(size)) for p in probability]  # K of (n,)
    return (np.stack(sums, 1) / size[:, None]).astype(np.float32)


def superpixel_labels(probability: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """(H, W) uint8: each pixel takes the likeliest class of its region's mean of `probability` (K, H, W)."""
    return mean_distribution(probability, regions).argmax(1).astype(np.uint8)[regions]


def entropy(distribution: np.ndarray) -> np.ndarray:
    """(..., K) distributions -> (...,) in nats: 0 where one class has everything (pure), log K where all have equal."""
    return entr(distribution).sum(-1)


def boundary_strength(rgb: np.ndarray, sigma: float = 1.0) -> np.ndarray:
    """(H, W) float32: gradient of a picture (H, W, 3) uint8 in CIE Lab, in hundreds of Lab units for each pixel.

    The root of the channels' summed squares (reference 4: of the trace of its tensor), by derivatives of a Gaussian of
    `sigma` pixels, edges repeated. 0 where flat; beside a straight edge from black to white 0.36.
    """
    lab = rgb2lab(rgb).astype(np.float32)
    channels = [gaussian_gradient_magnitude(lab[..., c], sigma, mode="nearest") for c in range(3)]  # 3 of (H, W)
    return np.sqrt(np.square(channels).sum(0)) / 100
