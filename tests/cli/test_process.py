"""What only a process of its own shows: start-up, pipes, terminals, encodings."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import h2dlint
from h2dlint.cli import terminal
from h2dlint.cli.progress import ProgressBar

SLOW = (
    "import torch\n\n\ndef forward(x: torch.Tensor, lens: list[int]) -> torch.Tensor:\n"
    "    return x + torch.tensor(lens, device=x.device)\n"
)


CLICK = tuple(int(part) for part in version("click").split(".")[:2])


def run(
    *arguments: str, cwd: Path | None = None, stdin: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "h2dlint", *arguments],
        cwd=cwd,
        input=stdin,
        env={**environment(), **(env or {})},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )


def environment() -> dict[str, str]:
    """The environment without what decides on colours, and with this package on the path."""
    kept = {key: value for key, value in os.environ.items() if key not in {"FORCE_COLOR", "NO_COLOR"}}
    root = str(Path(h2dlint.__file__).parent.parent)
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, [root, kept.get("PYTHONPATH")]))}


LOADED = """
import json, sys
from h2dlint.cli import main
try:
    main(sys.argv[1:])
finally:
    print("LOADED", json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["check", "--help"], ["fix", "-h"], ["--version"], ["rule", "-h"]]
)
def test_help_is_light(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    modules = json.loads(done.stdout.rpartition("LOADED ")[2])
    heavy = re.compile(r"(torch|numpy|libcst|pathspec|h2dlint\.(engine|rules|analysis))\b|rich\.(?!cells|_)")
    assert [name for name in modules if heavy.match(name)] == []


def test_a_check_imports_no_format_but_its_own(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(SLOW, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "check", "--isolated", "--no-cache", "step.py"],
        capture_output=True,
        cwd=tmp_path,
        text=True,
        env=environment(),
    )
    assert "HTD101" in done.stdout
    modules = set(json.loads(done.stdout.rpartition("LOADED ")[2]))
    others = {f"h2dlint.report.{name}" for name in ("sarif", "github", "gitlab", "junit", "json", "concise")}
    asked_for = {"h2dlint.engine.baseline", "h2dlint.engine.changed", "h2dlint.engine.silencing"}
    # The summary's neighbours aside, nothing of what was not asked for.
    assert modules & ({"junitparser"} | others | asked_for) <= {"h2dlint.report.concise"}


def loaded_by(code: str, *arguments: str, cwd: Path) -> set[str]:
    """The modules that a program of its own has loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, cwd=cwd, text=True, env=environment()
    )
    assert "LOADED" in done.stdout, done.stderr
    return set(json.loads(done.stdout.rpartition("LOADED ")[2]))


@pytest.mark.parametrize("stdin", [False, True], ids=["file", "standard input"])
def test_a_check_of_one_file_imports_no_more_than_it_needs(tmp_path: Path, stdin: bool) -> None:
    (tmp_path / "step.py").write_text(SLOW, encoding="utf-8")
    # Whatever the libraries import is there anyway.
    libraries = (
        "import click, libcst, libcst.native, json, sys; print('LOADED', json.dumps(list(sys.modules)))"
    )
    there = loaded_by(libraries, cwd=tmp_path)
    given = ["--stdin-filename", "step.py"] if stdin else ["step.py"]
    reading = f"import io, sys; sys.stdin = io.TextIOWrapper(io.BytesIO({SLOW.encode()!r}))\n"
    loaded = loaded_by(reading + LOADED, "check", "--isolated", *given, cwd=tmp_path)
    assert "h2dlint.rules.htd101" in loaded
    spared = {"tempfile", "shutil", "traceback", "tomllib", "tomli", "random", "subprocess", "pathspec"}
    spared |= {f"h2dlint.engine.{name}" for name in ("fixing", "verifying", "edits", "whole", "survey")}
    assert loaded & (spared - there) == set()


@pytest.mark.parametrize(
    ("variables", "terminal_there", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": ""}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, True),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_what_decides_on_colours(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], terminal_there: bool, expected: bool
) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal_there

    assert terminal.wants_colour(Stream()) is expected


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"h2dlint {h2dlint.__version__}\n")


def test_help_names_the_commands() -> None:
    text = run("-h").stdout
    assert re.findall(r"^  (\w+)  ", text, re.MULTILINE) == [
        "check",
        "fix",
        "rule",
        "init",
        "trace",
        "verify",
        "clean",
        "server",
        "completion",
    ]


def test_no_command_is_a_usage_error() -> None:
    assert run().returncode == (2 if CLICK >= (8, 2) else 0)
    done = run("chekc")
    assert done.returncode == 2
    assert "chekc" in done.stderr


def test_from_end_to_end(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(SLOW, encoding="utf-8")
    done = run("check", "--isolated", "--output-format", "concise", "step.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("step.py:5:16: HTD101 ")
    assert run("fix", "--isolated", "--unsafe-fixes", cwd=tmp_path).returncode == 0
    assert run("check", "--isolated", cwd=tmp_path).stdout == "All checks passed!\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise there")
@pytest.mark.parametrize("form", ["full", "json"])
def test_a_reader_that_goes_away(tmp_path: Path, form: str) -> None:
    text = SLOW + "".join(SLOW.replace("forward", f"forward{n}") for n in range(500))
    (tmp_path / "step.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "h2dlint", "check", "--isolated", "--output-format", form, "step.py"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), stderr) == (1, b"")


def test_an_output_that_cannot_show_everything(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(SLOW.replace("lens", "数"), encoding="utf-8")
    done = run("check", "--isolated", "step.py", cwd=tmp_path, env={"PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 1
    assert r"torch.tensor(\u6570, device=x.device)" in done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a pseudo terminal")
def test_on_a_terminal(tmp_path: Path) -> None:
    import pty

    (tmp_path / "step.py").write_text(SLOW, encoding="utf-8")
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "h2dlint", "check", "--isolated", "step.py"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env={**environment(), "TERM": "xterm"}, stdout=follower, stderr=follower
    )
    os.close(follower)
    seen = b""
    try:
        while piece := os.read(leader, 65536):
            seen += piece
    except OSError:  # The other side has closed.
        pass
    os.close(leader)
    assert process.wait(timeout=60) == 1
    assert b"\x1b[1;91mHTD101\x1b[0m" in seen


class Terminal:
    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> object:
        return getattr(sys.__stderr__, name)


def test_the_progress_bar_comes_late_and_on_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    class Bar(ProgressBar):
        def _start(self, total: int):  # type: ignore[no-untyped-def]
            started.append(total)
            return super()._start(total)

    with Bar("Checking") as bar:
        assert not bar.enabled
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert terminal.is_terminal(sys.stderr)
    with Bar("Checking") as bar:
        bar(1, 9)
        assert started == []
        bar._begin -= 10
        bar(9, 9)
        assert started == []
        bar(2, 9)
        bar(3, 9)
        assert started == [9]
    with Bar("Checking", enabled=False) as bar:
        assert not bar.enabled
