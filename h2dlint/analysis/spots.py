"""Where an expression stands: the way from the module down to it."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from h2dlint.analysis.module import ModuleAnalysis
from h2dlint.model import Span


@dataclass(frozen=True, slots=True)
class Level:
    """One step from a module down to a statement: ``body[index]``, which is the ``part`` of ``parent``."""

    parent: ast.AST
    part: str
    body: Sequence[ast.stmt]
    index: int


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an expression stands.

    Args:
        node: the expression.
        levels: from the module down to the innermost statement.
        spine: the nodes from the innermost statement down to the expression, by ``id``.
    """

    node: ast.expr
    levels: tuple[Level, ...]
    spine: frozenset[int]


class Spots:
    """Finds expressions of a module by their spans; each statement is searched once.

    Args:
        module: the analysis of the module.
    """

    def __init__(self, module: ModuleAnalysis) -> None:
        self._module = module
        self._indexes: dict[int, _Index] = {}

    def at(self, span: Span) -> Spot | None:
        """The expression (a call or a subscript, if there is one) that a span covers."""
        levels: list[Level] = []
        parent: ast.AST = self._module.tree
        while (level := _level(self._module, parent, span)) is not None:
            levels.append(level)
            parent = level.body[level.index]
        if not levels:
            return None
        if id(parent) not in self._indexes:
            self._indexes[id(parent)] = _Index(self._module, parent)
        index = self._indexes[id(parent)]
        node = index.by_span.get(span)
        return None if node is None else Spot(node, tuple(levels), frozenset(index.spine(node)))


class _Index:
    """The expressions of a statement, without those of the statements in it."""

    def __init__(self, module: ModuleAnalysis, statement: ast.AST) -> None:
        self.by_span: dict[Span, ast.expr] = {}
        self._parents: dict[int, ast.AST] = {}
        rest: list[ast.AST] = [statement]
        while rest:
            parent = rest.pop()
            for child in ast.iter_child_nodes(parent):
                if isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case, ast.expr_context)):
                    continue
                self._parents[id(child)] = parent
                rest.append(child)
                if isinstance(child, ast.expr):
                    span = module.source.span(child)
                    if span not in self.by_span or isinstance(child, (ast.Call, ast.Subscript)):
                        self.by_span[span] = child

    def spine(self, node: ast.AST) -> Iterator[int]:
        """The ``id`` of a node and of all around it, up to the statement."""
        yield id(node)
        while (parent := self._parents.get(id(node))) is not None:
            node = parent
            yield id(node)


def _level(module: ModuleAnalysis, parent: ast.AST, span: Span) -> Level | None:
    begin, end = (span.line, span.column), (span.end_line, span.end_column)
    for part, body in _bodies(parent):
        after = bisect_right(body, span.line, key=lambda statement: statement.lineno)
        for index in range(after - 1, -1, -1):
            around = module.source.span(body[index])
            if around.end_line < span.line:
                break
            if (around.line, around.column) <= begin and end <= (around.end_line, around.end_column):
                return Level(parent, part, body, index)
    return None


def _bodies(node: ast.AST) -> Iterator[tuple[str, Sequence[ast.stmt]]]:
    if isinstance(node, ast.expr):
        return
    for part in ("body", "orelse", "finalbody"):
        yield part, getattr(node, part, ())
    for handler in getattr(node, "handlers", ()):
        yield "handler", handler.body
    for case in getattr(node, "cases", ()):
        yield "case", case.body
