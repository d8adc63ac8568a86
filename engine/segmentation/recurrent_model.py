"""Recurrent refinement as people meet it: choose a start, watch the passes, correct one of them and let it go on.

References
1. Pinheiro and Collobert 2014; the network itself is `engine.segmentation.recurrent`.
2. Lecture slides 34-38.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine import receptive, tensors
from engine.cards import Card
from engine.runs import Tell, quiet
from engine.segmentation.labelling import Labelling, changed, label_table
from engine.segmentation.recurrent import PASSES, Recurrent, empty, fed_back
from engine.trace import Layer, Step, Table, Trace
from engine.zoo import read_weights

MOST = 12  # passes that may be asked for
NOISE = 3.0  # deviation of the logits of the noisy start
_START_WORDS = {
    "empty": "The first pass gets the picture and an empty answer: every class is as likely.",
    "wrong": "The first pass is told a wrong class everywhere, and that it is certain.",
    "noisy": "The first pass is told noise.",
}
STARTS = tuple(_START_WORDS)


@dataclass(frozen=True, eq=False)
class Encoding:
    """One picture: `rgb` (H, W, 3) uint8 and `features` (1, width, h/8, w/8), what the network sees of it."""

    rgb: np.ndarray
    features: Tensor


@dataclass(frozen=True, eq=False)
class Correction:
    """Labels painted over pass number `after` (0: over the start).

    labels: (h, w) uint8 class indices of any resolution over the whole picture, 255 = not painted. hold: the painted
    cells stay as painted in every pass that follows; else the network may change its mind about them.
    """

    labels: np.ndarray
    after: int
    hold: bool = False


@dataclass(frozen=True, eq=False)
class Run:
    """What happened: the name of the start, the answer (1, K, h, w) that it gave the first pass, the logits of each
    pass and, where labels were painted, how, and the answer that the pass after them got."""

    name: str
    start: Tensor
    logits: tuple[Tensor, ...]
    correction: Correction | None = None
    corrected: Tensor | None = None

    @property
    def before(self) -> tuple[Tensor, ...]:
        """What each pass is compared with: the start or the logits of the pass before it, as painted over."""
        before = [self.start, *self.logits[:-1]]
        if self.correction is not None and self.corrected is not None:
            before[self.correction.after] = self.corrected
        return tuple(before)


def build(card: Card, device: str) -> RecurrentModel:
    """The bundled model that `card` describes, on `device`. Raises ModelError."""
    network = Recurrent(len(card.classes), card.settings["trunk"])
    network.load_state_dict(read_weights(card))
    return RecurrentModel(card, network, device)


class RecurrentModel(Labelling):
    """A trained `Recurrent` network; its variants are the passes that it was trained for."""

    variants = tuple(f"iteration {i}" for i in range(1, PASSES + 1))
    network: Recurrent

    def __init__(self, card: Card, network: Recurrent, device: str = "cpu") -> None:
        super().__init__(card, network, device)
        deepest = receptive.of_convolutions([network.trunk.stem, *network.trunk.stages])
        self._seen = deepest.enlarged(round(deepest.stride) // network.stride)

    def field(self, number: int) -> receptive.Field:
        """The receptive field of a cell after pass `number`, 1 for the first: each later pass adds its convolutions."""
        again = receptive.of_convolutions([self.network.context]).size - 1  # cells
        return replace(self._seen, size=self._seen.size + (number - 1) * again * self.network.stride)

    @torch.inference_mode()
    def encode(self, rgb: np.ndarray) -> Encoding:
        """What the network sees of (H, W, 3) uint8."""
        return Encoding(rgb, self._features(rgb, self.working_size(rgb)))

    def _features(self, rgb: np.ndarray, size: tuple[int, int], mirror: bool = False) -> Tensor:
        x = tensors.to_input(rgb, size, self.device)
        with self.autocast():
            return self.network.features(x.flip(-1) if mirror else x).float()

    @torch.inference_mode()
    def run(self, encoding: Encoding, count: int = PASSES, start: str = "empty",
            correction: Correction | None = None) -> Run:  # fmt: skip
        """`count` passes from a start of `STARTS`, with a correction on the way.

        wrong: the network's own third answer with each class exchanged for the next, and certain of it. noisy: random
        logits, always the same. Raises ValueError on another start, or a count outside 1 to `MOST`.
        """
        if start not in STARTS or not 1 <= count <= MOST:
            raise ValueError(
                f"A run has 1 to {MOST} passes and starts {', '.join(STARTS)}, not {count} from {start!r}."
            )
        answer = first = self._start(encoding, start)
        logits, corrected = [], None
        for number in range(count):
            if correction is not None and number == correction.after:
                cells, painted = self._painted(correction, answer)
                answer = corrected = torch.where(cells, painted, answer)
            logits.append(self.network.once(encoding.features, answer))
            if corrected is not None and correction.hold:
                logits[-1] = torch.where(cells, _logits(painted), logits[-1])
            answer = fed_back(logits[-1])
        return Run(start, first, tuple(logits), correction, corrected)

    def _start(self, encoding: Encoding, start: str) -> Tensor:
        nothing = empty(encoding.features, self.network.classes)
        if start == "empty":
            return nothing
        if start == "wrong":
            own = self.network.passes(encoding.features, nothing)[-1].argmax(1)
            return self._certain((own + 1) % self.network.classes)
        noise = torch.randn(nothing.shape, generator=torch.Generator().manual_seed(0))
        return fed_back(NOISE * noise.to(nothing))

    def _certain(self, labels: Tensor) -> Tensor:
        """(1, h, w) class indices -> the answer (1, K, h, w) of somebody who is sure of them."""
        classes = self.network.classes
        return F.one_hot(labels.long(), classes).permute(0, 3, 1, 2).float() - 1 / classes

    def _painted(self, correction: Correction, answer: Tensor) -> tuple[Tensor, Tensor]:
        """Which cells of the answer (1, K, h, w) were painted, (1, 1, h, w) bool, and the answer painted there."""
        given = torch.from_numpy(correction.labels.astype(np.uint8))[None, None]
        labels = F.interpolate(given, answer.shape[-2:], mode="nearest-exact")[0].to(self.device)  # (1, h, w)
        cells = (labels < self.network.classes)[:, None]
        return cells, self._certain(torch.where(cells[:, 0], labels, torch.zeros_like(labels)))

    def scores(self, encoding: Encoding, variant: str | None = None) -> Tensor:
        """(1, K, h, w) float32 logits of a pass from the empty start; see `Labelling.scores`."""
        return dict(zip(self.variants, self.run(encoding).logits, strict=True))[variant or self.usual]

    def labels(self, encoding: Encoding, run: Run) -> np.ndarray:
        """(H, W) uint8: the answer of the last pass at each pixel of the picture."""
        return tensors.to_labels(run.logits[-1], encoding.rgb.shape[:2])

    def all_labels(self, encoding: Encoding, run: Run) -> dict[str, np.ndarray]:
        """Labels (H, W) uint8 of each pass."""
        size = encoding.rgb.shape[:2]
        return {f"iteration {i}": tensors.to_labels(x, size) for i, x in enumerate(run.logits, 1)}

    @torch.inference_mode()
    def predict(self, rgb: np.ndarray, average: bool = False) -> dict[str, np.ndarray]:
        """Labels (H, W) uint8 of each of the first `PASSES` passes from the empty start.

        average: the mean logits of each pass over six views (`averaged`).
        """

        def passes(size: tuple[int, int], mirror: bool) -> list[Tensor]:
            features = self._features(rgb, size, mirror)
            logits = self.network.passes(features, empty(features, self.network.classes))
            return [x.flip(-1) if mirror else x for x in logits]

        answers = self.averaged(passes, self.working_size(rgb), average)
        return {n: tensors.to_labels(x, rgb.shape[:2]) for n, x in zip(self.variants, answers, strict=True)}

    def trace(self, image: np.ndarray | Encoding, run: Run | None = None) -> Trace:
        """The steps from the start through each pass.

        image: (H, W, 3) uint8 or what `encode` gave. run: of this picture; `PASSES` from the empty start if missing.
        """
        encoding = image if isinstance(image, Encoding) else self.encode(image)
        run = self.run(encoding) if run is None else run
        settings = {"passes": len(run.logits), "start": run.name,
                    "painted after": run.correction.after if run.correction else None}  # fmt: skip
        return Trace(encoding.rgb, self.card.asdict(), self._steps(encoding, run), self.card.classes, self.colours,
                     settings)  # fmt: skip

    def _steps(self, encoding: Encoding, run: Run) -> tuple[Step, ...]:
        photo = Layer("image", "picture", encoding.rgb)
        steps = [Step(f"Start, {run.name}", _START_WORDS[run.name],
                      (photo, self.label_layer("answer fed in", _logits(run.start))))]  # fmt: skip
        for number, (before, logits) in enumerate(zip(run.before, run.logits, strict=True), 1):
            if before is run.corrected:
                steps.append(self._painted_step(photo, run.corrected, run.correction))
            steps.append(self._pass_step(photo, number, before, logits))
        return tuple(steps)

    def _pass_step(self, photo: Layer, number: int, before: Tensor, logits: Tensor) -> Step:
        field, knows = self.field(number), bool(before.any())
        differs = (before.argmax(1) != logits.argmax(1))[0] & knows
        entropy = float(_entropy(logits).mean())
        moved = f"{changed(before, logits)} of the picture changed; " if knows else ""
        words = f"{moved}mean entropy {entropy:.2f} nats; a cell sees {field.size:.0f} pixels."
        attributes = {"stride": field.stride, "field": field.size, "centre": field.centre}
        return Step(f"Pass {number}", words[0].upper() + words[1:], (
            photo, self.label_layer(f"labels, pass {number}", logits),
            Layer("mask", "changed by this pass", differs.cpu().numpy()),
            Layer("heat", "entropy", _entropy(logits)[0].cpu().numpy(), range=(0.0, float(np.log(logits.shape[1]))),
                  unit="nat", attributes={"on": 0}),
            Layer("cells", "cells", np.array(logits.shape[-2:]), attributes=attributes | {"grid": 0, "on": 1}),
        ), label_table(logits, self.card.classes))  # fmt: skip

    def _painted_step(self, photo: Layer, answer: Tensor, correction: Correction) -> Step:
        painted = correction.labels < len(self.card.classes)
        held = "stays as it is in every pass" if correction.hold else "is only told: the network may overrule it"
        return Step("Painted", f"{100 * painted.mean():.1f} % of the picture was painted; it {held}.", (
            photo, self.label_layer("answer fed in", _logits(answer)), Layer("mask", "painted", painted),
        ))  # fmt: skip

    def curve(self, run: Run) -> Table:
        """For each pass the share of cells that it changed, %, and its mean entropy, nats."""
        rows = []
        for i, (before, logits) in enumerate(zip(run.before, run.logits, strict=True), 1):
            moved = float((before.argmax(1) != logits.argmax(1)).float().mean()) if bool(before.any()) else None
            entropy = float(_entropy(logits).mean())
            rows.append((i, "" if moved is None else round(100 * moved, 2), round(entropy, 4)))
        return Table(("pass", "changed, %", "entropy, nats"), tuple(rows))

    def field_step(self, rgb: np.ndarray, x: float, y: float, count: int = PASSES, tell: Tell = quiet) -> Step:
        """What the answer of each pass at pixel (x, y) of the picture (H, W, 3) listens to, as a step of its own.

        x, y: image pixel frame, inside the image. Heat: |gradient| of the last pass's top logit, peak 1; a box for each
        pass holds nine tenths of its gradient (`engine.receptive`). tell: called after each pass.
        """
        row, column = self.cell_at(rgb, x, y, self.network.stride)

        def score(pixels: Tensor, number: int) -> Tensor:
            return self.network(pixels, number)[0, :, row, column].max()

        heard = []
        for n in range(1, count + 1):
            heard.append(self.listened(rgb, lambda pixels, n=n: score(pixels, n)))
            tell(n * n, count * count)  # a pass goes back through all before it
        boxes = np.array([box for _, box in heard])
        sizes = ", ".join(f"{x1 - x0:.0f} x {y1 - y0:.0f}" for x0, y0, x1, y1 in boxes)
        return Step("What it listens to", f"At x {x:.0f}, y {y:.0f} nine tenths of the gradient come from {sizes} "
                    f"pixels, pass 1 to {count}.", (
            Layer("image", "picture", rgb),
            Layer("heat", f"gradient, pass {count}", heard[-1][0], range=(0.0, 1.0), unit="share of the strongest"),
            Layer("boxes", "nine tenths, each pass", boxes), Layer("points", "the pixel", np.array([[x, y]])),
        ))  # fmt: skip


def _entropy(logits: Tensor) -> Tensor:
    """(1, K, h, w) -> (1, h, w) entropy of the softmax, in nats."""
    return torch.special.entr(logits.float().softmax(1)).sum(1)


def _logits(answer: Tensor) -> Tensor:
    """Logits (1, K, h, w) whose softmax gives the probabilities behind an answer that is fed in."""
    return (answer + 1 / answer.shape[1]).clamp(min=1e-4).log()
