"""Many pictures at once, from a folder, from several files or from a zip, with the masks that belong to them.

References
1. Everingham et al., PASCAL VOC development kit: pictures in JPEGImages, masks of the same stem in SegmentationClass.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from PIL import Image

from engine import gallery
from engine.debug import zips
from engine.debug.zips import MOST, CollectionError, Read, parts_of, too_large
from engine.images import MAX_BYTES

MOST_IN_FOLDER = 5000  # pictures that are taken from a folder on this machine
MAX_HELD = 200_000_000  # bytes of files that are held in memory
_LOOKED_AT = 100_000  # files that a folder is searched through

PICTURES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"))
MASK_FOLDERS = frozenset(("masks", "mask", "labels", "label", "segmentationclass", "annotations"))
MASKS = frozenset((".png", ".bmp", ".gif", ".tif", ".tiff"))  # JPEG would blur the labels
_MARK = "_mask"  # NAME_mask.png beside NAME.jpg


@dataclass(frozen=True)
class Item:
    """One picture: `name` fit to be shown, `read` gives the file's bytes, and `mask` those of its ground truth.

    Both raise CollectionError for what must not or cannot be read.
    """

    name: str
    read: Read
    mask: Read | None = None


@dataclass(frozen=True)
class Collection:
    """Pictures in the order of their names. notes: what was left out, in sentences. held: bytes that it keeps."""

    title: str
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()
    held: int = 0


@dataclass(frozen=True)
class _Found:
    """A file that was met: `parts` of its path, the last one its name."""

    parts: tuple[str, ...]
    read: Read

    @property
    def stem(self) -> str:
        return os.path.splitext(self.parts[-1])[0]

    @property
    def ending(self) -> str:
        return os.path.splitext(self.parts[-1])[1].lower()


def from_path(path: Path | str) -> Collection:
    """The pictures of a folder and the folders in it, or of a zip. Raises CollectionError."""
    path = Path(path)
    if path.is_dir():
        return from_folder(path)
    if not path.is_file():
        raise CollectionError(f"There is no folder or zip at {plain(str(path), 200)}.")
    if path.stat().st_size > MAX_HELD:
        raise CollectionError(f"This zip has more than {MAX_HELD / 1e6:.0f} MB; unpack it and name the folder.")
    return from_files([(path.name, path.read_bytes())])


def from_folder(folder: Path | str) -> Collection:
    """The pictures of a folder on this machine and the folders in it; links that lead out of it are left out."""
    root = Path(folder).resolve()
    found, outside = [], 0
    walk = ((Path(at) / name) for at, folders, names in os.walk(root) if not _hide(folders) for name in names)
    for path in islice(walk, _LOOKED_AT):
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            outside += 1
        else:
            found.append(_Found(path.relative_to(root).parts, partial(_from_disk, path)))
    notes = [f"{_files(outside)} left out: a link that leads out of the folder."] if outside else []
    return _collect(root.name or str(root), found, notes, MOST_IN_FOLDER)


def from_files(files: Sequence[tuple[str, bytes]], most: int = MAX_HELD) -> Collection:
    """The pictures among uploaded files (name, bytes), of at most `most` bytes together; a zip among them is opened.

    Raises CollectionError.
    """
    found: list[_Found] = []
    held = sum(len(data) for _, data in files)
    if held > most:
        raise CollectionError(f"These files have {held / 1e6:.0f} MB together; at most {most / 1e6:.0f} MB are taken.")
    for name, data in files:
        if data[:4] in (b"PK\3\4", b"PK\5\6"):
            found += (_Found(*entry) for entry in zips.entries(data))
        else:
            found.append(_Found(parts_of(name) or ("file",), partial(_same, data)))
    title = plain(files[0][0]) if len(files) == 1 else f"{len(files)} files"
    return _collect(title, found, [], MOST, held)


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


def plain(name: str, most: int = 60) -> str:
    """A file's name in at most `most` visible characters of one line."""
    name = "".join(letter for letter in name if letter.isprintable()).strip()
    return (name if len(name) <= most else name[: most - 18] + " ... " + name[-13:]) or "without a name"


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
    return part == "__MACOSX" or (part.startswith(".") and part != "..")


def _collect(title: str, found: Iterable[_Found], notes: list[str], most: int, held: int = 0) -> Collection:
    """Pictures with the masks that belong to them, in the order of their names. Raises CollectionError for none."""
    shown = [file for file in found if not any(map(_hidden, file.parts))]
    files = sorted((file for file in shown if file.ending in PICTURES), key=lambda file: order("/".join(file.parts)))
    inner, others = sum(file.ending == ".zip" for file in shown), len(shown) - len(files)
    if inner:
        notes.append(f"{_files(inner)} left out: a zip inside is not opened.")
    if others > inner:
        notes.append(f"{_files(others - inner)} left out: not pictures by their names.")
    masks = _masks(files)
    used = {id(mask) for mask in masks.values()}
    strays = [file for file in files if id(file) not in used and _of_mask(file)]
    pictures = [file for file in files if id(file) not in used and not _of_mask(file)]
    if not pictures:
        raise CollectionError("There is no picture in it: PNG, JPEG, WebP, BMP, GIF and TIFF files are read.")
    if strays:
        notes.append(f"{_files(len(strays))} left out: a mask without a picture of the same name.")
    if len(pictures) > most:
        notes.append(f"{_files(len(pictures) - most)} left out: at most {most} pictures are taken.")
    above = os.path.commonprefix([file.parts[:-1] for file in pictures])  # noqa: RUF071 - these are no strings
    items = (
        Item(plain("/".join(file.parts[len(above) :])), file.read, masks[id(file)].read if id(file) in masks else None)
        for file in pictures[:most]
    )
    return Collection(title, tuple(items), tuple(notes), held)


def _files(count: int) -> str:
    return f"{count} file was" if count == 1 else f"{count} files were"


def _of_mask(file: _Found) -> bool:
    """True in a folder of masks; the folder that was given itself has no name here and so is none."""
    return any(part.casefold() in MASK_FOLDERS for part in file.parts[:-1])


def _masks(files: Sequence[_Found]) -> dict[int, _Found]:
    """id of a picture -> its mask: of its stem in a folder of masks beside it or beside its folder, or NAME_mask."""
    beside: dict[tuple[tuple[str, ...], str], _Found] = {}
    for file in files:
        if file.ending not in MASKS:
            continue
        if len(file.parts) > 1 and file.parts[-2].casefold() in MASK_FOLDERS:
            beside.setdefault((file.parts[:-2], file.stem), file)
        elif file.stem.casefold().endswith(_MARK):
            beside.setdefault((file.parts[:-1], file.stem[: -len(_MARK)]), file)
    masks = {}
    for file in files:
        places = (file.parts[:-1], file.parts[:-2]) if len(file.parts) > 1 else (file.parts[:-1],)
        mask = next((beside[place, file.stem] for place in places if (place, file.stem) in beside), None)
        if mask is not None and mask is not file and not _of_mask(file):
            masks[id(file)] = mask
    return masks
