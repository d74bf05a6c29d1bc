"""What methods do to the attributes of ``self``, and functions to the names around them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from h2dlint.analysis import values as V
from h2dlint.analysis.outline import FunctionInfo, child_blocks
from h2dlint.analysis.records import Env
from h2dlint.analysis.values import Kind, Value, join, replace
from h2dlint.model import Confidence
from h2dlint.syntax.trees import walk


def settled(name: str, value: Value) -> Value:
    """A value as an attribute, seen from another method."""
    why = value.why and f"self.{name}: {value.why}"
    # Where a tensor lives can be changed from outside (``model.table = model.table.cuda()``), without a trace here.
    confidence = min(value.confidence, Confidence.MEDIUM) if value.may(Kind.TENSOR) else value.confidence
    return replace(value, origins=(), why=why, const=V.MISSING, confidence=confidence)


def keep_last(sink: dict[str, Value], exits: list[Env]) -> None:
    """Of an attribute that every way out has assigned, only the last value counts."""
    for name in sink:
        values = [env.paths.get(f"self.{name}") for env in exits]
        if values and all(value is not None for value in values):
            last: Value | None = None
            for value in values:
                last = join(last, value)
            assert last is not None
            sink[name] = last


_ASSIGNS = re.compile(r"self(?<!\wself)\s*\.\s*\w+\s*(?:[^\s\w]*=(?!=)|[,:)\]\\#]|in\b)")
"""What an assignment to an attribute of ``self`` looks like, and more."""


def assigned_to_self(method: FunctionInfo) -> frozenset[str]:
    """The attributes that a method assigns."""
    names: set[str] = set()
    if not method.mentions(_ASSIGNS):
        return frozenset()
    method.load()
    blocks: list[list[ast.stmt]] = [method.node.body]
    while blocks:
        for statement in blocks.pop():
            for target in _targets(statement):
                for node in (target,) if isinstance(target, ast.Attribute) else walk(target):
                    if (
                        isinstance(node, ast.Attribute)
                        and isinstance(node.ctx, ast.Store)
                        and isinstance(node.value, ast.Name)
                        and node.value.id == "self"
                    ):
                        names.add(node.attr)
            blocks.extend(child_blocks(statement))
    return frozenset(names)


def _targets(statement: ast.stmt) -> list[ast.expr]:
    """What a statement assigns to."""
    if isinstance(statement, ast.Assign):
        return [target for target in statement.targets if not isinstance(target, ast.Name)]
    if isinstance(statement, (ast.AugAssign, ast.AnnAssign, ast.For, ast.AsyncFor)):
        return [statement.target]
    if isinstance(statement, (ast.With, ast.AsyncWith)):
        return [item.optional_vars for item in statement.items if item.optional_vars is not None]
    return []


def rebound(outer: FunctionInfo | None, inner: FunctionInfo) -> set[str]:
    """Names that ``outer`` assigns again after ``inner`` is defined, or that ``inner`` declares nonlocal."""
    names: set[str] = set()
    if outer is None:
        return names
    end = inner.lines[1]
    for node in walk(outer.node):
        if isinstance(node, ast.Nonlocal):
            names.update(node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.lineno > end:
            names.add(node.id)
    return names


def module_constants(tree: ast.Module) -> dict[str, Value]:
    """Names that the module binds to a literal, once and under no condition: those stay what they are."""
    found: dict[str, Value] = {}
    bound: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(statement.name)
            found.pop(statement.name, None)
            continue
        names = {
            node.id
            for node in walk(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for name in names & bound:
            found.pop(name, None)
        target, value = _simple_assignment(statement)
        if target is not None and value is not None and target not in bound:
            found[target] = value
        bound |= names
    return {} if "float" in bound else found


def _simple_assignment(statement: ast.stmt) -> tuple[str | None, Value | None]:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target: ast.expr = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign):
        target = statement.target
    else:
        return None, None
    number = None if statement.value is None else _number(statement.value)
    if not isinstance(target, ast.Name) or number is None:
        return None, None
    return target.id, V.constant(number)


def _number(node: ast.expr) -> int | float | None:
    """A number as it is written: ``3``, ``-0.5``, ``float("-inf")``."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _number(node.operand)
        return None if number is None else -number
    if isinstance(node, ast.Constant):
        literal = node.value
        return literal if isinstance(literal, (int, float)) and not isinstance(literal, bool) else None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "float":
        return None
    if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], ast.Constant):
        return None
    try:
        return float(node.args[0].value) if isinstance(node.args[0].value, str) else None
    except ValueError:
        return None


def called_under_device(tree: ast.Module) -> frozenset[str]:
    """Names of functions that run under ``with torch.device(..)``, by the file: what they make may land there."""
    names: set[str] = set()
    devices: set[str] | None = None
    for node in walk(tree):
        if not isinstance(node, (ast.With, ast.AsyncWith)):
            continue
        for item in node.items:
            bare = item.context_expr
            if isinstance(bare, (ast.Name, ast.Attribute)):
                devices = _named_devices(tree) if devices is None else devices
                if _last(bare) in devices:
                    break
            elif _is_device(bare):
                break
        else:
            continue
        names.update(name for statement in node.body for name in _called(statement))
    if not names:
        return frozenset()
    calls: dict[str, set[str]] = {}
    for node in walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            calls.setdefault(node.name, set()).update(_called(node))
    todo = [name for name in names if name in calls]
    while todo:
        fresh = {name for name in calls[todo.pop()] if name in calls} - names
        names |= fresh
        todo += fresh
    return frozenset(names)


def _called(node: ast.AST) -> Iterator[str]:
    return (_last(call.func) for call in walk(node) if isinstance(call, ast.Call))


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _named_devices(tree: ast.Module) -> set[str]:
    """Names of variables, parameters and attributes that are devices where they are bound or annotated."""
    found = {"device", "dev"}
    for node in walk(tree):
        if isinstance(node, ast.Assign) and _is_device(node.value):
            found.update(map(_last, node.targets))
        elif isinstance(node, ast.AnnAssign) and _last(node.annotation) == "device":
            found.add(_last(node.target))
        elif isinstance(node, ast.arg) and node.annotation is not None and _last(node.annotation) == "device":
            found.add(node.arg)
    return found - {""}


def _is_device(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _last(node.func) == "device"
