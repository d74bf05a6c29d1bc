"""Functions and classes of a module: what they are called with, what they return, what instances hold."""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from h2dlint.analysis import tensors
from h2dlint.analysis import values as V
from h2dlint.analysis.attributes import (
    called_under_device,
    module_constants,
    rebound,
)
from h2dlint.analysis.callers import Callers
from h2dlint.analysis.classes import Classes
from h2dlint.analysis.mentions import Mentions
from h2dlint.analysis.outline import FunctionInfo, Outline
from h2dlint.analysis.project import Project
from h2dlint.analysis.records import Env, Frame
from h2dlint.analysis.summaries import (
    MAX_DEPTH,
    Context,
    Summaries,
    Trace,
    detached,
    instance_of,
    mentioned,
    signature,
    widened,
)
from h2dlint.analysis.values import Kind, Value, replace
from h2dlint.syntax.trees import walk

_SETS_DEFAULT_DEVICE = re.compile(
    r"set_default_device|set_default_tensor_type|enter_context\(\s*torch\.device"
)
"""Somewhere in the module the default device is set for what comes after: a function may run under it."""

# A word that stands first is found many times as fast as one with a boundary in front of it.
_UNDER_DEVICE = re.compile(r"with(?<!\wwith)\b(?:[^:]{0,400}?\bdevice\(|\s+\(?\s*[\w.]+\s*[:,)])")
_WITH = re.compile(r"with(?<!\wwith)\b")
_GLOBAL = re.compile(r"global\b")
_STARTS = re.compile(r"(?:^|[;:\f])[ \t\f]*$")
"""What may stand on a line in front of a statement."""

_SETTLED = Kind.BOOL | Kind.NONE | Kind.OBJ
"""Kinds of which an annotation says everything."""

TRANSPARENT = frozenset(
    """staticmethod classmethod property cached_property abstractmethod override final overload cache lru_cache no_grad
    inference_mode enable_grad compile script ignore unused export wraps torch_compile support_torch_compile autocast
    jit is_compile_supported beartype typechecked jaxtyped validate_call deprecated nvtx_range record_function
    torch_dynamo_disable disable""".split()
)
"""Decorators, by their last name, that leave what a function returns as it is."""


def _globals(text: str) -> Iterator[int]:
    """Offsets in a text at which a statement may start with ``global``."""
    for match in _GLOBAL.finditer(text):
        start = match.start()
        if _STARTS.search(text[text.rfind("\n", 0, start) + 1 : start]) is not None:
            yield start


def bodies_that_count(text: str) -> Callable[[int, int], bool]:
    """Tells, by offsets, which bodies of a module's functions say something of what stands outside of them.

    Args:
        text: of the module.
    """
    offsets = list(_globals(text))
    withs = [match.start() for match in _WITH.finditer(text)] if "device" in text else []

    def counts(start: int, end: int) -> bool:
        if any(start <= offset < end for offset in offsets):
            return True
        inside = withs[bisect_left(withs, start) : bisect_left(withs, end)]
        return any(_UNDER_DEVICE.match(text, offset, end) is not None for offset in inside)

    return counts


def heads_that_count(text: str) -> bool:
    """A module's functions may run under a device that a parameter is: annotations say which ones are devices.

    Args:
        text: of the module.
    """
    return "device" in text and _UNDER_DEVICE.search(text) is not None


class Interpreter(Classes):
    """Interprets one module.

    Args:
        outline: the module's functions and classes.
        text: the module's source without comments, for cheap tests of what it mentions.
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
        self._declarations: dict[FunctionInfo, Value | None] = {}
        self.default_device = self._module_default_device()
        self.unsettled_globals = self._unsettled()
        self.called_under_device = (
            called_under_device(outline.tree) if heads_that_count(text) else frozenset()
        )

    def _module_default_device(self) -> int:
        mentioned = "set_default" in self.text or "enter_context" in self.text
        return V.SOME_DEVICE if mentioned and _SETS_DEFAULT_DEVICE.search(self.text) else V.CPU

    def _unsettled(self) -> frozenset[str]:
        """Globals that some function assigns."""
        lines: list[int] = []
        line, start = 1, 0
        for offset in _globals(self.text):
            line += self.text.count("\n", start, offset)
            start = offset
            lines.append(line)
        names: set[str] = set()
        for function in self.outline.functions if lines else ():
            first, last = function.lines
            if function.parent is not None or not any(first <= line <= last for line in lines):
                continue
            for node in walk(function.node):
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
        self._texts.clear()
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

    def watch_callers(self, starts: Sequence[int], hidden: Callable[[str], bool] | None) -> Callers:
        """Let parameters be read at the calls, in the order of runs that the result tells.

        Args:
            starts: offset of each line of the text.
            hidden: no other file of the project mentions a name that starts with an underscore; ``None`` where
                that cannot be known.
        """

        def private(function: FunctionInfo) -> bool:
            if hidden is None or (
                function.owner is not None and not self.inherits_from_known(function.owner)
            ):
                return False
            return hidden(function.short)

        mentions = Mentions(self.outline, self.text, starts)
        self.callers = Callers(self.outline, mentions, private, _transparent)
        return self.callers

    def release(self) -> None:
        """Forget everything; nothing may be asked any more."""
        self.__dict__.clear()

    # Functions

    def call_function(self, callee: Value, call: tensors.Call, frame: Frame) -> Value | None:
        if callee.klass is not None:
            return Value(kind=Kind.OBJ, cls=callee.klass)
        function = callee.func
        if function is None:
            return None
        if _discarded(call.node, frame.statement):
            return V.UNKNOWN
        if not function.gives and all(map(_transparent, function.decorators)):
            # What overrides an abstract method gives something else than None.
            stub = function.is_stub
            return (self._home_of(function)._declared(function) or V.UNKNOWN) if stub else V.NONE
        if function.home is not self and isinstance(function.home, Interpreter):
            result = function.home.call_function(callee, call, frame)
            return detached(result, True, function.home.path) if result is not None else None
        declared = self._declared(function)
        depth = frame.depth + 1
        if depth > MAX_DEPTH:
            frame.trace.cut = True
            return declared
        if declared is not None and declared.only(_SETTLED) and all(map(_transparent, function.decorators)):
            # The body could not say anything that matters.
            return declared
        bound = instance_of(callee.bound.cls) if callee.bound is not None else None
        args = [widened(value) for value in call.args]
        keywords = {name: widened(call.keywords[name]) for name in sorted(call.keywords)}
        given = [*args, *keywords.values()]
        key = (
            function,
            bound and bound.cls,
            call.starred,
            call.default_device,
            len(args),
            *keywords,
            *(signature(value) for value in given),
        )
        summaries = self._summaries_for([*given, *([bound] if bound is not None else [])])
        known = summaries.find(key, depth, frame.context, frame.trace)
        if known is not None:
            return known
        trace = Trace(depth, frame.context.level)
        call = tensors.Call(call.node, args, keywords, call.starred, call.default_device)
        result = self._run(
            function, call, bound, record=False, depth=depth, context=frame.context, trace=trace
        )
        if not result.known:
            result = declared or result
        if not all(map(_transparent, function.decorators)):
            # A decorator may return anything.
            result = V.UNKNOWN
        result = replace(result, origins=())
        summaries.keep(key, depth, frame.context, result, trace)
        frame.trace.add(trace)
        return result

    def _home_of(self, function: FunctionInfo) -> Interpreter:
        return function.home if isinstance(function.home, Interpreter) else self

    def _summaries_for(self, given: list[Value]) -> Summaries:
        """Where a result is kept: what refers to the linted file is forgotten with it."""
        for value in given:
            for info in mentioned(value):
                if isinstance(info.home, Interpreter) and not info.home.lasting:
                    return info.home._summaries
        return self._summaries

    def _declared(self, function: FunctionInfo) -> Value | None:
        """What a function says that it returns."""
        returns = function.returns
        if returns is None:
            return None
        if function not in self._declarations:
            value = self.annotation(returns, self._outer())
            if value is not None:
                value = value.because(f"{function.short}() -> {self._unparsed(returns)}")
            self._declarations[function] = value
        return self._declarations[function]

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
        """A nested function sees the enclosing names as they are where it is defined, some not yet settled."""
        closure = frame.env.copy()
        if frame.closure is not None:
            closure.names = {**frame.closure.names, **closure.names}
        for name in rebound(frame.function, info):
            if name in closure.names:
                closure.bind(name, V.UNKNOWN)
        frame.nested[info] = closure

    def do_classdef(self, node: ast.ClassDef, frame: Frame) -> bool:
        # Bases are looked up when an attribute is asked for.
        resolving, self._resolving = self._resolving, False
        for expr in [*node.bases, *(k.value for k in node.keywords), *node.decorator_list]:
            self.eval(expr, frame)
        self._resolving = resolving
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
            nested=frame.nested,
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


def _transparent(decorator: str) -> bool:
    return decorator.rsplit(".", 1)[-1] in TRANSPARENT


def _discarded(call: ast.Call, statement: ast.stmt | None) -> bool:
    """Nothing uses what the call gives: it is a statement."""
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value
    return value is call or (isinstance(value, ast.Await) and value.value is call)
