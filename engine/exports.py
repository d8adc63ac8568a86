"""What is taken away besides pictures: an animation in WebP, numbers as JSON, masks as COCO's RLE and as indexed PNG.

References
1. COCO API, maskApi.c (rleEncode, rleToString): runs down the columns, counts as differences, six bits a character.
2. https://cocodataset.org/#format-data: annotations and categories.
3. PASCAL VOC development kit: class masks as indexed PNG, 255 = void.
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import find_objects

from engine import palette, render
from engine.trace import VOID, Trace


def webp(trace: Trace, *, seconds: float = 1.5) -> bytes:
    """All steps as an animated WebP that repeats, each shown for `seconds` (the last one twice as long)."""
    first, *others = render.frames(trace)
    times = [round(1000 * seconds)] * len(others) + [round(2000 * seconds)]
    out = io.BytesIO()
    first.save(out, "WEBP", save_all=True, append_images=others, duration=times, loop=0, quality=85, method=2)
    return out.getvalue()


def json_text(trace: Trace) -> str:
    """Everything of a Trace that is not an array: card, settings, and of each step sentence, table and layers."""
    steps = [{"title": step.title, "sentence": step.sentence,
              "table": step.table and {"columns": step.table.columns, "rows": step.table.rows},
              "layers": [{"kind": x.kind, "name": x.name, "shape": x.data.shape, "unit": x.unit} for x in step.layers]}
             for step in trace.steps]  # fmt: skip
    head = {"size": trace.image.shape[1::-1], "card": dict(trace.card), "classes": trace.classes,
            "settings": dict(trace.settings), "steps": steps}  # fmt: skip
    return json.dumps(head, indent=1, default=_plain, ensure_ascii=False)


def indexed_png(labels: np.ndarray, colours: np.ndarray) -> bytes:
    """Labels (H, W) uint8 as a PNG whose pixels are class indices (reference 3).

    colours: (K, 3) uint8 of the classes; further indices, 255 = void among them, get those of VOC's colour map.
    """
    table = palette.voc(256)
    table[: len(colours)] = colours
    image = Image.fromarray(labels)
    image.putpalette(table.tobytes())
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def coco_rle(mask: np.ndarray) -> dict[str, Any]:
    """A mask (H, W) bool as COCO's compressed RLE: {"size": [H, W], "counts": text} (reference 1)."""
    flat = mask.T.ravel()  # down the columns
    edges = np.flatnonzero(np.diff(flat.astype(np.int8))) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]]))
    if flat.size and flat[0]:
        counts = np.concatenate([[0], counts])  # the first run is always of zeros
    return {"size": [int(side) for side in mask.shape], "counts": _counts_text(counts.tolist())}


def _counts_text(counts: list[int]) -> str:
    """From the fourth on a count is written as its difference from the one two before; 5 bits and a sign each time."""
    letters = []
    for i, count in enumerate(counts):
        value = count - (counts[i - 2] if i > 2 else 0)
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            letters.append(chr(48 + (bits | 32 if more else bits)))
    return "".join(letters)


def coco_json(labels: np.ndarray, classes: tuple[str, ...], name: str) -> str:
    """Labels (H, W) uint8 as a COCO file: for each class that occurs one annotation with area, box and RLE.

    name: of the picture. Category ids are class indices + 1; void and "background" get no annotation. Boxes are
    (x, y, width, height) in pixels.
    """
    height, width = labels.shape
    annotations = []
    for k in np.unique(labels[labels != VOID]).tolist():
        if k < len(classes) and classes[k] == "background":
            continue
        mask = labels == k
        rows, columns = find_objects(mask.astype(np.int8))[0]
        annotations.append({
            "id": len(annotations) + 1, "image_id": 1, "category_id": k + 1, "iscrowd": 1, "area": int(mask.sum()),
            "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
            "segmentation": coco_rle(mask),
        })  # fmt: skip
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(classes)]
    images = [{"id": 1, "file_name": name, "width": width, "height": height}]
    return json.dumps({"images": images, "categories": categories, "annotations": annotations})


def last_labels(trace: Trace) -> np.ndarray | None:
    """(H, W) uint8: the answer that the Trace ends with, None where there is none.

    It is the last layer of labels that came from scores, else the last one: a ground truth comes from none.
    """
    found = [layer for step in trace.steps for layer in step.layers if layer.kind == "labels" and layer.box is None]
    if not found:
        return None
    scored = [layer for layer in found if layer.data.ndim == 3]
    return render.labels_of((scored or found)[-1], trace.image.shape[:2])


def _plain(value: Any) -> Any:
    """JSON for NumPy's numbers and arrays."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else str(value)
