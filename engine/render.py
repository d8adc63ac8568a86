"""The steps of a Trace as pictures, an animation and a table, drawn without any browser.

References
1. Porter and Duff 1984, "Compositing Digital Images": the operator "over", each layer on the ones below it.
2. van der Walt and Smith 2015, viridis: a sequential scale of even steps, safe for colour-blind eyes.

Convention
----------
What is shown is what the viewer shows at first (`assets/viewer/film.js`): the picture, one covering layer (the cover of
a tree, labels or heat), and all masks, boxes, points and lines; a grid of cells only where its attributes say "on".
Maps are enlarged as `engine.trace` says: bilinear with half-pixel centres; labels are the argmax after that.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from engine import palette, tensors
from engine.trace import BEST, COST, SHARES, VOID, Layer, Step, Trace

OPACITY = 0.55  # as in the viewer
COVERING = ("tree", "labels", "heat")  # kinds of which one at a time is shown, the first that a step has
ACCENT = (255, 75, 75)  # of masks and lines: the primary colour of Streamlit's light and dark themes
_VIRIDIS = np.array([[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129],
                     [92, 200, 99], [170, 220, 50], [253, 231, 37]], float)  # fmt: skip
_TILE, _GAP, _LETTER = 320, 16, 22  # pixels of a sheet: longest side of a picture, space between two, height of letters
_LESS, _MORE = (33, 102, 172), (217, 95, 2)  # ends of the signed scale


def render(trace: Trace, index: int, *, palette: str = "safe", opacity: float = OPACITY) -> np.ndarray:
    """Step `index` of a trace (negative counts from the end) as (H, W, 3) uint8, the size of its image.

    palette: "safe" for colour-blind eyes, or "voc" for the colours that the data set is usually shown in.
    opacity: of labels, heat and masks over the picture, 0 to 1.
    Raises IndexError for a step that is not there, ValueError for another palette.
    """
    step = trace.steps[index]
    colours = _colours(trace, palette)
    canvas = trace.image.astype(np.float32)
    covering = _covering(step)
    for layer in step.layers:
        if not layer.attributes.get("on", layer.kind != "cells"):
            continue
        if layer.kind in COVERING and layer is not covering and "on" not in layer.attributes:
            continue
        if layer.kind in ("boxes", "points", "lines", "cells"):
            canvas = _stroke(canvas, layer)
            continue
        rgb, alpha = _paint(layer, canvas.shape[:2], colours)
        alpha = alpha[..., None] * (1.0 if layer.kind == "image" else opacity)
        canvas = canvas * (1 - alpha) + rgb * alpha
    return np.rint(canvas).astype(np.uint8)


def png(trace: Trace, index: int, *, palette: str = "safe", opacity: float = OPACITY) -> bytes:
    """Step `index` as a PNG file; the arguments are those of `render`."""
    return _file(Image.fromarray(render(trace, index, palette=palette, opacity=opacity)), "PNG", optimize=True)


def gif(trace: Trace, *, palette: str = "safe", opacity: float = OPACITY, seconds: float = 1.5) -> bytes:
    """All steps as an animated GIF that repeats, each shown for `seconds` (the last one twice as long)."""
    first, *others = frames(trace, palette=palette, opacity=opacity)
    times = [round(1000 * seconds)] * len(others) + [round(2000 * seconds)]
    return _file(first, "GIF", save_all=True, append_images=others, duration=times, loop=0)


def frames(trace: Trace, *, palette: str = "safe", opacity: float = OPACITY) -> list[Image.Image]:
    """All steps as frames of an animation. In one that equals the frame before it the last pixel differs: writers of
    animations would leave it out, and the file would have fewer frames than there are steps."""
    found: list[np.ndarray] = []
    for i in range(len(trace.steps)):
        picture = render(trace, i, palette=palette, opacity=opacity)
        if found and np.array_equal(picture, found[-1]):
            picture = picture.copy()
            picture[-1, -1] = picture[-1, -1] ^ 128
        found.append(picture)
    return [Image.fromarray(picture) for picture in found]


def sheet(trace: Trace, columns: int | None = None) -> bytes:
    """All steps side by side as a PNG file, row by row, the title above each, on white: for a slide or a page.

    columns: pictures in a row; None takes as many as bring the sheet closest to 16 : 9.
    """
    count, (h, w) = len(trace.steps), trace.image.shape[:2]
    size = tuple(max(1, round(_TILE * side / max(h, w))) for side in (w, h))
    width, height = max(size[0], _TILE // 2) + _GAP, size[1] + 2 * _LETTER
    columns = min(columns or _widescreen(count, width / height), count)
    page = Image.new("RGB", (columns * width + _GAP, math.ceil(count / columns) * height + _GAP), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(_LETTER)
    for i, step in enumerate(trace.steps):
        x, y = _GAP + i % columns * width, i // columns * height
        title = step.title
        while draw.textlength(title, font) > width - _GAP:
            title = title[:-2].rstrip() + "…"
        draw.text((x, y + _LETTER / 2), title, "black", font)
        picture = Image.fromarray(render(trace, i)).resize(size, Image.Resampling.LANCZOS)
        page.paste(picture, (x, y + 2 * _LETTER))
    return _file(page, "PNG")


def _widescreen(count: int, shape: float) -> int:
    """Columns that bring `count` tiles, each `shape` times as wide as high, closest to 16 : 9."""
    return min(range(1, count + 1), key=lambda n: abs(math.log(n * shape / math.ceil(count / n) / (16 / 9))))


def csv_text(trace: Trace) -> str:
    """The sentences, tables and trees of all steps as CSV text with the columns step, title, row, column, value.

    Steps and rows count from 0. A step's sentence is a line whose column is "sentence" and whose row is empty. A tree's
    cover has a row for each region, whose columns are the tree's name and class, pixels (of its own map) and cost.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("step", "title", "row", "column", "value"))
    for i, step in enumerate(trace.steps):
        writer.writerow((i, step.title, "", "sentence", step.sentence))
        for j, row in enumerate(_rows(trace, step)):
            writer.writerows((i, step.title, j, *cell) for cell in row)
    return out.getvalue()


def _rows(trace: Trace, step: Step) -> Iterator[Iterable[tuple[str, str | float]]]:
    """Rows of (column, value): those of the step's table, then of its trees' covers the regions, the largest first."""
    if step.table:
        yield from (zip(step.table.columns, row, strict=True) for row in step.table.rows)
    for layer in step.layers:
        if layer.kind == "tree":
            node, pixels = np.unique(_best(layer)[layer.data], return_counts=True)
            for i in np.argsort(-pixels, kind="stable"):
                k, cost = layer.nodes[node[i], SHARES:].argmax(), float(layer.nodes[node[i], COST])
                name = trace.classes[k] if k < len(trace.classes) else f"class {k}"
                values = {"class": name, "pixels": int(pixels[i]), "cost": round(cost, 4)}
                yield ((f"{layer.name}: {column}", value) for column, value in values.items())


def _best(layer: Layer) -> np.ndarray:
    """(n,) int64: the node of a tree's cover that each leaf lies in."""
    return layer.nodes[: (len(layer.nodes) + 1) // 2, BEST].astype(np.int64)


def _colours(trace: Trace, name: str) -> np.ndarray:
    """(256, 4) float32: red, green, blue 0 to 255 and alpha of each label; void and unknown labels are clear."""
    if name not in ("safe", "voc"):
        raise ValueError(f"There is no palette called {name!r}; the palettes are safe and voc.")
    rgb = palette.safe(len(trace.classes)) if name == "safe" else trace.colours
    table = np.zeros((256, 4), np.float32)
    table[: len(rgb), :3], table[: len(rgb), 3] = rgb, 1
    table[VOID] = 0
    if "background" in trace.classes:  # as in the viewer, a place where nothing is drawn
        table[trace.classes.index("background")] = 0
    return table


def _covering(step: Step) -> Layer | None:
    """The one layer that covers the picture: the first tree, else the first of labels, else the first of heat."""
    for kind in COVERING:
        for layer in step.layers:
            if layer.kind == kind:
                return layer
    return None


def _paint(layer: Layer, size: tuple[int, int], colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours (H, W, 3) 0 to 255 and alpha (H, W) 0 to 1 of a layer of kind image, tree, labels, heat or mask."""
    data, inside = layer.data, np.ones(size, np.float32)
    if layer.box is not None:
        inside = tensors.inside(layer.box, size).astype(np.float32)
    if layer.kind == "image":
        maps = torch.tensor(np.moveaxis(data, -1, 0)[None]).float()
        return np.moveaxis(tensors.to_frame(maps, size, layer.box)[0].numpy(), 0, -1), inside
    if layer.kind == "heat":
        rgb, alpha = scale(_values(layer, size), *_span(layer))
        return rgb, alpha * inside
    if layer.kind == "tree":
        painted = _regions(layer, size, colours)
        return painted[..., :3], painted[..., 3] * inside
    labels = labels_of(layer, size)
    if layer.kind == "mask":
        return np.broadcast_to(np.float32(ACCENT), (*size, 3)), (labels > 0) * inside
    painted = colours[labels.astype(np.int64)]
    return painted[..., :3], painted[..., 3] * inside


def labels_of(layer: Layer, size: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8 of a layer of labels at `size`, or of a mask, 1 inside; outside its box the edges repeat."""
    if layer.data.ndim == 3:
        return tensors.winners(tensors.to_frame(torch.tensor(layer.data)[None], size, layer.box)[0]).numpy()
    cells = tensors.to_frame(torch.tensor(layer.data)[None, None], size, layer.box, smooth=False)
    return cells[0, 0].to(torch.uint8).numpy()


def _regions(layer: Layer, size: tuple[int, int], colours: np.ndarray) -> np.ndarray:
    """(H, W, 4) float32: each leaf of a tree in the colour of its best node's likeliest class, and borders.

    A pixel is border where its right or lower neighbour lies in another node's region, unless both are clear: white, or
    between regions of one class half white.
    """
    best = torch.tensor(_best(layer)[layer.data])[None, None]  # (1, 1, h, w)
    node = tensors.to_frame(best, size, layer.box, smooth=False)[0, 0].numpy()
    label = layer.nodes[:, SHARES:].argmax(1)[node]
    painted, border, white = colours[label], np.zeros(size, bool), np.zeros(size, bool)
    shown = painted[..., 3] > 0
    for one, two in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        edge = (node[one] != node[two]) & (shown[one] | shown[two])
        border[one] |= edge
        white[one] |= edge & (label[one] != label[two])
    painted[border, :3] = painted[border, :3] // 2 + 128
    painted[white] = (255, 255, 255, 1)
    return painted


def _values(layer: Layer, size: tuple[int, int]) -> np.ndarray:
    """(H, W) float32 of a heat layer; of one map for each class, the map that holds the strongest value."""
    maps = torch.tensor(layer.data)[None].float()
    if maps.ndim == 4:
        maps = maps[:, int(maps[0].nan_to_num().abs().amax((1, 2)).argmax())]
    return tensors.to_frame(maps[:, None], size, layer.box)[0, 0].numpy()


def _span(layer: Layer) -> tuple[float, float]:
    if layer.range is not None:
        return layer.range
    finite = layer.data[np.isfinite(layer.data)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def scale(values: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Colours (..., 3) 0 to 255 and alpha (...) 0 to 1 of `values`; what is not a number is clear.

    From low to high in viridis (reference 2), clear at low where that is 0: nothing is drawn where there is nothing.
    Where low < 0 < high the scale is signed: blue below zero, orange above,
    clear at zero, strong at the larger of the two bounds.
    """
    known = ~np.isnan(values)
    values = np.nan_to_num(values.astype(np.float32))
    if low < 0 < high:
        t = np.clip(values / max(-low, high), -1, 1)
        rgb = np.where(t[..., None] < 0, np.float32(_LESS), np.float32(_MORE))
        return rgb, np.abs(t) ** 0.7 * known
    share = np.clip((values - low) / (high - low if high > low else 1), 0, 1)
    t = share * (len(_VIRIDIS) - 1)
    ticks = np.arange(len(_VIRIDIS))
    rgb = np.stack([np.interp(t, ticks, channel) for channel in _VIRIDIS.T], -1)
    return rgb.astype(np.float32), known * (np.sqrt(share) if low == 0 else np.ones_like(share))


def _stroke(canvas: np.ndarray, layer: Layer) -> np.ndarray:
    """`canvas` (H, W, 3) with the lines of a layer: a dark line below, a bright one above; cells in thin white."""
    picture = Image.fromarray(np.rint(canvas).astype(np.uint8))
    draw = ImageDraw.Draw(picture, "RGBA")
    width = max(1, round(max(picture.size) / 300))
    if layer.kind == "cells":
        if layer.attributes.get("grid", 1):
            _grid(draw, layer, picture.size)
    else:
        for colour, thick in (((0, 0, 0, 140), 3 * width), ((*ACCENT, 255), width)):
            _shapes(draw, layer, colour, thick)
    return np.asarray(picture).astype(np.float32)


def _shapes(draw: ImageDraw.ImageDraw, layer: Layer, colour: tuple[int, ...], width: int) -> None:
    data = layer.data.astype(float)
    if layer.kind == "lines":
        breaks = np.flatnonzero(np.isnan(data).any(1))
        for part in np.split(data, breaks):
            points = [tuple(p) for p in part if not np.isnan(p).any()]
            if len(points) > 1:
                draw.line(points, fill=colour, width=width, joint="curve")
        return
    for row in data[np.isfinite(data).all(1)]:
        if layer.kind == "boxes":
            x0, y0, x1, y1 = row
            draw.line([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], fill=colour, width=width)
        else:
            r = 1.5 * width
            draw.ellipse((row[0] - r, row[1] - r, row[0] + r, row[1] + r), fill=colour)


def _grid(draw: ImageDraw.ImageDraw, layer: Layer, size: tuple[int, int]) -> None:
    rows, columns = map(int, layer.data)
    x0, y0, x1, y1 = layer.box or (0, 0, *size)
    for x in np.linspace(x0, x1, columns + 1):
        draw.line((x, y0, x, y1), fill=(255, 255, 255, 128))
    for y in np.linspace(y0, y1, rows + 1):
        draw.line((x0, y, x1, y), fill=(255, 255, 255, 128))


def _file(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
