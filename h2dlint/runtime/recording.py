"""``record(name, value)``: hands a result to ``h2dlint verify``.

What a process records goes into two files in the folder of the run: an index, one line of JSON for each record, and the
bytes that the lines point into. A line is written after its bytes, so that a process may die at any moment and what it
had recorded can still be read. ``records.py`` reads them.

Values on a GPU are copied on the device and fetched once the device has got there: ``record`` does not make the
host wait, so that the waiting of the program, and the races in it, stay as they are.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import sys
import threading
import time
from collections import deque
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from h2dlint.runtime.encode import Encoder, Node

T = TypeVar("T")

KIND = "h2dlint-records"
VERSION = 1

PENDING_BYTES = 256 * 2**20
"""Device memory that copies may take which are still to be fetched; beyond it, ``record`` waits for the device."""

_POOLS = ("multiprocessing.pool", "concurrent.futures.process", "loky.process_executor")
"""Modules that the workers of pools run, the standard library's, torch's and joblib's."""


def record(name: str, value: T) -> T:
    """Record a result for ``h2dlint verify``; outside a verify run nothing is done.

    Several records of one name are a series, compared in order. Where several threads record one name, or several
    processes of the same script, there is no order, and their values are matched as they fit.

    Args:
        name: of the result, the same in each run.
        value: tensors, arrays, numbers, strings, bytes, ``None``, and dictionaries, lists, tuples, sets and
            dataclasses of them. It is copied at once and may be written to afterwards.

    Returns:
        The value itself.

    Raises:
        TypeError: under a verify run, if the value holds something that cannot be compared bit for bit; the message
            names the place.
        RuntimeError: under a verify run, while a CUDA graph is captured: there are no values then.
    """
    if _writer is None:
        return value
    _write(name, value)
    return value


def _write(name: str, value: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"record(): the name is a {type(name).__name__}, not a str")
    writer = _writer
    if writer is None:
        return
    if "torch._dynamo" in sys.modules:
        # What is called from here is not to be compiled either.
        sys.modules["torch"].compiler.disable(writer.write)(name, value)
    else:
        writer.write(name, value)


# As torch.compiler.disable does, without loading torch: what is written is no part of a compiled graph.
_write._torchdynamo_disable = True  # type: ignore[attr-defined]


@dataclass(slots=True)
class _Pending:
    """A record of which the values are still on a device."""

    sequence: int
    node: Node
    blobs: list[tuple[Node, Any]]
    events: list[Any]
    size: int

    @property
    def ready(self) -> bool:
        return all(event.query() for event in self.events)


class Writer:
    """Writes the records of one process.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._index: Any = None
        self._bytes: Any = None
        self._end = 0
        self._sequence = 0
        self._pending: deque[_Pending] = deque()
        self._pending_size = 0
        self._side_streams: dict[Any, Any] = {}

    def write(self, name: str, value: Any) -> None:
        """Record a value; see ``record``."""
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing():
            raise RuntimeError(
                f"record({name!r}): a CUDA graph is captured here; record what it leaves after a replay"
            )
        encoder = Encoder()
        with suspended(), self._lock:
            node = encoder.node(value)
            self._open()
            later = []
            for leaf, data in encoder.blobs:
                if getattr(data, "is_cuda", False):
                    later.append((leaf, data))
                else:
                    self._append(leaf, data)
            number = self._sequence
            self._sequence += 1
            line = {"seq": number, "name": name, "thread": _thread()}
            if later:
                self._line(line)
                self._queue(
                    _Pending(number, node, later, _events(later), sum(leaf["n"] for leaf, _ in later))
                )
            else:
                self._line({**line, "value": node})
            self._fetch(wait=False)

    def drain(self) -> None:
        """Fetch what is still on a device. Called at the end of the process."""
        with suspended(), self._lock:
            self._fetch(wait=True)

    def close(self) -> None:
        """Fetch what is still on a device, and write no more."""
        self.drain()
        with self._lock:
            if self._index is not None:
                self._index.close()
                self._bytes.close()
                atexit.unregister(self.drain)

    def _open(self) -> None:
        if self._index is not None:
            return
        number = 0
        while True:
            path = self._folder / f"records-{os.getpid()}-{number}.jsonl"
            try:
                self._index = path.open("x", encoding="utf-8", newline="\n")
                break
            except FileExistsError:  # a process number that was given out again
                number += 1
        self._bytes = path.with_suffix(".bin").open("wb", buffering=0)
        self._line({"kind": KIND, "version": VERSION, "label": _label(), "started": time.time()})
        atexit.register(self.drain)
        if "multiprocessing.process" in sys.modules:
            from multiprocessing import util

            # Workers of multiprocessing that were forked end without atexit.
            util.Finalize(None, self.drain, exitpriority=50)

    def _line(self, content: dict[str, Any]) -> None:
        self._index.write(json.dumps(content, ensure_ascii=True, separators=(",", ":")) + "\n")
        self._index.flush()

    def _append(self, leaf: Node, data: Any) -> None:
        """Write the bytes of a leaf; a tensor must lie in host memory."""
        leaf["at"] = self._end
        view = memoryview(data) if isinstance(data, bytes) else _memory(data)
        while view:
            written = self._bytes.write(view)
            self._end += written
            view = view[written:]

    def _queue(self, pending: _Pending) -> None:
        self._pending.append(pending)
        self._pending_size += pending.size

    def _fetch(self, wait: bool) -> None:
        """Write the records that the device is done with, in order; all if ``wait``, more if they take much memory."""
        while self._pending:
            first = self._pending[0]
            if not (wait or self._pending_size > PENDING_BYTES or first.ready):
                return
            self._pending.popleft()
            self._pending_size -= first.size
            try:
                for event in first.events:
                    event.synchronize()
                for leaf, data in first.blobs:
                    self._append(leaf, self._on_host(data))
            except RuntimeError as error:
                # A fault of the device shows here first; it is the program's, which will meet it, too.
                self._line({"seq": first.sequence, "lost": str(error).split("\n", 1)[0]})
            else:
                self._line({"seq": first.sequence, "value": first.node})

    def _on_host(self, data: Any) -> Any:
        torch = sys.modules["torch"]
        stream = self._side_streams.get(data.device)
        if stream is None:
            stream = self._side_streams[data.device] = torch.cuda.Stream(data.device)
        # On a stream of our own: the program's may have hours of work behind the copy that is fetched.
        with torch.cuda.stream(stream):
            return data.cpu()


def _events(blobs: list[tuple[Node, Any]]) -> list[Any]:
    """One event on the current stream of each device, behind the copies."""
    torch = sys.modules["torch"]
    events = []
    for device in {data.device for _, data in blobs}:
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(device))
        events.append(event)
    return events


def _memory(tensor: Any) -> memoryview:
    host = tensor if tensor.device.type == "cpu" else tensor.cpu()
    buffer = (ctypes.c_char * host.numel()).from_address(host.data_ptr())
    buffer._tensor = host  # keeps the memory as long as the view
    return memoryview(buffer).cast("B")


def suspended() -> AbstractContextManager[None]:
    """What this thread copies meanwhile is left out of the trace, if there is one."""
    recorder = sys.modules.get("h2dlint.runtime.recorder")
    return nullcontext() if recorder is None else recorder.suspended()


def _thread() -> str:
    """Names this thread; a program may give several the same name."""
    return f"{threading.current_thread().name} {threading.get_ident()}"


def _label() -> str:
    """Names this process as the next run will name it: no process numbers."""
    rank = os.environ.get("RANK")
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    # Tests, like the tasks of a pool, go to whichever worker is free: in the next run it may be another one.
    parts = [f"rank {rank}" if rank else "", "xdist" if worker else ""]
    name = "MainProcess"
    if "multiprocessing.process" in sys.modules:
        from multiprocessing import current_process

        process = current_process()
        pooled = getattr(getattr(process, "_target", None), "__module__", "").endswith(_POOLS)
        name = "pool" if pooled else process.name
    script = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    parts.append(script if name == "MainProcess" else name)
    return " ".join(part for part in parts if part)


def _from_environment() -> Writer | None:
    folder = os.environ.get("H2DLINT_RUN")
    if not folder:
        return None
    with suppress(OSError, ValueError):
        wanted = json.loads((Path(folder) / "run.json").read_text(encoding="utf-8"))
        if wanted.get("records"):
            return Writer(Path(folder))
    return None


_writer: Writer | None = _from_environment()
_left_to_the_parent: list[Any] = []


def _after_fork() -> None:
    """A forked child writes files of its own."""
    global _writer
    if _writer is not None:
        # Kept, so that nothing of it is freed here: the tensors that it holds are the parent's.
        _left_to_the_parent.append(_writer._pending)
        _writer._pending = deque()
        _writer._lock = threading.RLock()
        _writer = Writer(_writer._folder)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
