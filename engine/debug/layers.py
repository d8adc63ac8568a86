"""What every layer of a network gives on one picture: shapes, statistics and dead channels of all, maps of the chosen.

References
1. Lu, Shin, Su and Karniadakis 2020, "Dying ReLU and Initialization": channels that never answer.
2. Luo et al. 2016, "Understanding the Effective Receptive Field": what a cell listens to (`engine.receptive`).

Convention
----------
A network sees the picture as its model shows it: (1, 3, h, w) at the working size. A map of a layer covers the whole
picture; one with more cells than the input has pixels lies around it, a cell for each pixel, and is cut to it.

A channel is dead on a picture where it is the same number everywhere: its largest value less its smallest is at most
`ALIKE` of the layer's largest |value|, after the ReLU that directly follows the layer, if one does. So a channel that
is never above 0 before a ReLU is dead. A map of one cell cannot be judged on one picture.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine import receptive, tensors
from engine.debug.layer_fields import Fields, Following
from engine.debug.layer_listening import LayersError, Listening, network_of, twin
from engine.segmentation.patches import Patches

ALIKE = 1e-6  # of the layer's largest |value|: what counts as the same number
MOST = 48  # maps of one layer that are shown
BINS = 64  # of a histogram
ORDERS = ("variation", "strength")  # of channels: standard deviation over the picture, or mean |value|
SHARE = 0.9  # of the gradient that lies in the box of what a cell listens to


@dataclass(frozen=True, eq=False)
class Output:
    """One tensor that a module gave.

    call: 1, 2 ... where a module runs several times. part: 1, 2 ... where one call gives several tensors. shape: its
    own, batch first. cells: values of each channel. low, high, mean, sd, zeros, faulty: (C,) float32 for each channel:
    smallest and largest value, mean, standard deviation, share of zeros, share that is not finite. bounds: between
    which the ReLU lets values pass that directly follows, if one does. fields: of a cell, None where unknown.
    """

    call: int
    part: int
    shape: tuple[int, ...]
    cells: int
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    zeros: np.ndarray
    faulty: np.ndarray
    bounds: tuple[float, float] | None = None
    fields: Fields | None = None

    @property
    def channels(self) -> int:
        """How many there are."""
        return len(self.low)

    @property
    def is_map(self) -> bool:
        """Whether it has rows and columns, or is a single cell for the whole picture."""
        return len(self.shape) in (2, 4)

    @property
    def dead(self) -> np.ndarray:
        """(C,) bool, see Convention; none where a channel is a single value."""
        if self.cells < 2:
            return np.zeros(self.channels, bool)
        low, high = (np.clip(v, *self.bounds) if self.bounds else v for v in (self.low, self.high))
        with np.errstate(invalid="ignore"):
            return high - low <= ALIKE * np.maximum(np.abs(self.low), np.abs(self.high)).max()

    @property
    def whole(self) -> dict[str, float]:
        """Minimum, maximum, mean, standard deviation, share of zeros and of not finite values of all channels."""
        sd = float(np.sqrt(np.square(self.sd).mean() + self.mean.var()))
        return {"minimum": float(self.low.min()), "maximum": float(self.high.max()), "mean": float(self.mean.mean()),
                "sd": sd, "zeros": float(self.zeros.mean()), "not finite": float(self.faulty.mean())}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Module:
    """One module: qualified name ("" is the network itself), type, depth in the tree, own and all parameters, outputs.

    A parameter that several modules share counts where it comes first. outputs: in the order of the run, none where the
    module did not run, or gave no numbers.
    """

    name: str
    kind: str
    depth: int
    own: int
    total: int
    children: tuple[str, ...]
    outputs: tuple[Output, ...]


@dataclass(frozen=True, eq=False)
class Recording:
    """All modules of a network in the order of its tree, after a run on an input of `size` = (h, w)."""

    size: tuple[int, int]
    modules: tuple[Module, ...]

    def __getitem__(self, name: str) -> Module:
        """The module of that name. Raises KeyError."""
        return {m.name: m for m in self.modules}[name]


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps of one output.

    order: (n,) int, the channels by one of `ORDERS`, first the one that counts most. values: (n, h, w) float32, their
    maps. overall: (h, w) float32, mean |value| of all channels. counts: (BINS,) int and edges: (BINS + 1,) float: the
    histogram of all finite values.
    """

    order: np.ndarray
    values: np.ndarray
    overall: np.ndarray
    counts: np.ndarray
    edges: np.ndarray


class _Enough(Exception):
    """What was wanted is here: the rest of the network need not run."""


def record(model: Any, rgb: np.ndarray) -> Recording:
    """Run the network of `model` on (H, W, 3) uint8 once and note what every module gives; no map is kept.

    Raises LayersError where the model has no network, or it cannot be copied. Of a network in ONNX the nodes are noted.
    """
    if onnx := _onnx(model):
        return onnx.record(model, rgb)
    network = twin(network_of(model))
    with torch.inference_mode(), _autocast(model):
        x = tensors.to_input(rgb, model.working_size(rgb), model.device)
        heard: dict[str, list[Output]] = defaultdict(list)
        with Following(x) as following:
            listening = Listening(network, lambda name, call, part, out: heard[name].append(
                _output(call, part, out, following.fields(out))))  # fmt: skip
            with listening:
                _run(network, x)
    for name, outputs in heard.items():
        heard[name] = [replace(o, bounds=listening.bounds.get((name, o.call, o.part))) for o in outputs]
    return Recording(tuple(x.shape[-2:]), _tree(network, heard))


def _onnx(model: Any) -> Any:
    """`engine.debug.layer_onnx` for a network in ONNX, None for others."""
    from engine.debug import layer_onnx

    return layer_onnx if isinstance(model, layer_onnx.OnnxModel) else None


def _tree(network: nn.Module, heard: dict[str, list[Output]]) -> tuple[Module, ...]:
    modules, counted = [], set()
    for name, module in network.named_modules():
        new = {id(p): p.numel() for p in module.parameters(recurse=False) if id(p) not in counted}
        counted |= set(new)
        total = sum(p.numel() for p in module.parameters())
        children = tuple(f"{name}.{child}".lstrip(".") for child, _ in module.named_children())
        depth = name.count(".") + 1 if name else 0
        modules.append(Module(name, type(module).__name__, depth, sum(new.values()), total, children,
                              tuple(heard.get(name, ()))))  # fmt: skip
    return tuple(modules)


def _run(network: nn.Module, x: Tensor) -> Any:
    """The network over a whole picture, as its model's `encode` has it."""
    return network.everywhere(x) if isinstance(network, Patches) else network(x)


def _autocast(model: Any) -> Any:
    return model.autocast() if hasattr(model, "autocast") else nullcontext()


def _output(call: int, part: int, x: Tensor, fields: Fields | None) -> Output:
    """The statistics of a tensor (B, C, ...), or (B, N, C) as transformers have it."""
    axis = 2 if x.ndim == 3 else 1
    rest = tuple(d for d in range(x.ndim) if d != axis)
    x = x.detach().float()
    variance, mean = torch.var_mean(x, rest, correction=0)
    low, high = x.amin(rest), x.amax(rest)
    zeros = (x == 0).float().mean(rest)
    sound = bool(torch.isfinite(low).all() and torch.isfinite(high).all())
    faulty = torch.zeros_like(low) if sound else (~torch.isfinite(x)).float().mean(rest)
    numbers = (t.cpu().numpy() for t in (low, high, mean, variance.sqrt(), zeros, faulty))
    return Output(call, part, tuple(x.shape), x.numel() // x.shape[axis], *numbers, fields=fields)


def _until(network: nn.Module, name: str, index: int, x: Tensor, use: Callable[[Tensor], Any]) -> Any:
    """Run `network`, a twin, until output `index` of module `name` is there; what `use` makes of it.

    Raises LayersError where there is no such output.
    """
    found, seen = [], 0

    def tell(module: str, call: int, part: int, out: Tensor) -> None:
        nonlocal seen
        if module == name:
            seen += 1
            if seen > index:
                found.append(use(out))
                raise _Enough

    try:
        with Listening(network, tell):
            _run(network, x)
    except _Enough:
        return found[0]
    raise LayersError(f"The layer {name or 'network'} gives no output number {index + 1}.")


def capture(model: Any, rgb: np.ndarray, name: str, index: int = 0, by: str = ORDERS[0], most: int = MOST) -> Maps:
    """The maps of output `index` of module `name`, the first `most` of its channels in the order `by`.

    rgb: (H, W, 3) uint8. The network runs no further than there. Raises LayersError where there is no such output, or
    it has no rows and columns.
    """
    if onnx := _onnx(model):
        x = torch.empty(1, 3, *model.working_size(rgb))
        return _maps(_on_picture(onnx.value(model, rgb, name, index), x), by, most)
    network = twin(network_of(model))
    with torch.inference_mode(), _autocast(model):
        x = tensors.to_input(rgb, model.working_size(rgb), model.device)
        return _until(network, name, index, x, lambda out: _maps(_on_picture(out, x), by, most))


def _maps(maps: Tensor, by: str, most: int) -> Maps:
    """(C, h, w) -> what is kept of it."""
    counts = {"variation": lambda: maps.std((1, 2), correction=0), "strength": lambda: maps.abs().mean((1, 2))}
    order = counts[by]().nan_to_num(nan=-1.0).argsort(descending=True, stable=True)[:most]
    finite = maps[torch.isfinite(maps)]
    ends = (float(finite.min()), float(finite.max())) if finite.numel() else (0.0, 1.0)
    bins, edges = np.histogram(finite.cpu().numpy(), BINS, ends)
    return Maps(order.cpu().numpy(), maps[order].cpu().numpy(), maps.abs().mean(0).cpu().numpy(), bins, edges)


def _on_picture(out: Tensor, x: Tensor) -> Tensor:
    """What a module gave, (B, C, h, w) or (B, C), over the input x (1, 3, H, W), as (C, h, w) float32."""
    if out.ndim not in (2, 4):
        raise LayersError(f"An output of shape {' x '.join(map(str, out.shape))} has no rows and columns to show.")
    maps = (out if out.ndim == 4 else out[..., None, None])[0].float()
    top, left = cut(out.shape, x.shape[-2:])
    return maps[:, top : maps.shape[1] - top, left : maps.shape[2] - left]


def cut(shape: Sequence[int], size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns on each side of a map of this `shape` that lie outside the input of `size` = (h, w)."""
    if len(shape) != 4 or shape[2] <= size[0] or shape[3] <= size[1]:
        return 0, 0
    return (shape[2] - size[0]) // 2, (shape[3] - size[1]) // 2


def listened(model: Any, rgb: np.ndarray, name: str, index: int, cell: tuple[int, int],
             channel: int | None = None) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """What a cell = (row, column) of output `index` of module `name` listens to on (H, W, 3) uint8.

    channel: its value there, None means the sum of all channels. Returns |gradient| by the picture as (h/4, w/4) float
    with peak 1, zeros where there is none, and the box (4,) in the image pixel frame that holds `SHARE` of it.
    Raises LayersError as `capture` does, and for a network in ONNX, which runs forwards only.
    """
    if _onnx(model):
        raise LayersError("onnxruntime gives no gradients: what a cell of an ONNX network listens to is not known.")
    network = twin(network_of(model))
    size = model.working_size(rgb)

    def score(x: Tensor) -> Tensor:
        def value(out: Tensor) -> Tensor:
            column = _on_picture(out, x)[:, cell[0], cell[1]]
            return column.sum() if channel is None else column[channel]

        return _until(network, name, index, x, value) + 0 * x.sum()  # what does not depend on x has a gradient too

    heat = receptive.effective(score, tensors.to_input(rgb, size, model.device))
    scale = np.array([rgb.shape[1] / size[1], rgb.shape[0] / size[0]] * 2)
    small = F.max_pool2d(heat[None, None], 4)[0, 0].cpu().numpy()
    return small, np.array(receptive.box_of(heat, SHARE)) * scale


def together(recordings: Sequence[Recording]) -> dict[str, tuple[Output, ...]]:
    """Each module's outputs over several pictures: lows, highs and shares of all of them, so that `dead` judges all.

    recordings: of one network; outputs that not every run gave are left out.
    """
    return {m.name: tuple(map(_joined, zip(*(r[m.name].outputs for r in recordings), strict=False)))
            for m in recordings[0].modules}  # fmt: skip


def _joined(outputs: Sequence[Output]) -> Output:
    return replace(outputs[0], cells=sum(o.cells for o in outputs),
                   low=np.min([o.low for o in outputs], 0), high=np.max([o.high for o in outputs], 0),
                   zeros=np.mean([o.zeros for o in outputs], 0))  # fmt: skip
