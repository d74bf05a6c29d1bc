from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
import xml.dom.minidom
from pathlib import Path

import pytest

from h2dlint.report import FORMATS
from tests.hardening.test_hostile_text import HEAD, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="such names and files are of POSIX systems")
NAMES = [
    "a\n::error::owned.py", "\r::error::cr.py", "::error::owned.py", " ::warning::sp.py", "##[error]o.py",
    "##vso[task.setvariable]x.py", "esc\x1b[31m\x1b]0;t\x07.py", "ctl\x01\x0b\x7f.py", "b%0A::error::x.py",
    "q\"<&>'.py", "]]>.py", "-rf.py", "[bold red]m.py", "\u202eyp.py", "x\u2028y.py", "bad\udcff.py", "a b.py",
    "a,b:c=d.py", "`id`$(id).py",
]  # fmt: skip
LINE = "\n    # ##[error]x ::error::y [bold red]rich[/] \u202e \x1b[31m\n"
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]")
COMMANDS = re.compile(r"^[ \t]*::|##\w*\[", re.MULTILINE)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files and folders whose names are commands, and things that are no files."""
    folder = tmp_path_factory.mktemp("tree")
    (folder / ".git").mkdir()
    for name in NAMES:
        (folder / name).write_text(HEAD.format("n") + LINE, encoding="utf-8")
        (folder / f"in {name}").mkdir()
        (folder / f"in {name}" / "broken.py").write_text("import torch\nx = (\n", encoding="utf-8")
    os.mkfifo(folder / "fifo.py")
    (folder / "zero.py").symlink_to("/dev/zero")
    (folder / "up").symlink_to("..")
    here = os.getcwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("sock.py")
    finally:
        os.chdir(here)
    return folder


@pytest.mark.parametrize("name", [*FORMATS, "statistics", "verbose", "files", "fix"])
def test_no_name_and_no_line_is_a_command(tree: Path, name: str) -> None:
    more = {
        "statistics": ["--statistics"],
        "verbose": ["--verbose"],
        "files": ["--show-files"],
    }.get(name, ["--output-format", name])
    command = (
        ["fix", "--unsafe-fixes", "--quiet", "--select", "HTD4", "."]
        if name == "fix"
        else ["check", "--no-cache", *more, "."]
    )
    done = run(tree, *command)
    assert done.returncode == (0 if name == "files" else 2), done.stderr
    # The table of rules is one of columns between tabs.
    assert not CONTROLS.search(done.stdout.replace("\t", "") if name == "statistics" else done.stdout)
    assert not CONTROLS.search(done.stderr)
    assert not COMMANDS.search(done.stderr)
    if name == "github":
        lines = done.stdout.splitlines()
        assert len(lines) == 2 * len(NAMES)
        assert all(
            re.match(r"::(warning|error) title=h2dlint \([\w-]+\),file=[^:]*::", line) for line in lines
        )
    else:
        assert not COMMANDS.search(done.stdout)
    if name in ("json", "sarif", "gitlab"):
        json.loads(done.stdout)
    if name == "json":
        report = json.loads(done.stdout)
        assert {each["path"] for each in report["findings"]} == set(NAMES)
    if name == "junit":
        xml.dom.minidom.parseString(done.stdout.encode())


def test_a_diff_names_a_file_as_git_does(tmp_path: Path) -> None:
    name = 'a\n::error::"x.py'
    (tmp_path / name).write_text(HEAD.format("3"), encoding="utf-8")
    done = run(tmp_path, "fix", "--unsafe-fixes", "--patch", "p.diff", ".")
    assert done.returncode == 1, done.stderr
    patch = (tmp_path / "p.diff").read_text(encoding="utf-8")
    assert '--- "a/a\\012::error::\\042x.py"\n' in patch
    if shutil.which("git"):
        import subprocess

        before = (tmp_path / name).read_text(encoding="utf-8")
        subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
        subprocess.run(["git", "apply", "p.diff"], cwd=tmp_path, check=True)
        assert (tmp_path / name).read_text(encoding="utf-8") != before


@pytest.mark.parametrize("path", ["fifo.py", "zero.py", "sock.py", "/dev/zero", "/dev/null"])
def test_what_is_no_file_is_not_opened(tree: Path, path: str) -> None:
    done = run(tree, "check", "--no-cache", path)
    assert done.returncode == 2 and "not a regular file" in done.stderr


def test_options_that_are_names_of_files(tmp_path: Path) -> None:
    done = run(tmp_path, "check", "--\x1b[31m.py")
    assert done.returncode == 2 and "\x1b" not in done.stderr


# What a configuration may do.


def configured(folder: Path, text: str) -> str:
    (folder / "h2dlint.toml").write_text(text, encoding="utf-8")
    (folder / "x.py").write_text(HEAD.format("n"), encoding="utf-8")
    done = run(folder, "check", "--diff", ".")
    assert done.returncode == 2, done.stdout
    return done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = " + "[" * 100_000, "nested too deeply"),
        (".".join("a" * 100_000) + " = 1", "a key of more than 500 parts"),
        ("\n" * 5_000_000, "larger than 4 MiB"),
        ('exclude = ["' + "{" * 5000 + "}" * 5000 + '"]', "braces nested more than 20 deep"),
        ('pin-memory = "' + "-" * 50_000 + '1"', "no Python expression"),
        ('torch-version = "' + "9" * 5000 + '.1"', "must be a version"),
        ('extend = "/dev/zero"', "which is not a file"),
        ('baseline = "/dev/zero"', "not a regular file"),
        ('"\\u001b[31m" = 1', 'unknown key "\\x1b[31m"'),
        ("helper = 'a.b'\nhelper-call = '({data}); f() #)'", "no Python expression"),
        ("pin-memory = 'f()'\npin-memory-import = 'import os; os.abort()'", "one import of one name"),
    ],
    ids="toml dotted size braces expression version extend baseline key helper import".split(),
)
def test_a_configuration_is_refused(tmp_path: Path, text: str, words: str) -> None:
    assert words in configured(tmp_path, text)


def test_what_a_configuration_says_is_written_and_never_run(tmp_path: Path) -> None:
    call = "__import__('os').mkdir('owned')"
    (tmp_path / "h2dlint.toml").write_text(f'assume-cuda = true\npin-memory = "{call}"\n', encoding="utf-8")
    (tmp_path / "x.py").write_text(HEAD.format("n"), encoding="utf-8")
    for command in (["check", "."], ["fix", "--unsafe-fixes", "."]):
        run(tmp_path, *command)
    assert call in (tmp_path / "x.py").read_text(encoding="utf-8")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["pyproject.toml", ".gitignore", "h2dlint.toml", "base.json"])
@pytest.mark.parametrize("kind", ["pipe", "zero"])
def test_pipes_and_devices_in_the_place_of_configuration(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "x.py").write_text(HEAD.format("n"), encoding="utf-8")
    if kind == "pipe":
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).symlink_to("/dev/zero")
    if name == "base.json":
        (tmp_path / "h2dlint.toml").write_text('baseline = "base.json"\n', encoding="utf-8")
    assert run(tmp_path, "check", "--no-cache", ".").returncode == (2 if name == "base.json" else 1)


def test_a_baseline_outside_of_the_repository_is_not_shortened(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    (repository / "x.py").write_text(HEAD.format("n"), encoding="utf-8")
    run(repository, "check", "--write-baseline", "../known.json", ".")
    known = (tmp_path / "known.json").read_bytes()
    (repository / "x.py").write_text("x = 1\n", encoding="utf-8")
    (repository / "h2dlint.toml").write_text('baseline = "../known.json"\n', encoding="utf-8")
    done = run(repository, "check", ".")
    assert "lies outside of the repository" in done.stderr
    assert (tmp_path / "known.json").read_bytes() == known
    (repository / "link.json").symlink_to("../known.json")
    (repository / "h2dlint.toml").write_text('baseline = "link.json"\n', encoding="utf-8")
    run(repository, "check", ".")
    assert (tmp_path / "known.json").read_bytes() == known
    run(repository, "check", "--baseline", "../known.json", ".")
    assert (tmp_path / "known.json").read_bytes() != known


# The cache.


def test_a_cache_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    repository, outside = tmp_path / "repository", tmp_path / "outside"
    (repository / ".git").mkdir(parents=True)
    outside.mkdir()
    (outside / "graph-mine.json").write_text("{}", encoding="utf-8")
    (repository / "x.py").write_text(HEAD.format("n"), encoding="utf-8")
    (repository / ".h2dlint_cache").symlink_to(outside)
    done = run(repository, "check", ".")
    assert done.returncode == 1 and "is a symbolic link and is not used" in done.stderr
    run(repository, "clean")
    assert [path.name for path in outside.iterdir()] == ["graph-mine.json"]


def test_the_ignore_file_of_a_cache_is_not_written_through_a_link(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    (repository / ".h2dlint_cache").mkdir(parents=True)
    (repository / ".git").mkdir()
    (repository / "x.py").write_text(HEAD.format("n"), encoding="utf-8")
    (repository / ".h2dlint_cache/.gitignore").symlink_to(tmp_path / "written")
    assert run(repository, "check", ".").returncode == 1
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("folder", [".h2dlint_cache", "named"])
def test_a_cache_is_believed_only_where_it_was_made(tmp_path: Path, folder: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "x.py").write_text(HEAD.format("n"), encoding="utf-8")
    command = ["check", "--cache-dir", folder, "."]
    first = run(tmp_path, *command)
    cache = tmp_path / folder
    (verdicts,) = cache.glob("verdicts-*.json")
    before = verdicts.stat().st_ino
    assert run(tmp_path, *command).stdout == first.stdout
    assert verdicts.stat().st_ino == before, "the second run did not use the cache"
    # As it comes out of an archive or a clone.
    shutil.copytree(cache, tmp_path / "copy")
    shutil.rmtree(cache)
    (tmp_path / "copy").rename(cache)
    before = verdicts.stat().st_ino
    assert run(tmp_path, *command).stdout == first.stdout
    assert (verdicts.stat().st_ino == before) == (folder == "named")


def test_a_pipe_in_the_place_of_a_file_that_was_there(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "other.py").write_text("LIST = [1]\n", encoding="utf-8")
    text = HEAD.format("*other.LIST").replace("import torch", "import other\nimport torch")
    (tmp_path / "x.py").write_text(text, encoding="utf-8")
    assert run(tmp_path, "check", ".").returncode == 1
    (tmp_path / "other.py").unlink()
    os.mkfifo(tmp_path / "other.py")
    assert run(tmp_path, "check", ".").returncode == 1
