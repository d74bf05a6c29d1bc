"""How many dimensions the result of an operation has, and of what dtype it is, where that does not depend on data."""

from __future__ import annotations

import ast

from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value

_SAME = frozenset(
    """t transpose permute movedim swapaxes swapdims contiguous detach clone cumsum cumprod masked_fill clamp clamp_min
    clamp_max abs neg exp log sqrt sigmoid softmax log_softmax tanh relu round floor ceil sort argsort flip roll
    fill_ zero_ copy_ add_ sub_ mul_ div_ type_as to cuda cpu pin_memory float double half bfloat16 long int short
    char byte bool requires_grad_ masked_fill_ scatter scatter_ gather index_fill_ clamp_ triu tril narrow
    index_select logical_not isnan isinf share_memory_ normal_ uniform_ random_ exponential_ bernoulli_ topk""".split()
)
"""Methods (and functions of one tensor) whose result has as many dimensions as ``self``."""
_REDUCING = frozenset(
    "sum mean prod amax amin argmax argmin all any std var norm logsumexp count_nonzero".split()
)
_INT64 = frozenset(
    """argmax argmin argsort nonzero multinomial searchsorted bucketize bincount count_nonzero argwhere randperm
    tril_indices triu_indices""".split()
)
_BOOL = frozenset(
    """eq ne lt le gt ge isnan isinf isfinite isin logical_and logical_or logical_not logical_xor all any isclose
    is_nonzero""".split()
)
_PAIRS = frozenset("topk sort kthvalue".split())


def dtype_of(name: str) -> str | None:
    """The dtype of what a method, or the function of that name, gives whatever it is given."""
    return "int64" if name in _INT64 else "bool" if name in _BOOL else None


def values_and_indices(name: str) -> bool:
    """The result is a pair: values, and the positions that they come from."""
    return name in _PAIRS


def of_size(sizes: list[Value]) -> int | None:
    """Dimensions of a tensor whose size is given as ``(2, 3)`` or as ``2, 3``."""
    if len(sizes) == 1 and sizes[0].only(Kind.SEQ):
        return len(sizes[0].items) if sizes[0].items is not None else None
    return len(sizes) if sizes and all(size.only(Kind.INT) for size in sizes) else None


def after(name: str, ndim: int | None, args: list[Value], keywords: dict[str, Value]) -> int | None:
    """Dimensions after a method.

    Args:
        name: of the method.
        ndim: of the tensor that it is called on, ``None`` where not known.
        args, keywords: without ``self``.
    """
    if name in ("flatten", "ravel"):
        return 1 if not args and not keywords else None
    if name in ("view", "reshape", "expand", "repeat"):
        return of_size(args) if not keywords else None
    if name == "nonzero":
        return 2
    if ndim is None:
        return None
    if name == "unsqueeze":
        return ndim + 1
    if name == "select":
        return ndim - 1
    if name in _SAME:
        return ndim
    if name in _REDUCING:
        dim = args[0] if args else keywords.get("dim")
        keep = args[1] if len(args) > 1 else keywords.get("keepdim")
        if dim is None and name != "norm":
            return 0
        if dim is not None and dim.only(Kind.INT) and (keep is None or keep.const is False):
            return ndim - 1
        return ndim if keep is not None and keep.const is True else None
    return None


def indexed(node: ast.Subscript, ndim: int | None, lookup: dict[int, Value]) -> int | None:
    """Dimensions after a subscript.

    Args:
        ndim: of the tensor, ``None`` where not known.
        lookup: values of the indices, by ``id``.
    """
    if ndim is None:
        return None
    advanced = 0
    for item in node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]:
        if isinstance(item, ast.Slice) or (isinstance(item, ast.Constant) and item.value is Ellipsis):
            continue
        value = lookup.get(id(item), V.UNKNOWN)
        if value.only(Kind.NONE):
            ndim += 1
        elif value.only(Kind.INT):
            ndim -= 1
        elif value.only(Kind.TENSOR) and value.ndim is not None and value.dtype in ("int64", "int32"):
            # Several such indices are broadcast together.
            advanced += 1
            ndim += value.ndim - 1
        else:
            return None
    return ndim if ndim >= 0 and advanced < 2 else None
