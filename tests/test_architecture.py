"""The shape of the code: which layer imports which, what it may do, and how long a file may be."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "h2dlint"

MAY_IMPORT = {
    "model": set[str](),
    "syntax": {"model"},
    "analysis": {"syntax", "model"},
    "rules": {"analysis", "syntax", "model"},
    "engine": {"rules", "analysis", "syntax", "model"},
    "report": {"rules", "analysis", "syntax", "model"},
    # The command line starts the language server, and asks it nothing.
    "cli": {"integrations", "runtime", "report", "engine", "rules", "analysis", "syntax", "model"},
    "runtime": {"report", "engine", "rules", "analysis", "syntax", "model"},
    "integrations": {"runtime", "report", "engine", "rules", "analysis", "syntax", "model"},
    # What is imported on the way to everything, and what starts the program.
    "__init__": set[str](),
    "__main__": {"cli"},
    # `python -m h2dlint.new` writes the files of a new rule.
    "new": {"rules"},
}
"""Layer to those that it may import: ``cli -> report, engine -> rules -> analysis -> syntax -> model``."""

REPORT_READS = {"h2dlint.engine.results", "h2dlint.engine.settings"}
"""What a report is made of; the one thing that ``report`` takes from beside it."""

MAY_SPEAK = {"cli", "runtime", "integrations", "new", "__main__"}
"""Layers that may print, read the environment and exit."""

ALLOWED = {"pool.py": {"_exit"}}
"""A worker is a process of its own, and ends without what its parent has registered for the end."""
FORBIDDEN_CALLS = {"print", "input", "exit", "quit", "breakpoint"}
FORBIDDEN_ATTRIBUTES = {
    ("os", "environ"),
    ("os", "getenv"),
    ("os", "_exit"),
    ("sys", "exit"),
    ("sys", "stdin"),
    ("sys", "stdout"),
    ("sys", "stderr"),
    ("sys", "argv"),
}

MAX_LINES = 400

MODULES = sorted(PACKAGE.rglob("*.py"))


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every module that a file imports anywhere in it, as an absolute dotted name, with the line."""
    here = ("h2dlint", *path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level] if node.level else ()
            module = ".".join((*base, *(node.module or "").split("."))).strip(".")
            for alias in node.names:
                # `from h2dlint import model` names a layer in the alias.
                yield node.lineno, f"{module}.{alias.name}"


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_go_one_way(path: Path) -> None:
    own = layer(path)
    assert own in MAY_IMPORT, f"{own} is no known layer: say in docs/architecture.md where it stands"
    wrong = []
    for line, name in imported(path, parsed(path)):
        parts = name.split(".")
        if parts[0] != "h2dlint" or len(parts) < 2:
            continue
        if parts[1] in MAY_IMPORT and parts[1] not in MAY_IMPORT[own] | {own, "__init__"}:
            if own == "report" and any(name == read or name.startswith(f"{read}.") for read in REPORT_READS):
                continue
            wrong.append(f"{relative(path)}:{line}: {own} imports {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_only_the_command_line_speaks_to_the_world(path: Path) -> None:
    if layer(path) in MAY_SPEAK:
        return
    tree = parsed(path)
    names = {"os": "os", "sys": "sys"}
    wrong: list[str] = []

    def report(line: int, what: str) -> None:
        wrong.append(f"{relative(path)}:{line}: {what}")

    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update({alias.asname: alias.name for alias in node.names if alias.asname})
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (node.module, alias.name) in FORBIDDEN_ATTRIBUTES:
                    report(node.lineno, f"from {node.module} import {alias.name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            report(node.lineno, f"{node.func.id}()")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = names.get(node.value.id, node.value.id)
            if (module, node.attr) in FORBIDDEN_ATTRIBUTES and node.attr not in ALLOWED.get(path.name, ()):
                report(node.lineno, f"{module}.{node.attr}")
        elif isinstance(node, ast.Name) and node.id == "SystemExit":
            report(node.lineno, "SystemExit")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_files_stay_short(path: Path) -> None:
    lines = len(path.read_bytes().splitlines())
    assert lines <= MAX_LINES, f"{relative(path)} has {lines} lines; {MAX_LINES} is the limit"


LINT_ONE_FILE = """
import json, sys
from h2dlint.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    status = stop.code
heavy = ("torch", "numpy", "libcst.matchers")
print("LOADED", json.dumps([status, [name for name in heavy if name in sys.modules]]))
"""


def loaded_after(arguments: list[str], tmp_path: Path) -> tuple[int, list[str]]:
    """Exit status of the command line in a process of its own, and the heavy modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", LINT_ONE_FILE, *arguments],
        capture_output=True,
        cwd=tmp_path,
        text=True,
        timeout=120,
    )
    tail = done.stdout.rpartition("LOADED ")[2]
    assert tail, done.stderr
    status, heavy = json.loads(tail)
    return status, heavy


def test_linting_imports_neither_torch_nor_numpy(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(
        "import torch\n\n\ndef forward(x: torch.Tensor, lens: list[int]) -> torch.Tensor:\n"
        "    return x + torch.tensor(lens, device=x.device)\n",
        encoding="utf-8",
    )
    status, heavy = loaded_after(["check", "--isolated", "--unsafe-fixes", "step.py"], tmp_path)
    assert status == 1
    assert heavy == []


def test_reading_a_trace_imports_neither(tmp_path: Path) -> None:
    profile = Path(__file__).parent / "runtime" / "data" / "profile_h200.json"
    (tmp_path / "step.py").write_text(
        "import torch\n\nx = torch.tensor([1, 2], device='cuda')\n", encoding="utf-8"
    )
    status, heavy = loaded_after(
        ["check", "--isolated", "--cold", "--trace", str(profile), "step.py"], tmp_path
    )
    assert status == 1
    assert heavy == []


def test_help_is_light(tmp_path: Path) -> None:
    status, heavy = loaded_after(["--help"], tmp_path)
    assert (status, heavy) == (0, [])
