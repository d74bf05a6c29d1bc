"""A pytest plugin that runs the tests once for each mutant, in forks of one process that has collected them.

Collecting takes seconds and most mutants are killed in less, so it is done once. The plugin does nothing unless
``H2DLINT_MUTATION`` names a folder. It reads there

``mutants.json``   the names of the mutants in the order in which they are to be tried, for how many minutes to go on,
                   the seconds of processor time that each may take whatever its tests, whether only tests
                   are run that ``covered.json`` does not know, and how many children work at once
``covered.json``   for each function the tests that run it, written by the first run

and appends to ``results.jsonl`` one object for each mutant, in the order in which they end. A mutant is in force in a
process whose environment names it in ``MUTANT_UNDER_TEST``, as mutmut has it; the processes that a test starts inherit
that.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import pytest

from tests.mutation.children import Children, Watcher, Work

FOLDER = "H2DLINT_MUTATION"
UNDER_TEST = "MUTANT_UNDER_TEST"
SLOWER = 5.0
"""How many times the processor time of its tests a mutant may take, beside the seconds that each may."""


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
    jobs: int = plan["jobs"]
    covered_by = folder / "covered.json"
    with Children(session.config) as children:
        if not covered_by.exists():
            _cover(session.items, children, jobs, covered_by)
        covered = json.loads(covered_by.read_text(encoding="utf-8"))
        items = {item.nodeid: item for item in session.items}
        left, deadline = iter(plan["mutants"]), time.monotonic() + plan["minutes"] * 60
        # More children than processors wait for each other.
        patience = 10 * max(1.0, jobs / (os.cpu_count() or 1))
        begun: dict[int, tuple[str, int]] = {}
        with (folder / "results.jsonl").open("a", encoding="utf-8") as stream:
            # What was begun is ended, so that what was tried is the first of the order.
            while True:
                while len(begun) < jobs and time.monotonic() <= deadline and (mutant := next(left, None)):
                    names, limit = _chosen(items, covered, mutant, plan["seconds"], plan["only_new"])
                    if names:
                        work = _work([items[name] for name in names], mutant, limit)
                        begun[children.start(work, limit * patience)] = (mutant, len(names))
                    else:
                        _tell(stream, mutant, "no tests", 0, None, 0.0)
                if not begun:
                    break
                ended = children.next()
                mutant, tests = begun.pop(ended.pid)
                status = {0: "survived", 1: "killed"}.get(
                    ended.status, "timeout" if ended.status < 0 else "broke"
                )
                _tell(stream, mutant, status, tests, ended.note or None, ended.seconds)


def _tell(stream: TextIO, mutant: str, status: str, tests: int, by: str | None, seconds: float) -> None:
    row = {"mutant": mutant, "status": status, "tests": tests, "by": by, "seconds": round(seconds, 2)}
    stream.write(json.dumps(row) + "\n")
    # A child would write what is left in the buffer once more.
    stream.flush()


def _chosen(
    items: Mapping[str, pytest.Item],
    covered: Mapping[str, Any],
    mutant: str,
    least: float,
    only_new: bool,
) -> tuple[list[str], float]:
    """The tests that run a mutant's function, the quickest first, and how much processor time it may take."""
    seconds = covered["seconds"]
    names = sorted(
        (name for name in covered["tests"].get(function_of(mutant), ()) if name in items),
        key=lambda name: (seconds[name], name),
    )
    # Tests that came after the figures were taken may run anything.
    new = [name for name in items if name not in seconds]
    names = new if only_new else new + names
    return names, least + SLOWER * sum(seconds.get(name, 0.0) for name in names)


def _work(items: Sequence[pytest.Item], mutant: str, limit: float) -> Work:
    """What tries one mutant in a child: run tests up to the first that fails."""

    def work(watcher: Watcher, note: Path) -> int:
        os.environ[UNDER_TEST] = mutant
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 6))
        for _ in _run(items):
            if watcher.failed is not None:
                note.write_text(watcher.failed, encoding="utf-8")
                return 1
        return 0

    return work


def _run(items: Sequence[pytest.Item]) -> Iterator[None]:
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        yield


def _cover(items: Sequence[pytest.Item], children: Children, jobs: int, path: Path) -> None:
    """Run all tests without a mutant, each child a part of them, and write down which functions each test runs.

    Raises:
        pytest.Session.Interrupted: a test fails.
    """
    parts = [items[job::jobs] for job in range(min(jobs, len(items)))]
    running = [children.start(_cover_work(part), 3600) for part in parts]
    tests: dict[str, list[str]] = {}
    seconds: dict[str, float] = {}
    for _ in running:
        ended = children.next()
        if ended.status:
            why = ended.note or f"a child ended with {ended.status}"
            path.with_name("unmutated.txt").write_text(why + "\n", encoding="utf-8")
            raise pytest.Session.Interrupted("a test fails without any mutant; see unmutated.txt")
        found = json.loads(ended.note)
        seconds.update(found["seconds"])
        for function, names in found["tests"].items():
            tests.setdefault(function, []).extend(names)
    written = path.with_suffix(".part")
    written.write_text(json.dumps({"tests": tests, "seconds": seconds}), encoding="utf-8")
    written.replace(path)


def _cover_work(items: Sequence[pytest.Item]) -> Work:
    def work(watcher: Watcher, note: Path) -> int:
        from mutmut.mutation import trampoline

        hits: set[str] = set()
        tests: dict[str, list[str]] = {}
        seconds: dict[str, float] = {}
        trampoline.record_trampoline_hit = lambda name, caller=None: hits.add(name)
        # In this process only: what the tests start runs the functions as they are.
        trampoline._mutant_under_test = "stats"
        last = _processor_seconds()
        for item, _ in zip(items, _run(items), strict=True):
            now = _processor_seconds()
            seconds[item.nodeid], last = round(now - last, 4), now
            for function in hits:
                tests.setdefault(function, []).append(item.nodeid)
            hits.clear()
            if watcher.failed is not None:
                note.write_text(watcher.failed, encoding="utf-8")
                return 1
        note.write_text(json.dumps({"tests": tests, "seconds": seconds}), encoding="utf-8")
        return 0

    return work


def _processor_seconds() -> float:
    """Of this process and what it started; the time that passes says little on a machine with other work."""
    return sum(os.times()[:4])
