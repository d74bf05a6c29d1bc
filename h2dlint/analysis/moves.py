"""Reading the arguments of ``.to``, ``.cuda``, ``.type_as`` and ``.copy_``."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value


def device_mask(value: Value) -> int:
    """The devices that a value may name when it is passed as ``device=`` or to ``.to``."""
    mask = value.device
    if value.only(Kind.INT):
        mask &= V.CUDA | V.OTHER
    if value.may(Kind.NONE) and value.known:
        mask |= V.UNSET
    return mask


@dataclass(frozen=True, slots=True)
class Move:
    """A parsed ``.to(..)``, ``.cuda(..)`` or ``.type_as(..)``.

    Args:
        target: the argument that says where to; ``None`` for ``.cuda()``.
        device: mask of where it moves to; 0 when it only converts the dtype.
        sure: the target is known to be a device or a tensor, rather than possibly a dtype.
        dtype: the dtype argument.
        non_blocking: the argument, copy: likewise.
    """

    target: ast.expr | None
    device: int
    sure: bool
    dtype: ast.expr | None = None
    non_blocking: ast.expr | None = None
    copy: ast.expr | None = None
    other: bool = False
    """the target is a tensor, whose dtype is taken over too"""


_KEYWORDS = frozenset("device dtype tensor other non_blocking copy memory_format async".split())


def parse_move(node: ast.Call, method: str, lookup: dict[int, Value]) -> Move | None:
    """Read the arguments of a mover; ``None`` for forms that are not understood.

    The overloads are ``to(dtype, non_blocking, copy)``, ``to(device, dtype, non_blocking, copy)`` and
    ``to(other, non_blocking, copy)``; ``cuda(device, non_blocking)``; ``type_as(other)``.
    """
    if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
        return None
    keywords = {k.arg: k.value for k in node.keywords if k.arg is not None}
    if keywords.keys() - _KEYWORDS:
        return None
    args = list(node.args)

    def value(expr: ast.expr | None) -> Value:
        return V.UNKNOWN if expr is None else lookup.get(id(expr), V.UNKNOWN)

    if method == "cuda":
        target = args[0] if args else keywords.get("device")
        flag = args[1] if len(args) > 1 else keywords.get("non_blocking", keywords.get("async"))
        mask = V.CUDA
        return Move(target, mask, True, non_blocking=flag)
    if method == "type_as":
        if len(args) != 1:
            return None
        return Move(args[0], device_mask(value(args[0])) & ~V.UNSET, True, other=True)
    if method != "to":
        return None
    flag, copy = keywords.get("non_blocking"), keywords.get("copy")
    dtype = keywords.get("dtype")
    target = keywords.get("device", keywords.get("tensor"))
    rest = args
    kind_of_target = value(target)
    if args and target is None:
        first = value(args[0])
        if first.only(Kind.DTYPE):
            dtype, rest = args[0], args[1:]
        else:
            target, rest = args[0], args[1:]
            kind_of_target = first
            if rest and not first.only(Kind.TENSOR) and not _is_flag(rest[0]):
                dtype, rest = rest[0], rest[1:]
    if rest and flag is None:
        flag, rest = rest[0], rest[1:]
    if rest and copy is None:
        copy, rest = rest[0], rest[1:]
    if rest:
        return None
    if target is None:
        return Move(None, 0, True, dtype=dtype, non_blocking=flag, copy=copy)
    sure = "device" in keywords or kind_of_target.only(
        Kind.DEVICE | Kind.STR | Kind.INT | Kind.TENSOR | Kind.NONE
    )
    return Move(
        target,
        device_mask(kind_of_target),
        sure,
        dtype=dtype,
        non_blocking=flag,
        copy=copy,
        other=kind_of_target.only(Kind.TENSOR),
    )


def parse_copy(node: ast.Call) -> tuple[ast.expr, ast.expr | None] | None:
    """Source and ``non_blocking`` of ``destination.copy_(source, non_blocking)``; ``None`` where they are hidden."""
    if any(isinstance(a, ast.Starred) for a in node.args):
        return None
    keywords = {k.arg: k.value for k in node.keywords}
    if keywords.keys() - {"src", "other", "non_blocking"} or len(node.args) > 2:
        return None
    source = node.args[0] if node.args else keywords.get("src", keywords.get("other"))
    if source is None:
        return None
    return source, node.args[1] if len(node.args) > 1 else keywords.get("non_blocking")


def _is_flag(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, bool)
