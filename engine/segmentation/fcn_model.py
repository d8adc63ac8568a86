"""FCN as people meet it: encode a picture once, then answer each question about its skips with a Trace.

References
1. Long, Shelhamer and Darrell 2015; the network itself is `engine.segmentation.fcn`.
2. Lecture slides 39-43.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine import receptive, tensors
from engine.cards import Card
from engine.segmentation.fcn import FCN, VARIANTS, Scores
from engine.segmentation.labelling import Labelling, Reading, changed, heat_layer, label_table
from engine.trace import Layer, Step, Trace
from engine.zoo import read_weights

Gains = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Encoding:
    """One picture after the trunk: `rgb` (H, W, 3) uint8, the scores at each stride, and what each adds at stride 8."""

    rgb: np.ndarray
    scores: Scores
    parts: Scores


def build(card: Card, device: str) -> FcnModel:
    """The bundled model that `card` describes, on `device`. Raises ModelError."""
    network = FCN(len(card.classes), card.settings["trunk"])
    network.load_state_dict(read_weights(card))
    return FcnModel(card, network, device)


class FcnModel(Labelling):
    """A trained FCN with its three variants 32s, 16s and 8s."""

    variants = tuple(VARIANTS)

    def __init__(self, card: Card, network: FCN, device: str = "cpu") -> None:
        super().__init__(card, network, device)
        trunk, grow = network.trunk, receptive.of_convolutions
        f8 = grow([trunk.stem, *trunk.stages[:3]])
        f16 = grow(trunk.stages[3:5], f8)
        self.fields = Scores(grow([*trunk.stages[5:], network.fc6], f16), f16, f8)

    @torch.inference_mode()
    def encode(self, rgb: np.ndarray, average: bool = False) -> Encoding:
        """Run the trunk on (H, W, 3) uint8. average: the mean over six views (`averaged`)."""
        maps = self.averaged(lambda size, mirror: self._scores(rgb, size, mirror), self.working_size(rgb), average)
        scores = Scores(*maps)
        return Encoding(rgb, scores, self.network.contributions(scores))

    def _scores(self, rgb: np.ndarray, size: tuple[int, int], mirror: bool = False) -> Scores:
        x = tensors.to_input(rgb, size, self.device)
        with self.autocast():
            scores = self.network.scores(x.flip(-1) if mirror else x)
        return Scores(*(s.float().flip(-1) if mirror else s.float() for s in scores))

    def logits(self, encoding: Encoding, gains: Gains = VARIANTS["8s"]) -> Tensor:
        """(1, K, h/8, w/8) float32 logits with each stride scaled by its gain, strides 32, 16, 8."""
        return sum(g * part for g, part in zip(gains, encoding.parts, strict=True))

    def scores(self, encoding: Encoding, variant: str | None = None) -> Tensor:
        """(1, K, h/8, w/8) float32 logits of a variant; see `Labelling.scores`."""
        return self.logits(encoding, VARIANTS[variant or self.usual])

    def labels(self, encoding: Encoding, gains: Gains = VARIANTS["8s"]) -> np.ndarray:
        """(H, W) uint8: the class of the highest logit at each pixel of the picture."""
        return tensors.to_labels(self.logits(encoding, gains), encoding.rgb.shape[:2])

    def all_labels(self, encoding: Encoding) -> dict[str, np.ndarray]:
        """Labels (H, W) uint8 of each variant, from the coarsest to the finest."""
        return {name: self.labels(encoding, gains) for name, gains in VARIANTS.items()}

    def predict(self, rgb: np.ndarray, average: bool = False) -> dict[str, np.ndarray]:
        """Labels (H, W) uint8 of each variant, from the coarsest to the finest."""
        return self.all_labels(self.encode(rgb, average))

    def trace(self, image: np.ndarray | Encoding, gains: Gains = VARIANTS["8s"], average: bool = False) -> Trace:
        """The steps from the image to its labels, each stride scaled by its gain.

        image: (H, W, 3) uint8 or what `encode` gave. gains: of strides 32, 16, 8; 0 mutes, 1 is as trained.
        """
        encoding = image if isinstance(image, Encoding) else self.encode(image, average)
        steps = self._steps(encoding, gains)
        settings = {"gains": list(gains), "average": average}
        return Trace(encoding.rgb, self.card.asdict(), steps, self.card.classes, self.colours, settings)

    @torch.inference_mode()
    def _steps(self, encoding: Encoding, gains: Gains) -> tuple[Step, ...]:
        coarse, parts = encoding.scores.s32, [g * part for g, part in zip(gains, encoding.parts, strict=True)]
        sums = [parts[0], parts[0] + parts[1], parts[0] + parts[1] + parts[2]]
        bilinear = F.interpolate(gains[0] * coarse, sums[0].shape[-2:], mode="bilinear", align_corners=False)
        rows, columns = coarse.shape[-2:]
        photo = Layer("image", "picture", encoding.rgb)
        final = self.label_layer("labels", sums[2])
        return (
            Step("Image", f"{encoding.rgb.shape[1]} x {encoding.rgb.shape[0]} pixels, as the network gets them.",
                 (photo,)),
            Step("Scores, stride 32", f"{columns} x {rows} cells say what is there, each from a field of "
                 f"{self.fields.s32.size:.0f} pixels, but hardly where.",
                 (photo, self.label_layer("scores, stride 32", gains[0] * coarse), self.cells(coarse, 0))),
            Step("Learned upsampling", f"Two transposed convolutions enlarge the scores to stride 8; "
                 f"{changed(bilinear, sums[0])} of the picture differs from bilinear enlargement.",
                 (photo, self.label_layer("labels, 32s", sums[0]), self.cells(coarse, 0))),
            Step("+ skip, stride 16", self._skip_sentence(16, gains[1], sums[0], sums[1], parts[1]),
                 (photo, self.label_layer("labels, 16s", sums[1]), heat_layer("adds, stride 16", parts[1]),
                  self.cells(encoding.scores.s16, 1))),
            Step("+ skip, stride 8", self._skip_sentence(8, gains[2], sums[1], sums[2], parts[2]),
                 (photo, self.label_layer("labels, 8s", sums[2]), heat_layer("adds, stride 8", parts[2]),
                  self.cells(encoding.scores.s8, 2))),
            Step("Labels", f"The class of the highest score at each pixel; {changed(sums[0], sums[2])} of the picture "
                 f"differs from stride 32 alone.", (photo, final), label_table(sums[2], self.card.classes)),
        )  # fmt: skip

    def _skip_sentence(self, stride: int, gain: float, before: Tensor, after: Tensor, part: Tensor) -> str:
        if gain == 0:
            return f"The stride-{stride} skip is muted: it adds nothing."
        k, place = divmod(int(part[0].abs().argmax()), part[0, 0].numel())
        push = float(part[0, k].flatten()[place])
        return (f"The stride-{stride} skip changes {changed(before, after)} of the picture; its strongest push is "
                f"{push:+.1f} in the logit of {self.card.classes[k]}.")  # fmt: skip

    def cells(self, scores: Tensor, which: int) -> Layer:
        """The grid of one stride with the receptive field of its cells, in pixels of the network's input."""
        field = self.fields[which]
        attributes = {"stride": field.stride, "field": field.size, "centre": field.centre}
        return Layer("cells", f"cells, stride {field.stride:.0f}", np.array(scores.shape[-2:]), attributes=attributes)

    def explain(self, encoding: Encoding, gains: Gains, x: float, y: float, top: int = 3) -> list[Reading]:
        """How the best `top` classes of the pixel under (x, y), image pixel frame, come to their logits."""
        parts = [g * p for g, p in zip(gains, encoding.parts, strict=True)]
        return self.readings(parts, encoding.rgb, x, y, top)

    def field_step(self, rgb: np.ndarray, x: float, y: float) -> Step:
        """What the answer at pixel (x, y) of the picture (H, W, 3) listens to, as a step of its own.

        x, y: image pixel frame, inside the image. Heat: |gradient| of the top class's logit of FCN-8s, peak 1; the box
        holds nine tenths of it (`engine.receptive`).
        """
        row, column = self.cell_at(rgb, x, y, 8)
        kind = ""

        def score(pixels: Tensor) -> Tensor:
            nonlocal kind
            logits = self.network(pixels)[0, :, row, column]
            kind = self.card.classes[int(logits.argmax())]
            return logits.max()

        heat, box = self.listened(rgb, score)
        x0, y0, x1, y1 = box * self.working_size(rgb)[1] / rgb.shape[1]
        sentence = (f"The {kind} score at x {x:.0f}, y {y:.0f}: nine tenths of its gradient come from {x1 - x0:.0f} x "
                    f"{y1 - y0:.0f} pixels; the arithmetic allows {self.fields.s32.size:.0f}.")  # fmt: skip
        return Step("What it listens to", sentence, (
            Layer("image", "picture", rgb),
            Layer("heat", "gradient", heat, range=(0.0, 1.0), unit="share of the strongest"),
            Layer("boxes", "nine tenths", box[None]),
            Layer("points", "the pixel", np.array([[x, y]])),
        ))  # fmt: skip
