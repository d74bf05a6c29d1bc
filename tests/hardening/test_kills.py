from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hardening.killing import make

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills are sent to forks")
ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_a_killed_run_loses_nothing() -> None:
    # In a process of its own: a fork needs one without threads.
    command = [sys.executable, "-W", "ignore", "-m", "tests.hardening.killing", "10", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["killed"] >= 10


RACE = """
import sys
from h2dlint.cli import main
input()
main(sys.argv[1:])
"""


def race(folder: Path, *commands: list[str]) -> list[tuple[int, str]]:
    """Run command lines at the same time; exit status and standard error of each."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, *command],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )
        for command in commands
    ]
    for each in runs:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    return [(each.wait(120), each.communicate()[1]) for each in runs]


BOTH = """import torch


def forward(self, d: torch.Tensor, xs: list[int]):
    d[torch.tensor([0, 1], device="cuda")] = 1.0
    return torch.tensor([1, {number}], device="cuda"), torch.tensor(0.0, device="cuda")
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("selections", [("ALL", "ALL"), ("HTD101", "HTD103")])
def test_two_runs_at_once_lose_nothing(tmp_path: Path, selections: tuple[str, str]) -> None:
    old = make(tmp_path)
    for number, path in enumerate(old):
        path.write_text(BOTH.format(number=number), encoding="utf-8")
    commands = [["fix", "--select", each, "--unsafe-fixes", "src"] for each in selections]
    outcomes = race(tmp_path, *commands)
    for status, errors in outcomes:
        assert status != -signal.SIGSEGV
        for line in errors.splitlines():
            assert "changed after it was read" in line or not line.startswith("error"), line
    # What one of them said that it did is done; what it could not do a later run does.
    for command in commands:
        subprocess.run(
            [sys.executable, "-m", "h2dlint", *command], cwd=tmp_path, capture_output=True, timeout=120
        )
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / ".git").mkdir()
    for number, path in enumerate(old):
        (alone / path.name).write_text(BOTH.format(number=number), encoding="utf-8")
    for each in dict.fromkeys(selections):
        command = [sys.executable, "-m", "h2dlint", "fix", "--select", each, "--unsafe-fixes", "."]
        subprocess.run(command, cwd=alone, capture_output=True, timeout=120)
    for path in old:
        assert path.read_bytes() == (alone / path.name).read_bytes()
        assert b"pin_memory" in path.read_bytes()
    assert {path.name for path in (tmp_path / "src").iterdir()} == {path.name for path in old}
