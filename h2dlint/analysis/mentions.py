"""Where a module mentions its functions: found by their names in the text, so that most of the tree is not walked."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from h2dlint.analysis.outline import FunctionInfo, Outline, child_blocks
from h2dlint.syntax.trees import children

# What comes before the name is looked at last, because ``re`` finds a plain text fast.
_DYNAMIC = (
    re.compile(r"getattr\((?<=\bgetattr\()\s*[^,()]+(?:\(\w*\))?\s*,\s*(?![\"'])"),
    *(re.compile(rf"{name}\(\)(?<=\b{name}\(\))") for name in ("globals", "locals", "vars")),
)
"""A name that is put together, or found, at run time."""
_OWN = ("self.", "cls.", "super().")


@dataclass(frozen=True, slots=True)
class Mention:
    """One place where a name stands.

    Args:
        node: the name or attribute; ``None`` where the name stands in a string or an import.
        call: the call of which it is the callee.
        within: the outermost function around it.
    """

    node: ast.Name | ast.Attribute | None
    call: ast.Call | None
    within: FunctionInfo | None


class Mentions:
    """Finds what a module does with its functions.

    Args:
        outline: of the module.
        text: its source.
        starts: offset of each of its lines.
    """

    def __init__(self, outline: Outline, text: str, starts: Sequence[int]) -> None:
        self._text = text
        self._starts = starts
        self._names = frozenset(function.short for function in outline.functions)
        self._outermost = sorted(outline.outermost(), key=lambda function: function.lines)
        self._firsts = [function.lines[0] for function in self._outermost]
        self._tree = outline.tree
        self._loose: list[ast.stmt] | None = None
        self._indexed: dict[int, dict[str, list[Mention]]] = {}
        self._found: dict[str, list[int]] = {}
        self.dynamic = any(pattern.search(text) for pattern in _DYNAMIC)

    def everywhere(self, name: str) -> list[Mention]:
        """Every mention of a name but its definitions, in order of position; those in comments are none."""
        return self._at(name, self._offsets(name))

    def calls(self, function: FunctionInfo) -> list[Mention]:
        """Calls that look like calls of a function: ``f(..)``, or ``self.f(..)`` for a method."""
        name, text = function.short, self._text

        def looks(offset: int) -> bool:
            if not text.startswith("(", offset + len(name)):
                return False
            head = text[max(0, offset - 8) : offset]
            return head.endswith(_OWN) if function.owner is not None else head[-1:] != "."

        found = self._at(name, [offset for offset in self._offsets(name) if looks(offset)])
        return [mention for mention in found if mention.call is not None]

    def inside(self, function: FunctionInfo) -> list[Mention]:
        """Mentions of a nested function, by its bare name, in the function that it is nested in."""
        outer = function.parent
        if outer is None:
            return []
        return [
            mention
            for mention in self._index(outer.node, outer).get(function.short, ())
            if isinstance(mention.node, ast.Name)
        ]

    def _offsets(self, name: str) -> list[int]:
        # A notebook may define the same name in each of its cells.
        if name not in self._found:
            self._found[name] = list(self._search(name))
        return self._found[name]

    def _search(self, name: str) -> Iterator[int]:
        text, offset = self._text, -1
        while (offset := text.find(name, offset + 1)) >= 0:
            end = offset + len(name)
            if offset and (text[offset - 1].isalnum() or text[offset - 1] == "_"):
                continue
            if end < len(text) and (text[end].isalnum() or text[end] == "_"):
                continue
            if not text[max(0, offset - 5) : offset].endswith("def "):
                yield offset

    def _at(self, name: str, offsets: Iterable[int]) -> list[Mention]:
        found: list[Mention] = []
        seen: set[int] = set()
        for line in dict.fromkeys(bisect_right(self._starts, offset) for offset in offsets):
            for node, within in self._around(line):
                if id(node) not in seen:
                    seen.add(id(node))
                    found += self._index(node, within).get(name, ())
        return found

    def _around(self, line: int) -> Iterator[tuple[ast.stmt, FunctionInfo | None]]:
        """The outermost function on a line, or the statements of the module and its classes there."""
        position = bisect_right(self._firsts, line) - 1
        if position >= 0 and line <= self._outermost[position].lines[1]:
            yield self._outermost[position].node, self._outermost[position]
            return
        if self._loose is None:
            self._loose = list(_loose(self._tree.body))
        for statement in self._loose:
            if statement.lineno <= line <= (statement.end_lineno or statement.lineno):
                yield statement, None

    def _index(self, root: ast.stmt, within: FunctionInfo | None) -> dict[str, list[Mention]]:
        found = self._indexed.get(id(root))
        if found is not None:
            return found
        found = self._indexed[id(root)] = {}
        called: dict[int, ast.Call] = {}
        for node in _nodes(root, whole=within is not None):
            name: str | None = None
            if isinstance(node, ast.Call):
                called[id(node.func)] = node
            elif isinstance(node, ast.Name):
                name = node.id
            elif isinstance(node, ast.Attribute):
                name = node.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                name = node.value.rpartition(".")[2]
            elif isinstance(node, ast.alias):
                name = node.asname or node.name
            if name in self._names:
                assert name is not None
                reference = node if isinstance(node, (ast.Name, ast.Attribute)) else None
                found.setdefault(name, []).append(Mention(reference, called.get(id(node)), within))
        return found


def _loose(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements outside of functions."""
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        yield statement
        for block in child_blocks(statement):
            yield from _loose(block)


def _nodes(root: ast.stmt, whole: bool) -> Iterator[ast.AST]:
    """A statement's nodes, each before what is in it; without ``whole`` not the statements in its blocks."""
    stack: list[ast.AST] = [root]
    while stack:
        node = stack.pop()
        yield node
        inner = children(node)
        if not whole:
            inner = [n for n in inner if not isinstance(n, (ast.stmt, ast.excepthandler, ast.match_case))]
        stack.extend(reversed(inner))


def callers_first(
    functions: Iterable[FunctionInfo], callers: Callable[[FunctionInfo], Iterable[FunctionInfo]]
) -> list[list[FunctionInfo]]:
    """Functions and what calls them, directly or not, each after its callers; those that call each other together.

    Args:
        functions: to start with.
        callers: what calls a function.
    """
    number: dict[FunctionInfo, int] = {}
    low: dict[FunctionInfo, int] = {}
    path: list[FunctionInfo] = []
    done: set[FunctionInfo] = set()
    groups: list[list[FunctionInfo]] = []
    for start in functions:
        if start in number:
            continue
        number[start] = low[start] = len(number)
        path.append(start)
        work = [(start, iter(callers(start)))]
        while work:
            function, rest = work[-1]
            for caller in rest:
                if caller not in number:
                    number[caller] = low[caller] = len(number)
                    path.append(caller)
                    work.append((caller, iter(callers(caller))))
                    break
                if caller not in done:
                    low[function] = min(low[function], number[caller])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    low[above] = min(low[above], low[function])
                if low[function] == number[function]:
                    cut = path.index(function)
                    groups.append(path[cut:])
                    done.update(path[cut:])
                    del path[cut:]
    return groups
