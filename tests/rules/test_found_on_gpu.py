"""Wrong fixes that drawn programs showed on a GPU, and not elsewhere: ``tests.gpu.differential``, seeds 12 and 13."""

from __future__ import annotations

from pathlib import Path

import pytest

from h2dlint.engine.modules import Projects
from h2dlint.engine.runner import lint_source
from h2dlint.engine.settings import Settings
from h2dlint.model import Applicability
from tests.rules.test_fixes import lint

UNDER = {
    "another name of torch": """\
import torch as th

def made():
    return th.ones(3)

def f(y: th.Tensor):
    with th.device("cuda"):
        h = made()
    y.copy_(h)
    g = th.zeros(3, device="cuda")
    g.copy_(h)
""",
    "a device that has a name": """\
import torch

def made():
    return torch.ones(3)

def f(y):
    target = torch.device("cuda")
    g = torch.zeros(3, device="cuda")
    with target:
        g.copy_(made())
""",
    "a parameter and a method": """\
import torch

class A:
    def made(self):
        return torch.ones(3)

    def f(self, where: torch.device):
        g = torch.zeros(3, device="cuda")
        with where:
            g.copy_(self.made())
""",
    "an attribute": """\
import torch

class A:
    def made(self):
        return torch.ones(3)

    def f(self):
        g = torch.zeros(3, device="cuda")
        with self.device:
            g.copy_(self.made())
""",
    "a function that the function calls": """\
import torch

def inner():
    h = torch.ones(3)
    torch.zeros(3, device="cuda").copy_(h)
    return h

def outer():
    return inner()

def f():
    g = torch.zeros(3, device="cuda")
    with torch.device("cuda"):
        g.copy_(outer())
""",
    "a function in the function": """\
import torch as th

def f():
    g = th.zeros(3, device="cuda")
    with th.device("cuda"):
        def made():
            return th.ones(3)
        h = made()
        g.copy_(h)
""",
}


@pytest.mark.parametrize("case", UNDER)
def test_nothing_is_pinned_that_may_be_on_the_device(case: str) -> None:
    assert not [f for f in lint(UNDER[case]) if f.fix and f.fix.applicability == Applicability.SAFE]
    # The same without the context is on the host.
    elsewhere = UNDER[case]
    for context in ('th.device("cuda")', 'torch.device("cuda"):', "where:", "target:", "self.device:"):
        elsewhere = elsewhere.replace(f"with {context.rstrip(':')}:", "if True:")
    assert [f for f in lint(elsewhere) if f.fix and f.fix.applicability == Applicability.SAFE]


def test_a_function_of_another_file(tmp_path: Path) -> None:
    """What a function makes depends on where it is called, also in another file."""
    (tmp_path / "made.py").write_text("import torch\n\ndef made():\n    return torch.ones(3)\n")
    text = """\
import torch
from made import made

def f():
    g = torch.zeros(3, device="cuda")
    g.copy_(made())
    with torch.device("cuda"):
        g.copy_(made())
    g.copy_(made())
"""
    path = tmp_path / "a.py"
    result = lint_source("a.py", text.encode(), Settings(), location=path, projects=Projects())
    assert [finding.span.line for finding in result.findings] == [6, 9]


PINNED = {
    "as_tensor of the array of a pinned tensor": """\
import torch

def f(d: torch.device):
    p = torch.zeros(3, pin_memory=True)
    h = torch.as_tensor(p.numpy())
    y = h.pin_memory().cuda(device=d)
    p.fill_(1)
    return y
""",
    "asarray": """\
import torch

def f(d: torch.device):
    p = torch.zeros(3, pin_memory=True)
    a = p.numpy()
    y = torch.asarray(a).cuda(device=d)
    a[0] = 1
    return y
""",
}


@pytest.mark.parametrize("case", PINNED)
def test_an_array_may_be_the_memory_of_a_pinned_tensor(case: str) -> None:
    findings = lint(PINNED[case])
    assert findings
    assert not [f for f in findings if f.fix and f.fix.applicability == Applicability.SAFE]


def test_an_array_that_numpy_made_is_not_pinned() -> None:
    source = (
        "import numpy as np\nimport torch\n\ndef f(d: torch.device):\n    h = torch.as_tensor(np.zeros(3))\n"
    )
    (finding,) = lint(source + "    return h.to('cuda')\n")
    assert finding.code == "HTD201" and finding.fix and finding.fix.applicability == Applicability.SAFE


@pytest.mark.parametrize(
    ("value", "on_device"),
    {
        "1e39, dtype=torch.float16": False,
        "1e39": False,
        "70000, dtype=torch.float16": False,
        "300, dtype=torch.uint8": False,
        "n, dtype=torch.float16": False,
        "z": False,
        "z, dtype=torch.float64": True,
        "n": True,
        "1.5, dtype=torch.float16": True,
        "2.0": True,
        "True, dtype=torch.uint8": True,
        "s=2.0": True,
    }.items(),
)
def test_a_scalar_that_does_not_fit_overflows_on_the_host_only(value: str, on_device: bool) -> None:
    source = f"import torch\n\ndef f(n: int, z: float):\n    return torch.scalar_tensor({value}).to('cuda')\n"
    (finding,) = lint(source)
    assert finding.fix is not None
    text = "".join(edit.content for edit in finding.fix.edits)
    assert ("pin_memory" not in text) == on_device, text
