"""The patch classifier run the way nobody runs it, window after window, and timed against one dense pass.

References
1. Lecture slides 22-27: cut a patch, classify its centre, repeat everywhere: very expensive; slide 57: nobody does.

Convention
----------
Positions are (row, column) indices of pixels of the picture that the network sees; its own window surrounds each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from engine.segmentation.patches import Patches, surrounded

BATCHES = (1, 4, 16, 64, 256, 1024)  # patches at once that are tried
MOST = 2**20  # pixels of a batch
TELL = 0.1  # seconds between two reports


@dataclass(frozen=True)
class Comparison:
    """How far patch by patch has come on a crop, and what the dense pass did there.

    window: side of the patches. rows, columns: of the crop, in pixels that get an answer. batch: patches at once, the
    fastest of those tried. done: patches so far. seconds: that they took. dense_seconds: of the dense pass over the
    whole crop. difference: the largest between logits so far. pixels: of the whole picture.
    """

    window: int
    rows: int
    columns: int
    batch: int
    done: int
    seconds: float
    dense_seconds: float
    difference: float
    pixels: int

    @property
    def total(self) -> int:
        """Patches of the crop."""
        return self.rows * self.columns

    @property
    def rate(self) -> float:
        """Patches per second so far."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def left(self) -> float:
        """Seconds that the rest of the crop will take at this rate."""
        return (self.total - self.done) / self.rate if self.rate else float("inf")

    @property
    def ratio(self) -> float:
        """How many times longer the crop takes by patches than in one dense pass."""
        return self.total / self.rate / self.dense_seconds if self.rate else float("nan")

    @property
    def whole(self) -> float:
        """Seconds that the whole picture would take by patches."""
        return self.pixels / self.rate if self.rate else float("inf")


def classify(network: Patches, x: Tensor, window: int, positions: Tensor) -> Tensor:
    """Run the network on the single windows of (1, 3, H, W) around `positions` (N, 2) -> logits (N, K)."""
    windows = surrounded(x, window)[0].unfold(1, window, 1).unfold(2, window, 1)  # (3, H, W, window, window)
    crops = windows[:, positions[:, 0], positions[:, 1]].transpose(0, 1)  # (N, 3, window, window)
    return network.only(crops.contiguous(memory_format=torch.channels_last), window)[:, :, 0, 0]


def batches(window: int) -> list[int]:
    """The numbers of patches at once that are worth a try."""
    return [n for n in BATCHES if n == 1 or n * window**2 <= MOST]


@torch.inference_mode()
def compare(network: Patches, x: Tensor, window: int, crop: tuple[int, int, int, int]) -> Iterator[Comparison]:
    """Label the pixels of `crop` = (row, column, rows, columns) of (1, 3, H, W) in both ways; report now and then.

    First the dense pass (the median of three), then a try of each of `batches`, then patch by patch with the fastest,
    in rows. The first report has done = 0, the last one all. To stop, ask for no more.
    """
    top, left, rows, columns = crop
    around = surrounded(x, window)[..., top : top + rows + window - 1, left : left + columns + window - 1]
    dense_seconds = median(_seconds(lambda: network.only(around, window, dense=True), x) for _ in range(3))
    dense = network.only(around, window, dense=True)[0].flatten(1).T  # (rows * columns, K)
    places = torch.cartesian_prod(torch.arange(top, top + rows), torch.arange(left, left + columns)).to(x.device)

    def rate(n: int) -> float:
        some = places[torch.arange(n) % len(places)]
        classify(network, x, window, some)
        return n / _seconds(lambda: classify(network, x, window, some), x)

    batch = max(batches(window), key=rate)
    done, seconds, difference, told = 0, 0.0, 0.0, -TELL
    while True:
        if done == len(places) or seconds - told >= TELL:
            told = seconds
            yield Comparison(window, rows, columns, batch, done, seconds, dense_seconds, difference, x[0, 0].numel())
            if done == len(places):
                return
        some = slice(done, done + batch)
        found = []
        seconds += _seconds(lambda: found.append(classify(network, x, window, places[some])), x)  # noqa: B023
        difference = max(difference, float((found[0] - dense[some]).abs().max()))
        done += len(found[0])


def pace(network: Patches, x: Tensor, window: int) -> float:
    """Seconds that one patch takes in the smallest of `batches`, so that no other should take longer: after a first
    try that warms up, the time of a second."""
    n = min(batches(window))
    some = torch.zeros(n, 2, dtype=torch.long, device=x.device)
    classify(network, x, window, some)
    return _seconds(lambda: classify(network, x, window, some), x) / n


def _seconds(work: Callable[[], object], x: Tensor) -> float:
    """How long `work` takes on the device of `x`."""
    wait = torch.cuda.synchronize if x.is_cuda else lambda: None
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start
