"""A pytest plugin that runs the tests once for each mutant, in forks of one process that has collected them.

Collecting takes seconds and most mutants are killed in less, so it is done once. The plugin does nothing unless
``H2DLINT_MUTATION`` names a folder. It reads there

``mutants.json``   the names of the mutants in the order in which they are to be tried, for how many minutes to go on,
                   the seconds of processor time that each may take whatever its tests, and whether only tests
                   are run that ``covered.json`` does not know
``covered.json``   for each function the tests that run it, written by the first run

and appends to ``results.jsonl`` one object for each mutant. A mutant is in force in a process whose environment
names it in ``MUTANT_UNDER_TEST``, as mutmut has it; the processes that a test starts inherit that.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

FOLDER = "H2DLINT_MUTATION"
UNDER_TEST = "MUTANT_UNDER_TEST"
SLOWER = 5.0
"""How many times the processor time of its tests a mutant may take, beside the seconds that each may."""


class _Watcher:
    """Which test failed first."""

    def __init__(self) -> None:
        self.failed: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    folder = os.environ.get(FOLDER)
    if folder is None or session.config.option.collectonly:
        return None
    if session.testsfailed:
        raise session.Interrupted("the tests could not be collected")
    _loop(session, Path(folder))
    return True


def function_of(mutant: str) -> str:
    """The function that a mutant is of: mutants are numbered after ``__mutmut_``."""
    return mutant.partition("__mutmut_")[0]


def _loop(session: pytest.Session, folder: Path) -> None:
    plan = json.loads((folder / "mutants.json").read_text(encoding="utf-8"))
    covered_by = folder / "covered.json"
    if not covered_by.exists():
        _wait(_fork(session, lambda watcher: _cover(session, watcher, covered_by)), 3600)
    if not covered_by.exists():
        raise session.Interrupted("a test fails without any mutant; see unmutated.txt")
    covered = json.loads(covered_by.read_text(encoding="utf-8"))
    items = {item.nodeid: item for item in session.items}
    results = folder / "results.jsonl"
    deadline = time.monotonic() + plan["minutes"] * 60
    with results.open("a", encoding="utf-8") as stream:
        for mutant in plan["mutants"]:
            if time.monotonic() > deadline:
                break
            result = _try(session, items, covered, mutant, folder, plan["seconds"], plan["only_new"])
            stream.write(json.dumps(result) + "\n")
            stream.flush()


def _try(
    session: pytest.Session,
    items: Mapping[str, pytest.Item],
    covered: Mapping[str, Any],
    mutant: str,
    folder: Path,
    least: float,
    only_new: bool,
) -> dict[str, Any]:
    """Try one mutant: the tests that run its function, the quickest first, up to the first that fails."""
    seconds = covered["seconds"]
    names = sorted(
        (name for name in covered["tests"].get(function_of(mutant), ()) if name in items),
        key=lambda name: (seconds[name], name),
    )
    # Tests that came after the figures were taken may run anything.
    new = [name for name in items if name not in seconds]
    names = new if only_new else new + names
    limit = least + SLOWER * sum(seconds.get(name, 0.0) for name in names)
    killer = folder / "killer.txt"
    killer.unlink(missing_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    def body(watcher: _Watcher) -> int:
        os.environ[UNDER_TEST] = mutant
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 6))
        for _ in _run([items[name] for name in names]):
            if watcher.failed is not None:
                killer.write_text(watcher.failed, encoding="utf-8")
                return 1
        return 0

    status = _wait(_fork(session, body), limit * 10) if names else 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = {0: "survived" if names else "no tests", 1: "killed"}.get(
        status, "timeout" if status < 0 else "broke"
    )
    return {
        "mutant": mutant,
        "status": said,
        "tests": len(names),
        "by": killer.read_text(encoding="utf-8") if killer.exists() else None,
        "seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
    }


def _run(items: Sequence[pytest.Item]) -> Iterator[None]:
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        yield


def _cover(session: pytest.Session, watcher: _Watcher, path: Path) -> int:
    """Run all tests without a mutant, and write down which functions each of them runs."""
    from mutmut.mutation import trampoline

    hits: set[str] = set()
    tests: dict[str, list[str]] = {}
    seconds: dict[str, float] = {}
    trampoline.record_trampoline_hit = lambda name, caller=None: hits.add(name)
    # In this process only: what the tests start runs the functions as they are.
    trampoline._mutant_under_test = "stats"
    last = _processor_seconds()
    for item, _ in zip(session.items, _run(session.items), strict=True):
        now = _processor_seconds()
        seconds[item.nodeid], last = round(now - last, 4), now
        for function in hits:
            tests.setdefault(function, []).append(item.nodeid)
        hits.clear()
        if watcher.failed is not None:
            path.with_name("unmutated.txt").write_text(watcher.failed + "\n", encoding="utf-8")
            return 1
    path.write_text(json.dumps({"tests": tests, "seconds": seconds}), encoding="utf-8")
    return 0


def _processor_seconds() -> float:
    """Of this process and what it started; the time that passes says little on a machine with other work."""
    return sum(os.times()[:4])


def _fork(session: pytest.Session, body: Callable[[_Watcher], int]) -> tuple[int, str]:
    """Run ``body`` in a child with a folder for temporary files of its own; its process id, and the folder."""
    sys.stdout.flush()
    sys.stderr.flush()
    scratch = tempfile.mkdtemp(prefix="mutant-")
    child = os.fork()
    if child:
        return child, scratch
    status = 3
    try:
        os.setpgid(0, 0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        os.environ["TMPDIR"] = scratch
        tempfile.tempdir = None
        manager = session.config.pluginmanager
        manager.unregister(name="terminalreporter")
        watcher = _Watcher()
        manager.register(watcher)
        status = body(watcher)
    finally:
        # Nothing of the parent's is to be torn down here.
        os._exit(status)


def _wait(child: tuple[int, str], limit: float) -> int:
    """The exit status of a child, negative where a signal ended it; it is killed after ``limit`` seconds."""
    pid, scratch = child
    end = time.monotonic() + limit
    pause = 0.002
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            os.killpg(pid, signal.SIGKILL)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    # What a test left running.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    shutil.rmtree(scratch, ignore_errors=True)
    return os.waitstatus_to_exitcode(status)
