"""A mask file that lies beside a picture becomes its ground truth, without anybody being asked what its values mean.

References
1. `engine.debug.masks`: how its bytes are read; its Convention is that of this file, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.debug import masks
from engine.debug.masks import Entry, MaskError, Size
from engine.trace import VOID


def ground(data: bytes, shown: Size, original: Size, classes: Sequence[str], colours: np.ndarray) -> np.ndarray:
    """(H, W) uint8 labels, 255 = void, of a picture that is shown at `shown` = (W, H), from the bytes of its mask.

    original: (width, height) of the picture's file. Where all colours of the mask are in `colours` (K, 3), the data
    set's own, they say the classes; else its values are class indices, and 255 is void. Raises MaskError.
    """
    mask = masks.read(data, shown, original)
    table = {tuple(colour): k for k, colour in reversed(list(enumerate(colours.tolist())))}
    known = [_void(entry) or entry.colour in table for entry in mask.entries]
    if all(known) and any(entry.colour in table for entry in mask.entries):
        return masks.apply(mask, [VOID if _void(entry) else table[entry.colour] for entry in mask.entries])
    values = [VOID if _void(entry) else entry.value for entry in mask.entries]
    wrong = [entry for entry, value in zip(mask.entries, values, strict=True)
             if value is None or (value != VOID and not 0 <= value < len(classes))]  # fmt: skip
    if wrong:
        raise MaskError(f"The mask holds {wrong[-1].name}; the model has the classes 0 to {len(classes) - 1}, and 255 "
                        "is void.")  # fmt: skip
    return masks.apply(mask, values)


def _void(entry: Entry) -> bool:
    return entry.value == VOID or (entry.value is None and entry.colour is None)
