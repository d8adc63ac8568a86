"""Which mask belongs to which picture, in the layouts of real tools; what is unsure is asked, no mask is a picture."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.debug import pairing
from engine.debug.collection import Collection, CollectionError, from_files, from_folder, from_path
from engine.debug.ground import ground

NOISE = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)


def photo(ending: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(NOISE).save(out, ending)
    return out.getvalue()


def mask(mode: str = "L") -> bytes:
    """Two classes, left and right."""
    image = Image.fromarray(np.repeat(np.array([[0] * 20 + [1] * 20], np.uint8), 40, 0))
    if mode == "P":
        image.putpalette([0, 0, 0, 128, 0, 0])
    out = io.BytesIO()
    (image.convert(mode) if mode == "RGB" else image).save(out, "PNG")
    return out.getvalue()


JPG, PNG, MASK = photo("JPEG"), photo(), mask()


def layout(paths: str) -> dict[str, bytes]:
    """Files by their paths: a name that ends in ! holds a photograph, .json labelme, .png a mask, .jpg a photograph."""
    files = {}
    for path in paths.split():
        data = PNG if path.endswith("!") else JPG if path.endswith(("jpg", "jpeg", "jfif")) else MASK
        files[path.rstrip("!")] = b'{"shapes": [], "imagePath": "x"}' if path.endswith("json") else data
    return files


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def pairs(found: Collection) -> dict[str, str]:
    return {item.name: item.called for item in found.items}


LAYOUTS = {
    "ADE20K": ("ade/images/training/a_1.jpg ade/images/validation/a_2.jpg ade/annotations/training/a_1.png "
               "ade/annotations/validation/a_2.png",
               {"training/a_1.jpg": "ade/annotations/training/a_1.png",
                "validation/a_2.jpg": "ade/annotations/validation/a_2.png"}),
    "the same name in two splits": (
        "images/training/a.jpg images/validation/a.jpg annotations/training/a.png annotations/validation/a.png",
        {"training/a.jpg": "annotations/training/a.png", "validation/a.jpg": "annotations/validation/a.png"}),
    "mmsegmentation": ("r/img_dir/train/x.jpg r/ann_dir/train/x.png r/img_dir/val/y.jpg r/ann_dir/val/y.png",
                       {"train/x.jpg": "r/ann_dir/train/x.png", "val/y.jpg": "r/ann_dir/val/y.png"}),
    "the split above": ("train/images/a.jpg train/masks/a.png val/images/a.jpg val/masks/a.png",
                        {"train/images/a.jpg": "train/masks/a.png", "val/images/a.jpg": "val/masks/a.png"}),
    "the split on one side by another name": ("images/train/a.jpg labels/training/a.png",
                                              {"a.jpg": "labels/training/a.png"}),
    "VOC": ("V/JPEGImages/a.jpg V/SegmentationClass/a.png V/SegmentationObject/a.png",
            {"a.jpg": "V/SegmentationClass/a.png"}),
    "labelme2voc": ("d/JPEGImages/a.jpg d/SegmentationClassPNG/a.png d/SegmentationClassVisualization/a.jpg "
                    "d/SegmentationObjectPNG/a.png", {"a.jpg": "d/SegmentationClassPNG/a.png"}),
    "Cityscapes": ("leftImg8bit/train/ulm/u_000_leftImg8bit.png! gtFine/train/ulm/u_000_gtFine_labelIds.png "
                   "gtFine/train/ulm/u_000_gtFine_color.png gtFine/train/ulm/u_000_gtFine_instanceIds.png",
                   {"u_000_leftImg8bit.png": "gtFine/train/ulm/u_000_gtFine_labelIds.png"}),
    "Cityscapes with train ids": (
        "leftImg8bit/val/x/u_leftImg8bit.png! gtFine/val/x/u_gtFine_labelIds.png "
        "gtFine/val/x/u_gtFine_labelTrainIds.png",
        {"u_leftImg8bit.png": "gtFine/val/x/u_gtFine_labelTrainIds.png"}),
    "nnU-Net": ("Dataset1/imagesTr/case_01_0000.png! Dataset1/labelsTr/case_01.png Dataset1/imagesTs/case_02_0000.png!",
                {"imagesTr/case_01_0000.png": "Dataset1/labelsTr/case_01.png", "imagesTs/case_02_0000.png": ""}),
    "CamVid of SegNet": ("CamVid/train/a.png! CamVid/trainannot/a.png CamVid/val/a.png! CamVid/valannot/a.png",
                         {"train/a.png": "CamVid/trainannot/a.png", "val/a.png": "CamVid/valannot/a.png"}),
    "CamVid": ("701_StillsRaw_full/0001TP_1.png! LabeledApproved_full/0001TP_1_L.png",
               {"0001TP_1.png": "LabeledApproved_full/0001TP_1_L.png"}),
    "Carvana": ("train/a_01.jpg train_masks/a_01_mask.gif", {"a_01.jpg": "train_masks/a_01_mask.gif"}),
    "DeepGlobe": ("road/7_sat.jpg road/7_mask.png", {"7_sat.jpg": "road/7_mask.png"}),
    "ISIC": ("ISIC_Training_Input/ISIC_1.jpg ISIC_Training_GroundTruth/ISIC_1_segmentation.png",
             {"ISIC_1.jpg": "ISIC_Training_GroundTruth/ISIC_1_segmentation.png"}),
    "Roboflow": ("train/a_jpg.rf.5f.jpg train/a_jpg.rf.5f_mask.png", {"a_jpg.rf.5f.jpg": "train/a_jpg.rf.5f_mask.png"}),
    "Supervisely": ("ds/img/a.jpg ds/masks_machine/a.jpg.png", {"a.jpg": "ds/masks_machine/a.jpg.png"}),
    "LoveDA": ("Train/Rural/images_png/0.png! Train/Rural/masks_png/0.png Train/Urban/images_png/0.png! "
               "Train/Urban/masks_png/0.png", {"Rural/images_png/0.png": "Train/Rural/masks_png/0.png",
                                               "Urban/images_png/0.png": "Train/Urban/masks_png/0.png"}),
    "Oxford pets": ("images/cat_1.jpg annotations/trimaps/cat_1.png annotations/trimaps/._cat_1.png",
                    {"cat_1.jpg": "annotations/trimaps/cat_1.png"}),
    "DAVIS": ("JPEGImages/480p/bear/0.jpg Annotations/480p/bear/0.png JPEGImages/480p/cow/0.jpg "
              "Annotations/480p/cow/0.png", {"bear/0.jpg": "Annotations/480p/bear/0.png",
                                             "cow/0.jpg": "Annotations/480p/cow/0.png"}),
    "COCO stuff": ("images/train2017/1.jpg stuffthingmaps/train2017/1.png",
                   {"1.jpg": "stuffthingmaps/train2017/1.png"}),
    "ADE20K in full": ("b/ADE_1.jpg b/ADE_1_seg.png", {"ADE_1.jpg": "b/ADE_1_seg.png"}),
    "Potsdam": ("p/top_2_10_RGB.tif! p/top_2_10_label.tif", {"top_2_10_RGB.tif": "p/top_2_10_label.tif"}),
    "labelme_json_to_dataset": ("a_json/img.png! a_json/label.png a_json/label_viz.png b_json/img.png! "
                                "b_json/label.png",
                                {"a_json/img.png": "a_json/label.png", "b_json/img.png": "b_json/label.png"}),
    "image_1 and mask_1": ("image_1.png! mask_1.png image_2.png! mask_2.png",
                           {"image_1.png": "mask_1.png", "image_2.png": "mask_2.png"}),
    "labelme": ("a.jpg a.json b.jpg", {"a.jpg": "a.json", "b.jpg": ""}),
    "labelme in a folder": ("images/a.jpg json/a.json", {"a.jpg": "json/a.json"}),
    "upper case": ("IMAGES/A.JPG! MASKS/A.PNG", {"A.JPG": "MASKS/A.PNG"}),
    "stems that differ in case": ("img/a.jpg img/A.jpg masks/a.png masks/A.png",
                                  {"A.jpg": "masks/A.png", "a.jpg": "masks/a.png"}),
    "a dataset about masks": ("face_mask/images/a.jpg face_mask/masks/a.png", {"a.jpg": "face_mask/masks/a.png"}),
    "a dataset whose name says masks": ("road_segmentation/a.jpg road_segmentation/a_mask.png",
                                        {"a.jpg": "road_segmentation/a_mask.png"}),
    "nothing but the content says so": ("x/a.jpg x/a.png x/b.jpg", {"a.jpg": "x/a.png", "b.jpg": ""}),
    "nor do the folders": ("one/a.jpg two/a.png one/b.jpg two/b.png", {"a.jpg": "two/a.png", "b.jpg": "two/b.png"}),
    "endings that few know": ("images/a.jfif masks/a.png", {"a.jfif": "masks/a.png"}),
}  # fmt: skip
LAYOUTS |= {f"in {folder}": (f"photos/a.jpg {folder}/a.png", {"a.jpg": f"{folder}/a.png"})
            for folder in ("masks", "Mask", "labels", "label", "gt", "GT", "ground_truth", "groundtruth", "annotations",
                           "segmentation", "segmentations", "SegmentationClass", "gt_masks", "my_labels")}  # fmt: skip
LAYOUTS |= {f"called {name}": (f"s/a.jpg s/{name}", {"a.jpg": f"s/{name}"})
            for name in ("a_mask.png", "a-mask.png", "a.mask.png", "a_gt.png", "a_L.png", "a_segmentation.png",
                         "a_seg.png", "a_label.png", "a_labels.png", "a_labelIds.png", "a_labelTrainIds.png",
                         "mask_a.png", "a_MASK.png", "a_ground_truth.png", "a_mask.tif")}  # fmt: skip


@pytest.mark.parametrize(("paths", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_of_real_tools(paths, expected, tmp_path):
    files = layout(paths)
    found = from_files([("some.zip", packed(files))])
    assert pairs(found) == expected
    assert (found.question, found.doubtful) == ("", ())
    windows = from_files([("some.zip", packed({name.replace("/", "\\"): data for name, data in files.items()}))])
    assert pairs(windows) == expected, "as some archivers of Windows write it"
    dropped = from_files(list(files.items()))
    assert pairs(dropped) == expected
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert pairs(from_folder(tmp_path)) == expected


def test_what_was_preferred_and_what_was_left_out_is_said():
    found = from_files([("c.zip", packed(layout(LAYOUTS["Cityscapes"][0])))])
    assert found.used == ("gtFine/*_gtFine_labelIds",)
    assert "1 file was left out: a mask of instances, not of classes." in found.notes
    assert "gtFine/*_gtFine_labelIds are used as masks; gtFine/*_gtFine_color would fit as masks, too." in found.notes
    other = found.again("gtFine/*_gtFine_color")
    assert pairs(other) == {"u_000_leftImg8bit.png": "gtFine/train/ulm/u_000_gtFine_color.png"}


@pytest.mark.parametrize(("paths", "pictures", "words"), [
    ("a.jpg b.jpg masks/a.png labels/a.png", "a.jpg b.jpg", "two masks fit one picture"),
    ("one/a.jpg two/a.jpg masks/a.png", "one/a.jpg two/a.jpg", "one mask fits several pictures"),
    ("a.jpg a.webp! masks/a.png", "a.jpg a.webp", "one mask fits several pictures"),
    ("one/a.jpg two/masks/a.png", "a.jpg", "different places"),
    ("images/a.png! labels/a.png!", "a.png", "look like photographs"),
])  # fmt: skip
def test_what_is_unsure_is_asked_and_not_judged(paths, pictures, words):
    files = layout(paths)
    found = from_files([("some.zip", packed(files))])
    assert list(pairs(found)) == pictures.split()
    assert not any(item.mask for item in found.items)
    assert words in found.question
    assert all(mask in files and picture in files for picture, mask in found.doubtful)
    for group in found.groups:
        again = found.again(group)
        assert any(item.mask for item in again.items)
        assert again.question == ""
    without = found.again(pairing.NOBODY)
    assert (list(pairs(without)), without.question) == (pictures.split(), "")
    assert not any(item.mask for item in without.items)
    assert len(found.again(pairing.EVERYTHING).items) == len(files)


def test_the_sure_pairs_count_while_others_are_asked_about():
    found = from_files([("x.zip", packed(layout("a.jpg b.jpg masks/a.png masks/b.png labels/a.png")))])
    assert pairs(found) == {"a.jpg": "", "b.jpg": "masks/b.png"}
    assert set(found.doubtful) == {("a.jpg", "masks/a.png"), ("a.jpg", "labels/a.png")}


@pytest.mark.parametrize("paths", ["a.jpg other_mask.png", "a.jpg masks/b.png", "images/a.jpg gtFine/x_color.png",
                                   "a.jpg mask_7.png", "a.jpg ground_truth/deep/er/b.png",
                                   "a.jpg labels/b.jpg"])  # fmt: skip
def test_a_mask_is_never_judged_as_a_picture(paths):
    found = from_files([("some.zip", packed(layout(paths)))])
    assert list(pairs(found)) == ["a.jpg"]
    assert any("left out" in note for note in found.notes)


def test_photographs_in_a_folder_called_labels():
    alone = from_files([("bottles.zip", packed(layout("labels/a.jpg labels/b.png!")))])
    assert list(pairs(alone)) == ["a.jpg", "b.png"]
    beside = from_files([("x.zip", packed(layout("images/a.jpg labels/b.png!")))])
    assert list(pairs(beside)) == ["a.jpg"]
    assert "Is it masks or pictures?" in beside.question
    assert len(beside.again(pairing.EVERYTHING).items) == 2


def test_files_without_folders_of_one_name_are_told_apart_by_content():
    found = from_files([("a.png", PNG), ("a.png", MASK), ("b.png", PNG), ("b.png", mask("P"))])
    assert [item.name for item in found.items] == ["a.png", "b.png"]
    assert [item.mask() for item in found.items] == [MASK, mask("P")]


def test_shown_names_are_unique_and_pictures_are_never_mixed_up():
    deep = "/".join(f"folder{i}" for i in range(12))
    files = {f"{deep}/x{end}/same.png": PNG + end.encode() for end in "abc"} | {"other/same.png": PNG}
    found = from_files([("x.zip", packed(files))])
    names = [item.name for item in found.items]
    assert len(set(names)) == 4
    assert {item.read() for item in found.items} == set(files.values())
    twice = from_files([("a.png", PNG), ("a.png", PNG + b"x"), ("A.png", PNG + b"y")])
    assert len({item.name for item in twice.items}) == 3


def test_a_jpeg_in_a_folder_of_masks_is_a_mask():
    out = io.BytesIO()
    Image.open(io.BytesIO(MASK)).save(out, "JPEG")
    found = from_files([("x.zip", packed({"images/a.jpg": JPG, "masks/a.jpg": out.getvalue()}))])
    assert pairs(found) == {"a.jpg": "masks/a.jpg"}, "reading it will say that JPEG blurs labels"


def test_several_zips_are_folders():
    found = from_files([("images.zip", packed({"a.jpg": JPG})), ("masks.zip", packed({"a.png": MASK}))])
    assert pairs(found) == {"a.jpg": "masks/a.png"}


def test_masks_may_lie_elsewhere(tmp_path):
    (tmp_path / "photos/deep").mkdir(parents=True)
    (tmp_path / "answers").mkdir()
    (tmp_path / "photos/deep/a.jpg").write_bytes(JPG)
    (tmp_path / "answers/a.png").write_bytes(MASK)
    assert not from_folder(tmp_path / "photos").items[0].mask
    for folder in (tmp_path / "answers", "answers"):
        found = from_path(tmp_path / "photos", str(folder)) if isinstance(folder, Path) else from_path(tmp_path, folder)
        assert [item.mask and item.mask() for item in found.items] == [MASK]
    with pytest.raises(CollectionError, match="no mask in nowhere that is called like a picture"):
        from_path(tmp_path / "photos", "nowhere")


def test_what_systems_add_goes_unseen():
    files = layout("a.jpg masks/a.png") | {"__MACOSX/masks/._a.png": b"x", "masks/.DS_Store": b"x", "Thumbs.db": b"x",
                                           "desktop.ini": b"x", "masks/Thumbs.db": b"x"}  # fmt: skip
    found = from_files([("x.zip", packed(files))])
    assert pairs(found) == {"a.jpg": "masks/a.png"}
    assert found.notes == ()


def test_a_picture_is_known_by_its_first_bytes_where_its_ending_says_nothing():
    found = from_files([("x.zip", packed({"a": JPG, "b.photo": PNG, "c.txt": JPG, "d.what": b"what", "e.jpg": b""}))])
    assert [item.name for item in found.items] == ["a", "b.photo", "e.jpg"]
    assert "2 files were left out: not pictures by their names." in found.notes


def test_the_labelmap_beside_the_masks_is_found():
    files = layout(LAYOUTS["VOC"][0]) | {"V/labelmap.txt": b"# label:color_rgb:parts:actions\nroad:1,2,3::\n"}
    found = from_files([("x.zip", packed(files))])
    assert found.labelmap().startswith(b"# label")
    assert not any("not pictures" in note for note in found.notes)


def coco(*names: str) -> bytes:
    """Instances: on each picture a road in the left half."""
    left = [[0, 0, 20, 0, 20, 40, 0, 40]]
    pictures = [{"id": i, "file_name": name, "width": 40, "height": 40} for i, name in enumerate(names)]
    objects = [{"id": i, "image_id": i, "category_id": 7, "segmentation": left, "area": 800, "iscrowd": 0}
               for i in range(len(names))]  # fmt: skip
    return json.dumps({"images": pictures, "annotations": objects,
                       "categories": [{"id": 7, "name": "road"}]}).encode()  # fmt: skip


def test_a_file_of_coco_is_the_truth_of_the_pictures_that_it_names(tmp_path):
    files = {"train/a.jpg": JPG, "train/b.jpg": JPG, "val/a.jpg": JPG,
             "annotations/instances_train.json": coco("train/a.jpg", "train/b.jpg")}  # fmt: skip
    found = from_files([("x.zip", packed(files))])
    assert pairs(found) == {"train/a.jpg": "annotations/instances_train.json",
                            "train/b.jpg": "annotations/instances_train.json", "val/a.jpg": ""}  # fmt: skip
    truth = ground(found.items[0].mask(), "a.jpg", (40, 40), (40, 40), ("sky", "road"), np.zeros((2, 3), np.uint8))
    assert (truth.labels[:, :20] == 1).all()
    assert not (truth.labels[:, 20:] == 1).any()
    assert not any(item.mask for item in found.again(pairing.NOBODY).items)


def test_files_of_coco_for_each_split_keep_to_theirs():
    files = {"train2017/1.jpg": JPG, "val2017/1.jpg": JPG, "annotations/instances_train2017.json": coco("1.jpg"),
             "annotations/instances_val2017.json": coco("1.jpg")}  # fmt: skip
    assert pairs(from_files([("x.zip", packed(files))])) == {
        "train2017/1.jpg": "annotations/instances_train2017.json",
        "val2017/1.jpg": "annotations/instances_val2017.json",
    }
    unsure = from_files([("x.zip", packed({"one/1.jpg": JPG, "two/1.jpg": JPG, "i.json": coco("1.jpg")}))])
    assert not any(item.mask for item in unsure.items)
    assert "i.json is not used for 2 pictures of one name." in unsure.notes


def test_a_broken_file_of_coco_is_said():
    found = from_files([("x.zip", packed({"a.jpg": JPG, "i.json": b'{"images": [], "annotations": [}'}))])
    assert not found.items[0].mask
    assert any(note.startswith("i.json is not used.") for note in found.notes)


def test_labelme_in_another_encoding_is_found():
    text = '{"shapes": [], "imagePath": "a.jpg"}'
    found = from_files([("x.zip", packed({"a.jpg": JPG, "a.json": text.encode("utf-16"), "b.jpg": JPG,
                                          "b.json": b'{"taken": "2020"}'}))])  # fmt: skip
    assert pairs(found) == {"a.jpg": "a.json", "b.jpg": ""}
