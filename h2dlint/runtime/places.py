"""Which file and which expression here is the one that a trace speaks of.

A trace may come from another checkout, from a container, or from a profiler that shortens paths. So files are compared
by what is on disk first, and by the ends of their paths where the file of the trace is not there; and what a file holds
at a line is compared with the function that ran there.
"""

from __future__ import annotations

import ast
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from h2dlint.model import Span
from h2dlint.syntax.source import DecodeError, SourceText

_INSTALLED = ("site-packages", "dist-packages")
_EVERYWHERE = frozenset({"__init__.py", "__main__.py", "conftest.py", "setup.py"})
"""Names that say nothing by themselves."""

_RESUMED = "torch_dynamo_resume_in_"
"""How torch.compile names the rest of a function that it could not compile as a whole."""

_COMPREHENSIONS: dict[str, type[ast.AST]] = {
    "<listcomp>": ast.ListComp,
    "<setcomp>": ast.SetComp,
    "<dictcomp>": ast.DictComp,
    "<genexpr>": ast.GeneratorExp,
    "<lambda>": ast.Lambda,
}


@dataclass(frozen=True, slots=True)
class Place:
    """A call or a subscript.

    Args:
        span: of the whole expression.
        non_blocking: whether it asks for that; ``None`` where the text does not tell.
        device: it names a device.
    """

    span: Span
    non_blocking: bool | None = False
    device: bool = False


_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Files:
    """Finds the file here that a file of a trace is.

    Args:
        places: path as reports show it, to the absolute path of the file; all files that were looked at, not only those
            with findings: they decide whether the end of a path is ambiguous.

    Attributes:
        ambiguous: files of the trace that could be several files here.
    """

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._real: dict[str, str] = {}
        self._by_name: defaultdict[str, list[tuple[list[str], str]]] = defaultdict(list)
        self._known: dict[str, tuple[str, ...]] = {}
        self.ambiguous: set[str] = set()
        for shown, location in places.items():
            real = os.path.realpath(location)
            self._real[real] = shown
            # A link may have another name than what it points to.
            for path in {real, os.path.abspath(location)}:
                parts = _parts(path)
                self._by_name[parts[0]].append((parts, shown))

    def of(self, file: str) -> str | None:
        """The path, as reports show it, of a file of a trace; ``None`` where it is not among them, or ambiguous."""
        found = self.candidates(file)
        return found[0] if len(found) == 1 else None

    def candidates(self, file: str) -> tuple[str, ...]:
        """The files here that a file of a trace may be."""
        if file not in self._known:
            self._known[file] = self._find(file)
            if len(self._known[file]) > 1:
                self.ambiguous.add(file)
        return self._known[file]

    def _find(self, file: str) -> tuple[str, ...]:
        if file.startswith("<"):
            return ()
        if os.path.isabs(file):
            real = os.path.realpath(file)
            if real in self._real:
                return (self._real[real],)
            if os.path.exists(file):
                return ()
        wanted = _parts(file)
        least = _least(file, wanted)
        lengths = {
            shown: _common(wanted, parts) for parts, shown in self._by_name.get(wanted[0], ()) if parts
        }
        best = max(lengths.values(), default=0)
        if best < least or (best == 1 and wanted[0] in _EVERYWHERE):
            return ()
        return tuple(sorted(shown for shown, length in lengths.items() if length == best))


def _parts(path: str) -> list[str]:
    """The parts of a path, the file's name first."""
    return [part for part in reversed(path.replace("\\", "/").split("/")) if part not in ("", ".")]


def _least(file: str, parts: list[str]) -> int:
    """How many parts must agree: all of a path that was shortened, and all from an installed package on."""
    if not os.path.isabs(file) and "\\" not in file:
        return len(parts)
    installed = [index for index, part in enumerate(parts) if part in _INSTALLED]
    return installed[0] if installed else 1


def _common(one: list[str], other: list[str]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


class Outline:
    """What is where in a file: functions, and what is called or subscripted at a span.

    Args:
        source: the text; one that does not parse has an empty outline.
    """

    def __init__(self, source: SourceText) -> None:
        self.source = source

    @classmethod
    def read(cls, location: Path) -> Outline | None:
        """The outline of a file; ``None`` where it cannot be read."""
        try:
            return cls(SourceText.from_bytes(location.read_bytes()))
        except (OSError, DecodeError, ValueError):
            return None

    @cached_property
    def _tree(self) -> ast.Module:
        try:
            return ast.parse(self.source.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return ast.Module(body=[], type_ignores=[])

    @cached_property
    def _nodes(self) -> dict[Span, ast.Call | ast.Subscript]:
        found: dict[Span, ast.Call | ast.Subscript] = {}
        for node in ast.walk(self._tree):
            if isinstance(node, (ast.Call, ast.Subscript)):
                found[self.source.span(node)] = node
        return found

    @cached_property
    def _scopes(self) -> list[_Scope]:
        return [node for node in ast.walk(self._tree) if isinstance(node, _Scope)]

    @cached_property
    def _functions(self) -> list[Span]:
        return [
            self.source.span(node)
            for node in ast.walk(self._tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        ]

    def operators(self, span: Span) -> tuple[str, ...]:
        """What is called in an expression, outermost first: ``to`` and ``tensor`` of ``torch.tensor(x).to(d)``.

        Only along the objects that calls are made on, not in arguments. A subscript is both ``__getitem__`` and
        ``__setitem__``. Empty where nothing is known of the span.
        """
        return tuple(_spine(self._nodes.get(span)))

    def runs(self, function: str, line: int) -> bool:
        """Whether a line may belong to a function, as far as its name and place say: else the file is another one.

        Args:
            function: qualified name of the frame.
            line: that it was at.
        """
        name = function.rpartition(".")[2]
        if name.startswith(("<", _RESUMED)):
            return 1 <= line <= len(self.source.line_starts)
        return any(scope.name == name and line in _lines(scope) for scope in self._scopes)

    def body(self, function: str, line: int) -> tuple[Span, ...]:
        """The spans that a frame covers of which only the function and a line in it, or its first one, are known.

        Several where several functions fit; functions within it are left in, as their own frames tell them apart.
        """
        name = function.rpartition(".")[2]
        if name == "<module>":
            return (Span(1, 1, len(self.source.line_starts) + 1, 1),)
        if name in _COMPREHENSIONS:
            kind = _COMPREHENSIONS[name]
            return tuple(
                self.source.span(node)
                for node in ast.walk(self._tree)
                if isinstance(node, kind) and isinstance(node, ast.expr) and node.lineno == line
            )
        fitting = [scope for scope in self._scopes if scope.name == name and line in _lines(scope)]
        if not fitting:
            return ()
        # The innermost one: a function may hold another one of its name.
        return (self.source.span(max(fitting, key=lambda scope: scope.lineno)),)

    def places(self, name: str, bodies: tuple[Span, ...]) -> list[Place]:
        """Every call of a function or method of some name in some functions, but not in functions within those.

        Args:
            name: of the function, or ``__getitem__`` (any subscript) or ``__setitem__`` (one that is assigned to).
            bodies: from ``body``.
        """
        return [
            _place(span, node)
            for span, node in self._nodes.items()
            if _is_named(node, name) and any(self.directly(span, body) for body in bodies)
        ]

    def directly(self, span: Span, body: Span) -> bool:
        """Whether an expression is in a function, and not in one within it, which has frames of its own."""
        if not contains(body, span):
            return False
        around = self.innermost(span)
        return around is None or contains(around, body)

    def innermost(self, span: Span) -> Span | None:
        """The smallest function or lambda around an expression, or ``None`` at module level."""
        return max((outer for outer in self._functions if contains(outer, span)), default=None)


def _is_named(node: ast.Call | ast.Subscript, name: str) -> bool:
    if isinstance(node, ast.Subscript):
        return name == "__getitem__" or (name == "__setitem__" and isinstance(node.ctx, ast.Store))
    function = node.func
    return name == (
        function.attr
        if isinstance(function, ast.Attribute)
        else function.id
        if isinstance(function, ast.Name)
        else ""
    )


def _place(span: Span, node: ast.Call | ast.Subscript) -> Place:
    if isinstance(node, ast.Subscript):
        return Place(span)
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    given = [*node.args, *(value for key, value in keywords.items() if key == "non_blocking")]
    constants = [value.value for value in given if isinstance(value, ast.Constant)]
    non_blocking: bool | None = any(value is True for value in constants)
    wide = None in keywords or any(isinstance(argument, ast.Starred) for argument in node.args)
    if not non_blocking and (
        wide or not isinstance(keywords.get("non_blocking", ast.Constant(0)), ast.Constant)
    ):
        non_blocking = None
    return Place(span, non_blocking, "device" in keywords or wide)


def _lines(scope: _Scope) -> range:
    # The first line of a function is that of its first decorator, for Python as for profilers.
    first = min([scope.lineno, *(decorator.lineno for decorator in scope.decorator_list)])
    return range(first, (scope.end_lineno or scope.lineno) + 1)


def _spine(node: ast.AST | None) -> Iterator[str]:
    while node is not None:
        if isinstance(node, ast.Subscript):
            yield from ("__getitem__", "__setitem__")
            node = node.value
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute):
                yield function.attr
                node = function.value
            else:
                if isinstance(function, ast.Name):
                    yield function.id
                node = None
        elif isinstance(node, ast.Attribute):
            node = node.value
        else:
            node = None


def contains(outer: Span, inner: Span) -> bool:
    """Whether a span lies within another one, or is the same."""
    return (outer.line, outer.column) <= (inner.line, inner.column) and (
        inner.end_line,
        inner.end_column,
    ) <= (outer.end_line, outer.end_column)


def overlaps(one: Span, other: Span) -> bool:
    """Whether two spans share a character."""
    return (one.line, one.column) < (other.end_line, other.end_column) and (other.line, other.column) < (
        one.end_line,
        one.end_column,
    )


def last_name(operator: str) -> str:
    """``to`` of ``Tensor.to``."""
    return operator.rpartition(".")[2]
