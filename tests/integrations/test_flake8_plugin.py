"""flake8 run for real: the places and codes that ``h2dlint check`` reports, once each."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integrations.conftest import ROOT
from tests.integrations.test_libcst_codemod import STEP

MORE = """\
import torch


def forward(x: torch.Tensor, lens: list[int]) -> torch.Tensor:
    text = "äöü"; a = torch.tensor(lens, device=x.device)
    b = torch.tensor(lens, device=x.device)  # h2dlint: ignore[HTD101] wanted
    # gpu-sync-ok: wanted
    c = torch.tensor(lens, device=x.device)
    d = torch.tensor(
        lens,
        device=x.device,
    )  # noqa: HTD101
    return x + a + b + c + d
"""
if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROW = re.compile(r"^(.+?):(\d+):(\d+): (HTD\d+) (.*)$")


def environment(*folders: Path) -> dict[str, str]:
    path = os.pathsep.join(map(str, (*folders, ROOT)))
    return {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}


def installed(folder: Path) -> Path:
    """Metadata as an installation of this tree has it: an environment may have that of an older one."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    told = folder / "metadata" / "h2dlint-0.dist-info"
    told.mkdir(parents=True, exist_ok=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: h2dlint\nVersion: 0\n", encoding="utf-8")
    rows = "".join(f"{name} = {value}\n" for name, value in points["flake8.extension"].items())
    (told / "entry_points.txt").write_text(f"[flake8.extension]\n{rows}", encoding="utf-8")
    return told.parent


def flake8(cwd: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flake8", "--isolated", *arguments],
        cwd=cwd,
        env=environment(installed(cwd.parent)),
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def check(cwd: Path, *arguments: str) -> list[tuple[str, int, int, str, str]]:
    done = subprocess.run(
        [sys.executable, "-m", "h2dlint", "check", "--output-format", "json", "--no-cache", *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    found = json.loads(done.stdout)["findings"]
    return [(f["path"], f["line"], f["column"], f["code"], f["message"]) for f in found]


def rows(done: subprocess.CompletedProcess[str]) -> list[tuple[str, int, int, str, str]]:
    assert not done.stderr, done.stderr
    found = [ROW.match(line) for line in done.stdout.splitlines()]
    return sorted((m[1].removeprefix("./"), int(m[2]), int(m[3]), m[4], m[5]) for m in found if m is not None)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    tmp_path = tmp_path / "project"
    (tmp_path / "pkg").mkdir(parents=True)
    for number in range(4):
        (tmp_path / "pkg" / f"step{number}.py").write_text(STEP, encoding="utf-8")
    (tmp_path / "more.py").write_text(MORE, encoding="utf-8")
    (tmp_path / "latin.py").write_bytes(b"# coding: latin-1\n" + MORE.encode("latin-1"))
    (tmp_path / "mark.py").write_bytes(b"\xef\xbb\xbf" + MORE.encode())
    (tmp_path / "vendored").mkdir()
    (tmp_path / "vendored" / "step.py").write_text(STEP, encoding="utf-8")
    (tmp_path / "h2dlint.toml").write_text(
        'extend-exclude = ["vendored"]\n[per-file-ignores]\n"pkg/step3.py" = ["HTD103"]\n', encoding="utf-8"
    )
    return tmp_path


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_verdicts_of_check(project: Path, jobs: str) -> None:
    wanted = check(project, ".")
    assert len(wanted) == 10
    done = flake8(project, "-j", jobs, "--select", "HTD", ".")
    assert rows(done) == sorted(wanted)
    assert done.returncode == 1


def test_it_runs_without_being_selected(project: Path) -> None:
    assert rows(flake8(project, "--extend-ignore", "E,W", "more.py")) == check(project, "more.py")


def test_standard_input(project: Path) -> None:
    done = flake8(project, "--select", "HTD", "--stdin-display-name", "pkg/step3.py", "-", stdin=STEP)
    assert [row[:2] + row[3:4] for row in rows(done)] == [("pkg/step3.py", 5, "HTD101")]
    nameless = flake8(project, "--select", "HTD", "-", stdin=STEP)
    assert [row[:2] for row in rows(nameless)] == [("stdin", 5), ("stdin", 6)]


def test_options_of_flake8_hold(project: Path) -> None:
    done = flake8(
        project, "--select", "HTD", "--extend-ignore", "HTD103", "--per-file-ignores", "more.py:HTD", "."
    )
    assert {row[3] for row in rows(done)} == {"HTD101"}
    assert not any(row[0] == "more.py" for row in rows(done))


def test_a_broken_file_is_told_of_by_flake8_alone(project: Path) -> None:
    done = flake8(project, "--select", "HTD,E9", "-", stdin="import torch\ndef f(:\n")
    assert "E999" in done.stdout
    assert "HTD" not in done.stdout


def test_a_bad_configuration_ends_the_run(project: Path) -> None:
    (project / "h2dlint.toml").write_text("nonsense = 1\n", encoding="utf-8")
    done = flake8(project, "--select", "HTD", "-j", "1", "more.py")
    assert done.returncode != 0
    assert 'unknown key "nonsense"' in done.stderr + done.stdout


def test_a_fault_of_the_analysis_is_no_clean_file(monkeypatch: pytest.MonkeyPatch) -> None:
    import ast

    from h2dlint import rules
    from h2dlint.integrations.flake8_plugin import Plugin

    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(rules, "check_module", broken)
    text = STEP.splitlines(keepends=True)
    (problem,) = Plugin(ast.parse(STEP), "no_such_step.py", text).run()
    assert problem[:2] == (1, 0)
    assert problem[2].startswith("HTD900 not checked: ZeroDivisionError: oops")
