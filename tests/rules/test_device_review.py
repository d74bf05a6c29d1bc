"""Fixes that programs drawn at random showed to be wrong when they were run on a GPU, before and after."""

from __future__ import annotations

import pytest

from h2dlint.model import Applicability, Options
from h2dlint.rules import all_rules, check_module
from h2dlint.syntax.source import SourceText

HEAD = """\
import numpy as np
import torch


def note(value: object) -> object:
    print(value)
    return value


def step(d: torch.device, x: torch.Tensor, rows: list[int], numbers: list[float], array: np.ndarray) -> None:
    for n in range(3):
        fixed = torch.zeros(3, dtype=torch.int32, device="cuda")
        floats = torch.zeros(3, dtype=torch.float16, device="cuda")
        half = torch.asarray([2.5, 2.0**40], dtype=torch.half)
        held = torch.zeros(3, pin_memory=True)
{step}
"""

SAFE = [
    # Only floating point numbers can be out of an integer's range, and small ones are in it.
    "a = half.to('cuda', dtype=torch.float64)",
    "a = half.to('cuda', dtype=torch.bool)",
    "a = half.to(floats)",
    "a = half.cuda(0)",
    "a = torch.tensor(rows).to(x)",
    "a = torch.tensor(rows).type_as(x)",
    "a = torch.tensor([0.5, 1, 127.0]).to(x)",
    "a = torch.tensor(numbers).to('cuda')",
    "a = torch.tensor(numbers, dtype=torch.int64).to('cuda')",
    "a = torch.from_numpy(array.astype(np.int64)).to(d)",
    "floats.copy_(half)",
    "a = held.to('cuda', torch.float16)",
    # The original converts on the device as well.
    "a = torch.full((1 << 22,), 0.5).exp().to('cuda', dtype=torch.int64, non_blocking=True)",
    # Nothing is complex here, or nothing has gradients.
    "a = torch.tensor(numbers, dtype=torch.float32, requires_grad=True).clone().to('cuda')",
    "a = torch.tensor([1j, 2j]).repeat(2).to('cuda')",
    "a = torch.randn((n, 3), requires_grad=True).repeat(2, 1).to('cuda')",
    "a = torch.zeros(3).view(3).to('cuda', torch.float64)",
]
UNSAFE = [
    # A blocking copy converts on the host, one that does not block on the device.
    "a = half.to('cuda', dtype=torch.int64)",
    "a = half.to('cuda', torch.uint8)",
    "a = half.to(fixed)",
    "a = half.to(x)",
    "a = half.type_as(x)",
    "a = torch.tensor(numbers).to(x)",
    "a = torch.tensor([0.5, -1.0]).to(x)",
    "a = torch.tensor([float('nan')]).type_as(fixed)",
    "a = torch.tensor(rows, dtype=torch.float32).to(fixed)",
    "a = torch.from_numpy(array).to(d, dtype=torch.int16)",
    "fixed.copy_(half)",
    "fixed[:].copy_(half)",
    "fixed.copy_(held)",
    "a = held.to('cuda', torch.int16)",
    # Written by a name that stands in a string.
    "a = held.to('cuda'); exec('held.fill_(1)')",
    "a = held.to('cuda'); locals()['held'].fill_(1)",
    "a = held.to('cuda'); vars().get('held').fill_(1)",
    # Making the data may put another tensor there.
    "box = [torch.zeros(2, device='cuda')]; a = box[0].new_tensor([note(n) for n in rows])",
    # Raises.
    "a = torch.ones(3, names=('a',)).to('cuda')",
    "named = torch.ones(3, names=('a',)); a = named.cuda()",
    "named = torch.ones(3, names=('a',)); a = named.to(torch.float64).cuda()",
    "a = torch.tensor([1j, 2j], requires_grad=True).repeat(2).to('cuda')",
]


def applicabilities(step: str) -> set[Applicability]:
    text = HEAD.format(step=" " * 8 + step)
    row = text[: text.index(step)].count("\n") + 1
    findings = check_module(SourceText(text), "m.py", all_rules(), Options(assume_cuda=True))
    return {f.fix.applicability for f in findings if f.fix is not None and f.span.line == row}


@pytest.mark.parametrize("step", SAFE)
def test_safe(step: str) -> None:
    assert applicabilities(step) == {Applicability.SAFE}


@pytest.mark.parametrize("step", UNSAFE)
def test_unsafe(step: str) -> None:
    assert applicabilities(step) == {Applicability.UNSAFE}


def test_arguments_in_between_are_evaluated_first() -> None:
    text = HEAD.format(step=" " * 8 + "a = torch.zeros(3).view(note(3)).to('cuda', note(torch.float64))")
    findings = check_module(SourceText(text), "m.py", all_rules(), Options(assume_cuda=True))
    (fix,) = [f.fix for f in findings if f.code == "HTD202"]
    assert fix is not None and fix.applicability is Applicability.SAFE
    assert next(edit.content for edit in fix.edits).startswith(", pin_memory=True).view(note(3)).to(")
