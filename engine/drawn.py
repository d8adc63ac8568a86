"""Pictures that our own code draws: a landscape whose every pixel has a known class, and a board of plain shapes.

References
1. Perlin 1985, "An image synthesizer": textures as sums of noise at halving scales.
2. Gould et al. 2009, Stanford Background: the eight classes that the landscape is labelled with.

Convention
----------
Positions are fractions of the picture: x from 0 (left) to 1, y from 0 (top) to 1. Everything is painted from far to
near at twice the final size and then averaged over 2 x 2 pixels; a pixel's label is the class that covers most of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

SKY, TREE, ROAD, GRASS, WATER, BUILDING, MOUNTAIN, FOREGROUND = range(8)
WIDTH, HEIGHT, FINE = 640, 480, 2  # final pixels, and the finer pixels on each side of one
HORIZON, ROAD_END = 0.50, 0.575

Colour = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class _Canvas:
    """What is painted so far, or a window on it, in fine pixels.

    rgb: (h, w, 3) float32 0..1; labels: (h, w) uint8; x: (1, w) and y: (h, 1), positions of the pixel centres.
    """

    dice: np.random.Generator
    rgb: np.ndarray
    labels: np.ndarray
    x: np.ndarray
    y: np.ndarray

    @staticmethod
    def blank(seed: int) -> _Canvas:
        h, w = HEIGHT * FINE, WIDTH * FINE
        x, y = (np.arange(w, dtype=np.float32) + 0.5) / w, (np.arange(h, dtype=np.float32) + 0.5) / h
        rgb, labels = np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.uint8)
        return _Canvas(np.random.default_rng(seed), rgb, labels, x[None, :], y[:, None])

    def window(self, left: float, top: float, right: float, bottom: float) -> _Canvas:
        """The part from (left, top) to (right, bottom); what is painted there is painted here."""
        columns, rows = np.searchsorted(self.x[0], (left, right)), np.searchsorted(self.y[:, 0], (top, bottom))
        part = slice(*rows), slice(*columns)
        return _Canvas(self.dice, self.rgb[part], self.labels[part], self.x[:, part[1]], self.y[part[0]])

    def noise(self, across: float, down: float, octaves: int = 5, keep: float = 0.5) -> np.ndarray:
        """(h, w) float32 with mean 0 and deviation 1: across x down cells in a whole picture, and finer ones."""
        h, w = self.labels.shape
        cells = np.array([down * h / (HEIGHT * FINE), across * w / (WIDTH * FINE)])
        total = np.zeros((h, w), np.float32)
        for octave in range(octaves):
            size = np.clip(np.rint(cells * 2**octave).astype(int), (min(h, 2), 2), (h, w))
            grid = Image.fromarray(self.dice.standard_normal(size, np.float32))
            total += keep**octave * np.asarray(grid.resize((w, h), Image.Resampling.BICUBIC))
        return (total - total.mean()) / (total.std() + 1e-6)

    def line(self, cells: float, octaves: int = 7, keep: float = 0.5) -> np.ndarray:
        """(1, w) float32: noise along x alone, for ridges and shores."""
        part = _Canvas(self.dice, self.rgb[:1], self.labels[:1], self.x, self.y[:1])
        return part.noise(cells, 1, octaves, keep)

    def paint(self, mask: np.ndarray, colour: np.ndarray | Colour, label: int | None) -> None:
        """Cover the pixels of `mask` (h, w) bool with `colour`, one or for each pixel; None keeps their label."""
        colour = np.broadcast_to(np.asarray(colour, np.float32), self.rgb.shape)
        self.rgb[mask] = colour[mask]
        if label is not None:
            self.labels[mask] = label

    def polygon(self, *points: tuple[float, float]) -> np.ndarray:
        """(h, w) bool: the inside of the polygon through `points` (x, y)."""
        h, w = self.labels.shape
        left, top = self.x[0, 0] * WIDTH * FINE, self.y[0, 0] * HEIGHT * FINE  # centre of the first pixel
        image = Image.new("1", (w, h))
        ImageDraw.Draw(image).polygon([(x * WIDTH * FINE - left, y * HEIGHT * FINE - top) for x, y in points], fill=1)
        return np.asarray(image)

    def disc(self, x: float, y: float, radius: float, squeeze: float = 1.0) -> np.ndarray:
        """(h, w) bool: a disc whose radius is a fraction of the height; `squeeze` < 1 makes it flat."""
        return ((self.x - x) * WIDTH / HEIGHT) ** 2 + ((self.y - y) / squeeze) ** 2 < radius**2

    def finish(self, grain: float) -> tuple[np.ndarray, np.ndarray]:
        """The final (H, W, 3) uint8 picture, with a little film grain, and its (H, W) uint8 labels."""
        rgb = self.rgb.reshape(HEIGHT, FINE, WIDTH, FINE, 3).mean((1, 3))
        rgb += grain * self.dice.standard_normal(rgb.shape, np.float32)
        blocks = self.labels.reshape(HEIGHT, FINE, WIDTH, FINE)
        share = np.stack([(blocks == label).sum((1, 3), dtype=np.uint8) for label in range(8)])
        out = np.rint(rgb.clip(0, 1) * 255).astype(np.uint8), share.argmax(0).astype(np.uint8)
        for array in out:
            array.setflags(write=False)
        return out


@lru_cache(maxsize=2)
def landscape(seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """A lake below mountains, a road past a house, a car: (480, 640, 3) uint8 RGB and (480, 640) uint8 labels.

    Labels are Stanford Background's: 0 sky 1 tree 2 road 3 grass 4 water 5 building 6 mountain 7 foreground.
    Read-only; the same seed gives the same pixels.
    """
    canvas = _Canvas.blank(seed)
    _sky(canvas.window(0, 0, 1, HORIZON + 0.03))
    _mountains(canvas.window(0, 0.1, 1, HORIZON + 0.03))
    _far_trees(canvas.window(0, HORIZON - 0.06, 1, HORIZON + 0.02))
    _lake(canvas)
    _meadow(canvas.window(0, 0.5, 1, 1))
    _road(canvas.window(0, ROAD_END, 1, 1))
    _house(canvas.window(0.13, 0.33, 0.52, 0.72))
    for x, y, size in ((0.86, 0.64, 0.15), (0.95, 0.75, 0.24), (0.055, 0.70, 0.17)):
        _tree(canvas, x, y, size)
    _car(canvas.window(0.55, 0.65, 0.8, 0.85))
    canvas.rgb[...] *= 1 - 0.25 * ((canvas.x - 0.5) ** 2 + (canvas.y - 0.5) ** 2)[..., None]  # the lens darkens corners
    return canvas.finish(grain=0.012)


def _mix(a: Colour, b: Colour, share: np.ndarray) -> np.ndarray:
    """(h, w, 3): colour a where `share` (h, w) is 0, b where it is 1."""
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return a + share.clip(0, 1)[..., None].astype(np.float32) * (b - a)


def _sky(c: _Canvas) -> None:
    height = c.y / HORIZON + 0 * c.x
    sky = _mix((0.27, 0.49, 0.80), (0.80, 0.88, 0.95), height**1.3)
    puffs = c.noise(4, 12, 7, 0.55) - 0.35
    cover = ((puffs * 0.75).clip(0, 1) * (1 - height**3).clip(0, 1))[..., None] ** 0.8
    shade = _mix((1.0, 0.99, 0.97), (0.78, 0.81, 0.86), (puffs - 0.6) * 0.6)
    c.paint(height > 0, sky + cover * (shade - sky), SKY)


def _mountains(c: _Canvas) -> None:
    ranges = (  # top and roughness of the ridge, rock, forest, haze, snow line
        (0.25, 0.065, (0.40, 0.42, 0.49), (0.33, 0.38, 0.43), 0.36, 0.255),
        (0.40, 0.035, (0.33, 0.37, 0.27), (0.17, 0.26, 0.16), 0.20, 0.0),
    )
    for top, rough, rock, forest, haze, snow in ranges:
        coarse = rough * c.line(3, 4, 0.5)
        ridge = top + coarse + 0.13 * rough * c.line(48, 5, 0.6)
        folds = c.noise(8, 8, 6, 0.5) + 30 * coarse  # spurs run down from the ridge
        slope = np.gradient(folds + 0.35 * c.noise(26, 26, 4, 0.6), axis=1) * 30
        light = (0.5 + 0.55 * np.tanh(slope)).clip(0, 1)  # the sun stands left
        grit = c.noise(160, 160, 2, 0.8)
        ground = _mix(rock, forest, (c.y - ridge) / 0.13 + 0.12 * grit)
        white = ((snow - c.y) * 22 + 1.2 * light - 0.2 + 0.15 * grit).clip(0, snow > 0)[..., None]
        ground += white * (np.array((0.97, 0.97, 1.0), np.float32) - ground)
        ground *= (0.50 + 0.62 * light + 0.03 * grit)[..., None]
        c.paint(c.y > ridge, ground + haze * (np.array((0.70, 0.79, 0.88), np.float32) - ground), MOUNTAIN)


def _lake(canvas: _Canvas) -> None:
    c = canvas.window(0, HORIZON, 1, 0.70)
    shore = HORIZON + 0.012 + 0.002 * c.line(6)
    depth = ((c.y - HORIZON) / 0.2).clip(0, 1)
    ripple = c.noise(24, 260, 3, 0.7) * (0.25 + depth)
    start, (rows, columns) = round(HORIZON * HEIGHT * FINE), np.indices(c.labels.shape)
    columns = (columns + ripple * 7).astype(int).clip(0, c.labels.shape[1] - 1)
    image = canvas.rgb[start - 1 - rows, columns]  # what stands above the horizon, mirrored
    water = image * 0.62 + np.array((0.06, 0.13, 0.18), np.float32)
    c.paint(c.y > shore, water * (1 + 0.09 * ripple + 0.12 * depth)[..., None], WATER)


def _meadow(c: _Canvas) -> None:
    shore = 0.60 + 0.06 * (c.x - 0.35) ** 2 - 0.09 * (c.x - 0.55).clip(0) / 0.45 + 0.006 * c.line(9)
    near = ((c.y - 0.55) / 0.45).clip(0, 1)
    coarse, fine, middle = c.noise(5, 14, 5), c.noise(320, 300, 2, 0.9), c.noise(90, 150, 3, 0.8)
    blades = fine * near**0.7 + middle * (1 - near) * 0.6
    grass = _mix((0.40, 0.50, 0.19), (0.22, 0.36, 0.10), 0.5 + 0.30 * coarse) * (1 + 0.20 * blades)[..., None]
    dry = (coarse * 0.3 + middle * 0.3 - 0.3).clip(0, 0.5)[..., None]
    grass += dry * (np.array((0.58, 0.54, 0.28), np.float32) - grass)
    c.paint(c.y > shore, grass * (1.06 - 0.25 * near)[..., None], GRASS)
    rim = np.array((0.50, 0.45, 0.33), np.float32) * (1 + 0.1 * blades)[..., None]
    c.paint((c.y > shore) & (c.y < shore + 0.006), rim, None)  # bare earth above the water


def _road(c: _Canvas) -> None:
    far = (c.y - ROAD_END) / (1 - ROAD_END)  # 0 where the road goes over the hill, 1 at our feet
    middle = 0.62 - 0.10 * far + 0.16 * (1 - far) ** 2
    side = (c.x - middle) / (0.008 + 0.27 * far**1.25)  # -1 and 1 are its edges
    asphalt = 0.40 + 0.028 * c.noise(300, 260, 2, 0.9) + 0.02 * c.noise(4, 30, 4)
    asphalt -= 0.05 * np.exp(-(((np.abs(side) - 0.5) / 0.16) ** 2))  # tyres darken it
    c.paint(np.abs(side) < 1.0, asphalt[..., None] * np.array((1.0, 0.99, 0.98), np.float32), ROAD)
    c.paint(np.abs(np.abs(side) - 0.93) < 0.02, (0.82, 0.82, 0.78), ROAD)
    c.paint((np.abs(side) < 0.022) & (np.sin(9 / (0.06 + far)) > 0), (0.83, 0.80, 0.70), ROAD)


def _foliage(c: _Canvas, mask: np.ndarray, light: np.ndarray, fine: float = 1.0) -> None:
    """Leaves on `mask`; light (h, w) from 0 in the shade to 1 in the sun."""
    leaves = c.noise(260 * fine, 200 * fine, 2, 0.9)
    green = _mix((0.07, 0.12, 0.05), (0.47, 0.55, 0.20), light + 0.11 * leaves)
    c.paint(mask, green, TREE)


def _far_trees(c: _Canvas) -> None:
    top = HORIZON + 0.008 - 0.014 * (1 + 0.8 * c.line(22, 6, 0.75)).clip(0.1, 3)
    light = 0.35 - (c.y - top) / 0.05 + 0.1 * c.noise(120, 60, 2)
    _foliage(c, (c.y > top) & (c.y < HORIZON + 0.016), light.clip(0, 0.5))


def _tree(canvas: _Canvas, x: float, foot: float, size: float) -> None:
    """A tree whose crown is about two `size` of the picture's height, with its shadow on the ground."""
    c = canvas.window(x - 1.3 * size, foot - 2.3 * size, x + 1.6 * size, foot + 0.2 * size)
    c.rgb[c.disc(x + 0.4 * size, foot, 0.75 * size, 0.16) & np.isin(c.labels, (GRASS, ROAD))] *= 0.6
    bark = (0.20 + 0.05 * c.noise(200, 30, 2))[..., None] * np.array((1.0, 0.82, 0.64), np.float32)
    trunk = ((-0.06, 0), (-0.03, -1.2), (0.03, -1.2), (0.05, 0))
    c.paint(c.polygon(*((x + dx * size, foot + dy * size) for dx, dy in trunk)), bark, TREE)
    for rise in np.sort(c.dice.uniform(-0.85, 0.8, 60))[::-1]:  # low clumps first, so that high ones cover them
        wide = 0.62 * np.sqrt(1 - (rise / 0.95) ** 2)
        dx = c.dice.uniform(-wide, wide)
        light = 0.42 - 0.28 * dx - 0.22 * rise + c.dice.uniform(-0.1, 0.1)
        _clump(canvas, x + dx * size, foot - 1.2 * size + rise * size, size * c.dice.uniform(0.08, 0.19), light)


def _clump(canvas: _Canvas, x: float, y: float, radius: float, light: float) -> None:
    reach = 1.5 * radius
    c = canvas.window(x - reach * HEIGHT / WIDTH, y - reach, x + reach * HEIGHT / WIDTH, y + reach)
    if not c.labels.size:
        return
    dx, dy = (c.x - x) * WIDTH / HEIGHT / radius, (c.y - y) / radius
    ragged = 1 + 0.45 * c.noise(130, 100, 3, 0.8)
    _foliage(c, dx**2 + dy**2 < ragged, light - 0.16 * dx - 0.24 * dy)


def _house(c: _Canvas) -> None:
    left, corner, right, base, eaves, top = 0.155, 0.30, 0.385, 0.665, 0.50, 0.395
    c.rgb[c.disc(0.35, base + 0.004, 0.17, 0.09) & (c.labels == GRASS)] *= 0.6
    boards = 1 + 0.03 * np.sign(np.sin(c.y * 480)) + 0.02 * c.noise(60, 60, 3)
    front = np.array((0.90, 0.86, 0.76), np.float32) * boards[..., None]
    c.paint(c.polygon((left, eaves), (corner, eaves), (corner, base), (left, base - 0.008)), front, BUILDING)
    gable = (corner, eaves), (0.343, top + 0.005), (right, eaves + 0.004), (right, base - 0.012), (corner, base)
    c.paint(c.polygon(*gable), front * 0.66, BUILDING)
    tiles = (0.9 + 0.07 * np.sign(np.sin(c.y * 700)) + 0.07 * c.noise(120, 60, 2))[..., None]
    c.paint(
        c.polygon(*_box(0.21, top - 0.045, 0.025, 0.09)), np.array((0.45, 0.27, 0.22), np.float32) * tiles, BUILDING
    )
    roof = (left - 0.012, eaves + 0.012), (left + 0.03, top), (0.343, top), (corner + 0.005, eaves + 0.012)
    c.paint(c.polygon(*roof), np.array((0.52, 0.26, 0.19), np.float32) * tiles, BUILDING)
    edge = (0.343, top - 0.007), (right + 0.012, eaves + 0.014), (right + 0.003, eaves + 0.016), (0.340, top + 0.007)
    c.paint(c.polygon(*edge), (0.34, 0.17, 0.13), BUILDING)
    glass = _mix((0.16, 0.21, 0.28), (0.55, 0.66, 0.78), (0.62 - c.y) * 8 + 0.2 * c.noise(30, 30, 2))
    for x in (0.172, 0.208, 0.268):
        c.paint(c.polygon(*_box(x - 0.003, 0.536, 0.028, 0.064)), (0.96, 0.95, 0.92), BUILDING)
        c.paint(c.polygon(*_box(x, 0.54, 0.0095, 0.056)), glass, BUILDING)
        c.paint(c.polygon(*_box(x + 0.012, 0.54, 0.0095, 0.056)), glass, BUILDING)
    c.paint(c.polygon(*_box(0.324, 0.535, 0.03, 0.055)), glass * 0.8, BUILDING)
    c.paint(c.polygon(*_box(0.238, 0.565, 0.024, 0.094)), (0.25, 0.33, 0.27), BUILDING)


def _box(x: float, y: float, width: float, height: float) -> tuple[tuple[float, float], ...]:
    return (x, y), (x + width, y), (x + width, y + height), (x, y + height)


def _car(c: _Canvas) -> None:
    """A red car on the right lane, seen from behind."""
    x, y, s = 0.672, 0.815, 0.052  # middle of its back, ground under its tyres, half its width

    def part(points: tuple[tuple[float, float], ...], colour: np.ndarray | Colour, mirror: bool = False) -> None:
        for sign in (1, -1) if mirror else (1,):
            c.paint(c.polygon(*((x + sign * dx * s, y + dy * s) for dx, dy in points)), colour, FOREGROUND)

    c.rgb[c.disc(x + 0.02, y, 1.5 * s, 0.13)] *= 0.42
    part(((0.61, -0.5), (0.95, -0.5), (0.93, 0.02), (0.63, 0.02)), (0.06, 0.06, 0.065), mirror=True)
    fade = (c.y - (y - 1.5 * s)) / (1.3 * s) - 0.25 + (c.x - x) * 2
    paint = _mix((0.80, 0.13, 0.11), (0.38, 0.04, 0.05), fade)
    part(
        ((-1, -0.95), (-0.92, -1.1), (0.92, -1.1), (1, -0.95), (1, -0.3), (0.92, -0.2), (-0.92, -0.2), (-1, -0.3)),
        paint,
    )
    roof = (-0.88, -1.09), (-0.66, -1.72), (-0.55, -1.8), (0.55, -1.8), (0.66, -1.72), (0.88, -1.09)
    part(roof, paint * 0.9)
    glass = _mix((0.62, 0.72, 0.82), (0.10, 0.12, 0.15), (c.y - (y - 1.75 * s)) / (0.55 * s) + 0.5 * (c.x - x) / s)
    part(((-0.72, -1.15), (-0.56, -1.68), (0.56, -1.68), (0.72, -1.15)), glass)
    part(((0.95, -0.92), (0.62, -0.92), (0.66, -0.70), (0.95, -0.68)), (0.95, 0.25, 0.14), mirror=True)
    part(((-0.30, -0.72), (0.30, -0.72), (0.30, -0.54), (-0.30, -0.54)), (0.93, 0.92, 0.84))
    part(((-0.98, -0.40), (0.98, -0.40), (0.94, -0.2), (-0.94, -0.2)), (0.17, 0.16, 0.17))


@lru_cache(maxsize=2)
def shapes(seed: int = 3) -> np.ndarray:
    """Plain coloured shapes with sharp edges on soft grey: (480, 640, 3) uint8 RGB, read-only."""
    c = _Canvas.blank(seed)
    c.paint(c.y + 0 * c.x < 1, _mix((0.90, 0.91, 0.93), (0.72, 0.74, 0.79), (c.x + c.y) / 2), 0)
    five = [(0.5 + 0.13 * r * np.sin(t) * HEIGHT / WIDTH, 0.70 - 0.17 * r * np.cos(t))
            for r, t in zip([1, 0.42] * 5, np.arange(10) * np.pi / 5, strict=True)]  # fmt: skip
    things = (
        (c.disc(0.20, 0.29, 0.17), (0.84, 0.22, 0.20)),
        (c.polygon(*_box(0.40, 0.12, 0.21, 0.28)), (0.13, 0.45, 0.72)),
        (c.polygon((0.68, 0.44), (0.81, 0.10), (0.94, 0.44)), (0.95, 0.73, 0.15)),
        (c.disc(0.19, 0.74, 0.17) & ~c.disc(0.19, 0.74, 0.09), (0.18, 0.60, 0.42)),
        (c.polygon(*five), (0.48, 0.25, 0.60)),
        (c.disc(0.80, 0.74, 0.15, 0.6), (0.90, 0.45, 0.13)),
    )
    for mask, colour in things:
        shadow = np.roll(mask, (14, 10), (0, 1)) & ~mask
        c.rgb[shadow] *= 0.86
        c.paint(mask, np.asarray(colour, np.float32) * (1.1 - 0.25 * c.y - 0.1 * c.x)[..., None], 0)
    return c.finish(grain=0.004)[0]
