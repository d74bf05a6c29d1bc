from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from h2dlint.engine.files import discover
from h2dlint.engine.settings import Settings

Tree = Callable[..., Path]
Write = Callable[[str, str], Path]


def found(cwd: Path, *paths: str, respect: bool = True) -> list[str]:
    settings = Settings(root=cwd.as_posix(), respect_gitignore=respect)
    result = discover(paths, settings, cwd)
    assert not result.errors
    return [file.path for file in result.files]


@pytest.fixture
def repository(tree: Tree) -> Tree:
    def make(*names: str) -> Path:
        return tree(".git/HEAD", *names)

    return make


def test_ignored_files_and_folders_are_left_out(repository: Tree, write: Write) -> None:
    cwd = repository("a.py", "gen/b.py", "c/gen/d.py", "c/top.py", "top.py", "keep_pb2.py", "x_pb2.py")
    write(".gitignore", "# generated\ngen/\n/top.py\n\n*_pb2.py\n!keep_pb2.py\n")
    assert found(cwd) == ["a.py", "c/top.py", "keep_pb2.py"]
    assert len(found(cwd, respect=False)) == 7


def test_outside_a_repository_nothing_is_ignored(tree: Tree, write: Write) -> None:
    cwd = tree("a.py")
    write(".gitignore", "*.py\n")
    assert found(cwd) == ["a.py"]


def test_nearer_files_come_first(repository: Tree, write: Write) -> None:
    cwd = repository("a/x.py", "a/y.py", "b/x.py", "b/y.py")
    write(".gitignore", "x.py\n/b/y.py\n")
    write("a/.gitignore", "!x.py\ny.py\n")
    assert found(cwd) == ["a/x.py"]


def test_nothing_comes_back_from_an_ignored_folder(repository: Tree, write: Write) -> None:
    cwd = repository("a/x.py", "b/x.py")
    write(".gitignore", "a/\n!a/x.py\nb/*\n!b/x.py\n")
    write("a/.gitignore", "!*\n")
    assert found(cwd) == ["b/x.py"]


def test_files_above_the_start_count_up_to_the_repository(repository: Tree, write: Write) -> None:
    cwd = repository("a/b/x.py", "a/b/y.py", "a/b/z.py")
    write(".gitignore", "/a/b/x.py\n")
    write("a/.gitignore", "y.py\n")
    assert found(cwd, "a/b") == ["a/b/z.py"]
    assert found(cwd / "a/b") == ["z.py"]


def test_nested_repository_starts_afresh(repository: Tree, write: Write) -> None:
    cwd = repository("sub/.git/HEAD", "sub/x.py", "sub/y.py", "x.py")
    write(".gitignore", "x.py\n")
    write("sub/.gitignore", "y.py\n")
    assert found(cwd) == ["sub/x.py"]
    assert found(cwd, "sub") == ["sub/x.py"]


def test_exclude_file_of_the_repository(repository: Tree, write: Write) -> None:
    cwd = repository("x.py", "y.py")
    write(".git/info/exclude", "x.py\ny.py\n")
    write(".gitignore", "!y.py\n")
    assert found(cwd) == ["y.py"]


def test_what_is_named_is_taken(repository: Tree, write: Write) -> None:
    cwd = repository("venv9/a/x.py", "venv9/skip.py", "y.py")
    write(".gitignore", "venv9/\ny.py\n")
    write("venv9/.gitignore", "skip.py\n")
    assert found(cwd, "venv9", "y.py") == ["venv9/a/x.py", "y.py"]
    assert found(cwd, "venv9/a") == ["venv9/a/x.py"]


def test_pattern_that_cannot_be_read_is_passed_over(repository: Tree, write: Write) -> None:
    cwd = repository("x.py", "y.py")
    write(".gitignore", "!\nx.py\n/\n")
    assert found(cwd) == ["y.py"]


PATTERNS = [
    "*.py\n!a/\n!x.py",
    "*\n!*/\n!*.py",
    "a/*\n!a/b\n",
    "a/**\n!a/b/\n!a/b/x.py",
    "**/b/\n",
    "a/**/x.py",
    "/*\n!/c\n",
    "b\n",
    "b/\n",
    "a/b\n",
    "/b\n",
    "x.p[yz]\n",
    "x.p?\n",
    "\\x.py\n",
    "x.py \nb/ \n",
    "x.py\\ \n",
    "#x.py\n\\#h.py\n\\!n.py\n",
    "X.PY\n",
    "a/b/x.py\r\nc/\r\n",
    "*.py\n!*.py\nc/*.py\n",
    "[!x].py\n",
    "**\n!x.py",
    "a/b/**/x.py\n",
    "**/x.py\n!c/x.py",
    "c/d/../x.py",
    "./x.py",
    "u\u00e4.py",
]


DIFFERENCES = [
    "[[:alpha:]].py",  # named classes
    "[w\\]x].py",  # a backslash in brackets
    "a\\/x.py",  # an escaped slash
    "[b/x].py",  # a slash in brackets
    "/[!x]*[!y]y.py\n",  # a negated class matches a slash, in a pattern with a slash: a/y.py
    "***/x.py\n",  # three stars for two
    "c**/[xy].py\n",  # git takes the stars after a name for a whole level if that level ends in them
]
"""Patterns that pathspec reads in another way than git."""

ENVIRONMENT = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")


def git(cwd: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, check=True, capture_output=True).stdout.decode()


def kept_by_git(cwd: Path) -> list[str]:
    listed = git(cwd, "ls-files", "-z", "--others", "--exclude-standard").split("\0")
    return sorted(name for name in listed if name.endswith(".py"))


@needs_git
@pytest.mark.parametrize("patterns", PATTERNS)
@pytest.mark.parametrize("where", ["", "a/"])
def test_as_git_does(tree: Tree, write: Write, patterns: str, where: str) -> None:
    names = [f"{folder}{name}.py" for folder in ("", "a/", "a/b/", "b/", "c/", "c/d/") for name in "xy"]
    cwd = tree(*names, "#h.py", "!n.py", "u\u00e4.py", "x.py ")
    git(cwd, "init", "-q")
    write(f"{where}.gitignore", patterns)
    assert found(cwd) == kept_by_git(cwd)


@needs_git
@pytest.mark.xfail(reason="pathspec reads them in another way")
@pytest.mark.parametrize("patterns", DIFFERENCES)
def test_difference_to_git(tree: Tree, write: Write, patterns: str) -> None:
    test_as_git_does(tree, write, patterns, "")


LEVELS = [
    *"a b ab x.py y.py * * ** ** *.py ?.py [ab] [a-c]* [!a]* []a] [^x].py x* *b **b ?".split(),
    *["\\x.py", " a", "a+", "(a)", "[z-a]", "#a", "\\#a", "a\\ ", "a\t", "", "\\"],
]


def random_pattern(random: Random) -> str:
    levels = "/".join(random.choice(LEVELS) for _ in range(random.choice([1, 1, 1, 2, 2, 3])))
    ends = random.choice(["", "/"]), random.choice(["", "", "  "])
    return random.choice(["", "", "!"]) + random.choice(["", "", "/"]) + levels + "".join(ends)


@needs_git
@pytest.mark.parametrize("seed", range(48))
def test_random_patterns_as_git_does(tree: Tree, write: Write, seed: int) -> None:
    random = Random(seed)
    folders = [""]
    for _ in range(7):
        folders.append(
            random.choice(folders) + random.choice(["a", "b", "c", "ab", " a", "#a", "a+", "a "]) + "/"
        )
    cwd = tree(*(folder + name for folder in folders for name in ("x.py", "y.py", "b.py")))
    git(cwd, "init", "-q")
    for file in [".git/info/exclude", *(f"{folder}.gitignore" for folder in dict.fromkeys(folders))]:
        if random.random() < 0.5:
            write(file, "\n".join(random_pattern(random) for _ in range(random.randint(1, 5))))
    kept = kept_by_git(cwd)
    assert found(cwd) == kept
    for folder in folders[1:]:
        # A folder above the start that git ignores was asked for by name, see above.
        if any(name.startswith(folder) for name in kept):
            assert found(cwd, folder) == [name for name in kept if name.startswith(folder)]
