"""An uploaded mask's untrusted bytes become a map of entries, and entries become classes or void.

References
1. Everingham et al., PASCAL VOC development kit: masks are indexed PNG, their colour map, 255 is void.
2. Pillow handbook, "Concepts": modes.

Convention
----------
A mask has the size of the picture as it is shown, or that of the picture's file as it stands upright. Of the latter
each shown pixel takes the entry of the mask's pixel that its centre lies in (nearest, half-pixel centres).
Where the photo carries an EXIF orientation the mask may have been drawn over the photo as the sensor saw it; then it is
set upright as the photo was (`upright`). Where that swaps the sides the size tells; else somebody must say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from engine import images
from engine.images import ImageError

FORMATS = ("PNG", "BMP", "GIF", "TIFF")  # that keep each value as it is
MOST = 256  # entries of a mask
CLEAR = "transparent"  # the name of an entry that is neither value nor colour
_LEVELS = {1: 255, 2: 85, 4: 17}  # bits of a grey PNG -> what Pillow multiplies its values by
_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "LA", "PA", "RGB", "RGBA")

Colour = tuple[int, int, int]
Size = tuple[int, int]  # width, height


class MaskError(ImageError):
    """This mask cannot be used; the message is one clear sentence."""


@dataclass(frozen=True)
class Entry:
    """What some pixels of a mask hold in common: a value, a colour, or both; neither where they are transparent."""

    value: int | None
    colour: Colour | None
    pixels: int

    @property
    def name(self) -> str:
        """In words, e.g. "15", "#c08080" or "15 #c08080"."""
        parts = ([] if self.value is None else [str(self.value)]) + ([_hex(self.colour)] if self.colour else [])
        return " ".join(parts) or CLEAR


@dataclass(frozen=True, eq=False)
class Mask:
    """values: (H, W) uint8, an index into `entries`, in the frame of the picture as it is shown.

    notes: what was done to it, in sentences. orientation: of the photo. turned: whether the mask was set upright like
    the photo. turnable: whether only a person can know if it must be.
    """

    values: np.ndarray
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    orientation: int = 1
    turned: bool = False
    turnable: bool = False


def read(data: bytes, shown: Size, original: Size, orientation: int = 1, turned: bool | None = None) -> Mask:
    """The mask in `data`: an indexed, grey (8 or 16 bit), RGB or RGBA file of one of `FORMATS`.

    shown, original: (width, height) of the picture as it is shown and of its file, upright; the mask must have one of
    the two, perhaps with its sides swapped as the photo's orientation (EXIF, 1 to 8) swaps them. turned: whether to set
    the mask upright as the photo was; None means where its size says so. Its size is judged before it is decoded.
    Raises MaskError.
    """
    try:
        return images.read(data, lambda image, name: _read(image, name, data, shown, original, orientation, turned))
    except MaskError:
        raise
    except ImageError as error:
        raise MaskError(str(error)) from error


def _read(image: Image.Image, name: str, data: bytes, shown: Size, original: Size, orientation: int,
          turned: bool | None) -> Mask:  # fmt: skip
    if name not in FORMATS:
        raise MaskError(f"A {name} file blurs labels; please save the mask as PNG.")
    _check(image, shown, original, orientation)
    image.load()
    _check(image, shown, original, orientation)  # a TIFF that says how it was held is turned only now
    bits = data[24] if name == "PNG" else 8  # IHDR's fourth field
    ways = [turn for turn in ((False, True) if orientation in range(2, 9) else (False,))
            if image.size in _frames(shown, original, orientation if turn else 1)]  # fmt: skip
    turn = ways[0] if turned is None or turned not in ways else turned
    size = _swapped(shown, orientation) if turn else shown
    if image.mode in ("RGB", "RGBA", "PA", "LA"):
        mask = _by_colour(_at_centres(image, size, "RGBA"))
    else:
        values = _at_centres(image, size).astype(np.int64) // (_LEVELS.get(bits, 1) if image.mode == "L" else 1)
        mask = _by_value(values, image.getpalette("RGB") if image.mode == "P" else None)
    if orientation not in range(2, 9):
        return mask
    if turn:
        return turn_like_photo(replace(mask, orientation=orientation))
    note = f"The photo carries an orientation ({orientation}): the mask is taken as upright."
    return replace(mask, orientation=orientation, turnable=len(ways) > 1, notes=(note,) if len(ways) > 1 else ())


def turn_like_photo(mask: Mask) -> Mask:
    """A mask that lies as the sensor saw the photo, set upright."""
    note = f"The mask lay as the sensor saw the photo and was turned like the photo (orientation {mask.orientation})."
    values = upright(mask.values, mask.orientation)
    return replace(mask, values=values, notes=(note,), turned=True, turnable=False)


def upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W) set upright from the frame of a sensor by an EXIF orientation, 1 to 8, as `engine.images.decode` does."""
    if orientation in (5, 6, 7, 8):
        values = values.T
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return np.ascontiguousarray(values)


def _swapped(size: Size, orientation: int) -> Size:
    return size[::-1] if orientation in (5, 6, 7, 8) else size


def _frames(shown: Size, original: Size, orientation: int) -> tuple[Size, Size]:
    """The sizes of a picture as it is shown and of its file before it is set upright."""
    return _swapped(shown, orientation), _swapped(original, orientation)


def _at_centres(image: Image.Image, shown: Size, mode: str | None = None) -> np.ndarray:
    """(h, w) or (h, w, C): the pixels that the centres of the shown ones lie in, in `mode`; row by row, for memory."""
    columns, rows = ((2 * np.arange(n) + 1) * full // (2 * n) for n, full in zip(shown, image.size, strict=True))
    lines = (image.crop((0, y, image.width, y + 1)) for y in rows.tolist())
    return np.stack([np.asarray(line.convert(mode) if mode else line)[0, columns] for line in lines])


def _check(image: Image.Image, shown: Size, original: Size, orientation: int) -> None:
    if image.size not in (*_frames(shown, original, 1), *_frames(shown, original, orientation)):
        mask, picture, file = (f"{width} x {height}" for width, height in (image.size, shown, original))
        both = f"{picture} as it is shown and {file} in its file" if shown != original else f"{picture} pixels"
        must = "they must be equal" if shown == original else "the mask must have one of the two sizes"
        turned = " It seems to be turned by a quarter." if image.size[::-1] in (shown, original) else ""
        raise MaskError(f"The mask has {mask} pixels and the picture has {both}; {must}.{turned}")
    if image.mode not in _MODES:
        raise MaskError(f"The mask has pixels of kind {image.mode}; indexed, grey, RGB and RGBA masks are read.")


def _by_value(values: np.ndarray, table: Sequence[int] | None) -> Mask:
    """values: (H, W) whole numbers. table: of an indexed mask, its colours one after the other."""
    found, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    _bounded(len(found), "values")
    entries = []
    for value, count in zip(found.tolist(), counts.tolist(), strict=True):
        colour = tuple(table[3 * value : 3 * value + 3]) if table else None
        entries.append(Entry(value, colour or None, count))
    return Mask(index.reshape(values.shape).astype(np.uint8), tuple(entries))


def _by_colour(rgba: np.ndarray) -> Mask:
    """rgba: (H, W, 4) uint8. Where all colours are grey they are values, too; clear pixels are one entry, the last."""
    joint = rgba[..., :3].astype(np.int64) @ (65536, 256, 1)
    joint[rgba[..., 3] == 0] = 1 << 24
    found, index, counts = np.unique(joint, return_inverse=True, return_counts=True)
    _bounded(len(found), "colours")
    colours = [(c >> 16, c >> 8 & 255, c & 255) for c in found.tolist()]
    clear = [c == (256, 0, 0) for c in colours]
    grey = all(no or len(set(c)) == 1 for c, no in zip(colours, clear, strict=True))
    entries = (Entry(None, None, n) if no else Entry(c[0] if grey else None, c, n)
               for c, no, n in zip(colours, clear, counts.tolist(), strict=True))  # fmt: skip
    return Mask(index.reshape(joint.shape).astype(np.uint8), tuple(entries))


def _bounded(count: int, what: str) -> None:
    if count > MOST:
        raise MaskError(f"The mask holds {count} different {what}, more than {MOST}; it looks like a photograph"
                        f"{' or holds ids of instances' if what == 'values' else ''}.")  # fmt: skip


def apply(mask: Mask, mapping: Sequence[int]) -> np.ndarray:
    """(H, W) uint8 labels: the class index or VOID that `mapping` has for each entry of the mask."""
    return np.array(mapping, np.uint8)[mask.values]


def _hex(colour: Colour) -> str:
    return "#" + bytes(colour).hex()
