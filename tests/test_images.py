"""Every format and mode that people bring, and every kind of bad file: a clean array or one clear sentence."""

from __future__ import annotations

import io
import json
import random
import struct
import subprocess
import sys
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

sys.path.insert(0, str(Path(__file__).parents[1]))  # this file also runs alone, as the process that is measured

from engine.images import MAX_BYTES, ImageError, Picture, decode, kind

H, W = 36, 52
Y, X = np.mgrid[0:H, 0:W]
RGB = np.stack([X * 4, Y * 6, (X * 7 + Y * 3) % 256], -1).astype(np.uint8)
GREY = ((X * 5 + Y * 11) % 256).astype(np.uint8)
DEEP = ((X * 1237 + Y * 791) % 65536).astype(np.uint16)
ALPHA = ((X * 4 + Y) % 256).astype(np.uint8)
ORIENTATION = 274
LOSSLESS = ("PNG", "BMP", "TIFF", "WEBP")


def file(array: np.ndarray | Image.Image, kind: str, mode: str | None = None, **options) -> bytes:
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    out = io.BytesIO()
    image = image.convert(mode) if mode else image
    image.save(out, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}) | options)
    return out.getvalue()


def on_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    a = alpha[..., None] / 255
    return rgb * a + 255 * (1 - a)


def close(found: np.ndarray, wanted: np.ndarray, by: float = 1) -> bool:
    return found.shape == wanted.shape and np.abs(found.astype(float) - wanted).max() <= by


SRGB = ((0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))  # XYZ under D50 of R, G and B
WIDE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))  # Adobe RGB (1998)


def profile(primaries: tuple | None, gamma: float, words: str = "a test") -> bytes:
    """An ICC profile (version 2): an RGB matrix with one gamma, or grey where there are no primaries."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(values) -> bytes:
        return b"XYZ " + bytes(4) + b"".join(map(fixed, values))

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    text = b"desc" + bytes(4) + struct.pack(">I", len(words) + 1) + words.encode() + bytes(1 + 78)
    tags = {b"desc": text + bytes(-len(text) % 4), b"wtpt": xyz((0.9642, 1.0, 0.8249)),
            b"cprt": b"text" + bytes(4) + b"none"}  # fmt: skip
    if primaries is None:
        tags[b"kTRC"] = curve
    else:
        tags |= {k + b"XYZ": xyz(v) for k, v in zip((b"r", b"g", b"b"), primaries, strict=True)}
        tags |= {k + b"TRC": curve for k in (b"r", b"g", b"b")}
    at, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    space = b"GRAY" if primaries is None else b"RGB "
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"test", 0x02400000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    return head.ljust(128, b"\0") + table + body


def as_srgb(rgb: np.ndarray, primaries: tuple, gamma: float) -> np.ndarray:
    """What colours of such a profile are in sRGB (IEC 61966-2-1), 0 to 255."""
    xyz = (rgb / 255.0) ** gamma @ np.array(primaries)
    linear = (xyz @ np.linalg.inv(np.array(SRGB))).clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_a_wide_gamut_is_brought_to_srgb(kind):
    wanted = as_srgb(RGB, WIDE, 2.19921875)
    assert np.abs(wanted - RGB).max() > 30
    picture = decode(file(RGB, kind, icc_profile=profile(WIDE, 2.19921875, "Adobe RGB (1998)")))
    assert close(picture.rgb, wanted, 2)
    assert picture.notes == ("Adobe RGB to sRGB",)
    secret = decode(file(RGB, kind, icc_profile=profile(WIDE, 2.19921875, "<b>**mine**")))
    assert secret.notes == ("colours of its profile to sRGB",)


def test_a_wide_gamut_with_alpha_or_a_palette():
    icc = profile(WIDE, 2.19921875)
    seen = decode(file(np.dstack([RGB, np.where(X < 9, 0, 255).astype(np.uint8)]), "PNG", icc_profile=icc)).rgb
    assert (seen[:, :9] == 255).all()
    assert close(seen[:, 9:], as_srgb(RGB, WIDE, 2.19921875)[:, 9:], 2)
    palette = Image.frombytes("P", (W, H), (GREY % 7).tobytes())
    table = np.array([[i * 30, 255 - i * 20, i * i * 5] for i in range(7)], np.uint8)
    palette.putpalette(table.tobytes())
    found = decode(file(palette, "PNG", icc_profile=icc)).rgb
    assert close(found, as_srgb(table[GREY % 7], WIDE, 2.19921875), 2)


def test_grey_with_a_gamma_of_its_own():
    picture = decode(file(GREY, "PNG", icc_profile=profile(None, 1.8)))
    wanted = as_srgb(np.repeat(GREY[..., None], 3, -1), SRGB, 1.80078125)
    assert close(picture.rgb, wanted, 2)
    assert picture.notes == ("colours of its profile to sRGB",)
    of_rgb = decode(file(GREY, "PNG", icc_profile=profile(SRGB, 1.8)))
    assert close(of_rgb.rgb, wanted, 2)


def test_srgb_itself_changes_nothing_and_is_not_mentioned():
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = decode(file(RGB, "PNG", icc_profile=icc))
    assert np.array_equal(picture.rgb, RGB)
    assert picture.notes == ()


@pytest.mark.parametrize("icc", [b"nonsense", bytes(200), profile(WIDE, 2.2)[:150], profile(None, 2.2)])
def test_a_profile_that_is_broken_or_of_another_kind_is_left_out(icc):
    picture = decode(file(RGB, "PNG", icc_profile=icc))
    assert np.array_equal(picture.rgb, RGB)
    assert picture.notes == ("its colour profile cannot be used",)
    cmyk = decode(file(Image.new("CMYK", (W, H)), "TIFF", icc_profile=icc))
    assert cmyk.notes == ("CMYK to RGB", "its colour profile cannot be used")


def sentence(data: bytes) -> str:
    """The one sentence that `decode` refuses `data` with."""
    with pytest.raises(ImageError) as error:
        decode(data)
    assert_sentence(str(error.value))
    return str(error.value)


def assert_sentence(text: str) -> None:
    assert text.startswith("This ")
    assert text.endswith(".")
    assert ". " not in text
    assert "\n" not in text
    assert len(text) < 140


@pytest.mark.parametrize("kind", LOSSLESS)
def test_colour_comes_back_exactly(kind):
    picture = decode(file(RGB, kind))
    assert np.array_equal(picture.rgb, RGB)
    assert (picture.width, picture.height, picture.notes, picture.notice) == (W, H, (), "")


def test_a_picture_is_read_only_contiguous_and_keyed_by_its_bytes():
    data = file(RGB, "PNG")
    picture = decode(data)
    assert picture.rgb.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        picture.rgb[0, 0] = 0
    assert picture.key == decode(data).key != decode(file(RGB, "BMP")).key
    assert len(picture.key) == 64
    mine = RGB.copy()
    assert not Picture(mine).rgb.flags.writeable
    assert mine.flags.writeable


@pytest.mark.parametrize("kind", [*LOSSLESS, "GIF"])
def test_grey(kind):
    assert np.array_equal(decode(file(GREY, kind)).rgb, np.repeat(GREY[..., None], 3, -1))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_lossy(kind, mode):
    smooth = np.stack([X * 4, Y * 6, 120 + X], -1).astype(np.uint8)
    wanted = np.asarray(Image.fromarray(smooth).convert(mode).convert("RGB"))
    found = decode(file(smooth, kind, mode, quality=95, lossless=False)).rgb
    assert np.abs(found.astype(float) - wanted).mean() < 3


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF"])
def test_palette(kind):
    palette = Image.fromarray(GREY % 7, "L")
    palette = Image.frombytes("P", (W, H), palette.tobytes())
    colours = np.array([[i * 30, 255 - i * 20, i * i * 5] for i in range(7)], np.uint8)
    palette.putpalette(colours.tobytes())
    assert np.array_equal(decode(file(palette, kind)).rgb, colours[GREY % 7])


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_one_clear_entry_is_white_there(kind):
    palette = Image.frombytes("P", (W, H), (GREY % 7).tobytes())
    colours = np.array([[i * 30, 255 - i * 20, i * i * 5] for i in range(7)], np.uint8)
    palette.putpalette(colours.tobytes())
    picture = decode(file(palette, kind, transparency=3))
    wanted = colours[GREY % 7]
    wanted[GREY % 7 == 3] = 255
    assert np.array_equal(picture.rgb, wanted)
    assert picture.notice == "Transparency on white"


def test_palette_with_an_alpha_for_each_entry():
    palette = Image.frombytes("P", (W, H), (GREY % 4).tobytes())
    colours = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200], [9, 9, 9]], np.uint8)
    palette.putpalette(colours.tobytes())
    alphas = np.array([255, 128, 0, 60], np.uint8)
    picture = decode(file(palette, "PNG", transparency=alphas.tobytes()))
    assert close(picture.rgb, on_white(colours[GREY % 4], alphas[GREY % 4]))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_alpha_on_white(kind):
    picture = decode(file(np.dstack([RGB, ALPHA]), kind))
    assert close(picture.rgb, on_white(RGB, ALPHA))
    assert picture.notes == ("transparency on white",)
    opaque = decode(file(np.dstack([RGB, np.full((H, W), 255, np.uint8)]), kind))
    assert np.array_equal(opaque.rgb, RGB)
    assert opaque.notes == ()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_with_alpha(kind):
    image = Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(ALPHA)))
    assert close(decode(file(image, kind)).rgb, on_white(np.repeat(GREY[..., None], 3, -1), ALPHA))


def test_colour_key_of_a_png():
    image = Image.fromarray(RGB)
    key = tuple(int(v) for v in RGB[5, 9])
    wanted = RGB.copy()
    wanted[(RGB[5, 9] == RGB).all(-1)] = 255
    assert np.array_equal(decode(file(image, "PNG", transparency=key)).rgb, wanted)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey(kind):
    picture = decode(file(DEEP, kind))
    assert close(picture.rgb, np.repeat(DEEP[..., None] / 257, 3, -1), 0.5)
    assert picture.notes == ("16-bit grey to 8-bit",)


def test_16_bit_grey_png_with_a_clear_level():
    data = file(DEEP, "PNG")
    level = int(DEEP[7, 8])
    body = b"tRNS" + struct.pack(">H", level)
    data = data[:33] + struct.pack(">I", 2) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    picture = decode(data)
    assert (picture.rgb[level == DEEP] == 255).all()
    assert "transparency on white" in picture.notes


def test_16_bit_colour_png():
    deep = (RGB.astype(np.uint16) * 257).astype(">u2")
    picture = decode(png(W, H, 16, 2, b"".join(b"\0" + row.tobytes() for row in deep)))
    assert np.array_equal(picture.rgb, RGB)
    assert picture.notes == ("16-bit colour to 8-bit",)


@pytest.mark.parametrize(("low", "high", "span"), [(0, 1, (0, 1)), (0, 200, (0, 255)), (-3, 90, (-3, 90))])
def test_floating_point_tiff(low, high, span):
    values = (low + (high - low) * (X + Y) / (H + W - 2)).astype(np.float32)
    picture = decode(file(values, "TIFF"))
    wanted = (values.astype(float) - span[0]) / (span[1] - span[0]) * 255
    assert close(picture.rgb, np.repeat(wanted[..., None], 3, -1), 0.51)
    own = ("shown from -3 to 90",) if low < 0 else ()
    assert picture.notes == ("floating-point grey to 8-bit", *own)


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_values_that_use_a_part_of_their_range_are_shown_from_end_to_end(kind):
    depth = (1000 + (X + Y) * 30).astype(np.uint16)  # millimetres: of 65535 next to black
    picture = decode(file(depth, kind))
    wanted = (depth.astype(float) - depth.min()) / (depth.max() - depth.min()) * 255
    assert close(picture.rgb, np.repeat(wanted[..., None], 3, -1), 0.51)
    assert picture.notes[-1] == f"shown from 1000 to {depth.max()}"
    black = decode(file(np.zeros((H, W), np.uint16), kind))
    assert (black.rgb == 0).all()
    assert black.notes == ("16-bit grey to 8-bit",)


def test_floats_that_are_no_numbers():
    values = np.linspace(0, 1, H * W, dtype=np.float32).reshape(H, W).copy()
    values[0] = np.nan
    values[1] = np.inf
    rgb = decode(file(values, "TIFF")).rgb
    assert (rgb[0] == 0).all()
    assert (rgb[1] == 255).all()
    assert "finite" in sentence(file(np.full((H, W), np.nan, np.float32), "TIFF"))


def test_32_bit_integers():
    picture = decode(file(DEEP.astype(np.int32), "TIFF"))
    assert close(picture.rgb, np.repeat(DEEP[..., None] / 257, 3, -1), 0.5)
    assert picture.notes == ("32-bit grey to 8-bit",)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_one_bit(kind):
    bits = GREY > 120
    assert np.array_equal(decode(file(Image.fromarray(bits), kind)).rgb, np.repeat(bits[..., None] * 255, 3, -1))


@pytest.mark.parametrize(("kind", "by"), [("TIFF", 1), ("JPEG", 12)])
def test_cmyk(kind, by):
    cmyk = np.stack([X * 2, Y * 3, 60 + X, Y * 2], -1).astype(np.uint8)
    picture = decode(file(Image.fromarray(cmyk, "CMYK"), kind, **({"quality": 98} if kind == "JPEG" else {})))
    ink = cmyk.astype(float) / 255
    assert close(picture.rgb, 255 * (1 - ink[..., :3]) * (1 - ink[..., 3:]), by)
    assert picture.notes == ("CMYK to RGB",)


def test_lab_without_colour_is_grey():
    lab = Image.frombytes("LAB", (W, H), bytes((137, 0, 0)) * (W * H))  # L* = 53.7: 18 % grey is 119 of 255 at 50
    assert close(decode(file(lab, "TIFF")).rgb, np.full((H, W, 3), 128), 3)


# how numpy sets a stored array upright (Exif 2.32, tag 274: where the stored first row and column are shown)
UPRIGHT = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("way", range(1, 9))
def test_orientation(kind, way):
    exif = Image.Exif()
    exif[0x0112] = way
    blocks = np.kron(np.array([[[250, 0, 0], [0, 250, 0], [0, 0, 250]], [[0, 0, 0], [240, 240, 0], [0, 240, 240]]]),
                     np.ones((16, 16, 1))).astype(np.uint8)  # fmt: skip
    options = {"quality": 98, "subsampling": 0} if kind == "JPEG" else {}
    picture = decode(file(blocks, kind, exif=exif, **options))
    assert close(picture.rgb, UPRIGHT[way](blocks), 12)
    assert picture.notes == (() if way == 1 else ("turned by EXIF",))
    assert picture.orientation == way


def test_twelve_megapixels_turned_and_drafted():
    small = np.asarray(Image.effect_noise((63, 84), 90).resize((504, 378)))
    image = Image.fromarray(np.dstack([small, small[::-1], small[:, ::-1]])).resize((4032, 3024))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = file(image, "JPEG", exif=exif, quality=90)
    wanted = np.rot90(np.asarray(image.resize((640, 480), Image.Resampling.BOX)), -1)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        picture = decode(data)
        seconds.append(time.process_time() - start)
    assert picture.notice == "Turned by EXIF, scaled from 3024x4032 to 480x640"
    assert picture.rgb.shape == (640, 480, 3)
    assert np.abs(picture.rgb.astype(float) - wanted).mean() < 2
    assert min(seconds) < 0.3


SIZES = [((1000, 500), 640, (640, 320)), ((90, 1800), 640, (32, 640)), ((641, 641), 640, (640, 640)),
         ((640, 32), 640, (640, 32)), ((300, 200), 100, (100, 67)), ((20, 10), 640, (20, 10))]  # fmt: skip


@pytest.mark.parametrize(("size", "longest", "wanted"), SIZES)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_scaling(size, longest, wanted, kind):
    ramp = np.linspace(0, 255, size[0])[None, :, None].repeat(size[1], 0).repeat(3, 2)
    picture = decode(file(ramp.astype(np.uint8), kind), longest=longest)
    assert (picture.width, picture.height) == wanted
    exact = (np.arange(wanted[0]) + 0.5) / wanted[0] * size[0] - 0.5  # half-pixel centres
    assert np.abs(picture.rgb[:, :, 0] - exact / (size[0] - 1) * 255).mean() < 3
    assert (picture.notice != "") == (size != wanted)


def test_transparent_pixels_do_not_bleed_when_scaled():
    rgba = np.zeros((1600, 1600, 4), np.uint8)
    rgba[:, :800] = (200, 40, 10, 255)  # the clear half is black underneath
    rgb = decode(file(rgba, "PNG")).rgb
    assert close(rgb[:, :300], np.broadcast_to([200, 40, 10], (640, 300, 3)))
    assert (rgb[:, 340:] == 255).all()
    assert rgb[..., 0].min() >= 199


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_first_frame(kind):
    frames = [Image.fromarray((GREY + 40 * i).astype(np.uint8)).convert("RGB" if kind != "GIF" else "L")
              for i in range(4)]  # fmt: skip
    data = file(frames[0], kind, save_all=True, append_images=frames[1:])
    picture = decode(data)
    assert np.array_equal(picture.rgb, np.repeat(GREY[..., None], 3, -1))
    assert picture.notes == ("first frame of 4",)


def test_a_long_animation_is_not_counted():
    head = file(GREY, "GIF")[:-1]
    frame = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"
    for bytes_, word in ((400_000, "frame of 26667"), (15_000_000, "several")):
        start = time.perf_counter()
        picture = decode(head + frame * (bytes_ // len(frame)) + b";")
        assert word in picture.notice
        assert time.perf_counter() - start < 2


def png(width: int, height: int, bits: int = 8, colour: int = 2, rows: bytes = b"") -> bytes:
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0), b"IDAT" + zlib.compress(rows))
    body = b"".join(struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (*chunks, b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + body


def huge() -> dict[str, bytes]:
    """Small files whose headers promise very much."""
    small = {kind: bytearray(file(RGB, kind)) for kind in ("GIF", "WEBP", "BMP", "TIFF", "JPEG")}
    small["GIF"][6:10] = b"\xff\xff\xff\xff"
    small["BMP"][18:26] = struct.pack("<ii", 60000, 60000)
    bits = struct.unpack_from("<I", small["WEBP"], 21)[0] | 0xFFFFFFF  # VP8L: 14 bits each of width and height
    small["WEBP"][21:25] = struct.pack("<I", bits)
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + b"\xff\xff\0" * 2
    extended = b"WEBP" + canvas + file(RGB, "WEBP")[12:]
    at = small["JPEG"].index(b"\xff\xc0")
    small["JPEG"][at + 5 : at + 9] = b"\xff\xdc\xff\xdc"
    for tag in (256, 257):
        at = small["TIFF"].index(struct.pack("<HH", tag, 4 if struct.pack("<HH", tag, 4) in small["TIFF"] else 3))
        small["TIFF"][at : at + 12] = struct.pack("<HHII", tag, 4, 1, 100_000)
    return {name: bytes(data) for name, data in small.items()} | {
        "PNG": png(13_000, 13_000, rows=bytes(13_000 * 40)),
        "PNG max": png(2**31 - 1, 2**31 - 1),
        "PNG grey": png(100_000, 5_000, 1, 0),
        "WEBP canvas": b"RIFF" + struct.pack("<I", len(extended)) + extended,
    }


@pytest.mark.parametrize("name", huge())
def test_bombs(name):
    text = sentence(huge()[name])
    assert "pixels" in text or "header" in text  # libwebp itself refuses a canvas that its frame does not fill
    if name in ("PNG", "BMP", "JPEG", "TIFF", "GIF"):
        assert "pixels" in text


def test_a_jpeg_of_many_scans_is_refused():
    data = file(Image.new("RGB", (4000, 3000)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    assert "scans" in sentence(data[:last] + data[last:-2] * 3000 + data[-2:])
    assert decode(data).notice.startswith("Scaled")


def tiny_pieces() -> dict[str, bytes]:
    """Valid pictures of 15 MB in which nearly all is empty chunks, segments, fill bytes, blocks."""
    png_, jpeg, gif = (file(RGB, kind) for kind in ("PNG", "JPEG", "GIF"))
    chunk = struct.pack(">I", 0) + b"tEXt" + struct.pack(">I", zlib.crc32(b"tEXt"))
    first = gif.index(b"\x2c\0\0\0\0")
    return {
        "chunks": png_[:33] + chunk * 1_250_000 + png_[33:],
        "segments": jpeg[:2] + b"\xff\xfe\0\2" * 3_750_000 + jpeg[2:],
        "fill bytes": jpeg[:2] + b"\xff" * 15_000_000 + jpeg[2:],
        "comments": gif[:first] + b"\x21\xfe\0" * 5_000_000 + gif[first:],
    }


@pytest.mark.parametrize("name", ["chunks", "segments", "fill bytes", "comments"])
def test_countless_tiny_pieces_do_not_keep_others_waiting(name):
    data = tiny_pieces()[name]
    start = time.process_time()
    assert "pieces" in sentence(data)
    assert time.process_time() - start < 2


def test_a_tiff_of_enormous_tiles_is_refused():
    assert "megapixels" in sentence(tiled(16384))
    assert np.array_equal(decode(tiled(48)).rgb[:32, :32, 0], np.zeros((32, 32)))


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("turn", [1, 6])
def test_avif(alpha, turn):
    smooth = np.stack([X * 4, Y * 6, 120 + X], -1).astype(np.uint8)
    clear = np.where(X < 20, 0, 255).astype(np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    data = file(np.dstack([smooth, clear]) if alpha else smooth, "AVIF", quality=95, subsampling="4:4:4", exif=exif)
    assert kind(data) == "AVIF"
    wanted = np.where(clear[..., None] | ~np.uint8(255 * alpha), smooth, 255)
    picture = decode(data)
    assert np.abs(picture.rgb.astype(float) - UPRIGHT[turn](wanted)).mean() < 3
    assert picture.orientation == turn
    assert ("transparency on white" in picture.notes) == alpha
    wide = decode(file(smooth, "AVIF", quality=95, subsampling="4:4:4", icc_profile=profile(WIDE, 2.2, "Adobe RGB")))
    assert wide.notes == ("Adobe RGB to sRGB",)
    assert np.abs(wide.rgb - as_srgb(smooth, WIDE, 2.2)).mean() < 3


def test_an_avif_is_bounded_like_any_other_picture():
    assert "12.4" in sentence(file(Image.new("RGB", (4000, 3500)), "AVIF", speed=10))
    assert "at least 8" in sentence(file(Image.new("RGB", (7, 70)), "AVIF"))
    data = file(RGB, "AVIF")
    for part in (0.3, 0.6, 0.95):
        assert sentence(data[: int(part * len(data))]) == "This AVIF file is damaged: its header cannot be read."


def test_the_first_of_several_frames_is_said():
    image = Image.fromarray(RGB)
    for name in ("GIF", "WEBP", "TIFF", "PNG", "AVIF"):
        data = file(image, name, save_all=True, append_images=[image.rotate(90), image.rotate(180)])
        assert decode(data).notes == ("first frame of 3",), name
    phone = file(image, "MPO", save_all=True, append_images=[image.rotate(180)], quality=98, subsampling=0)
    assert kind(phone) == "JPEG"
    assert decode(phone).notes == ("first picture of 2",)
    assert np.abs(decode(phone).rgb.astype(float) - RGB).mean() < 3


def ftyp(*brands: bytes) -> bytes:
    return struct.pack(">I4s4sI", 16 + 4 * (len(brands) - 1), b"ftyp", brands[0], 0) + b"".join(brands[1:]) + bytes(40)


@pytest.mark.parametrize(("data", "name"), [
    (ftyp(b"heix", b"mif1"), "HEIC"), (ftyp(b"mif1", b"heic"), "HEIC"), (ftyp(b"crx ", b"isom"), "raw file"),
    (ftyp(b"isom", b"mp41"), "video"), (b"\xff\x0a" + bytes(60), "JPEG XL"), (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"v/1\x01" + bytes(60), "OpenEXR"), (b"#?RADIANCE\n", "Radiance HDR"), (bytes(128) + b"DICM", "DICOM"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"), (b"FUJIFILMCCD-RAW ", "raw file"), (b"8BPS\0\1", "Photoshop"),
])  # fmt: skip
def test_formats_that_are_not_read_are_named(data, name):
    text = sentence(data)
    assert name in text
    assert "not supported; please save" in text
    assert kind(data) == ""


def tiff(tags: dict[int, tuple[int, ...]], pixels: bytes) -> bytes:
    """A little-endian TIFF with these tags as 32-bit numbers; pixels come first, at 8."""
    body, extra, at = b"", b"", 8 + len(pixels)
    room = at + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}I", *values)
        body += struct.pack("<HHI", tag, 4, len(values))
        body += packed if len(values) == 1 else struct.pack("<I", room + len(extra))
        extra += packed if len(values) > 1 else b""
    return struct.pack("<4sI", b"II*\0", at) + pixels + struct.pack("<H", len(tags)) + body + bytes(4) + extra


PLAIN = {256: (W,), 257: (H,), 258: (8, 8, 8), 259: (1,), 262: (2,), 273: (8,), 277: (3,), 278: (H,), 279: (3 * W * H,)}


def test_a_tiff_of_a_kind_that_is_not_read_is_never_called_damaged():
    assert np.array_equal(decode(tiff(PLAIN, RGB.tobytes())).rgb, RGB)
    floats = tiff(PLAIN | {258: (32, 32, 32), 339: (3, 3, 3), 279: (12 * W * H,)}, (RGB / 255).astype("<f4").tobytes())
    assert "3 channels of 32-bit floating-point numbers, which is not supported" in sentence(floats)
    seven = tiff(PLAIN | {258: (16,) * 7, 277: (7,), 262: (1,), 279: (14 * W * H,)}, bytes(14 * W * H))
    assert "7 channels of 16-bit numbers, which is not supported" in sentence(seven)
    lerc = tiff(PLAIN | {259: (34887,)}, RGB.tobytes())
    assert "compression 34887" in sentence(lerc)
    assert "not supported" in sentence(lerc)


@pytest.mark.parametrize("tags", [{50706: (0x00000401,)}, {262: (32803,)}, {262: (34892,)}, {254: (1,), 330: (8, 8)}])
def test_the_preview_in_a_raw_file_is_not_shown_as_the_picture(tags):
    assert "not supported" in sentence(tiff(PLAIN | tags, RGB.tobytes()))


def test_strange_jpegs_are_named():
    data = file(RGB, "JPEG")
    at = data.find(b"\xff\xc0")
    assert "lossless JPEG" in sentence(data[:at] + b"\xff\xc3" + data[at + 2 :])
    assert "12-bit JPEG" in sentence(data[: at + 4] + b"\x0c" + data[at + 5 :])


def tiled(side: int) -> bytes:
    """A black 32x32 TIFF in one deflated tile of side x side."""
    pixels = zlib.compress(bytes(min(side, 64) ** 2))
    entries = [(256, 3, 32), (257, 3, 32), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1), (322, 4, side),
               (323, 4, side), (324, 4, 8), (325, 4, len(pixels))]  # fmt: skip
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + body + bytes(4)


def test_not_a_picture():
    assert sentence(b"") == "This file is empty."
    assert "20.0 MB" not in sentence(bytes(MAX_BYTES + 1_000_000))
    assert "at most 20 MB" in sentence(b"\x89PNG\r\n\x1a\n" + bytes(MAX_BYTES))
    for other in (b"hello, this is text", b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"PK\3\4", b"\0",
                  b"RIFF\0\0\0\0WAVEfmt ", file(RGB, "PPM"), file(RGB, "ICO"), file(RGB, "TGA")):  # fmt: skip
        assert sentence(other) == "This file is not a PNG, JPEG, WebP, AVIF, BMP, GIF or TIFF picture."
    assert "HEIC" in sentence(b"\0\0\0\x18ftypheic\0\0\0\0")


@pytest.mark.parametrize(("width", "height", "word"), [(1, 300, "at least 8"), (7, 7, "at least 8"),
                                                       (2100, 100, "20 times"), (9, 1000, "20 times")])  # fmt: skip
def test_too_small_or_too_long(width, height, word):
    assert word in sentence(file(Image.new("RGB", (width, height)), "PNG"))
    assert decode(file(Image.new("RGB", (8, 160)), "PNG")).rgb.shape == (160, 8, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_cut_files(kind):
    noise = np.random.default_rng(4).integers(0, 256, (H, W, 3), np.uint8)
    data = file(noise, kind)
    for part in (0.02, 0.3, 0.6, 0.9):
        text = sentence(data[: max(12, int(part * len(data)))])
        assert kind in text
        assert "damaged" in text


def test_no_warning_escapes_and_the_filters_stay():
    broken = file(Image.new("L", (11_000, 9_000)), "PNG")  # above Pillow's warning of a bomb
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        sentence(broken)
        decode(file(Image.frombytes("P", (W, H), bytes(W * H)), "PNG", transparency=bytes(3)))
    assert not seen
    assert warnings.filters == before


def corpus() -> list[bytes]:
    """Small valid files of every format and many modes."""
    image = Image.fromarray(RGB).resize((24, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [file(image, kind, exif=exif) for kind in ("PNG", "JPEG", "WEBP", "TIFF")]
    files += [file(image, kind, mode) for kind in ("PNG", "TIFF") for mode in ("1", "L", "LA", "P", "RGBA", "I;16", "I")
              if mode != "I" or kind == "TIFF"]  # fmt: skip
    files += [file(image, "TIFF", mode) for mode in ("F", "CMYK")]
    files += [file(image, "TIFF", compression=c) for c in ("tiff_lzw", "jpeg", "tiff_deflate", "packbits")]
    files += [file(image, "TIFF", "1", compression="group4"), tiled(48), file(image, "JPEG", "CMYK")]
    files += [file(image, "JPEG", "L"), file(image, "JPEG", progressive=True)]
    files += [file(image, "WEBP", "RGBA"), file(image, "WEBP", lossless=False)]
    files += [file(image, "BMP", mode) for mode in ("1", "L", "P", "RGB", "RGBA")]
    files += [file(image, kind, icc_profile=profile(WIDE, 2.2)) for kind in ("PNG", "JPEG", "WEBP", "TIFF")]
    files += [file(image, kind, save_all=True, append_images=[image.rotate(90), image.rotate(180)])
              for kind in ("GIF", "WEBP", "TIFF", "PNG")]  # fmt: skip
    return files


def mutate(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """`data` with some bytes changed, cut, repeated, replaced by extreme numbers, or spliced with `other`."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 12))):
        at = dice.randrange(len(out)) if dice.random() < 0.5 else dice.randrange(min(len(out), 64))
        match dice.randrange(6):
            case 0:
                out[at] = dice.randrange(256)
            case 1:
                out[at] ^= 1 << dice.randrange(8)
            case 2:
                out[at : at + 4] = dice.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\x40\0"))
            case 3:
                del out[at : at + dice.randrange(1, 40)]
            case 4:
                out[at:at] = out[at : at + dice.randrange(1, 60)] * dice.randrange(1, 4)
            case 5:
                cut = dice.randrange(len(other))
                out[at : at + 30] = other[cut : cut + dice.randrange(1, 200)]
        if len(out) < 12:
            break
    return bytes(out)


def peak() -> float:
    """The most memory, in MiB, that this process ever held (ru_maxrss would count the parent's before exec)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def attack(count: int, seed: int) -> dict[str, float]:
    """Decode `count` mutated files in this process; the memory it took on top, in MiB."""
    files, dice = corpus(), random.Random(seed)
    pictures = sum(isinstance(decode(data), Picture) for data in files)
    before = peak()
    for i in range(count):
        data = mutate(files[i % len(files)], dice.choice(files), dice)
        try:
            picture = decode(data)
            assert picture.rgb.dtype == np.uint8
            assert picture.rgb.shape == (picture.height, picture.width, 3)
            assert max(picture.rgb.shape) <= 640
            pictures += 1
        except ImageError as error:
            assert_sentence(str(error))
    return {"files": len(files), "pictures": pictures, "mib": peak() - before}


def measured(*arguments: str) -> dict:
    """What this file prints when it runs alone in a fresh process with warnings as errors."""
    done = subprocess.run([sys.executable, "-W", "error", __file__, *arguments], capture_output=True, text=True,
                          timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr  # libtiff itself prints a line on a broken strip, from C
    assert "Warning" not in done.stderr
    return json.loads(done.stdout)


def test_thousands_of_mutated_files():
    count = 6000
    found = measured("attack", str(count), "11")
    assert found["mib"] < 200
    assert 0.05 * count < found["pictures"] - found["files"] < 0.95 * count  # both ends were reached


def test_the_largest_files_stay_under_200_mib(tmp_path):
    files = {
        "png": file(Image.new("RGBA", (6300, 6300), (9, 8, 7, 6)), "PNG", compress_level=1),
        "webp": file(Image.new("RGB", (4064, 3048), "teal"), "WEBP", lossless=False, method=0),
        "tiff": file(Image.new("CMYK", (4000, 4000)), "TIFF", compression="tiff_deflate", tiffinfo={278: 4000}),
        "jpeg": file(Image.new("RGB", (7000, 7100), "teal"), "JPEG"),
        "scans": file(Image.new("RGB", (5200, 5200), "teal"), "JPEG", progressive=True, subsampling=0),
    }
    for (name, data), least in zip(files.items(), (100, 100, 60, 1, 100), strict=True):  # they are large indeed
        (tmp_path / name).write_bytes(data)
        found = measured("measure", str(tmp_path / name))
        assert least < found["mib"] < 200, name
        assert found["longest"] == 640


if __name__ == "__main__":
    if sys.argv[1] == "attack":
        print(json.dumps(attack(int(sys.argv[2]), int(sys.argv[3]))))
    else:
        content = Path(sys.argv[2]).read_bytes()
        decode(file(RGB, "PNG"))
        start = peak()
        size = max(decode(content).rgb.shape)
        print(json.dumps({"mib": peak() - start,
                          "longest": size}))  # fmt: skip


@pytest.mark.parametrize(("size", "turn"), [((1600, 900), 1), ((1600, 900), 6), ((100, 60), 1)])
def test_the_size_of_the_file_is_known_as_it_stands_upright(size, turn):
    out, exif = io.BytesIO(), Image.Exif()
    exif[ORIENTATION] = turn
    Image.new("RGB", size).save(out, "JPEG", exif=exif)
    assert decode(out.getvalue()).original == (size if turn == 1 else size[::-1])
