"""Functions and classes of a module: what they are called with, what they return, what instances hold."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from h2dlint.analysis import tensors
from h2dlint.analysis import values as V
from h2dlint.analysis.attributes import (
    assigned_to_self,
    called_under_device,
    module_constants,
    rebound,
    settled,
)
from h2dlint.analysis.functions import Functions
from h2dlint.analysis.outline import ClassInfo, FunctionInfo, Outline
from h2dlint.analysis.project import Project
from h2dlint.analysis.records import Env, Frame
from h2dlint.analysis.summaries import (
    MAX_DEPTH,
    MAX_LEVEL,
    METHOD_DEPTH,
    Attributes,
    Context,
    Summaries,
    Trace,
    detached,
    identical,
    instance_of,
    mentioned,
    signature,
    widened,
)
from h2dlint.analysis.values import Kind, Value, join

_SETS_DEFAULT_DEVICE = re.compile(
    r"set_default_device|set_default_tensor_type|enter_context\(\s*torch\.device"
)
"""Somewhere in the module the default device is set for what comes after: a function may run under it."""

TRANSPARENT = frozenset(
    """staticmethod classmethod property cached_property abstractmethod override final overload cache lru_cache no_grad
    inference_mode enable_grad compile script ignore unused export wraps torch_compile support_torch_compile autocast
    jit is_compile_supported beartype typechecked jaxtyped validate_call deprecated nvtx_range record_function
    torch_dynamo_disable disable""".split()
)
"""Decorators, by their last name, that leave what a function returns as it is."""


class Interpreter(Functions):
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
        self.lasting = False
        self._summaries = Summaries()
        self._attributes: dict[tuple[ClassInfo, int], Attributes] = {}
        self._assigned: dict[ClassInfo, dict[FunctionInfo, set[str]]] = {}
        self._bases: dict[ClassInfo, ClassInfo | None] = {}
        self._declarations: dict[FunctionInfo, Value | None] = {}
        self.default_device = self._module_default_device()
        self.unsettled_globals = self._unsettled()
        self.called_under_device = (
            called_under_device(outline.tree) if "torch.device(" in text else frozenset()
        )

    def _module_default_device(self) -> int:
        return V.SOME_DEVICE if _SETS_DEFAULT_DEVICE.search(self.text) else V.CPU

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
            record: the file is linted; otherwise it is only looked into, by any file of the run, and what it imports
                is not followed yet, so that what is known of it does not depend on who asked.
        """
        self.lasting = not record
        frame = Frame(None, self.globals, record=record, default_devices=[self.default_device])
        self._resolving = record
        out = self.block(self.outline.tree.body, frame)
        self._resolving = True
        self.globals = out if out is not None else frame.env
        for name, value in module_constants(self.outline.tree).items():
            if name not in self.unsettled_globals:
                self.globals.names[name] = value
        # What was worked out on the way saw half of the module.
        self._summaries.clear()
        self._attributes.clear()
        self._bases.clear()
        self._declarations.clear()
        self._annotations.clear()
        self._scratch = {}

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
        self._run(function, None, None, record=True, depth=0, context=Context(), trace=Trace())

    # Functions

    def call_function(self, callee: Value, call: tensors.Call, frame: Frame) -> Value | None:
        if callee.klass is not None:
            return Value(kind=Kind.OBJ, cls=callee.klass)
        function = callee.func
        if function is None:
            return None
        if function.home is not self and isinstance(function.home, Interpreter):
            result = function.home.call_function(callee, call, frame)
            return detached(result, foreign=True) if result is not None else None
        if frame.depth >= MAX_DEPTH:
            frame.trace.cut = True
            return self._declared(function)
        bound = instance_of(callee.bound.cls) if callee.bound is not None else None
        args = [widened(value) for value in call.args]
        keywords = {name: widened(call.keywords[name]) for name in sorted(call.keywords)}
        given = [*args, *keywords.values()]
        key = (
            function,
            bound and bound.cls,
            call.starred,
            len(args),
            *keywords,
            *(signature(value) for value in given),
        )
        summaries = self._summaries_for([*given, *([bound] if bound is not None else [])])
        depth = frame.depth + 1
        known = summaries.find(key, depth, frame.context, frame.trace)
        if known is not None:
            return known
        trace = Trace(depth, frame.context.level)
        call = tensors.Call(call.node, args, keywords, call.starred, call.default_device)
        result = self._run(
            function, call, bound, record=False, depth=depth, context=frame.context, trace=trace
        )
        if not result.known:
            result = self._declared(function) or result
        if any(d.rsplit(".", 1)[-1] not in TRANSPARENT for d in function.decorators):
            # A decorator may return anything.
            result = V.UNKNOWN
        result = replace(result, origins=())
        summaries.keep(key, depth, frame.context, result, trace)
        frame.trace.add(trace)
        return result

    def _summaries_for(self, given: list[Value]) -> Summaries:
        """Where a result is kept: what refers to the linted file is forgotten with it."""
        for value in given:
            for info in mentioned(value):
                if isinstance(info.home, Interpreter) and not info.home.lasting:
                    return info.home._summaries
        return self._summaries

    def _declared(self, function: FunctionInfo) -> Value | None:
        """What a function says that it returns."""
        if function.node.returns is None:
            return None
        if function not in self._declarations:
            value = self.annotation(function.node.returns, self._outer())
            if value is not None:
                value = value.because(f"{function.short}() -> {self._unparsed(function.node.returns)}")
            self._declarations[function] = value
        return self._declarations[function]

    def _outer(self) -> Frame:
        """A frame in which names mean what they mean at the top of the module."""
        return Frame(None, Env(), record=False, default_devices=[self.default_device])

    # Classes, instances

    def instance_attribute(self, base: Value, name: str, frame: Frame) -> Value | None:
        cls = base.cls or base.klass
        seen: set[int] = set()
        while cls is not None and id(cls) not in seen:
            seen.add(id(cls))
            home = cls.home if isinstance(cls.home, Interpreter) else self
            found = home._class_attribute(cls, name, base, frame)
            if found is not None:
                return found if home is self else detached(found, foreign=True)
            cls = home._base_class(cls)
        return None

    def _base_class(self, cls: ClassInfo) -> ClassInfo | None:
        if cls not in self._bases:
            frame = self._outer()
            found = (self._meaning(base, frame).klass for base in cls.node.bases)
            self._bases[cls] = next((base for base in found if base is not None and base is not cls), None)
        return self._bases[cls]

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
            value = self.annotation(annotation, self._outer())
            if value is not None:
                default = cls.fields[name].value
                if isinstance(default, ast.Constant) and default.value is None:
                    value = join(value, V.NONE)
                return value.because(f"field {cls.name}.{name}: {self._unparsed(annotation)}")
        return self._assigned_attribute(cls, name, frame)

    def _assigned_attribute(self, cls: ClassInfo, name: str, frame: Frame) -> Value | None:
        """An attribute that the class or one of its methods assigns."""
        if cls not in self._assigned:
            self._assigned[cls] = {method: assigned_to_self(method) for method in cls.methods.values()}
        if name not in cls.attributes and not any(name in names for names in self._assigned[cls].values()):
            return None
        context, trace = frame.context, frame.trace
        trace.classes.add(cls)
        if context.owner is cls:
            value = context.collected.get(name)
            trace.names[name] = value
            return value
        level = context.level + 1
        if level > MAX_LEVEL:
            trace.cut = True
            return V.UNKNOWN
        known = self._attributes.get((cls, 0))
        if known is None or known.trace.level - known.level + level > MAX_LEVEL:
            known = self._attributes.get((cls, level))
            if known is None:
                known = self._collect(cls, level)
                self._attributes[cls, level if known.trace.cut else 0] = known
        trace.level = max(trace.level, known.trace.level - known.level + level)
        trace.cut = trace.cut or known.trace.cut
        return known.values.get(name)

    def _collect(self, cls: ClassInfo, level: int) -> Attributes:
        """Join of what the methods of a class assign to attributes of ``self``.

        The constructor runs first; each method sees what was collected so far. A second round lets the first
        methods see what the later ones assign (``self.x = self.x.to(device)`` in ``forward``).
        """
        context = Context(level, cls)
        collected = context.collected
        whole = Trace(METHOD_DEPTH, level)
        outer = self._outer()
        outer.context, outer.trace, outer.depth = context, whole, METHOD_DEPTH
        for name, node in cls.attributes.items():
            collected[name] = settled(name, self.eval(node, outer))
        writers = [method for method, names in self._assigned[cls].items() if names]
        writers.sort(key=lambda m: m.short != "__init__")
        seen: dict[FunctionInfo, dict[str, Value | None]] = {}
        for _ in range(2 if len(writers) > 1 else 1):
            for method in writers:
                if method in seen and all(collected.get(n) is v for n, v in seen[method].items()):
                    # It would come out the same.
                    continue
                sink: dict[str, Value] = {}
                trace = Trace(METHOD_DEPTH, level)
                self._run(
                    method,
                    None,
                    None,
                    record=False,
                    depth=METHOD_DEPTH,
                    context=context,
                    trace=trace,
                    sink=sink,
                )
                seen[method] = trace.names
                whole.add(trace)
                for name, value in sink.items():
                    value = settled(name, value)
                    before = collected.get(name)
                    after = value if before is None else join(before, value)
                    if not identical(before, after):
                        collected[name] = after
        return Attributes(collected, level, whole)

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
        self._run(
            info,
            None,
            None,
            record=True,
            depth=frame.depth,
            context=frame.context,
            trace=frame.trace,
            closure=closure,
        )

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
            context=frame.context,
            trace=frame.trace,
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
