"""More of what mutation testing showed that no other test tells apart; see ``docs/hardening.md``."""

from __future__ import annotations

from pathlib import Path

import pytest

from h2dlint.model import Applicability, Confidence, Options, Profile, Transfer
from tests.profiles.projects import HELPER, App
from tests.profiles.test_predicate import body as module
from tests.rules.test_fixes import apply, body, lint

HEAD = "import torch\n\n\n"

REWRITTEN = {
    # ``.device`` cannot be put behind an operator, nor behind what spans lines.
    "y = (x + x)[[1, 2]]": "y = (x + x)[[1, 2]]",
    "y = (x if ys else x.T)[[1, 2]]": "y = (x if ys else x.T)[[1, 2]]",
    "y = (x\n    .T)[[1, 2]]": "y = (x\n    .T)[[1, 2]]",
    # Of a call on the spot only the closing parenthesis is replaced, and none that belongs to its argument.
    "y = x[torch.arange(3)]": "y = x[torch.arange(3, device=x.device)]",
    "y = x[torch.arange((3))]": "y = x[torch.arange((3)).pin_memory().to(x.device, non_blocking=True)]",
    "y = x[torch.tensor([1, 2])]": "y = x[torch.tensor([1, 2], pin_memory=True).to(x.device, non_blocking=True)]",
    "y = x[torch.tensor(([1, 2]))]": (
        "y = x[torch.tensor(([1, 2])).pin_memory().to(x.device, non_blocking=True)]"
    ),
    # An index is int64, in which every length fits.
    "n = len(ys); y = x[[n]]": "n = len(ys); y = x[torch.full((1,), n, device=x.device)]",
    "h = torch.tensor([1, 2]); x.index_put_(indices=(h,), values=ys)": (
        "h = torch.tensor([1, 2]); "
        "x.index_put_(indices=(h.pin_memory().to(x.device, non_blocking=True),), values=ys)"
    ),
    # Several arguments are sizes; torch.tensor takes none.
    "y = torch.LongTensor(3, 4).cuda()": "y = torch.LongTensor(3, 4).pin_memory().cuda(non_blocking=True)",
    "y = torch.FloatTensor().cuda()": "y = torch.FloatTensor().pin_memory().cuda(non_blocking=True)",
    # Pinning keeps the strides, and raises where elements share memory, if only on one branch.
    "h = torch.rand(1, 3); k = h if ys else h.expand(3, 3); y = k.cuda()": (
        "h = torch.rand(1, 3); k = h if ys else h.expand(3, 3); "
        "y = k.clone().pin_memory().cuda(non_blocking=True)"
    ),
    # ``pin_memory=True`` beside ``out=`` is taken without a word, and pins nothing.
    "h = torch.empty(3); y = torch.rand(3, out=h).to('cuda')": (
        "h = torch.empty(3); y = torch.rand(3, out=h).pin_memory().to('cuda', non_blocking=True)"
    ),
    "y = torch.rand(3, out=None).to('cuda')": (
        "y = torch.rand(3, out=None).pin_memory().to('cuda', non_blocking=True)"
    ),
    "h = torch.rand(3); y = torch.stack([h, h], out=None).cuda()": (
        "h = torch.rand(3); y = torch.stack([h, h], out=None).pin_memory().cuda(non_blocking=True)"
    ),
    # On the device already.
    "h = torch.empty(3, device='cuda'); y = torch.rand(3, out=h).to('cuda')": (
        "h = torch.empty(3, device='cuda'); y = torch.rand(3, out=h).to('cuda')"
    ),
}


@pytest.mark.parametrize(("before", "after"), REWRITTEN.items(), ids=list(REWRITTEN))
def test_rewritten(before: str, after: str) -> None:
    assert apply(body(before)) == body(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("y = x[[1, 2]]", "y = x[torch.tensor([1, 2]).to(x.device, non_blocking=True)]"),
        (
            "y = x[sorted(range(len(ys)))]",
            "y = x[torch.tensor(sorted(range(len(ys))), dtype=torch.int64).to(x.device, non_blocking=True)]",
        ),
        (
            "y = torch.tensor(xs, pin_memory=False).to('cuda')",
            "y = torch.tensor(xs).to('cuda', non_blocking=True)",
        ),
    ],
)
def test_left_in_pageable_memory(before: str, after: str) -> None:
    options = Options(profile=Profile(transfer=Transfer.PAGEABLE))
    assert apply(body(before), options) == body(after)


SAFE = {
    # A view of a pinned tensor is read, or given to code that may keep it.
    "h = torch.zeros(3, 4, pin_memory=True); y = h.to('cuda'); z = h.view(-1).sum()": True,
    "h = torch.zeros(3, 4, pin_memory=True); y = h.to('cuda'); z = h.T.sum()": True,
    "h = torch.zeros(3, 4, pin_memory=True); y = h.to('cuda'); z = keep(h.T).sum()": False,
    # Nothing is known of either dtype: one may be of floats and the other of integers.
    "h = torch.zeros(3, dtype=ys); y = h.to('cuda', d)": False,
    "h = torch.zeros(3, dtype=ys); t = torch.zeros(3, dtype=d, device='cuda'); y = h.to(t)": False,
    "h = torch.zeros(3, dtype=torch.int64); y = h.to('cuda', d)": True,
    # What ``out=`` is given is returned, and written again.
    "h = torch.empty(3, pin_memory=True); y = torch.rand(3, out=h).to('cuda'); h.zero_()": False,
    "h = torch.empty(3); y = torch.rand(3, out=h).to('cuda'); h.zero_()": True,
}


@pytest.mark.parametrize(("line", "safe"), SAFE.items(), ids=list(SAFE))
def test_safe_or_not(line: str, safe: bool) -> None:
    (finding,) = lint(body(line))
    assert finding.fix is not None
    assert finding.fix.edits
    assert (finding.fix.applicability is Applicability.SAFE) is safe


def test_pinning_elsewhere_in_the_statement_does_not_hide_that_of_the_fix() -> None:
    text = """\
import torch


class Layer(torch.nn.Module):
    def forward(self, q):
        h = torch.rand(3)
        return h.to("cuda"), q.pin_memory()
"""
    (finding,) = lint(text)
    assert finding.fix is not None
    assert finding.fix.reasons == (
        "torch.compile, which may be given Layer.forward, raises for pin_memory()",
    )


def test_torchscript_is_left_as_it_is() -> None:
    text = """\
import torch


@torch.jit.script
def work(xs: list[int], x: torch.Tensor):
    q = torch.zeros(3, device="cuda")
    q[0] = 3
    q.copy_(torch.tensor(xs))
    return torch.tensor(xs, device="cuda")
"""
    found = lint(text)
    assert [f.code for f in found] == ["HTD303", "HTD204", "HTD101"]
    assert {f.fix.applicability for f in found if f.fix is not None} == {Applicability.DISPLAY}
    assert apply(text) == text


def test_weak_evidence_for_what_a_list_holds_is_a_reason() -> None:
    (finding,) = lint(body("t = torch.zeros(4, device='cuda'); y = t[[ys.ndim, 1]]"))
    assert finding.fix is not None
    assert finding.fix.reasons == ("the kind of [ys.ndim, 1] rests on weak evidence",)


def test_the_title_says_whether_memory_is_pinned() -> None:
    titles = []
    for transfer in (Transfer.PINNED, Transfer.PAGEABLE):
        options = Options(profile=Profile(transfer=transfer))
        (finding,) = lint(body("y = torch.tensor(xs).to('cuda')"), options)
        assert finding.fix is not None
        titles.append(finding.fix.title)
    assert titles == ["Copy from pinned memory without blocking", "Copy without blocking"]


@pytest.mark.parametrize(
    ("call", "line", "becomes"),
    [
        ("", "torch.tensor(lens).to(device)", "upload(lens, device=device)"),
        ("", 'torch.tensor(lens, device="cpu").to(device)', "upload(lens, device=device)"),
        # The arguments are evaluated in the order of before, whatever that of their names.
        ("", "torch.tensor(lens, dtype=f()).to(device)", "upload(lens, dtype=f(), device=device)"),
        ("", "torch.tensor(lens, dtype=f(), device=f(1))", "upload(lens, dtype=f(), device=f(1))"),
        ("({data}, {device}, dtype={dtype?})", "torch.tensor(lens, dtype=f(), device=f(1))", ""),
        # The helper has no place for these, or the data is not where it is looked for.
        ("", "torch.tensor(lens, dtype=torch.float32, requires_grad=True).to(device)", ""),
        ("", "torch.tensor(data=lens).to(device)", ""),
        ("", "torch.tensor(lens).to(device, non_blocking=True)", ""),
    ],
)
def test_a_helper_is_safe_where_it_says_the_same(tmp_path: Path, call: str, line: str, becomes: str) -> None:
    configuration = HELPER + (f'helper-call = "{call}"\n' if call else "")
    app = App.made(tmp_path, configuration, step=module(f"return {line}"))
    assert f"return {becomes or line}\n" in app.fixed()


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("torch.tensor(f(), device=device)", "upload(f(), device=device)"),
        ("torch.asarray(lens, device=device)", "upload(lens, device=device)"),
        ("torch.asarray(obj=lens, device=device)", "upload(lens, device=device)"),
        (
            "torch.tensor(lens, dtype=torch.float32, requires_grad=True).to(device)",
            "torch.tensor(lens, dtype=torch.float32, requires_grad=True, pin_memory=True)"
            ".to(device, non_blocking=True)",
        ),
        (
            "torch.tensor(data=lens).to(device)",
            "torch.tensor(data=lens, pin_memory=True).to(device, non_blocking=True)",
        ),
    ],
)
def test_what_a_helper_is_given(tmp_path: Path, line: str, becomes: str) -> None:
    app = App.made(tmp_path, HELPER, step=module(f"return {line}"))
    assert f"return {becomes}\n" in app.fixed(unsafe=True)


CONFIDENCE = {
    "t = torch.zeros(4, device=d); y = t[[1, 2]]": Confidence.HIGH,
    "t = torch.zeros(4, device=ys); y = t[[1, 2]]": Confidence.MEDIUM,
    # A list whose elements are not known may hold slices, unless it is written out.
    "y = x[[ys, ys]]": Confidence.MEDIUM,
    "y = x[xs]": Confidence.LOW,
    # Without a dimension the index is a number, and a mask is another thing.
    "h = x.cpu(); y = x[h]": Confidence.LOW,
    "h = x.cpu(); y = x[h.long()]": Confidence.LOW,
    "h = x.cpu(); y = x[h.view(-1)]": Confidence.LOW,
    # Assigning through a mask waits, in every version of torch.
    "m = x.cpu() > 0; x[m] = 1.0": Confidence.LOW,
    "y = torch.as_tensor(ids_cpu, device=d)": Confidence.MEDIUM,
    "y = torch.as_tensor(ids_arr, device=d)": Confidence.MEDIUM,
    "y = torch.as_tensor(ids, device=d)": Confidence.LOW,
    # An array may be large, a list is small as a rule.
    "y = torch.tensor(a).to('cuda', non_blocking=True)": Confidence.MEDIUM,
    "y = torch.tensor(xs).to('cuda', non_blocking=True)": Confidence.LOW,
}


@pytest.mark.parametrize(("line", "confidence"), CONFIDENCE.items(), ids=list(CONFIDENCE))
def test_confidence(line: str, confidence: Confidence) -> None:
    assert [f.confidence for f in lint(body(line))] == [confidence]


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        # For other hardware, by a name around it.
        (
            "class NpuRunner:\n    def work(self, x: torch.Tensor):\n        d = x.device\n        return x[[1, 2]]\n",
            Confidence.LOW,
        ),
        # Where a field is may be changed from outside.
        (
            "class Table:\n    def __init__(self):\n        self.t = torch.zeros(3, device='cuda')\n\n"
            "    def read(self):\n        return self.t[[0, 1]]\n",
            Confidence.MEDIUM,
        ),
        # Its name says that it is on the host.
        ("def work(x_cpu: torch.Tensor, device):\n    return x_cpu[[1, 2]]\n", Confidence.LOW),
        # A list in a field, the evidence for which begins with its name.
        (
            "class Table:\n    def __init__(self):\n        self.ids = [1, 2]\n\n"
            "    def read(self, x: torch.Tensor, device):\n        return x[self.ids]\n",
            Confidence.LOW,
        ),
        # What the calls that are seen give is no proof.
        (
            "def work(lens):\n    return torch.tensor(lens, device='cuda')\n\n\ndef run():\n    work([1, 2])\n",
            Confidence.MEDIUM,
        ),
    ],
)
def test_confidence_by_what_stands_around(text: str, confidence: Confidence) -> None:
    assert [f.confidence for f in lint(HEAD + text)] == [confidence]
