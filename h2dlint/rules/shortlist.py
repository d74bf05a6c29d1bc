"""Which functions of a module can hold a finding, by the syntax alone: only those are interpreted.

What the text of a line promises is often not there: a word in a docstring, an annotation, a conversion of dtype, a dict
that is assigned to. Each test here leaves out only what no rule can report, whatever the values are.
"""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from h2dlint.analysis import torch_facts as T
from h2dlint.analysis.outline import dotted
from h2dlint.rules.base import Rule
from h2dlint.rules.candidates import TYPES, Candidates, names_of
from h2dlint.syntax.trees import children, walk

_NOT_TENSORS = (
    ast.Constant, ast.Dict, ast.DictComp, ast.List, ast.ListComp, ast.Set, ast.SetComp, ast.JoinedStr, ast.Lambda,
    ast.GeneratorExp,
)  # fmt: skip
_SCALAR_CALLS = frozenset("int len min max abs sum id str slice bool float round ord hash repr".split())
_SCALAR_METHODS = frozenset("size dim item numel index get".split())
_OTHER_ARRAYS = frozenset({"np", "numpy", "jnp"})
_MOVES = frozenset("device dtype tensor other non_blocking copy memory_format async".split())


class Shortlist:
    """Finds the parts of a module that can hold a finding.

    Args:
        tree: of the module.
        candidates: what its text holds.
        rules: that run.
    """

    def __init__(self, tree: ast.Module, candidates: Candidates, rules: Sequence[Rule]) -> None:
        self._tree = tree
        self._candidates = candidates
        _, self._methods = names_of(tuple(rules))
        self._functions = candidates.functions
        self._of_torch = {
            name.removeprefix("torch.") for rule in rules for name in rule.functions if name.count(".") == 1
        }
        self._subscripts = any(rule.subscripts for rule in rules)

    def lines(self) -> list[int]:
        """The first line of each function, or statement outside of functions, that can hold a finding."""
        return sorted(part.lineno for part in self._parts(self._tree.body) if self._holds_any(part))

    def _parts(self, body: list[ast.stmt]) -> Iterator[ast.stmt]:
        lines = self._candidates.lines
        for statement in body:
            first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
            last = statement.end_lineno or first
            if bisect_right(lines, last) == bisect_right(lines, first - 1):
                continue
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if not any(map(_is_kernel, statement.decorator_list)):
                    yield statement
                continue
            blocks = [getattr(statement, name, None) or [] for name in ("body", "orelse", "finalbody")]
            blocks += [handler.body for handler in getattr(statement, "handlers", ())]
            if isinstance(statement, (ast.ClassDef, ast.If, ast.Try)) or any(blocks):
                for block in blocks:
                    yield from self._parts(block)
            yield statement

    def _holds_any(self, part: ast.stmt) -> bool:
        called: set[ast.AST] = set()
        bound: dict[str, bool] | None = None
        function = isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in walk(part) if function else _outside(part):
            if isinstance(node, ast.Call):
                called.add(node.func)
                if self._call(node):
                    return True
            elif isinstance(node, (ast.Attribute, ast.Name)):
                name = node.attr if isinstance(node, ast.Attribute) else node.id
                if name in self._functions and node not in called and self._handed_on(node):
                    return True
            elif not self._subscripts:
                continue
            elif isinstance(node, ast.Subscript):
                if not self._read(node):
                    continue
            elif isinstance(node, ast.Assign):
                subscripts = [t for target in node.targets for t in _targets(target)]
                if not any(self._stored(target, node.value) for target in subscripts):
                    continue
            elif isinstance(node, (ast.AnnAssign, ast.For, ast.AsyncFor, ast.withitem, ast.NamedExpr)):
                continue
            else:
                continue
            if isinstance(node, (ast.Subscript, ast.Assign)):
                if not function:
                    return True
                if bound is None:
                    bound = _containers(part)
                bases = [node.value] if isinstance(node, ast.Subscript) else [t.value for t in subscripts]
                if not all(isinstance(base, ast.Name) and bound.get(base.id) for base in bases):
                    return True
        return False

    def _call(self, node: ast.Call) -> bool:
        func = node.func
        if isinstance(func, ast.Name):
            return func.id in self._functions
        if not isinstance(func, ast.Attribute):
            return False
        name = func.attr
        if isinstance(func.value, ast.Name) and func.value.id == "torch":
            return name in self._of_torch and (name != "where" or len(node.args) + len(node.keywords) >= 3)
        if name == "where":
            other = isinstance(func.value, ast.Name) and func.value.id in _OTHER_ARRAYS
            return not other and len(node.args) + len(node.keywords) >= 2
        if name in self._methods:
            return _can_move(node, name)
        return name in self._functions

    def _handed_on(self, node: ast.Attribute | ast.Name) -> bool:
        """A function is given another name, or to another function."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "torch":
            return node.attr in self._of_torch
        return isinstance(node.ctx, ast.Load)

    def _read(self, node: ast.Subscript) -> bool:
        """An index may be a list, an array or a host tensor."""
        if isinstance(node.ctx, ast.Del):
            return False
        base = node.value
        if (base.id if isinstance(base, ast.Name) else getattr(base, "attr", "")) in TYPES:
            return False
        index = node.slice
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        return any(self._on_host(part) for part in parts)

    def _on_host(self, node: ast.expr) -> bool:
        if isinstance(node, (ast.Constant, ast.Slice)):
            return False
        if isinstance(node, ast.Name):
            return node.id in self._candidates.host
        if isinstance(node, ast.Attribute):
            return node.attr in self._candidates.host
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                return node.func.attr not in _SCALAR_METHODS
            return not (isinstance(node.func, ast.Name) and node.func.id in _SCALAR_CALLS)
        if isinstance(node, ast.Subscript):
            return self._on_host(node.value)
        if isinstance(node, (ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp)):
            # Something of host data is made of host data.
            return any(isinstance(part, ast.expr) and self._on_host(part) for part in children(node))
        return not isinstance(node, (ast.JoinedStr, ast.Dict, ast.Lambda))

    @staticmethod
    def _stored(target: ast.Subscript, value: ast.expr) -> bool:
        """A number or a tensor may be assigned to a part of a tensor."""
        if isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, (str, type(None))):
            return False
        if isinstance(value, ast.Constant):
            return isinstance(value.value, (int, float, complex))
        return not isinstance(value, _NOT_TENSORS)


def _is_kernel(decorator: ast.expr) -> bool:
    """``@triton.jit``: what such a function calls tensors are parts of them on the device already."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (dotted(called) or "") in ("triton.jit", "cute.kernel", "cute.jit")


def _targets(target: ast.expr) -> Iterator[ast.Subscript]:
    if isinstance(target, ast.Subscript):
        yield target
    elif isinstance(target, (ast.Tuple, ast.List)):
        for inner in target.elts:
            yield from _targets(inner)


def _outside(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement outside of functions, without those of the statements in it."""
    for field in statement._fields:
        value = getattr(statement, field, None)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(
                child, (ast.stmt, ast.excepthandler, ast.match_case)
            ):
                yield from walk(child)
    yield statement


def _can_move(node: ast.Call, method: str) -> bool:
    """A method that rules want to see may move a tensor, by its arguments."""
    args, keywords = node.args, node.keywords
    if method == "to":
        if any(isinstance(arg, ast.Starred) for arg in args) or any(k.arg not in _MOVES for k in keywords):
            return False
        named = {keyword.arg for keyword in keywords}
        if not args:
            return not named.isdisjoint(("device", "tensor"))
        return not (len(args) == 1 and _is_dtype(args[0]) and named.isdisjoint(("device", "tensor")))
    if method == "type_as":
        return len(args) == 1
    if method == "type":
        if len(args) != 1 or keywords or isinstance(args[0], ast.Starred) or _is_dtype(args[0]):
            return False
        return not isinstance(args[0], ast.Constant) or "cuda" in str(args[0].value)
    return True


def _is_dtype(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "torch"
        and node.attr in T.DTYPES
    )


def _containers(function: ast.stmt) -> dict[str, bool]:
    """Local names, and whether all that a function binds them to are lists and dicts."""
    found: dict[str, bool] = {}
    plain: set[int] = set()
    for node in walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    plain.add(id(target))
                    found[target.id] = found.get(target.id, True) and _is_container(node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            plain.add(id(node.target))
            found[node.target.id] = found.get(node.target.id, True) and _is_container(node.value)
        elif isinstance(node, ast.arg):
            found[node.arg] = False
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            found.update(dict.fromkeys(node.names, False))
    for node in walk(function):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and id(node) not in plain:
            found[node.id] = False
    return found


def _is_container(node: ast.expr) -> bool:
    if isinstance(node, (ast.Dict, ast.DictComp, ast.List, ast.ListComp)):
        return True
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("dict", "list", "defaultdict", "OrderedDict")
    )
