"""HTD103 calls a fix safe: then the factory makes the same tensor as the constructor, wherever that one ran."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from h2dlint.engine.edits import apply_edits
from h2dlint.model import Applicability, Finding, Options
from h2dlint.rules import all_rules, check_module
from h2dlint.syntax.source import SourceText
from tests.gpu.compare import differences
from tests.rules.running import Outcome, outcome

DTYPES = (
    "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128 float8_e4m3fn "
    "float8_e5m2 uint16 uint32 uint64 half long int double"
).split()

INTS = [
    0,
    1,
    -1,
    2,
    3,
    127,
    128,
    -128,
    -129,
    255,
    256,
    2**15,
    2**24 + 1,
    2**31 - 1,
    2**31,
    -(2**31) - 1,
    2**53 + 1,
]
INTS += [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 10**30, 448, 449, 60000, 70000, 65504]
FLOATS = [
    0.0,
    -0.0,
    0.1,
    0.5,
    -1.5,
    2.7,
    300.0,
    1e-8,
    5e-324,
    1e-45,
    65504.0,
    65520.0,
    7e4,
    448.0,
    500.0,
    6e4,
]
FLOATS += [
    3.4028234663852886e38,
    3.4028235e38,
    3.40282356e38,
    3.5e38,
    1e39,
    1e308,
    float("inf"),
    -float("inf"),
]
FLOATS += [float("nan"), -3.5e38, 9.3e18, 1e19, -9.3e18, 2.0**31, 2.0**63, 99.0, 100.0]
COMPLEX = [1j, 2.5j, 1e39j, 0j, 1e308j, 3.5e38j]


def literal(value: complex | bool) -> str:
    """Source of a literal; an infinity is one too large to hold, NaN has no literal."""
    text = repr(value)
    if value != value:
        return 'float("nan")'
    return text.replace("inf", "1e999")


scalars = st.one_of(
    st.sampled_from([literal(v) for v in [*INTS, *FLOATS, *COMPLEX, True, False]]),
    st.integers().map(literal),
    st.floats(allow_nan=False).map(literal),
    st.sampled_from(
        "n f b c m k len(xs) x.shape[0] x.numel() x.size(0) f**0.5 n*n -n -len(xs) n//2 n%7 +b".split()
    ),
    st.sampled_from(
        ["float('inf')", "float('nan')", "int(f)", "abs(n)", "not b", "n if b else f", "max(n, 1)"]
    ),
)
counts = st.one_of(
    st.integers(-2, 4).map(str),
    st.sampled_from(
        "k len(xs) len(xs)-1 -len(xs) m x.shape[0] x.numel() x.shape[0]-3 len(xs)//2 b True".split()
    ),
)
bounds = st.one_of(
    st.integers(-4, 9).map(str), st.sampled_from("k m len(xs) x.shape[0] len(xs)-3 -len(xs)".split())
)
steps = st.sampled_from("1 2 3 -1 -2 k len(xs)".split())
ranges = st.one_of(
    bounds.map(lambda stop: f"range({stop})"),
    st.tuples(bounds, bounds).map(lambda b: f"range({b[0]}, {b[1]})"),
    st.tuples(bounds, bounds, steps).map(lambda b: f"range({b[0]}, {b[1]}, {b[2]})"),
    st.sampled_from(
        ["range(250, 260)", "range(2**24, 2**24 + 4)", "range(16777216, 16777220)", "range(30000, 70000)"]
    ),
    st.sampled_from(
        ["range(2048, 2054)", "range(250, 260, 1)", "range(-130, 2)", "range(5, 0, -1)", "range(0)"]
    ),
)
data = st.one_of(
    scalars,
    scalars.map(lambda v: f"[{v}]"),
    scalars.map(lambda v: f"({v},)"),
    scalars.map(lambda v: f"[{v}, {v}, {v}]"),
    scalars.map(lambda v: f"[[{v}, {v}], [{v}, {v}]]"),
    scalars.map(lambda v: f"[[{v}]]"),
    st.tuples(scalars, scalars).map(lambda v: f"[{v[0]}, {v[1]}]"),
    st.tuples(scalars, counts).map(lambda v: f"[{v[0]}] * ({v[1]})"),
    st.tuples(scalars, counts).map(lambda v: f"({v[1]}) * ({v[0]},)"),
    ranges,
    ranges.map(lambda r: f"list({r})"),
    ranges.map(lambda r: f"tuple({r})"),
)
UNSURE = ["dt", "x.dtype", "dt if b else None", "torch.float16 if b else torch.int64", "dn"]
dtypes = st.one_of(
    st.none(), st.just("None"), st.sampled_from([f"torch.{name}" for name in DTYPES]), st.sampled_from(UNSURE)
)
calls = st.one_of(
    st.tuples(st.sampled_from(["torch.tensor", "torch.as_tensor", "torch.asarray"]), data, dtypes).map(
        lambda v: f"{v[0]}({v[1]}, device=d" + (f", dtype={v[2]})" if v[2] else ")")
    ),
    st.tuples(data, dtypes).map(lambda v: f"x.new_tensor({v[0]}" + (f", dtype={v[1]})" if v[1] else ")")),
    st.tuples(data, dtypes).map(
        lambda v: f"torch.tensor({v[0]}" + (f", dtype={v[1]})" if v[1] else ")") + ".to(d)"
    ),
)

DEVICE = "cpu"
"""The factories that are called safe are so on every device; on the GPU this is another one."""

MODULE = """\
import torch

def make(
    n: int, f: float, b: bool, c: complex, k: int, xs: list, x: torch.Tensor, dt: torch.dtype, d: torch.device, dn
):
    m = len(xs)
    if b:
        m = -m
    return {call}
"""

arguments = st.fixed_dictionaries(
    {
        "n": st.sampled_from(INTS) | st.integers(),
        "f": st.sampled_from(FLOATS) | st.floats() | st.sampled_from(INTS),
        "b": st.booleans(),
        "c": st.sampled_from(COMPLEX) | st.complex_numbers(),
        "k": st.integers(-2, 4),
        "xs": st.lists(st.just(0), max_size=3),
        "x": st.sampled_from([f"torch.zeros({n}, dtype=torch.{t})" for n in range(3) for t in DTYPES[:12]]),
        "dt": st.sampled_from(DTYPES[:12]),
        "dn": st.none() | st.sampled_from(DTYPES[:12]),
    }
)


def safe_findings(source: str) -> list[Finding]:
    found = check_module(SourceText(source), "module.py", all_rules(), Options())
    return [f for f in found if f.fix is not None and f.fix.applicability is Applicability.SAFE]


def run(source: str, given_arguments: dict[str, Any]) -> Outcome:
    scope: dict[str, Any] = {}
    exec(compile(source, "module.py", "exec", dont_inherit=True), scope)
    values = dict(given_arguments, d=torch.device(DEVICE))
    values["x"] = eval(values["x"], {"torch": torch})
    values["dt"] = getattr(torch, values["dt"])
    values["dn"] = values["dn"] and getattr(torch, values["dn"])
    return outcome(lambda: scope["make"](**values))


def disagreement(call: str, given_arguments: dict[str, Any]) -> str:
    """How the safely fixed call differs from the original; empty where it does not, or where nothing is safe."""
    source = MODULE.format(call=call)
    found = safe_findings(source)
    if not found:
        return ""
    fix = found[0].fix
    assert fix is not None
    after = apply_edits(SourceText(source), fix.edits)
    first, second = run(source, given_arguments), run(after, given_arguments)
    new = after.rsplit("return ", 1)[1].strip()
    if first.error is not None:
        # Safe speaks of the input on which the original ran.
        return ""
    if second.error is not None:
        return f"{call} -> {new}: {second.error}"
    return "\n".join(f"{call} -> {new}: {line}" for line in differences(first.value, second.value))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(calls, arguments)
def test_a_safe_factory_makes_the_same_tensor(call: str, given_arguments: dict[str, Any]) -> None:
    assert not disagreement(call, given_arguments)
