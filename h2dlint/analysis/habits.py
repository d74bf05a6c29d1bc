"""How one file pins memory: what it writes for ``pin_memory``, and the upload functions that it defines."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from h2dlint.analysis.uploaders import Uploader, read_uploader
from h2dlint.syntax.bound import Imported, bound_in, imports_of

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Pin:
    """One ``pin_memory=..`` that is decided when the program runs.

    Args:
        kind: ``call``, ``constant`` or ``attribute``.
        expression: what decides, with ``{device}`` for an argument that names a device.
        origin: where its first name comes from: a dotted name, or ``""`` where the file defines it itself or it is
            ``self``.
        line: where it is used.
    """

    kind: str
    expression: str
    origin: str
    line: int


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a function by an imported, or the file's own, name.

    Args:
        name: of the function.
        origin: the module that it is imported from; ``""`` for the file itself.
        keywords: parameters that the call gives by keyword.
    """

    name: str
    origin: str
    keywords: frozenset[str]


@dataclass(slots=True)
class Habits:
    """What one file does.

    Args:
        pins: that a predicate, a constant or an attribute decides.
        literal: lines with ``pin_memory=True`` or ``.pin_memory()``.
        uploaders: the upload functions that it defines.
        called: calls of functions by name.
        imports: names that are imported at the top.
        stepping: ``Class.method`` of methods that run the model: decorated with ``inference_mode`` or ``no_grad``.
        methods: how often a method of each name is called.
    """

    pins: list[Pin] = field(default_factory=list)
    literal: list[int] = field(default_factory=list)
    uploaders: list[Uploader] = field(default_factory=list)
    called: list[Called] = field(default_factory=list)
    imports: dict[str, Imported] = field(default_factory=dict)
    stepping: list[tuple[str, int]] = field(default_factory=list)
    methods: Counter[str] = field(default_factory=Counter)


def read_habits(tree: ast.Module) -> Habits:
    """Read one file."""
    habits = Habits(imports={found.local: found for found in imports_of(tree.body)})
    top = {name for name, _ in bound_in(tree)}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found = read_uploader(node)
            if found is not None:
                habits.uploaders.append(found)
    for function, call in _calls(tree, None):
        _read_call(habits, top, function, call)
        if isinstance(call.func, ast.Attribute):
            habits.methods[call.func.attr] += 1
    for cls in ast.walk(tree):
        if isinstance(cls, ast.ClassDef):
            for method in cls.body:
                if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)) and _runs_model(method):
                    habits.stepping.append((f"{cls.name}.{method.name}", method.lineno))
    return habits


def _runs_model(method: _Function) -> bool:
    names = (
        decorator.func if isinstance(decorator, ast.Call) else decorator
        for decorator in method.decorator_list
    )
    return any(
        isinstance(name, ast.Attribute) and name.attr in ("inference_mode", "no_grad") for name in names
    )


def _calls(node: ast.AST, function: _Function | None) -> Iterator[tuple[_Function | None, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield function, child
        inner = child if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
        yield from _calls(child, inner)


def _read_call(habits: Habits, top: set[str], function: _Function | None, node: ast.Call) -> None:
    if isinstance(node.func, ast.Attribute) and node.func.attr == "pin_memory" and not node.args:
        habits.literal.append(node.lineno)
    if isinstance(node.func, ast.Name):
        found = habits.imports.get(node.func.id)
        if found is not None and found.name is not None:
            origin, name = found.module, found.name
        elif node.func.id in top:
            origin, name = "", node.func.id
        else:
            return _read_pin(habits, top, function, node)
        habits.called.append(Called(name, origin, frozenset(k.arg for k in node.keywords if k.arg)))
    elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        found = habits.imports.get(node.func.value.id)
        if found is not None:
            joint = "" if found.module.endswith(".") else "."
            origin = found.module if found.name is None else f"{found.module}{joint}{found.name}"
            habits.called.append(
                Called(node.func.attr, origin, frozenset(k.arg for k in node.keywords if k.arg))
            )
    return _read_pin(habits, top, function, node)


def _read_pin(habits: Habits, top: set[str], function: _Function | None, node: ast.Call) -> None:
    value = next((k.value for k in node.keywords if k.arg == "pin_memory"), None)
    if value is None:
        return
    if isinstance(value, ast.Name) and function is not None:
        value = _local(function, value.id) or value
    if isinstance(value, ast.Constant):
        if value.value is True:
            habits.literal.append(node.lineno)
        return
    pin = _pin(habits, top, function, value, node.lineno)
    if pin is not None:
        habits.pins.append(pin)


def _local(function: _Function, name: str) -> ast.expr | None:
    """What a local name is bound to, where it is bound to one thing only."""
    values = {
        ast.unparse(node.value): node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    }
    return next(iter(values.values())) if len(values) == 1 else None


def _pin(habits: Habits, top: set[str], function: _Function | None, value: ast.expr, line: int) -> Pin | None:
    if isinstance(value, ast.Call):
        root, path = _path(value.func)
        if root is None or value.keywords or len(value.args) > 1:
            return None
        argument = "{device}" if value.args else ""
        origin = _origin(habits, top, function, root)
        return None if origin is None else Pin("call", f"{path}({argument})", origin, line)
    root, path = _path(value)
    if root is None:
        return None
    if root == "self":
        return Pin("attribute", path, "", line) if path.count(".") == 1 else None
    origin = _origin(habits, top, function, root)
    return None if origin is None else Pin("constant", path, origin, line)


def _path(node: ast.expr) -> tuple[str | None, str]:
    """The first name of a dotted name, and the whole."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None, ""
    parts.append(node.id)
    return node.id, ".".join(reversed(parts))


def _origin(habits: Habits, top: set[str], function: _Function | None, root: str) -> str | None:
    """Where a name comes from; ``None`` where it is local to a function."""
    if function is not None:
        for found in imports_of(function.body):
            if found.local == root:
                return _whole(found)
        if any(name == root for name, _ in bound_in(function)):
            return None
    found_top = habits.imports.get(root)
    if found_top is not None:
        return _whole(found_top)
    return "" if root in top else None


def _whole(found: Imported) -> str:
    if found.name is None:
        return found.module
    return f"{found.module}{'' if found.module.endswith('.') else '.'}{found.name}"
