"""More that mutation testing showed no other test to tell apart: moves, fills, ``new_tensor`` and constants."""

from __future__ import annotations

import pytest

from h2dlint.model import Applicability, Confidence, Finding, Fix, Options
from tests.rules.test_fixes import apply, body, lint

SAFE, UNSAFE, DISPLAY = Applicability.SAFE, Applicability.UNSAFE, Applicability.DISPLAY

REWRITTEN = {
    # new_tensor
    "y = x.new_tensor(1e4)": "y = x.new_full((), 1e4)",
    "y = x.new_tensor(dtype=torch.float32, data=0.5)": (
        "y = x.new_full(dtype=torch.float32, size=(), fill_value=0.5)"
    ),
    "y = x.new_tensor(0.5, pin_memory=False)": "y = x.new_full((), 0.5)",
    "y = x.new_tensor(xs, torch.float32)": "y = x.new_tensor(xs, torch.float32)",
    "y = ys.x.new_tensor(ys.k)": (
        "y = torch.tensor(ys.k, dtype=ys.x.dtype).pin_memory().to(ys.x.device, non_blocking=True)"
    ),
    # constants
    "y = torch.tensor([0, 1, 2], device='cuda')": "y = torch.arange(3, device='cuda')",
    "y = torch.tensor([0, 1, 2], dtype=torch.bool, device='cuda')": (
        "y = torch.tensor([0, 1, 2], dtype=torch.bool, pin_memory=True).to('cuda', non_blocking=True)"
    ),
    "y = torch.tensor([len(xs)], dtype=torch.float64, device='cuda')": (
        "y = torch.full((1,), len(xs), dtype=torch.float64, device='cuda')"
    ),
    "y = torch.tensor(1e999, dtype=torch.float16, device='cuda')": (
        "y = torch.full((), 1e999, dtype=torch.float16, device='cuda')"
    ),
    "y = torch.tensor([[0] * 4] * 3, device='cuda')": "y = torch.full((3, 4), 0, device='cuda')",
    "y = torch.tensor([2 * len(xs)] * 3, device='cuda')": "y = torch.full((3,), 2 * len(xs), device='cuda')",
    "y = torch.tensor([[1, 2]] * 3, device='cuda')": (
        "y = torch.tensor([[1, 2]] * 3, pin_memory=True).to('cuda', non_blocking=True)"
    ),
    # There is no torch.arange of bools, and a number that may not fit is left to the constructor.
    "y = torch.tensor([0, 1, 2], dtype=torch.bool).to('cuda')": (
        "y = torch.tensor([0, 1, 2], dtype=torch.bool, pin_memory=True).to('cuda', non_blocking=True)"
    ),
    "y = torch.tensor(1e5, dtype=torch.float16).to('cuda')": (
        "y = torch.tensor(1e5, dtype=torch.float16, pin_memory=True).to('cuda', non_blocking=True)"
    ),
    # legacy constructors
    "y = torch.cuda.FloatTensor([0.5, 0.5])": (
        'y = torch.full((2,), 0.5, dtype=torch.float32, device="cuda")'
    ),
    # Factories that are joined: what the parts are given goes, and what was converted is on the host.
    "y = torch.cat((torch.ones(3), torch.zeros(3))).to(x.device)": (
        "y = torch.cat((torch.ones(3, device=x.device), torch.zeros(3, device=x.device)))"
    ),
    "y = torch.cat((torch.ones(3, pin_memory=True), torch.zeros(3))).to('cuda')": (
        "y = torch.cat((torch.ones(3, device='cuda'), torch.zeros(3, device='cuda')))"
    ),
    "y = torch.cat((torch.full((2,), 1e20), torch.zeros(2))).long().to('cuda')": (
        "y = torch.cat((torch.full((2,), 1e20), torch.zeros(2))).long().pin_memory()"
        ".to('cuda', non_blocking=True)"
    ),
    "y = (torch.cat((torch.ones(3), torch.zeros(3)))  # why\n     .to(d))": (
        "y = (torch.cat((torch.ones(3), torch.zeros(3)))  # why\n"
        "     .pin_memory()\n     .to(d, non_blocking=True))"
    ),
    "y = torch.zeros(3).cuda(ys)": "y = torch.zeros(3, pin_memory=True).cuda(ys, non_blocking=True)",
    # copy_
    "x.copy_(torch.full((3,), fill_value=3))": "x.fill_(3)",
    "x.copy_(torch.as_tensor(3))": "x.fill_(3)",
    "x.copy_(torch.full((3,), 5, dtype=torch.bool))": (
        "x.copy_(torch.full((3,), 5, dtype=torch.bool, pin_memory=True), non_blocking=True)"
    ),
    "x.copy_(torch.tensor(5, dtype=torch.bool))": (
        "x.copy_(torch.tensor(5, dtype=torch.bool, pin_memory=True), non_blocking=True)"
    ),
    "ys.weight.copy_(torch.tensor(xs))": "ys.weight.copy_(torch.tensor(xs, pin_memory=True), non_blocking=True)",
    # What makes the host tensor is called as before.
    "x.copy_(torch.zeros(ys()))": "x.copy_(torch.zeros(ys(), pin_memory=True), non_blocking=True)",
    "x.copy_(torch.full(size=(ys(),), fill_value=3))": (
        "x.copy_(torch.full(size=(ys(),), fill_value=3, pin_memory=True), non_blocking=True)"
    ),
    "x.copy_(torch.full((3,), 5, pin_memory=ys()))": (
        "x.copy_(torch.full((3,), 5, pin_memory=ys()).pin_memory(), non_blocking=True)"
    ),
    "x.copy_(torch.tensor(5, pin_memory=ys()))": (
        "x.copy_(torch.tensor(5, pin_memory=ys()).pin_memory(), non_blocking=True)"
    ),
    "y = torch.cat((torch.ones(3, pin_memory=ys()), torch.zeros(3))).to('cuda')": (
        "y = torch.cat((torch.ones(3, pin_memory=ys()), torch.zeros(3))).pin_memory().to('cuda', non_blocking=True)"
    ),
}


@pytest.mark.parametrize(("before", "after"), REWRITTEN.items(), ids=list(REWRITTEN))
def test_rewritten(before: str, after: str) -> None:
    assert apply(body(before)) == body(after)


def the_fix(text: str) -> Fix:
    (finding,) = lint(text)
    assert finding.fix is not None
    return finding.fix


FITS = "the value may not fit the dtype"


@pytest.mark.parametrize(
    ("line", "applicability", "reasons"),
    [
        ("y = x.new_tensor(1e4)", UNSAFE, (FITS,)),
        ("y = x.new_tensor(1e4, dtype=torch.float64)", SAFE, ()),
        ("y = x.new_tensor([-1], dtype=torch.uint8)", UNSAFE, (FITS,)),
        (
            "x = x.cuda(); y = x.new_tensor([1, 5], pin_memory=ys())",
            UNSAFE,
            ("an argument that is left out may do something",),
        ),
        ("y = x.new_tensor(xs, device=d)", UNSAFE, ("d is not proven to be CUDA or ROCm (assume-cuda)",)),
        ("x.copy_(torch.full((3,), 127))", SAFE, ()),
        (
            "x.copy_(torch.full((3,), 128))",
            UNSAFE,
            ("the number may be rounded, or be out of range, in one dtype and not in the other",),
        ),
    ],
)
def test_how_far_a_fix_is_trusted(line: str, applicability: Applicability, reasons: tuple[str, ...]) -> None:
    fix = the_fix(body(line))
    assert (fix.applicability, fix.reasons) == (applicability, reasons)


def test_a_number_that_may_not_fit_is_pinned_where_that_is_safe() -> None:
    after = apply(body("y = x.new_tensor(1e4)"), Options(assume_cuda=True))
    assert after == body(
        "y = torch.tensor(1e4, dtype=x.dtype, pin_memory=True).to(x.device, non_blocking=True)"
    )


@pytest.mark.parametrize(
    ("move", "applicability"),
    [
        ("torch.zeros(n).to(g())", SAFE),
        # The device took its place before the dtype is evaluated.
        ("torch.zeros(n, device='cpu', dtype=h()).to(g())", UNSAFE),
    ],
)
def test_a_device_that_is_evaluated_elsewhere(move: str, applicability: Applicability) -> None:
    text = (
        "import torch\n\n\ndef g() -> torch.device: ...\ndef h() -> torch.dtype: ...\n\n\n"
        f"def f(n: int):\n    y = {move}\n"
    )
    fix = the_fix(text)
    assert fix.edits and fix.applicability is applicability


LOCAL = "def f(x: torch.Tensor, xs: list[int]):\n    {}\n    return x.new_tensor(xs)\n"


@pytest.mark.parametrize(
    ("text", "title", "written"),
    [
        # No name for torch, so there is nothing to call.
        (
            "from torch import Tensor\n\n\ndef f(x: Tensor, xs: list[int]):\n    return x.new_tensor(xs)\n",
            "Copy from pinned memory without blocking",
            None,
        ),
        (
            "from torch.cuda import FloatTensor\n\n\ndef f():\n    return FloatTensor([0.5])\n",
            "Copy from pinned memory without blocking",
            None,
        ),
        # Two names, of which a parameter hides one.
        (
            "import torch\nimport torch as th\n\n\ndef f(torch):\n    return th.cuda.FloatTensor([0.5])\n",
            "Make the tensor on the device with torch.full",
            'return th.full((1,), 0.5, dtype=th.float32, device="cuda")\n',
        ),
        *(
            (f"import torch\n\n\n{LOCAL.format(hidden)}", "Copy from pinned memory without blocking", None)
            for hidden in (
                "from compat import torch",
                "import compat as torch",
                "def torch(): pass",
                "class torch: pass",
            )
        ),
        *(
            (
                f"import torch\n\n\n{LOCAL.format(same)}",
                "Copy from pinned memory without blocking",
                "return torch.tensor(xs, dtype=x.dtype, pin_memory=True)",
            )
            for same in ("import torch", "import torch.nn", "global torch")
        ),
    ],
)
def test_the_name_that_is_called(text: str, title: str, written: str | None) -> None:
    fix = the_fix(text)
    assert fix.title == title
    if written is None:
        assert fix.applicability is DISPLAY and not fix.edits
    else:
        assert written in apply(text)


def test_attributes_of_the_same_object() -> None:
    text = (
        "import torch\n\n\nclass A:\n    def __init__(self):\n        self.x = torch.zeros(3, device='cuda')\n"
        "        self.k = [1, 2]\n\n    def f(self):\n        return self.x.new_tensor(self.k)\n"
    )
    assert the_fix(text).applicability is SAFE
    written = "torch.tensor(self.k, dtype=self.x.dtype, pin_memory=True).to(self.x.device, non_blocking=True)"
    assert written in apply(text)


def test_an_index_of_a_list_of_integers() -> None:
    text = (
        "import torch\n\n\ndef f(xs: list[int]):\n    x = torch.zeros(3, device='cuda')\n"
        "    i = torch.tensor(xs, device='cuda')\n    x[i] = 0.5\n"
    )
    assert "x[i] = torch.full((), 0.5, dtype=x.dtype, device=x.device)" in apply(text)


@pytest.mark.parametrize(
    "move", ["p.T.to('cuda', torch.float64, non_blocking=True)", "x.copy_(p.T, non_blocking=True)"]
)
def test_a_converted_transposed_view_is_not_cloned(move: str) -> None:
    fix = the_fix(body(f"p = torch.zeros(4, 3000000).pin_memory()[:, :2000000]; y = {move}"))
    assert (fix.applicability, fix.title) == (
        DISPLAY,
        "Move the whole tensor, and take the part on the device",
    )


@pytest.mark.parametrize(
    "line",
    [
        # No device: a number, and no tensor: None.
        "k = 3.5; y = torch.tensor(xs).to(k)",
        "t = None; t.copy_(torch.tensor(xs))",
        # On the host by its name.
        "ys.cpu_buf.copy_(torch.tensor(xs))",
        "(x + 1).copy_(torch.tensor(xs))",
    ],
)
def test_not_reported(line: str) -> None:
    assert lint(body(line)) == []


def told(line: str) -> Finding:
    (finding,) = lint(body(line))
    return finding


@pytest.mark.parametrize(
    ("line", "confidence"),
    [
        ("y = t.to('cuda')", Confidence.MEDIUM),
        ("s = {'a': t}; y = s['a'].to('cuda')", Confidence.LOW),
    ],
)
def test_a_tensor_on_the_host_on_one_branch(line: str, confidence: Confidence) -> None:
    source = "t = torch.zeros(4, device='cuda') if ys else torch.zeros(4)"
    assert told(f"{source}; {line}").confidence is confidence


def test_a_batch_is_no_factory() -> None:
    text = (
        "import torch\nfrom transformers import AutoTokenizer\n\n\ndef f(xs: list):\n"
        "    b = AutoTokenizer.from_pretrained('x')(xs, return_tensors='pt')\n"
        "    b['x'] = torch.zeros(3)\n    b.to('cuda')\n"
    )
    assert [finding.code for finding in lint(text)] == ["HTD201"]


@pytest.mark.parametrize(
    ("line", "evidence"),
    [
        ("y = torch.tensor(xs).to(d)", "device: parameter d: torch.device"),
        ("y = torch.tensor(xs).to(x)", "device: x (a tensor)"),
        ("y = torch.tensor(xs).to(ys)", "device: ys, not known to be a device"),
        ("device = ys; y = torch.tensor(xs).to(device)", "device: device, by its name"),
        (
            "ys.weight.copy_(torch.tensor(xs))",
            "destination: ys.weight, named as a parameter, which is written once as a rule",
        ),
        (
            "t = torch.zeros(3, device='cuda'); t.copy_(torch.tensor(xs))",
            "destination: t: torch.zeros() at line 6: on CUDA",
        ),
        ("x.copy_(torch.tensor(xs))", "destination: parameter x: torch.Tensor: a tensor, not known where"),
    ],
)
def test_evidence(line: str, evidence: str) -> None:
    assert told(line).evidence[1] == evidence
