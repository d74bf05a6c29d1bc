"""``check --watch``, in a process of its own that is interrupted in the end."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from h2dlint.cli import watching
from tests.cli.test_process import SLOW, environment, run

pytest.importorskip("watchfiles")

CLEAN = "import torch\n"


class Watching:
    """A watch that runs; what it says is gathered."""

    def __init__(self, cwd: Path, *arguments: str) -> None:
        self.text = ""
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-u",
                "-m",
                "h2dlint",
                "check",
                "--watch",
                "--output-format",
                "concise",
                *arguments,
            ],
            cwd=cwd,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,))
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self.text += line

    def until(self, text: str, count: int = 1) -> None:
        wait(lambda: self.text.count(text) >= count, lambda: self.text)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(30)
        self._reader.join(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


def wait(done: Callable[[], bool], said: Callable[[], str]) -> None:
    end = time.monotonic() + 40
    while not done():
        assert time.monotonic() < end, said()
        time.sleep(0.05)


def test_it_checks_again_and_ends_well(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    step = tmp_path / "step.py"
    step.write_text(CLEAN, encoding="utf-8")
    watch = Watching(tmp_path)
    try:
        watch.until("All checks passed!")
        time.sleep(1)  # It has begun to watch by then.
        step.write_text(SLOW, encoding="utf-8")
        watch.until("HTD101")
        (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
        (tmp_path / "h2dlint.toml").write_text("nonsense = 1\n", encoding="utf-8")
        watch.until('unknown key "nonsense"')
        (tmp_path / "h2dlint.toml").write_text('ignore = ["HTD101"]\n', encoding="utf-8")
        watch.until("All checks passed!", 2)
        assert watch.text.count("Files changed") == 3
    finally:
        status = watch.interrupt()
    assert status == 130
    assert "Traceback" not in watch.text
    assert "\x1b" not in watch.text, "a pipe is not cleared"


def test_it_fixes_and_comes_to_rest(tmp_path: Path) -> None:
    step = tmp_path / "step.py"
    step.write_text(CLEAN, encoding="utf-8")
    watch = Watching(tmp_path, "--fix", "--unsafe-fixes", "step.py")
    try:
        watch.until("All checks passed!")
        time.sleep(1)
        step.write_text(SLOW, encoding="utf-8")
        watch.until("1 fixed")
        time.sleep(2)
        assert "pin_memory=True" in step.read_text(encoding="utf-8")
        assert watch.text.count("Files changed") <= 2
    finally:
        assert watch.interrupt() == 130


def test_a_terminal_is_cleared(tmp_path: Path) -> None:
    step = tmp_path / "step.py"
    step.write_text(CLEAN, encoding="utf-8")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "h2dlint", "check", "--watch", "-q"],
        cwd=tmp_path,
        env={**environment(), "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = bytearray()

    def read() -> None:
        try:
            while data := os.read(ours, 4096):
                said.extend(data)
        except OSError:  # Its end is closed.
            pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        time.sleep(4)
        step.write_text(SLOW, encoding="utf-8")
        wait(lambda: b"\x1b[2J" in said and b"HTD101" in said, lambda: said.decode())
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        reader.join(30)
        os.close(ours)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-"], "standard input"),
        (["--show-files"], "--show-files"),
        (["no_such_folder"], "no such file"),
    ],
)
def test_what_cannot_be_watched(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run("check", "--watch", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a.py", True),
        ("pkg/a.ipynb", True),
        ("pyproject.toml", True),
        (".venv/a.py", False),
        ("a.txt", False),
        (".h2dlint_cache/verdicts.json", False),
        (".h2dlint_cache/.gitignore", False),
        (".gitignore", True),
        ("out.py", False),
    ],
)
def test_what_is_looked_at(tmp_path: Path, name: str, wanted: bool) -> None:
    from watchfiles import Change

    matches = watching._filter([tmp_path], tmp_path / "out.py")
    assert matches(Change.modified, str(tmp_path / name)) is wanted
    only = watching._filter([tmp_path / "a.py"], None)
    assert only(Change.modified, str(tmp_path / name)) is (name == "a.py")


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from h2dlint.cli import main

    for module in ("h2dlint.cli.watching", "h2dlint.cli.server"):
        __import__(module)
        monkeypatch.setattr(f"{module}.find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    watch = CliRunner().invoke(main, ["check", "--watch"])
    assert (watch.exit_code, 'pip install "h2dlint[watch]"' in watch.stderr) == (2, True)
    server = CliRunner().invoke(main, ["server"])
    assert (server.exit_code, 'pip install "h2dlint[server]"' in server.stderr) == (2, True)
