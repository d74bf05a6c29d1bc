"""Fixes that libraries showed to be wrong, or to fall short, when they were run on a GPU."""

from __future__ import annotations

import pytest

from h2dlint.model import Applicability, Options
from h2dlint.rules import all_rules, check_module
from h2dlint.syntax.source import SourceText

HEAD = """\
import math
import numpy as np
import torch
from torch import nn

LEAST = float("-inf")
LARGE = 1e30
SMALL = -0.5


class Block(nn.Module):
    def forward(self, x: torch.Tensor, number: float, rows: list[int]) -> object:
        x = x.cuda()
        best = x.argmax(dim=-1)
        order = torch.arange(8).flip(0)
{forward}
        return self.help(x)

    def help(self, x: torch.Tensor) -> object:
{help}
        return x


def step(x: torch.Tensor, rows: list[int]) -> None:
    for n in range(3):
{step}
"""

SAFE = [
    "x[best] = float('-inf')",
    "x[best] = -math.inf",
    "x[best] = LEAST",
    "x[best] = SMALL",
    "x[best] = np.nan",
    "x[rows, :] = torch.zeros((), device='cuda')",
    "a = torch.tensor(number, device=x.device)",
    "a = torch.tensor(rows).to(x.device)",
    "a = torch.as_tensor([number], device=x.device)",
]
UNSAFE = [
    # The assignment gives inf in a short float, torch.full raises.
    "x[best] = 1e30",
    "x[best] = LARGE",
    # The annotation is all that says that it is no tensor, and the function takes tensors.
    "a = torch.as_tensor(number, device=x.device)",
    "a = torch.as_tensor(rows, device=x.device)",
    "a = torch.asarray(rows, device=x.device)",
    "a = torch.as_tensor(number).to(x.device)",
    "a = torch.as_tensor(rows).to(x.device)",
    # torch.compile raises for it.
    "a = torch.rand(3).to(x.device)",
    "x = x[order]",
]


def found_at(forward: str = "pass", help: str = "pass", step: str = "pass") -> list[Applicability]:
    """What the fixes are in the one of the three lines that is not empty."""
    text = HEAD.format(forward=f"        {forward}", help=f"        {help}", step=f"        {step}")
    line = next(
        number
        for number, here in enumerate(text.splitlines(), 1)
        if here.strip() in {forward, help, step} - {"pass"}
    )
    found = check_module(SourceText(text), "module.py", all_rules(), Options(assume_cuda=True))
    return [f.fix.applicability for f in found if f.fix is not None and f.span.line == line]


@pytest.mark.parametrize("statement", SAFE)
def test_safe(statement: str) -> None:
    assert found_at(statement) == [Applicability.SAFE]


@pytest.mark.parametrize("statement", UNSAFE)
def test_unsafe(statement: str) -> None:
    assert found_at(statement) == [Applicability.UNSAFE]


def test_what_a_forward_reaches_may_be_compiled() -> None:
    assert found_at(help="a = torch.rand(3).to(x.device)") == [Applicability.UNSAFE]


def test_what_no_forward_reaches_is_not_compiled_unseen() -> None:
    assert found_at(step="a = torch.rand(3).to(x.device)") == [Applicability.SAFE]


def test_a_part_of_a_part_is_fixed_by_the_device_of_the_whole() -> None:
    assert found_at(step="a = x.cuda()[rows, :][..., rows]").count(Applicability.DISPLAY) >= 1
    assert found_at("a = x[rows, :][:, rows]") == [Applicability.SAFE, Applicability.SAFE]
