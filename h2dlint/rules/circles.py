"""Whether a function of the project comes, by what it calls, to the place that would call it: that would never end."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

from h2dlint.analysis.project import Surroundings
from h2dlint.syntax.bound import Imported, imports_of

_LIMIT = 150
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
    return not functions.isdisjoint(_reached(tree, within, start))


@lru_cache(maxsize=4)
def _reached(
    tree: ast.Module, within: Surroundings | None, start: tuple[str, str]
) -> frozenset[tuple[int, str]]:
    """Line and name of the definitions of the linted file that a function may run."""
    here = within.location if within is not None else ""
    todo, seen, met = [start], {start}, 0
    reached: set[tuple[int, str]] = set()
    while todo and met < _LIMIT:
        path, name = todo.pop()
        if path == here:
            module: ast.Module | None = tree
        else:
            module = within.project.tree(here, path) if within is not None else None
        if module is None:
            continue
        defined, imports = _index(module)
        for node in defined.get(name, ()):
            met += 1
            if path == here:
                reached |= {
                    (inner.lineno, inner.name) for inner in ast.walk(node) if isinstance(inner, _DEFINITIONS)
                }
            for owner, mentioned in set(_mentions(node)):
                known = imports.get(mentioned if owner is None else owner)
                place: tuple[str, str] | None = (path, mentioned)
                if known is not None and within is not None:
                    place = _definer(within, path, known, mentioned if owner is not None else None)
                elif mentioned not in defined:
                    continue
                if place is not None and place not in seen:
                    seen.add(place)
                    todo.append(place)
    return frozenset(reached)


@lru_cache(maxsize=32)
def _index(module: ast.Module) -> tuple[dict[str, list[ast.stmt]], dict[str, Imported]]:
    """What a module defines and imports anywhere, by name."""
    defined: dict[str, list[ast.stmt]] = {}
    imports: list[ast.stmt] = []
    for node in ast.walk(module):
        if isinstance(node, _DEFINITIONS):
            defined.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign):
            # Such as ``upload = partial(_upload)``.
            for target in node.targets:
                if isinstance(target, ast.Name):
                    defined.setdefault(target.id, []).append(node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            imports.append(node)
    return defined, {found.local: found for found in imports_of(imports)}


def _mentions(node: ast.stmt) -> Iterator[tuple[str | None, str]]:
    """Names, with ``None`` in front, and attributes, with the name that they are of (or an empty one)."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            yield None, inner.id
        elif isinstance(inner, ast.Attribute):
            yield inner.value.id if isinstance(inner.value, ast.Name) else "", inner.attr


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
