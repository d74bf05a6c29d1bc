"""The results of operators and of indexing, over the lattice."""

from __future__ import annotations

import ast

from h2dlint.analysis import layout, library, shapes, tensors
from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value, join, replace
from h2dlint.model import Confidence


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
        natural = left.natural and right.natural and isinstance(op, (ast.Add, ast.FloorDiv, ast.Mod))
        return Value(kind=kind, natural=natural, why=f"arithmetic at line {line}")
    if left.only(Kind.SEQ) and isinstance(op, ast.Mult) and not right.only(Kind.NDARRAY):
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
        return _tensor_operator(left, right)
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
        return Value(kind=kind, distinct=True, why=f"NumPy arithmetic at line {line}")
    return V.UNKNOWN


def _tensor_operator(left: Value, right: Value) -> Value:
    tensors_in = [v for v in (left, right) if v.only(Kind.TENSOR)]
    if not tensors_in:
        return V.UNKNOWN
    others = [v for v in (left, right) if not v.only(Kind.TENSOR)]
    spread = any(t.has_dims for t in tensors_in)
    if any(t.device == V.CPU and t.has_dims for t in tensors_in):
        # Only a 0-dim host tensor may meet a device tensor: with anything else the original raises.
        device = V.CPU
    elif all(o.only(V.PYSCALAR | Kind.NPSCALAR | Kind.NDARRAY) for o in others):
        device = tensors.combined_device(tensors_in)
    else:
        device = V.CUDA if any(t.device == V.CUDA for t in tensors_in) else V.SOME_DEVICE
    return Value(
        kind=Kind.TENSOR,
        device=device,
        memory=V.PAGEABLE,
        ndim=tensors_in[0].ndim if len(tensors_in) == 1 and all(o.only(V.PYSCALAR) for o in others) else None,
        layout=V.DENSE,
        spread=spread,
        distinct=True,
        why=next((t.why for t in tensors_in if t.device == V.CPU), "") if device == V.CPU else "",
        confidence=min(t.confidence for t in tensors_in),
    )


def compared(ops: list[ast.cmpop], operands: list[Value]) -> Value:
    """The result of a comparison."""
    if all(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in ops):
        return V.BOOL
    if any(o.only(Kind.TENSOR) for o in operands):
        result = operands[0]
        for other in operands[1:]:
            result = _tensor_operator(result, other)
        return replace(result, dtype="bool")
    if any(o.only(Kind.NDARRAY) for o in operands):
        return V.NDARRAY
    if all(o.only(V.PYSCALAR | Kind.STR | Kind.NONE | Kind.SEQ) for o in operands):
        if any(o.may(Kind.FLOAT) and o.const is V.MISSING for o in operands):
            # An np.float64 is a float, but compares to an np.bool.
            return Value(kind=Kind.BOOL | Kind.NPSCALAR)
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
        # An index of unknown kind may be an int, which gives a view.
        copies = any(
            (value := lookup.get(id(item), V.UNKNOWN)).known
            and value.only(Kind.TENSOR | Kind.NDARRAY | Kind.SEQ)
            for item in items
        )
        return replace(
            base,
            kind=Kind.TENSOR,
            memory=V.PAGEABLE if copies else V.PAGEABLE | base.memory,
            ndim=shapes.indexed(node, base.ndim, lookup),
            spread=False,
            size=None,
            most=None,
            layout=V.ANYHOW,
            origins=(),
            distinct=True,
        )
    keeps = all(not lookup.get(id(item), V.UNKNOWN).only(Kind.INT) for item in items)
    lies = layout.indexed(node, base.layout, base.ndim, lookup)
    return replace(
        base,
        kind=Kind.TENSOR,
        ndim=shapes.indexed(node, base.ndim, lookup),
        size=None,
        layout=lies,
        memory=layout.placed(base.memory, lies),
        spread=base.has_dims and keeps,
    )


def attribute(base: Value, name: str) -> Value:
    """An attribute of a tensor, an array or something unknown."""
    if base.qual == library.BATCH and base.elem is not None:
        return base.elem
    if name == "shape":
        return replace(V.INTS, elem=replace(V.LENGTH, why=".shape"), why=".shape")
    if base.only(Kind.TENSOR | Kind.NONE) and base.may(Kind.TENSOR):
        if name in ("is_cuda", "requires_grad", "is_leaf", "is_sparse"):
            return V.BOOL
        if name in ("ndim", "itemsize", "nbytes"):
            return V.INT
        if name in ("T", "mT", "H", "mH", "data", "real", "imag"):
            if name in ("real", "imag"):
                return replace(base, kind=Kind.TENSOR, ndim=None, dtype=None, layout=V.ANYHOW)
            return replace(layout.viewed(base, name, [], {}), size=base.size)
        return V.UNKNOWN
    if (
        name in ("values", "indices")
        and base.only(Kind.SEQ)
        and base.items is not None
        and len(base.items) == 2
    ):
        # What ``topk`` and ``sort`` give.
        return base.items[name == "indices"]
    if base.only(Kind.NDARRAY):
        if name in ("ndim", "size", "itemsize", "nbytes"):
            return V.INT
        return (
            replace(V.NDARRAY, distinct=base.distinct) if name in ("T", "flat", "real", "imag") else V.UNKNOWN
        )
    if name in ("ndim", "is_cuda"):
        return replace(V.INT if name == "ndim" else V.BOOL, confidence=Confidence.MEDIUM)
    return V.UNKNOWN


def display(node: ast.List | ast.Tuple | ast.Set, items: list[Value]) -> Value:
    """A list, tuple or set written out; ``items`` are the values of its elements."""
    starred = any(isinstance(elt, ast.Starred) for elt in node.elts)
    elem: Value | None = None
    for elt, item in zip(node.elts, items, strict=True):
        part = library.element(item) if isinstance(elt, ast.Starred) else item
        if part is None:
            elem = None
            break
        elem = part if elem is None else join(elem, part)
    if isinstance(node, ast.Set):
        # No tensor constructor takes a set.
        return Value(kind=Kind.DICT)
    what = type(node).__name__.lower()
    return Value(
        kind=Kind.SEQ,
        elem=elem,
        items=None if starred else tuple(items),
        size=None if starred else len(items),
        why=f"{what} built at line {node.lineno}",
    )
