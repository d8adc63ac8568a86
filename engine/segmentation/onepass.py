"""What every network that labels a picture in one pass shares: one map of logits in, a Trace of three steps out.

Convention
----------
Logits (1, K, h, w) cover the whole picture; the stride is the height of the network's input over h, and the map is
enlarged to pixels bilinearly with half-pixel centres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine import tensors
from engine.segmentation.labelling import Labelling, label_table
from engine.trace import Layer, Step, Trace

MOST_VALUES = 2**23  # logits of one picture that are kept: 32 MiB


@dataclass(frozen=True, eq=False)
class Encoding:
    """One picture after the network: `rgb` (H, W, 3) uint8 and `logits` (1, K, h, w) float32."""

    rgb: np.ndarray
    logits: Tensor


class OnePass(Labelling):
    """A network (1, 3, H, W) in [-1, 1] -> logits (1, K, h, w); its one variant is "out", as torchvision calls it.

    Maps of more than `MOST_VALUES` numbers are averaged over 2 x 2, 3 x 3 ... cells: what is looked at stays small.
    """

    variants = ("out",)

    @torch.inference_mode()
    def encode(self, rgb: np.ndarray, average: bool = False) -> Encoding:
        """Run the network on (H, W, 3) uint8. average: the mean over six views (`averaged`)."""
        (logits,) = self.averaged(
            lambda size, mirror: [self._logits(rgb, size, mirror)], self.working_size(rgb), average
        )
        return Encoding(rgb, logits)

    def _logits(self, rgb: np.ndarray, size: tuple[int, int], mirror: bool = False) -> Tensor:
        x = tensors.to_input(rgb, size, self.device)
        with self.autocast():
            logits = self.network(x.flip(-1) if mirror else x).float()
        logits = _bounded(logits)
        return logits.flip(-1) if mirror else logits

    def scores(self, encoding: Encoding, variant: str | None = None) -> Tensor:
        """(1, K, h, w) float32 logits; see `Labelling.scores`."""
        return {"out": encoding.logits}[variant or "out"]

    def labels(self, encoding: Encoding) -> np.ndarray:
        """(H, W) uint8: the class of the highest logit at each pixel of the picture."""
        return tensors.to_labels(encoding.logits, encoding.rgb.shape[:2])

    def all_labels(self, encoding: Encoding) -> dict[str, np.ndarray]:
        """{"out": labels (H, W) uint8}."""
        return {"out": self.labels(encoding)}

    def predict(self, rgb: np.ndarray, average: bool = False) -> dict[str, np.ndarray]:
        """{"out": labels (H, W) uint8}."""
        return self.all_labels(self.encode(rgb, average))

    def trace(self, image: np.ndarray | Encoding, average: bool = False) -> Trace:
        """The steps from the image to its labels. image: (H, W, 3) uint8 or what `encode` gave."""
        encoding = image if isinstance(image, Encoding) else self.encode(image, average)
        return Trace(encoding.rgb, self.card.asdict(), self._steps(encoding), self.card.classes, self.colours,
                     {"average": average})  # fmt: skip

    def _steps(self, encoding: Encoding) -> tuple[Step, ...]:
        rgb, logits = encoding.rgb, encoding.logits
        rows, columns = logits.shape[-2:]
        stride = self.working_size(rgb)[0] / rows
        photo = Layer("image", "picture", rgb)
        cells = Layer("cells", f"cells, stride {stride:.3g}", np.array((rows, columns)), attributes={"stride": stride})
        table = label_table(logits, self.card.classes)
        first = f"{table.rows[0][0]} covers {table.rows[0][1]} % of the picture" if table.rows else "nothing was found"
        return (
            Step("Image", f"{rgb.shape[1]} x {rgb.shape[0]} pixels, as the network gets them.", (photo,)),
            Step(f"Scores, stride {stride:.3g}", f"{columns} x {rows} cells, each with a score for "
                 f"{len(self.card.classes)} classes.",
                 (photo, self.label_layer(f"scores, stride {stride:.3g}", logits), cells)),
            Step("Labels", f"Scores enlarged to pixels, then the class of the highest one: {first}.",
                 (photo, self.label_layer("labels", logits)), table),
        )  # fmt: skip


def _bounded(logits: Tensor) -> Tensor:
    """(1, K, h, w) logits, averaged over n x n cells with the least n that leaves `MOST_VALUES` of them or fewer."""
    n = 1
    while logits.numel() > MOST_VALUES * n * n:
        n += 1
    size = tuple(-(-side // n) for side in logits.shape[-2:])
    return logits if n == 1 else F.adaptive_avg_pool2d(logits, size)
