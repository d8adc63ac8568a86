"""The patch classifier as people meet it: one window, every window in a dense pass, and shift and stitch beside them.

References
1. The network is `engine.segmentation.patches`, the ways to label a picture `engine.segmentation.stitching`, patch by
   patch `engine.segmentation.patchwise`.
2. Lecture slides 22-28 and 57.

Convention
----------
x, y are in the image pixel frame and clamped into the picture; the network sees the picture at its working size, and a
window surrounds the pixel there that x, y fall into. Windows and crops are measured in pixels of the working size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from engine import tensors
from engine.cards import Card
from engine.segmentation import patches_steps as steps
from engine.segmentation import patchwise, stitching
from engine.segmentation.labelling import Labelling, Reading
from engine.segmentation.patches import STRIDE, WINDOWS, Patches
from engine.segmentation.patchwise import Comparison
from engine.trace import Trace
from engine.zoo import read_weights

USUAL = 139  # the window that is looked through at first
SIDE = 32  # of the crop that is labelled both ways, in pixels


@dataclass(frozen=True, eq=False)
class Stitched:
    """Shift and stitch over a whole picture.

    coarse: (1, K, h/4, w/4) logits of one of the coarse outputs, that of shift `stitching.MIDDLE`. labels: (h, w) uint8
    after the interleaving. difference: the largest |difference of logits| from the dense pass.
    """

    coarse: Tensor
    labels: np.ndarray
    difference: float


@dataclass(frozen=True, eq=False)
class Encoding:
    """One picture after the dense pass.

    rgb: (H, W, 3) uint8. seen: (h, w, 3) uint8, what the network sees of it. logits: (1, K, h, w) for each window.
    stitched: for each window that was asked for, what shift and stitch gave.
    """

    rgb: np.ndarray
    seen: np.ndarray
    logits: dict[int, Tensor]
    stitched: dict[int, Stitched] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Patch:
    """One window, cut out and classified by itself.

    window: its side. row, column: of its centre in what the network sees. crop: (window, window, 3) uint8, grey outside
    the picture. logits: (K,) float32.
    """

    window: int
    row: int
    column: int
    crop: np.ndarray
    logits: Tensor


def build(card: Card, device: str) -> PatchesModel:
    """The bundled model that `card` describes, on `device`. Raises ModelError."""
    network = Patches(len(card.classes))
    network.load_state_dict(read_weights(card))
    return PatchesModel(card, network, device)


class PatchesModel(Labelling):
    """A trained patch classifier with a variant for each size of window."""

    variants = tuple(f"window {window}" for window in WINDOWS)
    answer = f"window {USUAL}"
    multiple = STRIDE
    network: Patches

    def autocast(self) -> AbstractContextManager:
        """Full precision everywhere: what is compared here agrees to 1e-4."""
        return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)

    def input(self, encoding: Encoding) -> Tensor:
        """(1, 3, h, w) float32 in [-1, 1]: exactly what the network sees of the picture."""
        return tensors.to_input(encoding.seen, encoding.seen.shape[:2], self.device)

    @torch.inference_mode()
    def encode(self, rgb: np.ndarray, average: bool = False) -> Encoding:
        """Run the dense pass on (H, W, 3) uint8. average: ValueError, since a patch is a single view."""
        if average:
            raise ValueError("A patch is a single view: there is nothing to average over.")
        seen = self._seen(rgb, self.working_size(rgb))
        with self.autocast():
            logits = self.network.everywhere(tensors.to_input(seen, seen.shape[:2], self.device))
        return Encoding(rgb, seen, dict(zip(WINDOWS, logits, strict=True)))

    def _seen(self, rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """(h, w, 3) uint8 at `size`: rounded, so that the crops that people see are the ones that are classified."""
        x = tensors.to_input(rgb, size, self.device)
        return ((x[0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()

    def scores(self, encoding: Encoding, variant: str | None = None) -> Tensor:
        """(1, K, h, w) float32 logits of a variant; see `Labelling.scores`."""
        return dict(zip(self.variants, encoding.logits.values(), strict=True))[variant or self.usual]

    def labels(self, encoding: Encoding, window: int = USUAL) -> np.ndarray:
        """(H, W) uint8: the class of the highest logit at each pixel of the picture, looked at through `window`."""
        return tensors.to_labels(encoding.logits[window], encoding.rgb.shape[:2])

    def all_labels(self, encoding: Encoding) -> dict[str, np.ndarray]:
        """Labels (H, W) uint8 of each variant, from the smallest window to the largest."""
        return {name: self.labels(encoding, w) for name, w in zip(self.variants, WINDOWS, strict=True)}

    @torch.inference_mode()
    def predict(self, rgb: np.ndarray, average: bool = False) -> dict[str, np.ndarray]:
        """Labels (H, W) uint8 of each variant, from the smallest window to the largest. average: over six views."""

        def run(size: tuple[int, int], mirror: bool) -> list[Tensor]:
            x = tensors.to_input(self._seen(rgb, size), size, self.device)
            with self.autocast():
                maps = self.network.everywhere(x.flip(-1) if mirror else x)
            return [m.flip(-1) if mirror else m for m in maps]

        maps = self.averaged(run, self.working_size(rgb), average)
        return {name: tensors.to_labels(m, rgb.shape[:2]) for name, m in zip(self.variants, maps, strict=True)}

    @torch.inference_mode()
    def patch(self, image: np.ndarray | Encoding, x: float, y: float, window: int = USUAL) -> Patch:
        """Cut one window out and classify it by itself. image: (H, W, 3) uint8 or what `encode` gave."""
        rgb, seen = (image.rgb, image.seen) if isinstance(image, Encoding) else (image, None)
        seen = self._seen(rgb, self.working_size(rgb)) if seen is None else seen
        row, column = self.cell_at(rgb, x, y, 1)
        picture = tensors.to_input(seen, seen.shape[:2], self.device)
        with self.autocast():
            logits = patchwise.classify(self.network, picture, window, torch.tensor([[row, column]]))[0]
        half = window // 2
        around = np.pad(seen, ((half, half), (half, half), (0, 0)), constant_values=128)
        return Patch(window, row, column, around[row : row + window, column : column + window], logits)

    def top(self, logits: Tensor, count: int = 3) -> list[Reading]:
        """The best `count` classes of (K,) logits with their probabilities."""
        chance = logits.softmax(0)
        return [Reading(self.card.classes[k], (), float(logits[k]), float(chance[k]))
                for k in logits.argsort(descending=True)[:count].tolist()]  # fmt: skip

    @torch.inference_mode()
    def agreement(self, encoding: Encoding, window: int = USUAL, count: int = 64, seed: int = 0) -> float:
        """The largest |difference of logits| between the dense pass and single patches at `count` random pixels.

        The four corners of the picture are among them. count: at least 4.
        """
        h, w = encoding.seen.shape[:2]
        corners = torch.tensor([[0, 0], [0, w - 1], [h - 1, 0], [h - 1, w - 1]])
        dice = torch.Generator().manual_seed(seed)
        others = (torch.rand(count - len(corners), 2, generator=dice) * torch.tensor([h, w])).long()
        x, largest = self.input(encoding), 0.0
        for some in torch.cat([corners, others]).split(patchwise.batches(window)[-1]):
            with self.autocast():
                alone = patchwise.classify(self.network, x, window, some)
            largest = max(largest, float((alone - encoding.logits[window][0, :, some[:, 0], some[:, 1]].T).abs().max()))
        return largest

    def compare(self, encoding: Encoding, x: float, y: float, window: int = USUAL,
                side: int = SIDE) -> Iterator[Comparison]:  # fmt: skip
        """Label the pixels of a crop around (x, y) patch by patch and in one dense pass, and report now and then.

        side: of the crop, in pixels; less where the picture is smaller. See `patchwise.compare`.
        """
        centre, size = self.cell_at(encoding.rgb, x, y, 1), encoding.seen.shape[:2]
        sides = [min(side, whole) for whole in size]
        corner = [min(max(at - n // 2, 0), whole - n) for at, n, whole in zip(centre, sides, size, strict=True)]
        reports = patchwise.compare(self.network, self.input(encoding), window, (*corner, *sides))
        while True:
            with self.autocast():
                report = next(reports, None)
            if report is None:
                return
            yield report

    @torch.inference_mode()
    def pace(self, encoding: Encoding, window: int = USUAL) -> float:
        """Seconds that one patch takes on this machine now; see `patchwise.pace`."""
        with self.autocast():
            return patchwise.pace(self.network, self.input(encoding), window)

    @torch.inference_mode()
    def stitched(self, encoding: Encoding, window: int = USUAL) -> Stitched:
        """Shift and stitch over the whole picture, done once for each window and kept with the encoding."""
        if window not in encoding.stitched:
            with self.autocast():
                outputs = stitching.coarse_outputs(self.network, self.input(encoding), window)
            logits = stitching.stitch(outputs)
            encoding.stitched[window] = Stitched(
                outputs[stitching.MIDDLE],
                logits[0].argmax(0).to(torch.uint8).cpu().numpy(),
                float((logits - encoding.logits[window]).abs().max()),
            )
        return encoding.stitched[window]

    @torch.inference_mode()
    def bilinear_labels(self, encoding: Encoding, window: int = USUAL) -> np.ndarray:
        """(H, W) uint8: what one coarse pass and bilinear upsampling answer, the price of a sixteenth."""
        return tensors.to_labels(stitching.upsampled(self.stitched(encoding, window).coarse), encoding.rgb.shape[:2])

    def multiply_adds(self, encoding: Encoding, window: int = USUAL) -> dict[str, int]:
        """What each way to label this picture costs; see `stitching.multiply_adds`."""
        return stitching.multiply_adds(self.network, *encoding.seen.shape[:2], window)

    @torch.inference_mode()
    def timed(self, encoding: Encoding, window: int = USUAL) -> Iterator[tuple[str, float]]:
        """(name, seconds) of each of `stitching.WAYS` to label this picture, on this machine, as they are measured.

        The better of two runs, the first of which warms up.
        """
        x = self.input(encoding)
        for name, way in stitching.WAYS.items():
            seconds = []
            for _ in range(2):
                start = perf_counter()
                with self.autocast():
                    way(self.network, x, window).sum().item()  # waits for the device
                seconds.append(perf_counter() - start)
            yield name, min(seconds)

    @torch.inference_mode()
    def trace(self, image: np.ndarray | Encoding, x: float | None = None, y: float | None = None,
              window: int = USUAL) -> Trace:  # fmt: skip
        """The steps from one window to all of them, and from a coarse output back to every pixel.

        image: (H, W, 3) uint8 or what `encode` gave. x, y: where the window stands, the middle if missing.
        """
        encoding = image if isinstance(image, Encoding) else self.encode(image)
        height, width = encoding.rgb.shape[:2]
        x, y = width / 2 if x is None else x, height / 2 if y is None else y
        patch = self.patch(encoding, x, y, window)
        told = (*steps.of_patch(self, encoding, patch), *steps.of_picture(self, encoding, patch),
                *steps.of_shifts(self, encoding, window))  # fmt: skip
        settings = {"x": x, "y": y, "window": window}
        return Trace(encoding.rgb, self.card.asdict(), told, self.card.classes, self.colours, settings)
