"""Does a move also convert the dtype, and to which?"""

from __future__ import annotations

import ast
import math

from h2dlint.analysis import torch_facts as T
from h2dlint.analysis.values import Kind, Value
from h2dlint.rules.movers import KEEPS_STRIDES, Movement, callee_of
from h2dlint.rules.site import Site

_SMALL = 127
"""Whole and fractional numbers from 0 to this are in the range of every integer type."""
_SMALL_FACTORIES = frozenset({"torch.zeros", "torch.ones", "torch.eye", "torch.rand"})
_FLOATING = _SMALL_FACTORIES | {"torch.empty", "torch.randn", "torch.linspace"}
"""Without a dtype they make floating point numbers, whatever the default dtype is."""
_INTEGERS = frozenset({"int64", "int32", "int16", "int8", "uint8", "bool"})
_KEEPS_VALUES = KEEPS_STRIDES | {"pin_memory"}


def converted_to(site: Site, found: Movement) -> tuple[str | None, str]:
    """The dtype that the tensor has after the move, where known, and the code that decides on it.

    The code is empty where the move keeps the dtype. Of a floating point type whose width is not known the name is
    that of the widest.
    """
    move = found.move
    if found.destination is not None:
        return _dtype(site, found.destination), f"the dtype of {site.code(found.destination)}"
    if move.dtype is not None:
        given = site.value(move.dtype)
        return (None, "") if given.only(Kind.NONE) else (given.dtype, site.code(move.dtype))
    if move.target is None or site.record.method == "cuda":
        return None, ""
    target = site.value(move.target)
    if move.other or (target.known and target.may(Kind.TENSOR)):
        return _dtype(site, move.target), f"the dtype of {site.code(move.target)}"
    return None, ""


def _dtype(site: Site, tensor: ast.expr) -> str | None:
    """The dtype of a tensor, or of a view of one that a local name has been bound to once."""
    known = site.value(tensor).dtype
    while isinstance(tensor, ast.Subscript):
        tensor = tensor.value
    if known is not None or not isinstance(tensor, ast.Name) or site.record.function is None:
        return known
    function = site.record.function.node
    uses = [n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == tensor.id]
    named = [n for n in ast.walk(function) if isinstance(n, (ast.Global, ast.Nonlocal, ast.arg))]
    if any(n.arg == tensor.id if isinstance(n, ast.arg) else tensor.id in n.names for n in named):
        return None
    bound = [n for n in uses if isinstance(n.ctx, ast.Store)]
    made = [
        n.value
        for n in ast.walk(function)
        if isinstance(n, ast.Assign) and n.targets == bound and isinstance(n.value, ast.Call)
    ]
    floats = len(bound) == 1 and len(made) == 1 and callee_of(site, made[0]) in _FLOATING
    return "float64" if floats and not {k.arg for k in made[0].keywords} & {"dtype", "out", None} else None


def small(site: Site, found: Movement) -> bool:
    """Every element is known to be an integer, or from 0 to 127."""
    root = found.root
    if root is None or any(step not in _KEEPS_VALUES for step in found.chain):
        return False
    if found.root_callee in _SMALL_FACTORIES:
        return True
    if found.root_callee in T.JOINERS and root.args and isinstance(root.args[0], (ast.List, ast.Tuple)):
        return all(site.value(part).dtype in _INTEGERS for part in root.args[0].elts)
    if len(root.args) != 1 or found.family not in ("constructor", "legacy", "numpy"):
        return False
    data, kept = root.args[0], found.family != "legacy" and not any(k.arg == "dtype" for k in root.keywords)
    return (kept and (_whole(site.value(data)) or _range(site, data))) or _small(data)


def _whole(data: Value) -> bool:
    """Integers and booleans, or lists of them: of an empty one there is nothing to convert."""
    return innermost(data).only(Kind.INT | Kind.BOOL)


def innermost(data: Value) -> Value:
    """What stands in a list, or in lists in lists, as far as it is known."""
    while data.only(Kind.SEQ) and data.elem is not None:
        data = data.elem
    return data


def _range(site: Site, data: ast.expr) -> bool:
    """``np.arange`` of integers."""
    if not isinstance(data, ast.Call) or data.keywords or callee_of(site, data) != "numpy.arange":
        return False
    return all(site.value(bound).only(Kind.INT) for bound in data.args)


def _small(node: ast.expr) -> bool:
    if isinstance(node, (ast.List, ast.Tuple)):
        return all(map(_small, node.elts))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.left, ast.List):
        return _small(node.left)
    number = node.value if isinstance(node, ast.Constant) else None
    return isinstance(number, (int, float)) and math.isfinite(number) and 0 <= number <= _SMALL
