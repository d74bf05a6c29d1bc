"""How hot code is, what speaks of streams, what is compiled, and where a call stands."""

from __future__ import annotations

import pytest

from h2dlint.model import Options
from tests.analysis.helper import analyse, calls_of

HOT, WARM, COLD = "hot", "warm", "cold"

CONTEXTS = {
    "mark()": COLD,
    "if __name__ == '__main__':\n    mark()": COLD,
    "def helper():\n    mark()": WARM,
    "def helper():\n    for i in range(3):\n        mark()": HOT,
    "def helper():\n    while True:\n        mark()": HOT,
    "def helper():\n    return [mark() for i in range(3)]": HOT,
    "def helper():\n    return [i for i in mark()]": WARM,
    "def helper():\n    for i in mark():\n        pass": WARM,
    "def helper():\n    for i in range(3):\n        pass\n    mark()": WARM,
    "def forward():\n    mark()": HOT,
    "class A:\n    def forward(self):\n        mark()": HOT,
    "class A:\n    def __init__(self):\n        mark()": COLD,
    "class A:\n    def __init__(self):\n        for i in range(3):\n            mark()": COLD,
    "class A:\n    def forward(self):\n        self.inner()\n    def inner(self):\n        mark()": HOT,
    "class A:\n    def forward(self):\n        self.one()\n    "
    "def one(self):\n        self.two()\n    def two(self):\n        mark()": HOT,
    "class A:\n    def __init__(self):\n        self._one()\n    def _one(self):\n        mark()": COLD,
    "class A:\n    def __init__(self):\n        self.one()\n    def one(self):\n        mark()": WARM,
    "class A:\n    def __init__(self):\n        self._one()\n    "
    "def forward(self):\n        self._one()\n    def _one(self):\n        mark()": HOT,
    "class B:\n    def inner(self):\n        mark()\nclass A(B):\n    def forward(self):\n        self.inner()": HOT,
    "def helper():\n    mark()\ndef forward():\n    helper()": HOT,
    "def helper():\n    mark()\ndef forward():\n    unknown(helper)": HOT,
    "def forward():\n    def inner():\n        mark()\n    return inner()": HOT,
    "class Batch:\n    def __init__(self):\n        mark()\ndef forward():\n    return Batch()": HOT,
    "def load_weights():\n    mark()": COLD,
    "def warmup():\n    mark()": COLD,
    "def test_it():\n    mark()": COLD,
    "class TestIt:\n    def helper(self):\n        mark()": COLD,
    "async def step():\n    mark()": HOT,
}


@pytest.mark.parametrize(("text", "expected"), CONTEXTS.items())
def test_context(text: str, expected: str) -> None:
    module, records = analyse(text)
    (record,) = calls_of(records, "mark")
    context, why = module.context(record)
    assert context.value == expected, why
    assert why.startswith(expected + ":")


@pytest.mark.parametrize(
    "path", ["tests/a.py", "pkg/test_a.py", "a_test.py", "examples/x.py", "conftest.py", "setup.py"]
)
def test_some_paths_are_cold(path: str) -> None:
    module, records = analyse("def forward():\n    mark()", path)
    assert module.context(calls_of(records, "mark")[0])[0].value == COLD


@pytest.mark.parametrize("path", ["latest.py", "pkg/contest.py", "attestation/a.py", "pkg/model.py"])
def test_others_are_not(path: str) -> None:
    module, records = analyse("def forward():\n    mark()", path)
    assert module.context(calls_of(records, "mark")[0])[0].value == HOT


def test_entry_points_can_be_named() -> None:
    text = "class Engine:\n    def tick(self):\n        mark()"
    for pattern in ("tick", "Engine.*", "Engine.tick"):
        module, records = analyse(text, options=Options(entry_points=(pattern,)))
        assert module.context(calls_of(records, "mark")[0])[0].value == HOT
    module, records = analyse(text, options=Options(entry_points=("Other.tick",)))
    assert module.context(calls_of(records, "mark")[0])[0].value == WARM


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s = torch.cuda.Stream()", True),
        ("with torch.cuda.stream(s): pass", True),
        ("e = torch.cuda.Event()", True),
        ("torch.cuda.current_stream().wait_stream(s)", True),
        ("t = threading.Thread(target=f)", True),
        ("ThreadPoolExecutor()", True),
        ("x = upstream(3)", False),
        ("streaming = True", False),
        ("x = bitstream.read()", False),
    ],
)
def test_what_speaks_of_streams(text: str, expected: bool) -> None:
    module, _ = analyse(text)
    assert bool(module.streams()) is expected


@pytest.mark.parametrize(
    ("decorator", "expected"),
    [
        ("@torch.compile", True),
        ("@torch.compile(dynamic=True)", True),
        ("@torch.jit.script", True),
        ("@functools.cache", False),
        ("@torch.no_grad()", False),
        ("@compiled_by_hand", False),
    ],
)
def test_compiled(decorator: str, expected: bool) -> None:
    module, records = analyse(f"{decorator}\ndef f():\n    def g():\n        mark()\n    return g")
    (record,) = calls_of(records, "mark")
    assert bool(module.compiled(record.function)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import torch", "torch"),
        ("import torch as th", "th"),
        ("from torch import tensor", None),
        ("import numpy", None),
    ],
)
def test_the_name_of_torch(text: str, expected: str | None) -> None:
    module, _ = analyse(text)
    assert module.name_of_torch(None) == expected


def test_a_call_knows_its_function_and_statement() -> None:
    module, records = analyse("class A:\n    def f(self):\n        x = (1 +\n             mark())\n")
    (record,) = calls_of(records, "mark")
    assert record.function is not None
    assert record.function.name == "A.f"
    assert (record.statement.lineno, record.node.lineno) == (3, 4)
    assert module.call_of(record.node) is record


def test_the_callee_is_known_through_every_alias() -> None:
    text = """\
    import torch
    import torch as th
    import torch.nn.functional as F
    from torch import tensor, tensor as t
    from torch.nn import functional
    make = torch.tensor
    def f():
        torch.tensor(1), th.tensor(1), tensor(1), t(1), make(1)
        F.relu(1), functional.relu(1), torch.nn.functional.relu(1)
    """
    _, records = analyse(text)
    assert [r.callee for r in records] == ["torch.tensor"] * 5 + ["torch.nn.functional.relu"] * 3
    assert all(r.method is None for r in records)
