"""How long the models take on this machine, beside two networks of torchvision that people would use instead.

Convention
----------
One picture of 640 x 480 pixels of noise, as an array in memory. `trace`: from that array to the Trace. `forward`: the
network alone on its input tensor, to logits. `image work`: from the array to the input tensor.
Peers: torchvision's networks with random weights, as a user would run them: eval, inference mode, NCHW.
All contestants take turns in every round, so that a machine that slows down slows them all.
Peak memory is the resident set of this process, Python and PyTorch and all models loaded so far included.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.models import get_model

from engine import tensors, zoo
from engine.cards import ModelError

SIZE = (480, 640)  # rows, columns
OURS = ("patches", "multiscale", "multiscale-classic", "recurrent", "fcn-scenes", "fcn-animals")
PEERS = {"fcn_resnet50": 6, "lraspp_mobilenet_v3_large": 1}  # name -> it takes part in each so-manieth round
Work = Callable[[], Any]


def bench(names: Sequence[str] = (), *, tries: int = 30, size: tuple[int, int] = SIZE,
          progress: Callable[[str], None] = print) -> list[dict[str, Any]]:  # fmt: skip
    """Time the models called `names` (all of ours by default) and the peers; one record each, in that order.

    A record: model, width, height, input (width and height that the network sees), tries; times in ms as trace_median,
    trace_p95, forward_median, forward_p95, image_median; ratio = trace / forward and ratio_beyond_image = (trace -
    image work) / forward, both of medians; peak_mib and run_mib (what a trace adds to the memory held before it);
    same_size_median, the forward at the full size, and times_faster_than {peer: its forward / same_size_median}.
    A model that is not there is named to `progress` and left out; raises ModelError where it was asked for by name.
    """
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    works: dict[str, dict[str, Work]] = {}
    inputs: dict[str, tuple[int, int]] = {}
    memory: dict[str, tuple[float, float]] = {}
    for name in names or OURS:
        try:
            model = zoo.load(name)
        except ModelError as error:
            if names:
                raise
            progress(f"{name} is left out: {error}")
            continue
        works[name], inputs[name] = _ours(model, rgb), model.working_size(rgb)
        memory[name] = _peak(works[name]["trace"])
    for name in PEERS:
        works[f"peer {name}"] = _peer(name, rgb)
        memory[f"peer {name}"] = _peak(works[f"peer {name}"]["forward"])
    times = _rounds(works, tries, progress)
    lines = [_line(name, times[name], memory[name], size, inputs.get(name, size)) for name in works]
    return [{**line, **_against(line, lines)} for line in lines]


def _ours(model: Any, rgb: np.ndarray) -> dict[str, Work]:
    size = model.working_size(rgb)
    x = tensors.to_input(rgb, size)
    full = tensors.to_input(rgb, rgb.shape[:2])
    return {"image": lambda: tensors.to_input(rgb, size), "trace": lambda: model.trace(rgb),
            "forward": lambda: model.network(x), "same_size": lambda: model.network(full)}  # fmt: skip


def _peer(name: str, rgb: np.ndarray) -> dict[str, Work]:
    network = get_model(name, weights=None, weights_backbone=None).eval()
    x = torch.tensor(rgb).permute(2, 0, 1)[None].contiguous() / 255
    return {"forward": lambda: network(x)}


@torch.inference_mode()
def _rounds(works: dict[str, dict[str, Work]], tries: int, progress: Callable[[str], None]) -> dict[str, dict]:
    """Milliseconds of every try: {model: {work: [...]}}. One round before the first is not counted (warm-up)."""
    times = {name: {kind: [] for kind in kinds} for name, kinds in works.items()}
    gc.collect()
    for i in range(-1, tries):
        for name, kinds in works.items():
            if i % PEERS.get(name.removeprefix("peer "), 1) and name.startswith("peer ") and i >= 0:
                continue
            for kind, work in kinds.items():
                start = time.perf_counter()
                work()
                if i >= 0:
                    times[name][kind].append(1000 * (time.perf_counter() - start))
        if i >= 0 and i % 10 == 9:
            progress(f"{i + 1} of {tries} rounds")
    return times


def _line(name: str, times: dict[str, list[float]], memory: tuple[float, float], size: tuple[int, int],
          seen: tuple[int, int]) -> dict:  # fmt: skip
    line = {"model": name, "width": size[1], "height": size[0], "input": [seen[1], seen[0]],
            "tries": len(times["forward"])}  # fmt: skip
    for kind in ("trace", "forward"):
        if kind in times:
            line[f"{kind}_median"] = round(float(np.median(times[kind])), 2)
            line[f"{kind}_p95"] = round(float(np.percentile(times[kind], 95)), 2)
    if "trace" in times:
        image = float(np.median(times["image"]))
        line["image_median"] = round(image, 2)
        line["same_size_median"] = round(float(np.median(times["same_size"])), 2)
        line["ratio"] = round(line["trace_median"] / line["forward_median"], 3)
        line["ratio_beyond_image"] = round((line["trace_median"] - image) / line["forward_median"], 3)
    return {**line, "peak_mib": round(memory[0]), "run_mib": round(memory[1]), "threads": torch.get_num_threads()}


def _against(line: dict, lines: list[dict]) -> dict:
    """How many times faster a model of ours is than each peer, forward to forward."""
    if line["model"].startswith("peer "):
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
