"""Forked children of a pytest process, several at once, each with what it took and what it said."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

import pytest


class Watcher:
    """Which test failed first."""

    def __init__(self) -> None:
        self.failed: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """As pytest calls it."""
        if report.failed and self.failed is None:
            self.failed = report.nodeid


Work = Callable[[Watcher, Path], int]
"""Gives the exit status of a child; what it writes to the path is its note."""


@dataclass(frozen=True)
class Ended:
    """A child that has ended.

    Args:
        pid: its process id.
        status: exit status, negative where a signal ended it.
        seconds: processor time of the child and of what it waited for.
        note: what it wrote.
    """

    pid: int
    status: int
    seconds: float
    note: str


class Children:
    """Starts children and waits for them; on leaving, also by an interrupt, those that still run are killed.

    Args:
        config: of the pytest session, whose reports a child keeps to itself.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._running: dict[int, tuple[Path, float]] = {}

    def __enter__(self) -> Children:
        def stop(number: int, frame: FrameType | None) -> None:
            raise KeyboardInterrupt

        # Without a handler, SIGTERM would end this process and leave the children.
        self._before = signal.signal(signal.SIGTERM, stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in self._running:
            _kill(pid)
        for pid, (scratch, _) in self._running.items():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
            shutil.rmtree(scratch, ignore_errors=True)
        self._running.clear()
        signal.signal(signal.SIGTERM, self._before)

    def start(self, work: Work, limit: float) -> int:
        """Let a child work that has a folder for temporary files of its own.

        Args:
            work: to be done.
            limit: seconds that may pass before it is killed.

        Returns:
            The process id of the child.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        scratch = Path(tempfile.mkdtemp(prefix="mutant-"))
        child = os.fork()
        if child:
            self._running[child] = scratch, time.monotonic() + limit
            # The child does so too: whoever comes first, it is a group before it is killed.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.setpgid(child, child)
            return child
        status = 3
        try:
            os.setpgid(0, 0)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            nowhere = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(nowhere, descriptor)
            temporary = scratch / "tmp"
            temporary.mkdir()
            os.environ["TMPDIR"] = str(temporary)
            tempfile.tempdir = None
            manager = self._config.pluginmanager
            manager.unregister(name="terminalreporter")
            watcher = Watcher()
            manager.register(watcher)
            status = work(watcher, scratch / "note.txt")
        finally:
            # Nothing of the parent's is to be torn down here.
            os._exit(status)

    def next(self) -> Ended:
        """Wait for the child that ends first; one must be running."""
        pause = 0.002
        while True:
            for pid, (_, end) in self._running.items():
                done, status, usage = os.wait4(pid, os.WNOHANG)
                if done:
                    break
                if time.monotonic() > end:
                    _kill(pid)
            else:
                time.sleep(pause)
                pause = min(pause * 1.5, 0.1 / len(self._running))
                continue
            # What a test left running.
            _kill(pid)
            scratch, _ = self._running.pop(pid)
            note = scratch / "note.txt"
            said = note.read_text(encoding="utf-8") if note.exists() else ""
            shutil.rmtree(scratch, ignore_errors=True)
            return Ended(pid, os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, said)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
