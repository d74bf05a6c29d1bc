"""Evaluating expressions over the lattice."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from typing import Any

from h2dlint.analysis import library
from h2dlint.analysis import values as V
from h2dlint.analysis.guards import refine
from h2dlint.analysis.operators import attribute, binary, compared, display
from h2dlint.analysis.outline import dotted
from h2dlint.analysis.records import Env, Frame, Records
from h2dlint.analysis.subscripts import record_subscript, subscripted
from h2dlint.analysis.values import Kind, Value, join, replace
from h2dlint.model import Confidence

_BUILTINS = frozenset(dir(builtins))
_SHADOWED = frozenset("abs all any max min pow range round sum bool float int complex".split())
"""Builtins that ``from torch import *`` hides."""


_KNOWN_ROOTS = frozenset(
    """torch numpy math itertools functools collections typing typing_extensions dataclasses random time os sys re
    copy enum contextlib logging warnings abc einops builtins triton""".split()
)


def is_module(value: Value) -> bool:
    """A module, class or function known by its dotted name."""
    return value.qual is not None and value.only(Kind.OBJ | Kind.NONE) and value.cls is None


class Expressions:
    """Evaluates expressions in a frame; ``Calls`` adds calls, ``Statements`` and ``Interpreter`` the rest."""

    def __init__(self) -> None:
        self.records = Records()
        self.globals = Env()
        self.unsettled_globals: frozenset[str] = frozenset()
        self.star_imports: list[str] = []
        self._scratch: dict[int, Value] = {}
        self._handlers: dict[type[ast.expr], Callable[[Any, Frame], Value]] = {
            ast.Constant: lambda node, frame: V.constant(node.value),
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Call: self._call,
            ast.Subscript: self._subscript,
            ast.List: self._display,
            ast.Tuple: self._display,
            ast.Set: self._display,
            ast.Dict: self._dict,
            ast.BinOp: self._binop,
            ast.UnaryOp: self._unaryop,
            ast.BoolOp: self._boolop,
            ast.Compare: self._compare,
            ast.IfExp: self._ifexp,
            ast.ListComp: self._comprehension,
            ast.SetComp: self._comprehension,
            ast.GeneratorExp: self._comprehension,
            ast.DictComp: self._comprehension,
            ast.NamedExpr: self._namedexpr,
            ast.Lambda: self._lambda,
            ast.JoinedStr: self._joinedstr,
            ast.FormattedValue: self._formatted,
            ast.Starred: lambda node, frame: self.eval(node.value, frame),
            ast.Await: self._await,
            ast.Yield: self._yield,
            ast.YieldFrom: self._yield,
            ast.Slice: self._slice,
        }

    # Hooks that the classes above fill.
    def _call(self, node: ast.Call, frame: Frame) -> Value:
        raise NotImplementedError

    def instance_attribute(self, base: Value, name: str, frame: Frame) -> Value | None:
        raise NotImplementedError

    def imported(self, value: Value) -> Value:
        """What an imported name is, if the project defines it; else the value as it is."""
        return value

    def lookup(self) -> dict[int, Value]:
        """Values of the expressions evaluated last, by ``id``."""
        return self._scratch

    def eval(self, node: ast.expr, frame: Frame) -> Value:
        """Evaluate an expression and remember its value."""
        handler = self._handlers.get(type(node))
        value = V.UNKNOWN if handler is None else handler(node, frame)
        self._scratch[id(node)] = value
        if frame.record:
            self.records.values[id(node)] = value
        return value

    # Names and attributes

    def resolve_name(self, name: str, frame: Frame) -> Value:
        """What a name means in a frame: local, enclosing, module, builtin."""
        if name in frame.shared:
            return V.UNKNOWN
        value = frame.env.names.get(name)
        if value is not None:
            return self.imported(value)
        if frame.closure is not None:
            value = frame.closure.names.get(name)
            if value is not None:
                return self.imported(value)
        value = self.globals.names.get(name)
        if value is not None:
            return V.UNKNOWN if name in self.unsettled_globals else self.imported(value)
        if name in _SHADOWED and "torch" in self.star_imports:
            return Value(kind=Kind.OBJ, qual="torch." + name)
        if name in _BUILTINS:
            if name in ("True", "False", "None"):
                return V.constant({"True": True, "False": False, "None": None}[name])
            return Value(kind=Kind.OBJ, qual="builtins." + name)
        if "torch" in self.star_imports:
            return Value(kind=Kind.OBJ, qual="torch." + name)
        for module in self.star_imports:
            value = self.imported(replace(V.UNKNOWN, qual=f"{module}.{name}"))
            if value.known:
                return value
        return V.UNKNOWN

    def _name(self, node: ast.Name, frame: Frame) -> Value:
        return self.resolve_name(node.id, frame)

    def _attribute(self, node: ast.Attribute, frame: Frame) -> Value:
        base = self.eval(node.value, frame)
        name = node.attr
        if frame.env.paths or (frame.closure is not None and frame.closure.paths):
            path = dotted(node)
            if path is not None:
                value = frame.env.paths.get(path)
                if value is None and frame.closure is not None:
                    value = frame.closure.paths.get(path)
                if value is not None:
                    return value
        if is_module(base):
            assert base.qual is not None
            return self._module_attribute(base.qual, name)
        value = self.attribute_of(base, name, frame)
        if value is V.UNKNOWN and base.qual is not None and base.cls is None:
            # An attribute of something imported, which is not known to be a module.
            return replace(V.UNKNOWN, qual=f"{base.qual}.{name}")
        return value

    def _module_attribute(self, qual: str, name: str) -> Value:
        return self.imported(self.import_of(qual, name))

    def import_of(self, qual: str, name: str) -> Value:
        """What ``from qual import name`` binds; a name of the project is looked up when it is used."""
        full = f"{qual}{name}" if qual.endswith(".") else f"{qual}.{name}"
        if qual == "torch":
            from h2dlint.analysis import torch_facts

            if name in torch_facts.DTYPES:
                return Value(kind=Kind.DTYPE, dtype=torch_facts.DTYPE_ALIASES.get(name, name))
        value = library.module_constant(full)
        if value is not None:
            return value
        # What a module of the project or of a library that is not known here holds may be anything: a list too.
        known = qual.split(".", 1)[0] in _KNOWN_ROOTS
        return Value(kind=Kind.OBJ, qual=full) if known else replace(V.UNKNOWN, qual=full)

    def attribute_of(self, base: Value, name: str, frame: Frame) -> Value:
        """The value of ``base.name`` for a base that is no module."""
        if name == "device":
            device = base.device if base.only(Kind.TENSOR) else V.SOME_DEVICE
            if base.cls is None or base.may(Kind.TENSOR):
                return Value(kind=Kind.DEVICE, device=device & ~V.UNSET or V.SOME_DEVICE, why="")
        if name == "dtype" and base.cls is None:
            dtype = base.dtype if base.only(Kind.TENSOR) else None
            return Value(kind=Kind.DTYPE | (0 if base.only(Kind.TENSOR) else Kind.OBJ), dtype=dtype)
        if base.cls is not None or base.klass is not None:
            value = self.instance_attribute(base, name, frame)
            if value is not None:
                if (
                    name == "device"
                    and value.only(Kind.STR | Kind.DEVICE | Kind.NONE)
                    and value.may(Kind.STR)
                ):
                    # A string of that name names a device.
                    value = replace(value, kind=(value.kind & ~Kind.STR) | Kind.DEVICE)
                return value
            if name == "device":
                return V.DEVICE
        return attribute(base, name)

    # Subscripts

    def _slice(self, node: ast.Slice, frame: Frame) -> Value:
        for part in (node.lower, node.upper, node.step):
            if part is not None:
                self.eval(part, frame)
        return V.OBJECT

    def _subscript(self, node: ast.Subscript, frame: Frame) -> Value:
        base = self.eval(node.value, frame)
        index = self.eval(node.slice, frame)
        record_subscript(self.records, node, base, frame)
        return subscripted(node, base, index, self._scratch)

    # Displays and comprehensions

    def _display(self, node: ast.List | ast.Tuple | ast.Set, frame: Frame) -> Value:
        return display(node, [self.eval(elt, frame) for elt in node.elts])

    def _dict(self, node: ast.Dict, frame: Frame) -> Value:
        elem: Value | None = None
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                self.eval(key, frame)
            item = self.eval(value, frame)
            elem = item if elem is None else join(elem, item)
        return Value(kind=Kind.DICT, elem=elem)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, frame: Frame
    ) -> Value:
        env = frame.env
        since = len(frame.walrus)
        frame.env = env.copy()
        entered = 0
        for generator in node.generators:
            iterated = self.eval(generator.iter, frame)
            self.bind_target(generator.target, library.element(iterated) or V.UNKNOWN, frame)
            frame.loops.append(node.lineno)
            entered += 1
            for condition in generator.ifs:
                self.eval(condition, frame)
                frame.env = refine(condition, frame.env, True, self, frame) or frame.env
        if isinstance(node, ast.DictComp):
            self.eval(node.key, frame)
            elem = self.eval(node.value, frame)
        else:
            elem = self.eval(node.elt, frame)
        del frame.loops[len(frame.loops) - entered :]
        self._leave(env, frame, since)
        if isinstance(node, ast.DictComp):
            return Value(kind=Kind.DICT, elem=elem)
        if isinstance(node, ast.SetComp):
            return Value(kind=Kind.DICT)
        kind = Kind.OBJ if isinstance(node, ast.GeneratorExp) else Kind.SEQ
        if kind == Kind.OBJ:
            return Value(kind=Kind.SEQ, elem=elem, why=f"generator at line {node.lineno}")
        return Value(kind=kind, elem=elem, why=f"comprehension at line {node.lineno}")

    def bind_target(self, target: ast.expr, value: Value, frame: Frame) -> None:
        raise NotImplementedError

    # Operators

    def _binop(self, node: ast.BinOp, frame: Frame) -> Value:
        return binary(node.op, self.eval(node.left, frame), self.eval(node.right, frame), node.lineno)

    def _unaryop(self, node: ast.UnaryOp, frame: Frame) -> Value:
        operand = self.eval(node.operand, frame)
        if isinstance(node.op, ast.Not):
            return V.BOOL
        if operand.const is not V.MISSING and isinstance(operand.const, (int, float, complex)):
            if isinstance(node.op, ast.USub):
                return V.constant(-operand.const)
            if isinstance(node.op, ast.UAdd):
                return V.constant(+operand.const)
        if operand.only(V.PYSCALAR):
            return replace(
                operand, kind=operand.kind & ~Kind.BOOL or Kind.INT, const=V.MISSING, natural=False
            )
        if operand.only(Kind.TENSOR):
            return replace(operand, memory=V.PAGEABLE, layout=V.DENSE, origins=())
        return replace(operand, const=V.MISSING) if operand.only(Kind.NDARRAY | Kind.NPSCALAR) else V.UNKNOWN

    def _boolop(self, node: ast.BoolOp, frame: Frame) -> Value:
        env = frame.env
        since = len(frame.walrus)
        result: Value | None = None
        truth = isinstance(node.op, ast.And)
        for position, operand in enumerate(node.values):
            value = self.eval(operand, frame)
            last = position == len(node.values) - 1
            if not last:
                refined = refine(operand, frame.env.copy(), truth, self, frame)
                frame.env = refined if refined is not None else frame.env
                if not truth and value.may(Kind.NONE) and value.kind != V.ANY:
                    # ``x or y`` never gives the None of x.
                    value = replace(
                        value, kind=value.kind & ~Kind.NONE, device=value.device & ~V.UNSET or V.SOME_DEVICE
                    )
                    if not value.kind:
                        continue
            result = value if result is None else join(result, value)
        self._leave(env, frame, since)
        return result if result is not None else V.UNKNOWN

    def _compare(self, node: ast.Compare, frame: Frame) -> Value:
        operands = [self.eval(node.left, frame), *(self.eval(c, frame) for c in node.comparators)]
        return compared(node.ops, operands)

    def _ifexp(self, node: ast.IfExp, frame: Frame) -> Value:
        self.eval(node.test, frame)
        env = frame.env
        since = len(frame.walrus)
        branches: list[Value] = []
        for branch, truth in ((node.body, True), (node.orelse, False)):
            refined = refine(node.test, env.copy(), truth, self, frame)
            frame.env = refined if refined is not None else env.copy()
            branches.append(self.eval(branch, frame))
        self._leave(env, frame, since)
        result = join(branches[0], branches[1])
        presumed = self._presumed(node.test)
        if presumed is not None:
            likely = branches[0] if presumed else branches[1]
            if likely.only(V.DEVICE_LIKE) and likely.device == V.CPU:
                result = replace(result, confidence=Confidence.LOW, why="cpu unless a caller says otherwise")
        return result

    def _presumed(self, test: ast.expr) -> bool | None:
        """What a test gives where a boolean parameter keeps its default."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            inner = self._presumed(test.operand)
            return None if inner is None else not inner
        if isinstance(test, ast.BoolOp):
            # One operand decides, if it is the right one.
            decisive = isinstance(test.op, ast.Or)
            found = [self._presumed(operand) for operand in test.values]
            return decisive if decisive in found else None
        return self._scratch.get(id(test), V.UNKNOWN).presumed

    def _namedexpr(self, node: ast.NamedExpr, frame: Frame) -> Value:
        value = self.eval(node.value, frame)
        self.bind_target(node.target, value, frame)
        frame.walrus.append((node.target.id, value))
        return value

    def _leave(self, env: Env, frame: Frame, since: int) -> None:
        """Go back to ``env``, in which a walrus of the part that may not have run may have taken effect."""
        frame.env = env
        for name, value in frame.walrus[since:]:
            env.names[name] = (
                V.settled(join(env.names[name], value)) if name in env.names else V.settled(value)
            )

    def _lambda(self, node: ast.Lambda, frame: Frame) -> Value:
        env = frame.env
        # The body runs later, when names and attributes may have changed.
        frame.env = env.copy()
        for name, value in env.names.items():
            if not value.only(Kind.OBJ | Kind.NONE):
                frame.env.names[name] = V.weakened(value)
        frame.env.weaken_paths()
        arguments = node.args
        extra = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
        for arg in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]:
            frame.env.bind(arg.arg, V.UNKNOWN)
        self.eval(node.body, frame)
        frame.env = env
        return V.OBJECT

    def _joinedstr(self, node: ast.JoinedStr, frame: Frame) -> Value:
        for part in node.values:
            self.eval(part, frame)
        head = node.values[0] if node.values else None
        if isinstance(head, ast.Constant) and isinstance(head.value, str) and ":" in head.value:
            return replace(V.STR, device=V.device_of_name(head.value))
        return V.STR

    def _formatted(self, node: ast.FormattedValue, frame: Frame) -> Value:
        frame.in_fstring += 1
        self.eval(node.value, frame)
        frame.in_fstring -= 1
        return V.STR

    def _await(self, node: ast.Await, frame: Frame) -> Value:
        value = self.eval(node.value, frame)
        frame.env.weaken_paths()
        return value

    def _yield(self, node: ast.Yield | ast.YieldFrom, frame: Frame) -> Value:
        frame.yields = True
        if node.value is not None:
            self.eval(node.value, frame)
        frame.env.weaken_paths()
        return V.UNKNOWN
