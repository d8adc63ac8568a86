"""Untrusted bytes become a clean RGB array, or one clear sentence that says why not.

References
1. Pillow handbook, "Image file formats": the modes that each reader returns, and JPEG draft mode.
2. CIPA DC-008 (Exif 2.32), tag 274 Orientation: the eight ways in which a camera may be held.
3. Porter and Duff 1984, "Compositing digital images": the operator "over", here on white.
"""

from __future__ import annotations

import hashlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin

from engine import avif
from engine.image_colours import Colours, colours
from engine.image_kinds import NAMES as NAMES
from engine.image_kinds import kind, raw, refusal, unsupported
from engine.image_work import bytes_per_pixel, scans

T = TypeVar("T")

MAX_BYTES = 20_000_000  # of the file
MIN_SIDE = 8  # pixels
MAX_ASPECT = 20  # longer side over shorter side
LONGEST = 640  # pixels of the longer side that `decode` scales down to
MAX_WORK = 190 * 2**20  # bytes that one decoding may take

# format -> most megapixels; a decoded pixel takes 4 bytes, with libwebp's own buffers 16 (measured)
_MEGAPIXELS = {"PNG": 40.0, "JPEG": 50.0, "GIF": 40.0, "BMP": 40.0, "TIFF": 40.0, "WEBP": 12.4, "AVIF": 12.4}

_TURNS = {  # EXIF orientation -> how to set the picture upright (reference 2)
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_STRIP = 2**19  # pixels that are converted at a time
_COUNT = 500_000  # bytes of a GIF or TIFF up to which its frames are counted
_READS = 300_000  # calls of `read` that one picture may take
_SCANNED = 1e9  # pixels that the scans of a progressive JPEG may pass over

# One decoding at a time: bounds the memory of the whole process and keeps Python's warning filters whole.
_LOCK = threading.Lock()


class ImageError(ValueError):
    """The bytes are not a picture that we can show; the message is one clear sentence."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that is safe to hand to a model.

    rgb: (H, W, 3) uint8, contiguous and read-only.
    notes: what was done to the file, in short phrases.
    key: SHA-256 of the file's bytes in hexadecimal. original: width and height of the file's picture, upright.
    orientation: the file's EXIF orientation, 1 to 8 (reference 2), 1 where it says none: how `rgb` was set upright.
    """

    rgb: np.ndarray
    notes: tuple[str, ...] = ()
    key: str = ""
    original: tuple[int, int] | None = None
    orientation: int = 1
    width: int = field(init=False)
    height: int = field(init=False)

    def __post_init__(self) -> None:
        rgb = np.ascontiguousarray(self.rgb)
        if rgb.flags.writeable:
            rgb = rgb.copy() if rgb is self.rgb else rgb
            rgb.setflags(write=False)
        object.__setattr__(self, "rgb", rgb)
        object.__setattr__(self, "height", rgb.shape[0])
        object.__setattr__(self, "width", rgb.shape[1])

    @property
    def notice(self) -> str:
        """What was done to the file, on one line; "" where nothing was."""
        line = ", ".join(self.notes)
        return line[:1].upper() + line[1:]


class _File(io.BytesIO):
    """A file in memory that gives up on countless tiny pieces: each costs Pillow a call, 20 MB of them 10 seconds."""

    calls = 0

    def read(self, size: int | None = -1) -> bytes:
        self.calls += 1
        if self.calls > _READS:
            raise ImageError("This picture is stored in countless tiny pieces, which would take too long to read.")
        return super().read(size)


def decode(data: bytes, *, longest: int = LONGEST) -> Picture:
    """The picture in `data`, upright, on white, at most `longest` pixels on its longer side; never enlarged.

    data: a PNG, JPEG, WebP, AVIF, BMP, GIF or TIFF file (the content decides, not the name); of several frames the
    first. Colours are brought to sRGB by the profile in the file.
    Raises ImageError, whose message is one sentence, for every file that cannot be shown. Takes at most `MAX_WORK`
    bytes plus a few MiB, whatever the file says of itself.
    """
    return read(data, lambda image, name: _decode(image, name, data, longest))


def read(data: bytes, work: Callable[[Image.Image, str], T]) -> T:
    """What `work(image, format)` makes of the picture in `data`, opened and judged by its header, not decoded yet.

    One at a time in the process. Raises ImageError for a file that cannot be shown, and where `work` raises anything.
    """
    name = _format(data)
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        broken = "damaged: its header"
        try:
            image = _open(data, name)
            _check(image, name, data)
            broken = "damaged or cut off: its pixels"
            return work(image, name)
        except ImageError:
            raise
        except Image.DecompressionBombError:
            raise ImageError(f"This {name} picture has far too many pixels to be read.") from None
        except Exception as error:  # Pillow's readers raise what they like on a broken file
            raise ImageError(unsupported(name, data) or f"This {name} file is {broken} cannot be read.") from error


def _format(data: bytes) -> str:
    """The file's format by its first bytes. Raises ImageError."""
    if not data:
        raise ImageError("This file is empty.")
    if len(data) > MAX_BYTES:
        raise ImageError(f"This file has {len(data) / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB can be read.")
    name = kind(data)
    if not name:
        raise ImageError(refusal(data))
    return name


def _open(data: bytes, name: str) -> Image.Image:
    """The picture by its header; that of an AVIF is decoded elsewhere. Pillow's own errors, and ImageError."""
    if sentence := raw(name, data):
        raise ImageError(sentence)
    if name != "AVIF":
        return Image.open(_File(data), formats=[name])
    most = _MEGAPIXELS[name] * 1e6
    (width, height), png = avif.to_png(data, most)
    if not png:
        raise ImageError(_too_many(name, width * height, most))
    return Image.open(_File(png), formats=["PNG"])


def _too_many(name: str, pixels: int, most: float) -> str:
    return f"This {name} picture has {pixels / 1e6:.1f} megapixels; at most {most / 1e6:.1f} can be read."


def _check(image: Image.Image, name: str, data: bytes) -> None:
    """Raises ImageError where the header promises a picture that is too large, too small or too long."""
    width, height = image.size
    pixels = width * height
    most = min(_MEGAPIXELS[name] * 1e6, (MAX_WORK - len(data)) / bytes_per_pixel(image, name, data))
    if pixels > most:
        raise ImageError(_too_many(name, pixels, most))
    if name == "JPEG" and (passes := scans(image, data)) * pixels > _SCANNED:
        raise ImageError(f"This JPEG picture is stored in {passes} scans, which would take too long to read.")
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"This picture has {width} x {height} pixels; each side needs at least {MIN_SIDE}.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        most = f"one side may be at most {MAX_ASPECT} times the other"
        raise ImageError(f"This picture has {width} x {height} pixels; {most}.")


def _decode(image: Image.Image, name: str, data: bytes, longest: int) -> Picture:
    notes, depth = _frames(image, name, data), _depth(image, name, data)
    turn = _orientation(image) if name == "TIFF" else 1  # Pillow turns a TIFF itself while it loads
    size = image.size
    if name == "JPEG":
        image.draft(None, _fit(size, longest))  # the decoder itself scales by 1/2, 1/4 or 1/8 (reference 1)
    image.load()
    size = size if name == "JPEG" else image.size
    target = _fit(size, longest)
    profile = colours(image)
    small, white, span = _convert(
        image, profile, max(1, int(min(a / (2 * b) for a, b in zip(image.size, target, strict=True))))
    )
    if small.size != target:
        small = small.resize(target, Image.Resampling.LANCZOS)
    if profile.mode in ("RGB", "L"):
        small = profile.apply(small)
    if name != "TIFF" and (turn := _orientation(image)) in _TURNS:
        small = small.transpose(_TURNS[turn])
        size = size[::-1] if turn >= 5 else size
    done = ["turned by EXIF"] if turn in _TURNS else []
    if small.size != size:
        done.append(f"scaled from {size[0]}x{size[1]} to {small.width}x{small.height}")
    done += notes + (["transparency on white"] if white else []) + ([f"{depth} to 8-bit"] if depth else [])
    done += ["CMYK to RGB"] if image.mode == "CMYK" and profile.mode != "CMYK" else []
    done += [note for note in (span, profile.note) if note]
    return Picture(np.array(small), tuple(done), hashlib.sha256(data).hexdigest(), size, turn)


def _fit(size: tuple[int, int], longest: int) -> tuple[int, int]:
    ratio = min(1.0, longest / max(size))
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _frames(image: Image.Image, name: str, data: bytes) -> list[str]:
    """A note where the file holds more frames than the first. Long files are not counted: that may take seconds."""
    if name == "AVIF":
        return [f"first frame of {image.info['frames']}"] if image.info["frames"] != "1" else []
    if not getattr(image, "is_animated", False):
        return []
    if name == "JPEG":
        return [f"first picture of {image.n_frames}"]
    if name in ("PNG", "WEBP"):
        return [f"first frame of {image.n_frames}"]
    try:  # on a file of its own, for it moves on
        count = Image.open(_File(data), formats=[name]).n_frames if len(data) <= _COUNT else "several"
    except Exception:  # a later frame is broken, which does not spoil the first
        count = "several"
    return [f"first frame of {count}"]


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it cannot be read."""
    try:
        turn = int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF does not spoil a good picture
        return 1
    return turn if turn in _TURNS else 1


def _depth(image: Image.Image, name: str, data: bytes) -> str:
    """What the samples are where they are not 8-bit, e.g. "16-bit grey"; "" otherwise."""
    colour = "grey" if len(image.getbands()) < 3 else "colour"
    if image.mode == "F":
        return "floating-point grey"
    if image.mode.startswith("I"):
        return "16-bit grey" if image.mode != "I" else "32-bit grey"
    bits = data[24] if name == "PNG" else 8  # IHDR's fourth field
    if name == "TIFF":
        bits = image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (8,))[0]
    return f"{bits}-bit {colour}" if bits > 8 else ""


def _strips(image: Image.Image, factor: int) -> Iterator[tuple[int, Image.Image]]:
    """Pieces of full width whose heights divide by `factor` (but the last), each with its first row."""
    rows = max(1, _STRIP // (image.width * factor)) * factor
    for y in range(0, image.height, rows):
        yield y, image.crop((0, y, image.width, min(y + rows, image.height)))


def _convert(image: Image.Image, profile: Colours, factor: int) -> tuple[Image.Image, bool, str]:
    """The loaded picture in RGB, averaged over factor x factor pixels; whether any of it was transparent; and a note of
    the values from black to white where they are the picture's own."""
    low, high, span = _range(image) if image.mode.startswith(("I", "F")) else (0.0, 1.0, "")
    out = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    white = False
    for y, strip in _strips(image, factor):
        if image.mode.startswith(("I", "F")):
            rgb, seen = _grey(strip, low, high)
        elif image.has_transparency_data:
            rgb, seen = _on_white(strip.convert("RGBA"))
        elif profile.mode == "CMYK":
            rgb, seen = profile.apply(strip), False
        else:
            rgb, seen = strip.convert("RGB"), False
        white |= seen
        out.paste(rgb.reduce(factor) if factor > 1 else rgb, (0, y // factor))
    return out, white, span


def _on_white(strip: Image.Image) -> tuple[Image.Image, bool]:
    alpha = strip.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return strip.convert("RGB"), False
    white = Image.new("RGB", strip.size, "white")
    white.paste(strip.convert("RGB"), mask=alpha)
    return white, True


def _grey(strip: Image.Image, low: float, high: float) -> tuple[Image.Image, bool]:
    """Grey levels low..high of 16-bit, 32-bit or float pixels as 0..255; a 16-bit PNG may name one clear level."""
    values = np.asarray(strip).astype(np.float64)
    level = np.nan_to_num((values - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    grey = np.rint(level.clip(0, 1) * 255).astype(np.uint8)
    clear = values == strip.info.get("transparency", np.nan)
    grey[clear] = 255
    return Image.fromarray(grey).convert("RGB"), bool(clear.any())


def _range(image: Image.Image) -> tuple[float, float, str]:
    """The values of black and white, and a note where they are the picture's own: 0..1, 0..255 or 0..65535 where its
    values lie within one of these and use more than a quarter of it."""
    low, high = np.inf, -np.inf
    for _, strip in _strips(image, 1):
        values = np.asarray(strip)
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    if low > high:
        raise ImageError("This picture holds no finite number.")
    tops = {"F": (1.0, 255.0, 65535.0), "I": (255.0, 65535.0)}.get(image.mode, (65535.0,))
    top = next((top for top in tops if low >= 0 and (top / 4 < high <= top or low == high <= top)), None)
    return (0.0, top, "") if top else (low, high, f"shown from {low:.4g} to {high:.4g}")
