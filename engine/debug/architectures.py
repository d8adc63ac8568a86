"""The networks that weights alone can be loaded into: ours and torchvision's, recognised by their keys and shapes.

References
1. `engine.segmentation`: FCN, Patches, MultiScale, Classic, Recurrent.
2. torchvision.models.segmentation: FCN, DeepLabV3 and LR-ASPP, their keys and heads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.cards import Card, ModelError
from engine.debug.checkpoints import Shapes, Weights, compare, unwrapped
from engine.debug.onnx_spec import (
    IMAGENET,
    MOST_CLASSES,
    MOST_SIDE,
    Numbers,
    label_set,
    names_in,
    numbered,
    quoted,
    usual,
)

LITE = (0, 1, 2, 3, 4)  # sizes of our trunk
HEADS = ("score8.weight", "score8.0.weight", "score.weight", "scores.0.weight", "classifier.4.weight",
         "classifier.low_classifier.weight")  # their first axis is the classes  # fmt: skip
BUNDLED = ("fcn-scenes", "fcn-animals", "patches", "multiscale", "multiscale-classic", "recurrent")
# Names that training leaves in a file beside those of the network.
_BESIDE = re.compile(
    r"(optimi[sz]er|opt|scheduler|lr|criterion|loss|n_averaged|epoch|step|global_step|best|metrics?|train_\w*|val_\w*|"
    r"test_\w*|scaler|rng|hparams?|hyper_parameters|callbacks|ema|ema_\w+|\w+_ema|teacher|student)(\.|$)",
    re.I,
)
OPTIONAL = ("aux_classifier.", "num_batches_tracked")  # keys that may be there or not
_LONGEST = {"patches": 320, "multiscale-classic": 320}


@dataclass(frozen=True)
class Architecture:
    """A network that fits some weights: its name, the number of classes of its head, and how it is made.

    title: in words. make: the network itself, without weights. settings: what its card must say.
    published: it is torchvision's, which takes any mean and deviation. keys: name of a tensor -> the file's own key.
    one: its head has one channel, the logit of the second of two classes. notes: sentences on what of the file was
    left out or chosen.
    """

    name: str
    title: str
    classes: int
    make: Callable[[], nn.Module]
    settings: Mapping[str, Any]
    published: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)
    one: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """What the user says of weights: names of the classes, pixels of the longer side, and for torchvision's networks
    mean and deviation of RGB in [0, 1]."""

    classes: tuple[str, ...]
    longest: int
    mean: Numbers = IMAGENET[0]
    std: Numbers = IMAGENET[1]


def recognise(shapes: Shapes) -> Architecture:
    """The network that these keys and shapes belong to, whatever wrappers put before the keys or beside them.

    Raises ModelError with a sentence that says what differs.
    """
    failed, fitting = None, []
    for prefix, keys in unwrapped(shapes).items():
        inner = {name: shapes[key] for name, key in keys.items()}
        found = _ours(inner) or _torchvision(inner)
        if found is None:
            continue
        try:
            fitting.append((_order(prefix), prefix, _fitted(found, inner, keys, len(shapes))))
        except ModelError as error:
            failed = failed or error
    if fitting:
        _, prefix, found = min(fitting, key=lambda fit: fit[0])
        others = [quoted(p.rstrip("."), most=20) for _, p, _ in fitting if p != prefix]
        if not others:
            return found
        note = f"The file holds {len(fitting)} networks: the one under {quoted(prefix.rstrip('.'), most=20)} is taken."
        return replace(found, notes=(note, *found.notes))
    if failed:
        raise failed
    raise ModelError(f"These weights ({quoted(*list(shapes)[:3])} ...) belong to no network known here: Saccade's "
                     "FCN, Patches, MultiScale and Recurrent, and torchvision's FCN, DeepLabV3 and LR-ASPP. Any "
                     "other network can come as ONNX.")  # fmt: skip


def _order(prefix: str) -> tuple[bool, bool, int]:
    """Which of several networks in a file is taken: averaged weights, then what is no teacher, then the shortest."""
    return "ema" not in prefix.lower(), "teacher" in prefix.lower(), len(prefix)


def _fitted(found: Architecture, inner: Shapes, keys: Mapping[str, str], total: int) -> Architecture:
    """The network with its keys, after all shapes were compared. Raises ModelError."""
    one = found.classes == 1
    if one:
        found = replace(found, classes=2, make=_with_two(inner), one=True)
    if not 2 <= found.classes <= MOST_CLASSES:
        raise ModelError(f"The head of this network names {found.classes} classes; it needs 2 to {MOST_CLASSES}.")
    with torch.device("meta"):
        wanted = {k: tuple(t.shape) for k, t in found.make().state_dict().items()}
    kept = {name: s for name, s in inner.items() if name in wanted or not _BESIDE.match(name)}
    if one:
        kept = {name: wanted[name] if _widened(s, wanted.get(name)) else s for name, s in kept.items()}
    try:
        compare(kept, wanted, OPTIONAL)
    except ModelError as error:
        if one:
            raise ModelError(f"The head of this network names 1 classes; it needs 2 to {MOST_CLASSES}.") from None
        raise ModelError(f"This looks like {found.title}. {error}") from None
    left = total - sum(name in wanted or not _counts(name) for name in inner)
    notes = (f"{left} other tensors of the file, such as an optimiser's, are left out.",)
    used = {name: key for name, key in keys.items() if name in wanted}
    head = ("The head has one channel: taken as the score of the second of two classes, against the first.",)
    return replace(found, keys=used, notes=notes * (left > 0) + head * one)


def _counts(name: str) -> bool:
    """Whether a key must be the network's."""
    return not any(name.startswith(o) or name.endswith(o) for o in OPTIONAL)


def _with_two(inner: Shapes) -> Callable[[], nn.Module]:
    """The same network with two classes instead of one."""
    two = {name: (2, *s[1:]) if name in HEADS else s for name, s in inner.items()}
    return (_ours(two) or _torchvision(two)).make


def _widened(shape: tuple[int, ...], wanted: tuple[int, ...] | None) -> bool:
    """Whether a tensor of one channel becomes the wanted one by zeros for the first class."""
    return bool(wanted) and len(shape) == len(wanted) and shape != wanted and all(
        s == w or (s, w) == (1, 2) for s, w in zip(shape, wanted, strict=True))  # fmt: skip


def guess(found: Architecture, weights: Weights | None = None) -> Choice:
    """The likeliest choice for weights of a network: classes as the file names them, or numbers.

    Of weights that are bundled here, to the byte, the names are known.
    """
    named = names_in(weights.metadata, found.classes) if weights else numbered(found.classes)
    if named == numbered(found.classes) and weights:
        named = next((card.classes for card in map(Card.read, BUNDLED) if card.sha256 == weights.sha256), named)
    if found.one and named == numbered(2):
        named = usual(2)
    return Choice(named, _LONGEST.get(found.name, 640 if not found.published else 520))


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
    given = weights.tensors(found.keys)
    if found.one:
        wanted = network.state_dict()
        given = {k: _padded(t, wanted[k].shape) for k, t in given.items()}
    network.load_state_dict(state | given)
    if not all(bool(torch.isfinite(t).all()) for t in given.values() if t.is_floating_point()):
        raise ModelError("The weights hold numbers that are not finite.")
    labels = label_set(choice.classes)
    settings = {**found.settings, "longest": [32, choice.longest], **({"labels": labels} if labels else {})}
    card = Card(name, name, f"Your weights in {found.title}.", paper="", slides="", data="your own", split="",
                classes=choice.classes, settings=settings)  # fmt: skip
    return _wrapped(found, card, network, choice, device)


def _padded(x: Tensor, shape: Sequence[int]) -> Tensor:
    """A tensor with zeros before it on each axis that must be longer: the scores of the first class are 0."""
    pads = [n for old, new in zip(reversed(x.shape), reversed(shape), strict=True) for n in (new - old, 0)]
    return F.pad(x, pads)


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
