"""Pictures to begin with: photographs that scikit-image and scikit-learn bring along, and pictures that we draw.

Nothing of the two packages is copied; their files are read where pip put them. Ground truth is exact for the drawn
landscape, and traced by hand for some photographs (assets/gallery/SLUG.LABELS.json, our own work).

References
1. scikit-image, `skimage/data/_fetchers.py`: source and licence in the docstring of each picture.
2. scikit-learn, `sklearn/datasets/images/README.txt`: the same for its two photographs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from engine import drawn
from engine.data import stanford, voc
from engine.images import Picture, decode
from engine.trace import VOID

ASSETS = Path(__file__).parents[1] / "assets" / "gallery"
LABELS = {s.name: s.classes for s in (stanford.LABELS, voc.LABELS)}  # label set -> class names in index order
DEFAULT = "china"


class GalleryError(ValueError):
    """There is no such picture, or no such labels; the message is one clear sentence."""


@dataclass(frozen=True)
class GalleryImage:
    """One picture of the gallery and where it comes from.

    slug: its name in a URL. file: "package:path" of an installed package, or "drawn:function" of `engine.drawn`.
    """

    slug: str
    title: str
    credit: str
    licence: str
    source: str
    file: str

    def load(self) -> Picture:
        """The picture, at most 640 pixels on its longer side, read-only; the same object each time."""
        return _load(self.slug)

    def truth(self, labels: str) -> np.ndarray | None:
        """(H, W) uint8 classes of the label set "stanford" or "animals", `VOID` = 255 where nobody may judge.

        None where nobody labelled this picture. Raises GalleryError for another label set.
        """
        if labels not in LABELS:
            raise GalleryError(f'There is no label set "{labels}"; the label sets are {", ".join(LABELS)}.')
        return _truth(self.slug, labels)


_CC0 = "CC0 1.0"
_CC_BY = "CC BY 2.0"
_SKIMAGE, _FLICKR = "https://scikit-image.org/docs/stable/api/skimage.data.html", "https://www.flickr.com/photos/"

_IMAGES = {
    image.slug: image
    for image in (
        GalleryImage("china", "Pagoda above a lake", "danielbuechele, Flickr, in scikit-learn", _CC_BY,
                     _FLICKR + "danielbuechele/6061409035/", "sklearn:datasets/images/china.jpg"),
        GalleryImage("landscape", "Drawn landscape", "drawn by Saccade, every pixel's class is known", "MIT",
                     "engine/drawn.py", "drawn:landscape"),
        GalleryImage("chelsea", "Chelsea the cat", "Stefan van der Walt, in scikit-image", _CC0,
                     _SKIMAGE + "#skimage.data.chelsea", "skimage:data/chelsea.png"),
        GalleryImage("astronaut", "Eileen Collins", "NASA, in scikit-image", "public domain",
                     "https://flic.kr/p/r9qvLn", "skimage:data/astronaut.png"),
        GalleryImage("camera", "Man with a camera", "Lav Varshney, in scikit-image", _CC0,
                     _SKIMAGE + "#skimage.data.camera", "skimage:data/camera.png"),
        GalleryImage("rocket", "Falcon 9 rocket", "SpaceX, in scikit-image", "public domain",
                     _FLICKR + "spacexphotos/16511594820/", "skimage:data/rocket.jpg"),
        GalleryImage("coffee", "Cup of coffee", "Rachel Michetti, Pikolo Espresso Bar, in scikit-image", _CC0,
                     _SKIMAGE + "#skimage.data.coffee", "skimage:data/coffee.png"),
        GalleryImage("flower", "Dahlia", "vultilion, Flickr, in scikit-learn", _CC_BY,
                     _FLICKR + "vultilion/6056698931/", "sklearn:datasets/images/flower.jpg"),
        GalleryImage("coins", "Greek coins", "Brooklyn Museum, in scikit-image",
                     "no known copyright restrictions",
                     "https://www.brooklynmuseum.org/opencollection/archives/image/51611", "skimage:data/coins.png"),
        GalleryImage("shapes", "Drawn shapes", "drawn by Saccade", "MIT", "engine/drawn.py", "drawn:shapes"),
    )
}  # fmt: skip


def names() -> tuple[str, ...]:
    """The slugs of all pictures, in the order in which they are shown."""
    return tuple(_IMAGES)


def get(slug: str) -> GalleryImage:
    """The picture named `slug`. Raises GalleryError for an unknown name."""
    if slug not in _IMAGES:
        raise GalleryError(f"The gallery has no picture of that name; it has {', '.join(_IMAGES)}.")
    return _IMAGES[slug]


def tile(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`rgb` (H, W, 3) uint8 scaled and cut to `size` (width, height), (h, w, 3) uint8.

    Of a picture that is higher than the tile its upper end stays, where heads are; of a wider one the middle.
    """
    return np.asarray(ImageOps.fit(Image.fromarray(rgb), size, Image.Resampling.LANCZOS, centering=(0.5, 0.0)))


@cache
def _load(slug: str) -> Picture:
    package, _, path = get(slug).file.partition(":")
    if package == "drawn":
        rgb = drawn.landscape()[0] if path == "landscape" else drawn.shapes()
        return Picture(rgb, (), slug)
    spec = find_spec(package)  # finds the folder without running the package
    file = Path(spec.origin).parent / path if spec and spec.origin else Path(path)
    if not file.is_file():
        raise GalleryError(f"The picture {slug} is missing: the installed {package} does not hold {path}.")
    return decode(file.read_bytes())


@cache
def _truth(slug: str, labels: str) -> np.ndarray | None:
    file = ASSETS / f"{slug}.{labels}.json"
    if (slug, labels) == ("landscape", "stanford"):
        truth = drawn.landscape()[1]
    elif file.is_file():
        truth = paint(json.loads(file.read_text(encoding="utf8")), LABELS[labels])
    else:
        return None
    truth.setflags(write=False)
    return truth


def paint(drawing: dict, classes: tuple[str, ...]) -> np.ndarray:
    """(H, W) uint8 labels from polygons painted one over the other; `VOID` before, and in a band along each border.

    drawing: size (width, height), band (width in pixels on each side), polygons with a label and points (x, y) in
    pixels, origin at the outer corner of the top left pixel.
    """
    width, height = drawing["size"]
    image = Image.new("L", (4 * width, 4 * height), VOID)  # finer, for Pillow fills the outline too
    pen = ImageDraw.Draw(image)
    for polygon in drawing["polygons"]:
        fill = VOID if polygon["label"] == "void" else classes.index(polygon["label"])
        pen.polygon([(4 * x - 0.5, 4 * y - 0.5) for x, y in polygon["points"]], fill=fill)
    labels = np.array(image)[2::4, 2::4].copy()
    border = np.zeros_like(labels, bool)
    for axis in (0, 1):
        change = np.diff(labels.astype(int), axis=axis) != 0
        for side in ((1, 0), (0, 1)):
            border |= np.pad(change, [side if a == axis else (0, 0) for a in (0, 1)])
    for _ in range(drawing["band"] - 1):
        wide = np.pad(border, 1)
        border = border | wide[2:, 1:-1] | wide[:-2, 1:-1] | wide[1:-1, 2:] | wide[1:-1, :-2]
    labels[border] = VOID
    return labels
