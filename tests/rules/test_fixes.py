"""What the fixes write, to the byte, and what they leave alone."""

from __future__ import annotations

from collections import Counter

import pytest

from h2dlint.engine.edits import apply_edits
from h2dlint.model import Applicability, Finding, Options
from h2dlint.rules import all_rules, check_module
from h2dlint.syntax.source import SourceText
from tests.fixture_markers import comments

HEAD = """\
import torch
import numpy as np


def work(xs: list, ys, x: torch.Tensor, a: np.ndarray, d: torch.device):
"""


def lint(text: str, options: Options | None = None) -> list[Finding]:
    return check_module(SourceText(text), "module.py", all_rules(), options or Options())


def apply(text: str, options: Options | None = None) -> str:
    found = lint(text, options)
    return apply_edits(SourceText(text), [e for f in found if f.fix is not None for e in f.fix.edits])


def body(text: str) -> str:
    return HEAD + "".join(f"    {line}\n" if line else "\n" for line in text.strip("\n").split("\n"))


REWRITTEN = {
    # torch.tensor
    "y = torch.tensor(xs, device=d)": "y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)",
    "y = torch.tensor(xs, device=d,)": "y = torch.tensor(xs, pin_memory=True,).to(d, non_blocking=True)",
    "y = torch.tensor( xs , device = d )": "y = torch.tensor( xs , pin_memory=True ).to(d, non_blocking=True)",
    "y = torch.tensor(xs, device=d, dtype=torch.int64)": (
        "y = torch.tensor(xs, dtype=torch.int64, pin_memory=True).to(d, non_blocking=True)"
    ),
    "y = torch.tensor(device=d, data=xs)": "y = torch.tensor(data=xs, pin_memory=True).to(d, non_blocking=True)",
    "y = torch.tensor(xs, device=d, requires_grad=True)": (
        "y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True).requires_grad_()"
    ),
    "y = torch.tensor(xs, device=d, requires_grad=False)": (
        "y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)"
    ),
    "y = torch.tensor(xs, device=d, requires_grad=ys)": (
        "y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True).requires_grad_(ys)"
    ),
    "y = torch.tensor(xs, device=d, pin_memory=True)": "y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)",
    "y = torch.tensor(xs, device=d, pin_memory=ys)": "y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)",
    "y = torch.tensor(a, device=d)": "y = torch.tensor(a).pin_memory().to(d, non_blocking=True)",
    "y = torch.tensor(ys, device=d)": "y = torch.tensor(ys).pin_memory().to(d, non_blocking=True)",
    "y = torch.tensor(xs, device=d if ys else 'cuda')": (
        "y = torch.tensor(xs, pin_memory=True).to(d if ys else 'cuda', non_blocking=True)"
    ),
    "y = torch.tensor(xs, device=d)[0]": "y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)[0]",
    "y = -(torch.tensor(xs, device=d))": "y = -(torch.tensor(xs, pin_memory=True).to(d, non_blocking=True))",
    "if torch.tensor(xs, device=d).any(): pass": (
        "if torch.tensor(xs, pin_memory=True).to(d, non_blocking=True).any(): pass"
    ),
    "y = torch.tensor(xs, device=d); z = 1": "y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True); z = 1",
    "y = torch.tensor(torch.tensor(xs, device=d).tolist(), device=d)": (
        "y = torch.tensor(torch.tensor(xs, pin_memory=True).to(d, non_blocking=True).tolist(), pin_memory=True)"
        ".to(d, non_blocking=True)"
    ),
    # as_tensor, asarray
    "y = torch.as_tensor(xs, device=d)": "y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)",
    "y = torch.as_tensor(a, dtype=torch.int32, device=d)": (
        "y = torch.as_tensor(a, dtype=torch.int32).pin_memory().to(d, non_blocking=True)"
    ),
    "y = torch.asarray(obj=xs, device=d)": "y = torch.tensor(data=xs, pin_memory=True).to(d, non_blocking=True)",
    "y = torch.as_tensor(torch.arange(3).expand(2, 3), device=d)": (
        "y = torch.as_tensor(torch.arange(3).expand(2, 3)).clone().pin_memory().to(d, non_blocking=True)"
    ),
    # constants
    "y = torch.tensor(0.5, device=d)": "y = torch.full((), 0.5, device=d)",
    "y = torch.tensor([7], device=d)": "y = torch.full((1,), 7, device=d)",
    "y = torch.tensor([[1, 1], [1, 1]], device=d)": "y = torch.full((2, 2), 1, device=d)",
    "y = torch.tensor([0] * len(xs), dtype=torch.int32, device=d)": (
        "y = torch.full((len(xs),), 0, dtype=torch.int32, device=d)"
    ),
    "y = torch.tensor(3 * [1.5], device=d)": "y = torch.full((3,), 1.5, device=d)",
    "y = torch.tensor(range(2, 8), device=d)": "y = torch.arange(2, 8, device=d)",
    "y = torch.tensor(list(range(8)), device=d)": "y = torch.arange(8, device=d)",
    "y = torch.tensor(device=d, data=range(1, 9, 2))": "y = torch.arange(device=d, start=1, end=9, step=2)",
    "y = torch.tensor(data=[2], device=d)": "y = torch.full(size=(1,), fill_value=2, device=d)",
    "y = torch.tensor([n := 4], device=d)": "y = torch.full((1,), (n := 4), device=d)",
    "y = torch.as_tensor(0.5, device=d)": "y = torch.full((), 0.5, device=d)",
    "y = torch.tensor(1.0, device=d, pin_memory=True)": "y = torch.full((), 1.0, device=d)",
    "y = torch.tensor(1.0, device=d, requires_grad=True)": "y = torch.full((), 1.0, device=d, requires_grad=True)",
    # new_tensor
    "y = x.new_tensor(xs)": "y = torch.tensor(xs, dtype=x.dtype, pin_memory=True).to(x.device, non_blocking=True)",
    "y = x.new_tensor(xs, dtype=torch.int8)": (
        "y = torch.tensor(xs, dtype=torch.int8, pin_memory=True).to(x.device, non_blocking=True)"
    ),
    "y = x.new_tensor(xs, dtype=None)": (
        "y = torch.tensor(xs, dtype=x.dtype, pin_memory=True).to(x.device, non_blocking=True)"
    ),
    "y = x.new_tensor(xs, device=d, requires_grad=True)": (
        "y = torch.tensor(xs, dtype=x.dtype, pin_memory=True).to(d, non_blocking=True).requires_grad_()"
    ),
    "y = x.new_tensor(3)": "y = x.new_full((), 3)",
    "y = x.new_tensor([0.5] * 4, dtype=torch.float32)": "y = x.new_full((4,), 0.5, dtype=torch.float32)",
    # legacy
    "y = torch.cuda.LongTensor(xs)": (
        'y = torch.tensor(xs, dtype=torch.int64, pin_memory=True).to("cuda", non_blocking=True)'
    ),
    "y = torch.FloatTensor(xs).cuda()": (
        "y = torch.tensor(xs, dtype=torch.float32, pin_memory=True).cuda(non_blocking=True)"
    ),
    "y = torch.Tensor(xs).to(d)": (
        "y = torch.tensor(xs, dtype=torch.get_default_dtype(), pin_memory=True).to(d, non_blocking=True)"
    ),
    # moves
    "y = torch.tensor(xs).to(d)": "y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)",
    "y = torch.tensor(xs).to( d )": "y = torch.tensor(xs, pin_memory=True).to( d, non_blocking=True )",
    "y = torch.tensor(xs).to(d, non_blocking=False)": "y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)",
    "y = torch.tensor(xs).to(d, torch.int32, False)": "y = torch.tensor(xs, pin_memory=True).to(d, torch.int32, True)",
    "y = torch.tensor(xs).to(dtype=torch.int32, device=d)": (
        "y = torch.tensor(xs, pin_memory=True).to(dtype=torch.int32, device=d, non_blocking=True)"
    ),
    "y = torch.tensor(xs).to(x)": "y = torch.tensor(xs, pin_memory=True).to(x, non_blocking=True)",
    "y = torch.tensor(xs).type_as(x)": "y = torch.tensor(xs, pin_memory=True).to(x, non_blocking=True)",
    "y = torch.tensor(xs).cuda()": "y = torch.tensor(xs, pin_memory=True).cuda(non_blocking=True)",
    "y = torch.tensor(xs).cuda(0)": "y = torch.tensor(xs, pin_memory=True).cuda(0, non_blocking=True)",
    "y = torch.tensor(xs).cuda(0, False)": "y = torch.tensor(xs, pin_memory=True).cuda(0, True)",
    "y = torch.tensor(xs).view(-1).to(d)": "y = torch.tensor(xs, pin_memory=True).view(-1).to(d, non_blocking=True)",
    "y = torch.tensor(xs)[1:].to(d)": "y = torch.tensor(xs)[1:].pin_memory().to(d, non_blocking=True)",
    "y = torch.tensor(xs).float().to(d)": "y = torch.tensor(xs).float().pin_memory().to(d, non_blocking=True)",
    "y = torch.tensor(xs).expand(2, -1).to(d)": (
        "y = torch.tensor(xs).expand(2, -1).clone().pin_memory().to(d, non_blocking=True)"
    ),
    "y = torch.as_tensor(data=xs).to(d)": "y = torch.tensor(data=xs, pin_memory=True).to(d, non_blocking=True)",
    "y = torch.asarray(xs, copy=True).to(d)": "y = torch.asarray(xs, copy=True).pin_memory().to(d, non_blocking=True)",
    "y = torch.eye(3).view(torch.uint8).to(d, torch.float64)": (
        "y = torch.eye(3, pin_memory=True).view(torch.uint8).to(d, torch.float64, non_blocking=True)"
    ),
    "y = torch.tensor(xs)[::2].to(d)": "y = torch.tensor(xs)[::2].clone().pin_memory().to(d, non_blocking=True)",
    # moves of pinned tensors
    "y = torch.tensor(xs, pin_memory=True).to(d)": "y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)",
    "y = x.pin_memory().cuda(0, False)": "y = x.pin_memory().cuda(0, True)",
    "y = x.pin_memory().type_as(ys)": "y = x.pin_memory().to(ys, non_blocking=True)",
    "y = torch.zeros(9, 9, pin_memory=True)[:, 1:].to(d)": (
        "y = torch.zeros(9, 9, pin_memory=True)[:, 1:].clone().pin_memory().to(d, non_blocking=True)"
    ),
    # moves that are not to block
    "y = torch.from_numpy(a).to(d, non_blocking=True)": (
        "y = torch.from_numpy(a).pin_memory().to(d, non_blocking=True)"
    ),
    "y = torch.tensor(xs).cuda(0, True)": "y = torch.tensor(xs, pin_memory=True).cuda(0, True)",
    "y = torch.zeros(len(xs)).to(d, torch.int32, True)": "y = torch.zeros(len(xs), device=d, dtype=torch.int32)",
    "y = x.pin_memory()[:, ::2].to(d, non_blocking=True)": (
        "y = x.pin_memory()[:, ::2].clone().pin_memory().to(d, non_blocking=True)"
    ),
    # copies
    "x.copy_(torch.tensor(xs))": "x.copy_(torch.tensor(xs, pin_memory=True), non_blocking=True)",
    "x.copy_(torch.tensor(xs), False)": "x.copy_(torch.tensor(xs, pin_memory=True), True)",
    "x[:2].copy_(src=torch.from_numpy(a))": "x[:2].copy_(src=torch.from_numpy(a).pin_memory(), non_blocking=True)",
    "x.copy_(torch.from_numpy(a) + 1)": "x.copy_((torch.from_numpy(a) + 1).pin_memory(), non_blocking=True)",
    "x.copy_(torch.zeros(len(xs)))": "x.fill_(0)",
    "x.copy_(torch.tensor(0.5))": "x.fill_(0.5)",
    "x[:, :2].copy_(torch.tensor(xs))": (
        "x[:, :2].copy_(torch.tensor(xs, pin_memory=True).to(x.device, non_blocking=True))"
    ),
    "x.view(-1)[::2].copy_(-torch.from_numpy(a))": (
        "x.view(-1)[::2].copy_((-torch.from_numpy(a)).pin_memory().to(x.device, non_blocking=True))"
    ),
    "x.copy_(torch.from_numpy(a), non_blocking=True)": "x.copy_(torch.from_numpy(a).pin_memory(), non_blocking=True)",
    "y = torch.tensor(0.5).to(d)": "y = torch.full((), 0.5, device=d)",
    "y = torch.tensor([2] * 3, dtype=torch.int32).cuda(1)": (
        'y = torch.full((3,), 2, dtype=torch.int32, device="cuda:1")'
    ),
    "y = torch.tensor(0.5).to(d, torch.float16)": (
        "y = torch.tensor(0.5, pin_memory=True).to(d, torch.float16, non_blocking=True)"
    ),
    # factories
    "y = torch.zeros(3).to(d)": "y = torch.zeros(3, device=d)",
    "y = torch.zeros((3,), dtype=torch.int32,).to(device = d)": "y = torch.zeros((3,), dtype=torch.int32, device=d,)",
    'y = torch.ones(3, device="cpu").to(x.device)': "y = torch.ones(3, device=x.device)",
    "y = torch.zeros(3).to(x)": "y = torch.zeros(3, device=x.device, dtype=x.dtype)",
    "y = torch.zeros(3).to(d, torch.float16)": "y = torch.zeros(3, device=d, dtype=torch.float16)",
    "y = torch.arange(6).view(2, 3).cuda()": 'y = torch.arange(6, device="cuda").view(2, 3)',
    "y = torch.eye(3, pin_memory=False).cuda(1)": 'y = torch.eye(3, device="cuda:1")',
    "y = torch.linspace(0, 1, 5).to(d)": "y = torch.linspace(0, 1, 5, pin_memory=True).to(d, non_blocking=True)",
    "y = torch.arange(0.0, 1.0, 0.1).to(d)": (
        "y = torch.arange(0.0, 1.0, 0.1, pin_memory=True).to(d, non_blocking=True)"
    ),
    "y = torch.rand(3).to(d)": "y = torch.rand(3, pin_memory=True).to(d, non_blocking=True)",
    "y = torch.ones(3).expand(2, 3).to(d)": (
        "y = torch.ones(3).expand(2, 3).clone().pin_memory().to(d, non_blocking=True)"
    ),
    # arrays
    "y = torch.from_numpy(a).to(d)": "y = torch.from_numpy(a).pin_memory().to(d, non_blocking=True)",
    "y = torch.from_numpy(a).float().cuda()": "y = torch.from_numpy(a).float().pin_memory().cuda(non_blocking=True)",
    # layouts
    """
y = torch.tensor(
    xs,
    device=d
)
""": """
y = torch.tensor(
    xs,
    pin_memory=True
).to(d, non_blocking=True)
""",
    """
y = torch.tensor(xs,  # what
                 device=d)
""": """
y = torch.tensor(xs,  # what
                 pin_memory=True).to(d, non_blocking=True)
""",
    """
y = torch.tensor(xs,
                 device=d, dtype=torch.int64)
""": """
y = torch.tensor(xs,
                 dtype=torch.int64,
                 pin_memory=True).to(d, non_blocking=True)
""",
    """
y = torch.tensor(  # all of it
    # the data
    xs,

    device=d,  # where to
    dtype=torch.int64,  # wide
)  # done
""": """
y = torch.tensor(  # all of it
    # the data
    xs,

    pin_memory=True,  # where to
    dtype=torch.int64,  # wide
).to(d, non_blocking=True)  # done
""",
    """
y = torch.tensor(
    xs,
    device=d,  # where to
    pin_memory=True,
)
""": """
y = torch.tensor(
    xs,
    pin_memory=True,  # where to
).to(d, non_blocking=True)
""",
    """
y = torch \\
    .tensor(xs,
            device=d)
""": """
y = torch \\
    .tensor(xs,
            pin_memory=True).to(d, non_blocking=True)
""",
    """
y = (torch.from_numpy(a)  # shared
     .float()  # narrow
     # and up
     .to(d))
""": """
y = (torch.from_numpy(a)  # shared
     .float()  # narrow
     .pin_memory()
     # and up
     .to(d, non_blocking=True))
""",
    """
y = torch.tensor([1, 2]).to(
    d  # where to
)
""": """
y = torch.tensor([1, 2], pin_memory=True).to(
    d,  # where to
    non_blocking=True
)
""",
    """
y = torch.zeros(
    3,  # three
    4,
).to(d)  # there
""": """
y = torch.zeros(
    3,  # three
    4,
    device=d,
)  # there
""",
    """
y = torch.tensor(
    # half
    0.5,  # exactly
    device=d)
""": """
y = torch.full(
    # half
    (), 0.5,  # exactly
    device=d)
""",
    """
with torch.device("cuda"):
    y = torch.tensor(xs, device=d)
    z = torch.as_tensor(a, device=d)
    w = torch.tensor(xs, device="cpu").cuda()
    v = x.new_tensor(xs)
    u = torch.cuda.LongTensor(xs)
""": """
with torch.device("cuda"):
    y = torch.tensor(xs, device="cpu", pin_memory=True).to(d, non_blocking=True)
    z = torch.as_tensor(a, device="cpu").pin_memory().to(d, non_blocking=True)
    w = torch.tensor(xs, device="cpu", pin_memory=True).cuda(non_blocking=True)
    v = torch.tensor(xs, dtype=x.dtype, device="cpu", pin_memory=True).to(x.device, non_blocking=True)
    u = torch.tensor(xs, dtype=torch.int64, device="cpu", pin_memory=True).to("cuda", non_blocking=True)
""",
}

each = pytest.mark.parametrize(
    ("before", "after"), REWRITTEN.items(), ids=[b.strip().split("\n")[0] for b in REWRITTEN]
)


@each
def test_rewritten(before: str, after: str) -> None:
    assert apply(body(before)) == body(after)


@each
def test_the_finding_is_gone(before: str, after: str) -> None:
    assert lint(body(before))
    assert not lint(body(after)), "a fixed text is clean"


@each
def test_comments_stay(before: str, after: str) -> None:
    fixed = apply(body(before))
    assert Counter(c for _, c in comments(body(before))) == Counter(c for _, c in comments(fixed))


@pytest.mark.parametrize(
    ("newline", "indent"), [("\r\n", "    "), ("\n", "\t"), ("\r\n", "\t"), ("\r", "    ")]
)
@each
def test_newlines_and_tabs_stay(before: str, after: str, newline: str, indent: str) -> None:
    def styled(text: str) -> str:
        head, rest = body(text).split("device):\n")
        return (head + "device):\n" + rest.replace("    ", indent)).replace("\n", newline)

    assert apply(styled(before)) == styled(after)


ADVICE = [
    "y = torch.tensor(xs, device=(\n    d  # where\n))",
    "y = torch.tensor(xs,\n    device=d,  # where\n    pin_memory=True,  # in vain\n)",
    "y = torch.asarray(xs, copy=True, device=d)",
    "y = torch.tensor([0  # nothing\n], device=d)",
    "y = torch.cuda.FloatTensor(a)",
    "y = x.sum().new_tensor(xs)",
    "y = x.new_tensor(xs, dtype=torch.int32 if ys else None)",
]


@pytest.mark.parametrize("text", ADVICE)
def test_advice_only(text: str) -> None:
    (finding,) = lint(body(text))
    assert finding.fix is not None
    assert finding.fix.applicability is Applicability.DISPLAY
    assert apply(body(text)) == body(text)


NOT_SAFE = {
    "y = torch.tensor([1, 2], device=d)": "not proven to be CUDA",
    "y = torch.tensor(ys, device='cuda')": "not proven to be host data",
    "y = torch.tensor([1, 2], **ys, device='cuda')": "cannot be seen",
    "y = torch.tensor(1, **ys, device='cuda')": "cannot be seen",
    "y = torch.as_tensor(a, device='cuda')": "may share memory",
    "y = torch.from_numpy(a).to('cuda')": "may share memory",
    "y = torch.tensor([1, next(ys)], device=d or next(ys), dtype=next(ys))": "the order of evaluation changes",
    "y = torch.tensor([len(xs)] * next(ys), dtype=torch.int64, device=d)": "",
    "y = torch.tensor([xs.pop()] * len(xs), dtype=torch.int64, device=d)": "",
    "y = torch.tensor([(n := 2)] * (n := 3), device=d)": "the order of evaluation changes",
    "y = torch.tensor([1.5] * -len(xs), device=d)": "a negative count",
    "n = len(xs) if ys else -1\ny = torch.tensor([1.5] * n, device=d)": "a negative count",
    "n = len(xs)\nwhile ys():\n    n -= 1\ny = torch.tensor([1.5] * n, device=d)": "a negative count",
    "y = torch.tensor([1] * len(xs), device=d)": "an empty list is float32",
    "y = torch.tensor([1] * len(xs), dtype=ys, device=d)": "an empty list is float32",
    "y = torch.tensor([1] * len(xs), dtype=x.dtype if ys else None, device=d)": "an empty list is float32",
    "y = torch.tensor(70000, dtype=torch.float16 if ys else torch.int64, device=d)": "may not fit",
    "y = torch.tensor(len(xs), dtype=torch.float16, device=d)": "does not fit",
    "y = torch.tensor(70000, dtype=torch.float16, device=d)": "may not fit",
    "y = torch.tensor(3.4e38, dtype=torch.bfloat16, device=d)": "may not fit",
    "y = torch.tensor([300] * len(xs), dtype=torch.uint8, device=d)": "may not fit",
    "y = torch.tensor(float(len(xs)), device=d)": "float32",
    "y = torch.tensor(range(len(xs)), dtype=torch.float32, device=d)": "rounds",
    "y = torch.tensor(range(300), dtype=torch.bfloat16, device=d)": "rounds",
    "y = torch.tensor(range(3), dtype=x.dtype, device=d)": "not there for every dtype",
    "y = torch.zeros(3).to(ys)": "not proven to be a device",
    "y = torch.zeros(3).to(d if ys else None)": "may be None",
    "y = torch.arange(3).to(d, torch.float16)": "converted on the host",
    "y = torch.tensor([1], pin_memory=ys)[1:].to('cuda')": "may be pinned already",
    "h = torch.zeros(4, pin_memory=ys)\ny = h.float().to('cuda')": "may be pinned already",
    "h = torch.zeros(4, pin_memory=ys)\ny = h[ys].to('cuda')": "may be pinned already",
    "y = x.cpu().to('cuda')": "may be pinned already",
    "y = torch.as_tensor(torch.zeros(2, pin_memory=ys), device='cuda')": "may be pinned already",
    "y = torch.cuda.FloatTensor(tuple(xs)[:2] if ys else x.shape)": "may be a torch.Size",
}


@pytest.mark.parametrize(("text", "reason"), NOT_SAFE.items())
def test_not_safe_and_why(text: str, reason: str) -> None:
    found = lint(body(text))
    assert found or not reason
    for finding in found:
        assert finding.fix is not None
        assert finding.fix.applicability is not Applicability.SAFE, finding.fix
        assert any(reason in line for line in finding.fix.reasons), finding.fix.reasons


@pytest.mark.parametrize("mention", ["torch.cuda.Stream()", "torch.cuda.Event()", "threading.Thread()"])
def test_nothing_is_safe_beside_streams(mention: str) -> None:
    for line in (
        "y = torch.tensor([1, 2], device='cuda')",
        "y = torch.tensor(1, device=d)",
        "y = torch.zeros(2).cuda()",
    ):
        assert all(f.fix and f.fix.applicability is Applicability.SAFE for f in lint(body(line)))
        beside = body(line) + f"\n\ndef other(torch, threading):\n    return {mention}\n"
        assert [f.fix.applicability for f in lint(beside) if f.fix] == [Applicability.UNSAFE]


def test_nothing_is_safe_in_a_compiled_function() -> None:
    text = body("y = torch.tensor([1, 2], device='cuda')").replace("def work", "@torch.compile\ndef work")
    assert [f.fix.applicability for f in lint(text) if f.fix] == [Applicability.UNSAFE]


def test_assume_cuda_makes_devices_that_are_not_literals_safe() -> None:
    known = body("y = torch.tensor([1, 2], device=d)")
    maybe = body("y = torch.tensor([1, 2], device=d if ys else None)")
    options = Options(assume_cuda=True)
    assert [f.fix.applicability for f in lint(known, options) if f.fix] == [Applicability.SAFE]
    assert [f.fix.applicability for f in lint(maybe, options) if f.fix] == [Applicability.UNSAFE]


def test_the_name_of_torch_is_the_modules() -> None:
    text = "import torch as th\nfrom torch import tensor, as_tensor\n\n\ndef work(d: th.device):\n    return {}\n"
    for before, after in {
        "tensor([1, 2], device=d)": "tensor([1, 2], pin_memory=True).to(d, non_blocking=True)",
        "as_tensor([1, 2], device=d)": "th.tensor([1, 2], pin_memory=True).to(d, non_blocking=True)",
        "tensor(0.5, device=d)": "th.full((), 0.5, device=d)",
        "th.tensor(0.5, device=d)": "th.full((), 0.5, device=d)",
        "tensor(0.5).to(d)": "th.full((), 0.5, device=d)",
        "th.LongTensor([1, 2]).cuda()": "th.tensor([1, 2], dtype=th.int64, pin_memory=True).cuda(non_blocking=True)",
        "th.LongTensor([1]).cuda()": 'th.full((1,), 1, dtype=th.int64, device="cuda")',
    }.items():
        assert apply(text.format(before)) == text.format(after)


def test_in_an_fstring_there_is_advice_only() -> None:
    (finding,) = lint("import torch\n\n\ndef work(d):\n    return f'{torch.tensor([1, 2], device=d)}'\n")
    assert finding.fix is not None
    assert finding.fix.applicability is Applicability.DISPLAY


def test_without_a_name_for_torch_there_is_advice_only() -> None:
    text = "from torch import tensor\n\n\ndef work(d):\n    return tensor(0.5, device=d)\n"
    (finding,) = lint(text)
    assert finding.fix is not None
    assert finding.fix.applicability is Applicability.DISPLAY


def test_non_ascii_text_before_the_call_on_its_line() -> None:
    before = body("café = '❤', torch.tensor(xs, device=d)  # größe")
    assert apply(before) == body(
        "café = '❤', torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)  # größe"
    )


def test_an_edit_is_no_larger_than_it_must_be() -> None:
    (finding,) = lint(body("y = torch.zeros(3).to(d)"))
    assert finding.fix is not None
    (edit,) = finding.fix.edits
    assert edit.content == ", device=d" or len(edit.content) <= len(", device=d)")
