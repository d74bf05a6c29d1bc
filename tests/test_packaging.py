"""The metadata agrees with the code, and nothing in the tree names the machine that it was made on."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import h2dlint

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent

TOP = {
    ".ci",
    ".gitignore",
    ".pre-commit-hooks.yaml",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "action.yml",
    "docs",
    "fixtures",
    "h2dlint",
    "pyproject.toml",
    "tests",
}
"""What may stand at the top of the repository."""


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return table


def tracked() -> list[str]:
    """Files that git tracks or would; empty outside a checkout."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    names = [name for name in done.stdout.decode("utf-8").split("\0") if name]
    return [name for name in names if (ROOT / name).is_file()]


def test_one_version() -> None:
    assert importlib.metadata.version("h2dlint") == h2dlint.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{h2dlint.__version__}]" in changelog


def test_the_command_is_installed() -> None:
    entry = next(
        point for point in importlib.metadata.entry_points(group="console_scripts") if point.name == "h2dlint"
    )
    assert entry.value == "h2dlint.cli:main"
    assert callable(entry.load())


def test_python_m_h2dlint_says_its_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "h2dlint", "--version"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert h2dlint.__version__ in done.stdout


def test_types_are_shipped() -> None:
    assert (ROOT / "h2dlint" / "py.typed").is_file()


def test_the_linter_needs_no_torch() -> None:
    names = {re.split(r"[<>=;\[ ]", line, maxsplit=1)[0] for line in project()["project"]["dependencies"]}
    assert names == {"click", "junitparser", "libcst", "pathspec", "rich", "tomli", "tomlkit"}


def test_the_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in readme
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_hooks_run_commands_that_exist() -> None:
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    assert re.findall(r"^- id: (\S+)", hooks, re.MULTILINE) == ["h2dlint", "h2dlint-fix"]
    for entry in re.findall(r"entry: h2dlint (.+)", hooks):
        command = [sys.executable, "-m", "h2dlint", *entry.split(), "--isolated", __file__]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_top_stays_clean() -> None:
    assert {name.split("/", 1)[0] for name in tracked()} <= TOP


def test_no_file_names_a_machine() -> None:
    # Spelled so that this file does not hold what it looks for.
    home = re.compile("|".join(["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "file:/" + "/"]).encode())
    wrong = [name for name in tracked() if home.search((ROOT / name).read_bytes())]
    assert not wrong
