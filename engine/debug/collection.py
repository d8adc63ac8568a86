"""Many pictures at once, from a folder, from several files or from a zip, with the masks that belong to them.

References
1. `engine.debug.pairing`: which files are masks, and of which pictures.
2. CVAT, "Segmentation mask": labelmap.txt beside SegmentationClass says which colour is which class.
"""

from __future__ import annotations

import io
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count as count_from
from itertools import islice
from pathlib import Path

from PIL import Image

from engine import gallery
from engine.debug import coco, pairing, zips
from engine.debug.pairing import EVERYTHING, NOBODY, File, plain
from engine.debug.zips import MOST, CollectionError, Read, parts_of, too_large
from engine.images import MAX_BYTES, NAMES

MOST_IN_FOLDER = 5000  # pictures that are taken from a folder on this machine
MAX_HELD = 200_000_000  # bytes of files that are held in memory
_LOOKED_AT = 100_000  # files that a folder is searched through
_JSONS = 40  # files of JSON that are opened to see of which kind they are

PICTURES = frozenset((".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".webp", ".bmp", ".dib", ".gif",
                      ".tif", ".tiff", ".avif", ".heic", ".heif"))  # fmt: skip
_OTHERS = frozenset((".txt", ".json", ".csv", ".xml", ".yaml", ".yml", ".md", ".npy", ".npz", ".mat", ".pdf", ".zip",
                     ".html", ".py", ".ipynb", ".mp4", ".mov", ".avi", ".pt", ".pth", ".onnx", ".db", ".ini",
                     ".log"))  # fmt: skip
_OF_SYSTEMS = frozenset(("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "icon\r"))
LABELMAP = "labelmap.txt"


@dataclass(frozen=True)
class Item:
    """One picture: `name` fit to be shown and of no other, `read` gives the file's bytes, `mask` those of its ground
    truth: a mask, or JSON of shapes; `called` is that file's path.

    Both raise CollectionError for what must not or cannot be read.
    """

    name: str
    read: Read
    mask: Read | None = None
    called: str = ""


@dataclass(frozen=True)
class Collection:
    """Pictures in the order of their names. notes: what was left out, in sentences. held: bytes that it keeps.

    question: what is unsure about the masks, "" where nothing is; doubtful: its pairs (picture, mask) of paths. groups:
    kinds of masks that `again` may choose, used: those that are. labelmap: bytes of a labelmap.txt beside the masks.
    again: the same files, their masks chosen by a group, the path of a folder, `NOBODY` or `EVERYTHING`.
    """

    title: str
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()
    held: int = 0
    question: str = ""
    doubtful: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    labelmap: Read | None = None
    again: Callable[[str | None], Collection] | None = None


def from_path(path: Path | str, masks: str | None = None) -> Collection:
    """The pictures of a folder and the folders in it, or of a zip. Raises CollectionError.

    masks: the folder that holds the masks, in it or elsewhere, another answer to `Collection.question`, or None.
    """
    path = Path(path)
    if path.is_dir():
        return from_folder(path, masks)
    if not path.is_file():
        raise CollectionError(f"There is no folder or zip at {plain(str(path), 80)}.")
    if path.stat().st_size > MAX_HELD:
        raise CollectionError(f"This zip has more than {MAX_HELD / 1e6:.0f} MB; unpack it and name the folder.")
    found = from_files([(path.name, path.read_bytes())])
    return found if masks is None or found.again is None else found.again(masks)


def from_folder(folder: Path | str, masks: str | None = None) -> Collection:
    """The pictures of a folder on this machine and the folders in it; links that lead out of it are left out.

    masks: as of `from_path`.
    """
    root = Path(folder).resolve()
    found, outside = _walk(root)
    notes = [f"{_files(outside)} left out: a link that leads out of the folder."] if outside else []
    named: list[File] = []
    place = next((path.resolve() for path in (root / masks, Path(masks)) if path.is_dir()), None) if masks else None
    if place is not None and place.is_relative_to(root):
        masks = place.relative_to(root).as_posix()
    elif place is not None:
        named, masks = [File((place.name, *file.parts), file.read) for file in _walk(place)[0]], None
    collect = partial(_collect, root.name or str(root), [*found, *named], notes, MOST_IN_FOLDER, 0, named)
    return replace(collect(masks), again=collect)


def _walk(root: Path) -> tuple[list[File], int]:
    """The files below a folder, and how many links lead out of it."""
    found, outside = [], 0
    walk = ((Path(at) / name) for at, folders, names in os.walk(root) if not _hide(folders) for name in names)
    for path in islice(walk, _LOOKED_AT):
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            outside += 1
        else:
            found.append(File(path.relative_to(root).parts, partial(_from_disk, path)))
    return found, outside


def from_files(files: Sequence[tuple[str, bytes]], most: int = MAX_HELD) -> Collection:
    """The pictures among uploaded files (name, bytes), of at most `most` bytes together; a zip among them is opened.

    Of several zips each is a folder that is called like it. Raises CollectionError.
    """
    found: list[File] = []
    held = sum(len(data) for _, data in files)
    if held > most:
        raise CollectionError(f"These files have {held / 1e6:.0f} MB together; at most {most / 1e6:.0f} MB are taken.")
    for name, data in files:
        parts = parts_of(name) or ("file",)
        if data[:4] in (b"PK\3\4", b"PK\5\6"):
            above = (os.path.splitext(parts[-1])[0],) if len(files) > 1 else ()
            found += (File((*above, *inside), read) for inside, read in zips.entries(data))
        else:
            found.append(File(parts, partial(_same, data)))
    title = plain(files[0][0]) if len(files) == 1 else f"{len(files)} files"
    collect = partial(_collect, title, found, [], MOST, held, [])
    return replace(collect(None), again=collect)


def from_gallery(labels: str = "") -> Collection:
    """The pictures of the gallery, named by their slugs, with what is known of them in the label set `labels`."""
    items = []
    for slug in gallery.names():
        known = labels in gallery.LABELS and gallery.get(slug).truth(labels) is not None
        items.append(Item(slug, partial(_drawn, slug), partial(_drawn, slug, labels) if known else None))
    return Collection("the gallery", tuple(items))


def _drawn(slug: str, labels: str = "") -> bytes:
    """A picture of the gallery, or its ground truth, as the bytes of a PNG."""
    image, out = gallery.get(slug), io.BytesIO()
    Image.fromarray(image.truth(labels) if labels else image.load().rgb).save(out, "PNG", compress_level=1)
    return out.getvalue()


def order(name: str) -> list[tuple[int, int, str]]:
    """What names are sorted by. Numbers count as numbers: picture2 comes before picture10."""
    words = re.findall(r"[0-9]{1,18}|[^0-9]+", name.casefold())
    return [(0, int(word), "") if word[0] in "0123456789" else (1, 0, word) for word in words]


def _same(data: bytes) -> bytes:
    return data


def _from_disk(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CollectionError(too_large())
        return path.read_bytes()
    except OSError as error:
        raise CollectionError(f"This file cannot be read: {error.strerror}.") from error


def _hide(folders: list[str]) -> None:
    """Do not walk into hidden folders."""
    folders[:] = [name for name in folders if not _hidden(name)]


def _hidden(part: str) -> bool:
    return part.casefold() in _OF_SYSTEMS or (part.startswith(".") and part != "..")


def _collect(title: str, found: Iterable[File], before: Sequence[str], most: int, held: int, named: Sequence[File],
             chosen: str | None = None) -> Collection:  # fmt: skip
    """Pictures with the masks that belong to them, in the order of their names. Raises CollectionError for none."""
    shown = [file for file in found if not any(map(_hidden, file.parts))]
    files = sorted(filter(_is_picture, shown), key=lambda file: (order(file.path), file.path))
    others = [file for file in shown if not _is_picture(file)]
    shapes, datasets = _json_files(others, files)
    pairs = pairing.pair(files, shapes, chosen, named)
    if chosen not in (None, NOBODY, EVERYTHING) and not pairs.masks:
        there = f"; what fits is {_listed(pairs.groups)}" if pairs.groups else ""
        raise CollectionError(f"There is no mask in {plain(chosen)} that is called like a picture{there}.")
    if not pairs.pictures:
        raise CollectionError(f"There is no picture in it: files in {NAMES} are read.")
    known = {id(file) for file in (*shapes, *datasets)}
    known |= {id(file) for file in others if file.parts[-1].casefold() == LABELMAP}
    notes = [*before, *_left_out([file for file in others if id(file) not in known])]
    notes += [f"{_files(count)} left out: {why}." for why, count in pairs.left.items()]
    if others_there := [group for group in pairs.groups if group not in pairs.used]:
        used = f"{_listed(pairs.used)} are used as masks; " if pairs.used else ""
        notes.append(f"{used}{_listed(others_there)} would fit as masks, too.")
    if len(pairs.pictures) > most:
        notes.append(f"{_files(len(pairs.pictures) - most)} left out: at most {most} pictures are taken.")
    names = _names(pairs.pictures)
    parts = {} if chosen in (NOBODY, EVERYTHING) else _parts_of_coco(datasets, pairs.pictures[:most], notes)
    items = []
    for place, (file, name) in enumerate(islice(zip(pairs.pictures, names, strict=True), most)):
        mask = pairs.masks.get(place) or parts.get(place)
        items.append(Item(name, file.read, mask and mask.read, mask.path if mask else ""))
    labelmap = next((file.read for file in others if file.parts[-1].casefold() == LABELMAP), None)
    return Collection(title, tuple(items), tuple(notes), held, pairs.question, pairs.doubtful, pairs.groups, pairs.used,
                      labelmap)  # fmt: skip


def _is_picture(file: File) -> bool:
    """True by its ending; of an ending that nobody knows by how it begins."""
    if file.ending in PICTURES:
        return True
    if file.ending in _OTHERS:
        return False
    try:
        return pairing.head(file.read()[:16])
    except CollectionError:
        return False


def _json_files(others: Sequence[File], pictures: Sequence[File]) -> tuple[list[File], list[File]]:
    """Files of shapes that are called like a picture, and those of COCO's that are not."""
    stems = {key for file in pictures for key in (file.stem.casefold(), file.parts[-1].casefold())}
    jsons = [file for file in others if file.ending == ".json"]
    called = [file for file in jsons if file.stem.casefold() in stems]
    kinds = [_kind_of_json(file) for file in called[:_JSONS]]
    shapes = [file for file, kind in zip(called, kinds, strict=False) if kind]
    if kinds and all(kinds):
        shapes = called
    rest = [file for file in jsons if file.stem.casefold() not in stems]
    return shapes, [file for file in rest[:_JSONS] if _kind_of_json(file) == "coco"]


def _kind_of_json(file: File) -> str:
    """ "labelme" (or ISAT, which is read alike), "coco" or "" by the keys that it holds."""
    try:
        data = file.read().replace(b"\0", b"")  # UTF-16 becomes readable
    except CollectionError:
        return ""
    if b'"shapes"' in data or (b'"objects"' in data and b'"segmentation"' in data):
        return "labelme"
    return "coco" if b'"annotations"' in data and b'"images"' in data else ""


def _parts_of_coco(datasets: Sequence[File], pictures: Sequence[File], notes: list[str]) -> dict[int, File]:
    """place of a picture -> what files of COCO's instances say of it; what cannot be used is said in `notes`."""
    found: dict[int, File] = {}
    for dataset in datasets:
        try:
            told = coco.read(dataset.read())
        except (CollectionError, coco.CocoError) as error:
            notes.append(f"{plain(dataset.path)} is not used. {error}")
            continue
        claims: dict[int, list[int]] = defaultdict(list)  # id of one of its pictures -> places of those called so
        for place, file in enumerate(pictures):
            try:
                picture = told.find(file.path)
            except coco.CocoError as error:
                found.setdefault(place, File(dataset.parts, partial(_refuse, str(error))))
            else:
                if picture is not None:
                    claims[id(picture)].append(place)
        for picture in told.pictures:
            called = claims[id(picture)]
            whole = [place for place in called if pictures[place].path.endswith(picture["file_name"])]
            split = [place for place in whole or called if pairing.same_split(dataset, pictures[place])]
            best = split or whole or called
            if len(best) > 1:
                notes.append(f"{plain(dataset.path)} is not used for {len(best)} pictures of one name.")
            elif best and best[0] not in found:
                part = told.part(pictures[best[0]].path)
                found[best[0]] = File(dataset.parts, partial(_same, part))
    return found


def _refuse(sentence: str) -> bytes:
    raise CollectionError(sentence)


def _left_out(others: Sequence[File]) -> Iterator[str]:
    """Sentences about files that are no pictures."""
    inner = sum(file.ending == ".zip" for file in others)
    if inner:
        yield f"{_files(inner)} left out: a zip inside is not opened."
    if len(others) > inner:
        yield f"{_files(len(others) - inner)} left out: not pictures by their names."


def _names(pictures: Sequence[File]) -> list[str]:
    """What the pictures are shown as: their paths without the folders that all share, no two alike."""
    above = len(os.path.commonprefix([file.parts[:-1] for file in pictures]))  # noqa: RUF071 - these are no strings
    names, taken = [], set()
    for file in pictures:
        name = shown = plain("/".join(file.parts[above:]))
        for count in count_from(2):
            if shown not in taken:
                break
            shown = f"{name} ({count})"
        taken.add(shown)
        names.append(shown)
    return names


def _listed(words: Sequence[str]) -> str:
    return " and ".join(words)


def _files(count: int) -> str:
    return f"{count} file was" if count == 1 else f"{count} files were"
