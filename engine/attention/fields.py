"""What a cell of the attention grid truly sees of the picture, next to the square that is usually drawn for it.

References
1. Araujo, Norris and Sim 2019 (the field by arithmetic) and Luo et al. 2016 (by gradients); see `engine.receptive`.
2. Lecture slides 101-103: maps of a grid, drawn over the picture as if each cell saw its own square.

Convention
----------
Boxes are (x0, y0, x1, y1) in the picture's pixel frame. The picture is squashed to 448 x 448 before the encoder sees
it, so a square field there is a rectangle here, scaled by W / 448 in x and by H / 448 in y.
"""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from engine import receptive, tensors
from engine.attention.captions_model import CaptionModel, Encoding, cell_box
from engine.attention.encoder import GRID, SIDE, Encoder
from engine.trace import Layer, Step

SHARE = 0.9  # of the gradient that a box holds
_POOLED = 4  # pixels of the encoder's input along a side of a cell of the heat map


def theoretical(encoder: Encoder, place: int, size: tuple[int, int]) -> np.ndarray:
    """The box (4,) that cell `place` (0 to 195) can see at most, by arithmetic; it may reach out of the picture.

    size: (H, W) of the picture.
    """
    field = receptive.of_convolutions([encoder])
    middle = field.centre + field.stride * np.array(divmod(place, GRID)[::-1])  # x, y
    return np.concatenate([middle - field.size / 2, middle + field.size / 2]) * _scale(size)


def effective(model: CaptionModel, rgb: np.ndarray, place: int) -> tuple[np.ndarray, np.ndarray]:
    """What moves the length of the annotation vector of cell `place`, by gradients, in a picture (H, W, 3) uint8.

    Returns |gradient| as (112, 112) float with peak 1, and the box (4,) that holds `SHARE` of it.
    """

    def length(pixels: Tensor) -> Tensor:
        return model.encoder(pixels)[0, place].norm()

    strength = receptive.effective(length, tensors.to_input(rgb, (SIDE, SIDE), model.device))
    heat = F.max_pool2d(strength[None, None], _POOLED)[0, 0].cpu().numpy()
    return heat, np.array(receptive.box_of(strength, SHARE)) * _scale(rgb.shape[:2])


def field_step(model: CaptionModel, picture: Encoding | np.ndarray, place: int) -> Step:
    """A cell's true field as a step of its own.

    picture: (H, W, 3) uint8, or its encoding. place: 0 to 195, row by row. Layers: picture, heat of the gradient, and
    three boxes: the square usually drawn, nine tenths of the gradient, and what of the picture it can see at most.
    """
    rgb = picture.rgb if isinstance(picture, Encoding) else picture
    size = rgb.shape[:2]
    row, column = divmod(place, GRID)
    square, most = np.array(cell_box(place, size)), theoretical(model.encoder, place, size)
    heat, nine = effective(model, rgb, place)
    inside = np.concatenate([most[:2].clip(0), np.minimum(most[2:], size[::-1])])
    sentence = (f"The cell of row {row + 1}, column {column + 1} is usually drawn as {_extent(square)} pixels; nine "
                f"tenths of its gradient come from {_extent(nine)}, and it can see {_extent(most)}, of which "
                f"{_extent(inside)} lie in the picture.")  # fmt: skip
    return Step("What the cell sees", sentence, (
        Layer("image", "picture", rgb),
        Layer("heat", "gradient", heat, range=(0.0, 1.0), unit="share of the strongest"),
        Layer("boxes", "the square usually drawn", square[None]),
        Layer("boxes", "nine tenths", nine[None]),
        Layer("boxes", "at most", inside[None]),
    ))  # fmt: skip


def _scale(size: tuple[int, int]) -> np.ndarray:
    """(4,): from the encoder's pixels to those of a picture of `size` = (H, W)."""
    return np.array([size[1] / SIDE, size[0] / SIDE] * 2)


def _extent(box: np.ndarray) -> str:
    """Width x height in whole pixels."""
    return f"{box[2] - box[0]:.0f} x {box[3] - box[1]:.0f}"
