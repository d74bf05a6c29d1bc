"""What a subclass in the same file puts in the place of an attribute or a method that a fix rests on."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from h2dlint.rules.place import Place

_PLAIN = (ast.Constant, ast.List, ast.Tuple, ast.ListComp)
"""Numbers and lists: of the kinds that fixes of host data are for."""


def overridden(site: Place, node: ast.expr) -> str:
    """``Class.name`` where a subclass gives another meaning to what ``node`` reads of ``self``; else empty.

    What is annotated counts as proof, and numbers and lists that are written out are what they are. Only classes of
    the same file are looked at, by their names.
    """
    function = site.record.function
    while function is not None and function.owner is None:
        function = function.parent
    if function is None or function.owner is None:
        return ""
    names = set(_read(node))
    for name in [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id != "self"]:
        for statement in ast.walk(function.node):
            if isinstance(statement, ast.Assign) and any(_is(target, name) for target in statement.targets):
                names.update(_read(statement.value))
    owner = function.owner
    names -= {name for name in names if name in owner.fields or _annotated(owner.methods.get(name))}
    if not names:
        return ""
    below = {owner.name}
    for cls in (n for n in ast.walk(site.module.tree) if isinstance(n, ast.ClassDef)):
        # Classes stand behind their bases.
        if any(isinstance(base, ast.Name) and base.id in below for base in cls.bases):
            below.add(cls.name)
            given = next((name for name, value in _given(cls) if name in names and not _plain(value)), "")
            if given:
                return f"{cls.name}.{given}"
    return ""


def _is(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


def _annotated(method: object) -> bool:
    return getattr(getattr(method, "node", None), "returns", None) is not None


def _read(node: ast.expr) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "self":
            yield part.attr


def _given(cls: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Names that a class gives a value, with the values: what methods return, what is assigned."""
    for part in ast.walk(cls):
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)) and part in cls.body:
            for inner in ast.walk(part):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield part.name, inner.value
        elif isinstance(part, ast.Assign):
            for target in part.targets:
                if isinstance(target, ast.Name) and part in cls.body:
                    yield target.id, part.value
                elif isinstance(target, ast.Attribute) and _is(target.value, "self"):
                    yield target.attr, part.value


def _plain(value: ast.expr) -> bool:
    if isinstance(value, (ast.UnaryOp, ast.BinOp)):
        return all(_plain(part) for part in ast.iter_child_nodes(value) if isinstance(part, ast.expr))
    return isinstance(value, _PLAIN)
