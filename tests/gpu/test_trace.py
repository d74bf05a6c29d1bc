"""The recorder finds every copy that blocks where programs hide them, counts it once, and finds no other."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from h2dlint.runtime.traces import Trace, from_json

from .runtime_parts import PROGRAMS, h2dlint

pytestmark = pytest.mark.gpu

ODD = PROGRAMS / "odd.py"
COMMENT = re.compile(r"# (blocks|waits): (\d+)")


def expected() -> dict[str, dict[tuple[str, int], int]]:
    """Of each case: (``blocks`` or ``waits``, line) to how many."""
    text = ODD.read_text(encoding="utf-8")
    lines = text.splitlines()
    cases: dict[str, dict[tuple[str, int], int]] = {}
    for node in ast.parse(text).body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        case = node.name.removeprefix("case_") if node.name.startswith("case_") else node.name.split("_")[0]
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            if match := COMMENT.search(lines[number - 1]):
                cases.setdefault(case, {})[match[1], number] = int(match[2])
    return cases


def names() -> list[str]:
    return sorted(
        node.name.removeprefix("case_")
        for node in ast.parse(ODD.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("case_")
    )


@cache
def traced(folder: Path) -> tuple[Trace, dict[str, Any]]:
    """One run of all cases."""
    out = folder / "odd.json"
    program = ["python", str(ODD)]
    arguments = ["trace", "-q", "--isolated", "--path", str(ODD), "-o", str(out), "--", *program]
    done = h2dlint(arguments, folder, 300)
    assert done.returncode == 0, done.tail
    return from_json(out.read_text(encoding="utf-8")), done.json_lines("cases")[-1]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, dict[str, Any]]:
    return traced(tmp_path_factory.getbasetemp())


def counted(trace: Trace) -> Counter[tuple[str, int]]:
    """(``blocks`` or ``waits``, line of odd.py) to how many there were."""
    seen: Counter[tuple[str, int]] = Counter()
    for site in trace.sites:
        frame = site.frame
        if frame is None or Path(frame.file).name != ODD.name or site.compiling:
            continue
        if site.stalls:
            seen["blocks", frame.line] += site.blocked
        elif site.kind == "wait":
            seen["waits", frame.line] += site.count
    return seen


def test_every_case_has_lines() -> None:
    assert sorted(expected()) == names()


@pytest.mark.parametrize("case", names())
def test_the_case_itself_ran(case: str, run: tuple[Trace, dict[str, Any]]) -> None:
    assert case not in run[1]["failed"], run[1]["failed"].get(case)


@pytest.mark.parametrize("case", names())
def test_exactly_the_copies_that_block(case: str, run: tuple[Trace, dict[str, Any]]) -> None:
    seen = counted(run[0])
    wanted = expected()[case]
    found = {key: seen[key] for key in wanted}
    assert found == wanted


def test_no_other_line_blocks(run: tuple[Trace, dict[str, Any]]) -> None:
    known = {number for case in expected().values() for kind, number in case if kind == "blocks"}
    lines = ODD.read_text(encoding="utf-8").splitlines()
    others = {
        f"{number}: {lines[number - 1].strip()}": count
        for (kind, number), count in counted(run[0]).items()
        if kind == "blocks" and number not in known
    }
    assert not others


def test_threads_and_processes_are_told_apart(run: tuple[Trace, dict[str, Any]]) -> None:
    trace = run[0]
    line = next(number for (kind, number), count in expected()["threads"].items() if count == 20)
    threads = {
        name for site in trace.sites if site.frame and site.frame.line == line for name in site.threads
    }
    assert {f"worker {number}" for number in range(4)} <= threads
    line = next(number for (kind, number), count in expected()["spawn"].items() if kind == "blocks")
    of = {index for site in trace.sites if site.frame and site.frame.line == line for index in site.processes}
    assert len({trace.processes[index].pid for index in of}) == 2
    assert len(trace.processes) >= 4, "the program, two spawned workers, one program of its own"


def test_what_the_program_says_is_the_same_without_a_recorder(run: tuple[Trace, dict[str, Any]]) -> None:
    from .runtime_parts import shell

    done = shell([sys.executable, str(ODD)], PROGRAMS, 300)
    assert done.returncode == 0, done.tail
    assert done.json_lines("cases")[-1] == run[1]
