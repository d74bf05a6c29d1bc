"""LibCST for single statements and expressions, with positions in the file.

Parsing a whole file and computing whole-tree metadata costs many times more than the few statements that hold
a candidate, so only those are parsed; positions come from one rendering of the small tree.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import libcst as cst
from libcst import CSTNode
from libcst._nodes.internal import CodegenState

from h2dlint.model import Span
from h2dlint.syntax.source import SourceText

SIMPLE_STATEMENTS = (
    ast.Expr,
    ast.Assign,
    ast.AugAssign,
    ast.AnnAssign,
    ast.Return,
    ast.Assert,
    ast.Raise,
    ast.Delete,
)

_NEWLINE = re.compile(r"\r\n|\r|\n")


@dataclass
class _PositionState(CodegenState):
    """Renders a tree and notes where each node starts and ends, without the parentheses around it."""

    line: int = 0
    column: int = 0
    starts: dict[int, tuple[int, int]] = field(default_factory=dict)
    positions: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)

    def add_token(self, value: str) -> None:
        super().add_token(value)
        # Nearly all tokens stay on their line.
        if "\n" not in value and "\r" not in value:
            self.column += len(value)
            return
        pieces = _NEWLINE.split(value)
        self.line += len(pieces) - 1
        self.column = len(pieces[-1])

    def add_indent_tokens(self) -> None:
        for token in self.indent_tokens:
            self.add_token(token)

    def before_codegen(self, node: CSTNode) -> None:
        self.starts[id(node)] = (self.line, self.column)

    def after_codegen(self, node: CSTNode) -> None:
        if id(node) not in self.positions:
            self.positions[id(node)] = (*self.starts[id(node)], self.line, self.column)

    @contextmanager
    def record_syntactic_position(
        self, node: CSTNode, *, start_node: CSTNode | None = None, end_node: CSTNode | None = None
    ) -> Iterator[None]:
        start = (self.line, self.column)
        yield
        end = (self.line, self.column)
        if start_node is not None:
            start = self.positions[id(start_node)][:2]
        if end_node is not None:
            end = self.positions[id(end_node)][2:]
        self.positions[id(node)] = (*start, *end)


class Snippet:
    """One parsed statement or expression.

    Args:
        source: the file.
        node: the ``ast`` node to parse; a simple statement or an expression.

    Raises:
        cst.ParserSyntaxError: LibCST does not understand the text (or cannot, cut out of its file).
    """

    def __init__(self, source: SourceText, node: ast.stmt | ast.expr) -> None:
        self.span = source.span(node)
        self.text = source.slice(self.span)
        self.newline = "\r\n" if "\r\n" in self.text else "\n"
        self.tree: CSTNode
        shift = 0
        if isinstance(node, ast.stmt):
            self.tree = cst.parse_statement(self.text)
        else:
            self.tree = cst.parse_expression(f"({self.text}\n)")
            shift = 1
        state = _PositionState(default_indent="    ", default_newline=self.newline)
        self.tree._codegen(state)
        self._positions = state.positions
        self._shift = shift

    def position(self, node: CSTNode) -> Span | None:
        """Where a node of this tree stands in the file."""
        found = self._positions.get(id(node))
        if found is None:
            return None
        line, column, end_line, end_column = found
        return Span(
            self.span.line + line,
            self._column(line, column),
            self.span.line + end_line,
            self._column(end_line, end_column),
        )

    def _column(self, line: int, column: int) -> int:
        return column + 1 + (self.span.column - 1 - self._shift if line == 0 else 0)

    def render(self, node: CSTNode) -> str:
        """The text of a node, with the newlines of the file."""
        return cst.Module([], default_newline=self.newline).code_for_node(node)


def snippet_node(statement: ast.stmt, inner: ast.expr) -> ast.stmt | ast.expr | None:
    """The smallest thing to parse for ``inner``: its simple statement, or the whole expression in a header."""
    if isinstance(statement, SIMPLE_STATEMENTS):
        return statement
    position = (inner.lineno, inner.col_offset)
    end = (inner.end_lineno or 0, inner.end_col_offset or 0)
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                continue
            if isinstance(child, ast.expr):
                first = (child.lineno, child.col_offset)
                last = (child.end_lineno or 0, child.end_col_offset or 0)
                if first <= position and end <= last:
                    return child
            else:
                stack.append(child)
    return None


def last_line(statement: ast.stmt, inner: ast.expr) -> int:
    """Where the statement around ``inner`` ends; of a compound one the expressions of its header, not its body."""
    if isinstance(statement, SIMPLE_STATEMENTS):
        return statement.end_lineno or statement.lineno
    parts: list[ast.AST] = [
        inner,
        *([found] if (found := snippet_node(statement, inner)) is not None else []),
    ]
    if isinstance(statement, (ast.With, ast.AsyncWith)):
        parts += [item.optional_vars or item.context_expr for item in statement.items]
    elif isinstance(statement, (ast.For, ast.AsyncFor)):
        parts.append(statement.iter)
    return max(statement.lineno, *(getattr(part, "end_lineno", None) or 0 for part in parts))
