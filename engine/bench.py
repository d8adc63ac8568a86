"""How long the models take on this machine, beside two networks of torchvision that people would use instead.

Convention
----------
One picture of 640 x 480 pixels of noise, as an array in memory. `trace`: from that array to the Trace. `image`: from
the array to the input tensor. `forward`: the network alone on that tensor, to logits.
A captioner: `encode`: from the array to the Encoding. `beam1`, `beam3`, `beam5`: one word of the search for a caption
of that width, which is the time of the whole search divided by its steps. `forced`: a whole caption of beam 3 after
three wished words (the most frequent ones), of a picture that is encoded already.
A network for digits: `read`, or `find`: one picture of its own small size, from the array to all that the page shows.
Peers: torchvision's networks with random weights, as a user would run them: eval, inference mode, NCHW.
All contestants take turns in every round, so that a machine that slows down slows them all.
Peak memory is the resident set of this process, Python and PyTorch and all models loaded so far included.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.models import get_model

from engine import tensors, zoo
from engine.cards import ModelError
from engine.spatial.colocal import SIZE as SCENE

SIZE = (480, 640)  # rows, columns
OURS = ("patches", "multiscale", "multiscale-classic", "recurrent", "fcn-scenes", "fcn-animals", "caption-plain",
        "caption-soft", "caption-hard", "digits-rts-affine", "digits-rts-plain")  # fmt: skip
PEERS = {"fcn_resnet50": 6, "lraspp_mobilenet_v3_large": 1}  # name -> it takes part in each so-manieth round
BEAMS = (1, 3, 5)
Work = Callable[[], Any]


@dataclass(frozen=True)
class Contestant:
    """What is timed of a network: `works` by their names, the first of which also has its memory measured.

    seen: (h, w) of the network's input. every: it takes part in each so-manieth round. parts: of works whose time is
    divided by a number of parts.
    """

    works: Mapping[str, Work]
    seen: tuple[int, int]
    every: int = 1
    parts: Mapping[str, int] = field(default_factory=dict)


def bench(names: Sequence[str] = (), *, tries: int = 30, size: tuple[int, int] = SIZE,
          progress: Callable[[str], None] = print,
          load: Callable[[str], Any] | None = None) -> list[dict[str, Any]]:  # fmt: skip
    """Time the models called `names` (all of ours by default) and the peers; one record each, in that order.

    A record: model, width, height, input (width and height that the network sees), tries, threads; the times of each of
    its works (see Convention) in ms as WORK_median and WORK_p95; peak_mib and run_mib (what a trace adds to the memory
    held before it). Of segmentation networks also ratio = trace / forward and ratio_beyond_image = (trace - image) /
    forward, both of medians; same_size, the forward at the full size, and times_faster_than {peer: its forward /
    same_size_median}.
    load: gives the model of a name, `engine.zoo.load` unless said.
    A model that is not there is named to `progress` and left out; raises ModelError where it was asked for by name.
    """
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    contestants: dict[str, Contestant] = {}
    memory: dict[str, tuple[float, float]] = {}

    def join(name: str, contestant: Contestant) -> None:
        contestants[name], memory[name] = contestant, _peak(next(iter(contestant.works.values())))

    for name in names or OURS:
        try:
            join(name, _ours((load or zoo.load)(name), rgb))
        except ModelError as error:
            if names:
                raise
            progress(f"{name} is left out: {error}")
    for name, every in PEERS.items():
        join(f"peer {name}", _peer(name, every, rgb))
    times = _rounds(contestants, tries, progress)
    lines = [_line(name, contestants[name], times[name], memory[name], size) for name in contestants]
    return [{**line, **_against(line, lines)} for line in lines]


def _ours(model: Any, rgb: np.ndarray) -> Contestant:
    """A captioner tells, a network for digits reads or finds, all others segment."""
    if hasattr(model, "find"):
        scene = np.random.default_rng(0).random((1, 1, SCENE, SCENE), np.float32)
        return Contestant({"find": lambda: model.find(scene)}, (SCENE, SCENE))
    if hasattr(model, "read"):
        return _reader(model)
    return _captioner(model, rgb) if hasattr(model, "tell") else _segmenter(model, rgb)


def _reader(model: Any) -> Contestant:
    task = model.task
    picture = np.random.default_rng(0).random((1, task.channels, task.size, task.size), np.float32)
    return Contestant({"read": lambda: model.read(picture)}, (task.size, task.size))


def _segmenter(model: Any, rgb: np.ndarray) -> Contestant:
    size = model.working_size(rgb)
    x = tensors.to_input(rgb, size)
    full = tensors.to_input(rgb, rgb.shape[:2])
    works = {"trace": lambda: model.trace(rgb), "image": lambda: tensors.to_input(rgb, size),
             "forward": lambda: model.network(x), "same_size": lambda: model.network(full)}  # fmt: skip
    return Contestant(works, size)


def _captioner(model: Any, rgb: np.ndarray) -> Contestant:
    from engine.attention.decoding import beam_search
    from engine.attention.telling import Wish

    size, encoding = model.working_size(rgb), model.encode(rgb)
    works = {"trace": lambda: model.trace(rgb), "image": lambda: tensors.to_input(rgb, size),
             "encode": lambda: model.encode(rgb),
             "forced": lambda: model.tell(encoding, Wish(start=(2, 3, 4), beam=3))}  # fmt: skip
    parts = {}
    for width in BEAMS:
        search = partial(beam_search, model.network, encoding.annotations, width)
        steps: list[Any] = []
        search(watch=lambda *_, steps=steps: steps.append(None))
        works[f"beam{width}"], parts[f"beam{width}"] = search, len(steps)
    return Contestant(works, size, parts=parts)


def _peer(name: str, every: int, rgb: np.ndarray) -> Contestant:
    network = get_model(name, weights=None, weights_backbone=None).eval()
    x = torch.tensor(rgb).permute(2, 0, 1)[None].contiguous() / 255
    return Contestant({"forward": lambda: network(x)}, rgb.shape[:2], every)


@torch.inference_mode()
def _rounds(contestants: dict[str, Contestant], tries: int, progress: Callable[[str], None]) -> dict[str, dict]:
    """Milliseconds of every try: {model: {work: [...]}}. One round before the first is not counted (warm-up)."""
    times = {name: {kind: [] for kind in contestant.works} for name, contestant in contestants.items()}
    gc.collect()
    for i in range(-1, tries):
        for name, contestant in contestants.items():
            if i >= 0 and i % contestant.every:
                continue
            for kind, work in contestant.works.items():
                start = time.perf_counter()
                work()
                if i >= 0:
                    spent = 1000 * (time.perf_counter() - start)
                    times[name][kind].append(spent / contestant.parts.get(kind, 1))
        if i >= 0 and i % 10 == 9:
            progress(f"{i + 1} of {tries} rounds")
    return times


def _line(name: str, contestant: Contestant, times: dict[str, list[float]], memory: tuple[float, float],
          size: tuple[int, int]) -> dict[str, Any]:  # fmt: skip
    line = {"model": name, "width": size[1], "height": size[0], "input": [*contestant.seen[::-1]],
            "tries": len(next(iter(times.values())))}  # fmt: skip
    for kind, spent in times.items():
        line[f"{kind}_median"] = round(float(np.median(spent)), 2)
        line[f"{kind}_p95"] = round(float(np.percentile(spent, 95)), 2)
    if "trace" in times and "forward" in times:
        line["ratio"] = round(line["trace_median"] / line["forward_median"], 3)
        line["ratio_beyond_image"] = round((line["trace_median"] - line["image_median"]) / line["forward_median"], 3)
    return {**line, "peak_mib": round(memory[0]), "run_mib": round(memory[1]), "threads": torch.get_num_threads()}


def _against(line: dict, lines: list[dict]) -> dict:
    """How many times faster a segmentation network of ours is than each peer, forward to forward."""
    if "same_size_median" not in line:
        return {}
    peers = {x["model"].removeprefix("peer "): x for x in lines if x["model"].startswith("peer ")}
    ours = line["same_size_median"]
    return {"times_faster_than": {name: round(x["forward_median"] / ours, 2) for name, x in peers.items()}}


@torch.inference_mode()
def _peak(work: Work) -> tuple[float, float]:
    """MiB: the largest resident set while `work` ran, and how much that is above the one before (0, 0 off Linux)."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        work()
        return 0.0, 0.0
    reset.write_text("5")  # sets the high-water mark back to what is resident now
    before = _status(status, "VmRSS")
    work()
    peak = _status(status, "VmHWM")
    return peak, peak - before


def _status(path: Path, key: str) -> float:
    line = next(line for line in path.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) / 1024
