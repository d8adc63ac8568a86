"""The networks that weights alone can be loaded into: ours and torchvision's, recognised by their keys and shapes.

References
1. `engine.segmentation`: FCN, Patches, MultiScale, Classic, Recurrent.
2. torchvision.models.segmentation: FCN, DeepLabV3 and LR-ASPP, their keys and heads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from engine.cards import Card, ModelError
from engine.debug.checkpoints import Shapes, Weights, compare
from engine.debug.onnx_spec import IMAGENET, MOST_CLASSES, MOST_SIDE, Numbers, harmless, label_set, usual

LITE = (0, 1, 2, 3, 4)  # sizes of our trunk
OPTIONAL = ("aux_classifier.", "num_batches_tracked")  # keys that may be there or not
_LONGEST = {"patches": 320, "multiscale-classic": 320}


@dataclass(frozen=True)
class Architecture:
    """A network that fits some weights: its name, the number of classes of its head, and how it is made.

    title: in words. make: the network itself, without weights. settings: what its card must say.
    published: it is torchvision's, which takes any mean and deviation.
    """

    name: str
    title: str
    classes: int
    make: Callable[[], nn.Module]
    settings: Mapping[str, Any]
    published: bool = False


@dataclass(frozen=True)
class Choice:
    """What the user says of weights: names of the classes, pixels of the longer side, and for torchvision's networks
    mean and deviation of RGB in [0, 1]."""

    classes: tuple[str, ...]
    longest: int
    mean: Numbers = IMAGENET[0]
    std: Numbers = IMAGENET[1]


def recognise(shapes: Shapes) -> Architecture:
    """The network that these keys and shapes belong to. Raises ModelError with a sentence that says what differs."""
    found = _ours(shapes) or _torchvision(shapes)
    if found is None:
        first = ", ".join(list(shapes)[:3])
        raise ModelError(f"These weights ({harmless(first, 120)} ...) belong to no network known here: Saccade's "
                         "FCN, Patches, MultiScale and Recurrent, and torchvision's FCN, DeepLabV3 and LR-ASPP. Any "
                         "other network can come as ONNX.")  # fmt: skip
    if not 2 <= found.classes <= MOST_CLASSES:
        raise ModelError(f"The head of this network names {found.classes} classes; it needs 2 to {MOST_CLASSES}.")
    with torch.device("meta"):
        wanted = {k: tuple(t.shape) for k, t in found.make().state_dict().items()}
    try:
        compare(shapes, wanted, OPTIONAL)
    except ModelError as error:
        raise ModelError(f"This looks like {found.title}. {error}") from None
    return found


def guess(found: Architecture) -> Choice:
    """The likeliest choice for weights of a network."""
    return Choice(usual(found.classes), _LONGEST.get(found.name, 640 if not found.published else 520))


def build(name: str, found: Architecture, weights: Weights, choice: Choice, device: str = "cpu") -> Any:
    """The model called `name`, with its weights, ready to trace. Raises ModelError."""
    if len(choice.classes) != found.classes:
        raise ModelError(f"The head names {found.classes} classes, but there are {len(choice.classes)} names.")
    if not 32 <= choice.longest <= MOST_SIDE:
        raise ModelError(f"The longer side must have 32 to {MOST_SIDE} pixels.")
    with torch.device("meta"):
        network = found.make()
    network = network.to_empty(device="cpu").eval()
    state = {k: torch.zeros_like(t) for k, t in network.state_dict().items() if not t.is_floating_point()}
    given = {k: t for k, t in weights.tensors().items() if not k.startswith("aux_classifier.")}
    network.load_state_dict(state | given)
    if not all(bool(torch.isfinite(t).all()) for t in given.values() if t.is_floating_point()):
        raise ModelError("The weights hold numbers that are not finite.")
    labels = label_set(choice.classes)
    settings = {**found.settings, "longest": [32, choice.longest], **({"labels": labels} if labels else {})}
    card = Card(name, name, f"Your weights in {found.title}.", paper="", slides="", data="your own", split="",
                classes=choice.classes, settings=settings)  # fmt: skip
    return _wrapped(found, card, network, choice, device)


def _wrapped(found: Architecture, card: Card, network: nn.Module, choice: Choice, device: str) -> Any:
    """The network as people meet it."""
    from engine.segmentation.fcn_model import FcnModel
    from engine.segmentation.multiscale_model import MultiScaleModel
    from engine.segmentation.patches_model import PatchesModel
    from engine.segmentation.published import Normalised, Published, fold
    from engine.segmentation.recurrent_model import RecurrentModel

    if found.published:
        fold(network)
        return Published(card, Normalised(network, choice.mean, choice.std), device)
    wrap = {"fcn": FcnModel, "patches": PatchesModel, "recurrent": RecurrentModel}.get(found.name, MultiScaleModel)
    return wrap(card, network, device)


def _ours(shapes: Shapes) -> Architecture | None:
    """One of this engine's networks; of those with a trunk the first size that fits, else the smallest."""
    from engine.segmentation.fcn import FCN
    from engine.segmentation.multiscale import Classic, MultiScale
    from engine.segmentation.patches import Patches
    from engine.segmentation.recurrent import Recurrent

    def first(key: str) -> int:
        return (shapes.get(key) or (0,))[0]

    kinds = (
        ("fcn", "fc6.0.weight", "score8.weight", lambda k, w, size: FCN(k, size, w), "FCN"),
        ("multiscale", "deep.0.weight", "score8.0.weight", lambda k, w, size: MultiScale(k, size, w), "MultiScale"),
        ("recurrent", "mix.weight", "score.weight", lambda k, w, size: Recurrent(k, size, w), "Recurrent"),
        ("patches", "second.weight", "scores.0.weight", lambda k, w, _: Patches(k, w), "Patches"),
        ("multiscale-classic", "features.0.weight", "scores.0.weight", lambda k, w, _: Classic(k), "Classic"),
    )
    for name, mark, head, make, title in kinds:
        if mark in shapes and head in shapes:
            width = min(first(mark), 4096)
            size = _size(shapes) if any(k.startswith("trunk.") for k in shapes) else None
            classes = min(first(head), 10_000)
            settings = {} if size is None else {"trunk": size}
            return Architecture(name, f"Saccade's {title}", classes, partial(make, classes, width, size), settings)
    return None


def _size(shapes: Shapes) -> int:
    """The Lite variant whose trunk has the most shapes in common with these."""
    from engine.trunk import Trunk

    def common(size: int) -> int:
        with torch.device("meta"):
            wanted = Trunk(size).state_dict()
        return sum(shapes.get(f"trunk.{k}") == tuple(t.shape) for k, t in wanted.items())

    return max(LITE, key=common)


def _torchvision(shapes: Shapes) -> Architecture | None:
    """One of torchvision's segmentation networks."""
    from engine.segmentation import published

    deep = "101" if any(k.startswith("backbone.layer3.22.") for k in shapes) else "50"
    resnet = any(k.startswith("backbone.layer4.") for k in shapes)
    if "classifier.low_classifier.weight" in shapes:
        name, head = "lraspp_mobilenet_v3_large", "classifier.low_classifier.weight"
    elif any(k.startswith("classifier.0.convs.") for k in shapes):
        name, head = f"deeplabv3_resnet{deep}" if resnet else "deeplabv3_mobilenet_v3_large", "classifier.4.weight"
    elif resnet:
        name, head = f"fcn_resnet{deep}", "classifier.4.weight"
    else:
        return None
    classes = min((shapes.get(head) or (0,))[0], 10_000)
    return Architecture(name, f"torchvision's {name}", classes, partial(published.empty, name, classes), {}, True)
