"""Imported names, looked up in the project's other files."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from h2dlint.engine.files import SourceFile
from h2dlint.engine.modules import ModuleFinder
from h2dlint.engine.runner import lint_files
from h2dlint.engine.settings import Settings
from h2dlint.model import Confidence

META = """
from dataclasses import dataclass
from typing import List, Optional
import torch
LENS = [1, 2, 3]
TABLE = torch.tensor([1.0, 2.0])
STATE = None
@dataclass
class Meta:
    lens: Optional[List[int]] = None
def make(n):
    out = []
    for i in range(n):
        out.append(i)
    return out
def host(n):
    return torch.arange(n)
class Base:
    def __init__(self):
        self.items = [1, 2]
def reset():
    global STATE
    STATE = [1]
"""

RUN = """
import torch
from pkg.sub.meta import Meta, make, LENS, host, Base, STATE
from .sub import meta
from . import sub
from .sub.meta import TABLE as T
class R(Base):
    def forward(self, m: Meta, x: torch.Tensor):
        torch.as_tensor(m.lens, device=x.device)  # field
        torch.as_tensor(make(3), device=x.device)  # function
        torch.as_tensor(LENS, device=x.device)  # constant
        host(3).to(x.device)  # host tensor of a function
        meta.host(3).to(x.device)  # through a module
        T.to(x.device)  # host tensor of a module
        torch.as_tensor(self.items, device=x.device)  # attribute of a base class
        torch.as_tensor(sub.again(2), device=x.device)  # re-exported
        torch.as_tensor(STATE, device=x.device)
        torch.as_tensor(nowhere(3), device=x.device)
"""


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., dict[str, list[str]]]:
    files = {
        "pkg/__init__.py": "",
        "pkg/sub/__init__.py": "from .meta import make as again\nfrom ..run import R\n",
        "pkg/sub/meta.py": META,
        "pkg/run.py": RUN,
        "pkg/other.py": "from pkg.broken import thing\n" + RUN,
        "pkg/broken.py": "def thing(:\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def lint(*names: str, follow: bool = True) -> dict[str, list[str]]:
        settings = replace(
            Settings(root=tmp_path.as_posix()), follow_imports=follow, min_confidence=Confidence.MEDIUM
        )
        report = lint_files([SourceFile(name, tmp_path / name) for name in names], settings)
        lines = {name: (tmp_path / name).read_text().split("\n") for name in names}
        found: dict[str, list[str]] = {name: [] for name in names}
        for finding in report.findings:
            found[finding.path].append(lines[finding.path][finding.span.line - 1].partition("# ")[2])
        return found

    return lint


EXPECTED = [
    "field",
    "function",
    "constant",
    "host tensor of a function",
    "through a module",
    "host tensor of a module",
    "attribute of a base class",
    "re-exported",
]


def test_imported_names_are_looked_up(project: Callable[..., dict[str, list[str]]]) -> None:
    assert project("pkg/run.py") == {"pkg/run.py": EXPECTED}
    assert project("pkg/run.py", follow=False) == {"pkg/run.py": []}


def test_a_broken_module_hides_nothing_else(project: Callable[..., dict[str, list[str]]]) -> None:
    assert project("pkg/other.py") == {"pkg/other.py": EXPECTED}


def test_the_order_of_files_does_not_matter(project: Callable[..., dict[str, list[str]]]) -> None:
    names = ("pkg/run.py", "pkg/other.py", "pkg/sub/meta.py", "pkg/sub/__init__.py")
    alone = {name: project(name)[name] for name in names}
    for order in itertools.permutations(names):
        assert project(*order) == alone


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pkg.sub.meta", "pkg/sub/meta.py"),
        ("pkg.sub", "pkg/sub/__init__.py"),
        (".sub.meta", "pkg/sub/meta.py"),
        (".", "pkg/__init__.py"),
        ("..sub", None),
        ("pkg.nothing", None),
        ("json", None),
        ("numpy", None),
    ],
)
def test_finding_a_module(project: object, tmp_path: Path, name: str, expected: str | None) -> None:
    found = ModuleFinder(tmp_path.as_posix()).find((tmp_path / "pkg/run.py").as_posix(), name)
    assert found == (None if expected is None else (tmp_path / expected).as_posix())
