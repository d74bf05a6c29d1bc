"""The text of a module without the parameters and bodies of its functions, of most of which only names are asked.

Most of what ``ast.parse`` makes is for functions that nobody asks for: those of modules that are only looked into are
parsed one by one when they are called (``bodies.py``). Bodies are found by indentation, without a tokenizer. What could
mislead that (a string over several lines, a line continued by a backslash) is noticed, and the whole text is parsed
then, as it is where the rest does not parse: a bracket or a string that is cut leaves its other half.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import lru_cache

_OPENER = re.compile(r"^(?:([ \t]*)(?:async[ \t]+)?def[ \t]|[^\W\d]\w*)", re.MULTILINE)
"""A function, or a statement at the left margin."""
_PARAMETERS = re.compile(r"[ \t]*[^\W\d]\w*[ \t]*(?=\()")
"""The name of a function, up to its parameters."""
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|#[^\n]*")
_COLON = re.compile(r":[ \t]*(?:#.*)?$")
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
_TRIPLE = ('"""', "'''")
_ODD = ("\r", "\f", "\v", "\0")
"""Characters that end a line, or start it, in ways of their own."""
_LINES = 80
"""The head of a function is looked for in so many lines."""


def parse_skeleton(
    text: str, keep: Callable[[int, int], bool] | None = None, heads: bool = False
) -> ast.Module:
    """The syntax tree of a module, in which the parameters and bodies of functions may be missing.

    Of such a function the decorators, the name, its place and its last line are as in the whole tree.
    Only functions at the left margin are cut, and those in classes there: what stands under a condition is whole.

    Args:
        text: of the module.
        keep: whether the body between two offsets is to stay.
        heads: parameters are to stay.

    Raises:
        SyntaxError: the text is not Python; in bodies that are missing that is not seen.
    """
    bare = skeleton(text, keep, heads)
    if bare is not None:
        try:
            return ast.parse(bare)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
    return ast.parse(text)


def skeleton(text: str, keep: Callable[[int, int], bool] | None = None, heads: bool = False) -> str | None:
    """The text with functions that take nothing and hold a number; ``None`` where that is not safe."""
    if any(character in text for character in _ODD) or _misleading(text):
        return None
    parts: list[str] = []
    done = seen = 0
    within_class = False
    while (match := _OPENER.search(text, done)) is not None:
        start = match.start()
        indent = match.group(1)
        if not indent:
            if open_ := _odd(text, seen, start):
                # It stands in a string.
                end = text.find(open_[0], start) + len(open_[0])
                if len(open_) > 1 or end < start:
                    return None
                parts.append(text[done:end])
                done = seen = end
                continue
            seen = start
        if indent is None:
            within_class = match.group() == "class"
        elif not indent:
            within_class = False
        cut = _body(text, start, indent) if indent == "" or (indent and within_class) else None
        if cut is None or _unclear(text[start : cut[0]]) or (keep is not None and keep(*cut)):
            parts.append(text[done : match.end()])
            done = match.end()
            continue
        first, last = cut
        if _odd(text, seen, first) or _odd(text, first, last):
            return None
        named = None if heads else _PARAMETERS.match(text, match.end())
        if named is None:
            parts += (text[done:first], "\n" * text.count("\n", first, last), indent or "", " 0")
        else:
            lines = "\n" * text.count("\n", named.end(), last)
            parts += (text[done : named.end()], "():", lines, indent or "", " 0")
        done = seen = last
    parts.append(text[done:])
    return "".join(parts)


def is_cut(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A function of a skeleton may be without its parameters."""
    given = node.args
    return not (
        given.args or given.kwonlyargs or given.posonlyargs or given.vararg or given.kwarg or node.returns
    )


def head(text: str, start: int, indent: str) -> str | None:
    """The text of a function with a number for a body; ``None`` where its head is not found.

    Args:
        text: of the function, with its decorators.
        start: of the line with its ``def``.
        indent: of that line.
    """
    found = _body(text, start, indent)
    return None if found is None else f"{text[: found[0]]}{indent} 0\n"


def _misleading(text: str) -> bool:
    """Three quotes may start or end no string, but stand in one, or in a comment."""
    for quotes in _TRIPLE:
        start = text.find(quotes)
        while start >= 0:
            if text[start - 1 : start] in ("\\", '"', "'"):
                return True
            if text.find("#", text.rfind("\n", 0, start) + 1, start) >= 0:
                return True
            start = text.find(quotes, start + 3)
    return False


def _odd(text: str, start: int, end: int) -> list[str]:
    """The quotes of strings over several lines of which a part of the text holds one more than pairs."""
    return [quotes for quotes in _TRIPLE if text.count(quotes, start, end) % 2]


def _unclear(head: str) -> bool:
    """Brackets in a string or a comment may have led to a wrong end of a head."""
    quoted = "'" in head or '"' in head
    if not quoted and "#" not in head:
        return False
    bare = _QUOTED.sub("", head)
    return (quoted and "\\" in head) or any(
        head.count(bracket) != bare.count(bracket) for pair in _BRACKETS for bracket in pair
    )


def _body(text: str, start: int, indent: str) -> tuple[int, int] | None:
    """Where the body of a function starts and ends; ``None`` where it is to be left.

    Args:
        text: of the module.
        start: of the line with its ``def``.
        indent: of that line.
    """
    end = start
    for _ in range(_LINES):
        end = text.find("\n", end)
        if end < 0:
            return None
        if all(text.count(a, start, end) == text.count(b, start, end) for a, b in _BRACKETS):
            break
        end += 1
    line = text[text.rfind("\n", 0, end) + 1 : end]
    if _COLON.search(line) is None:
        return None
    first = end + 1
    below = _left_of(indent).search(text, first)
    last = below.start() if below is not None else len(text)
    # What stands behind the last statement is not part of it.
    while (last := _before(text, last)) > first:
        line_start = text.rfind("\n", 0, last) + 1
        if not text[line_start:last].lstrip(" \t").startswith("#"):
            break
        last = line_start
    if last <= first or text[last - 1] == "\\":
        return None
    return first, last


def _before(text: str, end: int) -> int:
    """The end of what stands before an offset, white space left out."""
    while end and text[end - 1] in " \t\n":
        end -= 1
    return end


@lru_cache(maxsize=64)
def _left_of(indent: str) -> re.Pattern[str]:
    """A line of code that is not indented further than ``indent``."""
    return re.compile(rf"^(?!{indent}[ \t])[ \t]*(?=[^\s#])", re.MULTILINE)
