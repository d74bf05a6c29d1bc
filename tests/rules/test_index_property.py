"""Indexing and assigning: a fix gives the same tensors afterwards, whatever the tensor, the index and the value were.

Here on the stand-in for a CUDA device; ``tests/gpu/test_properties.py`` runs the same programs on a real one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from h2dlint.engine.edits import apply_edits
from h2dlint.model import Applicability, Options
from h2dlint.rules import all_rules, check_module
from h2dlint.syntax.source import SourceText
from tests.gpu.compare import differences
from tests.rules.running import Outcome, outcome
from tests.rules.simulated_cuda import Counts, simulated_cuda

tensors = st.sampled_from(
    """torch.zeros(4,3,device="cuda") torch.ones(4,device="cuda",dtype=dt) torch.arange(12.0,device="cuda").view(4,3)
    torch.zeros(n+1,device="cuda") torch.ones(2,4,3,device=d,dtype=dt) torch.arange(4,device=d) x.cuda() x.to(d)
    torch.full((4,n+1),2.5,device="cuda") torch.zeros(4,3,device="cuda",dtype=torch.bool) x.cuda().t()
    torch.arange(12.0,device="cuda").view(4,3)[:,1:] torch.zeros(0,3,device="cuda")
    torch.zeros(4,3,device="cuda").requires_grad_()""".split()
)
parts = st.sampled_from(
    """0 1 -1 n : 1: ::2 None ... [0] [0,2] [2,1,0] [-1] [n,0] xs ys range(2) range(n) range(1,3) list(range(2)) [0]*2
    (0,1) torch.tensor([0,1]) torch.tensor(xs) torch.arange(2) torch.arange(n) a rows here here[:1] rows[:2]
    [True,False,True] np.array([1,0]) np.int64(1) t.argmax(dim=-1) t.argsort() torch.tensor(1) rows.pin_memory()
    wide mask t>1 torch.tensor([0,1],dtype=torch.int32) torch.zeros(2,dtype=torch.int64) torch.tensor(bs)""".split()
)
index = st.lists(parts, min_size=1, max_size=3).map(",".join)
scalars = st.sampled_from("0 3 -1 2.5 True n f 1j 300 float('inf') -f 2**40 t.shape[0] 1e40".split())
stored = st.one_of(
    scalars,
    st.sampled_from(
        """torch.tensor(2.0) torch.tensor([1,2,3]) torch.tensor(xs) torch.ones(3) torch.zeros(3,dtype=dt) x x[0]
        torch.arange(3) torch.from_numpy(f3) torch.tensor(n) t[0] torch.tensor(0.5,dtype=dt) rows x.pin_memory()
        torch.ones(3).expand(4,3) torch.ones(())""".split()
    ),
)
operands = st.sampled_from(
    """torch.tensor(0.0) torch.tensor(n) torch.tensor(f) torch.tensor(True) torch.tensor(1,dtype=dt) zero 0.0 n t
    t[0] torch.tensor(float("-inf")) torch.tensor([2.0]) torch.tensor(1e40) torch.zeros_like(t)
    torch.tensor(2**40)""".split()
)
statements = st.one_of(
    index.map(lambda i: f"result = t[{i}]"),
    st.tuples(index, stored).map(lambda v: f"t[{v[0]}] = {v[1]}"),
    st.tuples(index, index, scalars).map(lambda v: f"t[{v[0]}][{v[1]}] = {v[2]}"),
    index.map(lambda i: f"t[{i}] += 1"),
    st.tuples(operands, operands).map(lambda v: f"result = torch.where(t > 0, {v[0]}, {v[1]})"),
    operands.map(lambda o: f"result = t.where(t > 0, {o})"),
    stored.map(lambda v: f"t.index_put_((here,), {v})"),
)

MODULE = """\
import numpy as np
import torch

def make(n: int, f: float, xs: list[int], ys: list, bs: list[bool], x: torch.Tensor, a: np.ndarray, f3: np.ndarray,
         mask: torch.Tensor, dt: torch.dtype, d: torch.device):
    rows = torch.tensor([1, 0, 2])
    here = torch.arange(2, device="cuda")
    wide = torch.ones(1, dtype=torch.int64).expand(2)
    zero = torch.tensor(0.0)
    t = {tensor}
    result = None
    {statement}
    rows.add_(1)
    xs.append(0)
    return t, result
"""

arguments = st.fixed_dictionaries(
    {
        "n": st.integers(0, 3),
        "f": st.sampled_from([0.0, 0.5, -3.0, 1e39]),
        "xs": st.sampled_from([[], [1], [0, 2], [3, 1, 0]]),
        "ys": st.sampled_from([[], [1], [0, 2], [True, False, True, False]]),
        "bs": st.sampled_from([[True, False, True, False], [True, False, True]]),
        "dt": st.sampled_from(["float32", "int64", "float16", "bool", "int8"]),
        "x": st.sampled_from(
            ["ones(4, 3)", "arange(12).view(4, 3)", "zeros(3)", "zeros(4, 3, dtype=torch.float64)"]
        ),
    }
)

Device = Callable[[], AbstractContextManager[Counts | None]]


def run(source: str, values: dict[str, Any], device: Device) -> tuple[Outcome, Counts | None]:
    scope: dict[str, Any] = {}
    exec(compile(source, "module.py", "exec", dont_inherit=True), scope)
    given_values = dict(
        values,
        xs=list(values["xs"]),
        a=np.array([1, 0]),
        f3=np.arange(3.0),
        mask=torch.tensor([True, False, True, False]),
        d=torch.device("cuda", 0),
        dt=getattr(torch, values["dt"]),
        x=eval("torch." + values["x"], {"torch": torch}),
    )
    with device() as counts:
        return outcome(lambda: scope["make"](**given_values)), counts


def fixed(source: str) -> str:
    """The source with the fixes applied that are called safe where every device is CUDA, until there are no more."""
    rules = [rule for rule in all_rules() if rule.code.startswith("HTD3")]
    for _ in range(4):
        text = SourceText(source)
        edits = [
            finding.fix.edits
            for finding in check_module(text, "module.py", rules, Options(assume_cuda=True))
            if finding.fix is not None and finding.fix.applicability is Applicability.SAFE
        ]
        if not edits:
            break
        source = apply_edits(text, edits[0])
    return source


def disagreement(tensor: str, statement: str, values: dict[str, Any], device: Device = simulated_cuda) -> str:
    """How the fixed program differs from the original; empty where it does not, or where nothing is safe."""
    source = MODULE.format(tensor=tensor, statement=statement)
    after = fixed(source)
    if after == source:
        return ""
    new = after.split("result = None\n    ")[1].split("\n    rows.add_")[0]
    (first, waits), (second, fewer) = run(source, values, device), run(after, values, device)
    if first.error is not None:
        return ""
    if second.error is not None:
        return f"{statement} -> {new}: {second.error}"
    lines = differences(first.value, second.value)
    if waits is not None and fewer is not None and waits.waited and fewer.waited >= waits.waited:
        lines.append("waits as before")
    return "\n".join(f"{statement} -> {new}: {line}" for line in lines)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(tensors, statements, arguments)
def test_a_safe_fix_of_a_subscript_gives_the_same_tensors(
    tensor: str, statement: str, values: dict[str, Any]
) -> None:
    assert not disagreement(tensor, statement, values)
