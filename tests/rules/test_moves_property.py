"""A move whose fix is called safe gives the same tensor afterwards, whatever was moved and through which views."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from h2dlint.engine.edits import apply_edits
from h2dlint.syntax.source import SourceText
from tests.gpu.compare import differences
from tests.rules.running import Outcome, outcome
from tests.rules.simulated_cuda import Counts, simulated_cuda
from tests.rules.test_constants_property import safe_findings

DTYPE = st.sampled_from(
    ["", ", dtype=torch.int32", ", dtype=torch.float64", ", dtype=torch.bool", ", dtype=dt"]
)
SHAPE = st.sampled_from(
    ["3", "2, 3", "(2, 3)", "1, 2, 1", "n", "n, 2", "x.shape", "len(xs), 1", "0", "(3,)", "1"]
)
NUMBER = st.sampled_from(["0.1", "7", "True", "f", "n", "1e40", "-1", "1j"])

factories = st.one_of(
    st.tuples(st.sampled_from(["zeros", "ones"]), SHAPE, DTYPE).map(lambda v: f"torch.{v[0]}({v[1]}{v[2]})"),
    st.tuples(SHAPE, NUMBER, DTYPE).map(lambda v: f"torch.full(({v[0]},), {v[1]}{v[2]})"),
    st.tuples(
        st.sampled_from("5 n len(xs) 2,9 2,9,3 0.0,1.0,0.1 f 300 x.shape[0] 5,0,-2".split()), DTYPE
    ).map(lambda v: f"torch.arange({v[0]}{v[1]})"),
    st.tuples(st.sampled_from(["3", "2, 3", "n"]), DTYPE).map(lambda v: f"torch.eye({v[0]}{v[1]})"),
    st.tuples(SHAPE, DTYPE).map(lambda v: f"torch.empty({v[0]}{v[1]}).fill_(1)"),
    st.sampled_from(["torch.linspace(0, 1, 7)", "torch.tril_indices(3, 3)", "torch.hann_window(6)"]),
    st.tuples(
        st.sampled_from(["[3, 1, 2]", "xs", "[[1, 2], [3, 4]]", "[0.5, n]", "range(4)", "a"]), DTYPE
    ).map(lambda v: f"torch.tensor({v[0]}{v[1]})"),
    st.sampled_from(
        ["torch.as_tensor(xs)", "torch.asarray([1, 2], copy=True)", "torch.as_tensor(a)", "held", "x"]
    ),
    st.sampled_from(
        ["torch.from_numpy(a)", "torch.from_numpy(a.T)", "torch.from_numpy(np.broadcast_to(a, (2, 2, 3)))"]
    ),
    st.sampled_from(
        [
            "torch.LongTensor([3, 1])",
            "torch.Tensor([0.5])",
            "torch.FloatTensor(xs)",
            "torch.LongTensor(2, 3).fill_(1)",
        ]
    ),
    st.sampled_from(
        ["torch.cat([torch.zeros(2), torch.ones(2)])", "torch.zeros(3, requires_grad=True)", "wide", "kept"]
    ),
    st.sampled_from(
        [
            "torch.ones(2, 3, pin_memory=True)",
            "torch.arange(6).view(2, 3).pin_memory()",
            "torch.tensor(xs, pin_memory=True)",
        ]
    ),
)
steps = st.lists(
    st.sampled_from(
        """.view(-1) .reshape(-1) .unsqueeze(0) .unsqueeze(-1) .squeeze() .t() .T .flatten() .repeat(2) .repeat(2,1)
        .expand(2,-1) .expand(2,3) .contiguous() .clone() .float() .long() .half() .bool() .double() .int() [None]
        [::2] [1:] [0] [:,0] [:,:2] [:1] .narrow(0,0,1) .permute(1,0) .transpose(0,1) .sum(0) .cumsum(0) .detach()
        .data .mT .add(1) .neg()
        .to(torch.float32) .to(dt) .requires_grad_(False) .cpu() .pin_memory() .view_as(x) .expand_as(x) .swapaxes(0,1)
        .unfold(0,2,1)
        .masked_fill(x.bool(),1) .view(torch.uint8) .movedim(0,1) .diagonal() .broadcast_to(2,3)""".split()
    ),
    max_size=3,
).map("".join)
moves = st.sampled_from(
    """.to(d) .to("cuda") .cuda() .cuda(0) .to(device=d) .to(d,torch.float16) .to("cuda",torch.int64) .to(other)
    .type_as(other) .to(device=d,dtype=dt) .to("cuda",copy=True) .to(d,non_blocking=False) .to(other.device) .to(dt)
    .to("cuda",dtype=None)
    .to(d,non_blocking=True) .cuda(0,True) .to("cuda",torch.float64,True) .to(x) .cuda(device=d)
    .to(d,None,False,True) .to("cuda",torch.float64,False)""".split()
)

MODULE = """\
import numpy as np
import torch

def make(n: int, f: float, xs: list, a: np.ndarray, x: torch.Tensor, dt: torch.dtype, d: torch.device):
    other = torch.zeros(1, dtype=torch.float64, device="cuda")
    held = torch.tensor([3, 1, 2])
    kept = torch.ones(2, 3, pin_memory=True)
    there = torch.ones(2, 3, dtype=torch.int32, device="cuda")
    wide = torch.ones(3).expand(2, 3)
    if n:
        wide = torch.zeros(2, 3)
    result = {call}
    held.add_(1)
    kept.add_(1)
    a += 1
    return result
"""

arguments = st.fixed_dictionaries(
    {
        "n": st.integers(0, 3),
        "f": st.sampled_from([0.0, 0.5, 3.0, 1e39]),
        "xs": st.sampled_from([[], [3], [1, 2, 3], [0.5, 1.5]]),
        "x": st.sampled_from(["zeros(2, 3)", "ones(3)", "zeros(2, 3, dtype=torch.int32)"]),
        "dt": st.sampled_from(["float32", "int64", "float16", "bool"]),
    }
)


def run(source: str, values: dict[str, Any]) -> tuple[Outcome, Counts]:
    scope: dict[str, Any] = {}
    exec(compile(source, "module.py", "exec", dont_inherit=True), scope)
    given_values = dict(values, a=np.arange(6.0).reshape(2, 3), d=torch.device("cuda", 0))
    given_values["dt"] = getattr(torch, values["dt"])
    given_values["x"] = eval("torch." + values["x"], {"torch": torch})
    with simulated_cuda() as counts:
        return outcome(lambda: scope["make"](**given_values)), counts


def disagreement(call: str, values: dict[str, Any]) -> str:
    """How the safely fixed call differs from the original; empty where it does not, or where nothing is safe."""
    source = MODULE.format(call=call)
    found = safe_findings(source)
    edits = [edit for finding in found if finding.fix is not None for edit in finding.fix.edits]
    if not edits:
        return ""
    after = apply_edits(SourceText(source), edits)
    new = after.split("result = ")[1].split("\n    held")[0]
    (first, waits), (second, fewer) = run(source, values), run(after, values)
    if first.error is not None:
        return ""
    if second.error is not None:
        return f"{call} -> {new}: {second.error}"
    lines = differences(first.value, second.value)
    if waits.waited and fewer.waited >= waits.waited:
        lines.append("waits as before")
    if fewer.races > waits.races:
        lines.append("a source is written to while it is copied")
    return "\n".join(f"{call} -> {new}: {line}" for line in lines)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.tuples(factories, steps, moves).map("".join), arguments)
def test_a_safe_fix_of_a_move_gives_the_same_tensor(call: str, values: dict[str, Any]) -> None:
    assert not disagreement(call, values)


copies = st.sampled_from(
    """{y}.copy_({x}) {y}.copy_({x},True) {y}.copy_({x},non_blocking=True) {y}[:,:1].copy_({x}) {y}[1:].copy_({x})
    {y}[:,::2].copy_({x},non_blocking=True) {y}[0].copy_({x}) {y}.t().copy_({x})
    {y}.view(-1).copy_({x},False)""".split()
)
targets = st.sampled_from(["other", "there", "(there if n else other)", "there.data"])


@settings(max_examples=250, deadline=None, derandomize=True)
@given(factories, steps, copies, targets, arguments)
def test_a_safe_fix_of_a_copy_leaves_the_same_in_the_destination(
    factory: str, views: str, copy: str, target: str, values: dict[str, Any]
) -> None:
    assert not disagreement(copy.format(y=target, x=factory + views), values)
