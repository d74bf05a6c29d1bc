"""What must not change a verdict: the screen, processes, caches, hash seeds, and what else is linted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from h2dlint.analysis.bodies import Bodies
from h2dlint.analysis.outline import FunctionInfo
from h2dlint.engine import cache as caching
from h2dlint.engine import runner
from h2dlint.engine.config import load_settings
from h2dlint.engine.files import discover
from h2dlint.engine.runner import lint_files
from h2dlint.engine.screen import Screen
from h2dlint.engine.settings import Settings
from h2dlint.model import Finding

ROOT = Path(__file__).resolve().parents[2]
MODULES = 10

# Prints how many processes were forked, and the findings as text.
PROGRAM = """\
import json, sys
from pathlib import Path
from h2dlint.engine import batch, pool
from h2dlint.engine.config import load_settings
from h2dlint.engine.files import discover
from h2dlint.engine.runner import lint_files

root, jobs, cache, *paths = sys.argv[1:]
pool.LEAST_BYTES = batch.MANY = 1
forks = []
fork = pool.os.fork
pool.os.fork = lambda: forks.append(1) or fork()
settings = load_settings(["."], Path(root), None, False, {"cold": True, "min-confidence": "low"})
found = discover(paths, settings, Path(root))
report = lint_files(found, settings, jobs=int(jobs), cache=Path(cache) if cache else None)
print(json.dumps([len(forks), [repr(finding) for finding in report.findings]]))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixtures, and modules that make each other's tensors, call each other and mention nothing of interest."""
    top = tmp_path_factory.mktemp("same") / "project"
    shutil.copytree(ROOT / "fixtures", top / "fixtures", ignore=shutil.ignore_patterns("__pycache__"))
    (top / "pyproject.toml").write_text("[tool.h2dlint]\n")
    package = top / "pkg"
    package.mkdir()
    (package / "__init__.py").touch()
    for number in range(MODULES):
        other = (number + 1) % MODULES
        (package / f"m{number}.py").write_text(
            f"import torch\nfrom pkg import m{other}\nfrom pkg.m{other} import Base as Above\n\n\n"
            f"class Base:\n    def __init__(self, n, device):\n        self.table = torch.zeros(n)\n"
            f"        self.device = torch.device(device)\n\n"
            f"    def made(self, n):\n        return m{other}.made(n) if n else self.table\n\n\n"
            f"def made(n):\n    return {'torch.ones(n)' if number % 2 else f'm{other}.made(n)'}\n\n\n"
            f"class Step(Above):\n    def forward(self, x: torch.Tensor, sizes: list[int]):\n"
            f"        y = torch.tensor(sizes, device=x.device)\n        x[0] = self.made(3).to(x.device)\n"
            f"        return made(4).to(x.device), self.table.cuda(), y, _hidden(sizes)\n\n\n"
            f"def _hidden(xs):\n    return torch.tensor(xs).cuda()\n"
        )
        (package / f"plain{number}.py").write_text(f"from pkg.m{number} import made\n\nprint(made)\n")
    (package / "words.py").write_text("'torch .to( tensor('\nx = {}\nx[0] = [1]\n")
    return top


def settings_of(tree: Path) -> Settings:
    return load_settings(["."], tree, None, False, {"cold": True, "min-confidence": "low"})


def findings(tree: Path) -> tuple[Finding, ...]:
    settings = settings_of(tree)
    return lint_files(discover(["."], settings, tree), settings).findings


def test_the_screen_hides_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screened = findings(tree)
    looked: list[bytes] = []

    def passes(screen: Screen, data: bytes) -> bool:
        looked.append(data)
        return True

    monkeypatch.setattr(Screen, "passes", passes)
    monkeypatch.setattr(runner, "NEEDED", b"")
    assert findings(tree) == screened
    assert len(screened) > 200
    assert any(b"torch" not in data for data in looked)


def test_bodies_that_are_dropped_are_parsed_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = findings(tree)
    dropped: list[str] = []
    drop = Bodies.drop

    def noted(bodies: Bodies, function: FunctionInfo) -> None:
        dropped.append(function.name)
        drop(bodies, function)

    monkeypatch.setattr(Bodies, "drop", noted)
    monkeypatch.setattr("h2dlint.analysis.bodies.MAX_LINES", 0)
    assert findings(tree) == kept
    # Also while they are asked for again.
    assert len(dropped) > len(set(dropped)) > 1


def run(tree: Path, jobs: str, cache: str, *paths: str, seed: str = "0") -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tree), jobs, cache, *paths],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    forks, found = json.loads(done.stdout)
    return forks, found


def test_processes_caches_and_hash_seeds_change_nothing(tree: Path, tmp_path: Path) -> None:
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    forks, expected = run(tree, "1", "", ".")
    assert forks == 0
    assert len(expected) > 200
    # One that makes the call graph, and two that lint.
    assert run(tree, "2", "", ".", seed="1") == (3, expected)
    assert run(tree, "2", two, ".", seed="2") == (3, expected)
    assert run(tree, "2", two, ".", seed="0") == (0, expected)
    assert run(tree, "1", one, ".", seed="2") == (0, expected)
    assert run(tree, "1", one, ".", seed="1") == (0, expected)


def test_a_file_alone_is_judged_as_in_its_tree(tree: Path, tmp_path: Path) -> None:
    expected = run(tree, "1", "", ".")[1]
    settings = settings_of(tree)
    files = [file.path for file in discover(["."], settings, tree).files if file.path.startswith("pkg/")]
    alone: list[str] = []
    for path in files:
        found = discover([path], settings, tree)
        alone += [repr(finding) for finding in lint_files(found, settings).findings]
        cached = lint_files(found, settings, cache=tmp_path / "cache").findings
        assert cached == lint_files(found, settings, cache=tmp_path / "cache").findings
        assert cached == lint_files(found, settings).findings
    assert alone == [finding for finding in expected if "path='pkg/" in finding]
    assert len(alone) > 4 * MODULES


def test_the_version_tells_releases_of_the_libraries_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for release in ("1.0", "2.0"):
        folder = tmp_path / release
        (folder / "library").mkdir(parents=True)
        (folder / "library/__init__.py").touch()
        (folder / f"library-{release}.dist-info").mkdir()
    seen = set()
    for release in ("1.0", "2.0"):
        with monkeypatch.context() as patched:
            patched.syspath_prepend(str(tmp_path / release))
            told = caching.installed("library")
            assert f"library-{release}.dist-info" in told
            seen.add(told)
    assert len(seen) == 2
    assert caching.installed("a_library_that_is_not_there") == ()
    for name in caching.LIBRARIES:
        assert any(part.startswith(f"{name}-") for part in caching.installed(name))
