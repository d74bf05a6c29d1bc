"""Plans made by hand, and programs run with and without them, as ``h2dlint verify`` runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

import h2dlint
from h2dlint.runtime.importing import KIND, VERSION
from h2dlint.runtime.ran import FixRuns, read

PACKAGE = Path(h2dlint.__file__).parent
START = """
import sys
def _start():
    import os
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    plain = list(sys.path)
    sys.path.append({parent!r})
    from h2dlint.runtime.importing import install
    sys.path[:] = plain
    sys.path_importer_cache.clear()
    install({plan!r}, {folder!r})
_start()
del _start
"""
"""Starts the hook alone: how ``h2dlint`` itself starts is tested elsewhere."""


def _interpreters() -> dict[Path, int]:
    """The Pythons from 3.10 to 3.13 that there are here, this one among them, with their minor versions."""
    found = {sys.version_info.minor: Path(sys.executable)}
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    for python in sorted(root.glob("versions/3.1[0-3].*/bin/python")):
        found.setdefault(int(python.parent.parent.name.split(".")[1]), python)
    return {python: minor for minor, python in sorted(found.items())}


MINOR = _interpreters()
PYTHON = pytest.mark.parametrize("python", list(MINOR), ids=[f"3.{minor}" for minor in MINOR.values()])


@dataclass
class Planned:
    """Files with substitutions in them, written as a plan.

    Args:
        folder: to write to.
        files: path to pairs of a text and what takes its place; each is one fix, numbered from 1.
        encoding: of the files.
    """

    folder: Path
    files: Mapping[Path, Sequence[tuple[str, str]]]
    encoding: str = "utf-8"
    names: list[str] = field(default_factory=list)

    def write(self) -> Path:
        entries = []
        number = 0
        for path, pairs in self.files.items():
            data = path.read_bytes()
            bom = data.startswith(b"\xef\xbb\xbf")
            text = data[3 * bom :].decode(self.encoding)
            fixed, done, fixes = "", 0, []
            segments: list[tuple[int, int, int, int, list[int]]] = []
            for old, new in pairs:
                number += 1
                start = text.index(old, done)
                fixed += text[done:start]
                segments.append((start, start + len(old), len(fixed), len(fixed) + len(new), [number]))
                fixes.append(number)
                fixed += new
                done = start + len(old)
            entry = {
                "path": str(path.resolve()),
                "sha256": sha256(data).hexdigest(),
                "encoding": self.encoding,
                "bom": bom,
                "text": fixed + text[done:],
                "segments": segments,
                "fixes": fixes,
            }
            entries.append(entry)
        plan = self.folder / "plan.json"
        plan.write_text(json.dumps({"kind": KIND, "version": VERSION, "files": entries}), encoding="utf-8")
        return plan


@dataclass
class Outcome:
    """How a program ended."""

    code: int
    out: str
    err: str
    runs: FixRuns


def run(
    arguments: Sequence[str],
    cwd: Path,
    plan: Path | None,
    *,
    python: Path | None = None,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Outcome:
    """Run Python plainly, or with a plan, from the same start in both cases but for the hook."""
    folder = cwd / "run"
    shim = cwd / "shim"
    for each in (folder, shim):
        each.mkdir(exist_ok=True)
    for old in folder.glob("ran-*"):
        old.unlink()
    start = "import sys\nsys.path.remove(__file__.rpartition('/')[0])\n"
    if plan is not None:
        start = START.format(parent=str(PACKAGE.parent), plan=str(plan), folder=str(folder))
    (shim / "sitecustomize.py").write_text(start, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "H2D"))}
    environment.update(
        {"PYTHONPATH": str(shim), "PYTHONDONTWRITEBYTECODE": "", "COLUMNS": "100", **(env or {})}
    )
    done = subprocess.run(
        [str(python or sys.executable), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        encoding="utf-8",
        input=stdin,
        env=environment,
        timeout=120,
    )
    return Outcome(done.returncode, done.stdout, done.stderr, read(folder))
