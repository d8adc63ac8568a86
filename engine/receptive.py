"""What a cell of a feature map can see (arithmetic) and what it does see (gradients).

References
1. Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", Distill.
2. Luo et al. 2016, "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks".
3. Lecture slides 27-28: how large must the receptive field be?

Convention
----------
Input pixel frame, x to the right, y down, pixel (i, j) covers [i, i+1) x [j, j+1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Field:
    """Receptive field of the cells of a map: cell i sees `size` pixels centred on `centre` + `stride` * i."""

    size: float = 1.0
    stride: float = 1.0
    centre: float = 0.5

    def conv(self, kernel: int, stride: int = 1, before: int | None = None) -> Field:
        """The field after one more convolution or pooling; `before`: padding at the left, else half the kernel."""
        before = (kernel - 1) // 2 if before is None else before
        return Field(
            self.size + (kernel - 1) * self.stride,
            self.stride * stride,
            self.centre + ((kernel - 1) / 2 - before) * self.stride,
        )

    def enlarged(self, factor: int) -> Field:
        """What holds the fields of the cells after bilinear enlargement by `factor`.

        Such a cell mixes its own and the nearest other cell, now on this side and now on that: one side holds too much.
        """
        return Field(
            self.size + (2 - 1 / factor) * self.stride,
            self.stride / factor,
            self.centre - (1 - 1 / factor) / 2 * self.stride,
        )


def of_convolutions(layers: Iterable[nn.Module], start: Field = Field()) -> Field:
    """The field after a chain of modules, their convolutions and poolings taken in order, at even map sizes.

    A strided one pads as TensorFlow's "same" does there: kernel - stride pixels, the odd one at the end.
    """
    for layer in layers:
        for one in (m for m in layer.modules() if isinstance(m, (nn.Conv2d, nn.MaxPool2d))):
            kernel, stride, holes = (_first(x) for x in (one.kernel_size, one.stride, one.dilation))
            kernel = holes * (kernel - 1) + 1
            start = start.conv(kernel, stride, (kernel - stride) // 2)
    return start


def _first(value: int | tuple[int, int]) -> int:
    return value if isinstance(value, int) else value[0]


def effective(score: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """How much each input pixel moves one number: (H, W), the largest |gradient| over the channels, peak 1.

    score: (1, 3, H, W) -> scalar. A score that depends on nothing gives zeros.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = x.detach().clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(score(x), x)
    strength = gradient[0].abs().amax(0).float()
    return strength / strength.max().clamp(min=torch.finfo(strength.dtype).tiny)


def box_of(strength: Tensor, share: float) -> tuple[int, int, int, int]:
    """The rows and columns (x0, y0, x1, y1) between which `share` of each marginal sum of (H, W) lies, centred.

    Half of what is left out lies on each side. A map of zeros gives the whole map.
    """
    box = []
    for marginal in (strength.sum(0), strength.sum(1)):  # over x, over y
        total = marginal.cumsum(0) / marginal.sum().clamp(min=torch.finfo(marginal.dtype).tiny)
        inside = ((total >= (1 - share) / 2) & (total - marginal / marginal.sum() <= (1 + share) / 2)).nonzero()
        box.append((int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, len(marginal)))
    return box[0][0], box[1][0], box[0][1], box[1][1]
