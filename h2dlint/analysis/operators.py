"""The results of operators and of indexing, over the lattice."""

from __future__ import annotations

import ast
from dataclasses import replace

from h2dlint.analysis import tensors
from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value, join


def binary(op: ast.operator, left: Value, right: Value, line: int) -> Value:
    """The result of a binary operator."""
    if left.only(V.PYSCALAR) and right.only(V.PYSCALAR):
        if isinstance(op, ast.Div):
            return V.FLOAT
        kind = (left.kind | right.kind) & ~Kind.BOOL or Kind.INT
        if (left.kind | right.kind) & Kind.BOOL:
            kind |= Kind.INT
        if isinstance(op, ast.Pow):
            kind |= Kind.FLOAT
        return Value(kind=kind, why=f"arithmetic at line {line}")
    if (
        left.only(Kind.SEQ)
        and isinstance(op, ast.Mult)
        and right.may(Kind.INT)
        and not right.only(Kind.TENSOR)
    ):
        return replace(left, items=None, size=None, why=left.why or f"list at line {line}")
    if right.only(Kind.SEQ) and isinstance(op, ast.Mult) and left.only(Kind.INT):
        return replace(right, items=None, size=None)
    if left.only(Kind.SEQ) and right.only(Kind.SEQ):
        elem = join(left.elem, right.elem) if left.elem is not None and right.elem is not None else None
        if left.items == ():
            elem = right.elem
        elif right.items == ():
            elem = left.elem
        return Value(kind=Kind.SEQ, elem=elem, why=left.why or f"list at line {line}")
    if left.only(Kind.STR) and (right.only(Kind.STR) or isinstance(op, ast.Mod)):
        return V.STR
    if left.only(Kind.TENSOR) or right.only(Kind.TENSOR):
        return _tensor_operator(left, right, line)
    numeric = V.PYSCALAR | Kind.NPSCALAR | Kind.NDARRAY | Kind.SEQ
    if (
        left.only(numeric)
        and right.only(numeric)
        and (left.kind | right.kind) & (Kind.NDARRAY | Kind.NPSCALAR)
    ):
        arrays = left.only(Kind.NDARRAY) or right.only(Kind.NDARRAY)
        kind = Kind.NDARRAY if arrays else Kind.NDARRAY | Kind.NPSCALAR | V.PYSCALAR
        if (left.kind | right.kind) & (Kind.NDARRAY | Kind.SEQ) == 0:
            kind = Kind.NPSCALAR
        return Value(kind=kind, why=f"NumPy arithmetic at line {line}")
    return V.UNKNOWN


def _tensor_operator(left: Value, right: Value, line: int) -> Value:
    tensors_in = [v for v in (left, right) if v.only(Kind.TENSOR)]
    others = [v for v in (left, right) if not v.only(Kind.TENSOR)]
    if all(o.only(V.PYSCALAR | Kind.NPSCALAR | Kind.NDARRAY) for o in others):
        device = tensors.combined_device(tensors_in)
    else:
        device = V.CUDA if any(t.device == V.CUDA for t in tensors_in) else V.SOME_DEVICE
    why = tensors_in[0].why if device == V.CPU else ""
    confidence = min(t.confidence for t in tensors_in)
    return Value(
        kind=Kind.TENSOR, device=device, memory=V.PAGEABLE, fresh=True, why=why, confidence=confidence
    )


def compared(ops: list[ast.cmpop], operands: list[Value]) -> Value:
    """The result of a comparison."""
    if all(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in ops):
        return V.BOOL
    if any(o.only(Kind.TENSOR) for o in operands):
        found = [o for o in operands if o.only(Kind.TENSOR)]
        return Value(kind=Kind.TENSOR, device=tensors.combined_device(found), memory=V.PAGEABLE, dtype="bool")
    if any(o.only(Kind.NDARRAY) for o in operands):
        return V.NDARRAY
    if all(o.only(V.PYSCALAR | Kind.STR | Kind.NONE | Kind.SEQ) for o in operands):
        return V.BOOL
    return V.UNKNOWN


def index_tensor(node: ast.Subscript, base: Value, lookup: dict[int, Value]) -> Value:
    """The result of indexing a tensor: basic indexing gives a view, anything else a copy."""
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    basic = all(
        isinstance(item, ast.Slice)
        or (isinstance(item, ast.Constant) and (item.value is None or item.value is Ellipsis))
        or lookup.get(id(item), V.UNKNOWN).only(Kind.INT | Kind.NONE)
        for item in items
    )
    if not basic:
        return replace(
            base, kind=Kind.TENSOR, memory=V.PAGEABLE, ndim=None, size=None, origins=(), fresh=True
        )
    return replace(base, kind=Kind.TENSOR, ndim=None, size=None)
