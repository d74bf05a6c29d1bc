"""Imported names, looked up in the project's other files."""

from __future__ import annotations

import ast
import dataclasses
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from h2dlint.analysis import values as V
from h2dlint.analysis.outline import ClassInfo
from h2dlint.analysis.summaries import signature
from h2dlint.analysis.values import Value
from h2dlint.engine.files import SourceFile
from h2dlint.engine.runner import lint_files
from h2dlint.engine.settings import Settings
from h2dlint.model import Confidence

Lint = Callable[..., dict[str, list[str]]]

HEAD = "import torch\nfrom dataclasses import dataclass\nfrom typing import List, Optional\n"


@pytest.fixture
def lint(tmp_path: Path) -> Lint:
    """Lint some of the files of a project: the comments of the lines with findings, by file."""

    def run(files: Mapping[str, str], *names: str, follow: bool = True) -> dict[str, list[str]]:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        settings = Settings(follow_imports=follow, min_confidence=Confidence.HIGH)
        report = lint_files([SourceFile(name, tmp_path / name) for name in names], settings)
        assert not report.errors
        found: dict[str, list[str]] = {name: [] for name in names}
        for finding in report.findings:
            line = files[finding.path].split("\n")[finding.span.line - 1]
            found[finding.path].append(line.partition("# ")[2])
        return found

    return run


def use(lint: Lint, expression: str, imports: str, **modules: str) -> bool:
    """Whether an expression, in a module that imports from others, is known to be host data."""
    text = (
        HEAD
        + imports
        + f"\ndef forward(x: torch.Tensor):\n    torch.as_tensor({expression}, device='cuda:0')\n"
    )
    files = {name.replace("__", "/") + ".py": HEAD + code for name, code in modules.items()}
    files = {name.replace("/init.py", "/__init__.py"): code for name, code in files.items()}
    return bool(lint({"run.py": text, **files}, "run.py")["run.py"])


def test_without_following_nothing_is_known(lint: Lint) -> None:
    files = {"run.py": HEAD + "from a import X\ntorch.as_tensor(X, device='cuda:0')\n", "a.py": "X = [1]\n"}
    assert lint(files, "run.py", follow=False) == {"run.py": []}


def test_constants(lint: Lint) -> None:
    assert use(lint, "X", "from a import X", a="X = [1, 2]\n")
    assert use(lint, "Y", "from a import X as Y", a="X = [1, 2]\n")
    assert use(lint, "a.X", "import a", a="X = [1, 2]\n")
    assert use(lint, "p.a.X", "import p.a", p__a="X = [1, 2]\n", p__init="")
    assert use(lint, "X", "from p.a import X", p__a="X = [1, 2]\n")
    assert not use(lint, "X", "from a import X", a="X = unknown()\n")
    assert not use(lint, "X", "from a import X", a="Y = [1]\n")
    assert not use(lint, "X", "from gone import X")


def test_the_returns_of_functions(lint: Lint) -> None:
    assert use(lint, "f(3)", "from a import f", a="def f(n):\n    return [i for i in range(n)]\n")
    assert use(lint, "f()", "from a import f", a="def f() -> List[int]:\n    return g()\n")
    assert use(
        lint,
        "f(1)",
        "from a import f",
        a="from b import g\ndef f(n):\n    return g(n)\n",
        b="def g(n):\n    return [n]\n",
    )
    assert not use(lint, "f()", "from a import f", a="def f():\n    return g()\n")


def test_annotations_of_a_dataclass(lint: Lint) -> None:
    meta = "@dataclass\nclass Meta:\n    lens: Optional[List[int]] = None\n    other: object = None\n"
    text = "from a import Meta\ndef g(m: Meta):\n    return m.{}"
    assert use(lint, "g(x)", text.format("lens"), a=meta)
    assert not use(lint, "g(x)", text.format("other"), a=meta)


@pytest.mark.parametrize(
    "head",
    [
        "from typing import NamedTuple\nclass Meta(NamedTuple):",
        "import attrs\n@attrs.define\nclass Meta:",
        "import pydantic\nclass Meta(pydantic.BaseModel):",
        "import msgspec\nclass Meta(msgspec.Struct, frozen=True):",
        "from base import Top\nclass Meta(Top):",
    ],
)
def test_annotated_fields(lint: Lint, head: str) -> None:
    meta = f"{head}\n    lens: List[int]\n    other: object\n"
    top = "class Top:\n    pass\n"
    text = "from a import Meta\ndef g(m: Meta):\n    return m.{}"
    assert use(lint, "g(x)", text.format("lens"), a=meta, base=top)
    assert not use(lint, "g(x)", text.format("other"), a=meta, base=top)
    held = (
        "from a import Meta\nclass R:\n    def __init__(self, m: Meta):\n        self.m = m\n"
        "def g(r: R):\n    return r.m.lens"
    )
    assert use(lint, "g(x)", held, a=meta, base=top)


def test_fields_of_a_base_class_further_away(lint: Lint) -> None:
    files = {
        "p__init": "",
        "p__a": "from .b import Mid\nclass Meta(Mid):\n    pass\n",
        "p__b": "from .sub.c import Top\nclass Mid(Top):\n    pass\n",
        "p__sub__init": "",
        "p__sub__c": "class Top:\n    lens: List[int]\n",
    }
    assert use(lint, "g(x)", "from p.a import Meta\ndef g(m: Meta):\n    return m.lens", **files)


def moved(lint: Lint, call: str, helper: str, follow: bool = True) -> bool:
    """Whether moving what a helper of another file returns is known to be a copy from the host."""
    run = f"{HEAD}from a import h\ndef forward(x: torch.Tensor):\n    {call}.to('cuda:0')\n"
    return bool(lint({"run.py": run, "a.py": HEAD + helper}, "run.py", follow=follow)["run.py"])


def test_helpers_that_upload_give_the_device_of_their_argument(lint: Lint) -> None:
    pinned = (
        "def h(xs, device):\n    return torch.tensor(xs, pin_memory=True).to(device, non_blocking=True)\n"
    )
    assert not moved(lint, "h([1, 2], 'cuda:0')", pinned)
    assert not moved(lint, "h([1, 2], x.device)", pinned)
    host = "def h(xs, device):\n    return torch.tensor(xs)\n"
    assert moved(lint, "h([1, 2], 'cuda:0')", host)
    assert not moved(lint, "h([1, 2], 'cuda:0')", host, follow=False)


@pytest.mark.parametrize(
    ("body", "known"),
    [
        ("    return [n for n in range(3)]\n", True),
        ("    def inner():\n        return [1]\n    return inner()\n", True),
        ("    yield [1]\n", False),
        ("    x = (yield)\n", False),
        ("    print(3)\n", False),
    ],
)
def test_bodies_that_were_dropped(lint: Lint, body: str, known: bool) -> None:
    assert use(lint, "f()", "from a import f", a="def f():\n" + body) is known


def test_attributes_of_a_base_class(lint: Lint) -> None:
    base = """
class Base:
    plain = [1]
    def __init__(self):
        self.items = [1, 2]
    def get(self):
        return [1]
    @property
    def prop(self):
        return self.items
"""
    own = "from a import Base\nclass R(Base):\n    pass\ndef g(r: R):\n    return r."
    for name in ("items", "plain", "get()", "prop"):
        assert use(lint, "g(x)", own + name, a=base), name
    assert not use(lint, "g(x)", own + "gone", a=base)


def test_what_a_subclass_assigns_is_seen_by_the_base(lint: Lint) -> None:
    base = "class Base:\n    def get(self):\n        return self.items\n"
    own = """
from a import Base
class R(Base):
    def __init__(self):
        self.items = {}
def g(r: R):
    return r.get()
"""
    assert use(lint, "g(x)", own.format("[1]"), a=base)
    assert not use(lint, "g(x)", own.format("unknown()"), a=base)


def test_names_handed_on(lint: Lint) -> None:
    assert use(lint, "X", "from p import X", p__init="from .a import X\n", p__a="X = [1]\n")
    assert use(lint, "Z", "from p import Z", p__init="from .a import X as Z\n", p__a="X = [1]\n")
    assert use(lint, "X", "from p import X", p__init="from .a import *\n", p__a="X = [1]\n")
    assert use(lint, "X", "from p import *", p__init="from . import *\nfrom .a import *\n", p__a="X = [1]\n")
    assert use(lint, "a.X", "from p import a", p__init="", p__a="X = [1]\n")
    assert use(lint, "a.X", "from p import a", p__init="from . import a\n", p__a="X = [1]\n")
    assert use(lint, "p.a.X", "import p", p__init="from . import a\n", p__a="X = [1]\n")


def test_a_name_of_a_package_hides_its_module(lint: Lint) -> None:
    files = {"p__init": "from .a import a\n", "p__a": "def a():\n    return [1]\n"}
    assert use(lint, "a()", "from p import a", **files)


def test_a_relative_name_means_what_it_means_where_it_stands(lint: Lint) -> None:
    """``.b`` handed on from ``p`` is not the ``b`` beside the file that gets it."""
    files = {
        "p/__init__.py": "from . import b\n",
        "p/b.py": "",
        "run.py": HEAD + "from p import b\nprint(torch.as_tensor(b.X, device='cuda:0'))\n",
        "b.py": "X = [1]\n",
    }
    assert lint(files, "run.py") == {"run.py": []}


@pytest.mark.parametrize(
    "other",
    [
        "def broken(:\n",
        "x = '\0'\n",
        "from a import X\n",
        "from run import X\n",
        "from b import *\n",
        "X = unknown\n",
        "(" * 500,
        "def g():\n    global X\n    X = 1\nX = [1]\n",
        "X = [1]\ndef g():\n    global X\n",
    ],
)
def test_what_cannot_be_known_is_not(lint: Lint, other: str) -> None:
    assert not use(lint, "X", "from a import X", a=other, b="from a import *\n")


def test_circles_of_star_imports_end(lint: Lint) -> None:
    names = [f"m{number}" for number in range(12)]
    stars = "".join(f"from {name} import *\n" for name in names)
    assert not use(lint, "X", "from m0 import X", **dict.fromkeys(names, stars))


CYCLE = {
    "one.py": """
import torch
from two import Right, odd, LENS, swap
class Left:
    table = [1, 2]
    def __init__(self, right: Right):
        self.right = right
        self.lens = right.lens
        self.mine = self.make()
        self.moved = torch.tensor([1, 2])
    def make(self):
        return self.right.give(self)
    def give(self, other):
        return other.mine if other else [1]
    def forward(self, x: torch.Tensor):
        self.moved = self.moved.to(x.device)
        torch.as_tensor(self.lens, device=x.device)
        torch.as_tensor(self.mine, device=x.device)
        torch.as_tensor(self.right.mine, device=x.device)
        torch.as_tensor(even(3), device=x.device)
        torch.as_tensor(odd(3), device=x.device)
        torch.as_tensor(swap([1], 2), device=x.device)
        torch.as_tensor(LENS, device=x.device)
        self.right.pick(self).to(x.device)
def even(n):
    return [0] if n == 0 else odd(n - 1)
def back(a, b):
    return swap(b, a) if a else a
""",
    "two.py": """
import torch
import one
from one import Left, even, back
from three import Third, spin
LENS = [1, 2, 3]
class Right(Third):
    def __init__(self, left: "Left"):
        super().__init__()
        self.left = Left(self)
        self.lens = LENS
        self.mine = self.left.give(self.left)
    def give(self, other):
        return self.left.mine if other else LENS
    def pick(self, left):
        return left.moved if left.lens else self.host(3)
    def forward(self, x: torch.Tensor):
        torch.as_tensor(self.left.mine, device=x.device)
        torch.as_tensor(self.mine, device=x.device)
        torch.as_tensor(one.even(2), device=x.device)
        torch.as_tensor(spin(3), device=x.device)
        self.host(3).to(x.device)
        self.pick(self.left).to(x.device)
def odd(n):
    return [1] if n == 0 else even(n - 1)
def swap(a, b):
    return back(b, a) if b else b
""",
    "three.py": """
import torch
from one import *
from two import *
class Third:
    def __init__(self):
        self.sister = Fourth()
        self.mine = self.sister.mine
    def host(self, n):
        return torch.arange(n) if n else self.sister.host(n)
    def forward(self, x: torch.Tensor):
        self.host(3).to(x.device)
        self.sister.host(3).to(x.device)
        torch.as_tensor(self.mine, device=x.device)
        torch.as_tensor(even(2), device=x.device)
        torch.as_tensor(swap(2, [1]), device=x.device)
class Fourth(Third):
    def __init__(self):
        self.brother = Third()
        self.mine = [1]
        self.other = self.brother.mine
    def forward(self, x: torch.Tensor):
        torch.as_tensor(self.other, device=x.device)
        torch.as_tensor(self.brother.sister.mine, device=x.device)
        Left(Right(None)).give(self).to(x.device)
def spin(n):
    return turn(n) if n else [n]
def turn(n):
    return spin(n - 1) if n else odd(n)
""",
}


def findings(folder: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Everything that is said of each file."""
    settings = Settings(follow_imports=True, cold=True, min_confidence=Confidence.LOW)
    report = lint_files([SourceFile(name, folder / name) for name in names], settings)
    assert not report.errors
    return {name: [repr(finding) for finding in report.findings if finding.path == name] for name in names}


def test_verdicts_do_not_depend_on_other_files_or_their_order(tmp_path: Path) -> None:
    for name, text in CYCLE.items():
        (tmp_path / name).write_text(text)
    alone = {name: findings(tmp_path, [name])[name] for name in CYCLE}
    assert all(len(found) > 3 for found in alone.values())
    for count in (2, 3):
        for order in itertools.permutations(CYCLE, count):
            assert findings(tmp_path, order) == {name: alone[name] for name in order}


def test_verdicts_do_not_depend_on_hashes(tmp_path: Path) -> None:
    for name, text in CYCLE.items():
        (tmp_path / name).write_text(text)
    config = tmp_path / "h2dlint.toml"
    config.write_text("follow-imports = true\ncold = true\nmin-confidence = 'low'\n")
    outputs = set()
    for seed in "012":
        command = [sys.executable, "-m", "h2dlint", "check", ".", "--output-format", "json"]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert done.returncode == 1, done.stderr
        assert len(json.loads(done.stdout)["findings"]) > 10
        outputs.add(done.stdout)
    assert len(outputs) == 1


def _class_node() -> ast.ClassDef:
    node = ast.parse("class C: pass").body[0]
    assert isinstance(node, ast.ClassDef)
    return node


def test_a_signature_says_everything_that_an_argument_keeps() -> None:
    """A field that is added to ``Value`` has to be part of it, or be taken off arguments."""
    samples: dict[str, Any] = {
        "kind": 1, "device": 1, "memory": 1, "dtype": "x", "ndim": 1, "spread": True, "elem": V.INT, "items": (),
        "const": True, "presumed": True, "qual": "x", "func": object(), "cls": object(), "klass": object(),
        "bound": Value(cls=ClassInfo("C", _class_node())), "natural": True, "distinct": True, "layout": 1,
        "confidence": Confidence.LOW,
    }  # fmt: skip
    taken_off = {"size", "most", "origins", "why"}
    assert {field.name for field in dataclasses.fields(Value)} == samples.keys() | taken_off
    plain = Value()
    for name, sample in samples.items():
        assert signature(dataclasses.replace(plain, **{name: sample})) != signature(plain), name


def test_evidence_from_another_file_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.h2dlint]\n")
    (tmp_path / "helper.py").write_text(
        "import torch\n\nSIZES = [3, 1]\n\ndef positions(n: int):\n    return torch.arange(n)\n"
    )
    (tmp_path / "main.py").write_text(
        "import torch\nfrom helper import SIZES, positions\n\n"
        "def move(n: int, d: torch.device):\n"
        "    return positions(n).to(d), torch.tensor(SIZES, device=d)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "h2dlint", "check", "main.py", "--output-format", "json"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    evidence = [finding["evidence"][0] for finding in json.loads(done.stdout)["findings"]]
    assert any("torch.arange() at helper.py:6" in line for line in evidence)
    assert not any("at line" in line for line in evidence)
