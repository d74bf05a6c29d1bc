"""How a tensor lies in memory, how views change that, and how many bytes it has at most.

A copy to the device is one transfer only where the tensor has no gaps. Of a pinned tensor with gaps a dense copy is
made first, in pageable memory.
"""

from __future__ import annotations

import ast

from h2dlint.analysis import shapes
from h2dlint.analysis import torch_facts as T
from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value, replace

_PERMUTING = frozenset("t transpose permute movedim moveaxis swapaxes swapdims T mT H mH adjoint".split())
_RESHAPING = frozenset("reshape flatten ravel reshape_as".split())
"""A view where one is possible, else a contiguous copy in pageable memory."""
_REGROUPING = frozenset("view view_as unflatten view_as_real view_as_complex".split())
_SAME_LAYOUT = frozenset("unsqueeze squeeze detach data alias requires_grad_".split())
_SAME_COUNT = (
    _PERMUTING
    | _RESHAPING
    | _SAME_LAYOUT
    | frozenset("view view_as unflatten contiguous split chunk unbind narrow select diagonal".split())
)
"""Views with as many elements as what they are of, or fewer."""
PARTS = frozenset("split chunk unbind tensor_split split_with_sizes".split())
"""Methods that give views, in a tuple."""


def gapped(layout: int) -> bool:
    """The layout has gaps, by all that is known."""
    return layout in (V.SLICED, V.GAPS)


def placed(memory: int, layout: int) -> int:
    """The memory of a view of ``memory`` that lies as ``layout`` says."""
    if not memory & V.ANY_PINNED or layout == V.ANYHOW:
        return memory
    rest = memory & ~V.ANY_PINNED
    return rest | (V.GAPPED if gapped(layout) else V.PINNED)


def bytes_bound(value: Value) -> int | None:
    """The tensor has no more bytes than this; ``None`` where that is not known."""
    return None if value.most is None else value.most * T.WIDTHS.get(value.dtype or "", 8)


def viewed(value: Value, name: str, args: list[Value], keywords: dict[str, Value]) -> Value:
    """The tensor after a method (or attribute) that gives a view where it can; see ``torch_facts.VIEWS``."""
    layout, memory, before = V.ANYHOW, value.memory, value.layout
    if name in _PERMUTING:
        layout = V.DENSE if before == V.CONTIGUOUS else before
    elif name in _SAME_LAYOUT or name in _REGROUPING:
        layout = before
    elif name in _RESHAPING:
        layout = before if before in (V.CONTIGUOUS, V.DENSE) else V.ANYHOW
        if before != V.CONTIGUOUS:
            memory |= V.PAGEABLE
    elif name == "contiguous":
        layout = V.CONTIGUOUS
        memory = _made_contiguous(memory, before)
    elif name in ("narrow", "select", "unbind", "split", "chunk", "tensor_split", "split_with_sizes"):
        layout = _along(before, _dimension(name, args, keywords), name in ("select", "unbind"))
    elif name in T.OVERLAPPING:
        layout = V.SLICED if name in ("expand", "expand_as", "broadcast_to") else V.ANYHOW
    elif name == "diagonal":
        layout = V.SLICED
    reinterpreted = name == "view" and any(a.may(Kind.DTYPE) for a in [*args, *keywords.values()])
    counted = name in _SAME_COUNT and not reinterpreted
    if name in T.EXPANDING:
        memory |= V.EXPANDED
    elif name == "contiguous":
        memory &= ~V.EXPANDED
    return replace(
        value,
        kind=Kind.TENSOR,
        ndim=None if reinterpreted else shapes.after(name, value.ndim, args, keywords),
        size=None,
        dtype=None if reinterpreted else value.dtype,
        most=value.most if counted else None,
        layout=layout,
        memory=placed(memory, layout),
        distinct=value.distinct and name not in T.EXPANDING,
    )


def _made_contiguous(memory: int, before: int) -> int:
    """Memory after ``contiguous()``: the tensor itself where it is contiguous, else a copy in pageable memory."""
    if before == V.CONTIGUOUS:
        return memory
    if before == V.GAPS:
        return V.PAGEABLE
    pinned = V.PINNED if memory & V.ANY_PINNED else 0
    return V.PAGEABLE | pinned | memory & V.EXPANDED


def _dimension(name: str, args: list[Value], keywords: dict[str, Value]) -> int | None:
    """The dimension that a method cuts along, where it is a literal."""
    position = 0 if name in ("narrow", "select", "unbind") else 1
    given = keywords.get("dim", args[position] if position < len(args) else None)
    if given is None:
        return 0
    return given.const if isinstance(given.const, int) else None


def _along(layout: int, dimension: int | None, one: bool) -> int:
    if dimension is None or dimension < 0:
        return V.ANYHOW
    if dimension == 0:
        return (
            layout if layout in ((V.CONTIGUOUS,) if one else (V.CONTIGUOUS, V.SLICED, V.GAPS)) else V.ANYHOW
        )
    return _columns(layout)


def indexed(node: ast.Subscript, layout: int, ndim: int | None, lookup: dict[int, Value]) -> int:
    """The layout of ``tensor[..]`` for basic indices (integers, slices, ``None``, ``...``).

    Leading integers and one slice behind them take one stretch of a contiguous tensor; a step, or less than
    everything of a later dimension, leaves gaps.

    Args:
        layout, ndim: of the tensor that is indexed.
    """
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    taken = [item for item in items if not _is_none(item, lookup)]
    leading = True
    result = layout
    for item in taken:
        if isinstance(item, ast.Constant) and item.value is Ellipsis:
            leading = leading and ndim is not None and ndim < len(taken)
            continue
        whole = isinstance(item, ast.Slice) and _whole(item)
        if isinstance(item, ast.Slice) and item.step is not None:
            step = _value(item.step, lookup)
            if step.const == 1:
                pass
            elif isinstance(step.const, int):
                return V.GAPS
            else:
                return V.ANYHOW
        if whole:
            leading = False
        elif leading:
            # Rows of a permuted tensor are columns of what lies in memory; one row of a tensor with gaps may have none.
            leading = not isinstance(item, ast.Slice) or _one_long(item, lookup)
            kept = (V.CONTIGUOUS,) if leading else (V.CONTIGUOUS, V.SLICED, V.GAPS)
            result = result if result in kept else V.ANYHOW
        else:
            result = _columns(result)
    return result


def _columns(layout: int) -> int:
    """Less than everything of a dimension that is not the first."""
    if layout == V.DENSE:
        return V.ANYHOW
    return V.GAPS if layout == V.GAPS else V.SLICED


def _value(node: ast.expr, lookup: dict[int, Value]) -> Value:
    return lookup.get(id(node), V.UNKNOWN)


def _is_none(item: ast.expr, lookup: dict[int, Value]) -> bool:
    if isinstance(item, ast.Constant):
        return item.value is None
    value = _value(item, lookup)
    return value.known and value.only(Kind.NONE)


def _whole(item: ast.Slice) -> bool:
    lower = item.lower is None or (isinstance(item.lower, ast.Constant) and item.lower.value in (0, None))
    return lower and (item.upper is None) and item.step is None


def _one_long(item: ast.Slice, lookup: dict[int, Value]) -> bool:
    """``[:1]`` or ``[i : i + 1]``."""
    if item.upper is None:
        return False
    upper = _value(item.upper, lookup)
    lower = V.constant(0) if item.lower is None else _value(item.lower, lookup)
    if isinstance(upper.const, int) and isinstance(lower.const, int):
        return upper.const - lower.const == 1
    if item.lower is None or not (isinstance(item.upper, ast.BinOp) and isinstance(item.upper.op, ast.Add)):
        return False
    one = item.upper.right
    return (
        isinstance(one, ast.Constant) and one.value == 1 and ast.dump(item.upper.left) == ast.dump(item.lower)
    )


def count(data: Value) -> int | None:
    """How many elements a tensor made of ``data`` has."""
    if data.known and data.only(V.PYSCALAR | Kind.NPSCALAR):
        return 1
    if data.only(Kind.SEQ):
        if data.items is not None:
            counts = [count(item) for item in data.items]
            return None if None in counts else sum(n for n in counts if n is not None)
        scalars = data.elem is not None and data.elem.only(V.PYSCALAR | Kind.NPSCALAR)
        return data.size if scalars or data.size == 0 else None
    if data.only(Kind.NDARRAY | Kind.TENSOR):
        return 1 if data.ndim == 0 else data.size
    return None


_SIZED = frozenset("zeros ones empty rand randn".split())


def factory_count(short: str, args: list[Value], keywords: dict[str, Value], starred: bool) -> int | None:
    """How many elements ``torch.<short>(..)`` makes; where a literal 0 is among the sizes, none."""
    if short == "scalar_tensor":
        return 1
    if starred:
        return None
    if short in _SIZED or short in ("full", "randint"):
        sizes = args
        if short in ("full", "randint"):
            given = keywords.get("size") or next((a for a in args if a.only(Kind.SEQ)), None)
            sizes = [given] if given is not None else []
        elif "size" in keywords:
            sizes = [keywords["size"]]
        if len(sizes) == 1 and sizes[0].only(Kind.SEQ):
            if sizes[0].items is None:
                return None
            sizes = list(sizes[0].items)
        elif short in ("full", "randint"):
            return None
        return _product(sizes)
    numbers = [_integer(a) for a in args]
    if short == "arange" and numbers and None not in numbers and not {"start", "end", "step"} & set(keywords):
        try:
            return len(range(*(n for n in numbers if n is not None)))
        except (TypeError, ValueError):
            return None
    if short in ("eye", "randperm") and numbers and numbers[0] is not None:
        second = numbers[1] if short == "eye" and len(numbers) > 1 else None
        if short == "eye" and ((len(numbers) > 1 and second is None) or "m" in keywords):
            return None
        return numbers[0] if short == "randperm" else numbers[0] * (numbers[0] if second is None else second)
    if short in ("linspace", "logspace"):
        steps = keywords.get("steps", args[2] if len(args) > 2 else V.UNKNOWN)
        return _integer(steps)
    return None


def _integer(value: Value) -> int | None:
    return value.const if isinstance(value.const, int) and not isinstance(value.const, bool) else None


def _product(sizes: list[Value]) -> int | None:
    result: int | None = 1
    for size in sizes:
        number = _integer(size)
        if number == 0:
            return 0
        result = None if number is None or result is None else result * number
    return result
