"""A user's network in a process of its own: started when it is asked, ended when it is late, idle or no longer wanted.

The file is kept in an unnamed temporary file, not in memory, so that a process that ended can start anew. What it
says is checked as if a stranger said it (`engine.debug.onnx_pipe`).
"""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from engine.cards import ModelError
from engine.debug.onnx_pipe import MOST_ARRAYS, Late, Pipe, PipeError, Tick
from engine.debug.onnx_spec import Info, Port, Seen, harmless

MOST_FILE = 100 * 2**20  # bytes
START_SECONDS, OPEN_SECONDS, RUN_SECONDS, LAYERS_SECONDS = 30.0, 60.0, 60.0, 120.0
IDLE = 180.0  # seconds after which a process that nobody asks is ended
ALIVE = 4  # processes at once; the one that was not asked for longest ends for another
_ROOT = Path(__file__).resolve().parents[2]


class Refused(ModelError):
    """The process answered that it cannot do what was asked; it is ready for another question.

    elsewhere: names of the files with weights that should have come with the network.
    """

    def __init__(self, sentence: str, elsewhere: Sequence[object] = ()) -> None:
        super().__init__(sentence)
        self.elsewhere = tuple(str(name)[:200] for name in elsewhere[:MOST_ARRAYS])


class Process:
    """The process itself: one question at a time. Raises ModelError with a sentence when it cannot go on."""

    def __init__(self) -> None:
        command = [sys.executable, "-s", "-m", "engine.debug.onnx_worker"]
        self._popen = subprocess.Popen(command, cwd=_ROOT, env={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, bufsize=0, start_new_session=True)  # fmt: skip
        self._pipe = Pipe(self._popen.stdout.fileno(), self._popen.stdin.fileno())
        self._ready = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def held(self) -> int:
        """Bytes of memory that it takes now, 0 where nobody can know."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, ValueError, IndexError):
            return 0
        return pages * resource.getpagesize()

    def ask(self, head: dict, arrays: np.ndarray | Sequence[np.ndarray], seconds: float,
            tick: Tick | None = None) -> tuple[dict, list]:  # fmt: skip
        """Its answer to a question, within so many seconds. tick: called meanwhile; what it raises ends the process."""
        try:
            if not self._ready:
                self._pipe.receive(START_SECONDS, tick)
                self._ready = True
            self._pipe.send(head, [arrays] if isinstance(arrays, np.ndarray) else arrays, seconds, tick)
            answer, arrays = self._pipe.receive(seconds, tick)
        except Late:
            self.end()
            raise ModelError(f"The network did not answer within {seconds:.0f} seconds and was stopped.") from None
        except PipeError:
            why = self._why()
            self.end()
            raise ModelError(f"The network ended onnxruntime ({why}); the app goes on without it.") from None
        except BaseException:
            self.end()
            raise
        if sentence := answer.get("error"):
            names = answer.get("elsewhere")
            raise Refused(harmless(str(sentence), 600), names if isinstance(names, list) else ())
        return answer, arrays

    def kill(self) -> None:
        """Stop it; whoever asks it finds that it has ended, and calls `end`."""
        self._popen.kill()

    def end(self) -> None:
        """Stop it and let its pipe go; nobody asks it any more."""
        self.kill()
        self._popen.wait()
        for stream in (self._popen.stdin, self._popen.stdout):
            with suppress(OSError):
                stream.close()

    def _why(self) -> str:
        """Why it ended by itself."""
        try:
            code = self._popen.wait(1.0)
        except subprocess.TimeoutExpired:
            return "it said something that is no answer"
        if code >= 0:
            return "it ended by itself"
        if -code == signal.SIGKILL:
            return "it was stopped, or no memory was left"
        return "it took too long" if -code == signal.SIGXCPU else f"it crashed, {signal.Signals(-code).name}"


class Network:
    """A file with its process, which comes and goes. Safe among threads; closed when nobody holds it any more."""

    def __init__(self, data: bytes, tick: Tick | None = None, beside: Mapping[str, bytes] | None = None) -> None:
        """Check the file and open it. tick: as for `run`. Raises ModelError with a sentence.

        beside: name -> content of the files that came with it and hold its weights.
        """
        files = {"": data, **(beside or {})}
        self.size = sum(map(len, files.values()))
        if self.size > MOST_FILE:
            raise ModelError(f"This network has {self.size >> 20} MB; at most {MOST_FILE >> 20} MB can be run.")
        if len(files) >= MOST_ARRAYS:
            raise ModelError(f"At most {MOST_ARRAYS - 2} files with weights can come with a network.")
        self._holder = _Holder(files)
        weakref.finalize(self, self._holder.close)
        with self._holder.lock:
            self.info = _info(self._holder.opened(tick))

    @property
    def held(self) -> int:
        """Bytes that it takes now: of its file, and of its process while that lives."""
        process = self._holder.process
        return self.size + (process.held if process else 0)

    def look(self, array: np.ndarray, tick: Tick | None = None) -> tuple[Seen | None, ...]:
        """What each of `info.outputs` is like for `array` at the input. tick: as for `run`. Raises ModelError."""
        with self._holder.lock:
            self._holder.opened(tick)
            head = {"do": "look", "input": self.info.inputs[0].name, "outputs": [p.name for p in self.info.outputs]}
            answer, _ = self._holder.ask(head, array, RUN_SECONDS, tick)
        return _looked(answer, len(self.info.outputs))

    def run(self, array: np.ndarray, source: str, output: str, tick: Tick | None = None) -> tuple[np.ndarray, float]:
        """The output called `output` for `array` at the input called `source`, and the seconds it took.

        tick: called ten times a second; may raise to give up, which ends the process. Raises ModelError.
        """
        with self._holder.lock:
            self._holder.opened(tick)
            head = {"do": "run", "input": source, "output": output}
            answer, arrays = self._holder.ask(head, array, RUN_SECONDS, tick)
        if len(arrays) != 1:
            raise ModelError("The network's process gave no map.")
        seconds = answer.get("seconds")
        return arrays[0], seconds if isinstance(seconds, float) else 0.0

    def inside(self, array: np.ndarray, layout: str, value: str = "",
               tick: Tick | None = None) -> tuple[dict, np.ndarray]:  # fmt: skip
        """What is inside for `array` at the input: all nodes with statistics of what they give, or one `value`.

        layout: of the input. tick: as for `run`. Raises ModelError.
        """
        with self._holder.lock:
            self._holder.opened(tick)
            names, files = self._holder.files()
            head = {"do": "layers", "input": self.info.inputs[0].name, "layout": layout, "beside": names,
                    "value": value}  # fmt: skip
            answer, arrays = self._holder.ask(head, [array, *files], LAYERS_SECONDS, tick)
        if len(arrays) != 1:
            raise ModelError("The network's process gave nothing of what is inside.")
        return answer, arrays[0]

    def close(self) -> None:
        """End the process and let the file go; the network cannot be asked again."""
        self._holder.close()

    @property
    def pid(self) -> int | None:
        """The process id while there is one."""
        process = self._holder.process
        return process and process.pid


class _Holder:
    """What a `Network` holds and what must end with it: the file and the process."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.lock = threading.Lock()
        self.process: Process | None = None
        self.used = time.monotonic()
        self._answer: dict = {}
        self._closed = False
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the network
        self._sizes = {name: len(data) for name, data in files.items()}  # one after the other
        for data in files.values():
            self._file.write(data)

    def opened(self, tick: Tick | None) -> dict:
        """What the file says of itself, from a process that holds it; the lock is held."""
        if self._closed:
            raise ModelError("This network was closed; bring its file again.")
        if self.process is None:
            _make_room(self)
            self.process = Process()
            names, files = self.files()
            try:
                self._answer, _ = self.ask({"do": "open", "beside": names}, files, OPEN_SECONDS, tick)
            except ModelError:
                self.rest()  # it holds no network
                raise
        return self._answer

    def files(self) -> tuple[list[str], list[np.ndarray]]:
        """The names of the files beside the network, and the bytes of all; the lock is held."""
        self._file.seek(0)
        parts = [np.frombuffer(self._file.read(size), np.uint8) for size in self._sizes.values()]
        return list(self._sizes)[1:], parts

    def ask(self, head: dict, array: np.ndarray | Sequence[np.ndarray], seconds: float,
            tick: Tick | None) -> tuple[dict, list]:  # fmt: skip
        """Ask the process; one that broke off is ended, so that the next question starts a fresh one."""
        self.used = time.monotonic()
        try:
            return self.process.ask(head, array, seconds, tick)
        except Refused:
            raise
        except BaseException:
            self.rest()
            raise
        finally:
            self.used = time.monotonic()

    def rest(self) -> None:
        """End the process; the next question starts another one."""
        process, self.process = self.process, None
        _LIVING.discard(self)
        if process:
            process.end()

    def close(self) -> None:
        """For good; a question that is under way fails, and its thread tidies up."""
        self._closed = True
        if process := self.process:
            process.kill()
        if self.lock.acquire(blocking=False):
            try:
                self.rest()
                self._file.close()
            finally:
                self.lock.release()


_LIVING: set[_Holder] = set()
_ROOM = threading.Lock()
_started = threading.Event()


def _make_room(newcomer: _Holder) -> None:
    """Count `newcomer` among those with a process, and end idle processes that are too many."""
    with _ROOM:
        _LIVING.add(newcomer)
        for holder in sorted(_LIVING - {newcomer}, key=lambda h: h.used)[: max(0, len(_LIVING) - ALIVE)]:
            _put_to_rest(holder)
        if not _started.is_set():
            _started.set()
            threading.Thread(target=_sweep, daemon=True, name="idle networks").start()


def _sweep() -> None:
    """Now and then end idle processes."""
    while True:
        time.sleep(15)
        end_idle()


def end_idle() -> None:
    """End processes that nobody has asked for `IDLE` seconds."""
    for holder in list(_LIVING):
        if time.monotonic() - holder.used > IDLE:
            _put_to_rest(holder)


def _put_to_rest(holder: _Holder) -> None:
    """End a process unless it is being asked."""
    if holder.lock.acquire(blocking=False):
        try:
            holder.rest()
        finally:
            holder.lock.release()


def _info(answer: dict) -> Info:
    """What the process says of the file, checked. Raises ModelError."""
    try:
        ports = [tuple(Port(str(p["name"]), str(p["dtype"])[:20], tuple(_dim(d) for d in p["shape"][:8]),
                            str(p.get("end", ""))[:20], bool(p.get("feeds")))
                       for p in answer[side]) for side in ("inputs", "outputs")]  # fmt: skip
        metadata = {str(k): str(v) for k, v in answer["metadata"].items()}
        return Info(*ports, metadata, int(answer["nodes"]), int(answer["parameters"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError("The network's process did not say what the file holds.") from error


def _looked(answer: dict, count: int) -> tuple[Seen | None, ...]:
    """What the process says of a run, checked. Raises ModelError."""
    try:
        found = tuple(None if s is None else Seen(
            str(s["dtype"])[:20], tuple(int(n) for n in s["shape"][:8]), float(s["low"]), float(s["high"]),
            bool(s["whole"]), int(s["kinds"]), tuple(map(int, s["sums"])), tuple(map(int, s["logs"])),
        ) for s in answer["seen"])  # fmt: skip
        if len(found) == count:
            return found
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    raise ModelError("The network's process did not say what came out.")


def _dim(value: object) -> int | str | None:
    return value if isinstance(value, int) else None if value is None else str(value)[:40]
