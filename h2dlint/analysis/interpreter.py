"""Running function bodies over the lattice: flow-sensitive, branches joined, loops to a fixpoint."""

from __future__ import annotations

import ast
from dataclasses import replace

from h2dlint.analysis import tensors
from h2dlint.analysis import values as V
from h2dlint.analysis.annotations import annotation_value
from h2dlint.analysis.attributes import assigned_to_self, assigns_self, keep_last, rebound, settled
from h2dlint.analysis.outline import ClassInfo, FunctionInfo, Outline
from h2dlint.analysis.project import Project
from h2dlint.analysis.records import Env, Frame
from h2dlint.analysis.statements import Statements
from h2dlint.analysis.values import Kind, Value, join
from h2dlint.model import Confidence

MAX_DEPTH = 4
MAX_SUMMARIES = 6


class Interpreter(Statements):
    """Interprets one module.

    Args:
        outline: the module's functions and classes.
        text: the module's source, for cheap tests of what it mentions.
        project: where imported names are looked up.
        path: absolute path of the file, for its relative imports.
    """

    def __init__(self, outline: Outline, text: str, project: Project | None = None, path: str = "") -> None:
        super().__init__()
        self.path = path
        self._project = project
        self._resolving = False
        self._resolved: dict[str, Value] = {}
        for function in outline.functions:
            function.home = self
        for cls in outline.class_by_node.values():
            cls.home = self
        self.outline = outline
        self.text = text
        self._summaries: dict[int, dict[tuple[object, ...], Value]] = {}
        self._running: set[int] = set()
        self._attributes: dict[int, dict[str, Value]] = {}
        self.default_device = self._module_default_device()
        self.unsettled_globals = self._unsettled()

    def _module_default_device(self) -> int:
        setters = ("set_default_device", "set_default_tensor_type")
        return V.SOME_DEVICE if any(s in self.text for s in setters) else V.CPU

    def _unsettled(self) -> frozenset[str]:
        """Globals that some function assigns."""
        if "global " not in self.text:
            return frozenset()
        names: set[str] = set()
        for function in self.outline.functions:
            for node in ast.walk(function.node):
                if isinstance(node, ast.Global):
                    names.update(node.names)
        return frozenset(names)

    # Entry points

    def run_module(self, record: bool = True) -> None:
        """Run the module's own statements, which binds its globals.

        Args:
            record: the file is linted; otherwise it is only looked into, and what it imports is not followed, so that
                what is known of it does not depend on who asked.
        """
        frame = Frame(None, self.globals, record=record, default_devices=[self.default_device])
        self._resolving = record
        out = self.block(self.outline.tree.body, frame)
        self._resolving = True
        self.globals = out if out is not None else frame.env

    def forget(self) -> None:
        """Drop what was worked out about functions and classes."""
        self._summaries.clear()
        self._attributes.clear()
        self._resolved.clear()

    def imported(self, value: Value) -> Value:
        if value.qual is None or value.kind != V.ANY or self._project is None or not self._resolving:
            return value
        known = self._resolved.get(value.qual)
        if known is None:
            known = self._project.resolve(self.path, value.qual)
            if known is None or known.kind == V.ANY:
                known = value
            self._resolved[value.qual] = known
        return known

    def run_function(self, function: FunctionInfo) -> None:
        """Run an outermost function (or method) and record what it does."""
        self._run(function, None, None, record=True, depth=0)

    def _run(
        self,
        function: FunctionInfo,
        call: tensors.Call | None,
        bound: Value | None,
        record: bool,
        depth: int,
        closure: Env | None = None,
        sink: dict[str, Value] | None = None,
    ) -> Value:
        frame = Frame(
            function,
            Env(),
            record=record,
            closure=closure,
            depth=depth,
            default_devices=[self.default_device],
            sink=sink,
        )
        self._bind_parameters(function, call, bound, frame)
        end = self.block(function.node.body, frame)
        if sink is not None:
            keep_last(sink, [*frame.exits, *([end] if end is not None else [])])
        result = frame.returned
        if end is not None:
            result = join(result, V.NONE) if result is not None else V.NONE
        if frame.yields:
            return V.UNKNOWN
        return result if result is not None else V.NONE

    def _bind_parameters(
        self, function: FunctionInfo, call: tensors.Call | None, bound: Value | None, frame: Frame
    ) -> None:
        arguments = function.node.args
        names = [*arguments.posonlyargs, *arguments.args]
        defaults: list[ast.expr | None] = [None] * (len(names) - len(arguments.defaults))
        defaults += arguments.defaults
        position = 0
        for index, (arg, default) in enumerate(zip(names, defaults, strict=True)):
            if index == 0 and function.owner is not None and not function.is_static:
                if "classmethod" in function.decorators or function.short in ("__new__", "__init_subclass__"):
                    value = Value(kind=Kind.OBJ, klass=function.owner)
                else:
                    value = Value(kind=Kind.OBJ, cls=function.owner)
                    if bound is not None and bound.cls is not None:
                        value = bound
                frame.env.bind(arg.arg, value)
                continue
            given = None
            if call is not None:
                given = call.keywords.get(arg.arg)
                if given is None and not call.starred and position < len(call.args):
                    given = call.args[position]
            position += 1
            frame.env.bind(arg.arg, self._parameter(arg, default, given, call is not None, frame))
        for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            given = call.keywords.get(arg.arg) if call is not None else None
            frame.env.bind(arg.arg, self._parameter(arg, default, given, call is not None, frame))
        if arguments.vararg is not None:
            elem = self.annotation(arguments.vararg.annotation, frame)
            frame.env.bind(
                arguments.vararg.arg, Value(kind=Kind.SEQ, elem=elem, why="*" + arguments.vararg.arg)
            )
        if arguments.kwarg is not None:
            frame.env.bind(arguments.kwarg.arg, V.DICT)

    def annotation(self, node: ast.expr | None, frame: Frame) -> Value | None:
        return None if node is None else annotation_value(node, lambda n: self._meaning(n, frame))

    def _meaning(self, node: ast.expr, frame: Frame) -> Value:
        """What a dotted name stands for, without recording anything."""
        if isinstance(node, ast.Name):
            return self.resolve_name(node.id, frame)
        if isinstance(node, ast.Attribute):
            base = self._meaning(node.value, frame)
            if base.qual is not None:
                value = self._module_attribute(base.qual, node.attr)
                return value if value.known else Value(kind=Kind.OBJ, qual=f"{base.qual}.{node.attr}")
        return V.UNKNOWN

    def _parameter(
        self, arg: ast.arg, default: ast.expr | None, given: Value | None, called: bool, frame: Frame
    ) -> Value:
        annotated = self.annotation(arg.annotation, frame)
        none_default = isinstance(default, ast.Constant) and default.value is None
        if annotated is not None:
            if none_default and (not called or given is None):
                annotated = join(annotated, V.NONE)
            text = ast.unparse(arg.annotation) if arg.annotation is not None else ""
            value = annotated.because(f"parameter {arg.arg}: {text}")
            if given is None and isinstance(default, ast.Constant) and isinstance(default.value, bool):
                value = replace(value, presumed=default.value)
            if given is not None and given.kind & value.kind and given.kind != V.ANY:
                # The caller knows more: the device of a tensor, the element of a list.
                return replace(given, kind=given.kind & value.kind or value.kind)
            return value
        if given is not None:
            return replace(given, origins=())
        if default is None:
            return V.UNKNOWN
        value = self._quiet(default, frame)
        if isinstance(value.const, bool):
            return replace(V.UNKNOWN, presumed=value.const) if not called else value
        if called:
            return value
        if none_default:
            return replace(V.UNKNOWN, device=V.SOME_DEVICE | V.UNSET)
        if value.only(Kind.STR | Kind.DEVICE):
            # A default of "cuda" does not bind the caller.
            return Value(
                kind=Kind.STR | Kind.DEVICE, why=f"parameter {arg.arg}", confidence=Confidence.MEDIUM
            )
        if value.only(V.PYSCALAR | Kind.SEQ) and not value.only(Kind.BOOL):
            kind = (
                value.kind
                | (Kind.FLOAT if value.only(Kind.INT) else 0)
                | (Kind.INT if value.only(Kind.FLOAT) else 0)
            )
            return Value(
                kind=kind, confidence=Confidence.MEDIUM, why=f"default of parameter {arg.arg}", elem=None
            )
        return V.UNKNOWN

    def _quiet(self, node: ast.expr, frame: Frame) -> Value:
        record, frame.record = frame.record, False
        value = self.eval(node, frame)
        frame.record = record
        return value

    # Functions, classes, instances

    def call_function(self, callee: Value, call: tensors.Call, frame: Frame) -> Value | None:
        if callee.klass is not None:
            return Value(kind=Kind.OBJ, cls=callee.klass)
        function = callee.func
        if function is not None and function.home is not self and isinstance(function.home, Interpreter):
            return function.home.call_function(callee, call, frame)
        if function is None or frame.depth >= MAX_DEPTH or id(function) in self._running:
            return self._declared(function, frame) if function is not None else None
        key = (
            frame.depth,
            *(
                (name, v.kind, v.device, v.memory)
                for name, v in [
                    *((str(i), a) for i, a in enumerate(call.args)),
                    *sorted(call.keywords.items()),
                ]
            ),
        )
        known = self._summaries.setdefault(id(function), {})
        if key in known:
            return known[key]
        if len(known) >= MAX_SUMMARIES:
            return self._declared(function, frame)
        self._running.add(id(function))
        try:
            result = self._run(function, call, callee.bound, record=False, depth=frame.depth + 1)
        finally:
            self._running.discard(id(function))
        declared = self._declared(function, frame)
        if declared is not None and not result.known:
            result = declared
        if any(
            d.rsplit(".", 1)[-1] in ("contextmanager", "asynccontextmanager") for d in function.decorators
        ):
            result = V.UNKNOWN
        result = replace(result, origins=())
        known[key] = result
        return result

    def _declared(self, function: FunctionInfo, frame: Frame) -> Value | None:
        value = self.annotation(function.node.returns, frame)
        return (
            value.because(f"{function.short}() -> {ast.unparse(function.node.returns)}")
            if value and function.node.returns
            else None
        )

    def instance_attribute(self, base: Value, name: str, frame: Frame) -> Value | None:
        cls = base.cls or base.klass
        seen: set[int] = set()
        while cls is not None and id(cls) not in seen:
            seen.add(id(cls))
            home = cls.home if isinstance(cls.home, Interpreter) else self
            found = home._class_attribute(cls, name, base, frame)
            if found is not None:
                return found
            cls = home._base_class(cls)
        return None

    def class_attribute(self, value: Value, name: str) -> Value | None:
        """``Class.name``, asked for from another module."""
        if value.klass is None:
            return None
        return self.instance_attribute(value, name, Frame(None, self.globals, record=False))

    def _base_class(self, cls: ClassInfo) -> ClassInfo | None:
        frame = Frame(None, self.globals, record=False)
        for base in cls.node.bases:
            found = self._meaning(base, frame).klass
            if found is not None and found is not cls:
                return found
        return None

    def _class_attribute(self, cls: ClassInfo, name: str, base: Value, frame: Frame) -> Value | None:
        method = cls.methods.get(name)
        if method is not None:
            bound = Value(kind=Kind.OBJ, func=method, bound=base if base.cls is not None else None)
            if method.is_property:
                call = tensors.Call(
                    ast.Call(func=ast.Name(id=name), args=[], keywords=[], lineno=1), [], {}, False, V.CPU
                )
                return self.call_function(bound, call, frame)
            return bound
        if name in cls.fields:
            annotation = cls.fields[name].annotation
            value = self.annotation(annotation, frame)
            if value is not None:
                default = cls.fields[name].value
                if isinstance(default, ast.Constant) and default.value is None:
                    value = join(value, V.NONE)
                return value.because(f"field {cls.name}.{name}: {ast.unparse(annotation)}")
        return self._class_attributes(cls, frame).get(name)

    def _class_attributes(self, cls: ClassInfo, frame: Frame) -> dict[str, Value]:
        """Join of what the methods of a class assign to attributes of ``self``.

        The constructor runs first; each method sees what was collected so far. A second round lets the first
        methods see what the later ones assign (``self.x = self.x.to(device)`` in ``forward``).
        """
        known = self._attributes.get(id(cls))
        if known is not None:
            return known
        collected: dict[str, Value] = {}
        self._attributes[id(cls)] = collected
        outer = Frame(None, self.globals, record=False, default_devices=[self.default_device])
        for name, node in cls.attributes.items():
            collected[name] = settled(name, self.eval(node, outer))
        writers = [m for m in cls.methods.values() if assigns_self(m)]
        writers.sort(key=lambda m: m.short != "__init__")
        for _ in range(2 if len(writers) > 1 else 1):
            for method in writers:
                sink: dict[str, Value] = {}
                if id(method) in self._running or frame.depth >= MAX_DEPTH:
                    # What it assigns is not known.
                    for name in assigned_to_self(method):
                        collected[name] = V.UNKNOWN
                    continue
                self._running.add(id(method))
                try:
                    self._run(method, None, None, record=False, depth=frame.depth + 1, sink=sink)
                finally:
                    self._running.discard(id(method))
                for name, value in sink.items():
                    value = settled(name, value)
                    collected[name] = join(collected[name], value) if name in collected else value
        return collected

    # Definitions

    def do_functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> bool:
        info = self.outline.by_node.get(id(node))
        for decorator in node.decorator_list:
            self.eval(decorator, frame)
        for default in [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]:
            self.eval(default, frame)
        frame.env.bind(node.name, Value(kind=Kind.OBJ, func=info))
        if info is not None and frame.function is not None and frame.record:
            self._nested(info, frame)
        return True

    do_asyncfunctiondef = do_functiondef

    def _nested(self, info: FunctionInfo, frame: Frame) -> None:
        """Run a nested function where it is defined: it sees the enclosing names, some not yet settled."""
        closure = frame.env.copy()
        if frame.closure is not None:
            closure.names = {**frame.closure.names, **closure.names}
        for name in rebound(frame.function, info):
            if name in closure.names:
                closure.bind(name, V.UNKNOWN)
        self._run(info, None, None, record=True, depth=frame.depth, closure=closure)

    def do_classdef(self, node: ast.ClassDef, frame: Frame) -> bool:
        for expr in [*node.bases, *(k.value for k in node.keywords), *node.decorator_list]:
            self.eval(expr, frame)
        info = self.outline.class_by_node.get(id(node))
        inner = Frame(
            frame.function,
            Env(),
            record=frame.record,
            closure=frame.env if frame.function is not None else frame.closure,
            default_devices=frame.default_devices,
            depth=frame.depth,
        )
        frame.env.bind(node.name, Value(kind=Kind.OBJ, klass=info, qual=None))
        for statement in node.body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                nested = self.outline.by_node.get(id(statement))
                if nested is not None and frame.function is not None and frame.record:
                    self._nested(nested, frame)
                continue
            inner.statement = statement
            self.block([statement], inner)
        return True
