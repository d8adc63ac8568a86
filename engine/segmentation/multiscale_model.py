"""Multi-scale labelling as people meet it: octaves, their sum, who decided where, superpixels, and a tree's cover.

References
1. Farabet, Couprie, Najman and LeCun 2013; the networks are `engine.segmentation.multiscale`, what is done to their
   answer `engine.segmentation.parsing`.
2. Lecture slides 28-33.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from engine import palette, pyramid, tensors
from engine.cards import Card
from engine.receptive import Field, of_convolutions
from engine.runs import Tell, quiet
from engine.segmentation.labelling import Labelling, Reading, changed, heat_layer, label_table
from engine.segmentation.multiscale import MULTIPLE, OCTAVES, Classic, MultiScale, Pyramid
from engine.segmentation.parsing import USUAL, Superpixels, region_labels, region_steps, segment
from engine.segmentation.tree import Tree
from engine.trace import Layer, Step, Table, Trace
from engine.zoo import read_weights

NAMES = tuple("octave 1" if s == 1 else f"octave 1/{s}" for s in OCTAVES)

Gains = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Encoding:
    """One picture (H, W, 3) uint8 after the network: its `levels` as the network saw them, (1, 3, h / s, w / s) each,
    and what each octave adds to the logits, (1, K, h / stride, w / stride) each, finest first."""

    rgb: np.ndarray
    levels: tuple[Tensor, ...]
    parts: tuple[Tensor, ...]


def build(card: Card, device: str) -> MultiScaleModel:
    """The bundled model that `card` describes, on `device`. Raises ModelError."""
    size = card.settings.get("trunk")
    network = Classic(len(card.classes)) if size is None else MultiScale(len(card.classes), size)
    network.load_state_dict(read_weights(card))
    return MultiScaleModel(card, network, device)


class MultiScaleModel(Labelling):
    """A trained `Pyramid` network with what the paper does to its answer."""

    variants = ("single scale", "multi-scale", "superpixels", "cover")
    answer = "multi-scale"
    scored = variants[:2]  # superpixels and cover choose among regions
    multiple = MULTIPLE
    network: Pyramid

    def __init__(self, card: Card, network: Pyramid, device: str = "cpu") -> None:
        super().__init__(card, network, device)
        self.fields = tuple(_field(network, octave) for octave in range(len(OCTAVES)))

    @torch.inference_mode()
    def encode(self, rgb: np.ndarray, average: bool = False) -> Encoding:
        """Run the network on (H, W, 3) uint8. average: the mean over six views (`averaged`)."""
        size = self.working_size(rgb)
        levels = self.network.levels(tensors.to_input(rgb, size, self.device))
        return Encoding(rgb, tuple(levels), tuple(self.averaged(lambda s, m: self._parts(rgb, s, m), size, average)))

    def _parts(self, rgb: np.ndarray, size: tuple[int, int], mirror: bool) -> list[Tensor]:
        x = tensors.to_input(rgb, size, self.device)
        with self.autocast():
            parts = self.network.parts(x.flip(-1) if mirror else x)
        return [p.float().flip(-1) if mirror else p.float() for p in parts]

    def logits(self, encoding: Encoding, gains: Gains = (1.0, 1.0, 1.0)) -> Tensor:
        """(1, K, h, w) float32 logits with each octave scaled by its gain, finest first."""
        return sum(g * part for g, part in zip(gains, encoding.parts, strict=True))

    def scores(self, encoding: Encoding, variant: str | None = None) -> Tensor:
        """(1, K, h, w) float32 logits of a variant; see `Labelling.scores`."""
        single, many = self.scored
        return {single: encoding.parts[0], many: self.logits(encoding)}[variant or self.usual]

    def probability(self, encoding: Encoding, tree: Tree, gains: Gains = (1.0, 1.0, 1.0)) -> np.ndarray:
        """(K, h, w) float32: class probabilities at each pixel of the picture that `tree` was made from."""
        return tensors.to_pixels(self.logits(encoding, gains), tree.leaves.shape)[0].softmax(0).cpu().numpy()

    def labels(self, encoding: Encoding, gains: Gains = (1.0, 1.0, 1.0)) -> np.ndarray:
        """(H, W) uint8: the class of the highest logit at each pixel of the picture."""
        return tensors.to_labels(self.logits(encoding, gains), encoding.rgb.shape[:2])

    def all_labels(self, encoding: Encoding, tree: Tree | None = None,
                   gains: Gains = (1.0, 1.0, 1.0)) -> dict[str, np.ndarray]:  # fmt: skip
        """Labels (H, W) uint8 of each variant. tree: superpixels of the picture, made here if missing."""
        tree = segment(encoding.rgb) if tree is None else tree
        probability, size = self.probability(encoding, tree, gains), encoding.rgb.shape[:2]
        single, many = tensors.to_labels(encoding.parts[0], size), self.labels(encoding, gains)
        return dict(zip(self.variants, (single, many, *region_labels(probability, tree, size)), strict=True))

    def predict(self, rgb: np.ndarray, average: bool = False) -> dict[str, np.ndarray]:
        """Labels (H, W) uint8 of each variant: the finest octave alone, all octaves, superpixels, the cover."""
        return self.all_labels(self.encode(rgb, average))

    def trace(self, image: np.ndarray | Encoding, gains: Gains = (1.0, 1.0, 1.0), average: bool = False,
              tree: Tree | None = None, superpixels: Superpixels = USUAL) -> Trace:  # fmt: skip
        """The steps from the pyramid to the cover, each octave scaled by its gain, finest first; 0 mutes one.

        image: (H, W, 3) uint8 or what `encode` gave. tree: `segment(rgb, superpixels)`, made here if missing.
        The classes of the Trace are the model's, then the octaves, for the map of which one decided where.
        """
        encoding = image if isinstance(image, Encoding) else self.encode(image, average)
        tree = segment(encoding.rgb, superpixels) if tree is None else tree
        probability = self.probability(encoding, tree, gains)
        steps = (*self._scales(encoding, gains), *region_steps(encoding.rgb, probability, tree, self.card.classes))
        settings = {"gains": list(gains), "average": average, "superpixels": asdict(superpixels)}
        colours = np.concatenate([self.colours, palette.safe(len(self.colours) + len(NAMES))[-len(NAMES) :]])
        return Trace(encoding.rgb, self.card.asdict(), steps, self.card.classes + NAMES, colours, settings)

    @torch.inference_mode()
    def _scales(self, encoding: Encoding, gains: Gains) -> list[Step]:
        photo = Layer("image", "picture", encoding.rgb)
        sizes = [f"{x.shape[-1]} x {x.shape[-2]}" for x in encoding.levels]
        logits, parts = self.logits(encoding, gains), [g * p for g, p in zip(gains, encoding.parts, strict=True)]
        steps = [Step("Pyramid", f"The same network looks at {', '.join(sizes[:-1])} and {sizes[-1]} pixels; a cell "
                      f"sees {', '.join(f'{f.size:.0f}' for f in self.fields)} pixels of the largest.",
                      (photo, *(self.cells(encoding, i, grid=False) for i in range(len(OCTAVES)))))]  # fmt: skip
        for i, (name, part) in enumerate(zip(NAMES, parts, strict=True)):
            words = f"Muted: {name} adds nothing." if gains[i] == 0 else (
                f"{sizes[i]} pixels, and a cell sees {self.fields[i].size:.0f} pixels of octave 1: by itself "
                f"it differs from the sum in {changed(part, logits)} of the picture.")  # fmt: skip
            seen = Layer("image", f"{name} as the network sees it", _seen(encoding.levels[i], self.network))
            named = () if gains[i] == 0 else (self.label_layer(f"labels, {name}", part),)
            table = label_table(part, self.card.classes) if named else None
            steps.append(Step(name.capitalize(), words, (seen, *named, self.cells(encoding, i)), table))
        adds = tuple(heat_layer(f"adds, {name}", part) for name, part in zip(NAMES, parts, strict=True))
        steps.append(Step("Sum", f"The class of the highest sum; {changed(parts[0], logits)} of the picture differs "
                          f"from octave 1 alone.", (photo, self.label_layer("labels", logits), *adds),
                          label_table(logits, self.card.classes)))  # fmt: skip
        return [*steps, self._deciders(photo, parts, logits)]

    def _deciders(self, photo: Layer, parts: list[Tensor], logits: Tensor) -> Step:
        """Which octave did most for the winner against the class that came second, and by how much."""
        first, second = logits[0].topk(2, dim=0).indices
        pushes = torch.stack([p[0].gather(0, first[None])[0] - p[0].gather(0, second[None])[0] for p in parts])
        order = pushes.sort(dim=0, descending=True)
        winner, lead = order.indices[0], order.values[0] - order.values[1]
        shares = torch.bincount(winner.flatten(), minlength=len(parts)) / winner.numel()
        rows = tuple((n, round(100 * float(s), 1), round(float(p.mean()), 2))
                     for n, s, p in zip(NAMES, shares, pushes, strict=True))  # fmt: skip
        words = ", ".join(f"{n} in {100 * float(s):.0f} %" for n, s in zip(NAMES, shares, strict=True))
        won = (winner + len(self.card.classes)).to(torch.uint8).cpu().numpy()
        top = float(lead.max().clamp(min=1e-6))
        return Step("Who decided", f"Each octave pushes the winning class away from the second; most did {words}.", (
            photo, Layer("labels", "the octave that pushed most", won),
            Layer("heat", "its lead over the next octave", lead.float().cpu().numpy(), range=(0.0, top), unit="logit",
                  attributes={"on": 0}),
        ), Table(("octave", "decides, %", "mean push, logits"), rows))  # fmt: skip

    def cells(self, encoding: Encoding, octave: int, grid: bool = True) -> Layer:
        """The cells of one octave with their receptive field, in pixels of the network's input."""
        seen = self.fields[octave]
        h, w = (round(side / seen.stride) for side in encoding.levels[0].shape[-2:])
        attributes = {"stride": seen.stride, "field": seen.size, "centre": seen.centre, "grid": float(grid),
                      "on": float(not grid)}  # fmt: skip
        return Layer("cells", f"cells, {NAMES[octave]}", np.array([h, w]), attributes=attributes)

    def explain(self, encoding: Encoding, gains: Gains, x: float, y: float, top: int = 3) -> list[Reading]:
        """How the best `top` classes of the pixel under (x, y), image pixel frame, come to their logits."""
        parts = [g * p for g, p in zip(gains, encoding.parts, strict=True)]
        return self.readings(parts, encoding.rgb, x, y, top)

    def field_step(self, rgb: np.ndarray, x: float, y: float, tell: Tell = quiet) -> Step:
        """What each octave's answer at pixel (x, y) of the picture (H, W, 3) listens to, as a step of its own.

        x, y: image pixel frame, inside the image. Heat: |gradient| of the winning class's part, peak 1; the boxes hold
        nine tenths of it (`engine.receptive`). tell: called after each octave.
        """
        row, column = self.cell_at(rgb, x, y, self.network.stride)
        kind = int(self.logits(self.encode(rgb))[0, :, row, column].argmax())
        heard = []
        for i in range(len(OCTAVES)):
            heard.append(self.listened(rgb, lambda pixels, i=i: self.network.parts(pixels)[i][0, kind, row, column]))
            tell(i + 1, len(OCTAVES))
        boxes = np.array([box for _, box in heard])
        sizes = [f"{x1 - x0:.0f} x {y1 - y0:.0f}" for x0, y0, x1, y1 in boxes]
        words = (f"{self.card.classes[kind]} at x {x:.0f}, y {y:.0f}: nine tenths of the gradient of octave 1, 1/2 and "
                 f"1/4 come from {', '.join(sizes)} pixels.")  # fmt: skip
        heats = tuple(Layer("heat", f"gradient, {name}", heat, range=(0.0, 1.0), unit="share of the strongest",
                            attributes={"on": float(name == NAMES[-1])})
                      for name, (heat, _) in zip(NAMES, heard, strict=True))  # fmt: skip
        return Step("What it listens to", words, (
            Layer("image", "picture", rgb), *heats, Layer("boxes", "nine tenths, each octave", boxes),
            Layer("points", "the pixel", np.array([[x, y]])),
        ))  # fmt: skip


def _field(network: Pyramid, octave: int) -> Field:
    """The receptive field of a cell of one octave, in pixels of the finest."""
    at = Field()
    for _ in range(octave):
        at = at.conv(_kernel()).conv(2, 2, 0)
    if isinstance(network, Classic):
        at = at.conv(_kernel()).conv(pyramid.NEIGHBOURHOOD).conv(pyramid.NEIGHBOURHOOD)
        return of_convolutions([network.features], at)
    return of_convolutions([network.trunk.stem, *network.trunk.stages, network.deep], at)


def _kernel() -> int:
    """Pixels across the pyramid's smoothing."""
    return 2 * int(4 * pyramid.SIGMA + 0.5) + 1


def _seen(level: Tensor, network: Pyramid) -> np.ndarray:
    """(1, 3, h, w) input of an octave -> (h, w, 3) uint8: the colours, or normalised Y, U, V as red, green, blue."""
    x = level[0].float().permute(1, 2, 0)
    shown = (x + 1) / 2 if not isinstance(network, Classic) else 0.5 + x / 6  # three deviations to each side
    return (255 * shown.clamp(0, 1)).round().to(torch.uint8).cpu().numpy()
