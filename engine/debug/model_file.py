"""A model from a file of the user's own, for the command line and notebooks: `.onnx` or `.safetensors`.

What is not said is guessed as on the page of own models. Options may also stand in a small JSON file beside the model,
NAME.json for NAME.onnx: ``{"classes": ["road", "sky"], "size": 512, "mean": [0.5, 0.5, 0.5], ...}``; what the caller
says goes first.

Weights that an ONNX file says lie in another file are read where that lies in the same folder, and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from engine.cards import ModelError
from engine.debug.onnx_spec import (
    CHANNELS,
    GUESS,
    KINDS,
    LAYOUTS,
    LAYOUTS_IN,
    MOST_SIDE,
    SCALES,
    Numbers,
    Spec,
    clean,
    numbered,
    quoted,
)

ENDINGS = (".onnx", ".safetensors")
MOST_OPTIONS = 2**18  # bytes of the JSON file
# option -> what it may be; the others are read by a function of their own
_CHOICES: Mapping[str, Sequence[str]] = {
    "layout": LAYOUTS_IN,
    "out_layout": LAYOUTS,
    "kind": KINDS,
    "scale": tuple(SCALES),
    "channels": tuple(CHANNELS),
}


def is_file(name: str) -> bool:
    """Whether `name` on a command line means a model's file and not one of the models here."""
    return PurePath(name).suffix.lower() in ENDINGS


def name_of(title: str, file: str, said: object) -> str:
    """A name for URLs: the slug of a file's name, and eight digits for its content and all that was said about it.

    file: SHA-256 of the content. said: its repr counts.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", PurePath(title).stem.lower()).strip("-")[:24].strip("-") or "model"
    return f"{slug}-{hashlib.sha256(f'{file} {said!r}'.encode()).hexdigest()[:8]}"


def load(path: str | Path, device: str = "cpu", tell: Callable[[str], None] = lambda sentence: None,
         **options: Any) -> Any:  # fmt: skip
    """The model in a file, as `engine.zoo.load` gives one.

    options, None where nothing is said: classes (names, or their number), size (pixels of the longer side, or
    (height, width)), mean and std (three numbers each, in the order of the channels); for ONNX also kind, output,
    layout, out_layout, scale, channels, multiple, as in `engine.debug.onnx_spec.Spec`. Texts as on a command line are
    read too: "road,sky", "512x384", "0.5,0.5,0.5". tell: called with a sentence for each thing that was guessed.
    Raises ModelError with one sentence, OSError where the file cannot be read.
    """
    path = Path(path)
    data = path.read_bytes()
    said = _beside(path) | {key: value for key, value in options.items() if value is not None}
    _known(said)
    from engine.debug import checkpoints

    make = _weights if checkpoints.kind(data) == "safetensors" else _network
    return make(path, data, said, device, tell)


def _network(path: Path, data: bytes, said: Mapping[str, Any], device: str, tell: Callable[[str], None]) -> Any:
    """An ONNX file; its process runs on the CPU whatever `device` says."""
    from engine.debug.onnx_guess import propose
    from engine.debug.onnx_model import OnnxModel, card_of
    from engine.debug.onnx_process import Network, Refused

    try:
        network = Network(data)
    except Refused as error:
        if not error.elsewhere:
            raise
        network = Network(data, beside={name: _companion(path, name) for name in error.elsewhere})
    found = propose(network)
    spec = _spec(found.spec, said, tuple(port.name for port in network.info.outputs))
    if not spec.classes:
        asked = (finding.sentence for finding in found.findings if "classes" in finding.about)
        raise ModelError(f"{next(asked, spec.wrong())} On the command line: --classes.")
    if sentence := spec.wrong():
        raise ModelError(sentence)
    for finding in found.findings:
        if finding.level == GUESS and all(getattr(spec, f) == getattr(found.spec, f) for f in finding.about):
            tell(finding.sentence)
    file = hashlib.sha256(data).hexdigest()
    card = replace(card_of(name_of(path.name, file, spec), spec, network), sha256=file)
    return OnnxModel(card, network, spec)


def _companion(path: Path, name: str) -> bytes:
    """The bytes of a file with weights that lies beside `path`; nothing outside of that folder is ever read."""
    folder = path.resolve().parent
    beside = folder / name
    if name in ("", ".", "..") or PurePath(name).name != name or beside.resolve().parent != folder:
        raise ModelError(f"The weights of this network should lie in {quoted(name)}, which is not in its folder.")
    try:
        return beside.read_bytes()
    except OSError:
        raise ModelError(
            f"The weights of this network lie in {quoted(name)}, which is not beside it: put both files "
            "into one folder, or write one file, torch.onnx.export(..., external_data=False)."
        ) from None


def _spec(spec: Spec, said: Mapping[str, Any], outputs: Sequence[str]) -> Spec:
    """The guess with what was said in its place. Raises ModelError."""
    changes = {key: said[key] for key in (*_CHOICES, "output", "multiple") if key in said}
    if changes.get("output", spec.output) not in outputs:
        raise ModelError(f"This network has no output of that name; it has {quoted(*outputs)}.")
    if "classes" in said:
        changes["classes"] = classes(said["classes"])
    for key in ("mean", "std"):
        if key in said:
            changes[key] = triple(said[key], key)
    if "scale" not in said and max(changes.get("mean", (0.0,))) > 2:  # written for pixels from 0 to 255
        changes["scale"] = "raw, 0 to 255"
    if "size" in said:
        changes |= _sides(spec, size(said["size"]))
    return replace(spec, **changes)


def _sides(spec: Spec, wanted: int | tuple[int, int]) -> dict[str, int]:
    """What a size means for a network whose sides are open or fixed. Raises ModelError."""
    if spec.height is None or spec.width is None:
        return {"longest": wanted} if isinstance(wanted, int) else {"height": wanted[0], "width": wanted[1]}
    if wanted in (max(spec.height, spec.width), (spec.height, spec.width)):
        return {}
    raise ModelError(f"The file fixes the input at {spec.width} x {spec.height} pixels; it can have no other size.")


def _weights(path: Path, data: bytes, said: Mapping[str, Any], device: str, tell: Callable[[str], None]) -> Any:
    """Weights of a network that is known here."""
    from engine.debug import architectures, checkpoints

    odd = [key for key in said if key not in ("classes", "size", "mean", "std")]
    if odd:
        raise ModelError(f"{quoted(*odd)}: only a network in ONNX has this option.")
    weights = checkpoints.read(data)
    found = architectures.recognise(weights.shapes)
    choice = architectures.guess(found, weights)
    changes: dict[str, Any] = {key: triple(said[key], key) for key in ("mean", "std") if key in said}
    if "classes" in said:
        changes["classes"] = classes(said["classes"])
    elif choice.classes == numbered(found.classes):
        tell(f"The weights are of {found.classes} classes and do not name them: they have numbers.")
    if "size" in said:
        longest = size(said["size"])
        changes["longest"] = longest if isinstance(longest, int) else max(longest)
    choice = replace(choice, **changes)
    for note in found.notes:
        tell(note)
    model = architectures.build(name_of(path.name, weights.sha256, choice), found, weights, choice, device)
    model.card = replace(model.card, sha256=weights.sha256)
    return model


def _beside(path: Path) -> dict[str, Any]:
    """The options in NAME.json beside the model, none where there is no such file. Raises ModelError."""
    for file in (path.with_suffix(".json"), path.with_name(f"{path.name}.json")):
        if not file.is_file():
            continue
        text = file.read_bytes()[: MOST_OPTIONS + 1]
        try:
            found = json.loads(text) if len(text) <= MOST_OPTIONS else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ModelError(f"{quoted(file.name)} beside the model is not a small JSON object of options.")
        return found
    return {}


def _known(said: Mapping[str, Any]) -> None:
    """Raises ModelError for an option that does not exist, or cannot be what is said."""
    known = ("classes", "size", "mean", "std", "output", "multiple", *_CHOICES)
    if odd := [str(key) for key in said if key not in known]:
        raise ModelError(f"There is no option {quoted(*odd)}; the options are {', '.join(known)}.")
    for key, allowed in _CHOICES.items():
        if key in said and said[key] not in allowed:
            raise ModelError(f"The option {key} is one of {', '.join(allowed)}.")
    if "multiple" in said and (type(said["multiple"]) is not int or not 1 <= said["multiple"] <= 256):
        raise ModelError("The option multiple is a whole number from 1 to 256.")


def classes(said: object) -> tuple[str, ...]:
    """Names of classes: a list, a number, or a text with commas or lines between them. Raises ModelError."""
    if isinstance(said, str):
        parts = [part for part in re.split(r"[,\n]", said) if part.strip()]
        said = int(said) if said.strip().isdecimal() and len(said) < 9 else parts
    if isinstance(said, Mapping):
        said = [said[key] for key in sorted(said, key=lambda k: (len(str(k)), str(k)))]
    if type(said) is int and said > 1:
        return numbered(said)
    if isinstance(said, Sequence) and len(said) > 1:
        return clean(said)
    raise ModelError("The classes are at least two names with commas between them, or their number.")


def size(said: object) -> int | tuple[int, int]:
    """Pixels of the longer side, or (height, width); as a text "512", or "512x384" for width x height.

    Raises ModelError.
    """
    if isinstance(said, str):
        found = [int(n) for n in re.findall(r"\d{1,5}", said)]
        sides = found if re.fullmatch(r"\s*\d{1,5}\s*([x×,]\s*\d{1,5}\s*)?", said) else []
        said = sides[0] if len(sides) == 1 else tuple(reversed(sides))
    sides = (said,) if type(said) is int else tuple(said) if isinstance(said, Sequence) else ()
    if len(sides) in (1, 2) and all(type(n) is int and 8 <= n <= MOST_SIDE for n in sides):
        return sides[0] if len(sides) == 1 else sides
    raise ModelError(f"The size is the pixels of the longer side, or WIDTHxHEIGHT, from 8 to {MOST_SIDE} each.")


def triple(said: object, what: str) -> Numbers:
    """Three numbers for the channels; one number stands for all three. Raises ModelError."""
    parts = re.split(r"[,;\s]+", said.strip()) if isinstance(said, str) else said
    try:
        found = tuple(float(n) for n in (parts if isinstance(parts, Sequence) else [parts]))
    except (TypeError, ValueError):
        found = ()
    if len(found) not in (1, 3):
        raise ModelError(f"The option {what} is three numbers, such as 0.485,0.456,0.406.")
    return found * 3 if len(found) == 1 else found
