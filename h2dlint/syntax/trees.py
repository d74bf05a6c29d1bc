"""Going over ``ast`` trees quickly: what holds nodes is known by class; contexts and operators are left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_NO_NODES = frozenset(
    """ctx id attr op ops arg module level asname type_comment kind conversion is_async simple kwd_attrs rest tag
    lineno""".split()
)
_SOMETIMES: dict[type[ast.AST], frozenset[str]] = {
    ast.arg: frozenset({"annotation"}),
    ast.Constant: frozenset(),
    ast.Global: frozenset(),
    ast.Nonlocal: frozenset(),
    ast.alias: frozenset(),
    ast.Name: frozenset(),
}
"""Classes whose fields of a common name hold something else than elsewhere."""

_named: dict[type[ast.AST], tuple[str, ...]] = {}


def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a class that hold nodes, or lists of them."""
    only = _SOMETIMES.get(kind)
    if only is not None:
        found = tuple(name for name in kind._fields if name in only)
    else:
        # ``name`` is text but in a type alias.
        text = _NO_NODES if kind.__name__ == "TypeAlias" else _NO_NODES | {"name"}
        found = tuple(name for name in kind._fields if name not in text)
    _named[kind] = found
    return found


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right below one, in the order of ``ast.iter_child_nodes``."""
    kind = node.__class__
    names = _named.get(kind)
    found: list[ast.AST] = []
    for name in _fields(kind) if names is None else names:
        value = getattr(node, name, None)
        if value.__class__ is list:
            found += value
        elif value is not None:
            found.append(value)
    if None in found:
        # The keys of ``{**more}``, and of arguments without a default.
        return list(filter(None, found))
    return found


def walk(root: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it, in the order of ``ast.walk``."""
    todo: list[ast.AST] = [root]
    named = _named
    for node in todo:
        yield node
        kind = node.__class__
        names = named.get(kind)
        for name in _fields(kind) if names is None else names:
            value = getattr(node, name, None)
            if value.__class__ is list:
                todo += filter(None, value)
            elif value is not None:
                todo.append(value)
