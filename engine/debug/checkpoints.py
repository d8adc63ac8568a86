"""A user's weights: what kind of file it is by its content, which network they belong to, and that network with them.

A pickle can run anything when it is opened, so none is ever opened, whatever it is called. safetensors can run nothing;
its header is still checked here before a library reads it.

References
1. safetensors, "Format": u64 length of the header, JSON {name: {dtype, shape, data_offsets}}, then the bytes.
2. Python documentation, `pickle`: "never unpickle data that could have come from an untrusted source".
"""

from __future__ import annotations

import hashlib
import json
import math
import pickletools
import struct
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import safetensors.torch
from torch import Tensor

from engine.cards import ModelError
from engine.debug.onnx_spec import MOST_QUOTED, harmless, quoted

MOST_FILE = 120 * 2**20  # bytes; torchvision's largest network fits in half precision
MOST_HEADER = 2**22  # bytes
MOST_TENSORS = 5_000
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
MOST_PREFIXES = 64  # that are looked at
# Parts of a name that only wrappers put there, at any depth: DataParallel, torch.compile, FSDP, checkpointing.
_WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"})
SAVE = "safetensors.torch.save_file(model.state_dict(), path)"
_OTHERS = {b"\x89HDF": "an HDF5 file, as Keras writes it", b"\x93NUMPY": "a NumPy array", b"\x1f\x8b": "a gzip archive",
           b"%PDF": "a PDF", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture"}  # fmt: skip

Shapes = Mapping[str, tuple[int, ...]]


def kind(data: bytes) -> str:
    """ "safetensors", or "onnx" for what may be one; by the content, never by the name. Raises ModelError otherwise."""
    if not data:
        raise ModelError("This file is empty.")
    if data[:2] == b"PK" or _is_pickle(data):
        raise ModelError("This file holds a Python pickle (.pt, .pth, .ckpt, .pkl), which could run any code when it "
                         f"is opened, so it is not. Save the weights by {SAVE}, or the network as ONNX.")  # fmt: skip
    for start, what in _OTHERS.items():
        if data.startswith(start):
            raise ModelError(f"This is {what}; bring a network as ONNX, or weights as safetensors.")
    if data[4:8] == b"TFL3":
        raise ModelError("This is a TensorFlow Lite file; bring the network as ONNX.")
    return "safetensors" if len(data) > 8 and data[8:9] == b"{" and data[5:8] == b"\0\0\0" else "onnx"


def _is_pickle(data: bytes) -> bool:
    """True for what Python's pickle would begin to read: protocol 2 on by its mark, older ones by their opcodes."""
    if data[0] == 0x80 and len(data) > 1 and data[1] <= 9:
        return True
    if data[0] not in b"(c]})lIFSVNd\x94" or data.rstrip()[-1:] != b".":
        return False
    try:
        for count, _ in enumerate(pickletools.genops(data[:4096])):  # reads, runs nothing
            if count > 8:
                return True
    except Exception:  # cut off at 4096, or no pickle
        return False
    return True


class Weights:
    """The tensors of a safetensors file that was checked: their `shapes`, the file's own `metadata` and `sha256`, and
    the file, which is kept out of memory."""

    def __init__(self, shapes: Shapes, data: bytes, metadata: Mapping[str, str] = MappingProxyType({})) -> None:
        self.shapes, self.size, self.metadata = shapes, len(data), metadata
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as this does
        self._file.write(data)

    def tensors(self, keys: Mapping[str, str]) -> dict[str, Tensor]:
        """Tensors, floating ones as float32. keys: name -> the file's own key for it. Raises ModelError."""
        try:
            self._file.seek(0)
            found = safetensors.torch.load(self._file.read())
        except Exception as error:  # the library has its own opinion of a header
            raise ModelError("This safetensors file cannot be read.") from error
        named = {name: found[key] for name, key in keys.items()}
        return {name: t.float() if t.is_floating_point() else t for name, t in named.items()}


def read(data: bytes) -> Weights:
    """The weights in a safetensors file, after its header was checked. Raises ModelError with a sentence."""
    if len(data) > MOST_FILE:
        raise ModelError(f"This file has {len(data) >> 20} MB; at most {MOST_FILE >> 20} MB can be read. Half "
                         "precision halves it: {k: v.half() for k, v in state_dict.items()}.")  # fmt: skip
    header = _header(data)
    shapes = {}
    spans = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        shapes[name], span = _entry(name, entry, len(data))
        spans.append(span)
    if not shapes:
        raise ModelError("This safetensors file holds no tensors.")
    (length,) = struct.unpack_from("<Q", data)
    end = 0
    for begin, stop in sorted(spans):
        if begin != end:
            raise ModelError("This safetensors file is damaged: its tensors overlap or leave gaps.")
        end = stop
    if 8 + length + end != len(data):
        raise ModelError(f"This safetensors file is damaged: it has {len(data)} bytes, its header speaks of "
                         f"{8 + length + end}.")  # fmt: skip
    told = header.get("__metadata__")
    metadata = {k: v[:20_000] for k, v in told.items() if isinstance(v, str)} if isinstance(told, dict) else {}
    return Weights(shapes, data, metadata)


def _header(data: bytes) -> dict:
    if len(data) < 10:
        raise ModelError("This safetensors file is cut off.")
    (length,) = struct.unpack_from("<Q", data)
    if length > MOST_HEADER or 8 + length > len(data):
        raise ModelError("This safetensors file is damaged: its header is longer than it may be.")
    try:
        header = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise ModelError("This safetensors file is damaged: its header cannot be read.") from error
    if not isinstance(header, dict) or len(header) > MOST_TENSORS:
        raise ModelError(f"This safetensors file does not list up to {MOST_TENSORS} tensors.")
    return header


def _entry(name: str, entry: object, most: int) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Shape and place of one tensor. Raises ModelError where they do not fit each other."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        whole = all(type(n) is int and 0 <= n <= most for n in (*shape, begin, end))
        if whole and len(shape) <= 8 and math.prod(shape) * _BYTES[dtype] == end - begin:
            return tuple(shape), (begin, end)
    except (TypeError, KeyError, ValueError):
        pass
    raise ModelError(
        f"This safetensors file is damaged: the tensor {harmless(name)} has no possible type, shape and place."
    )


def unwrapped(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The ways to read the names in a file without what wrappers put before them.

    Returns for each prefix, "" among them, name without it -> the file's own key, of the keys that begin with it; those
    with the most names first.
    """
    bare = {}
    for name in names:
        bare.setdefault(".".join(part for part in name.split(".") if part not in _WRAPPERS), name)
    counts = Counter({"": len(bare)})
    for name in bare:
        parts = name.split(".")[:7]
        counts.update(".".join(parts[: n + 1]) + "." for n in range(len(parts) - 1))
    likely = [prefix for prefix, _ in counts.most_common(MOST_PREFIXES)]
    return {p: {name[len(p) :]: key for name, key in bare.items() if name.startswith(p)} for p in likely}


def compare(found: Shapes, wanted: Shapes, optional: tuple[str, ...] = ()) -> None:
    """Raises ModelError that names the first three keys that are missing, not expected, or of the wrong shape.

    optional: beginnings or endings of keys that may be there or not.
    """

    def counts(name: str) -> bool:
        return not any(name.startswith(o) or name.endswith(o) for o in optional)

    missing = [n for n in wanted if n not in found and counts(n)]
    odd = [n for n in found if n not in wanted and counts(n)]
    shapes = [f"{harmless(n)} is {found[n]}, not {wanted[n]}" for n in wanted if n in found and found[n] != wanted[n]]
    kinds = [(names, words) for names, words in ((missing, "keys are missing"), (odd, "keys are not expected"),
                                                 (shapes, "shapes are wrong")) if names]  # fmt: skip
    most = MOST_QUOTED // max(1, len(kinds))
    parts = [f"{len(names)} {words} ({quoted(*names[:3], most=most)}{' ...' if len(names) > 3 else ''})"
             for names, words in kinds]  # fmt: skip
    if parts:
        raise ModelError(f"The weights do not fit: {'; '.join(parts)}.")
