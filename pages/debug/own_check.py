"""A file that a visitor brought is opened and tried: guesses, a dry run, and at last a model of this visit."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from engine.cards import ModelError
from engine.debug import architectures, checkpoints, onnx_dry, onnx_spec
from engine.debug.onnx_dry import WRONG, Finding
from engine.debug.onnx_model import OnnxModel, card_of
from engine.debug.onnx_pipe import Tick
from engine.debug.onnx_process import Network
from engine.runs import Cancelled
from pages.debug.own_state import Draft
from pages.kit import owned, queue

T = TypeVar("T")


def read(data: bytes, title: str) -> Draft:
    """A file as somebody brought it, opened on the queue, with guesses. Raises ModelError with a sentence."""
    file = hashlib.sha256(data).hexdigest()
    if checkpoints.kind(data) == "safetensors":
        weights = checkpoints.read(data)
        found = architectures.recognise(weights.shapes)
        return Draft(title, file, weights, found, architectures.guess(found, weights))
    network = patient(lambda tick: Network(data, tick), "The network is opened in a process of its own ...")
    return Draft(title, file, network, None, onnx_spec.guess(network.info))


def check(draft: Draft, rgb: np.ndarray) -> None:
    """Try what is said on a picture (H, W, 3) uint8; where nothing is wrong, the model is this visit's from now on."""
    name, findings = owned.name_of(draft.title, draft.file, draft.said), ()
    try:
        model, findings = patient(lambda tick: _tried(draft, name, rgb, tick), "A dry run on your picture ...")
        if all(finding.level != WRONG for finding in findings):
            owned.add(model, draft.file, draft.source.size * (1 if draft.found is None else 2))
    except ModelError as error:
        findings = (*findings, Finding(WRONG, str(error)))
    right = all(finding.level != WRONG for finding in findings)
    draft.checked, draft.findings, draft.name = True, findings, name if right else ""
    if not right:
        owned.drop(draft.file)


def _tried(draft: Draft, name: str, rgb: np.ndarray, tick: Tick) -> tuple[object, tuple[Finding, ...]]:
    if draft.found is None:
        model = OnnxModel(card_of(name, draft.said, draft.source), draft.source, draft.said)
        return model, onnx_dry.dry_run(model, rgb, tick)
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = architectures.build(name, draft.found, draft.source, draft.said, device)
    return model, onnx_dry.dry_run_weights(model, rgb)


def patient(work: Callable[[Tick], T], waiting: str) -> T:
    """`work(tick)` on the queue; `tick` raises once the visitor has cancelled or gone on, which ends a process."""
    gone = threading.Event()

    def tick() -> None:
        if gone.is_set():
            raise Cancelled

    try:
        return queue.run(lambda: work(tick), waiting)
    finally:
        gone.set()
