"""Flickr8k in its published layout, made here: captions, splits, words, and what is wrong with it."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.data import DataError, flickr8k

TEXTS = ("A dog runs .", "Two dogs , one ball !", "The boy 's dog isn't RED .", "Snow", "A man in a t-shirt .")


def write(folder, count=6):
    """`count` pictures, of which the fourth is in dev and the fifth in test; the others are in train."""
    root = folder / "flickr8k"
    (root / "images").mkdir(parents=True)
    names = [f"{i}_ab.jpg" for i in range(count)]
    for i, name in enumerate(names):
        Image.new("RGB", (7, 5), (40 * i, 0, 0)).save(root / "images" / name, quality=100)
    lines = [f"{name}#{k}\t{text}" for name in names for k, text in enumerate(TEXTS)]
    (root / "Flickr8k.token.txt").write_text("\n".join(lines) + "\n", encoding="utf8")
    for split, some in (("train", names[:3] + names[5:]), ("dev", names[3:4]), ("test", names[4:5])):
        (root / f"Flickr_8k.{split}Images.txt").write_text("\n".join(some) + "\n", encoding="utf8")
    return root


def test_pictures_and_captions(tmp_path):
    write(tmp_path)
    data = flickr8k.load(tmp_path, "train")
    assert (data.name, data.split, len(data)) == ("Flickr8k", "train", 4)
    assert [p.name for p in data.paths] == ["0_ab.jpg", "1_ab.jpg", "2_ab.jpg", "5_ab.jpg"]
    assert data.captions[3] == (
        ("a", "dog", "runs"), ("two", "dogs", "one", "ball"), ("the", "boy", "s", "dog", "isnt", "red"), ("snow",),
        ("a", "man", "in", "a", "t", "shirt"),
    )  # fmt: skip
    rgb = data.rgb(1)
    assert (rgb.shape, rgb.dtype) == ((5, 7, 3), np.uint8)
    assert np.abs(rgb[..., 0].astype(int) - 40).max() < 5


def test_splits_are_the_authors(tmp_path):
    write(tmp_path)
    names = {split: {p.name for p in flickr8k.load(tmp_path, split).paths} for split in flickr8k.SPLITS}
    assert names["val"] == {"3_ab.jpg"}
    assert names["test"] == {"4_ab.jpg"}
    assert not names["train"] & (names["val"] | names["test"])
    assert flickr8k.load(tmp_path).split == "val"


def test_lines_may_end_as_on_windows_and_captions_may_be_empty(tmp_path):
    root = write(tmp_path)
    path = root / "Flickr8k.token.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"3_ab.jpg#5\t .\r\n\r\n")
    assert flickr8k.load(tmp_path, "val").captions == flickr8k.load(tmp_path, "test").captions


@pytest.mark.parametrize(("missing", "words"), [
    ("Flickr_8k.devImages.txt", "list of Flickr8k's val pictures was expected at"),
    ("Flickr8k.token.txt", "Flickr8k's captions was expected at"),
    ("images/3_ab.jpg", "1 pictures of Flickr_8k.devImages.txt have no file or no captions"),
])  # fmt: skip
def test_what_is_missing_is_said(tmp_path, missing, words):
    root = write(tmp_path)
    (root / missing).unlink()
    with pytest.raises(DataError, match=words):
        flickr8k.load(tmp_path, "val")


def test_an_empty_list_and_pictures_without_captions_are_said(tmp_path):
    root = write(tmp_path)
    (root / "Flickr_8k.devImages.txt").write_text("\n")
    with pytest.raises(DataError, match="devImages"):
        flickr8k.load(tmp_path, "val")
    (root / "Flickr8k.token.txt").write_text("4_ab.jpg#0\t . ,\n")
    with pytest.raises(DataError, match=r"1 pictures of Flickr_8k\.testImages\.txt have no file or no captions"):
        flickr8k.load(tmp_path, "test")


def test_another_folder_or_split_is_refused(tmp_path):
    with pytest.raises(DataError, match="Flickr8k was expected at"):
        flickr8k.load(tmp_path, "val")
    with pytest.raises(DataError, match="splits train, val, test, not all"):
        flickr8k.load(tmp_path, "all")


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0 cut"])
def test_a_broken_picture_is_one_sentence(tmp_path, content):
    root = write(tmp_path)
    (root / "images" / "3_ab.jpg").write_bytes(content)
    data = flickr8k.load(tmp_path, "val")
    with pytest.raises(DataError, match=r"3_ab\.jpg cannot be read"):
        data.rgb(0)


def test_letters_of_another_encoding_are_left_out(tmp_path):
    root = write(tmp_path)
    (root / "Flickr8k.token.txt").write_bytes(b"3_ab.jpg#0\tA caf\xe9 here .\n")
    assert flickr8k.load(tmp_path, "val").captions == ((("a", "caf", "here"),),)


@given(st.text())
def test_words_are_lower_case_without_punctuation(text):
    words = flickr8k.words(text)
    assert all(re.fullmatch("[a-z0-9]+", word) for word in words)
    assert flickr8k.words(" ".join(words)) == words
