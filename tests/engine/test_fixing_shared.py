"""Fixing by several processes: the same files, report and messages as by one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Prints how many processes were forked, the report and what became of each file.
PROGRAM = """\
import json, sys
from pathlib import Path
from h2dlint.engine import batch, fixing, pool
from h2dlint.engine.config import load_settings
from h2dlint.engine.files import discover
from h2dlint.engine.fixing import fix_files

root, jobs, write = sys.argv[1:]
pool.LEAST_BYTES = batch.MANY = 1
forks = []
fork = pool.os.fork
pool.os.fork = lambda: forks.append(1) or fork()
written = []
put = fixing.write_atomically
def noted(location, data, expected):
    written.append(location.name)
    if location.name == "meddled.py":
        location.write_bytes(expected + b"# by another one\\n")
    return put(location, data, expected=expected)
fixing.write_atomically = noted
settings = load_settings(["."], Path(root), None, False, {"cold": True, "min-confidence": "low", "unsafe-fixes": True})
told = []
report, outcomes = fix_files(
    discover(["."], settings, Path(root)), settings, write=write == "yes", jobs=int(jobs),
    progress=lambda done, total: told.append((done, total)),
)
assert told[-1][0] == told[-1][1], told
changed = [[o.path, o.before.decode(), o.after.decode()] for o in outcomes if o.changed]
counts = [[o.path, dict(o.applied), o.held_back_unsafe] for o in outcomes]
print(json.dumps([len(forks), repr(report), changed, counts, written]))
"""


def fixed(tree: Path, jobs: int, write: bool) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tree), str(jobs), "yes" if write else "no"],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout)
    return found


def project(top: Path) -> Path:
    """In folders of the same name, so that messages can be compared."""
    shutil.copytree(ROOT / "fixtures", top / "project", ignore=shutil.ignore_patterns("__pycache__"))
    (top / "project/pyproject.toml").write_text("[tool.h2dlint]\n")
    (top / "project/meddled.py").write_text(
        "import torch\n\n\ndef f(xs: list[int], d: torch.device):\n    return torch.tensor(xs, device=d)\n"
    )
    (top / "project/broken.py").write_text("def f(:\n")
    return top / "project"


@pytest.mark.parametrize("write", [False, True])
def test_several_processes_do_what_one_does(tmp_path: Path, write: bool) -> None:
    one, two = project(tmp_path / "one"), project(tmp_path / "two")
    forks, *expected = fixed(one, 1, write)
    assert forks == 0
    assert expected[1] and bool(expected[3]) == write
    forks, *found = fixed(two, 2, write)
    # One that makes the call graph, and two that fix.
    assert forks == 3
    assert found == expected
    texts = [{p.relative_to(top): p.read_bytes() for p in top.rglob("*.py")} for top in (one, two)]
    assert texts[0] == texts[1]
