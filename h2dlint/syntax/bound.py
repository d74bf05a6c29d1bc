"""What names a module and its functions bind, and which of them are imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A name that a fix needs.

    Args:
        module: dotted name of the module that it comes from.
        name: what is taken from it; ``None`` for ``import module as bound``.
        bound: the name under which the fix would like to have it.
    """

    module: str
    name: str | None
    bound: str

    def statement(self, bound: str) -> str:
        """The import statement that binds it to ``bound``."""
        if self.name is None:
            tail = "" if bound == self.module else f" as {bound}"
            return f"import {self.module}{tail}"
        tail = "" if bound == self.name else f" as {bound}"
        return f"from {self.module} import {self.name}{tail}"


def read_wanted(statement: str) -> Wanted:
    """What an import statement of one name imports.

    Raises:
        ValueError: it is no such statement.
    """
    body = ast.parse(statement).body
    found = body[0] if len(body) == 1 else None
    if isinstance(found, ast.ImportFrom) and found.module and not found.level and len(found.names) == 1:
        alias = found.names[0]
        return Wanted(found.module, alias.name, alias.asname or alias.name)
    if isinstance(found, ast.Import) and len(found.names) == 1:
        alias = found.names[0]
        return Wanted(alias.name, None, alias.asname or alias.name)
    raise ValueError(f"no import of one name: {statement}")


@dataclass(frozen=True, slots=True)
class Imported:
    """A name that an import statement binds.

    Args:
        statement: which one.
        module: dotted name, with dots in front where it is relative.
        name: what is taken from it; ``None`` for a module.
        local: the name that is bound.
    """

    statement: ast.Import | ast.ImportFrom
    module: str
    name: str | None
    local: str


def imports_of(body: Sequence[ast.stmt]) -> Iterator[Imported]:
    """The imports among statements, under no condition: those inside ``if`` and ``try`` are left out."""
    for statement in body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                if alias.asname or "." not in alias.name:
                    yield Imported(statement, alias.name, None, alias.asname or alias.name)
        elif isinstance(statement, ast.ImportFrom):
            module = "." * statement.level + (statement.module or "")
            for alias in statement.names:
                yield Imported(statement, module, alias.name, alias.asname or alias.name)


def bound_in(scope: ast.Module | FunctionNode) -> Iterator[tuple[str, ast.AST]]:
    """Each name that a scope binds, with the node that does; inner scopes bind names of their own."""
    if not isinstance(scope, ast.Module):
        arguments = scope.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
        for argument in every:
            yield argument.arg, argument
    stack: list[ast.AST] = list(scope.body)
    while stack:
        node = stack.pop()
        yield from _bound_by(node)
        if isinstance(node, _SCOPES):
            if isinstance(scope, ast.Module):
                # A function may bind names of the module.
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Global):
                        yield from ((name, inner) for name in inner.names)
            continue
        stack += ast.iter_child_nodes(node)


def _bound_by(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id, node
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name, node
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or alias.name.split(".")[0], node
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name, node
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest, node
    elif isinstance(node, (ast.Global, ast.Nonlocal)):
        yield from ((name, node) for name in node.names)


def names_between(outer: ast.AST, place: ast.expr) -> set[str]:
    """Names that hide those outside: of lambdas and bodies of classes between a function or module and a place."""
    names: set[str] = set()
    for node in _way(outer, place):
        if isinstance(node, ast.Lambda):
            names |= {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
        elif isinstance(node, ast.ClassDef):
            names |= {name for name, _ in bound_in(ast.Module(node.body, []))}
    return names


def _way(outer: ast.AST, place: ast.expr) -> list[ast.AST]:
    """The nodes from below ``outer`` down to a place in it."""
    for child in ast.iter_child_nodes(outer):
        if child is place:
            return [child]
        last = getattr(child, "end_lineno", None)
        if last is not None and last < place.lineno:
            continue
        found = _way(child, place)
        if found:
            return [child, *found]
    return []


def for_type_checkers(tree: ast.Module) -> set[ast.AST]:
    """The nodes under ``if TYPE_CHECKING:``, which never run."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and is_type_checking(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }


def is_type_checking(test: ast.expr) -> bool:
    """The condition of ``if TYPE_CHECKING:``, under which nothing runs."""
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"
