"""The tutorial, followed to the letter: its files, its commands, and what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)

HASH = re.compile(r"^committed [0-9a-f]{7,}", re.MULTILINE)


def steps(text: str) -> Iterator[tuple[str, str, str]]:
    """``("file", name, text)`` and ``("command", line, output)`` in the order of the page."""
    for kind, title, body in BLOCK.findall(text):
        if title:
            yield "file", title, body
        elif kind == "console" and body.startswith("$ "):
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                line, _, output = part.partition("\n")
                yield "command", line, output


def run(line: str, folder: Path, tools: Path) -> str:
    """What a reader sees: both streams, no colours, nobody's git configuration."""
    kept = ("FORCE_COLOR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "PYTHONWARNINGS")
    someone = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {
        **{key: value for key, value in os.environ.items() if key not in kept},
        **someone,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "PATH": os.pathsep.join([str(tools), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode in (0, 1), f"{line}: {done.stdout}"
    return done.stdout


def follow(text: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Each command with what the page shows and what it printed."""
    tools = folder / "tools"
    work = folder / "work"
    tools.mkdir()
    work.mkdir()
    for name, arguments in (("python", ""), ("h2dlint", " -m h2dlint")):
        script = tools / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        script.chmod(0o755)
    for kind, name, body in steps(text):
        if kind == "file":
            (work / name).write_text(body)
        else:
            yield name, body, run(name, work, tools)


@pytest.mark.skipif(os.name == "nt", reason="runs its commands in bash")
def test_the_tutorial_prints_what_it_shows(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    text = PAGE.read_text(encoding="utf-8")
    commands = 0
    for line, shown, printed in follow(text, tmp_path):
        assert HASH.sub("committed", printed) == HASH.sub("committed", shown), line
        commands += 1
    assert commands > 15
    # What the page ends with is in its main branch.
    sampler = (tmp_path / "work" / "sampler.py").read_text()
    assert "pin_memory=torch.cuda.is_available()" in sampler
    assert "device=logits.device)\n        logits = logits /" not in sampler


def test_a_page_that_shows_something_else_is_noticed(tmp_path: Path) -> None:
    page = '```text title="a"\nx\n```\n```console\n$ cat a\ny\n$ echo 1\n1\n```\n'
    assert list(follow(page, tmp_path)) == [("cat a", "y\n", "x\n"), ("echo 1", "1\n", "1\n")]
