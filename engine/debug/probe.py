"""Small changes of a picture, each with a strength in a stated unit, and the way back for those that move pixels.

References
1. Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2: a grey square that hides
   a part; figure 5: answers under translation, scale and rotation.
2. Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
   section 3: noise, blur, brightness and JPEG as graded corruptions. Lecture slide 102.
3. SciPy, `scipy.ndimage.gaussian_filter`; Pillow handbook, JPEG `quality`.

Convention
----------
Pictures are (H, W, 3) uint8 in the image's pixel frame (`engine.trace`). A rotation turns the content about the middle
of the picture, in degrees, positive is counter-clockwise on the screen; the frame stays, so the corners leave it.
`back` reads the logits of the changed picture where each pixel of the first one went: bilinear, half-pixel centres.
A patch is a square of `side` pixels whose middle is at x, y: columns x - side // 2 to x - side // 2 + side - 1.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.ndimage import gaussian_filter

from engine.debug.answers import Answer

SEED = 0  # of the noise
MOST = 10_000  # pixels: no place or side is larger


class ProbeError(ValueError):
    """This change of a picture does not exist; the message is one clear sentence."""


@dataclass(frozen=True)
class Probe:
    """A change of a picture. strength: in `unit`, from `low` to `high`; the picture stays itself at `none`, if at all.

    grid: strengths of a stability curve, from weak to strong; empty where there is no strength.
    Raises ProbeError where the strength is out of range.
    """

    strength: float = 0.0
    name: ClassVar[str] = "No change"
    unit: ClassVar[str] = ""
    low: ClassVar[float] = 0.0
    high: ClassVar[float] = 0.0
    step: ClassVar[float] = 1.0
    usual: ClassVar[float] = 0.0
    none: ClassVar[float | None] = 0.0
    grid: ClassVar[tuple[float, ...]] = ()
    moves: ClassVar[bool] = False  # pixels to other places

    def __post_init__(self) -> None:
        if not self.low <= self.strength <= self.high:  # nan is refused, too
            raise ProbeError(f"{self.name} goes from {self.low:g} to {self.high:g} {self.unit}".rstrip()
                             + f", and {self.strength:g} is outside.")  # fmt: skip

    @property
    def words(self) -> str:
        """The change and its strength."""
        return f"{self.name}, {self.strength:g} {self.unit}" if self.grid else self.name

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> the same shape, changed."""
        return rgb

    def back(self, answer: Answer, rgb: np.ndarray) -> tuple[Answer, np.ndarray]:
        """The answer to the changed picture in the frame of the first one `rgb`, and (H, W) bool: where it is known."""
        return replace(answer, rgb=rgb), np.ones(rgb.shape[:2], bool)


class Blur(Probe):
    """A Gaussian; edges are repeated."""

    name, unit, high, step, usual = "Blur", "px (sigma)", 16.0, 0.5, 3.0
    grid = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """Blurred by a Gaussian whose sigma is the strength."""
        return _bytes(gaussian_filter(rgb.astype(np.float32), (self.strength, self.strength, 0), mode="nearest"))


class Noise(Probe):
    """Gaussian noise, the same for each picture of a size."""

    name, unit, high, usual = "Noise", "grey levels (sd)", 100.0, 25.0
    grid = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 80.0)

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """With noise whose standard deviation is the strength, independent in each pixel and channel."""
        noise = np.random.default_rng(SEED).standard_normal(rgb.shape, np.float32)
        return _bytes(rgb + self.strength * noise)


class Brightness(Probe):
    """The light grows or falls by a factor."""

    name, unit, low, high, step, usual, none = "Brightness", "× (factor)", 0.1, 3.0, 0.1, 0.5, 1.0
    grid = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """Each grey level times the strength."""
        return _bytes(rgb.astype(np.float32) * np.float32(self.strength))


class Offset(Probe):
    """All grey levels move alike."""

    name, unit, low, high, usual = "Offset", "grey levels", -128.0, 128.0, 60.0
    grid = (-128.0, -96.0, -64.0, -32.0, 0.0, 32.0, 64.0, 96.0, 128.0)

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """Each grey level plus the strength."""
        return _bytes(rgb.astype(np.float32) + np.float32(self.strength))


class Jpeg(Probe):
    """Saved as JPEG and read again."""

    name, unit, low, high, usual, none = "JPEG", "quality", 1.0, 95.0, 15.0, None
    grid = (95.0, 75.0, 50.0, 30.0, 20.0, 10.0, 5.0, 1.0)

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """As a JPEG file of this quality has it, 1 (worst) to 95."""
        file = io.BytesIO()
        Image.fromarray(rgb).save(file, "JPEG", quality=round(self.strength))
        return np.array(Image.open(file))


class Rotation(Probe):
    """The content turns in its frame."""

    name, unit, low, high, usual, moves = "Rotation", "°", -180.0, 180.0, 15.0, True
    grid = (-90.0, -45.0, -30.0, -15.0, -5.0, 0.0, 5.0, 15.0, 30.0, 45.0, 90.0)

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """Turned, bilinear; pixels that come from outside the picture are its mean grey."""
        if self.strength == 0:
            return rgb
        turned = Image.fromarray(rgb).rotate(self.strength, Image.Resampling.BILINEAR, fillcolor=(grey(rgb),) * 3)
        return np.array(turned)

    def back(self, answer: Answer, rgb: np.ndarray) -> tuple[Answer, np.ndarray]:
        """See `Probe.back`; what the rotation took out of the frame is not known. Logits come back at each pixel."""
        if self.strength == 0:
            return super().back(answer, rgb)
        place, known = self.places(rgb.shape[:2])
        logits = torch.from_numpy(np.ascontiguousarray(answer.logits))[None]
        read = F.grid_sample(logits, torch.from_numpy(place)[None], padding_mode="border", align_corners=False)
        return replace(answer, rgb=rgb, logits=read[0].numpy()), known

    def places(self, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Where each pixel of the first picture (H, W) = `size` lies in the turned one: (H, W, 2) float32 (x, y), -1 to
        1 over the picture; and (H, W) bool, whether that is inside."""
        h, w = size
        y, x = np.mgrid[:h, :w].astype(np.float32) + 0.5
        x, y, angle = x - w / 2, y - h / 2, np.deg2rad(self.strength)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        u, v = cos * x + sin * y, cos * y - sin * x  # counter-clockwise, with y down
        place = np.stack([2 * u / w, 2 * v / h], -1)
        return place, (np.abs(place) <= 1).all(-1)


class LeftRight(Probe):
    """Left and right change places."""

    name, moves, none = "Mirror", True, None

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """Left and right exchanged."""
        return np.ascontiguousarray(rgb[:, ::-1])

    def back(self, answer: Answer, rgb: np.ndarray) -> tuple[Answer, np.ndarray]:
        """See `Probe.back`; exact."""
        return super().back(replace(answer, logits=np.ascontiguousarray(answer.logits[:, :, ::-1])), rgb)


class UpDown(Probe):
    """Top and bottom change places."""

    name, moves, none = "Upside down", True, None

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """Top and bottom exchanged."""
        return np.ascontiguousarray(rgb[::-1])

    def back(self, answer: Answer, rgb: np.ndarray) -> tuple[Answer, np.ndarray]:
        """See `Probe.back`; exact."""
        return super().back(replace(answer, logits=np.ascontiguousarray(answer.logits[:, ::-1])), rgb)


@dataclass(frozen=True)
class Patch(Probe):
    """A grey square hides a part; the strength is its side, x and y its middle (see Convention)."""

    x: int = 0
    y: int = 0
    name, unit, high, usual = "Grey patch", "px (side)", 400.0, 96.0
    grid = (0.0, 16.0, 32.0, 48.0, 64.0, 96.0, 128.0, 192.0, 256.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.x <= MOST and 0 <= self.y <= MOST):
            raise ProbeError("The middle of the patch lies outside of every picture.")

    @property
    def words(self) -> str:
        """The side and the place of it."""
        return f"{self.name}, side {self.strength:g} px at ({self.x}, {self.y})"

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """With the square in the picture's mean grey; what of it lies outside is cut."""
        out, (rows, columns) = rgb.copy(), self.area()
        out[rows, columns] = grey(rgb)
        return out

    def area(self) -> tuple[slice, slice]:
        """Rows and columns of the square, from 0 on."""
        side = round(self.strength)
        return tuple(slice(max(at - side // 2, 0), max(at - side // 2 + side, 0)) for at in (self.y, self.x))


PROBES: dict[str, type[Probe]] = {
    kind.name: kind for kind in (Probe, Blur, Noise, Brightness, Offset, Jpeg, Rotation, LeftRight, UpDown, Patch)
}


def grey(rgb: np.ndarray) -> int:
    """The mean grey level of a picture (H, W, 3), 0 to 255."""
    return round(float(rgb.mean()))


def _bytes(levels: np.ndarray) -> np.ndarray:
    return np.rint(levels.clip(0, 255)).astype(np.uint8)
