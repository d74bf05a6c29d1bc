"""Running functions: parameters bound to arguments, annotations read."""

from __future__ import annotations

import ast

from h2dlint.analysis import tensors
from h2dlint.analysis import values as V
from h2dlint.analysis.annotations import annotation_value
from h2dlint.analysis.attributes import keep_last
from h2dlint.analysis.callers import Callers
from h2dlint.analysis.given import Given, refined
from h2dlint.analysis.outline import FunctionInfo
from h2dlint.analysis.records import Env, Frame
from h2dlint.analysis.statements import Statements
from h2dlint.analysis.summaries import Context, Trace
from h2dlint.analysis.values import Kind, Value, join, replace
from h2dlint.model import Confidence
from h2dlint.syntax.trees import walk


class Functions(Statements):
    """Runs one function at a time; ``Interpreter`` decides which."""

    def __init__(self) -> None:
        super().__init__()
        self.default_device = V.CPU
        self.called_under_device: frozenset[str] = frozenset()
        self.text = ""
        self._texts: dict[int, str] = {}
        self._nonlocal: bool | None = None
        self._assigned_inside: dict[FunctionInfo, frozenset[str]] = {}
        self._annotations: dict[int, Value | None] = {}
        self.callers: Callers | None = None
        """What calls the functions of a linted module."""

    def _run(
        self,
        function: FunctionInfo,
        call: tensors.Call | None,
        bound: Value | None,
        record: bool,
        depth: int,
        context: Context,
        trace: Trace,
        closure: Env | None = None,
        sink: dict[str, Value] | None = None,
    ) -> Value:
        function.load()
        # Under ``with torch.device(..)``, here or where it is called.
        elsewhere = call is not None and call.default_device != V.CPU
        moved = elsewhere or function.short in self.called_under_device
        frame = Frame(
            function,
            Env(),
            record=record,
            closure=closure,
            depth=depth,
            default_devices=[V.SOME_DEVICE if moved else self.default_device],
            sink=sink,
            context=context,
            trace=trace,
        )
        trace.depth = max(trace.depth, depth)
        frame.shared = self._shared(function)
        # What another run through the same body left behind is not to be seen.
        scratch, self._scratch = self._scratch, {}
        try:
            self._bind_parameters(function, call, bound, frame)
            # What the parameters made run may have had the body dropped.
            function.load()
            end = self.block(function.node.body, frame)
            if frame.nested:
                self._run_nested(frame)
        finally:
            self._scratch = scratch
        if sink is not None:
            keep_last(sink, [*frame.exits, *([end] if end is not None else [])])
        result = frame.returned
        if end is not None:
            result = join(result, V.NONE) if result is not None else V.NONE
        if frame.yields:
            return V.UNKNOWN
        return result if result is not None else V.NONE

    def _run_nested(self, frame: Frame) -> None:
        """Run what a body defined, callers first."""
        functions = list(frame.nested)
        for info in functions if self.callers is None else self.callers.nested(functions):
            self._run(
                info,
                None,
                None,
                record=True,
                depth=frame.depth,
                context=frame.context,
                trace=frame.trace,
                closure=frame.nested[info],
            )

    def _shared(self, function: FunctionInfo) -> frozenset[str]:
        """Names of a function that an inner function assigns."""
        if self._nonlocal is None:
            self._nonlocal = "nonlocal " in self.text
        if not self._nonlocal:
            return frozenset()
        known = self._assigned_inside.get(function)
        if known is None:
            inner = (node for node in walk(function.node) if isinstance(node, ast.Nonlocal))
            known = frozenset(name for node in inner for name in node.names)
            self._assigned_inside[function] = known
        return known

    def _bind_parameters(
        self, function: FunctionInfo, call: tensors.Call | None, bound: Value | None, frame: Frame
    ) -> None:
        arguments = function.parameters
        names = [*arguments.posonlyargs, *arguments.args]
        defaults: list[ast.expr | None] = [None] * (len(names) - len(arguments.defaults))
        defaults += arguments.defaults
        position = 0
        # Behind ``*args`` or ``**kwargs`` a parameter may be given after all.
        called = call is not None and not call.starred and all(k.arg is not None for k in call.node.keywords)
        seen: dict[str, Given] = {}
        if call is None and frame.record and self.callers is not None:
            seen = self.callers.given(function, self.records.values, lambda node: self._quiet(node, frame))
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
            value = self._parameter(arg, default, given, called, frame)
            frame.env.bind(arg.arg, refined(value, seen.get(arg.arg)))
        for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            given = call.keywords.get(arg.arg) if call is not None else None
            value = self._parameter(arg, default, given, called, frame)
            frame.env.bind(arg.arg, refined(value, seen.get(arg.arg)))
        if arguments.vararg is not None:
            elem = self._annotated(arguments.vararg.annotation, frame)
            frame.env.bind(
                arguments.vararg.arg, Value(kind=Kind.SEQ, elem=elem, why="*" + arguments.vararg.arg)
            )
        if arguments.kwarg is not None:
            frame.env.bind(arguments.kwarg.arg, V.DICT)

    def _unparsed(self, node: ast.expr | None) -> str:
        if node is None:
            return ""
        text = self._texts.get(id(node))
        if text is None:
            text = self._texts[id(node)] = ast.unparse(node)
        return text

    def annotation(self, node: ast.expr | None, frame: Frame) -> Value | None:
        return None if node is None else annotation_value(node, lambda n: self._meaning(n, frame))

    def _annotated(self, node: ast.expr | None, frame: Frame) -> Value | None:
        """The annotation of a parameter: outside of functions it means the same on every call."""
        if node is None or frame.closure is not None:
            return self.annotation(node, frame)
        if id(node) not in self._annotations:
            self._annotations[id(node)] = self.annotation(node, frame)
        return self._annotations[id(node)]

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
        annotated = self._annotated(arg.annotation, frame)
        none_default = isinstance(default, ast.Constant) and default.value is None
        if annotated is not None:
            if none_default and (not called or given is None):
                annotated = join(annotated, V.NONE)
            value = annotated.because(f"parameter {arg.arg}: {self._unparsed(arg.annotation)}")
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
