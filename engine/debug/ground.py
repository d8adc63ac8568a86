"""A mask file that lies beside a picture becomes its ground truth: grey or indexed, values are class indices.

References
1. Everingham et al., PASCAL VOC development kit: masks are indexed PNG, 255 is void.

Convention
----------
A mask has exactly the size of its picture's file as it stands upright. Where the picture was scaled down, each pixel
takes the label of the mask's pixel that its centre lies in.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image

from engine.data import DataError
from engine.images import MAX_BYTES
from engine.trace import VOID

FORMATS = ("PNG", "BMP", "GIF", "TIFF")  # that keep each value as it is


class GroundError(DataError):
    """This mask cannot be used; the message is one clear sentence."""


def ground(data: bytes, original: tuple[int, int], size: tuple[int, int], classes: int) -> np.ndarray:
    """(H, W) uint8 labels at `size` = (H, W) from the bytes of a mask, 255 = void. Raises GroundError.

    original: (width, height) of the picture's file, which the mask must have too; it is checked before decoding.
    """
    if len(data) > MAX_BYTES:
        raise GroundError(f"The mask has more than {MAX_BYTES / 1e6:.0f} MB.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _check(image, original)
            values = np.asarray(image)
    except GroundError:
        raise
    except Exception as error:  # Pillow's readers raise what they like on a broken file
        raise GroundError("The mask is damaged or not a PNG, BMP, GIF or TIFF file.") from error
    wrong = (values >= classes) & (values != VOID)
    if wrong.any():
        raise GroundError(f"The mask holds the value {int(values[wrong].max())}; the model has the classes 0 to "
                          f"{classes - 1}, and 255 is void.")  # fmt: skip
    rows, columns = (((np.arange(n) + 0.5) * full / n).astype(int) for n, full in zip(size, values.shape, strict=True))
    return values[np.ix_(rows, columns)].astype(np.uint8)


def _check(image: Image.Image, original: tuple[int, int]) -> None:
    if image.size != original:
        raise GroundError(f"The mask has {image.width} x {image.height} pixels and the picture {original[0]} x "
                          f"{original[1]}; they must be equal.")  # fmt: skip
    if image.mode not in ("L", "P", "1", "I;16"):
        raise GroundError("The mask is in colour; a grey or indexed one is read, whose values are class indices.")
