"""Annotations as evidence: what ``Optional[List[int]]`` says of a value."""

from __future__ import annotations

import ast
from collections.abc import Callable

from h2dlint.analysis import values as V
from h2dlint.analysis.outline import dotted
from h2dlint.analysis.values import Kind, Value, join, replace

_SCALARS: dict[str, Value] = {
    "int": V.INT,
    # A parameter annotated ``float`` takes an int as well (PEP 484).
    "float": V.NUMBER,
    "bool": V.BOOL,
    "complex": Value(kind=Kind.INT | Kind.FLOAT | Kind.COMPLEX),
    "str": V.STR,
    "bytes": V.OBJECT,
    "None": V.NONE,
}
_SEQUENCES = frozenset("""list tuple List Tuple Sequence MutableSequence deque Deque range""".split())
_DICTS = frozenset(
    """set frozenset Set FrozenSet AbstractSet MutableSet dict Dict Mapping MutableMapping DefaultDict defaultdict
    OrderedDict Counter""".split()
)
_TENSORS = frozenset(
    "torch.Tensor torch.nn.Parameter torch.nn.parameter.Parameter torch.FloatTensor torch.LongTensor "
    "torch.IntTensor torch.BoolTensor torch.HalfTensor torch.DoubleTensor torch.BFloat16Tensor torch.ByteTensor".split()
)
_WRAPPERS = frozenset("Final ClassVar Annotated Required NotRequired ReadOnly InitVar".split())

Resolve = Callable[[ast.expr], Value]


def annotation_value(node: ast.expr, resolve: Resolve, depth: int = 0) -> Value | None:
    """What an annotation says, or ``None`` where it says nothing.

    Args:
        node: the annotation; a string is parsed.
        resolve: evaluates a name or attribute to what it stands for in the module.
    """
    if depth > 8:
        return None
    if isinstance(node, ast.Constant):
        if node.value is None:
            return V.NONE
        if isinstance(node.value, str):
            try:
                parsed = ast.parse(node.value.strip(), mode="eval").body
            except (SyntaxError, ValueError):
                return None
            return annotation_value(parsed, resolve, depth + 1)
        return None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([node.left, node.right], resolve, depth)
    if isinstance(node, (ast.Name, ast.Attribute)):
        return _plain(node, resolve)
    if isinstance(node, ast.Subscript):
        return _subscripted(node, resolve, depth)
    return None


def _union(members: list[ast.expr], resolve: Resolve, depth: int) -> Value | None:
    result: Value | None = None
    for member in members:
        value = annotation_value(member, resolve, depth + 1)
        if value is None:
            return None
        result = value if result is None else join(result, value)
    return result


def _plain(node: ast.expr, resolve: Resolve) -> Value | None:
    text = dotted(node) or ""
    last = text.rsplit(".", 1)[-1]
    meaning = resolve(node)
    qual = meaning.qual or text
    if qual in _TENSORS or qual == "torch.Tensor":
        return replace(V.TENSOR, dtype=None)
    if qual.startswith("torch.cuda.") and qual.endswith("Tensor"):
        return replace(V.TENSOR, device=V.CUDA)
    if qual == "torch.device":
        return V.DEVICE
    if qual == "torch.dtype":
        return V.DTYPE
    if qual == "torch.Size":
        return V.INTS
    if qual in ("numpy.ndarray", "numpy.typing.NDArray"):
        return V.NDARRAY
    if qual.startswith("numpy.") and last[:3] in ("int", "flo", "uin", "boo"):
        return V.NPSCALAR
    if meaning.klass is not None:
        return Value(kind=Kind.OBJ, cls=meaning.klass)
    if last in _SCALARS and ("." not in text or qual.startswith(("builtins.", "typing."))):
        return _SCALARS[last]
    if last in _SEQUENCES:
        return V.SEQ
    if last in _DICTS:
        return V.DICT
    if last == "Tensor":
        # jaxtyping and friends re-export it under other modules.
        return V.TENSOR
    return None


def _subscripted(node: ast.Subscript, resolve: Resolve, depth: int) -> Value | None:
    head = (dotted(node.value) or "").rsplit(".", 1)[-1]
    inner = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if head == "Optional":
        value = annotation_value(inner[0], resolve, depth + 1)
        return None if value is None else join(value, V.NONE)
    if head == "Union":
        return _union(inner, resolve, depth)
    if head in _WRAPPERS:
        return annotation_value(inner[0], resolve, depth + 1)
    if head == "Literal":
        result: Value | None = None
        for item in inner:
            value = V.constant(item.value) if isinstance(item, ast.Constant) else V.OBJECT
            result = value if result is None else join(result, value)
        return None if result is None else replace(result, const=V.MISSING)
    if head in _SEQUENCES:
        elems = [annotation_value(item, resolve, depth + 1) for item in inner if not _is_ellipsis(item)]
        known = [e for e in elems if e is not None]
        elem = None
        if known and len(known) == len(elems):
            elem = known[0]
            for other in known[1:]:
                elem = join(elem, other)
        items = None
        if head in ("tuple", "Tuple") and len(known) == len(inner):
            items = tuple(known)
        return Value(kind=Kind.SEQ, elem=elem, items=items)
    if head in _DICTS and len(inner) == 2:
        return Value(kind=Kind.DICT, elem=annotation_value(inner[1], resolve, depth + 1))
    if head in ("NDArray", "ndarray"):
        return V.NDARRAY
    if (
        head in ("Float", "Int", "Bool", "Shaped", "Num", "Real", "Inexact", "Integer", "UInt")
        and len(inner) == 2
    ):
        # jaxtyping: Float[Tensor, "b n"], Int[np.ndarray, "n"]
        return annotation_value(inner[0], resolve, depth + 1)
    return None


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis
