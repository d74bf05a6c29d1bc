"""Lines that changed, by what git itself says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from h2dlint.engine.changed import Changes, Lines, changes_since, parse_diff
from h2dlint.engine.errors import ConfigError


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit; settings of the user's git do not matter, or are hostile."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    config = tmp_path / "gitconfig"
    config.write_text(
        "[user]\n\tname = n\n\temail = e@example.org\n[init]\n\tdefaultBranch = main\n"
        "[diff]\n\tnoprefix = true\n\tinterHunkContext = 9\n\trenames = false\n\trelative = true\n"
        "\texternal = false\n\tmnemonicPrefix = true\n[color]\n\tdiff = always\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    root = tmp_path / "repo"
    (root / "sub").mkdir(parents=True)
    git(root, "init", "-q")
    write(root, "a.py", "".join(f"line {n}\n" for n in range(1, 11)))
    write(root, "sub/b.py", "one\ntwo\n")
    commit(root)
    return root


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def write(root: Path, name: str, text: str) -> None:
    (root / name).write_bytes(text.encode())


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")


def touched(changes: Changes, path: Path) -> list[int]:
    data = path.read_bytes()
    touches = changes.of(path, data, data)
    return [n for n in range(1, data.count(b"\n") + 1) if touches(n, n)]


def test_staged_unstaged_and_committed_changes(repo: Path) -> None:
    git(repo, "checkout", "-qb", "feature")
    lines = (repo / "a.py").read_text().splitlines(keepends=True)
    lines[1] = "changed\n"
    write(repo, "a.py", "".join(lines))
    commit(repo)
    lines[4:4] = ["new\n", "new\n"]
    write(repo, "a.py", "".join(lines))
    git(repo, "add", "a.py")
    lines[11] = "++ b/x.py\n"
    write(repo, "a.py", "".join(lines))
    changes = changes_since("main", repo / "sub")
    assert touched(changes, repo / "a.py") == [2, 5, 6, 12]
    assert touched(changes, repo / "sub" / "b.py") == []


def test_what_the_revision_went_on_to_do_is_not_ours(repo: Path) -> None:
    git(repo, "checkout", "-qb", "feature")
    write(repo, "sub/b.py", "one\nTWO\n")
    commit(repo)
    git(repo, "checkout", "-q", "main")
    write(repo, "a.py", "other\n")
    commit(repo)
    git(repo, "checkout", "-q", "feature")
    changes = changes_since("main", repo)
    assert touched(changes, repo / "a.py") == []
    assert touched(changes, repo / "sub" / "b.py") == [2]


def test_a_line_taken_out_touches_the_statement_around_it(repo: Path) -> None:
    lines = (repo / "a.py").read_text().splitlines(keepends=True)
    del lines[4]
    write(repo, "a.py", "".join(lines))
    data = (repo / "a.py").read_bytes()
    touches = changes_since("HEAD", repo).of(repo / "a.py", data, data)
    assert touches(3, 6)
    assert touches(4, 5)
    assert not touches(1, 4)
    assert not touches(5, 9)


def test_renamed_untracked_and_ignored_files(repo: Path) -> None:
    git(repo, "mv", "a.py", "sub/new name.py")
    text = (repo / "sub/new name.py").read_text()
    write(repo, "sub/new name.py", text.replace("line 3\n", "line three\n"))
    write(repo, "fresh.py", "1\n2\n")
    write(repo, "ignored.py", "1\n")
    write(repo, ".gitignore", "ignored.py\n")
    changes = changes_since("HEAD", repo)
    assert touched(changes, repo / "sub/new name.py") == [3]
    assert touched(changes, repo / "fresh.py") == [1, 2]
    assert touched(changes, repo / "ignored.py") == []


@pytest.mark.parametrize(
    "name", ['q"\\.py', "tab\tx.py", "new\nline.py", "b caf\u00e9 .py", "@@ -1 +1 @@.py"]
)
def test_unusual_names(repo: Path, name: str) -> None:
    write(repo, name, "one\n")
    commit(repo)
    write(repo, name, "one\ntwo\n")
    assert touched(changes_since("HEAD", repo), repo / name) == [2]


def test_a_repository_without_commits(repo: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    with pytest.raises(ConfigError, match='no revision "HEAD"'):
        changes_since("HEAD", empty)


@pytest.mark.parametrize("revision", ["nothing", "--output=x", "-h", "HEAD:a.py", ""])
def test_no_such_revision(repo: Path, revision: str) -> None:
    with pytest.raises(ConfigError, match="git knows no revision"):
        changes_since(revision, repo)
    assert not (repo / "x").exists()


def test_outside_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ConfigError, match="not a git repository"):
        changes_since("HEAD", tmp_path)


def test_without_git(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="git cannot be run"):
        changes_since("HEAD", repo)


def test_a_file_outside_of_the_repository(repo: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not in the git repository"):
        changes_since("HEAD", repo).of(tmp_path / "x.py", b"", b"")


def test_unrelated_and_shallow_histories(repo: Path, tmp_path: Path) -> None:
    git(repo, "checkout", "-q", "--orphan", "other")
    write(repo, "c.py", "x\n")
    commit(repo)
    with pytest.raises(ConfigError, match="no commit in common"):
        changes_since("main", repo)
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=1", "--branch=other", f"file:{'/' * 2}{repo}", str(shallow))
    with pytest.raises(ConfigError, match="the clone is shallow: fetch more history"):
        changes_since("main", shallow)


def test_lines_follow_what_fixes_do() -> None:
    changes = Changes(Path("/"), {"x.py": Lines([(2, 2)], [4])}, "HEAD")
    before = b"a\nb\nc\nd\ne\n"
    now = b"import\na\nb\nc\nd\ne\n"
    touches = changes.of(Path("/x.py"), before, now)
    assert [n for n in range(1, 7) if touches(n, n)] == [1, 3]
    assert touches(5, 6)


def test_text_that_looks_like_a_header() -> None:
    diff = (
        b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n--- a/y\n-@@ -1 +1 @@\n+++ b/y\n+@@ -9 +9 @@\n"
        b"\\ No newline at end of file\n@@ -5,0 +5 @@\n+z\n"
    )
    assert parse_diff(diff) == {"x": Lines([(1, 2), (5, 5)])}
