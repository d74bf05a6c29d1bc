"""Whether a function of the project comes, by what it calls, to the place that would call it: that would never end."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from h2dlint.analysis.project import Surroundings
from h2dlint.syntax.bound import Imported, imports_of

_LIMIT = 400
"""Definitions that are looked at; a helper is small."""
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def comes_back(
    tree: ast.Module, within: Surroundings | None, start: tuple[str, str], functions: set[tuple[int, str]]
) -> bool:
    """Whether running a function may run one of the linted file.

    What is mentioned counts as run, and ``x.name`` as any ``name`` of the file: it may say so too often.

    Args:
        tree: of the linted file.
        within: where that file stands; ``None`` where no other is looked at.
        start: file (empty where ``within`` is ``None``) and name of the function.
        functions: line and name of those of the linted file that the place is in.
    """
    here = within.location if within is not None else ""
    todo, seen = [start], {start}
    while todo and len(seen) <= _LIMIT:
        path, name = todo.pop()
        if path == here:
            module: ast.Module | None = tree
        else:
            module = within.project.tree(here, path) if within is not None else None
        if module is None:
            continue
        imports: dict[str, Imported] | None = None
        for node in _defined(module, name):
            if path == here and _holds(node, functions):
                return True
            for owner, mentioned in _mentions(node):
                found = [(path, mentioned)]
                if imports is None:
                    imports = _imports(module)
                known = imports.get(mentioned if owner is None else owner)
                if known is not None and within is not None:
                    place = _definer(within, path, known, mentioned if owner is not None else None)
                    found = [place] if place is not None else []
                for each in found:
                    if each not in seen:
                        seen.add(each)
                        todo.append(each)
    return False


def _defined(module: ast.Module, name: str) -> Iterator[ast.stmt]:
    for node in ast.walk(module):
        if isinstance(node, _DEFINITIONS) and node.name == name:
            yield node
        elif isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        ):
            yield node  # ``upload = partial(_upload)``


def _holds(node: ast.stmt, functions: set[tuple[int, str]]) -> bool:
    return any(
        isinstance(inner, _DEFINITIONS) and (inner.lineno, inner.name) in functions
        for inner in ast.walk(node)
    )


def _mentions(node: ast.stmt) -> Iterator[tuple[str | None, str]]:
    """Names, with ``None`` in front, and attributes, with the name that they are of (or an empty one)."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            yield None, inner.id
        elif isinstance(inner, ast.Attribute):
            yield inner.value.id if isinstance(inner.value, ast.Name) else "", inner.attr


def _imports(module: ast.Module) -> dict[str, Imported]:
    statements = [node for node in ast.walk(module) if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {found.local: found for found in imports_of(statements)}


def _definer(
    within: Surroundings, path: str, known: Imported, attribute: str | None
) -> tuple[str, str] | None:
    """Where an imported name, or an attribute of an imported module, is defined."""
    project = within.project
    if attribute is None:
        return project.definer(path, known.module, known.name) if known.name is not None else None
    if known.name is None:
        return project.definer(path, known.module, attribute)
    joint = "" if known.module.endswith(".") else "."
    if project.find(path, f"{known.module}{joint}{known.name}") is not None:
        return project.definer(path, f"{known.module}{joint}{known.name}", attribute)
    return project.definer(path, known.module, known.name)
