"""What mutation testing showed that no other test tells apart: each case is rewritten wrongly by a mutant."""

from __future__ import annotations

from pathlib import Path

import pytest

from h2dlint.model import Applicability, Confidence, Options
from tests.profiles.projects import HELPER, PIN, App
from tests.profiles.test_predicate import body as module
from tests.rules.test_fixes import apply, body, lint

REWRITTEN = {
    # A complex number fits no real dtype: torch.full raises another exception than torch.tensor.
    "y = torch.tensor(1j, dtype=torch.float32, device='cuda')": (
        "y = torch.tensor(1j, dtype=torch.float32, pin_memory=True).to('cuda', non_blocking=True)"
    ),
    # The views between the constructor and the copy stay.
    "x.copy_(torch.tensor(xs).view(-1))": "x.copy_(torch.tensor(xs, pin_memory=True).view(-1), non_blocking=True)",
    "x.copy_(torch.tensor(xs).t().unsqueeze(0))": (
        "x.copy_(torch.tensor(xs, pin_memory=True).t().unsqueeze(0), non_blocking=True)"
    ),
    # A float step makes a float arange, which the device computes in another order.
    "y = torch.arange(0, end=3, step=0.5).to('cuda')": (
        "y = torch.arange(0, end=3, step=0.5, pin_memory=True).to('cuda', non_blocking=True)"
    ),
    "y = torch.arange(start=0.5, end=3).to('cuda')": (
        "y = torch.arange(start=0.5, end=3, pin_memory=True).to('cuda', non_blocking=True)"
    ),
    "y = torch.arange(end=2.5).to('cuda')": (
        "y = torch.arange(end=2.5, pin_memory=True).to('cuda', non_blocking=True)"
    ),
    # The constructor pins by itself, whatever its dtype.
    "y = torch.tensor(xs, dtype=torch.int64).to('cuda')": (
        "y = torch.tensor(xs, dtype=torch.int64, pin_memory=True).to('cuda', non_blocking=True)"
    ),
    "y = torch.tensor(xs, requires_grad=False).to('cuda')": (
        "y = torch.tensor(xs, requires_grad=False, pin_memory=True).to('cuda', non_blocking=True)"
    ),
    # On CUDA on one branch only.
    "t = torch.zeros(4, device='cuda') if ys else torch.zeros(4); y = t[[1, 2]]": (
        "t = torch.zeros(4, device='cuda') if ys else torch.zeros(4); "
        "y = t[torch.tensor([1, 2], pin_memory=True).to(t.device, non_blocking=True)]"
    ),
}


@pytest.mark.parametrize(("before", "after"), REWRITTEN.items(), ids=list(REWRITTEN))
def test_rewritten(before: str, after: str) -> None:
    assert apply(body(before)) == body(after)


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        # ``.to(other)`` moves to the device of the other tensor, and that is what the predicate is asked about.
        (
            "return torch.tensor(lens).to(x)",
            "return torch.tensor(lens, pin_memory=can_pin(x.device)).to(x, non_blocking=True)",
        ),
        (
            "h = torch.tensor(lens); return x[h]",
            "h = torch.tensor(lens); return x[(h.pin_memory() if can_pin(x.device) else h)"
            ".to(x.device, non_blocking=True)]",
        ),
    ],
)
def test_what_the_predicate_is_asked_about(tmp_path: Path, line: str, becomes: str) -> None:
    app = App.made(tmp_path, PIN, step=module(line))
    assert becomes in app.fixed(unsafe=True)


@pytest.mark.parametrize(
    ("call", "line", "becomes"),
    [
        # There is nothing to put in the place of ``{pin}``.
        ("({data}, {device}, {pin})", "x[[1, 2]]", "x[torch.tensor([1, 2], pin_memory=True)"),
        # A list that may be empty needs the dtype, which the helper has no place for.
        ("({data}, {device})", "x[lens]", "x[torch.tensor(lens, dtype=torch.int64, pin_memory=True)"),
        ("({data}, {device})", "x[[1, 2]]", "x[upload([1, 2], x.device)]"),
    ],
)
def test_an_index_by_a_helper_that_has_a_place_for_everything(
    tmp_path: Path, call: str, line: str, becomes: str
) -> None:
    configuration = f'{HELPER}helper-call = "{call}"\n'
    fixed = App.made(tmp_path, configuration, step=module(f"return {line}")).fixed(unsafe=True)
    assert becomes in fixed


def test_weak_evidence_for_an_operand_is_weak_evidence_for_the_finding() -> None:
    text = """\
import torch


def put(w, t: torch.Tensor):
    t = torch.zeros(4, device="cuda")
    return torch.where(t > 0, t, w)


def run(t):
    put(torch.tensor(0.5), t)
"""
    (finding,) = lint(text, Options(assume_cuda=True))
    assert finding.confidence is Confidence.MEDIUM
    assert finding.fix is not None
    assert finding.fix.applicability is Applicability.UNSAFE


@pytest.mark.parametrize("index", ["0", "torch.arange(2, device='cuda')"])
def test_a_default_does_not_prove_that_no_tensor_is_given(index: str) -> None:
    text = f"""\
import torch


def put(w=3.0):
    t = torch.zeros(4, dtype=torch.float64, device="cuda")
    t[{index}] = w
"""
    (finding,) = lint(text)
    assert finding.fix is not None
    assert finding.fix.applicability is Applicability.UNSAFE
    assert finding.fix.reasons == ("the kind of w rests on weak evidence",)


def test_a_destination_that_may_be_on_the_host_is_not_said_to_be_on_the_device() -> None:
    (finding,) = lint(body("x.copy_(torch.tensor(xs))"))
    assert finding.confidence is Confidence.MEDIUM


def test_how_sure_a_finding_is_depends_on_the_size() -> None:
    small, large = (
        lint(body(f"y = {source}.to('cuda', non_blocking=True)"))
        for source in ("torch.tensor(xs).float()", "torch.zeros(5000000).neg()")
    )
    assert [(f.code, f.confidence) for f in small] == [("HTD206", Confidence.LOW)]
    assert [(f.code, f.confidence) for f in large] == [("HTD206", Confidence.MEDIUM)]
