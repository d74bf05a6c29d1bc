"""A text on standard input is linted with the call graph that earlier runs left in the cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from h2dlint.analysis.scan import scan
from h2dlint.cli import main
from h2dlint.engine import modules

MADE = "import torch\n\n\ndef made(xs: list[int], d: torch.device):\n    return torch.tensor(xs, device=d)\n"
STEP = "from pkg.made import made\n\n\ndef forward(xs, d):\n    return made(xs, d)\n"


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were gone over for a call graph."""
    found: list[str] = []

    def noted(path: str, *others: object) -> object:
        found.append(os.path.basename(path))
        return scan(path, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(modules, "scan", noted)
    return found


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pkg").mkdir()
    for name, text in (("__init__", ""), ("made", MADE), ("step", STEP)):
        (tmp_path / "pkg" / f"{name}.py").write_text(text)
    (tmp_path / "pyproject.toml").write_text("[tool.h2dlint]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(*arguments: str, text: str | None = None) -> tuple[int, str]:
    """Exit status and output."""
    done = CliRunner().invoke(main, ["check", "--output-format", "concise", *arguments], input=text)
    return done.exit_code, done.output


@pytest.mark.parametrize("options", [[], ["--diff", "--unsafe-fixes"]], ids=["check", "diff"])
def test_the_graph_of_an_earlier_run_is_used(project: Path, scanned: list[str], options: list[str]) -> None:
    given = ["--stdin-filename", "pkg/made.py", *options]
    edited = MADE.replace("return ", "ys = xs\n    return ")
    fresh = check("--no-cache", *given, text=edited)
    # The name of what calls it is in another file: only the graph knows that the code is hot.
    assert "hot: reached from forward" in check("--no-cache", *given[:2], text=edited)[1]
    assert sorted(set(scanned)) == ["__init__.py", "made.py", "step.py"]
    check()
    scanned.clear()
    assert check(*given, text=edited) == fresh
    assert scanned == []


def test_a_graph_that_is_no_longer_right_is_made_anew_and_kept(project: Path, scanned: list[str]) -> None:
    given = ["--stdin-filename", "pkg/made.py"]
    check()
    (project / "pkg/step.py").write_text(STEP.replace("forward", "test_it"))
    expected = check("--no-cache", *given, text=MADE)
    scanned.clear()
    assert check(*given, text=MADE) == expected
    assert "step.py" in scanned
    scanned.clear()
    assert check(*given, text=MADE) == expected
    # Looked at, as the cache knows no verdict of now, and not gone over twice.
    assert len(scanned) == len(set(scanned))


def test_nothing_is_written_where_no_cache_is_wanted(project: Path) -> None:
    for more in (["--no-cache"], ["-"]):
        before = sorted(os.listdir(project))
        name = ["--stdin-filename", "pkg/made.py"] if more == ["--no-cache"] else []
        check(*more, *name, text=MADE)
        assert sorted(os.listdir(project)) == before


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_foreign_folder_is_not_used(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (project / ".h2dlint_cache").symlink_to(elsewhere)
    done = CliRunner().invoke(main, ["check", "--stdin-filename", "pkg/made.py"], input=MADE)
    assert "is a symbolic link and is not used" in done.output
    assert list(elsewhere.iterdir()) == []
