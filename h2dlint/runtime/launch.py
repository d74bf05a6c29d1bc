"""Starts a program under the recorder, and reads what its processes wrote."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from h2dlint.runtime.bootstrap import CONFIGURATION, STARTED, TRACE, UNFINISHED
from h2dlint.runtime.traces import Trace, TraceError, from_json, merge

STDERR_TAIL = 64 * 1024
"""Bytes of the program's standard error that are kept for a report."""

RECORDS = "records"


class LaunchError(RuntimeError):
    """The program cannot be started; the message says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """A program that has run.

    Args:
        command: as it was given.
        returncode: as ``subprocess`` gives it; negative for a signal.
        wall_s: from start to end.
        trace: of all processes that used CUDA; ``None`` if there were none, or nothing was to be recorded.
        folder: what the processes wrote.
        stderr_tail: the end of what it wrote on standard error.
        processes: how many Python processes were watched.
        timed_out: it was killed because it took too long.
        damaged: files of the run that cannot be read, with reasons.
        unfinished: how many processes that used CUDA did not come to the end of their trace.
    """

    command: tuple[str, ...]
    returncode: int
    wall_s: float
    trace: Trace | None
    folder: Path
    stderr_tail: str
    processes: int = 0
    timed_out: bool = False
    damaged: tuple[str, ...] = ()
    unfinished: int = 0


def cuda_problem() -> str | None:
    """Why nothing can be recorded on this machine, one sentence; ``None`` if it can."""
    try:
        import torch
    except ImportError:
        return 'PyTorch is not installed here; install "h2dlint[gpu]" beside the program'
    if not torch.cuda.is_available():
        return "no CUDA device is available here"
    if torch.version.hip is not None:
        return "this is PyTorch for ROCm, and recording needs CUPTI, which is NVIDIA's"
    return None


def run(
    command: Sequence[str],
    folder: Path,
    *,
    trace: bool = True,
    plan: Path | None = None,
    records: bool = False,
    timeout_s: float | None = None,
    tee: bool = True,
) -> Run:
    """Run a program and wait for it. It has our standard input, output and error.

    Args:
        command: program and arguments; Python processes below it are watched, whatever starts them.
        folder: an empty folder, or one that does not exist yet.
        trace: record copies.
        plan: fixes to apply in memory.
        records: keep what the program hands to ``h2dlint.runtime.record``.
        timeout_s: kill it, and what it has started, after this many seconds.
        tee: keep the end of what it writes on standard error; what it writes then goes through a pipe, so that
            programs which draw progress bars on a terminal do not.

    Raises:
        LaunchError: there is no such program.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"trace": trace, "plan": str(plan.absolute()) if plan else None, "records": records}
    (folder / CONFIGURATION).write_text(json.dumps(wanted), encoding="utf-8")
    executable = shutil.which(command[0])
    if executable is None:
        raise LaunchError(f"there is no program {command[0]}")
    began = time.monotonic()
    # On its own: a group that can be killed as a whole where it takes too long.
    process = subprocess.Popen(
        [executable, *command[1:]],
        env=_environment(folder),
        stderr=subprocess.PIPE if tee else None,
        start_new_session=timeout_s is not None and os.name == "posix",
    )
    tail = _Tail(process.stderr)
    with _Signals(process):
        timed_out = _wait(process, timeout_s)
    tail.join()
    wall_s = time.monotonic() - began
    traces, damaged = _read(folder)
    return Run(
        command=tuple(command),
        returncode=process.returncode,
        wall_s=wall_s,
        trace=merge(traces, command) if any(one.processes for one in traces) else None,
        folder=folder,
        stderr_tail=tail.text,
        processes=len(list(folder.glob(f"{STARTED}-*"))),
        timed_out=timed_out,
        damaged=damaged,
        unfinished=len(list(folder.glob(f"{UNFINISHED}-*"))),
    )


def _environment(folder: Path) -> dict[str, str]:
    import h2dlint

    shim = Path(__file__).parent / "shim"
    before = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(shim), *([before] if before else [])]),
        "H2DLINT_RUN": str(folder),
        "H2DLINT_PACKAGE": str(Path(h2dlint.__file__).parent.parent),
    }


def _wait(process: subprocess.Popen[bytes], timeout_s: float | None) -> bool:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        return True
    return False


class _Tail:
    """Passes standard error on as it comes, and keeps the end of it."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._thread = threading.Thread(target=self._copy, args=(stream,), daemon=True)
        self._thread.start()

    def _copy(self, stream: IO[bytes] | None) -> None:
        if stream is None:
            return
        out = getattr(sys.stderr, "buffer", None)
        with stream:
            self._pass_on(stream, out)

    def _pass_on(self, stream: IO[bytes], out: IO[bytes] | None) -> None:
        while piece := os.read(stream.fileno(), 65536):
            if out is not None:
                sys.stderr.flush()
                out.write(piece)
                out.flush()
            else:
                sys.stderr.write(piece.decode("utf-8", "replace"))
            self._pieces.append(piece)
            self._size += len(piece)
            while self._size - len(self._pieces[0]) > STDERR_TAIL:
                self._size -= len(self._pieces.popleft())

    def join(self) -> None:
        # A worker that outlives its parent may hold the other end for ever.
        self._thread.join(timeout=5)

    @property
    def text(self) -> str:
        return b"".join(self._pieces)[-STDERR_TAIL:].decode("utf-8", "replace")


class _Signals:
    """While it lasts, an interrupt is the program's to handle, and what would end us ends it first."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._before: dict[int, object] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        # The terminal sends an interrupt to the program too: it is enough not to die of it before the report.
        own_group = os.name == "posix" and os.getpgid(self._process.pid) != os.getpgid(0)
        self._before[signal.SIGINT] = signal.signal(
            signal.SIGINT, self._pass_on if own_group else lambda *_: None
        )
        self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._pass_on)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


def _read(folder: Path) -> tuple[list[Trace], tuple[str, ...]]:
    traces = []
    damaged = []
    for path in sorted(folder.glob(f"{TRACE}-*.json")):
        try:
            traces.append(from_json(path.read_text(encoding="utf-8")))
        except (OSError, TraceError) as error:
            damaged.append(f"{path.name}: {error}")
    return traces, tuple(damaged)
