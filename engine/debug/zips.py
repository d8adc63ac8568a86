"""The files in a zip that nobody vouches for: read in memory, one when it is asked for, never written anywhere.

What counts is what comes out, never what the zip says of itself: the bytes of each entry and of all together are
counted while they are read, so neither a high ratio nor entries that overlap cost more than the bounds here.

References
1. PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", 4.3.12 (central directory), 4.4.15 (external attributes).
2. Fifield 2019, "A better zip bomb": entries that overlap.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Callable
from functools import partial

from engine.data import DataError
from engine.images import MAX_BYTES

MOST = 500  # entries
MAX_TOTAL = 500_000_000  # bytes that all entries may unpack to
MAX_RATIO = 200  # bytes out for each byte in, once an entry has given more than `FREE`
FREE = 1_000_000
_BLOCK = 1 << 18

Read = Callable[[], bytes]


class CollectionError(DataError):
    """These pictures cannot be had; the message is one clear sentence."""


def too_large() -> str:
    """The sentence about a file that is."""
    return f"This file has more than {MAX_BYTES / 1e6:.0f} MB, which is the most that is read."


class _Budget:
    """Counts what the entries of one zip unpack to; reading one again costs nothing more."""

    def __init__(self) -> None:
        self._spent: dict[int, int] = {}

    def spend(self, entry: int, size: int) -> None:
        """Raises CollectionError where all entries together have become too large."""
        self._spent[entry] = max(size, self._spent.get(entry, 0))
        if sum(self._spent.values()) > MAX_TOTAL:
            raise CollectionError(f"This zip unpacks to more than {MAX_TOTAL / 1e6:.0f} MB; the rest is not read.")


def entries(data: bytes) -> list[tuple[tuple[str, ...], Read]]:
    """The files in a zip: the parts of each one's path, and what unpacks it in memory or raises CollectionError.

    Names are as they stand in the zip: nothing may be written to them. Raises CollectionError where the zip cannot be
    opened or has too many entries.
    """
    if data.count(b"PK\1\2") > 4 * MOST:  # each entry has such a mark (reference 1): counted before any is parsed
        raise CollectionError(f"This zip has far more than {MOST} entries, which is the most that is read.")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        infos = archive.infolist()
    except Exception as error:  # zipfile raises what it likes on a broken directory
        raise CollectionError("This zip is damaged: its list of files cannot be read.") from error
    if len(infos) > MOST:
        raise CollectionError(f"This zip has {len(infos)} entries; at most {MOST} are read.")
    budget, seen, found = _Budget(), set(), []
    for i, info in enumerate(infos):
        name = _name(info)
        parts = parts_of(name)
        if not parts or name.endswith(("/", "\\")):
            continue  # a folder
        problem = _problem(info) or ("There are two files of this name; the first one is read." * (parts in seen))
        seen.add(parts)
        read = partial(_refuse, problem) if problem else partial(_unpack, archive, info, i, budget)
        found.append((parts, read))
    return found


def _name(info: zipfile.ZipInfo) -> str:
    """The entry's name; old names without a mark for UTF-8 are read as UTF-8 all the same where they are that."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf8")
    except UnicodeError:
        return info.filename


def parts_of(name: str) -> tuple[str, ...]:
    """The folders of a path and the file's name."""
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def _problem(info: zipfile.ZipInfo) -> str:
    """Why an entry is not read, as one sentence; "" where it may be."""
    name = info.filename.replace("\\", "/")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/") or "\0" in info.orig_filename:
        return "Its name leads out of the zip, so it is not read."
    if kind not in (0, stat.S_IFREG):
        return "It is a link or a device, not a file, so it is not read."
    if info.flag_bits & 1:
        return "It is encrypted, so it cannot be read."
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "It is packed in an unusual way; please make the zip with ordinary compression (deflate)."
    return too_large() if info.file_size > MAX_BYTES else ""


def _refuse(sentence: str) -> bytes:
    raise CollectionError(sentence)


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, index: int, budget: _Budget) -> bytes:
    """The bytes of an entry, counted as they come. Raises CollectionError."""
    out = bytearray()
    try:
        with archive.open(info) as file:
            while block := file.read(_BLOCK):
                out += block
                budget.spend(index, len(out))
                if len(out) > MAX_BYTES:
                    raise CollectionError(too_large())
                if len(out) > max(FREE, MAX_RATIO * info.compress_size):
                    raise CollectionError(f"It unpacks to more than {MAX_RATIO} times its size, so it is not read.")
    except CollectionError:
        raise
    except Exception as error:  # zipfile and zlib raise what they like on a broken entry
        raise CollectionError("This entry of the zip is damaged.") from error
    return bytes(out)
