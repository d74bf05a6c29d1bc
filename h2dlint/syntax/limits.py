"""How deep and how large Python may be before it is left alone.

LibCST's parser is recursive native code: what is nested deeper than the stack allows ends the process, and no exception
is raised. So it is never given what is deeper than `MAX_DEPTH`. Trees cost memory by what is in them and not by their
bytes: a syntax tree takes up to 1.5 KB for each mark of punctuation, one of LibCST four times that.
"""

from __future__ import annotations

import ast

from h2dlint.syntax.trees import children, walk

MAX_DEPTH = 400
"""Levels of one statement. LibCST 1.9 was seen to crash at 6,400 with a stack of 8 MiB, at 400 with 512 KiB."""

MAX_NODES = 50_000
"""Nodes of one statement: about 300 MB as a tree of LibCST."""

MAX_MARKS = 500_000
"""Marks of punctuation in a file: about 750 MB as a syntax tree."""

SMALL_TEXT = 300
"""Characters in which nothing can be too deep or too large."""

SMALL_FILE = 512 * 1024
"""Bytes in which there cannot be too many marks that matter."""

_FORMATTED = ("JoinedStr", "TemplateStr")
_MARKS = (
    bytes(code for code in range(33, 127) if not chr(code).isalnum() and chr(code) not in "_\"'\\#") + b"\n"
)


def too_many_marks(data: bytes) -> bool:
    """Whether the syntax tree of a file may take gigabytes.

    Text in strings and comments counts too, because finding out that it is text costs what is to be saved.
    """
    return len(data) > SMALL_FILE and len(data) - len(data.translate(None, _MARKS)) > MAX_MARKS


def fits_libcst(node: ast.AST, text: str) -> bool:
    """Whether a statement or expression may be given to LibCST.

    Args:
        node: its syntax tree.
        text: its source.
    """
    if len(text) <= SMALL_TEXT:
        return True
    if measure(node, MAX_DEPTH, MAX_NODES) is not None:
        return False
    # Two kinds of chains are flat in a syntax tree and nested in LibCST.
    chained = max((len(each.values) for each in walk(node) if isinstance(each, ast.BoolOp)), default=0)
    return chained <= MAX_DEPTH and _pieces(node, text) <= MAX_DEPTH


def _pieces(node: ast.AST, text: str) -> int:
    """How many string literals stand side by side, at most: by the quotes that no single literal accounts for."""
    literals = 0
    stack = [node]
    while stack:
        each = stack.pop()
        if each.__class__.__name__ in _FORMATTED or (
            isinstance(each, ast.Constant) and isinstance(each.value, (str, bytes))
        ):
            literals += 1
        else:
            stack += children(each)
    return (text.count("'") + text.count('"')) // 2 - literals


def measure(node: ast.AST, depth: int, nodes: int | None = None) -> ast.AST | None:
    """Go down a tree level by level, without recursion.

    Args:
        node: the root.
        depth: levels that are allowed.
        nodes: how many nodes are, if that matters.

    Returns:
        A node at which a limit is passed; ``None`` where none is.
    """
    level = [node]
    count = 0
    for _ in range(depth):
        count += len(level)
        level = [child for parent in level for child in children(parent)]
        if not level:
            return None
        if nodes is not None and count + len(level) > nodes:
            return level[0]
    return level[0]
