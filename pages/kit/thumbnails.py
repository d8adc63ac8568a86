"""Make the pictures of the cards on the home page from real traces: `make thumbnails`."""

from __future__ import annotations

import numpy as np
from PIL import Image

from engine import gallery, render, zoo
from engine.cards import ASSETS
from pages.kit.rooms import CAPTIONS, FCN, MULTISCALE, PATCHES, RECURRENT

SIZE = (480, 320)


def halves(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two renderings (H, W, 3) of one picture as by a wipe in the middle."""
    middle = right.shape[1] // 2
    joined = right.copy()
    joined[:, :middle] = left[:, :middle]
    joined[:, middle - 1 : middle + 1] = 255
    return joined


def traced(name: str, picture: str, left: str | int, right: str | int) -> np.ndarray:
    """The steps of these titles or numbers of the Trace that the model `name` makes of a gallery picture."""
    trace = zoo.load(name).trace(gallery.get(picture).load().rgb)
    titles = [step.title for step in trace.steps]
    steps = (title if isinstance(title, int) else titles.index(title) for title in (left, right))
    return halves(*(render.render(trace, step) for step in steps))


THUMBNAILS = {
    PATCHES: ("patches", "landscape", "Window", "All pixels at once"),
    MULTISCALE: ("multiscale", "china", "Octave 1/4", "Cover"),
    RECURRENT: ("recurrent", "china", "Pass 1", "Pass 3"),
    FCN: ("fcn-scenes", "landscape", "Learned upsampling", "+ skip, stride 8"),
    CAPTIONS: ("caption-soft", "astronaut", 0, 2),
}  # fmt: skip


def main() -> None:
    """Write each thumbnail below assets/."""
    for page, of in THUMBNAILS.items():
        path = ASSETS / page.thumbnail
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(traced(*of)).resize(SIZE, Image.Resampling.LANCZOS).save(path, "WEBP", quality=85)


if __name__ == "__main__":
    main()
