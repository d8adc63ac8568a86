"""PASCAL VOC in its published layout, made here: ids become our classes, everything else void."""

import numpy as np
import pytest
from PIL import Image

from engine import palette
from engine.data import DataError, voc
from engine.trace import VOID

IDS = np.array([[0, 8, 10, 12], [13, 17, 15, 255], [1, 9, 20, 0]], np.uint8)
WANTED = np.array([[0, 1, 2, 3], [4, 5, 6, VOID], [VOID, VOID, VOID, 0]])


def write(folder, names=("2007_000032", "2008_000001")):
    root = folder / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / name).mkdir(parents=True)
    for name in names:
        Image.new("RGB", (4, 3), (9, 9, 9)).save(root / "JPEGImages" / f"{name}.jpg")
        mask = Image.fromarray(IDS, "P")
        mask.putpalette(palette.voc(256).tobytes())
        mask.save(root / "SegmentationClass" / f"{name}.png")
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("\n".join(names) + "\n")
    return root


def test_ids_become_the_classes_of_the_animals(tmp_path):
    write(tmp_path)
    data = voc.load(tmp_path)
    rgb, labels = data[1]
    assert len(data) == 2
    assert rgb.shape == (3, 4, 3)
    assert np.array_equal(labels, WANTED)
    assert data.labels.classes == ("background", "cat", "cow", "dog", "horse", "sheep", "person")


def test_colours_are_those_of_the_data_set(tmp_path):
    root = write(tmp_path)
    with Image.open(root / "SegmentationClass" / "2007_000032.png") as mask:
        shown = np.asarray(mask.convert("RGB"))
    known = WANTED != VOID
    assert np.array_equal(voc.LABELS.colours[WANTED[known]], shown[known])


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(DataError, match="PASCAL VOC 2012 was expected at"):
        voc.load(tmp_path)
    root = write(tmp_path)
    with pytest.raises(DataError, match="The list of split trainaug"):
        voc.load(tmp_path, "trainaug")
    (root / "ImageSets" / "Segmentation" / "none.txt").write_text("\n")
    with pytest.raises(DataError, match="names no pictures"):
        voc.load(tmp_path, "none")
    (root / "JPEGImages" / "2007_000032.jpg").unlink()
    with pytest.raises(DataError):
        voc.load(tmp_path)[0]
