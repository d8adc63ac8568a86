"""What a mask is taken for: the readings by name, what a guess asks, and what stands beside the figures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from engine import palette
from engine.data import stanford, voc
from engine.debug import readings
from engine.debug.ground import READINGS, by_hand, ground, labelmap, remarks
from engine.debug.masks import MaskError, upright
from engine.trace import VOID

H, W = 24, 32
SIZE = (W, H)
TWO, THREE = ("background", "object"), ("low", "middle", "high")
RNG = np.random.default_rng(0)


def png(image: Image.Image | np.ndarray, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, kind)
    return out.getvalue()


def read(mask, classes=TWO, colours=None, **options):
    colours = palette.safe(len(classes)) if colours is None else colours
    return ground(mask if isinstance(mask, bytes) else png(mask), "", SIZE, SIZE, classes, colours, **options)


OBJECT = np.zeros((H, W), np.uint8)
OBJECT[6:18, 8:24] = 1
BINARY = OBJECT * 255


def indexed(values: np.ndarray, table: np.ndarray) -> Image.Image:
    image = Image.fromarray(values)
    image.putpalette(np.asarray(table, np.uint8).tobytes())
    return image


def clear(values: np.ndarray, *where: tuple[slice, slice]) -> np.ndarray:
    alpha = np.full((H, W), 255, np.uint8)
    for place in where:
        alpha[place] = 0
    return np.dstack([values, values, values, alpha])


WHITE = np.vstack([np.zeros((255, 3), np.uint8), [[255, 255, 255]]])
RED = np.zeros((H, W, 3), np.uint8)
RED[OBJECT == 1] = 255, 0, 0


@pytest.mark.parametrize(
    "mask",
    [
        BINARY,
        Image.fromarray(OBJECT == 1),
        indexed(BINARY, WHITE),
        np.dstack([BINARY] * 3),
        clear(BINARY),
        OBJECT,
        OBJECT * 128,
        BINARY.astype(np.uint16) * 257,
        RED,
        OBJECT + 1,
        OBJECT * 15,
    ],
    ids=["8 bit", "1 bit", "indexed", "RGB", "RGBA", "0 and 1", "0 and 128", "16 bit", "red", "1 and 2", "0 and 15"],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_of_two_classes_the_other_value_is_the_second(mask, kind):
    np.testing.assert_array_equal(read(png(mask, kind)).labels, OBJECT)


def test_a_reading_of_two_values_is_said_and_asked_for_where_nothing_speaks_for_the_order():
    assert "0 is the first class, the other the second" in read(BINARY).how
    assert read(BINARY).question == ""
    assert "1 is taken as “background”, 2 as “object”" in read(OBJECT + 1).question
    assert "128 is taken as “background”" in read(OBJECT * 127 + 128).question


def test_clear_pixels_are_void_beside_two_values():
    corner = np.s_[:4, :4]
    truth = read(clear(BINARY, corner))
    assert (truth.labels[corner] == VOID).all()
    np.testing.assert_array_equal(truth.labels[4:], OBJECT[4:])


def test_void_stays_void_where_the_classes_are_there_without_it():
    values = OBJECT.copy()
    values[0] = 255
    np.testing.assert_array_equal(read(values).labels, np.where(values == 255, VOID, OBJECT))
    assert read(values).question == ""


def test_one_value_alone_asks():
    assert "255 alone" in read(np.full((H, W), 255, np.uint8)).question
    empty = read(np.zeros((H, W), np.uint8))
    assert (empty.labels == 0).all()
    assert empty.notes == ("“object” never occurs in the truth: its IoU cannot be judged.",)


def test_of_more_classes_0_and_255_is_never_a_truth_of_one_class_without_a_word():
    truth = read(BINARY, stanford.LABELS.classes)
    assert "0 is taken as “sky” and 255 as void" in truth.question
    np.testing.assert_array_equal(read(BINARY, stanford.LABELS.classes, reading=truth.better).labels, OBJECT)
    assert read(np.dstack([BINARY] * 3), voc.LABELS.classes, voc.LABELS.colours).question


@pytest.mark.parametrize("levels", [(0, 127, 255), (0, 128, 255)])
def test_grey_levels_spread_over_the_classes_are_taken_in_order_and_asked_for(levels):
    values = RNG.integers(0, 3, (H, W))
    truth = read(np.array(levels, np.uint8)[values], THREE)
    np.testing.assert_array_equal(truth.labels, values)
    assert "in their order" in truth.question


def test_a_mask_that_counts_from_one_is_taken_so_and_asked_for():
    values = RNG.integers(0, 4, (H, W)).astype(np.uint8)
    truth = read(values, THREE)
    np.testing.assert_array_equal(truth.labels, np.where(values == 0, VOID, values - 1))
    assert "counts from 1 to 3" in truth.question


def test_values_that_are_no_classes_are_asked_for_and_not_judged():
    truth = read(RNG.choice([0, 3, 5, 13, 150], (H, W)).astype(np.uint8), stanford.LABELS.classes)
    assert "The mask holds 13, 150; the model has the classes 0 to 7" in truth.question
    assert (truth.labels == VOID).all()
    assert truth.better.name.startswith("ADE20K")


TABLES = [
    ("Cityscapes labelIds, by name", 7, "road"), ("Cityscapes labelIds, by name", 11, "building"),
    ("Cityscapes labelIds, by name", 33, "Bicycles"), ("Cityscapes trainIds, by name", 2, "building"),
    ("Cityscapes trainIds, by name", 11, "people"), ("Cityscapes trainIds, by name", 18, "bike"),
    ("Cityscapes instanceIds, by name", 26003, "car"), ("Cityscapes instanceIds, by name", 7, "road"),
    ("ADE20K, by name: 0 is unlabelled, 1 to 150", 2, "building"),
    ("ADE20K, by name: 0 is unlabelled, 1 to 150", 150, "flag"),
    ("ADE20K, by name: 0 is unlabelled, 1 to 150", 90, "TV_monitor"),
    ("ADE20K, by name: 0 to 149", 0, "wall"), ("ADE20K, by name: 0 to 149", 149, "flag"),
    ("VOC ids, by name", 15, "Person"), ("VOC ids, by name", 11, "diningtable"), ("VOC ids, by name", 1, "airplane"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "called"), TABLES)
def test_known_tables_go_to_the_models_classes_by_name(name, value, called):
    mask = np.full((H, W), value, np.uint16 if value > 255 else np.uint8)
    mask[0] = 255
    labels = read(mask, ("sky thing", called, "x"), reading=READINGS[name]).labels
    assert (labels[1:] == 1).all()
    assert (labels[0] == VOID).all()
    assert (read(mask, ("sky thing", "x"), reading=READINGS[name]).labels == VOID).all()


def test_minus_one_of_signed_files_is_void():
    values = np.where(OBJECT == 1, 13, -1).astype(np.int32)
    labels = read(png(values, "TIFF"), ("person", "x"), reading=readings.ADE_ONE).labels
    np.testing.assert_array_equal(labels, np.where(OBJECT == 1, 0, VOID))


def test_ids_of_instances_are_said_and_split():
    values = np.where(OBJECT == 1, 24001, 7).astype(np.uint16)
    truth = read(values, ("road", "person", "x"))
    assert "instance ids" in truth.question
    assert truth.better == readings.INSTANCE_IDS
    np.testing.assert_array_equal(read(values, ("road", "person", "x"), reading=truth.better).labels, OBJECT)


LABELMAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nTraffic_Light:128,0,0::\nnobody:0,128,0:a,b:walk\n"


def test_the_labelmap_of_cvat_says_the_classes():
    table = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)
    values = RNG.integers(0, 3, (H, W)).astype(np.uint8)
    classes = ("x", "traffic light")
    wanted = np.array([VOID, 1, VOID])[values]
    for mask in (table[values], indexed(values, table), values):
        for text in (LABELMAP, LABELMAP.encode("utf-8-sig"), LABELMAP.replace("\n", "\r\n").encode()):
            np.testing.assert_array_equal(read(mask, classes, reading=labelmap(text)).labels, wanted)


@pytest.mark.parametrize("text", ["", "# nothing\n", "\0\1\2", "a" * 300_000, "a;b;c"])
def test_what_is_no_labelmap_is_refused(text):
    with pytest.raises(MaskError, match=r"labelmap\.txt"):
        labelmap(text)


SCENE = RNG.integers(0, 6, (6, 8)).repeat(4, 0).repeat(4, 1).astype(np.uint8)  # blocks of six classes


def nearly(labels: np.ndarray, share: float = 0.1, classes: int = 8) -> np.ndarray:
    """An answer that is right but for so many pixels."""
    noise = np.random.default_rng(1)
    return np.where(noise.random(labels.shape) < share, noise.integers(0, classes, labels.shape), labels).astype(
        np.uint8
    )


def test_an_offset_by_one_is_found_by_the_models_answer():
    truth = read(SCENE + 1, stanford.LABELS.classes, answer=nearly(SCENE))
    assert "“0 is void, the rest minus one”" in truth.question
    better = read(SCENE + 1, stanford.LABELS.classes, reading=truth.better, answer=nearly(SCENE))
    np.testing.assert_array_equal(better.labels, SCENE)
    assert better.question == ""


def test_ids_below_the_number_of_classes_are_found_by_the_models_answer():
    classes = tuple(readings.CITYSCAPES[i] for i in (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28))
    values = np.array([7, 8, 11, 12, 13, 7], np.uint8)[SCENE]
    wanted = np.array([0, 1, 2, 3, 4, 0], np.uint8)[SCENE]
    truth = read(values, classes, answer=nearly(wanted))
    assert "Cityscapes labelIds" in truth.question
    np.testing.assert_array_equal(read(values, classes, reading=truth.better).labels, wanted)


def test_values_in_another_order_are_found_by_the_models_answer():
    order = np.array([3, 0, 5, 1, 2, 4], np.uint8)
    truth = read(order[SCENE], stanford.LABELS.classes, answer=nearly(SCENE))
    assert "other classes" in truth.question
    np.testing.assert_array_equal(read(order[SCENE], stanford.LABELS.classes, reading=truth.better).labels, SCENE)
    swapped = read(255 - BINARY, answer=nearly(OBJECT, classes=2))
    assert swapped.question
    np.testing.assert_array_equal(read(255 - BINARY, reading=swapped.better).labels, OBJECT)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_a_poor_model_makes_no_question_of_a_good_mask(share):
    assert read(SCENE, stanford.LABELS.classes, answer=nearly(SCENE, share)).question == ""
    always = np.zeros((H, W), np.uint8)
    assert read(SCENE, stanford.LABELS.classes, answer=always).question == ""
    assert read(BINARY, answer=always).question == ""


def test_what_hardly_fits_is_said():
    values = np.minimum(SCENE, 2)
    values[:6] = 255
    notes = " ".join(read(values, stanford.LABELS.classes, answer=nearly(SCENE)).notes)
    assert (
        "5 of the 8 classes never occur in the truth (“grass”, “water”, “building”, “mountain”, “foreground”)" in notes
    )
    assert "25.0 % of the picture are void" in notes
    assert "% of the judged pixels are called classes that never occur in the truth" in notes
    named = read(SCENE, ("road", "sidewalk", "x"), reading=readings.TRAIN_IDS)
    assert "2, 3, 4, 5 in the mask stand for no class of this model" in " ".join(named.notes)


def test_a_truth_that_fits_needs_no_word():
    assert remarks(SCENE % 3, THREE, SCENE % 3) == ()


def test_masks_by_hand_and_the_names_of_readings():
    truth = read(OBJECT, reading=by_hand("Mine", {"0": 1, "1": VOID}))
    assert truth.mapping == (1, VOID)
    assert all(reading.name == name for name, reading in READINGS.items())


def test_a_palette_without_difference_says_nothing():
    """Entries that look alike below their values, here all black but for those beyond the classes."""
    table = np.zeros((256, 3), np.uint8)
    table[8:] = np.arange(248)[:, None] + [[1, 2, 3]]
    truth = read(indexed(SCENE, table), voc.LABELS.classes, voc.LABELS.colours)
    np.testing.assert_array_equal(truth.labels, SCENE)


@pytest.mark.parametrize("turn", range(1, 9))
def test_upright_is_what_pillow_does(turn):
    values = RNG.integers(0, 255, (5, 7)).astype(np.uint8)
    image = Image.fromarray(values)
    exif = image.getexif()
    exif[274] = turn
    out = io.BytesIO()
    image.save(out, "PNG", exif=exif)
    from PIL import ImageOps

    expected = np.asarray(ImageOps.exif_transpose(Image.open(out)))
    np.testing.assert_array_equal(upright(values, turn), expected)


@pytest.mark.parametrize("turn", [5, 6, 7, 8])
@pytest.mark.parametrize("scale", [1, 3])
def test_a_mask_in_the_frame_of_the_sensor_is_turned_and_that_is_said(turn, scale):
    sensor = SCENE.repeat(scale, 0).repeat(scale, 1)
    shown, original = (H, W), (H * scale, W * scale)
    truth = ground(png(sensor), "", shown, original, stanford.LABELS.classes, stanford.LABELS.colours,
                   orientation=turn)  # fmt: skip
    np.testing.assert_array_equal(truth.labels, upright(SCENE, turn))
    assert f"turned like the photo (orientation {turn})" in truth.notes[0]
    upstanding = ground(png(upright(sensor, turn)), "", shown, original, stanford.LABELS.classes,
                        stanford.LABELS.colours, orientation=turn)  # fmt: skip
    np.testing.assert_array_equal(upstanding.labels, upright(SCENE, turn))
    assert not any("orientation" in note for note in upstanding.notes)


@pytest.mark.parametrize("turn", [2, 3, 4])
def test_a_mask_of_the_same_size_is_compared_both_ways(turn):
    right, names = upright(SCENE, turn), stanford.LABELS.classes
    found = read(SCENE, names, answer=nearly(right), orientation=turn)
    assert found.turn
    assert f"orientation ({turn})" in found.question
    assert f"orientation ({turn})" in found.notes[0]
    turned = read(SCENE, names, answer=nearly(right), orientation=turn, turned=True)
    np.testing.assert_array_equal(turned.labels, right)
    assert (turned.turn, turned.question) == (False, "")
    upstanding = read(right, names, answer=nearly(right), orientation=turn)
    assert (upstanding.turn, upstanding.question) == (False, "")


def test_a_mask_of_swapped_sides_says_so_where_the_photo_has_no_orientation():
    with pytest.raises(MaskError, match="turned by a quarter"):
        ground(png(SCENE), "", (H, W), (H, W), stanford.LABELS.classes, stanford.LABELS.colours)


CITY = tuple(readings.CITYSCAPES[i] for i in (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33))


def test_ids_that_might_be_indices_are_asked_for_unless_the_answer_speaks_against_it():
    ids = np.array([7, 8, 11, 12, 7, 3], np.uint8)[SCENE]
    assert "Cityscapes labelIds" in read(ids, CITY).question
    assert read(ids, CITY, answer=nearly(ids, classes=19)).question == ""
    for trained in ([0, 1, 2, 8, 10, 13], [0, 2, 10, 11, 13, 0]):
        assert read(np.array(trained, np.uint8)[SCENE], CITY).question == ""


def test_the_reading_of_255_as_a_class_stands_beside_the_figures():
    assert read(BINARY).notes == ("255 in the mask is taken as “object”.",)
    assert read(OBJECT).notes == ()


@pytest.mark.parametrize("name", READINGS)
def test_no_reading_gives_a_class_that_the_model_lacks(name):
    for classes in (("one",), TWO, THREE, tuple("abcdefgh")):
        values = np.arange(H * W, dtype=np.uint8).reshape(H, W) % 251
        for mask in (values, BINARY, RED, np.where(OBJECT == 1, 24001, 7).astype(np.uint16), clear(BINARY, np.s_[:3])):
            labels = read(mask, classes, reading=READINGS[name]).labels
            assert set(np.unique(labels).tolist()) <= {*range(len(classes)), VOID}


def test_clear_pixels_may_be_a_class_if_somebody_says_so():
    corner = np.s_[:4, :4]
    truth = read(clear(BINARY, corner), reading=by_hand("Mine", {"transparent": 1}))
    assert (truth.labels[corner] == 1).all()


def test_a_sentence_repeats_at_most_80_characters_of_names():
    names = tuple(f"{k}" + "x" * 500 for k in range(8))
    for note in remarks(np.zeros((H, W), np.uint8), names):
        assert sum(letter == "x" for letter in note) <= 80
