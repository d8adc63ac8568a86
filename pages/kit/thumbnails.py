"""Make the pictures of the cards on the home page from real traces: `make thumbnails`."""

from __future__ import annotations

import io
import sys

import numpy as np
from PIL import Image, ImageOps

from engine import gallery, render, zoo
from engine.cards import ASSETS
from engine.debug import compare_steps, layer_steps, layers, probe, verdict_steps
from engine.debug.answers import answer
from engine.debug.compare import compare
from engine.debug.verdict import verdict
from engine.metrics import boundary_band
from engine.spatial import drawing
from engine.spatial.autoplay import film
from engine.spatial.contact import BLUE, stroked, tile
from engine.spatial.placing import draw
from engine.spatial.presets import presets
from engine.spatial.samples import samples
from engine.spatial.sampling import Sampling
from engine.spatial.transforms import FAMILIES
from pages.kit.rooms import (
    CAPTIONS,
    COMPARE,
    FCN,
    GRID,
    LAYERS,
    MANY,
    MULTISCALE,
    OWN,
    PATCHES,
    PROBE,
    RECURRENT,
    REPLAY,
    TRANSFORMER,
    TRUTH,
)

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


def dragged(picture: str) -> np.ndarray:
    """The upright middle of a gallery picture with a swirling sampling grid on it, and what the grid sees beside it."""
    rgb = gallery.get(picture).load().rgb
    height, width = rgb.shape[:2]
    side = min(width, 3 * height // 4)  # two of them make 3 : 2
    rgb = np.ascontiguousarray(rgb[:, (width - side) // 2 :][:, :side])
    spline = FAMILIES["tps"]
    trace = drawing.morph(rgb, spline, spline.identity, presets(spline, side / height)["swirl"], 2, Sampling())
    return render.render(trace, 1)


def held(name: str, sample: int) -> np.ndarray:
    """A sample digit in three poses with the outline of the transformer's grid on it, and below each what it sees."""
    model, side = zoo.load(name), SIZE[0] // 3
    poses = ((-40.0, 0.8, -5.0, 5.0), (0.0, 1.1, 4.0, 3.0), (42.0, 0.9, 5.0, -5.0))
    inputs = np.stack([draw(samples().images[sample], model.task, pose) for pose in poses]) / 255
    made = film(model, None, inputs[:, None])
    lines = made.outline * side / model.task.size
    above = [stroked(tile(x, side), [(line, BLUE, 3)]) for x, line in zip(inputs, lines, strict=True)]
    return np.vstack([np.hstack(above), np.hstack([tile(crop / 255, side) for crop in made.crops])])


def judged(name: str, picture: str) -> np.ndarray:
    """The labels of a gallery picture, and the pixels that its ground truth calls wrong."""
    model, of = zoo.load(name), gallery.get(picture)
    truth, said = of.truth(model.card.settings["labels"]), answer(model, of.load().rgb)
    found = verdict(truth, said.labels, said.certainty, len(said.classes))
    trace = verdict_steps.with_verdict(verdict_steps.labelled(said), said, truth, found, boundary_band(truth),
                                       verdict_steps.Focus())  # fmt: skip
    return halves(render.render(trace, verdict_steps.LABELS), render.render(trace, verdict_steps.ERRORS))


def against(one: str, other: str, picture: str) -> np.ndarray:
    """A's labels of a gallery picture, and where B differs."""
    rgb = gallery.get(picture).load().rgb
    trace = compare_steps.trace(compare(*(answer(zoo.load(name), rgb) for name in (one, other))))
    return halves(render.render(trace, compare_steps.A), render.render(trace, compare_steps.DIFFER))


def probed(name: str, picture: str) -> np.ndarray:
    """The labels of a gallery picture before and after it is made noisy."""
    rgb, model, noise = gallery.get(picture).load().rgb, zoo.load(name), probe.Noise(60.0)
    noisy = noise.apply(rgb)
    return halves(*(render.render(verdict_steps.labelled(answer(model, x)), 0) for x in (rgb, noisy)))


def opened(name: str, picture: str, layer: str) -> np.ndarray:
    """The mean strength of a layer, and its strongest channel."""
    rgb, model = gallery.get(picture).load().rgb, zoo.load(name)
    recording = layers.record(model, rgb)
    maps = layers.capture(model, rgb, layer)
    trace = layer_steps.trace(rgb, model.card.asdict(), recording, recording[layer], 0, maps)
    return halves(render.render(trace, 1), render.render(trace, 2))


def contact(name: str, pictures: tuple[str, ...]) -> np.ndarray:
    """Gallery pictures with their labels, three in a row."""
    model, side = zoo.load(name), (SIZE[0] // 3, SIZE[1] // 2)
    tiles = []
    for slug in pictures:
        labelled = verdict_steps.labelled(answer(model, gallery.get(slug).load().rgb))
        tiles.append(gallery.tile(render.render(labelled, 0), side))
    return np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])])


def sheet(name: str, picture: str) -> np.ndarray:
    """All steps of a trace on one sheet."""
    data = render.sheet(zoo.load(name).trace(gallery.get(picture).load().rgb), 3)
    return np.asarray(ImageOps.pad(Image.open(io.BytesIO(data)), SIZE, color="white"))


THUMBNAILS = {
    PATCHES: (traced, "patches", "landscape", "Window", "All pixels at once"),
    MULTISCALE: (traced, "multiscale", "china", "Octave 1/4", "Cover"),
    RECURRENT: (traced, "recurrent", "china", "Pass 1", "Pass 3"),
    FCN: (traced, "fcn-scenes", "landscape", "Learned upsampling", "+ skip, stride 8"),
    CAPTIONS: (traced, "caption-soft", "astronaut", 0, 2),
    GRID: (dragged, "astronaut"),
    TRANSFORMER: (held, "digits-rts-affine", 43),
    TRUTH: (judged, "fcn-scenes", "china"),
    COMPARE: (against, "multiscale-classic", "fcn-scenes", "china"),
    PROBE: (probed, "fcn-scenes", "landscape"),
    LAYERS: (opened, "fcn-scenes", "china", "trunk.stages.1.0.depthwise"),
    MANY: (contact, "fcn-scenes", ("chelsea", "landscape", "china", "astronaut", "coffee", "rocket")),
    OWN: (traced, "fcn-animals", "astronaut", "Scores, stride 32", "Labels"),
    REPLAY: (sheet, "fcn-scenes", "china"),
}  # fmt: skip


def main() -> None:
    """Write each thumbnail below assets/, or those of the pages whose addresses are given."""
    for page, (make, *of) in THUMBNAILS.items():
        if page.url not in (sys.argv[1:] or [page.url]):
            continue
        path = ASSETS / page.thumbnail
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(make(*of)).resize(SIZE, Image.Resampling.LANCZOS).save(path, "WEBP", quality=85)


if __name__ == "__main__":
    main()
