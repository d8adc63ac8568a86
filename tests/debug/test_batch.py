"""A model over many pictures: the figures of a row against their definitions, bad pictures, resume, order, summary."""

from __future__ import annotations

import copy
import hashlib
import io
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import entropy

from engine import palette
from engine.debug import batch, ground
from engine.debug.answers import answer
from engine.debug.batch import Row
from engine.debug.collection import CollectionError, Item
from engine.images import decode
from engine.metrics import Meter
from engine.segmentation.fcn_model import FcnModel
from tests.conftest import card_of


def png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def item(data: bytes, mask: bytes | None = None, name: str = "a.png") -> Item:
    return Item(name, lambda: data, None if mask is None else lambda: mask)


def only(model, one: Item, second=None) -> Row:
    ((row, fresh),) = batch.rows(model, [one], second)
    assert fresh
    return row


@pytest.fixture(scope="module")
def other(network):
    """A second model of the same classes that answers otherwise."""
    torch.manual_seed(5)
    shaken = copy.deepcopy(network)
    shaken.score32.weight.normal_(0, 0.5)
    return FcnModel(card_of(name="other"), shaken)


def test_the_figures_of_a_row_are_what_they_are_said_to_be(model, other, rgb):
    row = only(model, item(png(rgb)), other)
    said, theirs = answer(model, rgb), answer(other, rgb)
    assert row.uncertainty == pytest.approx(entropy(said.probability, base=8, axis=0).mean(), abs=1e-5)
    assert row.unsure == pytest.approx((said.certainty < 0.5).mean())
    assert row.disagreement == pytest.approx((said.labels != theirs.labels).mean())
    assert 0 < row.disagreement < 1
    np.testing.assert_allclose(row.shares, [(said.labels == k).mean() for k in range(8)], atol=1e-9)
    assert (row.width, row.height, row.key) == (130, 90, hashlib.sha256(png(rgb)).hexdigest())
    assert (row.error, row.note, row.wrong) == ("", "", None)
    assert row.seconds > 0


def test_a_mask_is_scored_as_the_metrics_score_it(model, rgb):
    truth = np.random.default_rng(1).integers(0, 8, rgb.shape[:2]).astype(np.uint8)
    truth[:5] = 255
    row = only(model, item(png(rgb), png(truth)))
    meter = Meter(8)
    meter.add(truth, answer(model, rgb).labels)
    assert row.pixel_accuracy == pytest.approx(meter.scores().pixel_accuracy)
    assert row.wrong == pytest.approx(1 - meter.scores().pixel_accuracy)
    assert row.mean_iou == pytest.approx(meter.scores().mean_iou)
    np.testing.assert_array_equal(row.confusion, meter.matrix)


@pytest.mark.parametrize(("mask", "words"), [
    (np.zeros((9, 13), np.uint8), "has 13 x 9 pixels and the picture has 130 x 90 pixels; they must be equal."),
    (np.full((90, 130), 8, np.uint8), "The mask holds 8; the model has the classes 0 to 7, and 255 is void."),
    (np.full((90, 130, 3), 70, np.uint8), "The mask holds 70"),
    (np.full((90, 130), 255, np.uint8), "The mask is void everywhere."),
    (None, "not a PNG"),
])  # fmt: skip
def test_a_mask_that_does_not_fit_is_said_and_the_rest_stands(model, rgb, mask, words):
    row = only(model, item(png(rgb), b"no mask" if mask is None else png(mask)))
    assert words in row.note
    assert row.wrong is None
    assert row.uncertainty is not None


NAMES, COLOURS = tuple("abcdefgh"), palette.voc(20)[[0, 8, 12, 10, 13, 17, 15, 3]]


def read(mask: np.ndarray | Image.Image, shown: tuple[int, int] | None = None) -> np.ndarray:
    out = io.BytesIO()
    image = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
    image.save(out, "PNG")
    return ground.ground(out.getvalue(), "", shown or image.size, image.size, NAMES, COLOURS).labels


def test_a_mask_of_a_picture_that_was_scaled_down_is_read_at_its_centres():
    truth = (np.arange(900 * 1300).reshape(900, 1300) % 7).astype(np.uint8)
    centres = [((np.arange(n) + 0.5) * full / n).astype(int) for n, full in ((443, 900), (640, 1300))]
    np.testing.assert_array_equal(read(truth, (640, 443)), truth[np.ix_(*centres)])


def test_colours_of_the_data_set_say_the_classes_and_other_colours_nothing():
    truth = np.arange(100).reshape(10, 10).astype(np.uint8) % 8
    truth[0] = 255
    table = np.vstack([COLOURS, np.zeros((248, 3), np.uint8)])
    table[255] = (224, 224, 192)
    as_voc = Image.fromarray(np.array([0, 8, 12, 10, 13, 17, 15, 3, *[255] * 248], np.uint8)[truth])
    as_voc.putpalette(palette.voc(256).tobytes())
    np.testing.assert_array_equal(read(as_voc), truth)
    np.testing.assert_array_equal(read(table[truth[1:]]), truth[1:])
    greys = Image.fromarray(truth)
    greys.putpalette([v for k in range(256) for v in (k, 255 - k, 77)])
    np.testing.assert_array_equal(read(greys), truth)
    assert (read(np.full((9, 9, 3), (255, 0, 0), np.uint8)) == 255).all()


def test_small_pictures_are_small(model, rgb):
    large = np.asarray(Image.fromarray(rgb).resize((640, 443)))
    row = only(model, item(png(large)))
    for data, side in ((row.thumbnail, batch.SMALL), (row.overlay, batch.SMALL), (row.icon, batch.ICON)):
        assert max(Image.open(io.BytesIO(data)).size) == side
        assert len(data) < 20_000
    near = np.abs(decode(row.thumbnail).rgb.astype(int) - decode(row.overlay).rgb.astype(int)).mean()
    assert near > 5, "the answer lies over the picture"


def test_bad_pictures_are_rows_and_the_run_goes_on(model, rgb, caplog):
    def refuse() -> bytes:
        raise CollectionError("It is encrypted, so it cannot be read.")

    items = [item(b"nothing", name="bad.png"), Item("locked.png", refuse), Item("good.png", lambda: png(rgb), refuse)]
    bad, locked, good = (row for row, _ in batch.rows(model, items))
    assert (bad.name, bad.width) == ("bad.png", 0)
    assert bad.error == "This file is not a PNG, JPEG, WebP, AVIF, BMP, GIF or TIFF picture."
    assert locked.error == "It is encrypted, so it cannot be read."
    assert good.error == ""
    assert good.note == "Its mask is not used. It is encrypted, so it cannot be read."


def test_a_network_that_fails_on_one_picture_does_not_end_the_run(model, rgb, monkeypatch, caplog):
    encode = model.encode

    def sometimes(picture):
        if picture.shape[0] == 40:
            raise RuntimeError("secret path")
        return encode(picture)

    monkeypatch.setattr(model, "encode", sometimes)
    items = [item(png(rgb[:40])), item(png(rgb))]
    kept = {}
    first, second = (row for row, _ in batch.rows(model, items, kept=kept))
    assert first.error == "The model failed on this picture (RuntimeError)."
    assert first.width == 130
    assert second.error == ""
    assert len(kept) == 1, "what failed may go better next time"


def test_what_is_there_is_not_computed_again(model, other, rgb):
    items = [item(png(rgb[i:]), name=f"{i}.png") for i in range(3)]
    kept = {}
    assert all(fresh for _, fresh in islice(batch.rows(model, items, kept=kept), 2))
    assert len(kept) == 2, "given up after two"
    again = list(batch.rows(model, [*items, item(png(rgb), name="copy.png")], kept=kept))
    assert [fresh for _, fresh in again] == [False, False, True, False]
    assert [row.name for row, _ in again] == ["0.png", "1.png", "2.png", "copy.png"]
    assert all(fresh for _, fresh in batch.rows(other, items, kept=kept)), "another model, other rows"
    assert all(fresh for _, fresh in batch.rows(model, items, other, kept)), "and so for a pair"
    masked = item(png(rgb), png(np.zeros(rgb.shape[:2], np.uint8)))
    assert next(batch.rows(model, [masked], kept=kept))[1], "and for a mask"


def test_models_without_a_class_in_common_are_refused(model):
    stranger = FcnModel(card_of(classes=("a", "b", "c", "d", "e", "f", "g", "h"), name="stranger"), model.network)
    with pytest.raises(CollectionError, match="random and stranger share no class"):
        batch.together(model, stranger)


def test_two_models_are_compared_by_the_names_of_their_classes(model, rgb):
    names = tuple(reversed(model.card.classes))
    same, turned = answer(model, rgb), answer(model, rgb)
    object.__setattr__(turned, "classes", names)
    object.__setattr__(turned, "logits", turned.logits[::-1].copy())
    assert not batch.differing(same, turned).any()


ROWS = [Row("b", uncertainty=0.2, pixel_accuracy=0.9), Row("a10", uncertainty=0.9), Row("a2", error="Broken."),
        Row("c", uncertainty=0.5, pixel_accuracy=0.3, disagreement=0.1)]  # fmt: skip


@pytest.mark.parametrize(("by", "names"), [("error", "c b a10 a2"), ("uncertainty", "a10 c b a2"),
                                           ("disagreement", "c a10 b a2"), ("name", "a2 a10 b c")])  # fmt: skip
def test_the_worst_come_first_and_failures_last(by, names):
    assert [row.name for row in batch.ordered(ROWS, by)] == names.split()


def test_the_usual_order_is_by_what_is_known():
    assert batch.usual_order(ROWS) == "error"
    assert batch.usual_order([Row("a", uncertainty=1, disagreement=0.1)]) == "disagreement"
    assert batch.usual_order([Row("a", uncertainty=1)]) == "uncertainty"


def test_the_summary_counts_pixels_for_scores_and_pictures_for_means():
    rows = [Row("a", confusion=((90, 10), (0, 0)), pixel_accuracy=0.9, uncertainty=0.1, shares=(1.0, 0.0)),
            Row("b", confusion=((0, 0), (5, 5)), pixel_accuracy=0.5, uncertainty=0.3, shares=(0.0, 1.0)),
            Row("c", error="Broken.")]  # fmt: skip
    found = batch.summary(rows)
    assert (found.pictures, found.failed, found.judged) == (3, 1, 2)
    assert found.pixel_accuracy == pytest.approx(95 / 110), "not the mean of 0.9 and 0.5"
    assert found.iou == pytest.approx((90 / 105, 5 / 20))
    assert found.uncertainty == pytest.approx(0.2)
    assert found.shares == (0.5, 0.5)
    nothing = batch.summary([Row("c", error="Broken.")])
    assert (nothing.pixel_accuracy, nothing.iou, nothing.uncertainty, nothing.shares) == (None, (), None, ())


def test_one_slow_picture_does_not_shake_the_time_left():
    pace = batch.Pace()
    assert pace.left(10) is None
    for seconds in (1, 1, 90, 1):
        pace.add(seconds)
    assert pace.left(10) == 10
