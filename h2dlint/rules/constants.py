"""Rung 1 of the fix ladder: data for which a device factory makes the same tensor without a copy.

Each condition was measured (``docs/safety.md``): ``torch.full`` raises for a float beyond float32 where
``torch.tensor`` gives inf, takes a NumPy scalar for another dtype, and a list that may be empty is float32.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Confidence

_MAX = {
    "float64": float("inf"),
    "float32": 3.4028234663852886e38,
    "bfloat16": 3.3895313892515355e38,
    "float16": 65504.0,
    "complex128": float("inf"),
    "complex64": 3.4028234663852886e38,
}
"""The largest finite number of each dtype, beyond which ``torch.full`` raises and ``torch.tensor`` gives inf."""
_INTEGRAL = {
    "int64": (-(2**63), 2**63 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int8": (-128, 127),
    "uint8": (0, 255),
    "bool": (-(2**63), 2**63 - 1),
}
_ARANGE = {
    "int64": 2**63 - 1,
    "int32": 2**31 - 1,
    "int16": 2**15 - 1,
    "int8": 127,
    "uint8": 255,
    "float64": 2**53,
    "float32": 2**24,
    "float16": 2**11,
    "bfloat16": 2**8,
}
"""Dtypes that ``torch.arange`` has, with the largest int up to which each holds every int."""
Values = Callable[[ast.expr], Value]


@dataclass(slots=True)
class Constant:
    """Data that has a factory.

    Args:
        function: ``full`` or ``arange``.
        shape: source of the shape, for ``full``.
        fill: the expression that every element is, for ``full``.
        counts: how often lists of one are repeated, outermost first.
        arguments: the arguments of ``range``, for ``arange``.
        reasons: why the factory may differ from the constructor.
    """

    function: str
    shape: str = ""
    fill: ast.expr | None = None
    counts: list[ast.expr] = field(default_factory=list)
    arguments: list[ast.expr] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def constant_form(data: ast.expr, values: Values, dtype: Value | None) -> Constant | None:
    """How a factory would make the tensor of ``data``; ``None`` where none does.

    Args:
        data: the data argument of a tensor constructor.
        values: evaluates an expression.
        dtype: value of the dtype argument, ``None`` where it is not given.
    """
    value = values(data)
    if value.only(V.PYSCALAR):
        constant = Constant("full", "()", data)
        constant.reasons += _fill_reasons(value, dtype)
        return constant
    if isinstance(data, (ast.List, ast.Tuple)):
        return _consecutive(data, dtype) or _display(data, values, dtype)
    if isinstance(data, ast.BinOp) and isinstance(data.op, ast.Mult):
        return _repeated(data, values, dtype)
    if isinstance(data, ast.Call):
        return _range(data, values, dtype)
    return None


def small_int(value: Value) -> bool:
    """An int that is a length or a literal: never negative, never beyond int64."""
    return value.only(Kind.INT) and value.natural


def _dtype_name(dtype: Value | None) -> str | None:
    """``None`` without a dtype argument, ``"?"`` where it is not known."""
    if dtype is None or dtype.only(Kind.NONE):
        return None
    return (None if dtype.may(Kind.NONE) else dtype.dtype) or "?"


def _may_be_unset(dtype: Value | None) -> bool:
    """The constructor may choose the dtype by the data: float32 where there is none."""
    return dtype is None or dtype.may(Kind.NONE)


def _fill_reasons(value: Value, dtype: Value | None, may_be_empty: bool = False) -> list[str]:
    """Why ``torch.full`` of a value may raise, or give another tensor.

    Args:
        may_be_empty: there may be no element, so that a value which does not fit raises in the factory only.
    """
    name = _dtype_name(dtype)
    if value.confidence is not Confidence.HIGH:
        return ["the kind of the value rests on weak evidence"]
    if value.only(Kind.BOOL):
        return []
    if value.const is not V.MISSING:
        return [] if _literal_fits(value.const, name) else ["the value may not fit the dtype"]
    if value.only(Kind.INT | Kind.BOOL):
        if small_int(value) and name in (None, "int64", "int32", "float32", "float64", "bfloat16"):
            return []
        if (name is None or name in _INTEGRAL) and not may_be_empty:
            # One that does not fit raises in both forms.
            return []
        return ["an int that does not fit raises in one form and not in the other"]
    if name == "float64" and value.only(Kind.FLOAT):
        return []
    return ["torch.full raises for a float beyond float32, where torch.tensor gives inf"]


def scalar_fits(value: Value, dtype: Value | None) -> bool:
    """``torch.scalar_tensor`` holds a value; one that does not fit overflows on the host, and raises on the device."""
    name = _dtype_name(dtype) or "float32"
    if value.confidence is not Confidence.HIGH:
        return False
    if value.const is not V.MISSING:
        return _literal_fits(value.const, name)
    if value.only(Kind.INT | Kind.BOOL):
        # An integer has 64 bits.
        return value.only(Kind.BOOL) or name in ("float32", "float64", "bfloat16")
    return name == "float64" and value.only(Kind.FLOAT | Kind.INT | Kind.BOOL)


def _literal_fits(constant: Any, dtype: str | None) -> bool:
    if isinstance(constant, bool):
        return True
    if isinstance(constant, int):
        low, high = _INTEGRAL.get(dtype or "int64", (-127, 127))
        if dtype in _MAX:
            low, high = _INTEGRAL["int64"]
            return low <= constant <= high and abs(constant) <= _MAX[dtype]
        return low <= constant <= high
    if isinstance(constant, float):
        if constant != constant or abs(constant) == float("inf"):
            # Both forms raise for an integral dtype, but with another exception type.
            return dtype in (None, "float32", "float64", "float16", "bfloat16")
        return abs(constant) <= _MAX.get(dtype or "float32", 100.0)
    return (
        isinstance(constant, complex)
        and dtype in (None, "complex64", "complex128")
        and abs(constant) < _MAX["complex64"]
    )


def _display(data: ast.List | ast.Tuple, values: Values, dtype: Value | None) -> Constant | None:
    """``[c]``, ``[[0.0, 0.0]]``: every leaf is the same."""
    shape: list[int] = []
    leaves: list[ast.expr] = [data]
    while leaves and all(isinstance(leaf, (ast.List, ast.Tuple)) for leaf in leaves):
        sizes = {len(leaf.elts) for leaf in leaves if isinstance(leaf, (ast.List, ast.Tuple))}
        if len(sizes) != 1 or 0 in sizes:
            return None
        shape.append(sizes.pop())
        leaves = [item for leaf in leaves if isinstance(leaf, (ast.List, ast.Tuple)) for item in leaf.elts]
    if any(isinstance(leaf, ast.Starred) for leaf in leaves):
        return None
    first = values(leaves[0])
    if not first.only(V.PYSCALAR):
        return None
    if len(leaves) > 1 and not all(_literal(leaf) for leaf in leaves):
        return None
    if len(leaves) > 1:
        constants = [values(leaf).const for leaf in leaves]
        if constants[0] is V.MISSING or any(
            type(c) is not type(constants[0]) or repr(c) != repr(constants[0]) for c in constants
        ):
            return None
    text = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    constant = Constant("full", text, leaves[0])
    constant.reasons += _fill_reasons(first, dtype)
    return constant


def _literal(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        node = node.operand
    return isinstance(node, ast.Constant)


def _repeated(data: ast.BinOp, values: Values, dtype: Value | None) -> Constant | None:
    """``[c] * n``, ``n * [c]`` and such lists of such lists."""
    found = _times(data)
    if found is None:
        return None
    item, count = found
    counts = [count]
    while isinstance(item, ast.BinOp) and isinstance(item.op, ast.Mult) and values(item).only(Kind.SEQ):
        found = _times(item)
        if found is None:
            return None
        item, inner = found
        counts.append(inner)
    value = values(item)
    times = [values(count) for count in counts]
    if not value.only(V.PYSCALAR) or not all(time.only(Kind.INT) for time in times):
        return None
    shape = "(" + ", ".join(map(ast.unparse, counts)) + ("," if len(counts) == 1 else "") + ")"
    constant = Constant("full", shape, item, counts)
    nonempty = all(isinstance(time.const, int) and time.const > 0 for time in times)
    constant.reasons += _fill_reasons(value, dtype, may_be_empty=not nonempty)
    if not all(small_int(time) for time in times):
        constant.reasons.append("a negative count gives an empty list where a factory raises")
    if not nonempty and len(counts) > 1:
        constant.reasons.append("an empty list of lists has one dimension")
    if not nonempty and _may_be_unset(dtype) and not value.only(Kind.FLOAT):
        constant.reasons.append("without a dtype an empty list is float32")
    return constant


def _times(data: ast.BinOp) -> tuple[ast.expr, ast.expr] | None:
    """The element and the count of ``[c] * n``."""
    sides = (data.left, data.right)
    lists = [s for s in sides if isinstance(s, (ast.List, ast.Tuple)) and len(s.elts) == 1]
    if len(lists) != 1 or isinstance(lists[0].elts[0], ast.Starred):
        return None
    return lists[0].elts[0], sides[1] if sides[0] is lists[0] else sides[0]


def _consecutive(data: ast.List | ast.Tuple, dtype: Value | None) -> Constant | None:
    """``[0, 1, 2]``, written out."""
    numbers = [item.value for item in data.elts if isinstance(item, ast.Constant) and type(item.value) is int]
    if len(numbers) < 3 or len(numbers) < len(data.elts):
        return None
    end = numbers[0] + len(numbers)
    limit = _ARANGE.get(_dtype_name(dtype) or "int64", 0)
    if numbers != list(range(numbers[0], end)) or end > limit:
        return None
    bounds = [numbers[0], end] if numbers[0] else [end]
    return Constant("arange", arguments=[ast.Constant(bound) for bound in bounds])


def _range(data: ast.Call, values: Values, dtype: Value | None) -> Constant | None:
    """``range(..)`` and ``list(range(..))``."""
    func = values(data.func).qual
    if (
        func in ("builtins.list", "builtins.tuple")
        and len(data.args) == 1
        and isinstance(data.args[0], ast.Call)
    ):
        return _range(data.args[0], values, dtype)
    if func != "builtins.range" or not data.args or data.keywords:
        return None
    if any(isinstance(arg, ast.Starred) for arg in data.args):
        return None
    name = _dtype_name(dtype)
    limit = _ARANGE.get(name or "int64", 0)
    if not limit and name != "?":
        return None
    constant = Constant("arange", arguments=list(data.args))
    bounds = [values(arg).const for arg in data.args]
    size = values(data).size
    if size is None:
        if len(data.args) > 1 or not small_int(values(data.args[0])):
            constant.reasons.append("an empty or negative range gives an empty list where arange raises")
        if limit < 2**31 - 1:
            constant.reasons.append("arange rounds a long range in the dtype itself")
    elif size == 0:
        return None
    elif max(abs(bound) for bound in bounds) > max(limit, 127):
        constant.reasons.append("arange rounds a long range in the dtype itself")
    if name == "?":
        constant.reasons.append("arange is not there for every dtype")
    if not size and _may_be_unset(dtype):
        constant.reasons.append("without a dtype an empty list is float32")
    return constant
