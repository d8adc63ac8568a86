"""What kind of picture a file holds: its first bytes decide, never the ending of its name.

References
1. ISO/IEC 14496-12, 4.3 (File Type Box): brands of HEIC, AVIF, CR3 and videos.
2. TIFF 6.0, TIFF/EP (ISO 12234-2) and the DNG specification: SubIFDs, NewSubfileType, colour filter arrays.
3. ITU-T T.81, table B.1: frames of JPEG that are not baseline, extended or progressive.
"""

from __future__ import annotations

import io
import struct

from PIL import TiffImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from engine import avif

# format -> the first bytes of its files; AVIF is known by its brand
STARTS: dict[str, tuple[bytes, ...]] = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "GIF": (b"GIF8",),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
NAMES = "PNG, JPEG, WebP, AVIF, BMP, GIF or TIFF" if avif.READABLE else "PNG, JPEG, WebP, BMP, GIF or TIFF"

_RAW = "raw"  # of a camera
_OTHERS = {  # first bytes of pictures that are not read -> their format
    b"\xff\x0a": "JPEG XL", b"\0\0\0\x0cJXL ": "JPEG XL", b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000", b"v/1\x01": "OpenEXR", b"#?RADIANCE": "Radiance HDR", b"#?RGBE": "Radiance HDR",
    b"8BPS": "Photoshop", b"gimp xcf": "GIMP", b"SIMPLE  =": "FITS", b"\x89HDF\r\n": "HDF5", b"\x93NUMPY": "NumPy",
    b"IIRO": _RAW, b"IIRS": _RAW, b"MMOR": _RAW, b"IIU\0": _RAW, b"FUJIFILMCCD-RAW": _RAW, b"FOVb": _RAW,
}  # fmt: skip
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"crx ": _RAW, b"qt  ": "video", b"isom": "video", b"iso2": "video",
           b"mp41": "video", b"mp42": "video", b"avc1": "video", b"M4V ": "video",
           **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"), "HEIC")}  # fmt: skip
_AS_JPEG = "which is not supported; please save it as JPEG or PNG first."
_DNG, _SUBFILE, _SUB_IFDS, _CFA, _LINEAR_RAW = 50706, 254, 330, 32803, 34892
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))  # markers (reference 3)
_LOSSLESS = (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF)


def kind(data: bytes) -> str:
    """The format of a picture that can be read, "PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP" or "AVIF"; "" for any other
    file. The first 256 bytes are enough."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if _brand(data) == "AVIF" and avif.READABLE:
        return "AVIF"
    return next((name for name, starts in STARTS.items() if data.startswith(starts)), "")


def refusal(data: bytes) -> str:
    """The sentence about a file that is of no kind that can be read."""
    name = next((name for start, name in _OTHERS.items() if data.startswith(start)), "") or _brand(data)
    name = name or ("DICOM" if data[128:132] == b"DICM" else "")
    if name == _RAW:
        return f"This is a raw file of a camera, {_AS_JPEG}"
    if name == "video":
        return "This is a video, which is not supported; please save one frame as JPEG or PNG first."
    return f"This is a picture in {name} format, {_AS_JPEG}" if name else f"This file is not a {NAMES} picture."


def raw(name: str, data: bytes) -> str:
    """The sentence about a raw file that looks like a TIFF and begins with a preview; "" for any other file."""
    if name != "TIFF":
        return ""
    if data[8:10] == b"CR":
        return f"This is a raw file of a camera (CR2), {_AS_JPEG}"
    first = _directory(data)
    parts = [first, *(_directory(data, at) for at in _numbers(first, _SUB_IFDS)[:8])]
    if _DNG in first or any(_numbers(part, 262)[:1] in ((_CFA,), (_LINEAR_RAW,)) for part in parts):
        return f"This is a raw file of a camera{' (DNG)' * (_DNG in first)}, {_AS_JPEG}"
    if len(parts) > 1 and _numbers(first, _SUBFILE)[:1] == (1,):
        return f"This TIFF file begins with a preview of another picture, {_AS_JPEG}"
    return ""


def unsupported(name: str, data: bytes) -> str:
    """The sentence about a whole file of a format that is read, but of a kind that is not; "" where it is neither."""
    return {"TIFF": _strange_tiff, "JPEG": _strange_jpeg}.get(name, lambda data: "")(data)


def _brand(data: bytes) -> str:
    """The format that a File Type Box names (reference 1), "" without one."""
    if data[4:8] != b"ftyp":
        return ""
    size = min(int.from_bytes(data[:4]), 256)
    brands = [data[at : at + 4] for at in (8, *range(16, size, 4))]
    known = next((_BRANDS[brand] for brand in brands if brand in _BRANDS), "")
    return known or ("HEIC" if {b"mif1", b"msf1"} & set(brands) else "")


def _directory(data: bytes, at: int | None = None) -> ImageFileDirectory_v2:
    """The tags of a TIFF's picture, the first one's or those at an offset; as many as can be read."""
    file = io.BytesIO(data)
    try:
        tags = ImageFileDirectory_v2(file.read(16 if data[2:3] == b"+" or data[3:4] == b"+" else 8))
        file.seek(tags.next if at is None else at)
        tags.load(file)
        dict(tags)  # unpacks each
    except Exception:  # whatever a broken directory raises
        return ImageFileDirectory_v2()
    return tags


def _numbers(tags: ImageFileDirectory_v2, tag: int) -> tuple[int, ...]:
    try:
        value = tags.get(tag, ())
    except Exception:  # a value that cannot be unpacked
        return ()
    return tuple(int(v) for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, int | float))


def _strange_tiff(data: bytes) -> str:
    tags = _directory(data)
    width, height, ink = (_numbers(tags, tag) for tag in (256, 257, 262))
    places = _numbers(tags, 273) or _numbers(tags, 324)
    if not (width and height and ink and places and max(places) < len(data)):
        return ""
    bits, form, samples = (_numbers(tags, tag) or (1,) for tag in (258, 339, 277))
    packed = (_numbers(tags, 259) or (1,))[0]
    if packed not in TiffImagePlugin.COMPRESSION_INFO:
        what = f"is packed in a way (compression {packed})"
    elif _modes(ink[0], form, bits, samples[0]):
        return ""
    else:
        number = {2: "signed ", 3: "floating-point ", 5: "complex ", 6: "complex "}.get(form[0], "")
        what = f"holds {samples[0]} channel{'s' * (samples[0] > 1)} of {bits[0]}-bit {number}numbers"
    return f"This TIFF picture {what}, which is not supported; please save it as an 8- or 16-bit TIFF or PNG."


def _modes(ink: int, form: tuple[int, ...], bits: tuple[int, ...], samples: int) -> bool:
    """Has Pillow a mode for such samples?"""
    bits = bits if len(bits) == samples else bits[:1] * samples
    forms = {form, form[:1], form[:1] * samples}
    return any(key[1] == ink and key[2] in forms and key[4] == bits for key in TiffImagePlugin.OPEN_INFO)


def _strange_jpeg(data: bytes) -> str:
    at = 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if marker == 0xFF:  # a byte that fills
            at += 1
            continue
        if marker in _FRAMES and at + 5 <= len(data):
            strange = marker in _LOSSLESS or data[at + 4] != 8
            what = "lossless" if marker in _LOSSLESS else f"{data[at + 4]}-bit"
            return f"This is a {what} JPEG picture, {_AS_JPEG.replace('as JPEG', 'as usual JPEG')}" if strange else ""
        at += 2 + length
    return ""
