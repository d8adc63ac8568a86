"""Uploaded masks: every kind is read exactly, guesses are right where one can know, and bad files get one sentence."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine import exports, palette
from engine.data import stanford, voc
from engine.debug import masks
from engine.debug.ground import ground, judge
from engine.debug.masks import MaskError
from engine.trace import VOID

H, W = 30, 40
SIZE = (W, H)
LABELS = np.random.default_rng(0).integers(0, 8, (H, W)).astype(np.uint8)
SCENES, ANIMALS = stanford.LABELS, voc.LABELS


def file(image: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(out, kind, **options)
    return out.getvalue()


def labels_of(data: bytes, labels=SCENES, size=SIZE, original=SIZE) -> np.ndarray:
    return ground(data, "", size, original, labels.classes, labels.colours).labels


def refused(data: bytes, size=SIZE, original=SIZE) -> str:
    with pytest.raises(MaskError) as error:
        masks.read(data, size, original)
    assert str(error.value).endswith(".")
    return str(error.value)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF"])
def test_grey_and_indexed_labels_are_read_exactly(kind):
    assert np.array_equal(labels_of(file(LABELS, kind)), LABELS)
    indexed = Image.fromarray(LABELS)
    indexed.putpalette(np.random.default_rng(1).integers(0, 256, 768).astype(np.uint8).tobytes())
    assert np.array_equal(labels_of(file(indexed, kind)), LABELS), "a palette that nobody knows says nothing"


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_png_of_few_bits_holds_its_values(bits):
    labels = LABELS % min(2**bits, 8)
    image = Image.fromarray(labels)
    if bits < 8:
        image.putpalette(bytes(v for i in range(2**bits) for v in [i * 255 // (2**bits - 1)] * 3))
        grey = bytearray(file(image, bits=bits))
        assert grey[24] == bits
        grey = _as_grey(bytes(grey))
    else:
        grey = file(image)
    assert np.array_equal(labels_of(grey), labels)


def _as_grey(data: bytes) -> bytes:
    """The same PNG with colour type 0 (grey) instead of 3 (indexed)."""
    import struct
    import zlib

    out, at = data[:8], 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if name == b"IHDR":
            body = body[:9] + b"\0" + body[10:]
        if name != b"PLTE":
            out += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        at += 12 + length
    return out


def test_sixteen_bits_and_black_and_white():
    assert np.array_equal(labels_of(file(LABELS.astype(np.uint16))), LABELS)
    deep = masks.read(file((LABELS.astype(np.uint16) + 1) * 1000), SIZE, SIZE)
    assert [entry.value for entry in deep.entries] == [1000 * (k + 1) for k in range(8)]
    assert np.array_equal(labels_of(file(Image.fromarray(LABELS > 3))), LABELS > 3)


@pytest.mark.parametrize("table", [SCENES.colours, palette.safe(8), palette.voc(8)])
def test_colours_are_known_by_three_palettes(table):
    assert np.array_equal(labels_of(file(table[LABELS])), LABELS)
    clear = np.dstack([table[LABELS], np.where(LABELS == 7, 0, 255)]).astype(np.uint8)
    assert np.array_equal(labels_of(file(clear)), np.where(LABELS == 7, VOID, LABELS))


def test_voc_masks_lose_what_the_model_does_not_know():
    ids = np.random.default_rng(2).choice([0, 8, 9, 15, 255], (H, W), p=[0.4, 0.2, 0.1, 0.2, 0.1]).astype(np.uint8)
    data = exports.indexed_png(ids, palette.voc(21))
    wanted = np.select([ids == 0, ids == 8, ids == 15], [0, 1, 6], VOID)
    assert np.array_equal(labels_of(data, ANIMALS), wanted)
    assert np.array_equal(labels_of(file(palette.voc(256)[ids]), ANIMALS), wanted), "the same in RGB"


def test_what_we_export_comes_back():
    labels = np.where(LABELS == 5, VOID, LABELS)
    assert np.array_equal(labels_of(exports.indexed_png(labels, SCENES.colours)), labels)


def test_void_is_guessed_and_every_entry_can_be_mapped_anew():
    labels = np.where(LABELS == 7, 255, LABELS).astype(np.uint8)
    mask = masks.read(file(labels), SIZE, SIZE)
    truth = judge(mask, SCENES.classes, SCENES.colours)
    assert truth.mapping == (0, 1, 2, 3, 4, 5, 6, VOID)
    assert truth.how == "Read by: Class index."
    assert [entry.pixels for entry in mask.entries] == [int((labels == k).sum()) for k in (*range(7), 255)]
    assert np.array_equal(masks.apply(mask, [3] * 8), np.full((H, W), 3))
    assert [e.name for e in mask.entries][:2] == ["0", "1"]
    strange = masks.read(file(np.full((H, W), 77, np.uint8)), SIZE, SIZE)
    assert judge(strange, SCENES.classes, SCENES.colours).how == "Nothing is known of these values."


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 90), st.integers(8, 90), st.floats(1, 4))
def test_a_mask_of_the_files_size_is_taken_at_pixel_centres(width, height, factor):
    full = (round(width * factor), round(height * factor))
    if max(full) > 20 * min(full) or max(width, height) > 20 * min(width, height):
        return
    big = np.random.default_rng(width).integers(0, 200, full[::-1]).astype(np.uint8)
    mask = masks.read(file(big), (width, height), full)
    got = np.array([entry.value for entry in mask.entries])[mask.values]
    rows = [(2 * i + 1) * full[1] // (2 * height) for i in range(height)]
    columns = [(2 * j + 1) * full[0] // (2 * width) for j in range(width)]
    assert np.array_equal(got, big[np.ix_(rows, columns)])


def test_another_size_is_refused_with_all_sizes():
    wrong = file(np.zeros((20, 24), np.uint8))
    text = refused(wrong)
    assert "24 x 20" in text
    assert "40 x 30 pixels" in text
    text = refused(wrong, SIZE, (400, 300))
    assert all(size in text for size in ("24 x 20", "40 x 30", "400 x 300"))


def test_what_blurs_or_is_no_mask_is_refused():
    assert "JPEG file blurs labels" in refused(file(np.zeros((H, W, 3), np.uint8), "JPEG"))
    assert "WEBP file blurs labels" in refused(file(np.zeros((H, W, 3), np.uint8), "WEBP"))
    photo = np.random.default_rng(0).integers(0, 256, (H, W, 3)).astype(np.uint8)
    assert "different colours, more than 256" in refused(file(photo))
    assert "different values, more than 256" in refused(file(np.arange(H * W, dtype=np.uint16).reshape(H, W)))
    assert "kind F" in refused(file(Image.fromarray(np.zeros((H, W), np.float32)), "TIFF"))
    assert "kind CMYK" in refused(file(Image.new("CMYK", SIZE), "TIFF"))
    refused(b"")
    refused(b"not a picture")


def test_a_bomb_is_refused_by_its_size_before_it_is_decoded():
    bomb = bytearray(file(np.zeros((H, W), np.uint8)))
    bomb[16:24] = (60_000).to_bytes(4) * 2
    refused(bytes(bomb))


SEEDS = [
    file(LABELS), file(LABELS.astype(np.uint16)), file(SCENES.colours[LABELS]), file(LABELS, "TIFF"),
    exports.indexed_png(LABELS, SCENES.colours), file(Image.fromarray(LABELS), "GIF"), file(LABELS, "BMP"),
    file(np.dstack([SCENES.colours[LABELS], LABELS])),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_mutated_files_give_a_mask_or_one_sentence(seed):
    """400 mutations of each of eight files: bytes changed, cut out, doubled."""
    dice, sentences = random.Random(seed), []
    for _ in range(400):
        data = bytearray(SEEDS[seed])
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(8, len(data)) if dice.random() < 0.9 else dice.randrange(len(data))
            what = dice.random()
            if what < 0.6:
                data[at] = dice.randrange(256)
            elif what < 0.8:
                del data[at : at + dice.randint(1, 30)]
            else:
                data[at:at] = data[at : at + dice.randint(1, 30)]
            if len(data) < 12:
                break
        try:
            mask = masks.read(bytes(data), SIZE, SIZE)
        except MaskError as error:
            sentences.append(str(error))
        else:
            assert mask.values.shape == (H, W)
            assert mask.values.max() < len(mask.entries) <= masks.MOST
            assert judge(mask, SCENES.classes, SCENES.colours).labels.shape == (H, W)
    assert sentences
    assert all(text.endswith(".") and "\n" not in text for text in sentences)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b""]))
def test_wild_bytes_give_one_sentence(data, start):
    with pytest.raises(MaskError):
        masks.read(start + data, SIZE, SIZE)
