"""What networks with spatial transformers did with digits, as Traces: one digit, a training, a sum, a search.

References
1. Jaderberg et al. 2015, section 4.1, appendices A.1 (addition) and A.2 (co-localisation). Lecture slides 126-131.

Convention
----------
Frames are contact sheets (`engine.spatial.contact`). A grid is the OUTPUT's lines seen on the input; the short line
inside an outline goes from the output's centre to the middle of its upper edge, so it says which way is up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine.runs import Tell, quiet
from engine.spatial.colocal import HIT, SIZE, overlap
from engine.spatial.contact import (
    BLUE,
    GAP,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    Chart,
    Sheet,
    lettered,
    square,
    stroked,
    tile,
)
from engine.spatial.curves import linear_part
from engine.spatial.digits_model import DigitModel, Reading
from engine.spatial.distortions import DIGIT
from engine.spatial.drawing import grid_lines
from engine.spatial.finding_model import FindModel
from engine.spatial.transforms import Family
from engine.trace import Layer, Step, Table, Trace

LARGE, MIDDLE, SMALL = 336, 168, 112  # pixels of a tile's side
ROOM = 280  # pixels for charts
HEAD = 24  # pixels above the tiles of a sum
TOP = 5  # sums in a table
INNER = 0.5  # of grids of a sum their middle half is drawn: where they zoom out their edge lies outside the picture
UP = np.array([[0.0, 0.0], [0.0, -1.0]])


def reading_trace(model: DigitModel, picture: np.ndarray, plain: DigitModel | None = None) -> Trace:
    """One picture (1, S, S) in [0, 1]: where the transformer looks, what it sees, and what both networks answer.

    `model` may be a plain CNN too; then there is one step and no grid.
    """
    read = model.read(picture[None])
    columns = {"transformer" if read.theta else "plain CNN": read.chances[0]}
    if plain is not None and plain is not model:
        columns["plain CNN"] = plain.read(picture[None]).chances[0]
    said = "; ".join(f"the {name} says {p.argmax()} with {p.max():.2f}" for name, p in columns.items())
    table = Table(("digit", *columns), tuple((str(i), *(round(float(p[i]), 4) for p in columns.values()))
                                             for i in range(len(read.chances[0]))))  # fmt: skip
    sheet = Sheet(1, 2 if read.theta else 1, LARGE)
    image = sheet.blank()
    sheet.put(image, 0, 0, tile(picture[0], LARGE))
    if not read.theta:
        return Trace(image, model.card.asdict(), (Step("Input", _sentence(said), (), table),))
    family, theta, size = model.net.transformers[0].family, read.theta[0][0], model.task.size
    fine = grid_lines(family, tuple(theta.tolist()), size, size, (7, 7))
    lines = (Layer("lines", "Sampling grid", sheet.shifted(fine, size, 0, 0), attributes={"on": 0}),
             Layer("lines", "Outline, and up", sheet.shifted(outline(family, theta, size), size, 0, 0)))  # fmt: skip
    crop = Layer("image", "Output", tile(read.crops[0][0, 0], LARGE), sheet.box(0, 1))
    words = f"The transformer looks at {100 * area(family, theta):.0f} % of the input's area."
    steps = (Step("Where it looks", words, lines, table), Step("What it sees", _sentence(said), (crop, *lines), table))
    return Trace(image, model.card.asdict(), steps)


def learning_trace(model: DigitModel, pictures: np.ndarray, labels: np.ndarray, columns: int = 6,
                   tell: Tell = quiet) -> Trace:  # fmt: skip
    """Up to 12 pictures (B, 1, S, S) with labels (B,) through all that the network was on the way to `model`.

    A step for each snapshot, or one of the trained network: inputs with outlines, below each the output, with the
    answer green where it is right; error and loss as curves with a mark at the snapshot. tell: after each.
    """
    rows = -(-len(pictures) // columns)
    sheet = Sheet(2 * rows, columns, SMALL, right=ROOM)
    image = sheet.blank()
    for i, picture in enumerate(pictures):
        sheet.put(image, 2 * (i // columns), i % columns, tile(picture[0], SMALL))
    moments = _moments(model, "error")
    charts = _charts(sheet, moments, "error")
    for chart in charts:
        image = chart.paint(image)
    family, size, steps = model.net.transformers[0].family, model.task.size, []
    for n, moment in enumerate(moments):
        read = model.read(pictures, moment.snapshot)
        lines = [sheet.shifted(outline(family, theta, size), size, 2 * (i // columns), i % columns)
                 for i, theta in enumerate(read.theta[0])]  # fmt: skip
        layers = (*_outputs(sheet, read, labels, columns), Layer("lines", "Outlines, and up", np.concatenate(lines)),
                  *_mark(charts, n))  # fmt: skip
        right = int((read.chances.argmax(1) == labels).sum())
        steps.append(Step(moment.title, f"{moment.words} {right} of these {len(labels)} are right.", layers,
                          moment.table))  # fmt: skip
        tell(n + 1, len(moments))
    return Trace(image, model.card.asdict(), tuple(steps))


def sum_trace(model: DigitModel, picture: np.ndarray, plain: DigitModel | None = None) -> Trace:
    """Two digits in two channels (2, S, S) and their sum: the middle half of both transformers' grids on both channels,
    the first blue, the second orange; beside them what each cut out of both channels."""
    read = model.read(picture[None])
    columns = {"transformers": read.chances[0]}
    if plain is not None:
        columns["plain CNN"] = plain.read(picture[None]).chances[0]
    best = np.argsort(-read.chances[0])[:TOP]
    table = Table(("sum", *columns), tuple((str(i), *(round(float(p[i]), 4) for p in columns.values())) for i in best))
    said = "; ".join(f"the {name} say{'s' if name != 'transformers' else ''} {p.argmax()} with {p.max():.2f}"
                     for name, p in columns.items())  # fmt: skip
    sheet, size = Sheet(2, 1 + len(read.theta), MIDDLE, head=HEAD), model.task.size
    image = sheet.blank()
    for row in range(2):
        sheet.put(image, row, 0, tile(picture[row], MIDDLE))
    heads = [("input", GREY), ("the first sees", BLUE), ("the second sees", ORANGE)][: sheet.columns]
    image = lettered(image, [(words, sheet.box(0, i)[0] + 4, 2, colour) for i, (words, colour) in enumerate(heads)])
    looks, sees = image, image.copy()
    for k, theta in enumerate(read.theta):
        edge = outline(model.net.transformers[k].family, theta[0], size, INNER)
        strokes = [(sheet.shifted(edge, size, row, 0), (BLUE, ORANGE)[k], 3) for row in range(2)]
        looks = stroked(looks, strokes)
        for row in range(2):
            sheet.put(sees, row, k + 1, tile(read.crops[k][0, row], MIDDLE))
    sees[:, :MIDDLE] = looks[:, :MIDDLE]
    whole = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
    drawn = (Layer("image", "Outlines", looks, whole),)
    steps = (Step("Two digits", "Two digits, each turned, scaled and moved by itself, in two channels.", (), table),
             Step("Where they look", "Each samples both channels. Drawn: the middle half of a grid.", drawn, table),
             Step("What they see", _sentence(said), (Layer("image", "Outputs", sees, whole),), table))  # fmt: skip
    return Trace(image, model.card.asdict(), steps)


def finding_trace(model: FindModel, pictures: np.ndarray, centres: np.ndarray, columns: int = 4,
                  tell: Tell = quiet) -> Trace:  # fmt: skip
    """Pictures (B, 1, 84, 84) with digits at `centres` (B, 2), normalised, through all that the finder was.

    A step for each snapshot, or one of the trained finder: the box found, green where it meets the true one (thin) by
    more than `colocal.HIT`; the share found on validation and the loss as curves with a mark at the snapshot. tell:
    after each.
    """
    side = MIDDLE - 24
    sheet = Sheet(-(-len(pictures) // columns), columns, side, right=ROOM)
    image = sheet.blank()
    for i, picture in enumerate(pictures):
        sheet.put(image, i // columns, i % columns, tile(picture[0], side))
    truth = [(_window(sheet, centre, i, columns), GREY, 1) for i, centre in enumerate(centres)]
    moments = _moments(model, "found")
    charts = _charts(sheet, moments, "found")
    for chart in charts:
        image = chart.paint(image)
    width, height = sheet.size[1] - ROOM, sheet.size[0]
    steps = []
    for n, moment in enumerate(moments):
        found = model.find(pictures, moment.snapshot)
        hits = overlap(torch.as_tensor(found), torch.as_tensor(centres).float()).numpy() > HIT
        boxes = [(_window(sheet, centre, i, columns), GREEN if hits[i] else VERMILION, 3)
                 for i, centre in enumerate(found)]  # fmt: skip
        drawn = stroked(image[:, :width], truth + boxes)
        layer = Layer("image", "Boxes found, true ones thin", drawn, (0.0, 0.0, float(width), float(height)))
        steps.append(Step(moment.title, f"{moment.words} {hits.sum()} of these {len(hits)} are found.",
                          (layer, *_mark(charts, n)), moment.table))  # fmt: skip
        tell(n + 1, len(moments))
    return Trace(image, model.card.asdict(), tuple(steps))


def outline(family: Family, theta: np.ndarray, size: int, reach: float = 1) -> np.ndarray:
    """(N, 2): the output's edge, and a line from its centre up, on an input of `size` pixels, in its pixel frame.

    reach: of the output only the middle, from -reach to reach.
    """
    edge = grid_lines(family, tuple(np.asarray(theta, float).tolist()), size, size, (1, 1), reach=reach)
    up = family(torch.as_tensor(theta)[None].double(), reach * torch.from_numpy(UP))[0].numpy()
    return np.concatenate([edge, (up + 1) / 2 * size, np.full((1, 2), np.nan)])


def area(family: Family, theta: np.ndarray) -> float:
    """The area of the output's window (its affine part) as a share of the input's."""
    return float(abs(np.linalg.det(linear_part(family, theta[None])[0][0])))


@dataclass(frozen=True)
class _Moment:
    """A snapshot, None for the trained network, with its row of the card."""

    snapshot: int | None
    title: str
    words: str
    table: Table | None
    loss: float | None = None
    share: float | None = None


def _moments(model: DigitModel | FindModel, name: str) -> list[_Moment]:
    """All snapshots of a model with their loss and the share `name`, or one moment: the trained network."""
    rows = model.card.settings.get("snapshots", ())
    if not model.past:
        return [_Moment(None, "Trained", "The trained network.", None)]
    moments = []
    for i, row in enumerate(rows):
        loss = "" if row["loss"] is None else f"{row['loss']:.3f}"
        share = f"{100 * row[name]:.1f} %"
        told = f"loss {loss}, " if loss else ""
        words = f"After {row['step']:,} steps: {told}{name} {share} on validation."
        table = Table(("", "value"), (("step", f"{row['step']:,}"), ("loss", loss), (name, share)))
        moments.append(_Moment(i, f"Step {row['step']:,}", words, table, row["loss"], row[name]))
    return moments


def _charts(sheet: Sheet, moments: Sequence[_Moment], name: str) -> list[Chart]:
    """Curves of the share and of the loss over the snapshots, one above the other, in the room at the right."""
    if len(moments) < 2:
        return []
    left, right, middle = sheet.size[1] - ROOM + 4 * GAP, sheet.size[1] - 2 * GAP, sheet.size[0] / 2
    shares, losses = tuple(m.share for m in moments), tuple(m.loss for m in moments)
    top = max(v for v in losses if v is not None) if any(v is not None for v in losses) else 0
    upper, lower = (left, 4 * GAP, right, middle - 3 * GAP), (left, middle + 4 * GAP, right, sheet.size[0] - 3 * GAP)
    return [Chart(upper, f"{name}, up to {100 * max(shares):.1f} %", shares),
            Chart(lower, f"loss, up to {top:.2f}", losses)]  # fmt: skip


def _mark(charts: Sequence[Chart], n: int) -> tuple[Layer, ...]:
    """A point on each curve at snapshot `n`."""
    points = [chart.points()[n] for chart in charts if np.isfinite(chart.points()[n]).all()]
    return (Layer("points", "This snapshot", np.array(points)),) if points else ()


def _outputs(sheet: Sheet, read: Reading, labels: np.ndarray, columns: int) -> list[Layer]:
    """Rows of outputs below their inputs, the answer in each corner."""
    layers = []
    for first in range(0, len(labels), columns):
        part = range(first, min(first + columns, len(labels)))
        row = Sheet(1, len(part), sheet.side)
        image = row.blank()
        for i in part:
            answer = int(read.chances[i].argmax())
            words = [(str(answer), 4, 2, GREEN if answer == labels[i] else VERMILION)]
            row.put(image, 0, i - first, lettered(tile(read.crops[0][i, 0], sheet.side), words))
        where = 2 * (first // columns) + 1
        box = (*sheet.box(where, 0)[:2], *sheet.box(where, len(part) - 1)[2:])
        layers.append(Layer("image", f"Outputs, row {first // columns + 1}", image, box))
    return layers


def _window(sheet: Sheet, centre: np.ndarray, i: int, columns: int) -> np.ndarray:
    """(5, 2): the edge of the digit's box around a normalised centre, in tile `i` of the sheet."""
    x, y = (np.asarray(centre, float) + 1) / 2 * SIZE
    edge = square((x - DIGIT / 2, y - DIGIT / 2, x + DIGIT / 2, y + DIGIT / 2)).clip(0, SIZE)
    return sheet.shifted(edge, SIZE, i // columns, i % columns)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
