"""A probed picture as a Trace: the picture, what was done to it, labels before and after, and what changed.

References
1. Zeiler and Fergus 2014, section 4.2: the answer before and after a part is hidden.

Convention
----------
The frame is that of the first picture; signed heat is after minus before (see `engine.debug.probe_changes`).
"""

from __future__ import annotations

import math

import numpy as np

from engine.debug.probe_changes import Change, mean_iou
from engine.trace import Layer, Step, Table, Trace

PROBED, BEFORE, AFTER, CHANGED, GAIN = 1, 2, 3, 4, 5  # indices of the steps
MOST = 12  # rows of a table


def trace(change: Change, truth: np.ndarray | None = None) -> Trace:
    """The six steps. truth: (H, W) uint8, 255 = void, where it is known."""
    rgb = change.before.rgb
    photo = Layer("image", "picture", rgb)
    steps = (
        Step("Image", f"{rgb.shape[1]} x {rgb.shape[0]} pixels, as it is.", (photo,)),
        Step("Probed", f"{change.probe.words}: what the model is asked now.{_left(change)}",
             (Layer("image", "probed picture", change.probed),)),
        Step("Before", f"What it said of the picture as it is.{_right(change, truth, change.before.labels)}",
             (photo, change.before.layer("labels before")), _shares(change)),
        Step("After", f"What it says after {change.probe.words.lower()}.{_right(change, truth, change.after.labels)}",
             (_below(change), _labels(change)), _shares(change)),
        _changed(change),
        _gain(change),
    )  # fmt: skip
    settings = {"probe": change.probe.name, **vars(change.probe), "variant": change.before.variant}
    return Trace(rgb, change.before.card, steps, change.before.classes, change.before.colours, settings)


def _left(change: Change) -> str:
    """What of the picture is still there, where something is not."""
    lost = 1 - float(change.known.mean())
    return f" {100 * lost:.1f} % of the picture left the frame and is not compared." if lost else ""


def _right(change: Change, truth: np.ndarray | None, labels: np.ndarray) -> str:
    if truth is None:
        return ""
    iou = mean_iou(change.truth(truth), labels, len(change.before.classes))
    return "" if math.isnan(iou) else f" Mean IoU over the classes in the truth {100 * iou:.1f} %."


def _below(change: Change) -> Layer:
    """The picture that lies below the labels after: the probed one, unless its pixels moved."""
    if change.probe.moves:
        return Layer("image", "picture", change.before.rgb)
    return Layer("image", "probed picture", change.probed)


def _labels(change: Change) -> Layer:
    """The labels after, with their logits where all of them are known and no larger than they were."""
    if change.known.all() and change.after.logits.shape == change.before.logits.shape:
        return change.after.layer("labels after")
    return Layer("labels", "labels after", change.labels)


def _shares(change: Change) -> Table:
    """The classes that either answer names, by what both give them together."""
    shares = 100 * change.shares
    order = [int(k) for k in np.argsort(-shares.sum(0), kind="stable") if shares[:, k].any()][:MOST]
    rows = ((change.before.classes[k], *(round(float(s), 1) for s in shares[:, k]),
             round(float(shares[1, k] - shares[0, k]), 1)) for k in order)  # fmt: skip
    return Table(("class", "before, %", "after, %", "change"), tuple(rows))


def _changed(change: Change) -> Step:
    classes, count = change.before.classes, len(change.before.classes)
    pairs = change.before.labels[change.differ].astype(int) * count + change.after.labels[change.differ]
    pixels = np.bincount(pairs, minlength=count * count)
    rows = tuple((classes[i // count], classes[i % count], round(100 * float(pixels[i] / change.known.sum()), 1))
                 for i in np.argsort(-pixels, kind="stable")[:MOST] if pixels[i])  # fmt: skip
    most = f" Most of all, {rows[0][0]} became {rows[0][1]}." if rows else ""
    words = f"{100 * change.share:.1f} % of the labels changed.{most}"
    return Step("Changed", words, (_below(change), Layer("mask", "changed labels", change.differ)),
                Table(("before", "after", "share, %"), rows))  # fmt: skip


def _gain(change: Change) -> Step:
    name, (before, after) = change.before.classes[change.watched], change.mean()
    own = "its first region" if (change.region & (change.before.labels == change.watched)).any() else "the picture"
    words = f"Orange: {name} gained, blue: it lost. Over {own} its mean went from {before:.3f} to {after:.3f}."
    means = (round(before, 3), round(after, 3), round(after - before, 3))
    whole = change.mean(change.known)
    rows = ((own, *means), ("the picture", *(round(v, 3) for v in (*whole, whole[1] - whole[0]))))
    table = Table((f"mean p({name})", "before", "after", "change"), rows[: 1 + (own != "the picture")])
    heat = Layer("heat", f"change of p({name})", change.gain, range=(-1.0, 1.0), unit="probability, after - before")
    return Step(f"p({name})", words, (_below(change), heat), table)
