"""Many programs in several processes, within a time budget; a process that dies is replaced."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from tests.differential.observe import Device
from tests.differential.trial import Failure, Trial

STAND_IN, REAL = "stand-in", "cuda"
CHUNK = 20
PATIENCE = 120.0
"""Seconds that one program may take, with the start of the process."""


@dataclass
class Tally:
    """What came of the programs so far.

    Args:
        by_settings: settings to the number of programs that they changed.
        by_rule: settings, then rule, to the number of programs that a fix of it changed; those that ran only.
        lost: numbers of programs in which a process died or hung.
        faults: internal errors of h2dlint, or of a test.
    """

    programs: int = 0
    ran: int = 0
    changed: int = 0
    compared: int = 0
    skipped: int = 0
    unstable: int = 0
    races: int = 0
    raised: int = 0
    unsafe_changed: int = 0
    unsafe_differ: int = 0
    by_settings: Counter[str] = field(default_factory=Counter)
    by_rule: dict[str, Counter[str]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, trial: Trial) -> None:
        safe = {name: rules for name, rules in trial.changed.items() if name != "unsafe"}
        self.programs += 1
        self.ran += trial.ran
        self.changed += bool(safe)
        self.compared += bool(safe) and not trial.skipped
        self.skipped += trial.skipped
        self.unstable += trial.unstable
        self.races += trial.races
        self.raised += trial.raised
        self.unsafe_changed += "unsafe" in trial.changed
        self.unsafe_differ += trial.unsafe_differs
        if trial.ran:
            for name, rules in trial.changed.items():
                self.by_settings[name] += 1
                self.by_rule.setdefault(name, Counter()).update(dict.fromkeys(rules, 1))
        self.failures += trial.failures

    def figures(self) -> dict[str, Any]:
        """For the results."""
        return {
            "programs": self.programs,
            "changed": self.changed,
            "compared": self.compared,
            "ran to the end": self.ran,
            "differences": len({failure.program.number for failure in self.failures}),
            "not run: index out of range": self.skipped,
            "different from themselves": self.unstable,
            "races of their own": self.races,
            "raised before, not or otherwise after": self.raised,
            "processes lost": len(self.lost),
            "faults": len(self.faults),
            "changed by settings": dict(sorted(self.by_settings.items())),
            "changed by rule": {
                name: dict(sorted(rules.items())) for name, rules in sorted(self.by_rule.items())
            },
            "unsafe fixes, for information": {
                "changed": self.unsafe_changed,
                "different": self.unsafe_differ,
            },
        }


def _work(pipe: Connection, seed: int, kind: str, unsafe: bool) -> None:
    """A worker: takes ranges of numbers, tells what it begins and what came of it."""
    import torch

    from tests.differential.stand_in import stand_in
    from tests.differential.trial import trial

    torch.set_num_threads(1)
    device, rehearse = stand_in, None
    others: tuple[Device, ...] = ()
    if kind == REAL:
        from tests.differential.real import calm_device, real_device, unwaited_device

        device, rehearse, others = real_device, stand_in, (calm_device, unwaited_device)
    while (numbers := pipe.recv()) is not None:
        for number in numbers:
            pipe.send(("begin", number))
            try:
                result = trial(seed, number, device, rehearse, unsafe, others)
            except Exception as error:
                pipe.send(("fault", f"program {number}: {type(error).__name__}: {error}"))
                if "CUDA error" in str(error):
                    # Nothing on the device can be used any more.
                    return
                continue
            pipe.send(("done", result))
        pipe.send(("idle", None))


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    numbers: list[int] = field(default_factory=list)
    current: int | None = None
    since: float = 0.0


def campaign(
    seed: int,
    first: int,
    programs: int,
    kind: str,
    jobs: int,
    budget: float,
    unsafe: bool = False,
    told: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Run programs.

    Args:
        seed: of the programs.
        first: number of the first one.
        programs: how many.
        kind: ``STAND_IN`` or ``REAL``.
        jobs: processes.
        budget: seconds after which no more are begun.
        unsafe: the unsafe fixes as well, for information.
        told: called after each message of a worker.
    """
    context = multiprocessing.get_context("spawn")
    tally, todo = Tally(), _chunks(first, programs)
    again: list[list[int]] = []
    end = time.monotonic() + budget

    def start() -> _Worker:
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, seed, kind, unsafe), daemon=True)
        process.start()
        there.close()
        return _Worker(process, here, since=time.monotonic())

    def feed(worker: _Worker) -> bool:
        worker.numbers = again.pop() if again else next(todo, [])
        worker.current, worker.since = None, time.monotonic()
        if worker.numbers:
            worker.pipe.send(list(worker.numbers))
        return bool(worker.numbers)

    workers = [start() for _ in range(max(1, min(jobs, -(-programs // CHUNK))))]
    busy = [worker for worker in workers if feed(worker)]
    while busy and time.monotonic() < end:
        ready = wait([worker.pipe for worker in busy], timeout=1.0)
        for worker in list(busy):
            late = time.monotonic() - worker.since > PATIENCE
            if worker.pipe not in ready and not late:
                continue
            try:
                if late:
                    raise EOFError
                idle = _hear(worker, tally)
            except (EOFError, OSError):
                busy.remove(worker)
                worker.process.kill()
                if worker.current is not None:
                    tally.lost.append(worker.current)
                    worker.numbers = [n for n in worker.numbers if n != worker.current]
                if worker.numbers:
                    again.append(worker.numbers)
                fresh = start()
                workers.append(fresh)
                if feed(fresh):
                    busy.append(fresh)
                continue
            told(tally)
            if idle and not feed(worker):
                busy.remove(worker)
    for worker in workers:
        worker.process.kill()
    return tally


def _hear(worker: _Worker, tally: Tally) -> bool:
    """One message; whether the worker has nothing left to do."""
    what, value = worker.pipe.recv()
    worker.since = time.monotonic()
    if what == "begin":
        worker.current = value
        return False
    if what == "idle":
        return True
    if what == "fault":
        tally.faults.append(value)
    else:
        tally.add(value)
    if worker.current is not None:
        worker.numbers.remove(worker.current)
    worker.current = None
    return False


def _chunks(first: int, programs: int) -> Iterator[list[int]]:
    for start in range(first, first + programs, CHUNK):
        yield list(range(start, min(start + CHUNK, first + programs)))
