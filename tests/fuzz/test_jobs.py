"""Several workers at once: what they did is added up, and a run can be repeated."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fuzz.__main__ import report
from tests.fuzz.campaign import Counts
from tests.fuzz.jobs import APART, OWN_FAULT, Job, Jobs

ROOT = Path(__file__).parents[2]
FUZZ = [sys.executable, "-m", "tests.fuzz"]


class Scripted(Jobs):
    """Jobs whose workers are told how to end: exit statuses by job, then 0."""

    def __init__(self, folder: Path, ends: dict[int, list[int]]) -> None:
        super().__init__(["program"], 10, folder)
        self.ends = ends
        self.starts: dict[int, list[int]] = {}

    def _worker(self, number: int, start: int, seconds: float) -> int:
        self.starts.setdefault(number, []).append(start)
        state = self._folder / str(number)
        (state / "current.txt").write_text(f"program:{start + 2} plain", encoding="utf-8")
        (state / "current.py").write_text(f"{number}", encoding="utf-8")
        said = {**Counts(findings=3).plain(), "next": start + 5, "spent": 4.0}
        (state / "counts.json").write_text(json.dumps(said), encoding="utf-8")
        return self.ends[number].pop(0) if self.ends.get(number) else 0


def test_a_worker_that_dies_is_followed_by_another(tmp_path: Path) -> None:
    jobs = Scripted(tmp_path, {1: [-11]})
    first, second = jobs.run(7, 2)
    assert jobs.starts == {0: [7], 1: [7 + APART, 7 + APART + 3]}
    assert (first.spent, second.spent) == (4.0, 8.0)
    assert (first.counts.findings, second.counts.findings) == (3, 6)
    assert second.counts.failures == {"crash: status -11": 1}
    assert (tmp_path / f"killed-program-{9 + APART}.py").read_text(encoding="utf-8") == "1"
    assert report([first, second], "again") == 1


def test_a_fault_of_the_fuzzer_ends_the_run(tmp_path: Path) -> None:
    jobs = Scripted(tmp_path, {0: [OWN_FAULT]}).run(7, 2)
    assert report(jobs, "again") == OWN_FAULT


def test_what_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("H2DLINT_FUZZ_RESULTS", str(tmp_path))
    assert report([Job(4.0, Counts(findings=1)), Job(5.4, Counts(findings=2))], "the command") == 0
    written = json.loads((tmp_path / "fuzz.json").read_text(encoding="utf-8"))
    assert (written["jobs"], written["seconds"], written["command"]) == (2, 9, "the command")
    assert written["figures"]["fuzzing"]["findings"] == 3
    assert "3 findings" in capsys.readouterr().out


def test_two_jobs(tmp_path: Path) -> None:
    """Each has inputs of its own, and the command that is printed repeats the run."""
    command = [*FUZZ, "--seconds=1", "--jobs=2", "--seed=7", "--kind=program", f"--folder={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    again = shlex.split(done.stdout.splitlines()[0])
    assert again[3:] == ["--seconds=1", "--jobs=2", "--seed=7", "--kind=program"]
    numbers = [int((tmp_path / job / "current.txt").read_text().split()[0].partition(":")[2]) for job in "01"]
    tried = [json.loads((tmp_path / job / "counts.json").read_text())["inputs"]["program"] for job in "01"]
    assert numbers == [7 + tried[0] - 1, 7 + APART + tried[1] - 1]
    assert f"{sum(tried)} inputs" in done.stdout


def test_a_signal_ends_the_workers_and_counts_what_they_did(tmp_path: Path) -> None:
    command = [*FUZZ, "--seconds=600", "--jobs=2", "--seed=7", "--kind=program", f"--folder={tmp_path}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    while len(list(tmp_path.glob("*/current.txt"))) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    tried = [json.loads((tmp_path / job / "counts.json").read_text())["inputs"]["program"] for job in "01"]
    assert f"{sum(tried)} inputs" in out and min(tried) > 0
