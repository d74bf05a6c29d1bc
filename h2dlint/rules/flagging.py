"""The LibCST visitor: finds the nodes of what a rule reports."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from h2dlint.model import Span
from h2dlint.syntax.snippets import Snippet


class CandidateVisitor(cst.CSTVisitor):
    """Flags the calls and subscripts of one parsed statement that a rule wants to see.

    Only expressions are walked: whitespace and tokens, which are most of the nodes, are not.
    """

    def __init__(self, snippet: Snippet, flag: Callable[[Span, cst.BaseExpression], None]) -> None:
        super().__init__()
        self._snippet = snippet
        self._flag = flag

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, (cst.Call, cst.Subscript)):
            span = self._snippet.position(node)
            if span is not None:
                self._flag(span, node)
            return True
        return not isinstance(node, (cst.BaseParenthesizableWhitespace, cst.TrailingWhitespace, cst.Comma))

    def on_leave(self, original_node: cst.CSTNode) -> None:
        return None
