"""Completion, in the shell itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_process import environment, run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    done = run("completion", shell)
    assert done.returncode == 0, done.stderr
    assert f"_H2DLINT_COMPLETE={shell}_complete" in done.stdout


def test_other_shells_are_refused() -> None:
    done = run("completion", "tcsh")
    assert done.returncode == 2
    assert "bash" in done.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["ch"], {"check"}),
        (["com"], {"completion"}),
        (["check", "--stat"], {"--statistics"}),
        (["check", "--min-confidence", ""], {"low", "medium", "high"}),
        (["rule", "HTD20"], {f"HTD20{n}" for n in range(1, 8)}),
        (["completion", ""], {"bash", "zsh", "fish"}),
    ],
)
def test_bash_completes(tmp_path: Path, words: list[str], wanted: set[str]) -> None:
    # The name that the script calls, with this code behind it.
    program = tmp_path / "h2dlint"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m h2dlint "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    line = " ".join(f'"{word}"' for word in ["h2dlint", *words])
    script = (
        f'PATH="{tmp_path}:$PATH"; eval "$(h2dlint completion bash)"; complete -p h2dlint >/dev/null || exit 3\n'
        f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _h2dlint_completion h2dlint\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == wanted
