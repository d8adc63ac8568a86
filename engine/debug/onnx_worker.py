"""The process that holds a user's network: it has no files, no environment, little memory, and answers over a pipe.

References
1. getrlimit(2): address space, files, CPU time. With RLIMIT_NOFILE at what is open already, nothing opens a file.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import tempfile
import time
from dataclasses import asdict

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, helper

from engine.cards import ModelError
from engine.debug import onnx_checks, onnx_layers
from engine.debug.onnx_pipe import DTYPES, MOST_BYTES, MOST_JSON, Pipe, PipeError
from engine.debug.onnx_spec import MOST_QUOTED, Seen

MEMORY = 3 * 2**30  # bytes of address space
SECONDS = 300  # of CPU time for one question, should nobody be there to end it
THREADS = 2


def confine() -> None:
    """From here on this process can open no file or socket, write none, and take no more than `MEMORY`."""
    _session(_tiny())  # what is loaded late is loaded now
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))  # 0, 1 and 2 are open


class Worker:
    """Answers questions: "open" takes a file and those beside it, "run" an input for it, "look" an input for a summary
    of all outputs, "layers" an input and the files once more for what is inside."""

    def __init__(self) -> None:
        self._session: onnxruntime.InferenceSession | None = None

    def answer(self, head: dict, arrays: list[np.ndarray]) -> tuple[dict, list[np.ndarray]]:
        """The answer to one message; what goes wrong becomes a sentence under "error"."""
        _more_time()
        try:
            return {"open": self._open, "run": self._run, "look": self._look, "layers": self._layers}[head["do"]](
                head, arrays
            )
        except onnx_checks.ElsewhereError as error:
            return {"error": str(error), "elsewhere": error.names}, []
        except ModelError as error:
            return {"error": str(error)}, []
        except MemoryError:
            return {"error": f"This network needs more than {MEMORY >> 30} GB of memory."}, []
        except Exception as error:  # onnxruntime raises many kinds
            return {"error": said(error)}, []

    def _open(self, head: dict, arrays: list[np.ndarray]) -> tuple[dict, list[np.ndarray]]:
        self._session = None
        data, *others = (a.tobytes() for a in arrays)
        model = onnx_checks.read(data, dict(zip(head.get("beside", ()), others, strict=True)))
        info = onnx_checks.describe(model)
        data = model.SerializeToString()  # what was checked is what runs
        del model, others
        self._session = _session(data)
        return asdict(info), []

    def _run(self, head: dict, arrays: list[np.ndarray]) -> tuple[dict, list[np.ndarray]]:
        started = time.perf_counter()
        (found,) = self._session.run([head["output"]], {head["input"]: arrays[0]})
        if not isinstance(found, np.ndarray) or found.nbytes > MOST_BYTES:
            raise ModelError("The output is not one tensor of a size that can be shown.")
        return {"seconds": time.perf_counter() - started}, [_plain(found)]

    def _look(self, head: dict, arrays: list[np.ndarray]) -> tuple[dict, list[np.ndarray]]:
        found = self._session.run(head["outputs"], {head["input"]: arrays[0]})
        return {"seen": [asdict(_seen(x)) if isinstance(x, np.ndarray) else None for x in found]}, []

    def _layers(self, head: dict, arrays: list[np.ndarray]) -> tuple[dict, list[np.ndarray]]:
        x, data, *others = arrays
        beside = dict(zip(head["beside"], (other.tobytes() for other in others), strict=True))
        inside = onnx_layers.Inside(onnx_checks.read(data.tobytes(), beside), head["input"], head["layout"])

        def run(graph: bytes, names: list[str]) -> list:
            return _session(graph).run(names, {head["input"]: x})

        if head.get("value"):
            return {}, [inside.value(head["value"], run)]
        nodes, statistics = inside.record(run)
        if len(json.dumps(nodes)) > MOST_JSON // 2:
            raise ModelError(f"This network has {len(nodes)} nodes, too many to list here.")
        return {"nodes": nodes}, [np.concatenate(statistics) if statistics else np.zeros((0, 6), np.float32)]


def _plain(found: np.ndarray) -> np.ndarray:
    """The same numbers in a type that the pipe carries."""
    if str(found.dtype) in DTYPES:
        return found
    return found.astype(np.int64 if found.dtype.kind in "iu" else np.float32)


def _seen(found: np.ndarray) -> Seen:
    """The summary of an output; of numbers that are not finite the range is nan."""
    values = _plain(found)
    if not values.size or values.dtype.kind not in "fiub":
        return Seen(str(found.dtype), found.shape, 0.0, 0.0, False, 0)
    values = values.astype(np.float32 if values.dtype.kind == "f" else np.int64)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite((low, high)).all():
        return Seen(str(found.dtype), found.shape, math.nan, math.nan, False, 0)
    whole = values.dtype.kind != "f" or bool((values == np.rint(values)).all())
    kinds = 0
    if whole and high - low < 256:
        kinds = int(np.count_nonzero(np.bincount((values - low).astype(np.int64).reshape(-1))))
    axes = [a for a in range(1, values.ndim) if values.shape[a] > 1]
    sums = [a for a in axes if low >= 0 and _ones(values.sum(a))]
    logs = [a for a in axes if low < 0 and high <= 1e-3 and _ones(np.exp(values).sum(a))]
    return Seen(str(found.dtype), found.shape, low, high, whole, kinds, tuple(sums), tuple(logs))


def _ones(values: np.ndarray) -> bool:
    return bool(np.allclose(values, 1, atol=1e-2))


def said(error: Exception) -> str:
    """What onnxruntime complains of, as one sentence in plain signs, with no more of its words than a file may have put
    there."""
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error)[:20_000])
    text = re.sub(r"/[\w./-]+\.(?:cc|h|cpp):\d+ .*?(?:\) |\]\)? )|Load model from \S* ?failed:", "", text)
    text = re.sub(r"This is an invalid model\. In Node, .*?, Error ", "Error ", text, flags=re.S)
    text = re.sub(r"Non-zero status code returned while running (\w{1,40}) node\. Name:'.*?' Status Message: ", r"\1: ",
                  text, flags=re.S)  # fmt: skip
    text = " ".join(re.sub(r"[^\x20-\x7e]", " ", text).split())
    if re.search(r"bad_alloc|allocat", text):
        return f"This network needs more than {MEMORY >> 30} GB of memory, or a tensor in it is huge."
    return f"onnxruntime cannot run it: {text[:MOST_QUOTED].strip(' .:') or type(error).__name__}."


def _session(data: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(THREADS, os.cpu_count() or 1)
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # what a run took is given back
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _tiny() -> bytes:
    """A network of one node."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "tiny", [x], [y])
    model: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString()


def _more_time() -> None:
    """The kernel ends this process after so much CPU time from now."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used) + SECONDS, hard))


def main() -> None:
    """Answer until the other side closes the pipe."""
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)  # a place where nothing is, and where nothing can be made
    confine()
    worker, pipe = Worker(), Pipe(0, 1)
    try:
        pipe.send({"ready": True})
        while True:
            pipe.send(*worker.answer(*pipe.receive()))
    except PipeError:
        os._exit(0)  # the app is gone or has closed us


if __name__ == "__main__":
    main()
