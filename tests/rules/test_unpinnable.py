"""Tensors that cannot be pinned: no safe fix does it, however they came to be such."""

from __future__ import annotations

import pytest

from h2dlint.model import Applicability, Options
from h2dlint.rules import all_rules, check_module
from h2dlint.syntax.source import SourceText
from tests.differential.observe import disagreements, run
from tests.differential.programs import HEAD, Program
from tests.differential.stand_in import stand_in
from tests.differential.trial import ASSUME_CUDA, fix

COMPLEX = [
    "w = torch.ones(3, dtype=torch.complex64, requires_grad=True)\nreturn (w * 2).to('cuda')",
    "w = torch.ones(3, dtype=torch.complex64, requires_grad=True)\nreturn torch.cat([w, w]).cuda()",
    "w = torch.ones(3, dtype=torch.complex64)\nw.requires_grad_()\nreturn w.to('cuda')",
    "w = torch.ones(3, dtype=torch.cfloat)\nw.requires_grad = True\nreturn w.to('cuda')",
    "w = torch.ones(3, requires_grad=True)\nreturn (w * 1j).to('cuda')",
    "w = torch.ones(3, requires_grad=True)\nreturn torch.fft.fft(w).to('cuda')",
    "w = torch.full((2,), 1j, requires_grad=True)\nreturn w[:1].to('cuda')",
    "w = torch.from_numpy(np.ones(3, dtype=np.complex64)).requires_grad_()\nreturn w.to('cuda')",
]
NAMED = [
    "h = torch.ones(3).refine_names('a')\nreturn h.to('cuda')",
    "h = torch.ones(3).rename('a')\nreturn h.to('cuda')",
    "h = torch.ones(3)\nh.names = ('a',)\nreturn h.to('cuda')",
    "h = made()\nreturn h.to('cuda')\n\ndef made():\n    return torch.ones(3, names=('a',))",
]
PINNED = [
    "h = torch.ones(3).add(1)\nreturn h.to('cuda')",
    # Nothing here needs gradients, or nothing is complex.
    "h = torch.ones(3, dtype=torch.complex64) * 2\nreturn h.to('cuda')",
    "h = torch.ones(3, requires_grad=True).exp()\nreturn h.to('cuda')",
    "os.rename('a', 'b')\nframe.rename(columns={})\nh = torch.ones(3).add(1)\nreturn h.to('cuda')",
    "h = torch.ones(3, dtype=torch.complex64).requires_grad_(False) * 2\nreturn h.to('cuda')",
]


def program(body: str) -> str:
    inside, _, outside = body.partition("\n\n")
    return (
        f"{HEAD}\n\ndef run(d: torch.device):\n    " + inside.replace("\n", "\n    ") + f"\n\n\n{outside}\n"
    )


def applicabilities(text: str) -> set[Applicability]:
    findings = check_module(SourceText(text), "m.py", all_rules(), Options(assume_cuda=True))
    return {finding.fix.applicability for finding in findings if finding.fix is not None}


@pytest.mark.parametrize("body", COMPLEX)
def test_a_complex_tensor_with_gradients_runs_after_the_safe_fixes(body: str) -> None:
    text = program(body)
    before = run(Program(0, 0, text, (), "torch.device('cuda')"), text, stand_in)
    assert before.error is None
    fixed = fix(text, ASSUME_CUDA).text
    after = run(Program(0, 0, text, (), "torch.device('cuda')"), fixed, stand_in)
    assert not disagreements(before, after)
    assert applicabilities(text) == {Applicability.UNSAFE}


@pytest.mark.parametrize("body", NAMED)
def test_a_named_tensor_is_not_pinned_by_a_safe_fix(body: str) -> None:
    assert applicabilities(program(body)) == {Applicability.UNSAFE}


@pytest.mark.parametrize("body", PINNED)
def test_other_tensors_are(body: str) -> None:
    assert applicabilities(program(body)) == {Applicability.SAFE}
