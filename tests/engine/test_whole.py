"""Runs that are repeated as a whole: the same report as a new run's, and never a stale one."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from h2dlint.engine import batch, ledger
from h2dlint.engine import cache as caching
from h2dlint.engine import whole as wholes
from h2dlint.engine.config import load_settings
from h2dlint.engine.errors import ConfigError
from h2dlint.engine.files import discover
from h2dlint.engine.results import Report
from h2dlint.engine.runner import lint_files, lint_source
from h2dlint.engine.settings import Settings
from h2dlint.engine.whole import WholeRun, command

MAIN = """\
import torch

from pkg.helper import made
from pkg.deep.more import other


def upload(x: torch.Tensor) -> torch.Tensor:
    return made(4).to(x.device) + other(3).to(x.device)


def _private(x: torch.Tensor, sizes) -> torch.Tensor:
    return x.new_tensor(sizes)


def listed(x: torch.Tensor) -> torch.Tensor:
    return _private(x, [1, 2])
"""
HELPER = "import torch\n\n\ndef made(n: int):\n    return torch.zeros(n)\n"
ON_DEVICE = HELPER.replace("zeros(n)", "zeros(n, device='cuda')")
FILES = {
    "pkg/__init__.py": "",
    "pkg/main.py": MAIN,
    "pkg/helper.py": HELPER,
    "pkg/deep/__init__.py": "",
    "pkg/deep/more.py": "from pkg.helper import made\n\n\ndef other(n):\n    return made(n)\n",
    "pkg/deep/plain.py": "import os\n",
    "tool/use.py": "from pkg.main import upload\n\n\ndef forward(x):\n    return upload(x)\n",
    "tool/hot.py": "import torch\n\n\ndef forward(xs, d):\n    return torch.tensor([1, 2], device=d)\n",
}


class Runs:
    """Runs over a project with everything kept, each compared with one that keeps nothing."""

    def __init__(self, top: Path, linted: list[str]) -> None:
        self.project = top / "project"
        self.cache = top / "cache"
        self.linted = linted
        for name, text in FILES.items():
            self.write(name, text)
        self.write("pyproject.toml", "[tool.h2dlint]\n")
        self.write(".git/HEAD", "")

    def write(self, name: str, text: str) -> Path:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def settings(self, **more: object) -> Settings:
        told = {"cold": True, "min-confidence": "low", **more}
        return load_settings(["."], self.project, None, False, told)

    def __call__(self, *paths: str, **more: object) -> str:
        """Which of the ways a run took: ``whole``, ``part`` or ``all``."""
        settings = self.settings(**more)
        asked = paths or (".",)
        whole = WholeRun(
            self.cache,
            command(settings, (asked, sorted(more))),
            getattr(settings.nested, "read", set()),
            self.project,
        )
        self.linted.clear()
        report = whole.report()
        way = "whole"
        if report is None:
            found = whole.part.found if whole.part is not None else discover(asked, settings, self.project)
            report = lint_files(found, settings, cache=self.cache, whole=whole)
            way = "part" if whole.part is not None and whole.part.used else "all"
        self.last = list(self.linted)
        assert report == self.anew(*paths, **more)
        return way

    def anew(self, *paths: str, **more: object) -> Report:
        settings = self.settings(**more)
        return lint_files(discover(paths or (".",), settings, self.project), settings)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    linted: list[str] = []

    def noted(path: str, *args: object, **more: object) -> object:
        linted.append(path)
        return lint_source(path, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("h2dlint.engine.batch.lint_source", noted)
    monkeypatch.setattr(wholes, "FEWEST", 1)
    monkeypatch.setattr(batch, "FEW", 0)
    # Files here are younger than any run.
    monkeypatch.setattr(caching, "SETTLED", -3_600_000_000_000)
    monkeypatch.setattr(wholes, "SETTLED", -3_600_000_000_000)
    return Runs(tmp_path, linted)


def test_a_run_that_sees_the_same_is_repeated(runs: Runs) -> None:
    assert runs() == "all"
    assert runs.anew().findings
    assert (runs(), runs.last) == ("whole", [])


def test_one_changed_file_is_linted_alone(runs: Runs) -> None:
    runs()
    runs.write("pkg/deep/plain.py", "import os\n\n")
    assert (runs(), runs.last) == ("part", ["pkg/deep/plain.py"])
    assert runs() == "whole"


def test_files_that_nobody_looks_for_do_not_count(runs: Runs) -> None:
    runs()
    runs.write("pkg/notes.txt", "said")
    assert runs() == "whole"
    # As an editor saves.
    runs.write("pkg/helper.tmp", HELPER).replace(runs.project / "pkg/helper.py")
    assert runs() == "whole"
    runs.write("pkg/helper.tmp", HELPER + "#\n").replace(runs.project / "pkg/helper.py")
    assert (runs(), runs.last) == ("part", ["pkg/helper.py"])


@pytest.mark.parametrize(
    "text",
    [
        HELPER + "# said\n",
        HELPER.replace("(n)\n", "(n)  # said\n"),
        HELPER.replace("\n\n\n", "\n# said\n\n", 1),
    ],
)
def test_a_comment_in_a_helper_lints_the_helper_alone(runs: Runs, text: str) -> None:
    runs()
    for more in ("", "\n", "\n\n"):
        runs.write("pkg/helper.py", text + more)
        assert (runs(), runs.last) == ("part", ["pkg/helper.py"])
        assert runs() == "whole"


def test_what_depends_on_a_changed_file_is_linted_again(runs: Runs) -> None:
    placed = HELPER.replace("(n)\n", "(n, device='cpu:0')\n")
    runs.write("pkg/helper.py", placed)
    runs()
    runs.write("pkg/helper.py", placed.replace("cpu", "cuda"))
    assert runs() == "part"
    assert {"pkg/helper.py", "pkg/main.py"} <= set(runs.last)
    assert runs() == "whole"


def test_what_calls_a_function_elsewhere_counts(runs: Runs) -> None:
    runs()
    runs.write("tool/use.py", "from pkg.main import upload\n\n\ndef __init__(x):\n    return upload(x)\n")
    assert runs() == "all"
    assert runs() == "whole"


def change_time(path: Path, text: str) -> None:
    """Another text of the same length, written at the same time as far as the file says."""
    was = path.stat()
    assert len(text) == was.st_size
    path.write_text(text)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


EDITS: dict[str, Callable[[Runs], object]] = {
    "same size and time": lambda r: change_time(
        r.project / "pkg/helper.py", HELPER.replace("torch.zeros(n)", "str_of.zeros(n)"[:14])
    ),
    "helper": lambda r: r.write("pkg/helper.py", ON_DEVICE),
    "new module hides another": lambda r: r.write("pkg/helper/__init__.py", ON_DEVICE),
    "new file": lambda r: r.write("pkg/fresh.py", r.project.joinpath("pkg/main.py").read_text()),
    "deleted helper": lambda r: os.unlink(r.project / "pkg/helper.py"),
    "deleted file": lambda r: os.unlink(r.project / "tool/hot.py"),
    "renamed": lambda r: (r.project / "pkg/helper.py").rename(r.project / "pkg/helpers.py"),
    "two exchanged": lambda r: (
        (r.project / "tool/hot.py").rename(r.project / "x"),
        (r.project / "tool/use.py").rename(r.project / "tool/hot.py"),
        (r.project / "x").rename(r.project / "tool/use.py"),
    ),
    "configuration": lambda r: r.write("pyproject.toml", '[tool.h2dlint]\nignore = ["HTD2"]\n'),
    "configuration below": lambda r: r.write("pkg/h2dlint.toml", 'ignore = ["HTD2"]\n'),
    "ignored": lambda r: r.write(".gitignore", "main.py\n"),
    "ignored below": lambda r: r.write("pkg/.gitignore", "main.py\n"),
    "ignored by the repository": lambda r: r.write(".git/info/exclude", "main.py\n"),
    "a repository below": lambda r: r.write("pkg/.git/info/exclude", "main.py\n"),
    "no package": lambda r: os.unlink(r.project / "pkg/__init__.py"),
    "broken": lambda r: r.write("pkg/main.py", "def f(:\n"),
    "no text": lambda r: (r.project / "pkg/helper.py").write_bytes(b"\xff\xfe\x00"),
    "a folder in its place": lambda r: (
        shutil.move(r.project / "pkg/helper.py", r.project / "helper.txt"),
        r.write("pkg/helper.py/more.py", ON_DEVICE),
    ),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_is_seen(runs: Runs, edit: Callable[[Runs], object]) -> None:
    runs()
    assert runs() == "whole"
    edit(runs)
    assert runs() != "whole"
    runs()
    assert runs() == "whole"


def test_a_link_that_leads_elsewhere_is_seen(runs: Runs, tmp_path: Path) -> None:
    runs.write("pkg/on.txt", ON_DEVICE)
    helper = runs.project / "pkg/helper.py"
    helper.rename(runs.project / "pkg/off.txt")
    helper.symlink_to("off.txt")
    runs()
    assert runs() == "whole"
    helper.unlink()
    helper.symlink_to("on.txt")
    assert runs() != "whole"
    (runs.project / "pkg/on.txt").write_text(HELPER)
    assert runs() != "whole"


def test_a_configuration_that_is_extended_counts(runs: Runs, tmp_path: Path) -> None:
    base = tmp_path / "base.toml"
    base.write_text('ignore = ["HTD1"]\n')
    runs.write("pkg/h2dlint.toml", 'extend = "../../base.toml"\n')
    runs()
    assert runs() == "whole"
    base.write_text('ignore = ["HTD2"]\n')
    assert runs() != "whole"


def test_young_files_are_read_again(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times do not vouch for a file that was written just before the run."""
    runs()
    monkeypatch.setattr(wholes, "SETTLED", 3_600_000_000_000)
    monkeypatch.setattr(caching, "SETTLED", 3_600_000_000_000)
    helper = runs.write("pkg/helper.py", HELPER + "#\n")
    assert runs() == "part"
    sign = ledger.signature(str(helper))
    helper.write_text(ON_DEVICE + "#\n")
    monkeypatch.setattr(wholes, "signature", lambda path: sign if path == str(helper) else _signature(path))
    assert runs() != "whole"


_signature = ledger.signature


def test_other_commands_and_versions_are_other_runs(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs()
    assert runs("pkg") == "all"
    assert runs("pkg") == runs() == "whole"
    assert runs(ignore=["HTD1"]) == "all"
    monkeypatch.setattr(wholes, "version", lambda: "another")
    assert runs() == "all"


VARIANTS = [
    HELPER,
    HELPER + "# said\n",
    HELPER.replace("import torch\n", "import torch  # said\n"),
    "# said\n" + HELPER,
    ON_DEVICE,
    HELPER.replace("(n)\n", "(n, device='cpu:0')\n"),
    HELPER.replace("(n)\n", "(n, device='hip:0')\n"),
    MAIN,
    MAIN.replace("made(4)", "made(5)"),
    MAIN.replace("from pkg.helper", "from helper"),
    MAIN.replace("def upload", "def __init__"),
    MAIN.replace("_private", "_hidden"),
    "from pkg.helper import made\n\n\ndef other(n):\n    return made(n)\n",
    "from .helper import *\nfrom pkg.deep.more import other\n",
    "from pkg.main import upload\n\n\ndef step(x):\n    for y in x:\n        upload(y)\n",
    "_private = 1\n",
    "",
    "def f(:\n",
]
NAMES = [
    *FILES,
    "helper.py",
    "pkg/helper/__init__.py",
    "pkg/deep/helper.py",
    "torch.py",
    "src/pkg/helper.py",
    "setup.py",
]
CONFIGURATIONS = [
    "",
    'ignore = ["HTD2"]\n',
    'entry-points = ["listed"]\n',
    "follow-imports = false\n",
    "cold = false\n",
]


def one_edit(runs: Runs, chance: random.Random) -> None:
    """Do something to the project that an editor, git or a person might."""
    project = runs.project
    path = project / chance.choice(NAMES)
    there = [each for each in project.rglob("*.py") if each.is_file()]
    # Most edits are small.
    kind = chance.choice([0, 1, 4, 5, 6, 6, 7, 7, 7, 7, 7, 8, 8, 9, 10, 11])
    try:
        if kind < 4:
            runs.write(str(path.relative_to(project)), chance.choice(VARIANTS))
        elif kind == 4 and there:
            chance.choice(there).unlink()
        elif kind == 5 and there:
            path.parent.mkdir(parents=True, exist_ok=True)
            chance.choice(there).rename(path)
        elif kind == 6 and there:
            # A change that keeps the size and the time of writing.
            path = chance.choice(there)
            was = path.stat()
            swapped = (
                path.read_text().replace("cpu:0", "cuda0").replace("hip:0", "cpu:0").replace("cuda0", "hip:0")
            )
            path.write_text(swapped)
            os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
        elif kind == 7 and there:
            path = chance.choice(there)
            path.write_text(path.read_text() + chance.choice(["# said\n", "\n", "x = 1\n"]))
        elif kind == 8 and there:
            # As an editor saves.
            path = chance.choice(there)
            beside = path.with_suffix(".tmp")
            beside.write_text(chance.choice(VARIANTS))
            beside.replace(path)
        elif kind == 9:
            folder = chance.choice(["", "pkg/", "pkg/deep/"])
            runs.write(f"{folder}h2dlint.toml", chance.choice(CONFIGURATIONS))
        elif kind == 10:
            folder = chance.choice(["", "pkg/", "pkg/deep/", ".git/info/"])
            name = "exclude" if folder.startswith(".git") else ".gitignore"
            runs.write(folder + name, chance.choice(["", "main.py\n", "helper*\n", "deep/\n"]))
        elif kind == 11:
            place = project / chance.choice(["pkg/deep", "pkg/helper", "tool", "src"])
            if place.exists():
                shutil.move(place, project / "aside")
                shutil.rmtree(project / "aside") if chance.random() < 0.3 else shutil.move(
                    project / "aside", place
                )
    except (FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError, shutil.Error):
        return


@pytest.mark.parametrize("seed", [int(os.environ.get("H2DLINT_SEED", "1"))])
def test_after_any_edits_the_report_is_that_of_a_new_run(
    runs: Runs, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``H2DLINT_STEPS`` makes it a long test."""
    chance = random.Random(seed)
    ways: Counter[str] = Counter()
    for _ in range(int(os.environ.get("H2DLINT_STEPS", "60"))):
        for _ in range(chance.choice([0, 0, 1, 1, 1, 3])):
            one_edit(runs, chance)
        settled = chance.choice([-3_600_000_000_000] * 4 + [3_000_000_000])
        monkeypatch.setattr(caching, "SETTLED", settled)
        monkeypatch.setattr(wholes, "SETTLED", settled)
        paths = chance.choice([(), (), (), ("pkg",), ("pkg/deep", "tool"), ("pkg/main.py",)])
        if all((runs.project / path).exists() for path in paths):
            with suppress(ConfigError):
                ways[runs(*paths, **chance.choice([{}, {}, {"ignore": ["HTD1"]}]))] += 1
    assert len(ways) == 3, ways


def test_few_runs_are_kept(runs: Runs) -> None:
    for number in range(wholes.KEPT + 3):
        runs(**{"extend-exclude": [f"x{number}"]})
    assert len(list(runs.cache.glob("run-*"))) <= wholes.KEPT


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b"\xff"])
def test_damaged_runs_are_ignored(runs: Runs, damage: bytes) -> None:
    runs()
    (path,) = runs.cache.glob("run-*")
    path.write_bytes(damage)
    assert runs() == "all"
    assert runs() == "whole"
