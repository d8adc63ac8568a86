"""The made-up Traces that the browser tests look at; the name of a case says which."""

from functools import cache

import numpy as np

from engine import palette
from engine.trace import Layer, Step, Table, Trace
from tests.trees import made_layer

EVIL = "<img src=x onerror=window.hacked=1>"
CLASSES = ("sky", "tree", "water", EVIL)
SIZES = {"portrait": (640, 400), "panorama": (180, 900), "small": (60, 90)}


def picture(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    waves = 0.5 + 0.5 * np.sin(18 * x) * np.cos(14 * y)
    return np.stack([60 + 150 * x, 80 + 120 * y, 90 + 120 * waves], -1).astype(np.uint8)


def logits(rows: int, columns: int, sharp: float) -> np.ndarray:
    """(4, rows, columns): sky above, tree left below, water right below, the last class in a disc."""
    y, x = (np.mgrid[:rows, :columns] + 0.5) / np.array([rows, columns]).reshape(2, 1, 1)
    disc = 0.18 - np.hypot(x - 0.72, y - 0.3)
    low = y - 0.5
    return (sharp * np.stack([-low, np.minimum(low, 0.5 - x), np.minimum(low, x - 0.5), 2 * disc])).astype(np.float32)


@cache
def trace(case: str, strength: float = 1.0) -> Trace:
    height, width = SIZES.get(case, (427, 640))
    coarse, fine = logits(14, 20, 9.0) * strength, logits(54, 80, 30.0) * strength
    skip = fine[:, ::2, ::2] - 3 * logits(27, 40, 9.0)
    grid = Layer("cells", "cells of stride 32", np.array([14, 20]),
                 attributes={"stride": width / 20, "field": 97.0, "centre": width / 40})  # fmt: skip
    wrong = np.zeros((height, width), bool)
    wrong[: height // 4, : width // 4] = True
    shapes = (
        Layer("boxes", "a box", np.array([[20.0, 20, width / 2, height / 2]])),
        Layer("points", "two points", np.array([[30.0, 40], [width - 40, height - 30]])),
        Layer("lines", "a stroke", np.array([[10.0, 10], [60, 90], [np.nan, np.nan], [90, 20], [140, 120]])),
        Layer("mask", "wrong pixels", wrong),
    )
    table = Table(("class", "pixels", "IoU"), (("sky", 120_000, 0.91), (EVIL, 3, float("nan"))))
    steps = (
        Step("image", "This is the picture, 640 pixels wide."),
        Step("scores, stride 32", "The deep map knows what but not where: 14 x 20 cells.",
             (Layer("labels", "scores", coarse, unit="logit"), grid)),
        Step(f"+ stride 16 {EVIL}", f"The skip adds finer where. {EVIL}",
             (Layer("labels", "scores", coarse + 0.2 * logits(14, 20, 30), unit="logit"),
              Layer("heat", "what the skip adds", skip, range=(-4.0, 4.0), unit="logit"))),
        Step("+ stride 8", "With the finest skip the borders are sharp.",
             (Layer("labels", "scores", fine, unit="logit"),), table),
        Step("shapes", "Boxes, points, strokes and a mask.", shapes),
        Step("labels", "The answer as a label map.", (Layer("labels", "labels", fine.argmax(0).astype(np.uint8)),)),
    )  # fmt: skip
    if case.startswith("tree"):
        steps = (steps[0], *tree_steps(case, strength))
    elif case == "fields":
        steps = (
            steps[0],
            Step("fields", "What the cells of three strides see.", tuple(map(field, (32, 8, 16)))),
            steps[5],
        )
    return Trace(picture(height, width), {"name": "fcn test"}, steps, CLASSES, palette.voc(5)[1:])


def field(stride: int) -> Layer:
    attributes = {"stride": stride, "field": 4.0 * stride + 1, "centre": stride / 2, "on": 1, "grid": 0}
    return Layer("cells", f"stride {stride}", np.array([14 * 32 // stride, 640 // stride]), attributes=attributes)


def tree_steps(case: str, strength: float) -> tuple[Step, ...]:
    """A tree and the same again over half the picture; asked again, another cost of each node, or another tree."""
    tree = made_layer(
        1 if case == "tree1" else 60, (427, 640), seed=2 if (case, strength) == ("tree-other", 2.0) else 0
    )
    nodes = tree.nodes.copy()
    nodes[:, 2] *= strength
    whole = Layer("tree", "tree", tree.data, nodes=nodes)
    return (Step("half", "On the left only.", (Layer("tree", "half tree", tree.data, (0, 0, 320, 427), nodes=nodes),)),
            Step("tree", "Regions and their tree.", (whole,)))  # fmt: skip
