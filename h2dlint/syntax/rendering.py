"""Where the nodes of a small LibCST tree stand, from one rendering of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from libcst import CSTNode
from libcst._nodes.internal import CodegenState

_NEWLINE = re.compile(r"\r\n|\r|\n")


def positions(tree: CSTNode, newline: str) -> dict[int, tuple[int, int, int, int]]:
    """Lines and columns from 0, first and behind the last, of the nodes of a tree by ``id``, without parentheses.

    Args:
        tree: a statement or an expression.
        newline: of its text.
    """
    state = _PositionState(default_indent="    ", default_newline=newline)
    tree._codegen(state)
    return state.positions


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
