"""The results of subscripts that are read."""

from __future__ import annotations

import ast

from h2dlint.analysis import library
from h2dlint.analysis import values as V
from h2dlint.analysis.operators import index_tensor
from h2dlint.analysis.records import NO_CUDA, Frame, Records, SubscriptRecord
from h2dlint.analysis.values import Kind, Value, replace


def subscripted(node: ast.Subscript, base: Value, index: Value, lookup: dict[int, Value]) -> Value:
    """The value of ``base[index]``.

    Args:
        lookup: values of the parts of the index, by ``id``.
    """
    if base.only(Kind.TENSOR | Kind.NONE) and base.may(Kind.TENSOR):
        return index_tensor(node, base, lookup)
    if base.only(Kind.SEQ | Kind.NONE) and base.may(Kind.SEQ):
        if isinstance(node.slice, ast.Slice):
            return replace(base, kind=Kind.SEQ, items=None, size=None)
        if base.items is not None and isinstance(index.const, int):
            try:
                return base.items[index.const]
            except IndexError:
                return V.UNKNOWN
        return library.element(base) or V.UNKNOWN
    if base.only(Kind.DICT | Kind.NONE) and base.may(Kind.DICT):
        return base.elem or V.UNKNOWN
    if base.only(Kind.NDARRAY):
        sliced = isinstance(node.slice, ast.Slice)
        return Value(
            kind=Kind.NDARRAY if sliced else Kind.NDARRAY | Kind.NPSCALAR,
            distinct=base.distinct,
            why="part of an ndarray",
        )
    if base.only(Kind.STR):
        return V.STR
    return V.UNKNOWN


def record_subscript(
    records: Records, node: ast.Subscript, base: Value, frame: Frame, stored: ast.expr | None = None
) -> None:
    """Write down a subscript of a tensor; what an earlier round of a loop took for one is forgotten."""
    if not frame.record or frame.statement is None or isinstance(node.ctx, ast.Del):
        return
    tensor = base.may(Kind.TENSOR) and base.only(Kind.TENSOR | Kind.NONE)
    if not tensor or NO_CUDA in frame.env.paths:
        records.subscripts.pop(id(node), None)
        return
    records.subscripts[id(node)] = SubscriptRecord(
        node=node,
        statement=frame.statement,
        function=frame.function,
        loop=frame.loops[-1] if frame.loops else None,
        default_device=frame.default_devices[-1] if frame.default_devices else V.CPU,
        main=frame.main,
        in_fstring=bool(frame.in_fstring),
        stored=stored,
    )
