"""Colours of classes and of scales, one place for the viewer, the charts and the exported pictures.

References
1. PASCAL VOC development kit (Everingham et al.), VOClabelcolormap: the bits of the index spread over R, G and B.
2. Okabe and Ito 2008, "Color Universal Design": colours that stay apart under colour-vision deficiencies.
"""

from __future__ import annotations

import numpy as np


def voc(n: int) -> np.ndarray:
    """(n, 3) uint8: the first n entries of the VOC colour map (reference 1)."""
    index = np.arange(n)
    colours = np.zeros((n, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= ((index >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return colours


# Okabe and Ito's eight (reference 2), black replaced by a grey that shows on a photograph, then lighter and darker kin.
_SAFE = (
    (86, 180, 233), (0, 158, 115), (110, 110, 110), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    (230, 159, 0), (136, 34, 85), (51, 34, 136), (153, 221, 255), (68, 170, 153), (221, 204, 119), (170, 68, 153),
    (17, 119, 51), (187, 187, 187), (255, 170, 187), (102, 37, 6), (0, 68, 136), (153, 153, 51), (238, 136, 102),
)  # fmt: skip


def safe(n: int) -> np.ndarray:
    """(n, 3) uint8: a palette for colour-blind viewers (reference 2); past its 21 entries it repeats."""
    return np.array([_SAFE[i % len(_SAFE)] for i in range(n)], np.uint8).reshape(n, 3)
