"""LibCST for single statements and expressions, with positions in the file.

Parsing a whole file and computing whole-tree metadata costs many times more than the few statements that hold
a candidate, so only those are parsed; positions come from one rendering of the small tree.
"""

from __future__ import annotations

import ast

from h2dlint.model import Span
from h2dlint.syntax.lazy import cst
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
        self.tree: cst.CSTNode
        shift = 0
        if isinstance(node, ast.stmt):
            self.tree = cst.parse_statement(self.text)
        else:
            self.tree = cst.parse_expression(f"({self.text}\n)")
            shift = 1
        from h2dlint.syntax.rendering import positions

        self._positions = positions(self.tree, self.newline)
        self._shift = shift

    def position(self, node: cst.CSTNode) -> Span | None:
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

    def render(self, node: cst.CSTNode) -> str:
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
