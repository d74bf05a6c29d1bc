"""Parameters, read at the calls."""

from __future__ import annotations

import ast
import itertools
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from h2dlint.analysis.mentions import callers_first
from h2dlint.analysis.outline import FunctionInfo, outline
from h2dlint.engine.files import SourceFile
from h2dlint.engine.runner import lint_files
from h2dlint.engine.settings import Settings
from h2dlint.model import Applicability, Confidence, Finding
from tests.analysis.helper import devices, kinds, look

HEAD = "import functools\nimport torch\nfrom torch import nn\nimport numpy as np\n"

Lint = Callable[..., list[Finding]]


@pytest.fixture
def lint(tmp_path: Path) -> Lint:
    """Lint ``run.py`` of a project that may hold other files."""

    def run(text: str, files: Mapping[str, str] | None = None) -> list[Finding]:
        (tmp_path / "pyproject.toml").write_text("")
        named = {"run.py": HEAD + textwrap.dedent(text), **(files or {})}
        for name, code in named.items():
            (tmp_path / name).write_text(code)
        settings = Settings(min_confidence=Confidence.LOW, cold=True)
        report = lint_files([SourceFile("run.py", tmp_path / "run.py")], settings)
        assert not report.errors
        return list(report.findings)

    return run


def private(call: str, body: str, parameters: str = "x", more: str = "") -> str:
    """A private function, and something that calls it."""
    run = f"def run(t: torch.Tensor, unknown, d: torch.device):\n    {call}\n\n\n"
    return f"{run}def _use({parameters}):\n    {body}\n{more}"


def evidence(findings: list[Finding]) -> str:
    return " | ".join(line for finding in findings for line in finding.evidence)


def test_a_host_tensor_in_every_call(lint: Lint) -> None:
    (finding,) = lint(
        private("_use(torch.tensor([1, 2]))\n    _use(torch.tensor([3]))", "return x.to('cuda')")
    )
    assert finding.code == "HTD201"
    assert finding.confidence is Confidence.HIGH
    assert finding.fix is not None and finding.fix.applicability is Applicability.SAFE
    assert "parameter x: host tensor in every call (line 6, 7)" in evidence([finding])


def test_one_call_that_says_nothing(lint: Lint) -> None:
    assert not lint(private("_use(torch.tensor([1, 2]))\n    _use(unknown)", "return x.to('cuda')"))


@pytest.mark.parametrize(
    ("call", "parameters", "word"),
    [
        ("_use([1, 2])", "x", "sequence"),
        ("_use(x=[1, 2])", "x", "sequence"),
        ("_use(1, x=[1, 2])", "n, *, x", "sequence"),
        ("_use(1)", "n, x=(1, 2)", "sequence"),
        ("_use(np.zeros(3))", "x", "ndarray"),
        ("_use(3)", "x", "number"),
    ],
)
def test_host_data(lint: Lint, call: str, parameters: str, word: str) -> None:
    (finding,) = lint(private(call, "return torch.tensor(x, device='cuda')", parameters))
    assert f"parameter x: {word} in every call (line 6)" in evidence([finding])
    assert finding.confidence is Confidence.HIGH


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("_use('cpu')", "return torch.tensor([1, 2], device=x)"),
        ("_use(torch.device('cpu'))", "return torch.tensor([1, 2], device=x)"),
        ("_use(t.cuda())", "return torch.tensor(x, device='cuda')"),
        ("_use(t.cpu())", "return torch.tensor([1, 2], device=x.device)"),
    ],
)
def test_what_every_caller_gives_silences(lint: Lint, call: str, body: str) -> None:
    assert not lint(private(call, body))
    assert lint(private("pass", body))


def test_a_tensor_whose_place_the_annotation_leaves_open(lint: Lint) -> None:
    move = "return x.to('cuda')"
    (finding,) = lint(private("_use(torch.tensor([1, 2]))", move, "x: torch.Tensor"))
    assert finding.confidence is Confidence.HIGH
    assert lint(private("_use(torch.tensor([1, 2]))", move, "x: 'torch.Tensor | None' = None"))
    assert not lint(private("_use(t.cuda())", "return torch.tensor(x, device='cuda')", "x: torch.Tensor"))
    assert not lint(private("_use(torch.tensor([1, 2]))\n    _use(t)", move, "x: torch.Tensor"))


def test_an_annotation_that_tells_is_kept(lint: Lint) -> None:
    (finding,) = lint(private("_use([1, 2])", "return torch.tensor(x, device='cuda')", "x: list[int]"))
    assert "parameter x: list[int]" in evidence([finding])


@pytest.mark.parametrize(
    "more",
    [
        "handler = _use\n",
        "functools.partial(_use, 3)\n",
        "__all__ = ['_use']\n",
        "def other():\n    return {'use': _use}\n",
        "def other(m):\n    return getattr(m, '_use')(3)\n",
        "@_use\ndef other():\n    pass\n",
        "def other():\n    global _use\n    _use = print\n",
        "def other(args):\n    _use(*args)\n",
        "def other(kwargs):\n    _use(**kwargs)\n",
        "def other():\n    return\n    _use(unknown)\n",
    ],
)
def test_what_is_not_only_called(lint: Lint, more: str) -> None:
    found = lint(private("_use([1, 2])", "return torch.tensor(x, device='cuda')", more=more))
    assert not any(f.confidence is Confidence.HIGH for f in found)
    assert not any(f.fix is not None and f.fix.applicability is Applicability.SAFE for f in found)
    # Nor does it silence.
    assert lint(private("_use('cpu')", "return torch.tensor([1, 2], device=x)", more=more))


def test_a_comment_is_no_use(lint: Lint) -> None:
    more = "# _use is private.\ndef other():\n    'See _use.'\n"
    (finding,) = lint(private("_use([1, 2])", "return torch.tensor(x, device='cuda')", more=more))
    assert finding.confidence is Confidence.HIGH


def test_an_unknown_decorator(lint: Lint) -> None:
    text = "import other\ndef run():\n    _use('cpu')\n@{}\ndef _use(x):\n    return torch.tensor([1, 2], device=x)\n"
    assert lint(text.format("other.wrap"))
    assert not lint(text.format("torch.no_grad()"))


@pytest.mark.parametrize(
    "other", ["from run import _use\n", "import run\nrun._use(3)\n", "getattr(3, '_use')\n"]
)
def test_another_file_that_mentions_it(lint: Lint, other: str) -> None:
    text = private("_use('cpu')", "return torch.tensor([1, 2], device=x)")
    assert not lint(text, {"other.py": "def _use_not():\n    pass\n"})
    assert lint(text, {"other.py": other})


def test_public_functions_add_host_data_and_take_nothing_away(lint: Lint) -> None:
    def public(call: str, body: str, parameters: str = "x") -> list[Finding]:
        return lint(private(call, body, parameters).replace("_use", "use"))

    (finding,) = public("use(torch.tensor([1, 2]))", "return x.to('cuda')")
    assert finding.confidence is Confidence.MEDIUM
    assert finding.fix is not None and finding.fix.applicability is Applicability.UNSAFE
    assert "parameter x: host tensor in the calls seen (line 6)" in evidence([finding])
    assert public("use('cpu')", "return torch.tensor([1, 2], device=x)")
    assert public("use(torch.tensor([1, 2]))", "return torch.tensor([1, 2], device=x.device)")
    assert public("use(t.cuda())", "return torch.tensor(x, device='cuda')")
    assert not public("use(torch.tensor([1, 2]))", "return x.to('cuda')", "x: torch.Tensor")
    # A shape that rests on a number would make a fix look safe.
    stored = "y = torch.zeros(x, device='cuda')\n    y[0] = 3"
    assert not public("use(3)", stored)
    assert lint(private("_use(3)", stored))
    assert not public("use([t])", "return [y.to('cuda') for y in x]")


METHODS = """
class Base{bases}:
    def run(self, unknown):
        self._use({first})

    def _use(self, x):
        return torch.tensor([1, 2], device=x)

{more}
"""


OTHER = "class Other:\n    def run(self):\n        self._use('cuda')\n    def _use(self, x):\n        pass\n"


@pytest.mark.parametrize(
    ("bases", "first", "more", "silent"),
    [
        ("", "'cpu'", "", True),
        ("(nn.Module)", "'cpu'", "", True),
        ("(Gone)", "'cpu'", "", False),
        ("", "unknown", "", False),
        ("", "'cpu'", OTHER, True),
        ("", "'cpu'", "def other(base):\n    base._use('cuda')\n", False),
        ("", "'cpu'", "def other(base: Base):\n    base._use('cuda')\n", False),
        ("", "'cpu'", "def other(base: Base):\n    Base._use(base, 'cpu')\n", False),
        ("", "'cpu'", "def other(base: Base, name):\n    getattr(base, '_' + name)('cuda')\n", False),
        ("", "'cpu'", "class Sub(Base):\n    def go(self):\n        super()._use('cuda')\n", False),
        ("", "'cpu'", "def other(base: Base):\n    base._use = print\n", False),
    ],
)  # fmt: skip
def test_methods(lint: Lint, bases: str, first: str, more: str, silent: bool) -> None:
    assert bool(lint(METHODS.format(bases=bases, first=first, more=more))) is not silent


def test_what_overrides_is_called_through_its_base(lint: Lint) -> None:
    text = """
    class Base:
        def run(self):
            self._use('cuda')
        def _use(self, x):
            pass
    class Sub(Base):
        def go(self):
            self._use('cpu')
        def _use(self, x):
            return torch.tensor([1, 2], device=x)
    """
    assert lint(text)
    assert not lint(text.replace("self._use('cuda')", "pass"))


def test_nested_functions() -> None:
    value = look(
        """
        def work(xs: List[int]):
            def inner(q, n=None):
                look(q)
            def between(q):
                inner(q)
            between(torch.tensor(xs))
            inner(torch.zeros(3), n=2)
        """
    )
    assert (kinds(value), devices(value)) == ("TENSOR", "cpu")


def test_a_nested_function_that_is_handed_on() -> None:
    text = "def work():\n    def inner(q):\n        look(q)\n    inner(np.zeros(3))\n    return {}\n"
    assert look(text.format("3")).confidence is Confidence.HIGH
    assert look(text.format("inner")).confidence is Confidence.MEDIUM
    text = (
        "def work(t: torch.Tensor):\n    def inner(q):\n        look(q)\n    inner(t.cuda())\n    return {}\n"
    )
    assert devices(look(text.format("3"))) == "cuda"
    assert kinds(look(text.format("inner"))) == "?"


def test_nested_functions_see_what_surrounds_them() -> None:
    text = "def work():\n    y = [1]\n    def inner():\n        look(y)\n    inner()\n    z = 3\n"
    assert kinds(look(text)) == "SEQ"


def test_through_callers_of_callers(lint: Lint) -> None:
    text = """
    def _c(z):
        return z.to('cuda')
    def _b(y):
        _c(y)
    def _a(x):
        _b(x)
    def run():
        _a(torch.tensor([1, 2]))
    """
    (finding,) = lint(text)
    assert finding.confidence is Confidence.HIGH


def test_recursion_says_nothing(lint: Lint) -> None:
    assert lint(
        "def run():\n    _use('cpu')\ndef _use(x):\n    _use(x)\n    return torch.tensor([1, 2], device=x)\n"
    )
    text = """
    def run():
        _a('cpu')
    def _a(x):
        _b(x)
        return torch.tensor([1, 2], device=x)
    def _b(x):
        _a(x)
        return torch.tensor([1, 2], device=x)
    """
    assert len(lint(text)) == 2


def test_what_runs_later_forgets_elements() -> None:
    text = "def work():\n    {}def inner(q):\n        look(q)\n        {}\n    inner([1, 2])\n"
    assert look(text.format("", "pass")).elem is not None
    assert look(text.format("async ", "pass")).elem is None
    assert look(text.format("", "yield 3")).elem is None


def functions(text: str) -> dict[str, FunctionInfo]:
    return {function.short: function for function in outline(ast.parse(text)).functions}


def test_callers_come_first_whatever_is_asked_for() -> None:
    named = functions("\n".join(f"def {name}(): pass" for name in "abcdef"))
    edges = {"a": "", "b": "a", "c": "bd", "d": "c", "e": "cf", "f": "e"}

    def callers(function: FunctionInfo) -> list[FunctionInfo]:
        return [named[name] for name in edges[function.short]]

    for wanted in itertools.permutations("abcdef"):
        groups = [
            "".join(sorted(f.short for f in g)) for g in callers_first([named[n] for n in wanted], callers)
        ]
        assert sorted(groups) == ["a", "b", "cd", "ef"]
        assert groups.index("a") < groups.index("b") < groups.index("cd") < groups.index("ef")


def test_a_long_chain_of_callers_ends() -> None:
    named = functions("\n".join(f"def f{i}(): pass" for i in range(3000)))

    def callers(function: FunctionInfo) -> list[FunctionInfo]:
        above = f"f{int(function.short[1:]) + 1}"
        return [named[above]] if above in named else []

    assert len(callers_first([named["f0"]], callers)) == 3000


CHAIN = """
class Meta:
    def forward(self, d):
        self._one([1, 2], torch.tensor([1]), 'cpu')
        return self._two(torch.tensor([2]))

    def _one(self, xs, t, d):
        self._two(t)
        return torch.tensor(xs, device='cuda'), torch.tensor(xs, device=d)

    def _two(self, t):
        def inner(q):
            return q.to('cuda')
        return inner(t)

    def loop(self, t):
        return self.pool(t.cuda())

    def pool(self, t):
        return torch.as_tensor(t, device='cuda'), self.loop(t)
"""


def findings(folder: Path, names: list[str], seed: str = "0", select: str = "HTD") -> object:
    command = [sys.executable, "-m", "h2dlint", "check", "--isolated", "--cold", "--min-confidence", "low"]
    command += ["--select", select, "--output-format", "json", *names]
    env = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env, check=False)
    assert done.returncode in (0, 1), done.stderr
    return sorted(map(json.dumps, json.loads(done.stdout)["findings"]))


def test_verdicts_depend_neither_on_order_nor_on_hashes_nor_on_candidates(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text(
            HEAD + CHAIN.replace("_one", f"_one_{name[0]}").replace("_two", f"_two_{name[0]}")
        )
    whole = findings(tmp_path, ["a.py", "b.py", "c.py"])
    assert isinstance(whole, list) and len(whole) == 9
    assert findings(tmp_path, ["c.py", "a.py", "b.py"], seed="1") == whole
    alone = [finding for name in ("b.py", "c.py", "a.py") for finding in findings(tmp_path, [name], seed="7")]  # type: ignore[attr-defined]
    assert sorted(alone) == whole
    # Of one rule alone, which leaves other lines without interest.
    moves = findings(tmp_path, ["a.py"], select="HTD201")
    assert moves == [finding for finding in whole if '"a.py"' in finding and '"HTD201"' in finding]
