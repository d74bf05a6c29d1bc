"""The command ``verify`` and real programs, on a machine that is said to have CUDA.

The rules are those of tests/cli: ``slow(1)`` becomes ``fast(1)``, and so does ``risky(1)`` with ``--unsafe-fixes``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from h2dlint.runtime import launch
from h2dlint.runtime.launch import Run
from tests.cli.conftest import Project, project

__all__ = ["project"]

WORK = """
def slow(n):
    return n * 2

def fast(n):
    return n * {factor}

def risky(n):
    return n

def result():
    return [slow(1), slow(20), risky(5)]
"""
BENCH = "from h2dlint.runtime import record\nfrom work import result\nrecord('out', result())\nprint('ran')\n"


@pytest.fixture
def bench(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project to verify, on a machine that is said to have CUDA; nothing is traced."""
    real = launch.run

    def run(command: Sequence[str], folder: Path, **options: Any) -> Run:
        return real(command, folder, **{**options, "trace": False})

    monkeypatch.setattr(launch, "cuda_problem", lambda: None)
    monkeypatch.setattr(launch, "run", run)
    project.write("work.py", WORK.format(factor=2))
    project.write("bench.py", BENCH)
    return project


def test_a_real_program(bench: Project) -> None:
    done = bench("verify", "--path", "work.py", "--json", "v.json", "--", sys.executable, "bench.py")
    assert done.exit_code == 0, done.output
    assert "identical: the outputs that were compared are identical in every bit\n" in done.stdout
    assert "Fixes applied: 2" in done.stdout
    content = json.loads(bench.read("v.json"))
    assert [run["records"] for run in content["runs"]] == [1, 1, 1]
    assert [(fix["path"], fix["line"]) for fix in content["fixes"]] == [("work.py", 12), ("work.py", 12)]
    assert bench.read("work.py") == WORK.format(factor=2), "no file is touched"


def test_sets_have_one_order_in_all_runs(bench: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    bench.write("bench.py", BENCH + "record('order', list({str(n) for n in range(50)}))\n")
    done = bench("verify", "--path", "work.py", "--json", "v.json", "--", sys.executable, "bench.py")
    assert done.exit_code == 0, done.output
    content = json.loads(bench.read("v.json"))
    assert (content["records"], content["nondeterministic"]) == (2, [])
    assert "PYTHONHASHSEED" not in os.environ


def test_a_real_program_that_a_fix_breaks(bench: Project) -> None:
    bench.write("work.py", WORK.format(factor=3))
    command = (
        "verify",
        "--unsafe-fixes",
        "--markdown",
        "-",
        "--keep",
        "kept",
        "--",
        sys.executable,
        "bench.py",
    )
    done = bench(*command)
    assert done.exit_code == 1, done.output
    assert done.stdout.startswith("**h2dlint verify: different**")
    assert "- `out[0][0]: 2 before, 3 after`" in done.stdout
    assert "- `` HTD101 slow-call, work.py:12: Call `fast` ``\n" in done.stdout
    assert "Without these nothing differs" in done.stdout
    assert (bench.root / "kept" / "before" / "run.json").exists()
    assert bench(*command).exit_code == 2, "the folder to keep is not empty"


def test_without_cuda_nothing_is_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "cuda_problem", lambda: "no CUDA device is available here")
    monkeypatch.setattr(launch, "run", None)
    project.write("work.py", WORK.format(factor=2))
    done = project("verify", "--", "python", "work.py")
    assert done.exit_code == 2
    assert "no CUDA device is available here; verify has nothing to measure, and ran nothing" in done.stderr


def test_nothing_to_fix(bench: Project) -> None:
    bench.write("work.py", "risky(1)\n")
    done = bench("verify", "--path", "work.py", "--", "no-such-program")
    assert done.exit_code == 2
    assert "there is nothing to fix in 1 files; 1 more with --unsafe-fixes" in done.stderr


def test_no_such_program_and_no_such_package(bench: Project) -> None:
    done = bench("verify", "--", "no-such-program")
    assert (done.exit_code, "there is no program no-such-program" in done.stderr) == (2, True)
    done = bench("verify", "--package", "no_such_package", "--", "no-such-program")
    assert (done.exit_code, 'no package "no_such_package"' in done.stderr) == (2, True)


def test_options_after_the_program_are_its_own(bench: Project) -> None:
    bench.write("bench.py", BENCH + "import sys\nrecord('arguments', sys.argv[1:])\n")
    done = bench("verify", "--path", "work.py", sys.executable, "bench.py", "--select", "x", "--", "-q")
    assert done.exit_code == 0, done.output
    assert bench("verify").exit_code == 2
