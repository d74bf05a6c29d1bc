"""Fixes that a reader of the code showed to be wrong, or to look right only: what is safe of them now."""

from __future__ import annotations

import pytest

from h2dlint.model import Applicability, Options
from h2dlint.rules import all_rules, check_module
from h2dlint.syntax.source import SourceText

HEAD = """\
import torch

class Holder:
    def __init__(self) -> None:
        self.n = 0

    @property
    def buf(self) -> torch.Tensor:
        self.n += 1
        return torch.zeros(8, device="cuda")

    def work(self, log: list[float], v: float, idx: list[int]) -> object:
        half = torch.zeros(8, device="cuda", dtype=torch.float16)
        full = torch.zeros(8, device="cuda", dtype=torch.float32)
        wide = torch.zeros(8, device="cuda", dtype=torch.float64)
        some = torch.zeros(8, device="cuda")
        rows = torch.arange(2, device="cuda")
        pinned = torch.zeros(8, pin_memory=True)
"""

NOT_SAFE = [
    "half[0] = -1e9",
    "half[rows] = v",
    "some[rows] = -1e9",
    "some[0] = v",
    "full[len(log)] = log.pop()",
    "full[self.n] = float(self.work(log, v, idx))",
    "self.buf[[0, 0]] = torch.ones(2, device='cuda')",
    "self.buf[rows] = 1.0",
    "a = pinned.to('cpu'); g = pinned.to('cuda'); a.fill_(7)",
    "a = pinned.to(torch.float32); g = pinned.to('cuda'); a.fill_(7)",
]
SAFE = ["half[0] = 3.5", "some[rows] = 0", "full[0] = v", "full[rows] = -1e9", "full[1] = True", "full[idx]"]


def applicabilities(statement: str) -> list[Applicability]:
    text = HEAD + f"        {statement}\n"
    found = check_module(SourceText(text), "module.py", all_rules(), Options(assume_cuda=True))
    last = text.count("\n")
    return [f.fix.applicability for f in found if f.fix is not None and f.span.line == last]


@pytest.mark.parametrize("statement", NOT_SAFE)
def test_not_safe(statement: str) -> None:
    found = applicabilities(statement)
    assert found
    assert Applicability.SAFE not in found


@pytest.mark.parametrize("statement", SAFE)
def test_safe(statement: str) -> None:
    assert applicabilities(statement) == [Applicability.SAFE]


@pytest.mark.parametrize(
    ("operand", "scalar"),
    [
        ("torch.where(wide > 0, wide, torch.tensor(0.1))", False),
        ("torch.where(full > 0, full, torch.tensor(0.1, dtype=torch.float16))", False),
        ("torch.where(full > 0, full, torch.tensor(1e300, dtype=torch.float64))", False),
        ("torch.where(full > 0, full, torch.tensor(0.0))", True),
        ("torch.where(wide > 0, wide, torch.tensor(float('-inf')))", True),
    ],
)
def test_a_python_scalar_only_where_it_is_exact(operand: str, scalar: bool) -> None:
    text = HEAD + f"        y = {operand}\n"
    found = check_module(SourceText(text), "module.py", all_rules(), Options(assume_cuda=True))
    fix = next(f.fix for f in found if f.code == "HTD305")
    assert fix is not None
    assert ("Python scalar" in fix.title) is scalar


def test_deleting_an_item_is_no_indexing() -> None:
    text = HEAD + "        del full[[1, 2]]\n"
    assert not check_module(SourceText(text), "module.py", all_rules(), Options())
