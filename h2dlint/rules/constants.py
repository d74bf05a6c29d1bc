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

_FLOAT32_MAX = 3.4028234663852886e38
_WIDE = frozenset({"float64", "complex128", "int64"})
_INTEGRAL = frozenset({"int64", "int32", "int16", "int8", "uint8", "bool"})

Values = Callable[[ast.expr], Value]


@dataclass(slots=True)
class Constant:
    """Data that has a factory.

    Args:
        function: ``full`` or ``arange``.
        shape: source of the shape, for ``full``.
        fill: the expression that every element is, for ``full``.
        arguments: the arguments of ``range``, for ``arange``.
        reasons: why the factory may differ from the constructor.
    """

    function: str
    shape: str = ""
    fill: ast.expr | None = None
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
        constant.reasons += _fill_reasons(value, data, dtype, values)
        return constant
    if isinstance(data, (ast.List, ast.Tuple)):
        return _display(data, values, dtype)
    if isinstance(data, ast.BinOp) and isinstance(data.op, ast.Mult):
        return _repeated(data, values, dtype)
    if isinstance(data, ast.Call):
        return _range(data, values, dtype)
    return None


def small_int(node: ast.expr, value: Value) -> bool:
    """An int that is a length or a literal: never negative, never beyond int64."""
    if isinstance(value.const, int) and not isinstance(value.const, bool):
        return 0 <= value.const < 2**31
    return value.only(Kind.INT) and value.why in ("len()", ".numel()", ".shape", ".size()")


def _dtype_name(dtype: Value | None) -> str | None:
    """``None`` without a dtype argument, ``"?"`` where it is not known."""
    if dtype is None or dtype.only(Kind.NONE):
        return None
    return dtype.dtype or "?"


def _fill_reasons(value: Value, node: ast.expr, dtype: Value | None, values: Values) -> list[str]:
    name = _dtype_name(dtype)
    if value.confidence is not Confidence.HIGH:
        return ["the kind of the value rests on weak evidence"]
    if value.only(Kind.BOOL):
        return []
    if value.const is not V.MISSING:
        return [] if _literal_fits(value.const, name) else ["the value may not fit the dtype"]
    if value.only(Kind.INT | Kind.BOOL):
        if name is None or name in _INTEGRAL or small_int(node, value):
            return []
        return ["an int beyond int64 raises in one form and not in the other"]
    if name == "float64" and value.only(Kind.FLOAT | Kind.INT | Kind.BOOL):
        return [] if value.only(Kind.FLOAT) else ["an int beyond int64 raises in one form and not in the other"]
    return ["torch.full raises for a float beyond float32, where torch.tensor gives inf"]


def _literal_fits(constant: Any, dtype: str | None) -> bool:
    if isinstance(constant, bool):
        return True
    if isinstance(constant, int):
        if dtype is None or dtype in _WIDE:
            return -(2**63) <= constant < 2**63
        return abs(constant) < 128 or (dtype != "?" and abs(constant) < 2**31 and "float8" not in dtype)
    if isinstance(constant, float):
        finite = constant == constant and abs(constant) != float("inf")
        if not finite:
            # Both forms raise for an integral dtype, but with another exception type.
            return dtype is None or dtype in ("float32", "float64", "float16", "bfloat16")
        if dtype == "float64":
            return True
        if dtype is None or dtype in ("float32", "bfloat16"):
            return abs(constant) <= _FLOAT32_MAX
        return abs(constant) < 100
    return isinstance(constant, complex) and dtype in (None, "complex64", "complex128") and abs(constant) < _FLOAT32_MAX


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
    if len(leaves) > 1:
        constants = [values(leaf).const for leaf in leaves]
        if constants[0] is V.MISSING or any(
            type(c) is not type(constants[0]) or repr(c) != repr(constants[0]) for c in constants
        ):
            return None
    text = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    constant = Constant("full", text, leaves[0])
    constant.reasons += _fill_reasons(first, leaves[0], dtype, values)
    return constant


def _repeated(data: ast.BinOp, values: Values, dtype: Value | None) -> Constant | None:
    """``[c] * n`` and ``n * [c]``."""
    sides = (data.left, data.right)
    lists = [s for s in sides if isinstance(s, (ast.List, ast.Tuple)) and len(s.elts) == 1]
    if len(lists) != 1:
        return None
    count = sides[1] if sides[0] is lists[0] else sides[0]
    fill = lists[0].elts[0]
    value, times = values(fill), values(count)
    if not value.only(V.PYSCALAR) or not times.only(Kind.INT):
        return None
    constant = Constant("full", f"({ast.unparse(count)},)", fill)
    constant.reasons += _fill_reasons(value, fill, dtype, values)
    if not small_int(count, times):
        constant.reasons.append("a negative count gives an empty list where a factory raises")
    nonempty = isinstance(times.const, int) and times.const > 0
    if not nonempty and _dtype_name(dtype) is None and not value.only(Kind.FLOAT):
        constant.reasons.append("without a dtype an empty list is float32")
    return constant


def _range(data: ast.Call, values: Values, dtype: Value | None) -> Constant | None:
    """``range(..)`` and ``list(range(..))``."""
    func = values(data.func).qual
    if func in ("builtins.list", "builtins.tuple") and len(data.args) == 1 and isinstance(data.args[0], ast.Call):
        return _range(data.args[0], values, dtype)
    if func != "builtins.range" or not data.args or data.keywords:
        return None
    if any(isinstance(arg, ast.Starred) for arg in data.args):
        return None
    constant = Constant("arange", arguments=list(data.args))
    size = values(data).size
    if size is None:
        if len(data.args) > 1 or not small_int(data.args[0], values(data.args[0])):
            constant.reasons.append("an empty or negative range gives an empty list where arange raises")
    if not size and _dtype_name(dtype) is None:
        constant.reasons.append("without a dtype an empty list is float32")
    name = _dtype_name(dtype)
    if name not in (None, "int64", "int32", "float64") and not (size is not None and size < 2**24 and name != "?"):
        constant.reasons.append("arange rounds a long range in the dtype itself")
    return constant
