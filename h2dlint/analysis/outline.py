"""The outline of a module: its functions and classes, found without looking into expressions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from h2dlint.syntax.trees import walk

if TYPE_CHECKING:
    from h2dlint.analysis.bodies import Bodies

# A word that stands first is found many times as fast as one with a boundary in front of it, or a choice of two.
_GIVES = (re.compile(r"return(?<!\wreturn)\b"), re.compile(r"yield(?<!\wyield)\b"))

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(eq=False, slots=True)
class FunctionInfo:
    """A function or method.

    Args:
        name: ``Class.method``, with the names of enclosing functions in front.
        owner: the class whose body defines it.
        parent: the function that it is nested in.
    """

    name: str
    node: FunctionNode
    owner: ClassInfo | None = None
    parent: FunctionInfo | None = None
    home: object = None
    """The interpreter of the module that defines it."""
    bodies: Bodies | None = None
    """Where its body is, if it was dropped."""
    heads: Bodies | None = None
    """Where its parameters and the annotation of its result are, if they were left out."""
    _gives: bool | None = None
    _stub: bool | None = None
    _lines: tuple[int, int] | None = None
    _decorators: list[str] | None = None

    @property
    def short(self) -> str:
        return self.node.name

    @property
    def parameters(self) -> ast.arguments:
        if self.heads is not None:
            self.heads.load_head(self)
        return self.node.args

    @property
    def returns(self) -> ast.expr | None:
        """The annotation of what it returns."""
        if self.heads is not None:
            self.heads.load_head(self)
        return self.node.returns

    @property
    def lines(self) -> tuple[int, int]:
        if self._lines is None:
            first = min([self.node.lineno, *(d.lineno for d in self.node.decorator_list)])
            self._lines = first, self.node.end_lineno or first
        return self._lines

    @property
    def is_stub(self) -> bool:
        """There is nothing in the body: an abstract method, a protocol, an overload."""
        if "abstractmethod" in {name.rsplit(".", 1)[-1] for name in self.decorators}:
            return True
        if self._stub is None:
            self.load()
            self._stub = all(
                isinstance(statement, (ast.Pass, ast.Raise))
                or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
                for statement in self.node.body
            )
        return self._stub

    @property
    def is_static(self) -> bool:
        return "staticmethod" in self.decorators

    @property
    def is_property(self) -> bool:
        return any(name.endswith("property") for name in self.decorators)

    @property
    def gives(self) -> bool:
        """It may return something other than ``None``, or is a generator."""
        if self._gives is None:
            self._gives = False
            if any(map(self.mentions, _GIVES)):
                self.load()
                self._gives = any(
                    (isinstance(node, ast.Return) and node.value is not None)
                    or isinstance(node, (ast.Yield, ast.YieldFrom))
                    for node in walk(self.node)
                )
        return self._gives

    def mentions(self, pattern: re.Pattern[str]) -> bool:
        """A cheap test that spares a body from being parsed: its text may hold what ``pattern`` finds."""
        return self.bodies is None or pattern.search(self.bodies.text(self.node)) is not None

    def load(self) -> None:
        """See to it that the body is there."""
        if self.bodies is not None:
            self.bodies.load(self)

    @property
    def decorators(self) -> list[str]:
        """Dotted text of each decorator, without call arguments."""
        if self._decorators is None:
            self._decorators = [
                dotted(d.func if isinstance(d, ast.Call) else d) or "" for d in self.node.decorator_list
            ]
        return self._decorators


@dataclass(eq=False, slots=True)
class ClassInfo:
    """A class: its methods, its annotated fields and its plain class attributes."""

    name: str
    node: ast.ClassDef
    methods: dict[str, FunctionInfo] = field(default_factory=dict)
    fields: dict[str, ast.AnnAssign] = field(default_factory=dict)
    attributes: dict[str, ast.expr] = field(default_factory=dict)
    home: object = None
    """The interpreter of the module that defines it."""

    @property
    def bases(self) -> list[str]:
        return [dotted(base) or "" for base in self.node.bases]


@dataclass(eq=False, slots=True)
class Outline:
    """What a module defines."""

    tree: ast.Module
    functions: list[FunctionInfo] = field(default_factory=list)
    classes: dict[str, ClassInfo] = field(default_factory=dict)
    by_node: dict[int, FunctionInfo] = field(default_factory=dict)
    class_by_node: dict[int, ClassInfo] = field(default_factory=dict)

    def outermost(self) -> Iterator[FunctionInfo]:
        """Functions that are not nested in another function."""
        return (f for f in self.functions if f.parent is None)

    def release(self) -> None:
        """Take the circles of functions and classes apart."""
        for cls in self.class_by_node.values():
            cls.methods.clear()
            cls.home = None
        for function in self.functions:
            function.home = None
        self.functions.clear()
        self.classes.clear()
        self.by_node.clear()
        self.class_by_node.clear()

    def function_at(self, line: int) -> FunctionInfo | None:
        """The innermost function whose lines hold ``line``."""
        best: FunctionInfo | None = None
        for function in self.functions:
            first, last = function.lines
            if first <= line <= last and (best is None or function.lines[0] >= best.lines[0]):
                best = function
        return best


def dotted(node: ast.expr) -> str | None:
    """``a.b.c`` for a name or a chain of attributes, else ``None``."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    parts.append(node.id)
    return ".".join(reversed(parts))


def child_blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The statement lists inside a compound statement."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(statement, name, None)
        if block:
            yield block
    for handler in getattr(statement, "handlers", ()):
        yield handler.body
    for case in getattr(statement, "cases", ()):
        yield case.body


_Block = tuple[list[ast.stmt], str, ClassInfo | None, FunctionInfo | None]


def outline(tree: ast.Module) -> Outline:
    """Walk statements, never expressions."""
    result = Outline(tree)
    _walk(result, [(tree.body, "", None, None)])
    result.functions.sort(key=lambda f: f.node.lineno)
    return result


def outline_function(result: Outline, function: FunctionInfo) -> None:
    """Add what is nested in a function."""
    _walk(result, [(function.node.body, function.name + ".", None, function)])
    for info in result.by_node.values():
        info.home = info.home or function.home
    for cls in result.class_by_node.values():
        cls.home = cls.home or function.home


def _walk(result: Outline, stack: list[_Block]) -> None:
    while stack:
        body, prefix, owner, parent = stack.pop()
        for statement in body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                info = FunctionInfo(prefix + statement.name, statement, owner, parent)
                result.functions.append(info)
                result.by_node[id(statement)] = info
                if owner is not None:
                    owner.methods.setdefault(statement.name, info)
                stack.append((statement.body, info.name + ".", None, info))
            elif isinstance(statement, ast.ClassDef):
                klass = ClassInfo(prefix + statement.name, statement)
                result.class_by_node[id(statement)] = klass
                if not prefix:
                    result.classes[klass.name] = klass
                stack.append((statement.body, klass.name + ".", klass, parent))
            else:
                if owner is not None:
                    _record_attribute(owner, statement)
                stack.extend((block, prefix, owner, parent) for block in child_blocks(statement))


def _record_attribute(owner: ClassInfo, statement: ast.stmt) -> None:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        owner.fields[statement.target.id] = statement
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                owner.attributes[target.id] = statement.value
