"""Make the pictures of the cards on the home page from real traces: `make thumbnails`."""

from __future__ import annotations

import numpy as np
from PIL import Image

from engine import gallery, render, zoo
from engine.cards import ASSETS
from pages.kit.rooms import FCN

SIZE = (480, 320)


def fcn() -> np.ndarray:
    """The landscape, its left half labelled by FCN-32s, its right half by FCN-8s."""
    trace = zoo.load("fcn-scenes").trace(gallery.get("landscape").load().rgb)
    coarse, fine = render.render(trace, 2), render.render(trace, 4)
    middle = fine.shape[1] // 2
    fine[:, :middle] = coarse[:, :middle]
    fine[:, middle - 1 : middle + 1] = 255
    return fine


def main() -> None:
    """Write each thumbnail below assets/."""
    for page, make in ((FCN, fcn),):
        path = ASSETS / page.thumbnail
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(make()).resize(SIZE, Image.Resampling.LANCZOS).save(path, "WEBP", quality=85)


if __name__ == "__main__":
    main()
