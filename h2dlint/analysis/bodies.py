"""The heads and bodies of functions of modules that are only looked into: parsed when one is called.

Of most functions of a project nothing is ever asked, and syntax trees take thirty times the memory of their text.
What is parsed again is the same text, so whatever is worked out of it is the same.
"""

from __future__ import annotations

import ast
from collections import deque
from contextlib import suppress

from h2dlint.analysis.outline import FunctionInfo, FunctionNode, Outline, outline_function
from h2dlint.analysis.skeleton import head, is_cut
from h2dlint.syntax.source import SourceText

MAX_LINES = 6_000
"""Lines of the bodies that are kept: some five times what one file asks for."""
_NONE = ast.arguments(
    posonlyargs=[], args=[], vararg=None, kwonlyargs=[], kw_defaults=[], kwarg=None, defaults=[]
)
"""In place of parameters that were left out."""


class Recent:
    """The bodies that were parsed again last, in all modules of a run; of too many the oldest are dropped."""

    def __init__(self) -> None:
        self._queue: deque[tuple[FunctionInfo, Bodies, int]] = deque()
        self._lines = 0

    def add(self, function: FunctionInfo, bodies: Bodies) -> None:
        """Keep the body of a function for a while."""
        lines = (function.node.end_lineno or function.node.lineno) - function.node.lineno + 1
        self._queue.append((function, bodies, lines))
        self._lines += lines
        while self._lines > MAX_LINES and len(self._queue) > 1:
            oldest, home, count = self._queue.popleft()
            self._lines -= count
            home.drop(oldest)


class Bodies:
    """The bodies of one module's functions.

    Args:
        source: text of the module.
        outline: of the module, whose tree may lack the bodies already; what is nested in functions is taken out of it.
        recent: what sees to it that not too many are kept.
    """

    def __init__(self, source: SourceText, outline: Outline, recent: Recent | None = None) -> None:
        self._source = source
        self._outline = outline
        self._recent = recent if recent is not None else Recent()
        outline.functions = [function for function in outline.functions if function.parent is None]
        for function in outline.functions:
            if is_cut(function.node):
                function.heads = self
                # Most are never asked for, and what stands for them is as large as they are.
                function.node.args = _NONE
        self._drop_all()

    def _drop_all(self) -> None:
        for function in self._outline.functions:
            self.drop(function)

    def settle(self) -> None:
        """The module has been run: its tree is taken apart, and what its own statements had parsed."""
        outline = self._outline
        outline.functions = [function for function in outline.functions if function.parent is None]
        self._drop_all()
        for cls in outline.class_by_node.values():
            cls.node.body = []
        outline.tree.body = []
        # By ``id`` of nodes that are gone.
        outline.by_node.clear()
        outline.class_by_node.clear()

    def load(self, function: FunctionInfo) -> None:
        """Give a function its body back."""
        try:
            found = self._parse(function.node)
            function.node.body = found.body
            self._give_head(function, found)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            # It is not Python, which the tree without bodies did not show: it may do and give anything.
            function.node.body = ast.parse("return unknown_").body
        function.bodies = None
        known = len(self._outline.by_node) + len(self._outline.class_by_node)
        outline_function(self._outline, function)
        if len(self._outline.by_node) + len(self._outline.class_by_node) == known:
            # What defines functions and classes stays: parsed again, it would define others.
            self._recent.add(function, self)

    def load_head(self, function: FunctionInfo) -> None:
        """Give a function its parameters and the annotation of its result, which stay."""
        node = function.node
        text = self.text(node)
        start = 0
        for _ in range(node.lineno - _first_line(node)):
            start = text.index("\n", start) + 1
        bare = head(text, start, text[start : start + node.col_offset])
        try:
            self._give_head(function, self._parse(node, bare))
        except (SyntaxError, ValueError, MemoryError):
            # As for a body that is not Python.
            function.heads = None

    def _give_head(self, function: FunctionInfo, found: FunctionNode) -> None:
        if function.heads is not None:
            # Results are kept by the identity of these nodes.
            function.node.args, function.node.returns = found.args, found.returns
            function.heads = None

    def drop(self, function: FunctionInfo) -> None:
        """Take the body of a function away again; whoever runs it at the moment has hold of it."""
        function.node.body = []
        function.bodies = self

    def _parse(self, node: FunctionNode, bare: str | None = None) -> FunctionNode:
        """Parse a function again, or first the text ``bare`` of its head."""
        for text in (bare, self.text(node)):
            if text is None:
                continue
            # Put on its own line, so that the lines of its nodes are right.
            above = "\n" * (_first_line(node) - 1)
            if text[:1].isspace():
                above = above[:-1] + "if 1:\n"
            with suppress(SyntaxError):
                return _at(ast.parse(above + text), node)
        # A line of it continues with less indentation than CPython takes at the start of a text.
        return _at(ast.parse(self._source.text), node)

    def text(self, node: FunctionNode) -> str:
        """The text of a function, whole lines."""
        starts = self._source.line_starts
        end = node.end_lineno or node.lineno
        stop = starts[end] if end < len(starts) else len(self._source.text)
        return self._source.text[starts[_first_line(node) - 1] : stop]


def _first_line(node: FunctionNode) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _at(tree: ast.Module, wanted: FunctionNode) -> FunctionNode:
    """The function at the place of one that was parsed before."""
    blocks: list[ast.AST] = [tree]
    for block in blocks:
        for node in ast.iter_child_nodes(block):
            if (
                isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                and (node.lineno, node.col_offset) == (wanted.lineno, wanted.col_offset)
            ):  # fmt: skip
                return node
            if isinstance(node, (ast.stmt, ast.excepthandler, ast.match_case)):
                blocks.append(node)
    raise LookupError(wanted.name)
