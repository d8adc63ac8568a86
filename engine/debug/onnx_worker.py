"""The process that holds a user's network: it has no files, no environment, little memory, and answers over a pipe.

References
1. getrlimit(2): address space, files, CPU time. With RLIMIT_NOFILE at what is open already, nothing opens a file.
"""

from __future__ import annotations

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
from engine.debug import onnx_checks
from engine.debug.onnx_pipe import MOST_BYTES, Pipe, PipeError

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
    """Answers questions: "open" takes a file, "run" an input for it."""

    def __init__(self) -> None:
        self._session: onnxruntime.InferenceSession | None = None

    def answer(self, head: dict, arrays: list[np.ndarray]) -> tuple[dict, list[np.ndarray]]:
        """The answer to one message; what goes wrong becomes a sentence under "error"."""
        _more_time()
        try:
            return {"open": self._open, "run": self._run}[head["do"]](head, arrays)
        except ModelError as error:
            return {"error": str(error)}, []
        except MemoryError:
            return {"error": f"This network needs more than {MEMORY >> 30} GB of memory."}, []
        except Exception as error:  # onnxruntime raises many kinds
            return {"error": said(error)}, []

    def _open(self, head: dict, arrays: list[np.ndarray]) -> tuple[dict, list[np.ndarray]]:
        self._session = None
        model = onnx_checks.read(arrays[0].tobytes())
        info = onnx_checks.describe(model)
        del model
        self._session = _session(arrays[0].tobytes())
        return asdict(info), []

    def _run(self, head: dict, arrays: list[np.ndarray]) -> tuple[dict, list[np.ndarray]]:
        started = time.perf_counter()
        (found,) = self._session.run([head["output"]], {head["input"]: arrays[0]})
        if not isinstance(found, np.ndarray) or found.nbytes > MOST_BYTES:
            raise ModelError("The output is not one tensor of a size that can be shown.")
        return {"seconds": time.perf_counter() - started}, [found]


def said(error: Exception) -> str:
    """What onnxruntime complains of, as one sentence in plain signs."""
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error))
    text = re.sub(r"/[\w./-]+\.(?:cc|h|cpp):\d+ .*?(?:\) |\]\)? )|Load model from \S* ?failed:", "", text)
    text = " ".join(re.sub(r"[^\x20-\x7e]", " ", text).split())[:240].strip(" .:")
    if re.search(r"bad_alloc|allocat", text):
        return f"This network needs more than {MEMORY >> 30} GB of memory, or a tensor in it is huge."
    return f"onnxruntime cannot run it: {text or type(error).__name__}."


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
