"""``fix --commit-per-rule`` and ``--commit-per-folder`` on real repositories."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from h2dlint.cli import main

LIST = "import torch\n\n\ndef forward(xs: list[int]):\n    return torch.tensor(xs, device='cuda')\n"
BOTH = LIST + "\n\ndef step():\n    return torch.tensor(0, device='cuda')\n"


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    git(tmp_path, "init", "-q")
    for key, value in (("user.name", "a"), ("user.email", "a@example.org"), ("commit.gpgsign", "false")):
        git(tmp_path, "config", key, value)
    for name, text in {"src/one/a.py": LIST, "src/one/b.py": BOTH, "src/two/c.py": LIST}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fix(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["fix", "--isolated", *arguments])


def test_one_commit_for_each_rule(repository: Path) -> None:
    done = fix("--commit-per-rule")
    assert done.exit_code == 0, done.output
    subjects = git(repository, "log", "--format=%s").splitlines()
    assert subjects == [
        "HTD103 constant-tensor-on-device: fix 1 place",
        "HTD101 host-data-tensor-on-device: fix 3 places",
        "first",
    ]
    assert "h2dlint rule HTD101" in git(repository, "log", "-1", "--format=%b", "HEAD~1")
    assert git(repository, "show", "--name-only", "--format=", "HEAD").split() == ["src/one/b.py"]
    assert git(repository, "status", "--porcelain", "--untracked-files=no") == ""
    assert "committed " in done.stderr and "HTD101" in done.stdout


def test_one_commit_for_each_folder(repository: Path) -> None:
    assert fix("--commit-per-folder").exit_code == 0
    subjects = git(repository, "log", "--format=%s").splitlines()
    assert subjects[:2] == [
        "HTD101 host-data-tensor-on-device: fix 1 place in src/two",
        "Host-to-device copies that block: fix 3 places in src/one",
    ]
    assert "torch.full((), 0, device='cuda')" in (repository / "src/one/b.py").read_text()


def test_the_result_is_that_of_one_run(repository: Path) -> None:
    fix("--commit-per-rule")
    by_rule = (repository / "src/one/b.py").read_text()
    git(repository, "reset", "-q", "--hard", "HEAD~2")
    fix()
    assert (repository / "src/one/b.py").read_text() == by_rule


def test_a_dirty_work_tree_is_refused(repository: Path) -> None:
    (repository / "src/two/c.py").write_text(LIST + "# more\n", encoding="utf-8")
    done = fix("--commit-per-rule")
    assert done.exit_code == 2 and "needs a clean work tree" in done.stderr
    assert git(repository, "log", "--format=%s").splitlines() == ["first"]
    assert (repository / "src/one/a.py").read_text() == LIST


def test_a_file_that_git_does_not_know_is_refused(repository: Path) -> None:
    (repository / "new.py").write_text(LIST, encoding="utf-8")
    done = fix("--commit-per-rule")
    assert done.exit_code == 2 and "new.py is not tracked by git" in done.stderr
    assert (repository / "src/one/a.py").read_text() == LIST


def test_outside_of_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "a.py").write_text(LIST, encoding="utf-8")
    done = fix("--commit-per-folder")
    assert done.exit_code == 2 and "needs a git work tree" in done.stderr


def test_a_hook_that_fails_is_told_of(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no pins here >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    done = fix("--commit-per-rule")
    assert (
        done.exit_code == 2
        and "no pins here" in done.stderr
        and "its changes are in the work tree" in done.stderr
    )
    assert git(repository, "log", "--format=%s").splitlines() == ["first"]


def test_nothing_to_commit_with_a_patch(repository: Path) -> None:
    assert fix("--commit-per-rule", "--diff").exit_code == 2
    assert fix("--commit-per-rule", "--patch", "x.patch").exit_code == 2


@pytest.mark.parametrize("by", ["--commit-per-rule", "--commit-per-folder"])
def test_what_a_check_leaves_out_is_not_committed(repository: Path, by: str) -> None:
    (repository / "new.py").write_text(LIST, encoding="utf-8")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "second")
    assert fix(by, "--diff-only", "HEAD~1").exit_code == 0
    assert git(repository, "show", "--name-only", "--format=", "HEAD").split() == ["new.py"]
    assert git(repository, "rev-list", "--count", "HEAD").strip() == "3"


def test_a_baseline_holds_for_each_commit(repository: Path) -> None:
    # The fix of another rule in its statement must not make a known finding new.
    text = "import torch\n\n\ndef forward(xs: list[int]):\n    return {}, torch.tensor(0, device='cuda')\n"
    text = text.format("torch.tensor(xs, device='cuda')")
    place = repository / "src" / "one" / "b.py"
    place.write_text(text, encoding="utf-8")
    options = ["check", "--isolated", "--select", "HTD103", "--write-baseline", "b.json"]
    assert CliRunner().invoke(main, options).exit_code == 0
    place.write_text(f"{text}\n\ndef step():\n    return torch.tensor(1, device='cuda')\n", encoding="utf-8")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "second")
    baseline = (repository / "b.json").read_text(encoding="utf-8")
    assert fix("--commit-per-rule", "--baseline", "b.json").exit_code == 0
    fixed = place.read_text(encoding="utf-8")
    assert "non_blocking=True), torch.tensor(0, device='cuda')\n" in fixed
    assert "return torch.full((), 1, device='cuda')\n" in fixed
    assert git(repository, "rev-list", "--count", "HEAD").strip() == "4"
    assert json.loads(baseline) != {} and "HTD103" in (repository / "b.json").read_text(encoding="utf-8")


def test_what_a_hook_adds_is_in_the_index(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        '#!/bin/sh\nfor f in $(git diff --cached --name-only); do echo "# neat" >> "$f"; git add "$f"; done\n'
    )
    hook.chmod(0o755)
    assert fix("--commit-per-rule").exit_code == 0
    assert git(repository, "status", "--porcelain", "--untracked-files=no") == ""


def test_names_with_brackets_are_no_patterns(repository: Path) -> None:
    (repository / "src" / "two" / "[c].py").write_text(LIST, encoding="utf-8")
    done = fix("--commit-per-rule")
    assert done.exit_code == 2 and "[c].py is not tracked" in done.stderr


def test_files_of_two_repositories(repository: Path) -> None:
    inner = repository / "a_lib"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "a.py").write_text(LIST, encoding="utf-8")
    done = fix("--commit-per-rule")
    assert done.exit_code == 2 and "name the files of one repository" in done.stderr
