"""A against B, each number checked by a loop over all pixels that knows nothing of the code under test."""

from __future__ import annotations

import csv
import io
import itertools

import numpy as np
import pytest

from engine.debug import compare_steps as steps
from engine.debug.answers import Answer
from engine.debug.compare import OUTCOMES, Incomparable, common, compare, csv_text, judge
from engine.trace import VOID, Trace

SCENES, FEWER, ANIMALS = ("sky", "tree", "road"), ("tree", "car", "sky"), ("background", "cat", "dog")
H, W = 12, 17


def answer_of(classes: tuple[str, ...], seed: int, size: tuple[int, int] = (H, W)) -> Answer:
    """Random logits over a random picture; the same picture for all."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (len(classes), 4, 5)).astype(np.float32)
    rgb = np.full((*size, 3), 70, np.uint8)
    colours = rng.integers(0, 255, (len(classes), 3)).astype(np.uint8)
    return Answer(rgb, logits, classes, colours, {"name": f"m{seed}"}, "out")


def truth_of(classes: int) -> np.ndarray:
    labels = np.random.default_rng(9).integers(0, classes, (H, W)).astype(np.uint8)
    labels[:2] = VOID
    return labels


PAIRS = [(SCENES, SCENES), (SCENES, FEWER), (FEWER, SCENES), (ANIMALS, (*ANIMALS, "sofa"))]


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_disagreements_by_hand(left, right):
    a, b = answer_of(left, 1), answer_of(right, 2)
    found = compare(a, b)
    rest = "background" if "background" in left and "background" in right else "other"

    def name(classes: tuple[str, ...], label: int) -> str:
        return classes[label] if classes[label] in left and classes[label] in right else rest

    counts: dict[tuple[str, str], int] = {}
    for y, x in itertools.product(range(H), range(W)):
        one, two = name(left, a.labels[y, x]), name(right, b.labels[y, x])
        assert found.differ[y, x] == (one != two)
        assert found.surer[y, x] == pytest.approx(b.certainty[y, x] - a.certainty[y, x])
        if one != two:
            counts[one, two] = counts.get((one, two), 0) + 1
    classes = found.common.classes
    told = {(classes[p.a], classes[p.b]): p.pixels for p in found.pairs}
    assert told == counts
    assert [p.pixels for p in found.pairs] == sorted(counts.values(), reverse=True)
    assert sum(p.share for p in found.pairs) == pytest.approx(found.differ.mean())
    masks = [found.of(p) for p in found.pairs]
    assert np.array_equal(np.sum(masks, 0), found.differ.astype(int))


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_who_is_right_by_hand(left, right):
    a, b, truth = answer_of(left, 1), answer_of(right, 2), truth_of(len(left))
    found = compare(a, b)
    judged = judge(found, truth, left)
    classes, outcomes = found.common.classes, dict.fromkeys(OUTCOMES, 0)
    hits = {who: {k: [0, 0] for k in range(len(classes))} for who in "AB"}  # of each class: both, either
    for y, x in itertools.product(range(H), range(W)):
        true = judged.truth[y, x]
        if truth[y, x] == VOID:
            assert judged.outcome[y, x] == true == VOID
            continue
        known = left[truth[y, x]] if left[truth[y, x]] in right else found.common.rest
        assert classes[true] == known
        says = found.left[y, x], found.right[y, x]
        right_of = says[0] == true, says[1] == true
        want = {(True, True): 0, (True, False): 1, (False, True): 2, (False, False): 3}[right_of]
        assert judged.outcome[y, x] == want
        outcomes[OUTCOMES[want]] += 1
        for who, said in zip("AB", says, strict=True):
            for k in range(len(classes)):
                hits[who][k][0] += said == k == true
                hits[who][k][1] += k in (said, true)
    total = sum(outcomes.values())
    assert judged.shares == pytest.approx([n / total for n in outcomes.values()])
    iou = {who: [both / either if either else np.nan for both, either in of.values()] for who, of in hits.items()}
    assert judged.change == pytest.approx(np.subtract(iou["B"], iou["A"]), nan_ok=True)
    accuracy = judged.scored.scores["A"].pixel_accuracy
    assert accuracy == pytest.approx((outcomes["both right"] + outcomes["only A right"]) / total)


def test_swapping_turns_every_sign():
    a, b, truth = answer_of(SCENES, 1), answer_of(SCENES, 2), truth_of(3)
    one, two = compare(a, b), compare(b, a)
    assert np.array_equal(one.surer, -two.surer)
    assert judge(one, truth, SCENES).change == pytest.approx(-judge(two, truth, SCENES).change)
    assert judge(one, truth, SCENES).shares[[0, 2, 1, 3]] == pytest.approx(judge(two, truth, SCENES).shares)


def test_an_answer_against_itself():
    a = answer_of(SCENES, 1)
    found = compare(a, a)
    assert found.pairs == ()
    trace = steps.trace(found, judge(found, truth_of(3), SCENES))
    assert trace.steps[steps.DIFFER].sentence == "A and B differ on 0.0 % of the picture."


def test_what_is_said_of_the_common_classes():
    assert common(SCENES, SCENES).sentence == "A and B name the same 3 classes."
    assert common(("sky", "tree"), ("tree", "sky")) == common(("sky", "tree"), ("sky", "tree"))
    assert "1 of A and 1 of B" in common(SCENES, FEWER).sentence
    voc = common(ANIMALS, (*ANIMALS, "sofa"))
    assert voc.classes == ANIMALS
    assert "1 of B that the other does not know count as background" in voc.sentence


def test_what_cannot_be_compared():
    with pytest.raises(Incomparable, match="share no class"):
        common(SCENES, ANIMALS)
    with pytest.raises(Incomparable, match="share no class"):
        common(("background", "cat"), ("background", "car"))
    with pytest.raises(Incomparable, match="different sizes"):
        compare(answer_of(SCENES, 1), answer_of(SCENES, 2, (H, W + 1)))
    found = compare(answer_of(SCENES, 1), answer_of(SCENES, 2))
    with pytest.raises(Incomparable, match="one size"):
        judge(found, truth_of(3)[1:], SCENES)
    with pytest.raises(Incomparable, match="neither A nor B"):
        judge(found, truth_of(3), FEWER)


def test_a_truth_in_which_nothing_can_be_judged():
    found = compare(answer_of(SCENES, 1), answer_of(SCENES, 2))
    judged = judge(found, np.full((H, W), VOID, np.uint8), SCENES)
    assert np.isnan(judged.shares).all()
    assert np.isnan(judged.change).all()
    assert "no pixel that can be judged" in steps.trace(found, judged).steps[6].sentence
    assert "nan" not in csv_text(found, judged)


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_the_trace_survives_a_file(left, right):
    found = compare(answer_of(left, 1), answer_of(right, 2))
    judged = judge(found, truth_of(len(left)), left)
    trace = steps.trace(found, judged, found.pairs[0])
    titles = ["Image", "A", "B", "They differ", "Who is surer", "Ground truth", "Who is right"]
    assert [step.title for step in trace.steps[:7]] == titles
    again = Trace.from_zip(trace.to_zip())
    assert [s.sentence for s in again.steps] == [s.sentence for s in trace.steps]
    pair, table = found.pairs[0], steps.disagreements(found, judged).rows[0]
    assert table[3] == pair.pixels == trace.steps[-1].layers[-1].data.sum()
    signed, both_wrong = (layer.data for layer in trace.steps[6].layers[1:])
    known = judged.truth != VOID
    assert np.array_equal(np.isnan(signed), ~known)
    assert np.array_equal(signed == 1, judged.outcome == 2)
    assert np.array_equal(signed == -1, judged.outcome == 1)
    assert np.array_equal(both_wrong, judged.outcome == 3)


def test_csv():
    found = compare(answer_of(SCENES, 1), answer_of(FEWER, 2), ("m1", "m2"))
    rows = list(csv.reader(io.StringIO(csv_text(found, judge(found, truth_of(3), SCENES)))))
    assert {len(row) for row in rows} == {6}
    ious = [row for row in rows if row[0] == "iou"]
    assert [row[1] for row in ious] == list(found.common.classes)
    pixels = [int(row[3]) for row in rows if row[0] == "disagreement" and row[3].isdigit()]
    assert sum(pixels) == found.differ.sum()


def test_whole_ends_with_what_is_compared(model, rgb):
    from engine.debug.answers import answer

    told = answer(model, rgb, "16s")
    trace = steps.whole(model.trace(rgb), told, "A", "random, 16s")
    assert np.array_equal(trace.steps[-1].layers[-1].data, told.logits)
    assert len(trace.steps) == 7
