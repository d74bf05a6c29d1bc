"""``libcst.tool`` run for real: it writes what ``h2dlint fix`` writes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integrations.conftest import ROOT

NAME = "h2dlint.integrations.libcst_codemod.RemoveBlockingH2D"
STEP = """\
import torch


def forward(x: torch.Tensor, lens: list[int], n: int) -> torch.Tensor:
    a = torch.tensor(lens, device=x.device)  # the lengths
    b = torch.tensor([1, 2, 3], device="cuda")
    c = torch.tensor([3, 4, 5], device="cuda")  # noqa: HTD103
    return x + a + b + c
"""


def command(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project set up as the LibCST documentation says, and a copy for `h2dlint fix` to work on."""
    one = tmp_path / "one"
    (one / "pkg").mkdir(parents=True)
    (one / "pkg" / "step.py").write_text(STEP, encoding="utf-8")
    (one / "pkg" / "latin.py").write_bytes(
        b"# coding: latin-1\n" + STEP.replace("lengths", "l\xe4ngen").encode("latin-1")
    )
    (one / "pkg" / "plain.py").write_text("x = 1\n", encoding="utf-8")
    (one / "third_party").mkdir()
    (one / "third_party" / "step.py").write_text(STEP, encoding="utf-8")
    (one / "h2dlint.toml").write_text('extend-exclude = ["third_party"]\n', encoding="utf-8")
    done = command(one, "-m", "libcst.tool", "initialize", ".")
    assert done.returncode == 0, done.stderr
    shutil.copytree(one, tmp_path / "two")
    return one


def texts(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.py"))}


@pytest.mark.parametrize(
    "options",
    [(), ("--unsafe-fixes",), ("--assume-cuda", "--select", "HTD101,HTD103"), ("--ignore", "HTD103")],
)
def test_it_writes_what_fix_writes(project: Path, options: tuple[str, ...]) -> None:
    before = texts(project)
    done = command(
        project, "-m", "libcst.tool", "codemod", "--no-format", "-x", NAME, *options, "pkg", "third_party"
    )
    assert done.returncode == 0, done.stderr
    fixed = command(project.parent / "two", "-m", "h2dlint", "fix", *options, ".")
    assert fixed.returncode in {0, 1}, fixed.stderr
    after = texts(project)
    assert after == texts(project.parent / "two")
    assert after["third_party/step.py"] == before["third_party/step.py"]
    if "--ignore" not in options:
        assert after["pkg/step.py"] != before["pkg/step.py"]
        assert b"l\xe4ngen" in after["pkg/latin.py"]


def test_it_is_found_through_the_configured_modules(project: Path) -> None:
    settings = project / ".libcst.codemod.yaml"
    text = settings.read_text(encoding="utf-8")
    assert "- 'libcst.codemod.commands'" in text or "- libcst.codemod.commands" in text
    settings.write_text(text.replace("modules:\n", "modules:\n- h2dlint.integrations\n"), encoding="utf-8")
    done = command(
        project, "-m", "libcst.tool", "codemod", "--no-format", "libcst_codemod.RemoveBlockingH2D", "pkg"
    )
    assert done.returncode == 0, done.stderr
    assert "torch.arange(1, 4, device" in (project / "pkg" / "step.py").read_text(encoding="utf-8")
    assert "more with --unsafe-fixes" in done.stderr + done.stdout


def test_a_diff(project: Path) -> None:
    done = command(
        project, "-m", "libcst.tool", "codemod", "--no-format", "-x", NAME, "--unified-diff=1", "pkg/step.py"
    )
    assert done.returncode == 0, done.stderr
    assert '-    b = torch.tensor([1, 2, 3], device="cuda")' in done.stdout
    assert (project / "pkg" / "step.py").read_text(encoding="utf-8") == STEP


def test_a_bad_configuration_fails(project: Path) -> None:
    (project / "h2dlint.toml").write_text("nonsense = 1\n", encoding="utf-8")
    done = command(project, "-m", "libcst.tool", "codemod", "--no-format", "-x", NAME, "pkg")
    assert done.returncode != 0
    assert 'unknown key "nonsense"' in done.stderr + done.stdout
