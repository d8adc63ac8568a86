"""Which files are masks, and of which pictures: by the names of their folders, by their own names, and, where those say
nothing, by what is in them.

A mask and its picture share a stem, once what tools add to it is taken away (`x_leftImg8bit`, `x_gtFine_labelIds`),
and lie in folders of the same split (`images/training`, `annotations/training`). What lies in a folder of masks or is
called like one is never taken for a picture. Where two masks fit one picture equally well, or one mask several
pictures, or where the folders do not agree, no such pair counts until somebody has looked at it.

References
1. Everingham et al., PASCAL VOC development kit: JPEGImages, SegmentationClass, SegmentationObject.
2. Cordts et al. 2016, Cityscapes: leftImg8bit, gtFine with _labelIds, _labelTrainIds, _instanceIds and _color.
3. nnU-Net, "Dataset format": imagesTr/CASE_0000.png, labelsTr/CASE.png.
4. mmsegmentation, "Prepare datasets": img_dir/train, ann_dir/train; ADE20K's images/training, annotations/training.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice

import numpy as np
from PIL import Image

from engine import images
from engine.debug.zips import CollectionError, Read
from engine.images import ImageError

LABELME = "labelme JSON"  # the name of that group of masks
NOBODY = "no masks"  # a choice: what looks like a mask is left out
_PHOTOS = "a photograph in a folder for masks"
EVERYTHING = "all are pictures"  # a choice: there are no masks
MASKS = frozenset((".png", ".bmp", ".gif", ".tif", ".tiff"))  # that keep each value as it is
_LOOKED_INTO = 200  # files whose content is looked at
_FEW = 64  # colours of a mask that nothing but its content tells
_SAMPLE = 4  # masks of a group whose content is looked at

_MASK_WORDS = frozenset((
    "mask", "masks", "label", "labels", "labeled", "labelled", "labelids", "labeltrainids", "gt", "gts", "gtfine",
    "gtcoarse", "groundtruth", "truth", "annotation", "annotations", "annot", "annots", "ann", "anns", "anno",
    "annos", "segmentation", "segmentations", "seg", "segs", "segm", "semantic", "semseg", "segmentationclass",
    "segmentationclasspng", "segmentationclassraw", "segmentationclassaug", "segmentationobject", "trimap", "trimaps",
    "labelmap", "labelmaps", "stuffthingmaps", "matte", "mattes",
))  # fmt: skip
_PICTURE_WORDS = frozenset((
    "image", "images", "img", "imgs", "jpegimages", "leftimg", "picture", "pictures", "pic", "pics", "photo",
    "photos", "rgb", "jpg", "jpgs", "jpeg", "jpegs", "input", "inputs", "sat", "original", "originals",
))  # fmt: skip
_SPLITS = {"train": "train", "training": "train", "tr": "train", "trn": "train", "val": "val", "validation": "val",
           "valid": "val", "test": "test", "testing": "test", "ts": "test", "trainval": "trainval"}  # fmt: skip
_INSTANCE = re.compile(r"instance|SegmentationObject|panoptic", re.I)
_DRAWN = re.compile(r"visuali[sz]ation|viz|overlay|blend", re.I)
_COLOUR = re.compile(r"colou?r", re.I)
_OF_SPLIT = re.compile(r"(?i:(?:^|[_-])(?:training|train|validation|val|test)(?=$|[_-]))|(?<=[a-z])(?:Tr|Ts|Val)$")

_STRONG = r"masks?|gt|gtfine|gtcoarse|labels?|label_?ids|label_?train_?ids|segmentations?|ground[_ -]?truth"
_WEAK = (r"l|seg|segm|semantic|semseg|ann|anno|annot|annotation|truth|lbl|matte|trimap|target|manual1?|"
         r"instance|instance_?ids|colou?rs?|rgb|train_?ids|viz")  # fmt: skip
_SUFFIX = re.compile(rf"(?:[_. -]+|^)(?:({_STRONG})|{_WEAK})$", re.I)
_PREFIX = re.compile(
    r"^(?:masks?|labels?|gt|seg|segmentation|lbl|annotation|ground[_-]?truth)(?:[_. -]+|(?=\d)|$)", re.I
)
_OF_PICTURE = re.compile(
    r"(?:[_. -]+|^)(?:leftImg8bit|rightImg8bit|0000|sat|rgb|image|img|input|photo|picture|orig|original)$", re.I
)
_BEFORE_PICTURE = re.compile(r"^(?:image|img|im|photo|picture|pic|sat|rgb)(?:[_. -]+|(?=\d)|$)", re.I)
_ENDING = re.compile(r"\.(?:png|jpe?g|jpe|jfif|bmp|tiff?|gif|webp)$", re.I)


@dataclass(frozen=True, eq=False)
class File:
    """A file that was met: `parts` of its path, the last one its name; `read` gives its bytes."""

    parts: tuple[str, ...]
    read: Read

    @cached_property
    def stem(self) -> str:
        return os.path.splitext(self.parts[-1])[0]

    @cached_property
    def ending(self) -> str:
        return os.path.splitext(self.parts[-1])[1].lower()

    @property
    def path(self) -> str:
        return "/".join(self.parts)


@dataclass(frozen=True)
class Pairing:
    """Pictures, in the order in which they came, and by their places the masks that are theirs.

    groups: kinds of masks that fit pictures, as they may be chosen by. used: the groups that were. left: kind of file
    in words -> how many were left out. question: what is unsure, a sentence that asks, or "". doubtful: its pairs of
    paths.
    """

    pictures: tuple[File, ...]
    masks: Mapping[int, File]
    groups: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    left: Mapping[str, int] = field(default_factory=dict)
    question: str = ""
    doubtful: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class _Mask:
    """A file that is one. keys: what it may be called by, the best first. context: folders that its picture's must be
    like. strange: of those the ones before its folder of masks. group: its kind."""

    file: File
    keys: tuple[str, ...]
    context: tuple[str, ...]
    strange: frozenset[str]
    group: str
    rank: int  # the lowest is preferred


@dataclass(frozen=True, eq=False)
class _Fit:
    """A mask held against a picture; the smallest `order` fits best. sure: the folders agree."""

    mask: _Mask
    picture: int
    order: tuple[int, ...]
    sure: bool


def pair(files: Sequence[File], shapes: Sequence[File] = (), chosen: str | None = None,
         named: Sequence[File] = ()) -> Pairing:  # fmt: skip
    """Which of `files` are masks of which others.

    shapes: files of labelme's JSON. chosen: one of `Pairing.groups`, the path of a folder, `NOBODY` or `EVERYTHING`: an
    answer to the question; None where nobody was asked. named: of `files` those that are masks by somebody's word.
    """
    if chosen == EVERYTHING:
        return Pairing(tuple(files), {})
    look = _Looks()
    told = {id(file) for file in named} | {id(file) for file in files if chosen and _below(file, chosen)}
    roles = _roles(files, look, told)
    pictures = [file for file in files if roles[id(file)] is None]
    words = {word for file in pictures for word in _context(file.parts[:-1])}
    masks = [_mask(file, role, words) for file in files if (role := roles[id(file)]) is not None]
    masks += [_mask(file, _Role(len(file.parts) - 1, LABELME), words) for file in shapes]
    left: dict[str, int] = defaultdict(int)
    usable = []
    for mask in masks:
        why = "" if mask.group == chosen or id(mask.file) in told else _unfit(mask)
        if why:
            left[why] += 1
        else:
            usable.append(mask)
    fits = _fits(pictures, usable, words)
    fitting = {id(fit.mask.file) for fit in fits}
    strays = [mask.file for mask in usable if id(mask.file) not in fitting and mask.group != LABELME]
    groups = tuple(dict.fromkeys(fit.mask.group for fit in sorted(fits, key=lambda fit: fit.mask.rank)))
    if chosen is not None or told:
        fits = [fit for fit in fits if fit.mask.group == chosen or id(fit.mask.file) in told]
    taken, doubtful, question = _settle(fits, look, asked=chosen is not None or bool(told))
    if strays:
        photos = chosen is None and _photographs(strays, look)
        left[_PHOTOS if photos else "a mask without a picture of the same name"] = len(strays)
        if photos and not question:
            question = "What lies in a folder for masks looks like photographs. Is it masks or pictures?"
    used = tuple(dict.fromkeys(fit.mask.group for fit in taken.values()))
    pairs = tuple((pictures[fit.picture].path, fit.mask.file.path) for fit in doubtful)
    chosen_masks = {place: fit.mask.file for place, fit in taken.items()}
    return Pairing(tuple(pictures), chosen_masks, groups, used, left, question, pairs)


def _unfit(mask: _Mask) -> str:
    """What a mask is where it does not say classes, "" where it may."""
    if _INSTANCE.search(mask.group):
        return "a mask of instances, not of classes"
    return "a drawing of a mask, not the mask" if _DRAWN.search(mask.group) else ""


# ------------------------------------------------------------------------------------------------- what a file is


@dataclass(frozen=True)
class _Role:
    """Of a mask. at: place of its folder of masks among the parts of its path, or that of its name; group: if known."""

    at: int
    group: str = ""


def _below(file: File, folder: str) -> bool:
    parts = tuple(part.casefold() for part in folder.replace("\\", "/").split("/") if part not in ("", "."))
    names = tuple(part.casefold() for part in file.parts[:-1])
    return bool(parts) and any(names[i : i + len(parts)] == parts for i in range(len(names)))


def _roles(files: Sequence[File], look: _Looks, named: set[int]) -> dict[int, _Role | None]:
    """id of each file -> what makes it a mask, or None of a picture. named: ids of those that are masks by word."""
    above = os.path.commonprefix([file.parts[:-1] for file in files])  # noqa: RUF071 - these are no strings
    roles = _roles_below(files, look, named, 0)
    if all(roles.values()) and not named and _folder_of_masks(above) is not None:
        below = _roles_below(files, look, named, len(above))
        kinds = [look.at(file) for file in files[:: max(1, len(files) // _SAMPLE)]]
        photos = all(kind == "photo" for kind in kinds) or all(file.ending not in MASKS for file in files)
        if photos or (any(below.values()) and not all(below.values())):
            return below  # "face_mask/" is what all of it is about, not what it holds
    return roles


def _roles_below(files: Sequence[File], look: _Looks, named: set[int], start: int) -> dict[int, _Role | None]:
    """As `_roles`, but the first `start` folders of the paths say nothing."""
    roles: dict[int, _Role | None] = {}
    unsaid = []
    plain = {(file.parts[:-1], key) for file in files if not _suffixed(file) for key in _picture_keys(file)}
    for file in files:
        at = _folder_of_masks(file.parts[start:-1])
        at = None if at is None else start + at
        if id(file) in named:
            roles[id(file)] = _Role(at if at is not None else max(len(file.parts) - 2, 0))
        elif at is not None:
            roles[id(file)] = None if _says_pictures(file.parts[at]) and _is_picture(file, look) else _Role(at)
        elif _suffixed(file) and _is_mask_by_name(file, plain, look):
            roles[id(file)] = _Role(len(file.parts) - 1)
        else:
            roles[id(file)] = None
            unsaid.append(file)
    return roles | _by_content(unsaid, look)


def _says_pictures(folder: str) -> bool:
    """True for "labelled_images", False for "image_masks": the last word counts."""
    words = [token in _PICTURE_WORDS for token in _tokens(folder) if token in _PICTURE_WORDS | _MASK_WORDS]
    return bool(words) and words[-1]


def _is_picture(file: File, look: _Looks) -> bool:
    return file.ending not in MASKS or look.at(file) == "photo"


def _suffixed(file: File) -> bool:
    return bool(_SUFFIX.search(file.stem) or _PREFIX.search(file.stem))


def _is_mask_by_name(file: File, plain: set[tuple[tuple[str, ...], str]], look: _Looks) -> bool:
    """Of a file that lies in no folder of masks and is called like one: `street_mask.png`, `street_L.png`."""
    beside = any((file.parts[:-1], key) in plain for key in _mask_keys(file.stem))
    if beside:
        return look.at(file) != "photo"
    strong = ((found := _SUFFIX.search(file.stem)) and found.group(1)) or _PREFIX.search(file.stem)
    if file.ending not in MASKS:
        return False
    if strong and not any(_is_picture_folder(part) for part in file.parts[:-1]):
        return look.at(file) != "photo"
    return False


def _by_content(files: Sequence[File], look: _Looks) -> dict[int, _Role]:
    """Masks among files whose names say nothing: what has few values while another file of its stem is a picture."""
    by_stem = defaultdict(list)
    for file in files:
        by_stem[file.stem.casefold()].append(file)
    found = {}
    shared = [some for some in by_stem.values() if len(some) > 1]
    budget = _LOOKED_INTO
    verdicts: dict[tuple[tuple[str, ...], str], str] = {}  # of a folder and ending, for once the budget is spent
    for some in shared:
        kinds = []
        for file in some:
            place = (file.parts[:-1], file.ending)
            if file.ending in MASKS and (budget > 0 or place not in verdicts):
                budget -= 1
                verdicts[place] = look.at(file)
            kinds.append(verdicts[place] if file.ending in MASKS else "photo")
        if "mask" in kinds and any(kind != "mask" for kind in kinds):
            for file, kind in zip(some, kinds, strict=True):
                if kind == "mask":
                    alone = all(other.parts[:-1] != file.parts[:-1] for other in some if other is not file)
                    at = len(file.parts) - 2 if alone and len(file.parts) > 1 else len(file.parts) - 1
                    found[id(file)] = _Role(at)
    return found


class _Looks:
    """What files look like, each looked at once, the first `_LOOKED_INTO` and then none."""

    def __init__(self) -> None:
        self._seen: dict[int, str] = {}

    def at(self, file: File) -> str:
        """ "mask": few values; "photo": many that change everywhere; "": neither, or it cannot be read."""
        if id(file) not in self._seen:
            self._seen[id(file)] = _look(file) if len(self._seen) < 2 * _LOOKED_INTO else ""
        return self._seen[id(file)]


def _look(file: File) -> str:
    try:
        return images.read(file.read(), _kind)
    except (ImageError, CollectionError):
        return ""


def _kind(image: Image.Image, name: str) -> str:
    """Of a picture that was opened: see `_Looks.at`. Looks at some 200 rows."""
    if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B", "RGB", "RGBA", "LA", "PA"):
        return "photo" if name == "JPEG" else ""
    image.load()
    rows = range(0, image.height, max(1, image.height // 200))
    flat = image.mode in ("1", "L", "P", "I", "I;16", "I;16B")
    mode = None if flat else "RGB"
    lines = (image.crop((0, y, image.width, y + 1)) for y in rows)
    pixels = np.stack([np.asarray(line.convert(mode) if mode else line)[0] for line in lines]).astype(np.int64)
    joint = pixels if flat else pixels @ (65536, 256, 1)
    count = len(np.unique(joint))
    near = 8 if name == "JPEG" else 0
    steps = np.abs(np.diff(pixels, axis=1))
    calm = float(((steps if flat else steps.max(-1)) <= near).mean())
    if (count > 256 and calm < 0.75) or (flat and count > 128 and calm < 0.5) or (name == "JPEG" and calm < 0.8):
        return "photo"
    if name == "JPEG" or (not flat and not 2 <= count <= _FEW) or (image.mode != "P" and count > _FEW):
        return ""
    return "mask"


# --------------------------------------------------------------------------------------------- names and folders


def plain(name: str, most: int = 60) -> str:
    """A file's name in at most `most` visible characters of one line."""
    name = "".join(letter for letter in name if letter.isprintable()).strip()
    return (name if len(name) <= most else name[: most - 18] + " ... " + name[-13:]) or "without a name"


@lru_cache(maxsize=4096)
def _tokens(part: str) -> tuple[str, ...]:
    """The words of a folder's name in lower case: SegmentationClassPNG, img_dir, imagesTr, TrainMasks."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", part)
    return tuple(word.casefold() for word in words)


@lru_cache(maxsize=4096)
def _is_mask_folder(part: str) -> bool:
    tokens = _tokens(part)
    return any(token in _MASK_WORDS or token.endswith("annot") for token in tokens)


@lru_cache(maxsize=4096)
def _is_picture_folder(part: str) -> bool:
    return any(token in _PICTURE_WORDS for token in _tokens(part))


def _folder_of_masks(folders: Sequence[str]) -> int | None:
    """The place of the first folder of masks that no folder of pictures follows; None where there is none.

    A folder that says both ("labelled_images", "rgb_masks") counts as one of masks here.
    """
    first = None
    for i, part in enumerate(folders):
        if _is_mask_folder(part):
            first = i if first is None else first
        elif _is_picture_folder(part) and not {"rgb", "png"} & set(_tokens(part)):
            first = None
    return first


@lru_cache(maxsize=4096)
def _context(folders: tuple[str, ...]) -> tuple[str, ...]:
    """What is left of folders once the words for pictures and masks are taken away; splits by one name, sorted."""
    left = []
    for part in folders:
        if _is_mask_folder(part) or _is_picture_folder(part):
            tokens = [token.removesuffix("annot") if token != "annot" else "" for token in _tokens(part)]
            left += [_SPLITS[token] for token in tokens if token in _SPLITS]
        else:
            left.append(_SPLITS.get(part.casefold(), part.casefold()))
    return tuple(sorted(left))


def same_split(file: File, picture: File) -> bool:
    """True where a file is called after a split ("instances_train2017.json") that a folder of the picture is, too."""
    told = {_SPLITS[token] for token in _tokens(file.stem) if token in _SPLITS}
    return bool(told & {_SPLITS.get(token) for part in picture.parts[:-1] for token in _tokens(part)})


def _picture_keys(file: File) -> tuple[str, ...]:
    """What a mask of this picture may be called, the best first: its stem, and that without what tools add."""
    stem = file.stem
    short = _BEFORE_PICTURE.sub("", _OF_PICTURE.sub("", stem))
    return tuple(dict.fromkeys((stem, stem.casefold(), short.casefold())))


@lru_cache(maxsize=16384)
def _mask_keys(stem: str) -> tuple[str, ...]:
    """What the picture of a mask may be called, the best first."""
    keys = [stem, stem.casefold()]
    whole = _ENDING.sub("", stem)  # street.jpg.png
    while True:
        keys += [whole, whole.casefold()]
        shorter = _ENDING.sub("", _SUFFIX.sub("", whole))
        if shorter == whole:
            break
        whole = shorter
    whole = _ENDING.sub("", _PREFIX.sub("", _ENDING.sub("", stem)))
    keys += [whole, whole.casefold(), _OF_PICTURE.sub("", whole).casefold()]
    return tuple(dict.fromkeys(keys))


def _mask(file: File, role: _Role, words: set[str]) -> _Mask:
    """What is known of a mask by its path. words: folders of pictures."""
    keys = _mask_keys(file.stem)
    context = _context(file.parts[:-1])
    if role.group:
        return _Mask(file, keys, context, frozenset(), role.group, 60)
    own = [part for part in file.parts[role.at : -1] if _SPLITS.get(part.casefold(), part.casefold()) not in words]
    own = [_OF_SPLIT.sub("", part).strip("_-") or part for part in own]
    called = _called(_ENDING.sub("", file.stem))
    group = "/".join([*own, called or ""]) if own else called or f"{file.ending[1:].upper()} files"
    rank = 50 if _COLOUR.search(group) else 10
    rank -= 3 * bool(re.search(r"train_?ids", group, re.I)) + bool(re.search(r"label_?ids", group, re.I))
    strange = frozenset(word for word in _context(file.parts[: role.at]) if word not in words)
    return _Mask(file, keys, context, strange, plain(group), rank + (file.ending not in MASKS))


def _called(stem: str) -> str:
    """What makes a name that of a mask, e.g. "*_gtFine_labelIds" or "mask_*"; "" where nothing does."""
    short = stem
    while (cut := _SUFFIX.sub("", short)) != short:
        short = cut
    if short != stem:
        return f"*{stem[len(short) :]}"
    found = _PREFIX.search(stem)
    return f"{found.group()}*" if found else ""


# ---------------------------------------------------------------------------------------------------- the pairs


def _fits(pictures: Sequence[File], masks: Sequence[_Mask], words: set[str]) -> list[_Fit]:
    """For each mask the pictures that it fits best, all that are equal. words: folders of pictures."""
    by_key: dict[str, list[tuple[int, int]]] = defaultdict(list)  # key -> (its place among the picture's keys, picture)
    for place, file in enumerate(pictures):
        for level, key in enumerate(_picture_keys(file)):
            by_key[key].append((level, place))
    known = {word for mask in masks for word in mask.context}
    found = []
    for mask in masks:
        fits = []
        for theirs, key in enumerate(mask.keys):
            for ours, place in by_key.get(key, ()):
                folders = _context(pictures[place].parts[:-1])
                away = 0 if folders == mask.context else 1 if _alike(folders, mask, known, words) else 2
                if key or away == 0:  # img.png and label.png have no stem but their folder
                    fits.append(_Fit(mask, place, (away, theirs + ours), away < 2))
        best = min((fit.order for fit in fits), default=None)
        found += [*{fit.picture: fit for fit in fits if fit.order == best}.values()]
    return found


def _alike(folders: tuple[str, ...], mask: _Mask, known: set[str], words: set[str]) -> bool:
    """True where the folders of a picture and a mask differ in nothing but words that the other side never has."""
    ours = [word for word in folders if word in known]
    return not mask.strange and ours == [word for word in mask.context if word in words]


def _settle(fits: Sequence[_Fit], look: _Looks, asked: bool) -> tuple[dict[int, _Fit], list[_Fit], str]:
    """The mask of each picture; the pairs that are unsure, which count only where somebody was asked; what to ask."""
    of_picture, of_mask = defaultdict(list), defaultdict(list)
    for fit in fits:
        of_picture[fit.picture].append(fit)
        of_mask[id(fit.mask.file)].append(fit)
    taken, doubtful, reasons = {}, [], []
    photos = {group for group in dict.fromkeys(fit.mask.group for fit in fits) if not asked
              and _photographs([fit.mask.file for fit in fits if fit.mask.group == group], look)}  # fmt: skip
    for place, some in sorted(of_picture.items()):
        some = sorted(some, key=lambda fit: (fit.mask.rank, fit.order))
        first = some[0]
        equal = [fit for fit in some if fit.mask.rank == first.mask.rank and (fit.order == first.order or (
                 fit.mask.group != first.mask.group and fit.order[0] == first.order[0]))]  # fmt: skip
        why = ("two masks fit one picture" if len(equal) > 1 else
               "one mask fits several pictures" if len(of_mask[id(first.mask.file)]) > 1 else
               "they lie in different places" if not first.sure else
               "the masks look like photographs" if first.mask.group in photos else "")  # fmt: skip
        if why and not asked:
            doubtful += equal
            reasons.append(why)
        else:
            taken[place] = first
    question = ""
    if doubtful:
        kinds = ", ".join(dict.fromkeys(reasons))
        question = (
            f"{len(doubtful)} pairs of picture and mask are unsure ({kinds}); they are not used until you choose."
        )
        if len(doubtful) == 1:
            question = f"One pair of picture and mask is unsure ({kinds}); it is not used until you choose."
    return taken, doubtful, question


def _photographs(files: Iterable[File], look: _Looks) -> bool:
    kinds = [look.at(file) for file in islice(files, _SAMPLE)]
    return bool(kinds) and all(kind == "photo" for kind in kinds)


def head(data: bytes) -> bool:
    """True for bytes that begin as a picture does, whatever the file is called."""
    starts = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")
    return data.startswith(starts) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP") or data[4:10] == b"ftypav"
