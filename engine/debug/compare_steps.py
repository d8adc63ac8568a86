"""A comparison as a Trace: A, B, where they differ, who is surer, and who is right where the truth is known.

References
1. Lecture slide 43: two answers side by side, and the truth.

Convention
----------
Signed heat reads from A to B: below zero (blue) is A's, above zero (orange) is B's. See `engine.debug.compare`.
"""

from __future__ import annotations

import numpy as np

from engine.debug.answers import Answer
from engine.debug.compare import BOTH_WRONG, ONLY_A, ONLY_B, OUTCOMES, Comparison, Judged, Pair
from engine.trace import VOID, Layer, Step, Table, Trace

A, B, DIFFER = 1, 2, 3  # indices of the steps
MOST = 12  # rows of a table


def trace(comparison: Comparison, judged: Judged | None = None, pair: Pair | None = None) -> Trace:
    """The steps of a comparison. pair: a disagreement that is shown alone, as the last step."""
    rgb, photo = comparison.a.rgb, _photo(comparison)
    accuracy = {who: judged.scored.scores[who].pixel_accuracy for who in "AB"} if judged else {}
    steps = [
        Step("Image", f"{rgb.shape[1]} x {rgb.shape[0]} pixels. {comparison.common.sentence}", (photo,)),
        Step("A", _said("A", comparison, accuracy), (photo, _labels(comparison, "A")), _shares(comparison)),
        Step("B", _said("B", comparison, accuracy), (photo, _labels(comparison, "B")), _shares(comparison)),
        _differ(comparison),
        _surer(comparison),
    ]
    if judged is not None:
        steps += _judged(comparison, judged)
    if pair is not None:
        steps.append(_pair(comparison, judged, pair))
    settings = dict(zip("AB", comparison.names, strict=True))
    return Trace(rgb, comparison.a.card, tuple(steps), comparison.common.classes, comparison.colours, settings)


def _photo(comparison: Comparison) -> Layer:
    return Layer("image", "picture", comparison.a.rgb)


def _labels(comparison: Comparison, who: str) -> Layer:
    """The labels of A or B: with their logits where its classes are the common ones, else renamed."""
    answer, labels = (comparison.a, comparison.left) if who == "A" else (comparison.b, comparison.right)
    if answer.classes == comparison.common.classes:
        return answer.layer(f"labels of {who}")
    return Layer("labels", f"labels of {who}", labels)


def _said(who: str, comparison: Comparison, accuracy: dict[str, float]) -> str:
    name = comparison.names["AB".index(who)]
    right = f" {100 * accuracy[who]:.1f} % of the judged pixels are right." if accuracy else ""
    return f"{name}.{right}"


def _shares(comparison: Comparison) -> Table:
    """The classes that either names, by what both give them together."""
    shares = 100 * comparison.shares
    order = [int(k) for k in np.argsort(-shares.sum(0), kind="stable") if shares[:, k].any()]
    rows = ((comparison.common.classes[k], *(round(float(s), 1) for s in shares[:, k]),
             round(float(shares[1, k] - shares[0, k]), 1)) for k in order)  # fmt: skip
    return Table(("class", "A, %", "B, %", "B - A"), tuple(rows))


def _differ(comparison: Comparison) -> Step:
    classes, share = comparison.common.classes, float(comparison.differ.mean())
    rows = tuple((classes[p.a], classes[p.b], round(100 * p.share, 1)) for p in comparison.pairs[:MOST])
    most = f" Most of all, A says {rows[0][0]} where B says {rows[0][1]}." if rows else ""
    layers = (_photo(comparison), Layer("mask", "A and B differ", comparison.differ))
    return Step("They differ", f"A and B differ on {100 * share:.1f} % of the picture.{most}", layers,
                Table(("A says", "B says", "share, %"), rows))  # fmt: skip


def disagreements(comparison: Comparison, judged: Judged | None = None, most: int = 40) -> Table:
    """The largest `most` disagreements in the order of `Comparison.pairs`: share in %, mean certainty of A and of B
    there, and, where a truth is known, how many % of the pixels that can be judged are A's class, and B's."""
    rows = []
    for pair in comparison.pairs[:most]:
        mask, names = comparison.of(pair), (comparison.common.classes[k] for k in (pair.a, pair.b))
        sure = (round(float(x.certainty[mask].mean()), 3) for x in (comparison.a, comparison.b))
        right = _right(judged.truth[mask], pair) if judged else ()
        rows.append((*names, round(100 * pair.share, 2), pair.pixels, *sure, *right))
    columns = ("A says", "B says", "share, %", "pixels", "certainty of A", "certainty of B")
    return Table((*columns, *(("A right, %", "B right, %") if judged else ())), tuple(rows))


def _right(truth: np.ndarray, pair: Pair) -> tuple[float | None, float | None]:
    known = truth[truth != VOID]
    shares = (round(100 * float((known == k).mean()), 1) if known.size else None for k in (pair.a, pair.b))
    return tuple(shares)


def _surer(comparison: Comparison) -> Step:
    heat, differ = comparison.surer, comparison.differ
    ahead = "B" if heat.mean() > 0 else "A"
    words = (f"Blue: A is surer; orange: B. On average {ahead} is surer by {abs(float(heat.mean())):.3f}, and B is on "
             f"{100 * float((heat > 0).mean()):.0f} % of the picture.")  # fmt: skip
    rows, places = [], {"everywhere": np.ones_like(differ), "where they agree": ~differ, "where they differ": differ}
    for name, where in places.items():
        if where.any():
            means = [round(float(x.certainty[where].mean()), 3) for x in (comparison.a, comparison.b)]
            rows.append((name, *means, round(means[1] - means[0], 3)))
    layer = Layer("heat", "B surer than A", heat, range=(-1.0, 1.0), unit="probability, B - A")
    table = Table(("mean certainty", "A", "B", "B - A"), tuple(rows))
    return Step("Who is surer", words, (_photo(comparison), layer), table)


def _judged(comparison: Comparison, judged: Judged) -> tuple[Step, Step]:
    photo, shares = _photo(comparison), 100 * judged.shares
    signed = np.select([judged.outcome == VOID, judged.outcome == ONLY_A, judged.outcome == ONLY_B],
                       [np.nan, -1.0, 1.0], 0.0).astype(np.float32)  # fmt: skip
    words = "There is no pixel that can be judged."
    if judged.counts.any():
        words = (f"Blue: only A is right, {shares[ONLY_A]:.1f} %; orange: only B, {shares[ONLY_B]:.1f} %; both are "
                 f"wrong on {shares[BOTH_WRONG]:.1f} %, and right on the rest.")  # fmt: skip
    rows = tuple(
        (name, *(round(float(100 * n / counts.sum()), 1) for n in counts))
        for name, counts in zip(comparison.common.classes, judged.counts, strict=True)
        if counts.any()
    )
    layers = (photo, Layer("heat", "who is right", signed, range=(-1.0, 1.0), unit="-1 only A, 1 only B"),
              Layer("mask", "both wrong", judged.outcome == BOTH_WRONG))  # fmt: skip
    return (
        Step("Ground truth", "What each pixel is said to be; pixels without a label do not count.",
             (photo, Layer("labels", "ground truth", judged.truth))),
        Step("Who is right", words, layers, Table(("true class", *(f"{o}, %" for o in OUTCOMES)), rows)),
    )  # fmt: skip


def _pair(comparison: Comparison, judged: Judged | None, pair: Pair) -> Step:
    classes, mask = comparison.common.classes, comparison.of(pair)
    a, b = classes[pair.a], classes[pair.b]
    words = f"{pair.pixels} pixels, {100 * pair.share:.1f} % of the picture: A says {a}, B says {b}."
    right = _right(judged.truth[mask], pair) if judged else (None, None)
    if None not in right:
        words += f" Of those that can be judged {right[0]:.0f} % are {a} and {right[1]:.0f} % {b}."
    return Step(f"A {a}, B {b}", words, (_photo(comparison), Layer("mask", "these pixels", mask)))


def whole(full: Trace, answer: Answer, who: str, name: str) -> Trace:
    """A model's own Trace with one more step: the answer that is compared, perhaps of another variant than its last."""
    step = Step(f"{who}: the answer", f"{name}: this is what is compared.",
                (Layer("image", "picture", answer.rgb), answer.layer(f"labels of {who}")))  # fmt: skip
    return Trace(full.image, full.card, (*full.steps, step), full.classes, full.colours, full.settings)
