"""``--diff-only``, in a real repository."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.cli.conftest import Project


@pytest.fixture
def repo(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """``a.py`` with two findings in one commit."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "n")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "n@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    (project.root / ".git").rmdir()
    project.write("a.py", "slow(1)\nx = 1\nslow(\n    2,\n    3,\n)\n")
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "x")):
        subprocess.run(["git", *arguments], cwd=project.root, check=True, capture_output=True)
    return project


def lines(repo: Project, *arguments: str) -> list[tuple[str, int]]:
    done = repo("check", "--diff-only", "HEAD", "--output-format", "json", *arguments)
    assert done.exit_code in (0, 1), done.output
    found = json.loads(done.stdout)["findings"]
    assert done.exit_code == bool(found)
    return [(finding["path"], finding["line"]) for finding in found]


def test_only_findings_on_changed_lines(repo: Project) -> None:
    assert lines(repo) == []
    repo.write("a.py", "slow(1)\nx = 1\nslow(\n    2,\n    4,\n)\n")
    assert lines(repo) == [("a.py", 3)]
    repo.write("b.py", "slow(1)\n")
    assert lines(repo) == [("a.py", 3), ("b.py", 1)]
    assert lines(repo, "b.py") == [("b.py", 1)]
    done = repo("check", "--diff-only", "HEAD")
    assert "1 on lines that did not change (--diff-only)" in done.stdout


def test_a_line_taken_out_of_the_statement(repo: Project) -> None:
    repo.write("a.py", "slow(1)\nx = 1\nslow(\n    2,\n)\n")
    assert lines(repo) == [("a.py", 3)]


def test_only_those_are_fixed(repo: Project) -> None:
    repo.write("a.py", "slow(1)\nx = slow(9)\nslow(\n    2,\n    3,\n)\n")
    done = repo("check", "--fix", "--diff-only", "HEAD")
    assert done.exit_code == 0, done.output
    assert repo.read("a.py") == "slow(1)\nx = fast(9)\nslow(\n    2,\n    3,\n)\n"


def test_only_those_get_a_comment(repo: Project) -> None:
    repo.write("a.py", "slow(1)\nx = slow(9)\n")
    repo("check", "--add-noqa", "--diff-only", "HEAD")
    assert repo.read("a.py") == "slow(1)\nx = slow(9)  # noqa: HTD101\n"


def test_together_with_a_baseline(repo: Project) -> None:
    repo("check", "--write-baseline", "known.json")
    before = repo.read("known.json")
    repo.write("a.py", "slow(1)\nx = slow(9)\nslow(\n    2,\n    3,\n)\nslow(1)\n")
    assert lines(repo, "--baseline", "known.json") == [("a.py", 2), ("a.py", 7)]
    assert repo.read("known.json") == before


def test_from_a_folder_below(repo: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.write("sub/b.py", "slow(1)\n")
    monkeypatch.chdir(repo.root / "sub")
    assert lines(repo, "..") == [("b.py", 1)]


def test_in_a_hook_that_git_runs(repo: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.write("sub/h2dlint.toml", "")
    repo.write("sub/b.py", "slow(1)\n")
    monkeypatch.setenv("GIT_DIR", str(repo.root / ".git"))
    assert lines(repo, "sub") == [("sub/b.py", 1)]


@pytest.mark.parametrize("revision", ["nothing", "--help"])
def test_what_git_does_not_know(repo: Project, revision: str) -> None:
    done = repo("check", f"--diff-only={revision}")
    assert done.exit_code == 2
    assert f'error: --diff-only: git knows no revision "{revision}"' in done.stderr


def test_outside_of_a_repository(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / ".git").rmdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.root.parent))
    project.write("a.py", "slow(1)\n")
    done = project("check", "--diff-only", "HEAD")
    assert done.exit_code == 2
    assert "error: --diff-only: git: fatal: not a git repository" in done.stderr


def test_a_file_of_elsewhere(repo: Project) -> None:
    outside = repo.root.parent / f"{repo.root.name}-outside.py"
    outside.write_text("slow(1)\n", encoding="utf-8")
    done = repo("check", "--diff-only", "HEAD", "--isolated", "a.py", str(outside))
    assert done.exit_code == 2
    assert "git" in done.stderr


def commit(repo: Project) -> None:
    for arguments in (("add", "-A"), ("commit", "-qm", "y")):
        subprocess.run(["git", *arguments], cwd=repo.root, check=True, capture_output=True)


def test_files_of_which_git_shows_no_diff(repo: Project) -> None:
    repo.write(".gitattributes", "a.py -diff\n")
    commit(repo)
    assert lines(repo) == []
    repo.write("a.py", "slow(1)\nx = 2\nslow(\n    2,\n    4,\n)\n")
    assert lines(repo) == [("a.py", 3)]
    subprocess.run(["git", "mv", "a.py", "b.py"], cwd=repo.root, check=True)
    repo.write(".gitattributes", "*.py -diff\n")
    assert lines(repo) == [("b.py", 3)]


def test_lines_count_as_they_are_on_the_disk_and_not_as_a_filter_stores_them(repo: Project) -> None:
    subprocess.run(["git", "config", "filter.strip.clean", "grep -v OUTPUT"], cwd=repo.root, check=True)
    repo.write(".gitattributes", "*.py filter=strip\n")
    commit(repo)
    text = "# OUTPUT\n" * 5 + "slow(1)\nx = 1\nslow(\n    2,\n    3,\n)\n"
    repo.write("a.py", text)
    assert lines(repo) == []
    repo.write("a.py", text.replace("3", "4"))
    assert lines(repo) == [("a.py", 8)]
    repo.write("new.py", "slow(1)\n")
    subprocess.run(["git", "add", "new.py"], cwd=repo.root, check=True)
    assert lines(repo, "new.py") == [("new.py", 1)]


def test_unused_suppressions_count_where_the_line_changed(repo: Project) -> None:
    repo.write("a.py", "x = 1  # h2dlint: ignore\n")
    commit(repo)
    options = ("check", "--warn-unused-suppressions", "--diff-only", "HEAD")
    done = repo(*options)
    assert (done.exit_code, "unused suppression" in done.output) == (0, False)
    repo.write("a.py", "x = 1  # h2dlint: ignore\ny = 2  # h2dlint: ignore\n")
    done = repo(*options)
    assert (done.exit_code, done.stderr.count("unused suppression")) == (1, 1)
    assert "a.py:2: unused suppression" in done.stderr
