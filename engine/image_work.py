"""How much work a picture's file asks for, judged by its header before anything is decoded.

References
1. ITU-T T.81 (JPEG), annex B: markers and scans; of a progressive picture the decoder keeps all coefficients.
2. TIFF 6.0: BitsPerSample, SamplesPerPixel, TileWidth and TileLength.
"""

from __future__ import annotations

from PIL import Image, TiffImagePlugin


def bytes_per_pixel(image: Image.Image, name: str, data: bytes) -> float:
    """The memory that decoding takes at its peak for each pixel that the header promises."""
    if name == "WEBP":
        return 15.0  # libwebp's canvas, its copy, the bytes, the picture
    if name == "JPEG":
        return 1 + 2 * len(image.getbands()) if scans(image, data) else 0.5  # all coefficients, or a few rows
    if name == "TIFF":
        tags = image.tag_v2
        bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
        sample = max(sum(bits), bits[0] * tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1)) / 8
        tile = tags.get(TiffImagePlugin.TILEWIDTH, 0) * tags.get(TiffImagePlugin.TILELENGTH, 0)
        return 8 + sample * max(1.0, tile / (image.width * image.height))
    return 4.0


def scans(image: Image.Image, data: bytes) -> int:
    """The passes over a JPEG whose coefficients are all kept in memory; 0 for one that is read row by row."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    all_at_once = data[at : at + 2] == b"\xff\xda" and data[at + 4] >= len(image.getbands())
    return 0 if all_at_once and not image.info.get("progressive") else data.count(b"\xff\xda", at)
