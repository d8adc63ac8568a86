"""Superpixels of a picture, the mean class distribution inside each, and how strong the boundaries between them are.

References
1. Farabet, Couprie, Najman and LeCun 2013, "Learning Hierarchical Features for Scene Labeling", section 4.1: each
   superpixel takes the class of its mean distribution; lecture slide 32.
2. Felzenszwalb and Huttenlocher 2004, "Efficient Graph-Based Image Segmentation".
3. Achanta et al. 2012, "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods".
4. Di Zenzo 1986, "A Note on the Gradient of a Multi-Image": the gradient of several channels together.

Convention
----------
Regions are (H, W) int32 ids 0 .. n-1, every id used, each region 4-connected (neighbours share a side), n <= `MOST`.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_gradient_magnitude
from scipy.special import entr
from skimage import measure, segmentation
from skimage.color import rgb2lab

MOST = 4096  # regions


def felzenszwalb(rgb: np.ndarray, scale: float = 100.0, sigma: float = 0.8, min_size: int = 20) -> np.ndarray:
    """Regions (H, W) of a picture (H, W, 3) uint8 by reference 2, none below `min_size` pixels.

    scale: preference for large regions (k of the paper); sigma: of the Gaussian before, in pixels.
    """
    return _bounded(segmentation.felzenszwalb(rgb, scale, sigma, min_size), min_size)


def slic(rgb: np.ndarray, segments: int = 400, compactness: float = 10.0) -> np.ndarray:
    """About `segments` regions (H, W) of a picture (H, W, 3) uint8 by reference 3: k-means in Lab and position.

    compactness: weight of the position against colour; none gets below a quarter of the mean size.
    """
    segments = min(max(segments, 1), MOST)
    labels = segmentation.slic(rgb, segments, compactness, start_label=0, enforce_connectivity=False)
    return _bounded(labels, labels.size // (4 * segments))


def _bounded(labels: np.ndarray, min_size: int) -> np.ndarray:
    """`_connected`; where that leaves more than `MOST` regions, the least size is raised so that no more have room."""
    regions = _connected(labels, min_size)
    return regions if regions.max() < MOST else _connected(regions, -(-regions.size // MOST))


def _connected(labels: np.ndarray, min_size: int) -> np.ndarray:
    """The 4-connected components of `labels` (H, W) as regions.

    Those below `min_size` pixels are flooded by their neighbours, step by step from all sides: so every region has at
    least that size, or is the whole picture. (Felzenszwalb's own components are 8-connected, those of k-means free.)
    """
    parts = measure.label(labels, background=-1, connectivity=1)  # 1, 2, ...
    size = np.bincount(parts.ravel())
    keep = size >= min_size
    keep[size.argmax()] = True
    markers = np.where(keep, keep.cumsum(), 0)[parts]
    return segmentation.watershed(np.zeros(parts.shape, np.uint8), markers, connectivity=1).astype(np.int32) - 1


def mean_distribution(probability: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """(n, K) float32: the mean of `probability` (K, H, W) inside each region (H, W) (reference 1)."""
    flat = regions.ravel()
    size = np.bincount(flat)
    sums = [np.bincount(flat, p.ravel(), len(size)) for p in probability]  # K of (n,)
    return (np.stack(sums, 1) / size[:, None]).astype(np.float32)


def superpixel_labels(probability: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """(H, W) uint8: each pixel takes the likeliest class of its region's mean of `probability` (K, H, W)."""
    return mean_distribution(probability, regions).argmax(1).astype(np.uint8)[regions]


def entropy(distribution: np.ndarray) -> np.ndarray:
    """(..., K) distributions -> (...,) in nats, 0 to log K: 0 where one class has everything, the purest region."""
    return entr(distribution).sum(-1)


def boundary_strength(rgb: np.ndarray, sigma: float = 1.0) -> np.ndarray:
    """(H, W) float32: the gradient of a picture (H, W, 3) uint8 in CIE Lab, a hundredth of its units for each pixel.

    The root of the sum over the channels of the squared gradient magnitudes (reference 4: the trace of its tensor), by
    derivatives of a Gaussian of `sigma` pixels, edges repeated. 0 where flat; a step from black to white gives 0.4.
    """
    lab = rgb2lab(rgb).astype(np.float32)
    channels = [gaussian_gradient_magnitude(lab[..., c], sigma, mode="nearest") for c in range(3)]  # 3 of (H, W)
    return np.sqrt(np.square(channels).sum(0)) / 100
