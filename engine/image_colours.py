"""Colours as sRGB: the profile that a picture brings is applied, so that a network sees what people see.

References
1. ICC.1:2022 (profile version 4.4): colour spaces, rendering intents.
2. IEC 61966-2-1: sRGB. Everything in Saccade is sRGB, and so were the pictures that the networks learned from.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageCms

MOST_BYTES = 8_000_000  # of a profile
SAME = 3  # grey levels of 255: a profile that moves no colour by more is sRGB
LOST = "its colour profile cannot be used"
_NAMES = ("Display P3", "Adobe RGB", "ProPhoto", "Rec. 2020", "DCI-P3", "Dot Gain", "Gray Gamma")  # as profiles say
_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


@dataclass(frozen=True, eq=False)
class Colours:
    """What brings a picture's colours to sRGB.

    mode: "RGB", "L" or "CMYK", what `apply` takes; "" where nothing needs to be done. note: of what is done, or "".
    """

    mode: str = ""
    note: str = ""
    transform: ImageCms.ImageCmsTransform | None = None

    def apply(self, image: Image.Image) -> Image.Image:
        """`image` of this mode, or grey in RGB, as sRGB."""
        if self.mode == "L" and image.mode == "RGB":
            image = image.getchannel(0)
        return ImageCms.applyTransform(image, self.transform)


def colours(image: Image.Image) -> Colours:
    """The way from the colours of an opened picture to sRGB, by the profile in its file."""
    data = image.info.get("icc_profile")
    if not data:
        return Colours()
    try:
        if len(data) > MOST_BYTES:
            raise ValueError
        profile = ImageCms.getOpenProfile(io.BytesIO(data))
        mode = _SPACES[profile.profile.xcolor_space]
        grey = len(image.getbands()) < 3 and image.mode not in ("P", "PA")
        if (mode == "CMYK") != (image.mode == "CMYK") or (mode == "L" and not grey):
            raise ValueError
        transform = ImageCms.buildTransform(profile, _srgb(), mode, "RGB")
        if mode != "CMYK" and _moves(transform, mode) <= SAME:
            return Colours()
        words = profile.profile.profile_description or ""
        name = next((name for name in _NAMES if name.lower() in words.lower()), "colours of its profile")
        return Colours(mode, f"{name} to sRGB", transform)
    except Exception:  # a broken profile does not spoil a good picture
        return Colours(note=LOST)


def _moves(transform: ImageCms.ImageCmsTransform, mode: str) -> int:
    """The most grey levels by which any of many colours changes."""
    steps = np.linspace(0, 255, 18).astype(np.uint8)
    if mode == "L":
        before = np.repeat(steps[None, :, None], 3, 2)
        image = Image.fromarray(steps[None])
    else:
        before = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
        image = Image.fromarray(before)
    after = np.asarray(ImageCms.applyTransform(image, transform))
    return int(np.abs(after.astype(int) - before).max())


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
