"""What is not interpreted could not have been reported."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from h2dlint.model import Finding, Options
from h2dlint.rules import all_rules, check_module
from h2dlint.rules.candidates import Candidates, find_candidates
from h2dlint.rules.shortlist import Shortlist
from h2dlint.syntax.source import SourceText

FIXTURES = sorted((Path(__file__).parents[2] / "fixtures").rglob("*.py"))


def findings(text: str) -> list[Finding]:
    return check_module(SourceText(text), "module.py", all_rules(), Options())


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_the_fixtures_have_no_finding_outside_of_the_short_list(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = path.read_text(encoding="utf-8")
    listed = findings(text)
    everywhere = list(range(1, text.count("\n") + 2))
    monkeypatch.setattr("h2dlint.rules.visitor.find_candidates", lambda source, rules: Candidates(everywhere))
    monkeypatch.setattr(Shortlist, "_holds_any", lambda self, part: True)
    assert listed == findings(text)


HEAD = (
    "import numpy as np\nimport torch\n\n\ndef f(x, y, d, out: torch.Tensor, xs: list, key, m, self):\n    "
)


def listed(line: str) -> bool:
    source = SourceText(HEAD + line + "\n")
    found = find_candidates(source, all_rules())
    return bool(found.lines) and bool(Shortlist(ast.parse(source.text), found, all_rules()).lines())


@pytest.mark.parametrize(
    "line",
    [
        "torch.tensor(x, device=d)",
        "torch . tensor (x, device=d)",
        "torch.\\\n    tensor(x, device=d)",
        "make = torch.tensor; make(x, device=d)",
        "map(torch.tensor, x)",
        "x.to(d)",
        "(x\n     .to  # there\n     (d))",
        "x.to(torch.int32, non_blocking=True).cuda()",
        "x.to(device=d, dtype=torch.float16)",
        "x.to(y.dtype)",
        "torch.where(m, x, torch.tensor(0.0))",
        "x.where(m, y)",
        "out[xs] = 1",
        "out[..., (4, 5)]",
        "out[0, 1] = 3",
        "out[x.long()]",
        "a = np.ones(3); out[a]",
        "a, out[0] = 1, 2",
        "(lambda: x.cuda())()",
        "def g():\n        return x.cuda()",
        "x.type('torch.cuda.FloatTensor')",
    ],
)
def test_what_may_be_reported_is_on_the_short_list(line: str) -> None:
    assert listed(line)


@pytest.mark.parametrize(
    "line",
    [
        "'a tensor of that type, to be moved'",
        "# torch.tensor(x, device=d)",
        "x.to(torch.float32)",
        "x.to(dtype=torch.float32)",
        "x.to(*y)",
        "np.where(m, x, y)",
        "torch.where(m)",
        "self.table[key] = {}",
        "self.table['a'] = x.y",
        "a: list[tuple[int, int]] = []",
        "out[1:2, None]",
        "out[len(xs) - 1]",
        "torch.LongTensor",
        "a = {}; a[x] = x + 1",
        "isinstance(x, torch.FloatTensor)",
        "x.type(torch.float16)",
    ],
)
def test_what_cannot_be_reported_is_not(line: str) -> None:
    assert not listed(line)


def test_kernels_are_not_looked_into() -> None:
    text = "import torch, triton\n\n\n@triton.jit\ndef f(x, y):\n    y[0, 1] = x.to(y)\n"
    source = SourceText(text)
    found = find_candidates(source, all_rules())
    assert found.lines and not Shortlist(ast.parse(text), found, all_rules()).lines()
