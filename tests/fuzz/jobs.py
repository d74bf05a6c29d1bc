"""Lets workers check inputs, several at once, and starts another one where an input kills one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.campaign import Counts

APART = 10_000_000
"""Between the seeds of two jobs; none gets that far."""
OWN_FAULT = 70
"""Exit status where the fuzzer itself is at fault."""


@dataclass
class Job:
    """What one job has done.

    Args:
        spent: seconds of processor time.
        counts: of what its workers tried.
        fault: the fuzzer itself was at fault.
    """

    spent: float = 0.0
    counts: Counts = field(default_factory=Counts)
    fault: bool = False


class Jobs:
    """Runs jobs, and stops them on a signal.

    Args:
        kinds: of inputs.
        seconds: of processor time, for each job.
        folder: where failures go; what a job is at stands in a folder of its own within it.
    """

    def __init__(self, kinds: Sequence[str], seconds: float, folder: Path) -> None:
        self._kinds = kinds
        self._seconds = seconds
        self._folder = folder
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = threading.Event()

    def run(self, seed: int, jobs: int) -> list[Job]:
        """Run jobs to their end.

        Args:
            seed: of the first job's first input; those of the others are ``APART``.
            jobs: how many.
        """
        before = {each: signal.signal(each, self._signalled) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            with ThreadPoolExecutor(jobs) as threads:
                done = [threads.submit(self._job, job, seed + job * APART) for job in range(jobs)]
                return [each.result() for each in done]
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        # The first one lets each worker end its input and count it, the second one does not.
        self._stop(signal.SIGKILL if self._stopped.is_set() else signal.SIGTERM)

    def _stop(self, how: signal.Signals) -> None:
        self._stopped.set()
        for process in tuple(self._running):
            process.send_signal(how)

    def _job(self, number: int, start: int) -> Job:
        job = Job()
        state = self._folder / str(number)
        state.mkdir(parents=True, exist_ok=True)
        counts, current = state / "counts.json", state / "current.txt"
        while job.spent < self._seconds and not self._stopped.is_set():
            counts.unlink(missing_ok=True)
            current.unlink(missing_ok=True)
            status = self._worker(number, start, self._seconds - job.spent)
            said: dict[str, Any] = json.loads(counts.read_text()) if counts.exists() else {}
            start, spent = said.pop("next", start), said.pop("spent", 1.0)
            job.spent += spent
            job.counts.merge(said)
            if status == 0 or (self._stopped.is_set() and status != OWN_FAULT):
                break
            if status == OWN_FAULT or not current.exists():
                job.fault = True
                self._stop(signal.SIGTERM)
                break
            name = current.read_text(encoding="utf-8").split()[0]
            job.counts.failures[f"crash: status {status}"] += 1
            killed = self._folder / f"killed-{name.replace(':', '-')}.py"
            killed.write_bytes((state / "current.py").read_bytes())
            print(f"a worker died with status {status}\n  python -m tests.fuzz --repeat {name}", flush=True)
            start = int(name.partition(":")[2]) + 1
        return job

    def _worker(self, number: int, start: int, seconds: float) -> int:
        command = [sys.executable, "-m", "tests.fuzz", f"--worker={number}", f"--seed={start}"]
        command += [f"--seconds={seconds}", *(f"--kind={kind}" for kind in self._kinds)]
        process = subprocess.Popen([*command, "--folder", str(self._folder)])
        self._running.add(process)
        if self._stopped.is_set():
            # The signal came before this worker was known.
            process.terminate()
        status = process.wait()
        self._running.discard(process)
        return status
