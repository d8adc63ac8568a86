"""Colours: VOC's own map, and a palette whose entries stay apart."""

import numpy as np

from engine import palette


def test_voc_is_the_map_of_the_development_kit():
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 8: (64, 0, 0), 12: (64, 0, 128),
             15: (192, 128, 128), 20: (0, 64, 128), 255: (224, 224, 192)}  # fmt: skip
    colours = palette.voc(256)
    for index, rgb in known.items():
        assert tuple(colours[index]) == rgb
    assert len(np.unique(colours, axis=0)) == 256


def test_the_safe_palette_repeats_only_past_its_end():
    assert len(np.unique(palette.safe(21), axis=0)) == 21
    assert np.array_equal(palette.safe(25)[21:], palette.safe(4))
    assert palette.safe(0).shape == palette.voc(0).shape == (0, 3)


def lab(rgb: np.ndarray) -> np.ndarray:
    from skimage.color import rgb2lab

    return rgb2lab(rgb[None] / 255.0)[0]


# Viénot, Brettel and Mollon 1999: linear RGB as people without long- or middle-wave cones see it
DICHROMATS = {
    "protan": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deutan": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
}


def test_the_first_eight_stay_apart_for_colour_blind_eyes():
    linear = (palette.safe(8) / 255.0) ** 2.2
    for matrix in DICHROMATS.values():
        seen = lab(255 * np.clip(linear @ np.array(matrix).T, 0, 1) ** (1 / 2.2))
        distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + 1000 * np.eye(8)
        assert distance.min() > 8  # a just noticeable difference is about 2.3
