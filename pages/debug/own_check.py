"""A file that a visitor brought is opened and tried: guesses, a dry run, and at last a model of this visit."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from engine.cards import ModelError
from engine.debug import architectures, checkpoints, onnx_dry, onnx_guess, onnx_spec
from engine.debug.onnx_model import OnnxModel, card_of
from engine.debug.onnx_pipe import Tick
from engine.debug.onnx_process import Network
from engine.debug.onnx_spec import GUESS, RIGHT, WRONG, Finding
from engine.runs import Cancelled
from pages.debug.own_state import Draft
from pages.kit import owned, queue

T = TypeVar("T")
_NETWORK = re.compile(r"\.(onnx|safetensors)$", re.I)
_WEIGHTS = re.compile(r"[._](data|bin|weights?|pb)$", re.I)  # endings of files with a network's weights


def sorted_out(files: Mapping[str, bytes]) -> tuple[str, bytes, dict[str, bytes]]:
    """Of files in the order in which they came, the last network's name and content, and those with its weights.

    Former ones, which the browser still lists, are left out. Raises ModelError where no file is a network.
    """
    networks = [name for name in files if _NETWORK.search(name)]
    networks = networks or [name for name in files if not _WEIGHTS.search(name)]
    if not networks:
        raise ModelError("This is the file with the weights of a network (.data): bring the network's own file, .onnx, "
                         "with it.")  # fmt: skip
    name = networks[-1]
    beside = {other: data for other, data in files.items() if other not in networks}
    return name, files[name], beside


def read(data: bytes, title: str, beside: Mapping[str, bytes] = MappingProxyType({})) -> Draft:
    """A file as somebody brought it, opened on the queue, with guesses. Raises ModelError with a sentence.

    beside: name -> content of the files that came with it, where a network in ONNX has its weights in them.
    """
    digest = hashlib.sha256(data)
    for other in beside.values():
        digest.update(other)
    file = digest.hexdigest()
    if checkpoints.kind(data) == "safetensors":
        weights = checkpoints.read(data)
        found = architectures.recognise(weights.shapes)
        choice = architectures.guess(found, weights)
        return Draft(title, file, weights, found, choice, choice, _told(found, choice))

    def opened(tick: Tick) -> tuple[Network, onnx_guess.Guess]:
        network = Network(data, tick, beside)
        try:
            return network, onnx_guess.propose(network, tick)
        except ModelError:
            network.close()
            raise

    network, guess = patient(opened, "The network is opened in a process of its own ...")
    return Draft(title, file, network, None, guess.spec, guess.spec, guess.findings)


def _told(found: architectures.Architecture, choice: architectures.Choice) -> tuple[Finding, ...]:
    """What was chosen or left out of weights, and whether their classes have names."""
    said = [Finding(GUESS if found.one and note == found.notes[-1] else RIGHT, note) for note in found.notes]
    if choice.classes == onnx_spec.numbered(found.classes):
        said.append(Finding(GUESS, f"The head has {found.classes} classes; the file does not name them, and they have "
                            "numbers until you do.", ("classes",)))  # fmt: skip
    return tuple(said)


def check(draft: Draft, rgb: np.ndarray) -> None:
    """Try what is said on a picture (H, W, 3) uint8; where nothing is wrong, the model is this visit's from now on."""
    name, findings = owned.name_of(draft.title, draft.file, draft.said), ()
    if not draft.said.classes:  # only the visitor can know them
        draft.checked, draft.findings, draft.name = True, (), ""
        owned.drop(draft.file)
        return
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
